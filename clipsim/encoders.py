"""Pictures and captions into unit vectors: the `Encoder` protocol, and CLIP and SigLIP checkpoints by transformers."""

from __future__ import annotations

import html
import json
import re
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeAlias, TypeVar
from weakref import WeakValueDictionary

import numpy as np
from PIL import Image

from clipsim.errors import EncoderError

if TYPE_CHECKING:
    import torch

BATCH = 16  # pictures or captions a forward pass; on CPU 1 halves the speed and 64 is slower again
# What a checkpoint's folder must hold, each in one of these forms.
PARTS = [
    ["config.json"],
    ["preprocessor_config.json", "processor_config.json"],
    ["tokenizer.json", "vocab.json", "tokenizer.model", "spiece.model"],
    ["model*.safetensors", "pytorch_model*.bin"],
]
DEVICES = "auto, cpu, cuda, cuda:N or mps"


Tensors: TypeAlias = "dict[str, torch.Tensor]"
P = ParamSpec("P")
R = TypeVar("R")
_ENCODERS: WeakValueDictionary[int, TorchEncoder] = WeakValueDictionary()


class Encoder(Protocol):
    """What scoring needs of a model. One instance may be shared between threads.

    Attributes:
        name: the model, as results name it.
        width: length of every vector.
        device: where it runs, for instance "cpu" or "cuda:0".
        logit_scale: what the model was trained to multiply a cosine with before a softmax or sigmoid.

    An encoder may also have `family` ("clip", "siglip", ...), `notes` (sentences that every result repeats),
    `words_cut(caption) -> str` (the end of a caption that is too long) and `seen(size) -> float` (how much of a picture
    of that size reaches the model, 0 to 1).
    """

    @property
    def name(self) -> str: ...
    @property
    def width(self) -> int: ...
    @property
    def device(self) -> str: ...
    @property
    def logit_scale(self) -> float: ...

    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        """Unit-length float32 vectors of shape (n, width) of upright RGB images."""

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        """Unit-length float32 vectors of shape (n, width) of captions."""


class TorchEncoder(ABC):
    """What the encoders on torch share: weights loaded once, at first use, under a lock; batches; tokens; unit length.

    `_load` sets `_tokenizer`, a fast tokenizer of transformers, and `_max_tokens`, how many tokens the model reads.
    """

    family = ""
    _tokenizer: Any
    _max_tokens: int

    def __init__(self, name: str, device: str = "auto", notes: tuple[str, ...] = ()) -> None:
        self.name = name
        self.notes = notes
        self._wanted = device
        self._ready = False
        self._loading = threading.Lock()
        self._key = id(self)
        _ENCODERS[self._key] = self
        self._tokenizing = threading.Lock()  # a fast tokenizer sets its truncation per call, which is not thread safe

    @abstractmethod
    def _load(self) -> None:
        """Read the weights onto `self.device`."""

    @abstractmethod
    def _image_inputs(self, images: list[Image.Image]) -> Tensors:
        """What the network takes, on the CPU."""

    @abstractmethod
    def _text_inputs(self, texts: list[str]) -> Tensors:
        """What the network takes, on the CPU."""

    @abstractmethod
    def _image_vectors(self, inputs: Tensors) -> Any:
        """A tensor of vectors of any length, shape (n, width); the inputs are on the device already."""

    @abstractmethod
    def _text_vectors(self, inputs: Tensors) -> Any:
        """A tensor of vectors of any length, shape (n, width); the inputs are on the device already."""

    @property
    @abstractmethod
    def width(self) -> int: ...

    @property
    @abstractmethod
    def logit_scale(self) -> float: ...

    @property
    def device(self) -> str:
        return resolve_device(self._wanted)

    @property
    def ready(self) -> bool:
        """Whether the weights are read."""
        return self._ready

    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        return self._encode(self._image_inputs, "_image_vectors", images)

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        return self._encode(self._text_inputs, "_text_vectors", texts)

    def ensure_loaded(self) -> None:
        """Read the weights if nobody has yet.

        Raises:
            EncoderError: the files do not hold a model that can be used.
        """
        with self._loading:
            if not self._ready:
                self._load()
                self._ready = True

    def words_cut(self, caption: str) -> str:
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

    def _tokens(self, texts: list[str], padding: bool | str = True) -> Tensors:
        """Token ids and mask, shape (n, longest), cut to what the model reads with the end token kept."""
        texts = [self._cleaned(text) for text in texts]
        with self._tokenizing:
            tokens = self._tokenizer(
                texts, padding=padding, truncation=True, max_length=self._max_tokens, return_tensors="pt"
            )
        return {key: tokens[key] for key in ("input_ids", "attention_mask") if key in tokens}

    def _encode(self, prepare: Callable[[Any], Tensors], vectors_of: str, items: Sequence[Any]) -> np.ndarray:
        self.ensure_loaded()
        vectors = [np.zeros((0, self.width), np.float32)]
        for start in range(0, len(items), BATCH):
            inputs = prepare(items[start : start + BATCH])
            vectors.append(_forward(self._key, vectors_of, inputs).numpy())
        stacked = np.concatenate(vectors)
        if not np.isfinite(stacked).all():
            raise EncoderError(
                f"{self.name} gave vectors that are not numbers: its files are damaged, fetch them again"
            )
        return stacked


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
        on_device = {name: tensor.to(encoder.device) for name, tensor in inputs.items()}
        return normalize(getattr(encoder, vectors_of)(on_device).float(), dim=-1).cpu()


class TransformersEncoder(TorchEncoder):
    """A CLIP or SigLIP checkpoint in a folder, as `save_pretrained` writes it and the hub serves it."""

    def __init__(self, name: str, folder: Path, device: str = "auto", notes: tuple[str, ...] = ()) -> None:
        super().__init__(name, device, notes)
        self.folder = folder
        self.family = _family(folder, name)

    @property
    def width(self) -> int:
        self.ensure_loaded()
        config = self._model.config
        return int(config.projection_dim if self.family == "clip" else config.vision_config.hidden_size)

    @property
    def logit_scale(self) -> float:
        self.ensure_loaded()
        return float(self._model.logit_scale.float().exp())

    def seen(self, size: tuple[int, int]) -> float:
        """Share of a picture of `size` (width, height) that the model's own framing keeps, 0 to 1."""
        return min(size) / max(size) if self._crops else 1.0

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
        dtype = torch.float16 if self.device.startswith("cuda") else torch.float32
        try:
            with without_loading_bar():
                self._processor = processor_class.from_pretrained(self.folder, local_files_only=True)
                self._tokenizer = transformers.AutoTokenizer.from_pretrained(self.folder, local_files_only=True)
                model, report = model_class.from_pretrained(
                    self.folder,
                    dtype=dtype,
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
        self._model = model.to(self.device).eval().requires_grad_(False)

    def _image_inputs(self, images: list[Image.Image]) -> Tensors:
        processor = self._processor
        if not self._crops:
            return {"pixel_values": processor(images, return_tensors="pt")["pixel_values"]}
        edge, crop = processor.size.shortest_edge, (processor.crop_size.width, processor.crop_size.height)
        framed = [centre_crop(image, edge, crop, processor.resample) for image in images]
        pixels = processor(framed, do_resize=False, do_center_crop=False, return_tensors="pt")["pixel_values"]
        return {"pixel_values": pixels}

    def _image_vectors(self, inputs: Tensors) -> Any:
        # transformers 5 returns an object; the projected vectors are its `pooler_output`
        return self._model.get_image_features(inputs["pixel_values"].to(self._model.dtype)).pooler_output

    def _text_inputs(self, texts: list[str]) -> Tensors:
        if self.family == "siglip":  # trained on padded captions, which are read without a mask
            return {"input_ids": self._tokens(texts, padding="max_length")["input_ids"]}
        return self._tokens(texts)

    def _text_vectors(self, inputs: Tensors) -> Any:
        return self._model.get_text_features(**inputs).pooler_output

    def _cleaned(self, text: str) -> str:
        """The text as the model's own training pipeline cleaned it before its tokenizer."""
        if self.family == "siglip":
            return text.lower()
        import ftfy

        return html.unescape(html.unescape(ftfy.fix_text(text)))  # openai/CLIP, `basic_clean`: web text, escaped twice


def resolve_device(wanted: str) -> str:
    """The torch device that `wanted` (one of `DEVICES`) stands for; auto is CUDA, else Apple MPS, else CPU.

    Raises:
        EncoderError: not a device, or not one that this machine has.
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
    """Raise an `EncoderError` that lists `DEVICES` if `wanted` is none of them; torch is not imported for that."""
    kind, colon, index = wanted.partition(":")
    plain = wanted in {"auto", "cpu", "cuda", "mps"}
    if not plain and not (kind == "cuda" and colon and index.isdecimal()):
        raise EncoderError(f"device {wanted!r} is not known: use {DEVICES}")


def centre_crop(
    image: Image.Image, edge: int, crop: tuple[int, int], resample: int = Image.Resampling.BICUBIC
) -> Image.Image:
    """Resize so that the shorter side is `edge`, and keep the `crop` (width, height) in the middle.

    Sizes and offsets are rounded as in OpenAI's pipeline (torchvision's Resize and CenterCrop), from which transformers
    differs by one pixel on half of the odd margins. Only the kept part is resized, so that a 1 x 50,000,000 strip costs
    no more than a photograph.
    """
    width, height = image.size
    short = min(width, height)
    resized = (int(edge * width / short), int(edge * height / short))
    left, top = (round((full - kept) / 2) for full, kept in zip(resized, crop, strict=True))
    if left < 0 or top < 0:  # a processor that crops more than it keeps: the rest is black, as in transformers
        return image.resize(resized, resample).crop((left, top, left + crop[0], top + crop[1]))
    across, down = width / resized[0], height / resized[1]
    box = (left * across, top * down, min((left + crop[0]) * across, width), min((top + crop[1]) * down, height))
    return image.resize(crop, resample, box=box)


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
