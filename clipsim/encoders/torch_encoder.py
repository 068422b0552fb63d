"""Pictures and captions into unit vectors: the `Encoder` protocol, and CLIP and SigLIP checkpoints by transformers."""

from __future__ import annotations

import hashlib
import html
import json
import re
import sys
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar
from weakref import WeakValueDictionary

import numpy as np
from PIL import Image

from clipsim.encoders import vit as fast
from clipsim.encoders.base import BATCH, Box, Encoder
from clipsim.encoders.legrad import legrad
from clipsim.errors import ChoiceError, EncoderError

if TYPE_CHECKING:
    import torch

GPU_BATCH = 64  # pictures, so that a GPU is not kept waiting for the next pass
# Captions are padded to a multiple of this, each by its own length: its vector must not hang on what else is encoded.
TEXT_STEP = 16
# What a checkpoint's folder must hold, each in one of these forms.
PARTS = [
    ["config.json"],
    ["preprocessor_config.json", "processor_config.json"],
    ["tokenizer.json", "vocab.json", "tokenizer.model", "spiece.model"],
    ["model*.safetensors", "pytorch_model*.bin"],
]
# Pillow's reducing_gap for pictures of `LARGE` pixels and more: where one is six times the size or larger, whole pixels
# are first averaged to about three times it. That takes half the time, and cosines with the plain way are 0.999999.
REDUCING_GAP, LARGE = 3.0, 4_000_000
DEVICES = ("auto", "cpu", "cuda", "cuda:N", "mps")
_NO_NARROW = "This processor does not calculate in bfloat16: half precision only reads large JPEGs at a smaller size."


Tensors: TypeAlias = "dict[str, torch.Tensor]"
P = ParamSpec("P")
R = TypeVar("R")
_LOADING = threading.Lock()  # one for all: transformers cannot be imported by two threads at once
_ENCODERS: WeakValueDictionary[int, TorchEncoder] = WeakValueDictionary()


class TorchEncoder(Encoder):
    """What the encoders on torch share: weights loaded once, at first use; batches; tokens; unit length.

    `_load` or `_load_for_words` sets `_tokenizer`, a fast tokenizer of transformers, and `_max_tokens`, how many tokens
    the model reads.
    """

    _tokenizer: Any
    _max_tokens: int

    def __init__(self, name: str, device: str = "auto", notes: tuple[str, ...] = (), precision: str = "auto") -> None:
        self.name = name
        self.notes = notes
        self._wanted = device
        self._wanted_precision = precision
        self._ready = self._ready_for_words = False
        self._key = id(self)
        _ENCODERS[self._key] = self
        self._tokenizing = threading.Lock()  # a fast tokenizer sets its truncation per call, which is not thread safe

    @abstractmethod
    def _load(self) -> None:
        """Read the weights onto `self.device`."""

    @abstractmethod
    def _image_inputs(self, views: list[Image.Image]) -> Tensors:
        """What the network takes, on the CPU, of pictures that have `input_size`."""

    @abstractmethod
    def _text_inputs(self, tokens: list[np.ndarray], size: int) -> Tensors:
        """What the network takes, on the CPU, of token ids that are padded to `size` each."""

    @abstractmethod
    def _image_vectors(self, inputs: Tensors) -> Any:
        """A tensor of vectors of any length, shape (n, width); the inputs are on the device already."""

    @abstractmethod
    def _text_vectors(self, inputs: Tensors) -> Any:
        """A tensor of vectors of any length, shape (n, width); the inputs are on the device already."""

    @abstractmethod
    def _relevance(self, inputs: Tensors, target: torch.Tensor) -> Any:
        """A tensor of shape (n, rows, columns) for a unit vector; both are on the device already."""

    @property
    def device(self) -> str:  # type: ignore[override]  # found at first use: torch is slow to import
        """The torch device that the wanted one stands for."""
        return resolve_device(self._wanted)

    @property
    def precision(self) -> str:  # type: ignore[override]
        """What the network calculates in, "full" or "half"."""
        on_cuda = self.device.startswith("cuda")
        return {"auto": "half" if on_cuda else "full"}.get(self._wanted_precision, self._wanted_precision)

    @property
    def reads_ahead(self) -> bool:  # type: ignore[override]
        """A GPU leaves the processor free meanwhile; on a CPU reading beside the network gains nothing."""
        return self.device != "cpu"

    @property
    def batch(self) -> int:  # type: ignore[override]
        """How many pictures a forward pass takes."""
        return GPU_BATCH if self.device.startswith("cuda") else BATCH

    @property
    def ready(self) -> bool:  # type: ignore[override]
        """Whether the weights are read."""
        return self._ready and self._ready_for_words

    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        self.ensure_loaded(words=False)
        return self.encode_views([self.view(image) for image in images])

    def encode_views(self, views: list[Image.Image]) -> np.ndarray:
        """Unit-length float32 vectors of shape (n, width) of pictures that have `input_size`: no framing is left."""
        self.ensure_loaded(words=False)
        starts = range(0, len(views), self.batch)
        return self._together(
            [self._encoded("_image_vectors", self._image_inputs(views[i : i + self.batch])) for i in starts]
        )

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        return self._encode_texts("_text_vectors", texts)

    def _encode_texts(self, vectors_of: str, texts: list[str]) -> np.ndarray:
        self.ensure_loaded()
        tokens = [np.array(ids) for ids in self._token_ids(texts)]
        vectors = np.empty((len(texts), self.width), np.float32)
        for size in {self._padded(len(ids)) for ids in tokens}:
            places = [i for i, ids in enumerate(tokens) if self._padded(len(ids)) == size]
            for batch in (places[i : i + BATCH] for i in range(0, len(places), BATCH)):
                inputs = self._text_inputs([tokens[i] for i in batch], size)
                vectors[batch] = self._encoded(vectors_of, inputs)
        return self._together([vectors])

    def maps(self, views: list[Image.Image], target: np.ndarray) -> np.ndarray:
        """Where each view supports what `target` stands for: relevance of equal cells that tile it, by `map_method`.

        Args:
            views: pictures that have `input_size`.
            target: unit vector of a caption or a picture, shape (width,).

        Returns:
            float32 of shape (n, rows, columns). Only differences within a model mean something, not the scale.

        Raises:
            EncoderError: the files do not hold a model that can be used.
        """
        import torch

        self.ensure_loaded(words=False)
        wanted = torch.from_numpy(np.array(target, np.float32))
        batches = [views[start : start + self.batch] for start in range(0, len(views), self.batch)]
        grids = [_mapped(self._key, self._image_inputs(batch), wanted).numpy() for batch in batches]
        return self._finite(np.concatenate(grids or [np.zeros((0, 1, 1), np.float32)]), "maps")

    def ensure_loaded(self, *, words: bool = True) -> None:
        """Read the weights if nobody has yet.

        Args:
            words: whether those for captions are needed, which some models have by themselves.

        Raises:
            EncoderError: the files do not hold a model that can be used.
        """
        if self._ready and (self._ready_for_words or not words):
            return
        with _LOADING:
            if not self._ready:
                self._load()
                self._ready = True
            if words and not self._ready_for_words:
                self._load_for_words()
                self._ready_for_words = True

    def _load_for_words(self) -> None:  # most models come as one
        """Read what captions need, where that comes by itself."""

    def truncated_text(self, caption: str) -> str:
        """The end of `caption` that the model does not read, from the first word that is not whole; "" if it fits."""
        self.ensure_loaded()
        cleaned = self._cleaned(caption)
        if len(cleaned) != len(caption):
            caption = cleaned  # places in one are not places in the other; else the user's own spelling is quoted
        with self._tokenizing:
            tokens = self._tokenizer(cleaned, return_offsets_mapping=True, truncation=False, verbose=False)
        if len(tokens["input_ids"]) <= self._max_tokens:
            return ""
        cut = tokens["offset_mapping"][self._max_tokens - 1][0]  # the end token takes the last place
        cut += len(caption[cut:]) - len(caption[cut:].lstrip())  # some tokens begin with the space before a word
        begun = re.search(r"\S*\Z", caption[:cut])
        word = begun.start() if begun else cut
        return caption[word or cut :].strip()  # a script without spaces is cut where the token begins

    def _cleaned(self, text: str) -> str:
        return text

    def _token_ids(self, texts: list[str]) -> list[list[int]]:
        """Token ids of each text, cut to what the model reads with the end token kept."""
        if not texts:
            return []
        with self._tokenizing:
            tokens = self._tokenizer(
                [self._cleaned(text) for text in texts], truncation=True, max_length=self._max_tokens
            )
        ids: list[list[int]] = tokens["input_ids"]
        return ids

    def _padded(self, length: int) -> int:
        """To how many tokens a caption of `length` tokens is padded."""
        return min(-(-length // TEXT_STEP) * TEXT_STEP, self._max_tokens)

    def _encoded(self, vectors_of: str, inputs: Tensors) -> np.ndarray:
        vectors: np.ndarray = _forward(self._key, vectors_of, inputs).numpy()
        return vectors

    def _together(self, vectors: list[np.ndarray]) -> np.ndarray:
        return self._finite(np.concatenate([np.zeros((0, self.width), np.float32), *vectors]), "vectors")

    def _finite(self, values: np.ndarray, what: str) -> np.ndarray:
        if not np.isfinite(values).all():
            raise EncoderError(f"{self.name} gave {what} that are not numbers: its files are damaged, fetch them again")
        return values


def _on_gpu(function: Callable[P, R]) -> Callable[P, R]:
    """On a ZeroGPU Space, where app.py imports `spaces` first, only what that wraps has a GPU; else no change."""
    spaces = sys.modules.get("spaces")
    wrapped: Callable[P, R] = spaces.GPU(function) if spaces else function
    return wrapped


@_on_gpu
def _forward(key: int, vectors_of: str, inputs: Tensors) -> torch.Tensor:
    """Unit vectors, on the CPU. The encoder goes by its key, since a borrowed GPU has a process of its own."""
    import torch
    from torch.nn.functional import normalize

    encoder = _ENCODERS[key]
    with torch.inference_mode():
        on_device = {name: tensor.to(encoder.device, non_blocking=True) for name, tensor in inputs.items()}
        return normalize(getattr(encoder, vectors_of)(on_device).float(), dim=-1).cpu()


@_on_gpu
def _mapped(key: int, inputs: Tensors, target: torch.Tensor) -> torch.Tensor:
    """Relevance by place, on the CPU: as `_forward`, but not in inference mode, where no gradients can be had."""
    import torch

    encoder = _ENCODERS[key]
    with torch.no_grad():
        on_device = {name: tensor.to(encoder.device) for name, tensor in inputs.items()}
        relevance: torch.Tensor = encoder._relevance(on_device, target.to(encoder.device))
        return relevance.float().cpu()


class TransformersEncoder(TorchEncoder):
    """A CLIP or SigLIP checkpoint in a folder, as `save_pretrained` writes it and the hub serves it."""

    map_method = "legrad"

    def __init__(
        self, name: str, folder: Path, device: str = "auto", notes: tuple[str, ...] = (), precision: str = "auto"
    ) -> None:
        super().__init__(name, device, notes, precision)
        self.folder: Path = folder
        self.family = _family(folder, name)
        # the hub's cache keeps each commit in a folder of its own; other folders may be written over
        self.revision = folder.name if folder.parent.name == "snapshots" else _state(folder)
        if precision == "half" and self.device == "cpu" and not _narrow("cpu"):
            self.notes = (*notes, _NO_NARROW)

    @property
    def width(self) -> int:
        self.ensure_loaded()
        config = self._model.config
        return int(config.projection_dim if self.family == "clip" else config.vision_config.hidden_size)

    @property
    def logit_scale(self) -> float:  # type: ignore[override]
        self.ensure_loaded()
        return float(self._model.logit_scale.float().exp())

    @property
    def input_size(self) -> tuple[int, int]:  # type: ignore[override]
        self.ensure_loaded()
        size = self._processor.crop_size if self._crops else self._processor.size
        return size.width, size.height

    def crop_box(self, size: tuple[int, int]) -> Box:
        if not self._crops:
            return 0.0, 0.0, float(size[0]), float(size[1])
        return box_of_crop(size, self._processor.size.shortest_edge, self.input_size)

    def view(self, image: Image.Image) -> Image.Image:
        if self._crops:
            return centre_crop(image, self._processor.size.shortest_edge, self.input_size, self._processor.resample)
        return _resized(image, self.input_size, self._processor.resample)

    @property
    def _crops(self) -> bool:
        self.ensure_loaded()
        return bool(self._processor.do_center_crop and self._processor.size.shortest_edge)

    def _load(self) -> None:
        import torch
        import transformers

        missing = missing_part(self.folder)
        if missing:
            raise EncoderError(f"{self.name} is not complete: its folder lacks {missing}, fetch it again")
        model_class, processor_class = {
            "clip": (transformers.CLIPModel, transformers.CLIPImageProcessorPil),
            "siglip": (transformers.SiglipModel, transformers.SiglipImageProcessorPil),
        }[self.family]
        try:
            with without_loading_bar():
                self._processor = processor_class.from_pretrained(self.folder, local_files_only=True)
                self._tokenizer = transformers.AutoTokenizer.from_pretrained(self.folder, local_files_only=True)
                model, report = model_class.from_pretrained(
                    self.folder,
                    dtype=torch.float32,
                    local_files_only=True,
                    output_loading_info=True,
                    ignore_mismatched_sizes=True,  # reported like missing ones
                )
        except Exception as error:  # missing, damaged and foreign files raise a dozen types; the cause is kept
            raise EncoderError(f"{self.name} could not be loaded: {_one_line(error)}") from error
        # transformers fills such gaps with random numbers and goes on
        gaps = sorted([*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])])
        if gaps:
            raise EncoderError(f"{self.name} lacks {len(gaps)} of its weights, {gaps[0]} among them: fetch it again")
        if len(self._tokenizer) <= len(set(self._tokenizer.all_special_ids)):
            raise EncoderError(f"{self.name} has no vocabulary: its folder lacks tokenizer.json")
        self._max_tokens = model.config.text_config.max_position_embeddings
        self._arranged = fast.knows(model)
        narrow = _narrow(self.device) if self.precision == "half" and self._arranged else ""
        if narrow:  # of the pictures' tower only: what follows it, and captions, cost next to nothing
            model.vision_model.to(getattr(torch, narrow))
        self._model = model.to(self.device).eval().requires_grad_(False)
        if self._arranged:
            fast.arrange(self._model)
        scale, mean, std = self._processor.rescale_factor, self._processor.image_mean, self._processor.image_std
        if not self._processor.do_rescale:
            scale = 1.0
        if not self._processor.do_normalize:
            mean, std = [0.0] * 3, [1.0] * 3
        # (scale * pixel - mean) / std as one product and one sum
        self._factor = (scale / torch.tensor(std)).view(3, 1, 1).to(self.device)
        self._offset = (-torch.tensor(mean) / torch.tensor(std)).view(3, 1, 1).to(self.device)

    def _image_inputs(self, views: list[Image.Image]) -> Tensors:
        return {"pixels": stacked(views, pinned=self.device.startswith("cuda"))}

    def _pixel_values(self, inputs: Tensors) -> torch.Tensor:
        values = inputs["pixels"].float().mul_(self._factor).add_(self._offset)
        return values.to(self._model.vision_model.dtype)

    def _image_vectors(self, inputs: Tensors) -> Any:
        if self._arranged:
            return fast.image_vectors(self._model, self._pixel_values(inputs))
        return self._model.get_image_features(self._pixel_values(inputs)).pooler_output

    def _padded(self, length: int) -> int:
        return self._max_tokens if self.family == "siglip" else super()._padded(length)  # it was trained on padded ones

    def _text_inputs(self, tokens: list[np.ndarray], size: int) -> Tensors:
        # without a mask: SigLIP was trained so, and in CLIP no token looks at those behind it
        return {"input_ids": padded(tokens, size, self._tokenizer.pad_token_id)}

    def _text_vectors(self, inputs: Tensors) -> Any:
        return fast.text_vectors(self._model, inputs["input_ids"])

    def _relevance(self, inputs: Tensors, target: torch.Tensor) -> Any:
        return legrad(self._model, self._pixel_values(inputs), target)

    def _cleaned(self, text: str) -> str:
        """The text as the model's own training pipeline cleaned it before its tokenizer."""
        if self.family == "siglip":
            return text.lower()
        import ftfy

        return html.unescape(html.unescape(ftfy.fix_text(text)))  # openai/CLIP, `basic_clean`: web text, escaped twice


def stacked(views: list[Image.Image], pinned: bool = False) -> torch.Tensor:
    """Pictures of one size as bytes, shape (n, 3, height, width); `pinned` where a GPU is to fetch them."""
    import torch

    pixels = torch.from_numpy(np.stack([np.asarray(view) for view in views])).permute(0, 3, 1, 2).contiguous()
    return pixels.pin_memory() if pinned else pixels


def padded(tokens: list[np.ndarray], size: int, filling: int) -> torch.Tensor:
    """Token ids, shape (n, size)."""
    import torch

    together = np.full((len(tokens), size), filling, np.int64)
    for row, ids in zip(together, tokens, strict=True):
        row[: len(ids)] = ids
    return torch.from_numpy(together)


def _narrow(device: str) -> str:
    """Torch's name of the narrow number format that the device calculates in, or ""."""
    if device != "cpu":
        return "float16"
    abilities = fast.capabilities()
    return "bfloat16" if abilities.get("avx512_bf16") or abilities.get("amx_bf16") else ""


def resolve_device(wanted: str) -> str:
    """The torch device that `wanted` (one of `DEVICES`) stands for; auto is CUDA, else Apple MPS, else CPU.

    Raises:
        ChoiceError: not a device.
        EncoderError: not one that this machine has.
    """
    if wanted == "cpu":
        return wanted
    check_device_name(wanted)
    import torch

    available = {
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
    }
    if wanted == "auto":
        return next((kind for kind, count in available.items() if count), "cpu")
    kind, _, index = wanted.partition(":")
    if int(index or 0) >= available[kind]:
        raise EncoderError(f"device {wanted!r} is not on this machine: use auto or cpu")
    return wanted


def check_device_name(wanted: str) -> None:
    """Raise a `ChoiceError` that lists `DEVICES` if `wanted` is none of them; torch is not imported for that."""
    kind, colon, index = wanted.partition(":")
    plain = wanted in {"auto", "cpu", "cuda", "mps"}
    if not plain and not (kind == "cuda" and colon and index.isdecimal()):
        raise ChoiceError("device", wanted, DEVICES)


def box_of_crop(size: tuple[int, int], edge: int, crop: tuple[int, int]) -> Box:
    """The part of a picture of `size` that is left when its shorter side becomes `edge` and the middle `crop` is kept.

    Sizes and offsets are rounded as in OpenAI's pipeline (torchvision's Resize and CenterCrop), from which transformers
    differs by one pixel on half of the odd margins. The box reaches beyond the picture where `crop` is larger.
    """
    short = min(size)
    resized = [int(edge * side / short) for side in size]
    start = [round((full - kept) / 2) for full, kept in zip(resized, crop, strict=True)]
    across, down = (side / full for side, full in zip(size, resized, strict=True))
    left, top = start[0] * across, start[1] * down
    right, bottom = (start[0] + crop[0]) * across, (start[1] + crop[1]) * down
    return left, top, min(right, size[0]) if left >= 0 else right, min(bottom, size[1]) if top >= 0 else bottom


def centre_crop(
    image: Image.Image, edge: int, crop: tuple[int, int], resample: int = Image.Resampling.BICUBIC
) -> Image.Image:
    """Resize so that the shorter side is `edge`, and keep the `crop` (width, height) in the middle: see `box_of_crop`.

    Only the kept part is resized, so that a 1 x 50,000,000 strip costs no more than a photograph.
    """
    box = box_of_crop(image.size, edge, crop)
    if box[0] >= 0 and box[1] >= 0:
        return _resized(image, crop, resample, box)
    # a processor that crops more than it keeps: the rest is black, as in transformers
    short = min(image.size)
    resized = (int(edge * image.width / short), int(edge * image.height / short))
    left, top = (round((full - kept) / 2) for full, kept in zip(resized, crop, strict=True))
    return image.resize(resized, resample).crop((left, top, left + crop[0], top + crop[1]))


def _resized(image: Image.Image, size: tuple[int, int], resample: int, box: Box | None = None) -> Image.Image:
    gap = REDUCING_GAP if image.width * image.height >= LARGE else None
    return image.resize(size, resample, box, gap)


@contextmanager
def without_loading_bar() -> Iterator[None]:
    """Keep transformers from drawing a bar of its own on the terminal while it loads weights."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def missing_part(folder: Path) -> str:
    """What a checkpoint's folder lacks, or "" where it is whole."""
    for forms in PARTS:
        if not any(any(folder.glob(form)) for form in forms):
            return " or ".join(forms)
    return ""


def _state(folder: Path) -> str:
    """What changes when files of the folder are written: their names, sizes and times, as a digest."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    listing = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.sha256(repr(listing).encode()).hexdigest()


def _family(folder: Path, name: str) -> str:
    try:
        kind = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError) as error:
        raise EncoderError(f"{name} is not a model: its folder has no readable config.json") from error
    if kind not in ("clip", "siglip"):
        raise EncoderError(f"{name} is of the family {kind!r}: use a CLIP or SigLIP checkpoint")
    return str(kind)


def _one_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
