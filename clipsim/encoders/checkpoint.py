"""CLIP, SigLIP and MetaCLIP 2 checkpoints, loaded by transformers; `families` lists those of other files too."""

from __future__ import annotations

import hashlib
import html
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, ClassVar

import ftfy
import numpy as np
import torch
import transformers
from PIL import Image

from clipsim.encoders import captions, legrad, vit
from clipsim.encoders.devices import find_half_format, has_int8
from clipsim.encoders.hub import OWN_FILES, find_missing_part
from clipsim.encoders.int8 import Int8Linear
from clipsim.encoders.packed import HalfLinear
from clipsim.encoders.preprocessing import Preprocessing
from clipsim.encoders.torch_encoder import TorchEncoder
from clipsim.encoders.weights import hide_loading_bar, read_weights
from clipsim.errors import EncoderError

_NO_INT8 = "This processor does not multiply bytes in one step, as VNNI and AMX do: the model calculates in full."
_NOT_PACKED = "This model is of a kind that has no int8 here: it calculates in full."
_NO_HALF = "This processor does not calculate in bfloat16: half precision only reads large JPEGs at a smaller size."


def clean_web_text(text: str) -> str:
    """Clean a caption as openai/CLIP's `basic_clean` does: text from the web may be escaped twice."""
    return html.unescape(html.unescape(ftfy.fix_text(text)))


# Tokens. OpenAI's and LAION's CLIP have 49,408, SigLIP 32,000 for English and 250,000 for other languages, SigLIP 2
# 256,000, MetaCLIP 2 901,629.
MULTILINGUAL = 100_000


def _leave_to_subclass(*_: Any) -> Any:
    raise NotImplementedError


@dataclass(frozen=True)
class Family:
    """What one family of models needs; a new family is a new entry of `FAMILIES`, or of a subclass's own table."""

    model: Any  # its class in transformers
    processor: Any  # the class of its image processor, on Pillow
    width: Callable[[Any], int]  # length of a vector, from the model's configuration
    clean: Callable[[str], str]  # what the training pipeline did to a caption before the tokenizer
    pad_fully: bool  # captions to the full length, as in training; else to a multiple of `TEXT_STEP`
    # of token ids; without a mask, as SigLIP was trained, and in CLIP no token attends to those behind it
    text_vectors: Callable[[Any, torch.Tensor], torch.Tensor] = _leave_to_subclass
    image_vectors: Callable[[Any, torch.Tensor], torch.Tensor] = _leave_to_subclass  # of pixel values, if arranged
    step: legrad.Step = _leave_to_subclass


FAMILIES = {  # by the `model_type` of config.json
    "clip": Family(
        model=transformers.CLIPModel,
        processor=transformers.CLIPImageProcessorPil,
        width=attrgetter("projection_dim"),
        clean=clean_web_text,
        pad_fully=False,
        image_vectors=vit.encode_clip_images,
        text_vectors=captions.encode_clip_texts,
        step=legrad.run_clip_layer,
    ),
    "siglip": Family(
        model=transformers.SiglipModel,
        processor=transformers.SiglipImageProcessorPil,
        width=attrgetter("vision_config.hidden_size"),
        # SigLIP 2 was trained on lower case with its punctuation: so reads its authors' demo (big_vision's
        # SigLIP2_demo.ipynb, `lower|tok(gemma)`), and transformers' Siglip2Tokenizer. The tokenizer of the first
        # version takes punctuation out itself (`SiglipTokenizer.canonicalize_text`, after big_vision too).
        clean=str.lower,
        pad_fully=True,
        image_vectors=vit.encode_siglip_images,
        text_vectors=captions.encode_siglip_texts,
        step=legrad.run_siglip_layer,
    ),
    "metaclip_2": Family(  # CLIP's networks, with a tokenizer of 900,000 tokens that knows capitals
        model=transformers.MetaClip2Model,
        processor=transformers.CLIPImageProcessorPil,
        width=attrgetter("projection_dim"),
        clean=str,
        pad_fully=False,
        image_vectors=vit.encode_clip_images,
        text_vectors=captions.encode_clip_texts,
        step=legrad.run_clip_layer,
    ),
}


class CheckpointEncoder(TorchEncoder):
    """A checkpoint in a folder, as `save_pretrained` writes it and the hub serves it.

    Attributes:
        families: what it can be, by the `model_type` of config.json.
        packs: whether its layers can be packed in fewer bits.
    """

    families: ClassVar[Mapping[str, Family]] = FAMILIES
    packs = True
    map_method = "legrad"

    def __init__(self, name: str, folder: Path, device: str = "auto", precision: str = "auto") -> None:
        """Read which family it is, but no weights; see `clipsim.encoders.load` for the arguments.

        Raises:
            EncoderError: the folder holds no model of a known family, or the device is not on this machine.
        """
        super().__init__(name, device, precision=precision)
        if precision == "int8":
            self.precision, self.notes = self._check_int8()
        self.folder: Path = folder
        self.family = read_family(folder, name)
        if self.family not in self.families:
            known = " or ".join(sorted(self.families))
            raise EncoderError(f"{name} is of the family {self.family!r}: use a checkpoint of the family {known}")
        self._family = self.families[self.family]
        self.revision = find_revision(folder)
        if precision == "half" and self.device == "cpu" and not find_half_format("cpu"):
            self.notes = (_NO_HALF,)

    def _check_int8(self) -> tuple[str, tuple[str, ...]]:
        """Return what is calculated in where int8 was asked for, and a note that says why if it is another."""
        if not self.packs:
            return "full", (_NOT_PACKED,)
        if self.device != "cpu":
            return "half", (f"int8 is for processors: on {self.device} the model calculates in half.",)
        return ("int8", ()) if has_int8() else ("full", (_NO_INT8,))

    @property
    def width(self) -> int:
        """Length of every vector."""
        self.ensure_loaded()
        return int(self._family.width(self._model.config))

    @property
    def logit_scale(self) -> float:  # type: ignore[override]  # it lies with the weights, which are read late
        """The scale that the checkpoint was trained with."""
        self.ensure_loaded()
        return float(self._model.logit_scale.float().exp())

    @property
    def logit_bias(self) -> float | None:  # type: ignore[override]
        """The bias that a SigLIP was trained with."""
        self.ensure_loaded()
        bias = getattr(self._model, "logit_bias", None)
        return None if bias is None else float(bias)

    @property
    def input_size(self) -> tuple[int, int]:  # type: ignore[override]
        """Width and height, in pixels, that the checkpoint's processor makes."""
        self.ensure_loaded()
        return self._preprocessing.input_size

    @property
    def english_only(self) -> bool:  # type: ignore[override]
        """Tell by the tokenizer: those of English have some ten thousand tokens, of many languages some hundred."""
        self.ensure_loaded()
        return len(self._tokenizer) < MULTILINGUAL

    @property
    def preprocessing(self) -> Preprocessing:
        """What the checkpoint's processor does to a picture."""
        self.ensure_loaded()
        return self._preprocessing

    def read_model(self) -> Any:
        """Read the weights into a model of transformers, in float32 on the CPU: another one at each call, for training.

        Raises:
            EncoderError: files are missing or damaged.
        """
        with explain_loading(self.name):
            return read_weights(self._family.model, self.name, self.folder, dtype=torch.float32)

    def _load(self) -> None:
        missing = find_missing_part(self.folder)
        if missing:
            raise EncoderError(f"{self.name} is not complete: its folder lacks {missing}, fetch it again")
        with explain_loading(self.name):
            self._processor = self._family.processor.from_pretrained(self.folder, local_files_only=True)
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(self.folder, local_files_only=True)
        model = self.read_model()
        if len(self._tokenizer) <= len(set(self._tokenizer.all_special_ids)):
            raise EncoderError(f"{self.name} has no vocabulary: its folder lacks tokenizer.json")
        self._max_tokens = model.config.text_config.max_position_embeddings
        self._prepare_images(model.config.vision_config)
        self._prepare(model)

    def _prepare_images(self, config: Any) -> None:
        """Take over the processor's framing, and its scaling of bytes as one product and one sum.

        `config` is that of the model's network for pictures.

        Raises:
            EncoderError: the processor does not make squares of the model's side.
        """
        processor, side = self._processor, config.image_size
        edge: int | None = processor.size.shortest_edge if processor.do_center_crop else None
        made = ([] if edge else [processor.size]) + ([processor.crop_size] if processor.do_center_crop else [])
        for size in made:
            if (size.width, size.height) != (side, side):
                found = f"{size.width} x {size.height}" if size.width else "of any size"
                raise EncoderError(
                    f"{self.name} has a processor that makes pictures {found}, and a model that looks at {side} x "
                    f"{side}: make size and crop_size in its preprocessor_config.json fit the model"
                )
        self._preprocessing = Preprocessing((side, side), edge, int(processor.resample))
        self._take_scaling()

    def _take_scaling(self) -> None:
        processor = self._processor
        scale = processor.rescale_factor if processor.do_rescale else 1.0
        mean, std = (processor.image_mean, processor.image_std) if processor.do_normalize else ([0.0] * 3, [1.0] * 3)
        self._factor = (scale / torch.tensor(std)).view(3, 1, 1).to(self.device)
        self._offset = (-torch.tensor(mean) / torch.tensor(std)).view(3, 1, 1).to(self.device)

    def _prepare(self, model: Any) -> None:
        """Put the model on the device, in its precision, and arrange it for speed where that is possible."""
        self._arranged = vit.can_arrange(model)
        self._model = model.eval().requires_grad_(False)
        if self.precision == "int8" and not self._arranged:
            self.precision, self.notes = "full", (_NOT_PACKED,)
        # the pictures' tower only: what follows it, and captions, cost next to nothing
        halved = find_half_format(self.device) if self._arranged and self.precision == "half" else None
        packing = Int8Linear if self.precision == "int8" else HalfLinear if halved == torch.bfloat16 else None
        if self._arranged and packing:
            vit.arrange(model, packing)
        model.vision_model.to(halved)
        model.to(self.device)
        if self._arranged and not packing:
            vit.arrange(model)

    def scale_pixels(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return bytes on the encoder's device, of views, as the processor scales them, in float32."""
        return pixels.float().mul_(self._factor).add_(self._offset)

    def _pixel_values(self, pixels: torch.Tensor) -> torch.Tensor:
        values: torch.Tensor = self.scale_pixels(pixels).to(self._model.vision_model.dtype)
        return values

    def _image_vectors(self, pixels: torch.Tensor) -> torch.Tensor:
        if self._arranged:
            return self._family.image_vectors(self._model, self._pixel_values(pixels))
        vectors: torch.Tensor = self._model.get_image_features(self._pixel_values(pixels)).pooler_output
        return vectors

    def encode_features(self, views: list[Image.Image]) -> np.ndarray:
        """Return what CLIP's own projection takes, shape (n, hidden width); of other families the unit vectors."""
        self.ensure_loaded()
        if not self.projects:
            return super().encode_features(views)
        width = self._model.visual_projection.in_features
        return self._check(self._run_views(self._pool, views).reshape(-1, width), "features")

    def project(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return unit vectors and what a head is learned from, of which CLIP's are linear: `vectors = inputs @ P`."""
        self.ensure_loaded()
        if not self.projects:
            return super().project(features)
        vectors = features @ self._model.visual_projection.weight.float().cpu().numpy().T
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / lengths, features / lengths

    @property
    def projects(self) -> bool:  # type: ignore[override]
        """Whether its last step is a plain product, which a linear residual can be added to."""
        return self.family == "clip"

    def _pool(self, pixels: torch.Tensor) -> torch.Tensor:
        if self._arranged:
            return vit.pool_clip_images(self._model, self._pixel_values(pixels))
        pooled: torch.Tensor = self._model.vision_model(self._pixel_values(pixels)).pooler_output
        return pooled.float()

    def _pads_before(self) -> bool:
        # as the checkpoint's tokenizer says, whose class in transformers says "left", and SigLIP 2's files "right"
        return self._family.pad_fully and self._tokenizer.padding_side == "left"

    def _padded_length(self, length: int) -> int:
        return self._max_tokens if self._family.pad_fully else super()._padded_length(length)

    def _text_vectors(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:  # noqa: ARG002  # see `Family`
        return self._family.text_vectors(self._model, ids)

    def _relevance(self, pixels: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return legrad.explain(self._family.step, self._model, self._pixel_values(pixels), target)

    def _clean(self, text: str) -> str:
        return self._family.clean(text)


@contextmanager
def explain_loading(name: str) -> Iterator[None]:
    """Load parts of a checkpoint quietly; missing, damaged and foreign files raise a dozen types, the cause is kept."""
    try:
        with hide_loading_bar():
            yield
    except EncoderError:  # which says it already
        raise
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise EncoderError(f"{name} could not be loaded: {reason}") from error


def find_revision(folder: Path) -> str:
    """Return a checkpoint's commit in the hub's cache, which keeps each in a folder of its own.

    Of other folders, which may be written over, a digest that changes when others' files in it are written: of their
    names, sizes and times.
    """
    if folder.parent.name == "snapshots":
        return folder.name
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith(OWN_FILES))
    listing = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.sha256(repr(listing).encode()).hexdigest()


def read_family(folder: Path, name: str) -> str:
    """Return the `model_type` of a folder's config.json, or raise an `EncoderError` if there is none to be read."""
    try:
        return str(json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type"))
    except (OSError, ValueError, AttributeError) as error:
        raise EncoderError(f"{name} is not a model: its folder has no readable config.json") from error
