"""SigLIP 2 NaFlex: pictures in their own aspect, cut into as many patches as the checkpoint takes at most."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, ClassVar

import numpy as np
import torch
import transformers
from PIL import Image
from torch.nn.functional import pad as pad_with_zeros

from clipsim.encoders import captions
from clipsim.encoders.base import Encoder
from clipsim.encoders.checkpoint import CheckpointEncoder, Family
from clipsim.encoders.devices import find_half_format
from clipsim.encoders.preprocessing import PatchPreprocessing


class NaFlexEncoder(CheckpointEncoder):
    """A `Siglip2Model` in a folder. No picture is cropped or squeezed, so that all of each is seen.

    Patches of smaller pictures are filled up to the most there can be, and masked: a batch changes nothing.
    """

    families: ClassVar[Mapping[str, Family]] = {
        "siglip2": Family(
            model=transformers.Siglip2Model,
            processor=transformers.Siglip2ImageProcessorPil,
            width=attrgetter("vision_config.hidden_size"),
            clean=str.lower,  # as for SigLIP 2 of fixed sizes
            pad_fully=True,
            text_vectors=captions.encode_siglip_texts,
        )
    }
    packs = False
    map_method = "windows"
    _preprocessing: PatchPreprocessing

    def _prepare_images(self, config: Any) -> None:
        patch, most = config.patch_size, self._processor.max_num_patches
        side = int(most**0.5) * patch  # of a square; what pads and tiles are made to
        self._preprocessing = PatchPreprocessing((side, side), None, int(self._processor.resample), patch, most)
        self._take_scaling()

    def _prepare(self, model: Any) -> None:
        self._arranged = False  # `vit` knows no mask
        if self.precision == "half":
            model.vision_model.to(find_half_format(self.device))
        self._model = model.to(self.device).eval().requires_grad_(False)

    def _run_views(self, encode: Callable[[torch.Tensor], torch.Tensor], views: list[Image.Image]) -> torch.Tensor:
        """Return on the CPU the vectors of pictures of any size, a batch at a time; `encode` takes one size only."""
        del encode
        cut = [self._cut(view) for view in views]
        size = self.batch  # which others may change meanwhile
        batches = [cut[start : start + size] for start in range(0, len(cut), size)]
        rows = [self._run(self._patch_vectors, *map(torch.stack, zip(*batch, strict=True))) for batch in batches]
        return torch.cat(rows) if rows else torch.empty(0, 0)

    def _cut(self, view: Image.Image) -> tuple[torch.Tensor, torch.Tensor]:
        """Return a picture's patches as bytes, shape (most, 3 patch^2), zeros behind, and how many rows and columns."""
        patch, most = self._preprocessing.patch, self._preprocessing.most
        columns, rows = view.width // patch, view.height // patch
        if view.size != (columns * patch, rows * patch) or not 0 < columns * rows <= most:
            return self._cut(self.view(view))
        cells = torch.from_numpy(np.array(view)).reshape(rows, patch, columns, patch, 3)
        flat = cells.permute(0, 2, 1, 3, 4).reshape(rows * columns, -1)
        return pad_with_zeros(flat, (0, 0, 0, most - len(flat))), torch.tensor((rows, columns))

    def _patch_vectors(self, patches: torch.Tensor, shapes: torch.Tensor) -> torch.Tensor:
        values = (
            patches.reshape(*patches.shape[:-1], -1, 3)
            .float()
            .mul_(self._factor.flatten())
            .add_(self._offset.flatten())
        )
        mask = torch.arange(patches.shape[1], device=patches.device) < shapes.prod(dim=-1, keepdim=True)
        vectors: torch.Tensor = self._model.get_image_features(
            values.flatten(-2), pixel_attention_mask=mask.int(), spatial_shapes=shapes
        ).pooler_output
        return vectors

    def maps(self, views: list[Image.Image], target: np.ndarray) -> np.ndarray:
        """Return as `Encoder.maps` where each view supports `target`, by windows of it."""
        return Encoder.maps(self, views, target)
