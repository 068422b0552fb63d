"""Models of open_clip that transformers has not: PE-Core, MobileCLIP 2. They need the extra `open-clip`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from clipsim.encoders.base import Encoder
from clipsim.encoders.checkpoint import explain_loading, find_revision
from clipsim.encoders.hub import OPEN_CLIP, check_open_clip, find_missing_part
from clipsim.encoders.preprocessing import Preprocessing
from clipsim.encoders.tokenizer import Tokenizer
from clipsim.encoders.torch_encoder import TorchEncoder
from clipsim.errors import EncoderError

_ONLY_FULL = "Models of open_clip have neither half precision nor int8 here: they calculate in full."
_RESAMPLE = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


class OpenClipEncoder(TorchEncoder):
    """A checkpoint of open_clip in a folder: `open_clip_config.json` and `open_clip_model.safetensors`."""

    family = "open_clip"
    map_method = "windows"
    english_only = True

    def __init__(self, name: str, folder: Path, device: str = "auto", precision: str = "auto") -> None:
        """Read no weights yet; see `clipsim.encoders.load` for the arguments.

        Raises:
            EncoderError: open_clip is not installed, or the device is not on this machine.
        """
        check_open_clip(name)
        super().__init__(name, device, (_ONLY_FULL,) if precision in ("half", "int8") else (), "full")
        self.folder: Path = folder
        self.revision = find_revision(folder)

    @property
    def width(self) -> int:
        """Length of every vector."""
        self.ensure_loaded()
        return self._width

    @property
    def logit_scale(self) -> float:  # type: ignore[override]
        """The scale that the checkpoint was trained with."""
        self.ensure_loaded()
        return float(self._model.logit_scale.exp())

    @property
    def logit_bias(self) -> float | None:  # type: ignore[override]
        """The bias that it was trained with, if it was with a sigmoid."""
        self.ensure_loaded()
        return None if self._model.logit_bias is None else float(self._model.logit_bias)

    @property
    def input_size(self) -> tuple[int, int]:  # type: ignore[override]
        """Width and height, in pixels, of what the network looks at."""
        return self.preprocessing.input_size

    @property
    def preprocessing(self) -> Preprocessing:
        """What the checkpoint's configuration does to a picture."""
        self.ensure_loaded()
        return self._preprocessing

    def _load(self) -> None:
        missing = find_missing_part(self.folder)
        if missing:
            raise EncoderError(f"{self.name} is not complete: its folder lacks {missing}, fetch it again")
        import open_clip

        with explain_loading(self.name):
            known = json.loads((self.folder / OPEN_CLIP[0]).read_text(encoding="utf-8"))
            place = f"local-dir:{self.folder}"
            model = open_clip.create_model(place, pretrained_text=False, require_pretrained=True)
            tokenizer = open_clip.get_tokenizer(place)
        if not isinstance(tokenizer, open_clip.SimpleTokenizer):
            raise EncoderError(f"{self.name} reads captions by a tokenizer of its own: clipsim knows CLIP's alone")
        self._model = model.to(self.device).eval().requires_grad_(False)
        self._tokenizer, self._max_tokens = _wrap(tokenizer), int(model.context_length)
        self._width = int(known.get("model_cfg", known)["embed_dim"])
        self._prepare_images(open_clip.get_model_preprocess_cfg(model))

    def _prepare_images(self, known: dict[str, Any]) -> None:
        size = known["size"]
        width, height = (size, size) if isinstance(size, int) else (int(size[1]), int(size[0]))
        way, resample = known["resize_mode"], known["interpolation"]
        if way not in ("shortest", "squash") or resample not in _RESAMPLE:
            raise EncoderError(f"{self.name} resizes pictures by {way}, {resample}: clipsim crops or squeezes them")
        edge = min(width, height) if way == "shortest" else None
        self._preprocessing = Preprocessing((width, height), edge, _RESAMPLE[resample])
        self._mean, self._std = (
            torch.tensor(known[name], dtype=torch.float32).view(3, 1, 1).to(self.device) for name in ("mean", "std")
        )

    def _image_vectors(self, pixels: torch.Tensor) -> torch.Tensor:
        vectors: torch.Tensor = self._model.encode_image((pixels.float() / 255 - self._mean) / self._std)
        return vectors

    def _text_vectors(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:  # noqa: ARG002  # it takes none
        vectors: torch.Tensor = self._model.encode_text(ids)
        return vectors

    def _padded_length(self, length: int) -> int:  # noqa: ARG002  # some attend to what fills a caption up
        return self._max_tokens

    def maps(self, views: list[Image.Image], target: np.ndarray) -> np.ndarray:
        """Return as `Encoder.maps` where each view supports `target`, by windows of it."""
        return Encoder.maps(self, views, target)

    def _relevance(self, pixels: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError  # `maps` has no need of it


def _wrap(own: Any) -> Tokenizer:
    """Wrap an `open_clip.SimpleTokenizer`."""

    def encode(text: str, whole: bool) -> list[int]:
        ids: list[int] = own.encode(text)
        return [own.sot_token_id, *ids, own.eot_token_id] if whole else ids

    return Tokenizer(encode, int(own.vocab_size))
