"""TIPSv2: its patches lie in the captions' own space, so that it says by itself where a caption finds its support."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any, ClassVar

import torch
import transformers
from torch.nn.functional import normalize
from transformers.image_processing_backends import PilBackend

from clipsim.encoders.checkpoint import CheckpointEncoder, Family
from clipsim.encoders.devices import find_half_format


class TipsImageProcessor(PilBackend):  # type: ignore[misc]  # transformers has no types
    """What transformers' `Tipsv2ImageProcessor` does, which needs torchvision, by Pillow."""

    resample = 2  # bilinear
    size: ClassVar[Mapping[str, int]] = {"height": 448, "width": 448}
    do_resize = True
    do_rescale = True
    do_center_crop = False
    do_normalize = False
    do_convert_rgb = True


class TipsEncoder(CheckpointEncoder):
    """A `Tipsv2Model` in a folder.

    A map is the cosine of each patch with the caption, of the last layer, as in the authors' own examples.
    """

    families: ClassVar[Mapping[str, Family]] = {
        "tipsv2": Family(
            model=transformers.Tipsv2Model,
            processor=TipsImageProcessor,
            width=attrgetter("vision_config.hidden_size"),
            clean=str,  # its tokenizer makes capitals small
            pad_fully=False,
        )
    }
    packs = False
    map_method = "patches"

    @property
    def logit_scale(self) -> float:  # type: ignore[override]
        """What a cosine is multiplied with: the checkpoint's temperature divides it."""
        self.ensure_loaded()
        return 1.0 / float(self._model.temperature)

    def _prepare(self, model: Any) -> None:
        self._arranged = False  # its layers are DINOv2's
        if self.precision == "half":
            model.vision_model.to(find_half_format(self.device))
        self._model = model.to(self.device).eval().requires_grad_(False)

    def _text_vectors(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        vectors: torch.Tensor = self._model.get_text_features(ids, attention_mask=mask).pooler_output
        return vectors  # the mean of what is read

    def _relevance(self, pixels: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        config = self._model.config.vision_config
        tokens = self._model.vision_model(self._pixel_values(pixels)).last_hidden_state
        patches = normalize(tokens[:, 1 + config.num_register_tokens :].float(), dim=-1)  # behind the class tokens
        rows, columns = (side // config.patch_size for side in pixels.shape[-2:])
        return (patches @ target).reshape(-1, rows, columns)
