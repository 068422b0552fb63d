"""What the encoders on torch share: loading at first use, batches, tokens, unit length."""

from __future__ import annotations

import re
import threading
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import normalize

from clipsim.encoders.base import BATCH, Encoder
from clipsim.encoders.devices import borrow_gpu, resolve_device
from clipsim.encoders.preprocessing import stack
from clipsim.errors import EncoderError

GPU_BATCH = 64  # pictures, so that a GPU is not kept waiting for the next pass
# Captions are padded to a multiple of this, each by its own length: its vector must not depend on what else is encoded.
TEXT_STEP = 16

Tensors: TypeAlias = dict[str, torch.Tensor]
_LOADING = threading.Lock()  # one for all: transformers cannot be imported by two threads at once
# On a ZeroGPU Space the borrowed GPU belongs to another process, a fork of this one: an encoder cannot be sent there,
# but is found there by its key.
_ENCODERS: WeakValueDictionary[int, TorchEncoder] = WeakValueDictionary()


class TorchEncoder(Encoder):
    """A model on torch, whose weights are loaded once, at first use.

    A subclass reads the weights in `_load`, and in `_load_words` those for captions where they come by themselves. One
    of the two sets `_tokenizer`, a fast tokenizer of transformers, and `_max_tokens`, how many tokens the model reads.
    """

    ready = False
    _tokenizer: Any
    _max_tokens: int

    def __init__(self, name: str, device: str = "auto", notes: tuple[str, ...] = (), precision: str = "auto") -> None:
        """Choose the device; see `clipsim.encoders.load` for the arguments.

        Raises:
            EncoderError: the device is not on this machine.
        """
        self.name = name
        self.notes = notes
        self.device = resolve_device(device)
        self._on_cuda = self.device.startswith("cuda")
        self.precision = precision if precision != "auto" else "half" if self._on_cuda else "full"
        self.batch = GPU_BATCH if self._on_cuda else BATCH
        self.reads_ahead = self.device != "cpu"  # on a CPU, reading beside the network gains nothing
        self._ready_for_images = False
        self._key = id(self)
        _ENCODERS[self._key] = self
        self._tokenizing = threading.Lock()  # a fast tokenizer sets its truncation per call, which is not thread safe

    @abstractmethod
    def _load(self) -> None:
        """Read the weights onto `self.device`."""

    def _load_words(self) -> None:  # most models come as one
        """Read what captions need, where that comes by itself."""

    @abstractmethod
    def _text_inputs(self, tokens: list[np.ndarray], size: int) -> Tensors:
        """Return what the network takes, on the CPU, for token ids that are padded to `size` each."""

    @abstractmethod
    def _image_vectors(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return vectors of any length, shape (n, width), for bytes of shape (n, 3, height, width) on the device."""

    @abstractmethod
    def _text_vectors(self, inputs: Tensors) -> torch.Tensor:
        """Return vectors of any length, shape (n, width), for text inputs on the device."""

    @abstractmethod
    def _relevance(self, pixels: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return relevance, shape (n, rows, columns), for pixels and a unit vector on the device."""

    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        """Encode upright RGB images into unit-length float32 vectors, shape (n, width).

        Raises:
            EncoderError: the files do not hold a model that can be used.
        """
        self.ensure_loaded(words=False)
        return self.encode_views([self.view(image) for image in images])

    def encode_views(self, views: list[Image.Image]) -> np.ndarray:
        """Encode pictures of `input_size` into unit-length float32 vectors, shape (n, width)."""
        self.ensure_loaded(words=False)
        vectors = [_encode_images(self._key, pixels).numpy() for pixels in self._stack_batches(views)]
        return self._check(np.concatenate([np.zeros((0, self.width), np.float32), *vectors]), "vectors")

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        """Encode captions into unit-length float32 vectors, shape (n, width)."""
        self.ensure_loaded()
        tokens = [np.array(ids) for ids in self._tokenize(texts)]
        sizes = [self._padded_length(len(ids)) for ids in tokens]
        vectors = np.empty((len(texts), self.width), np.float32)
        for size in set(sizes):
            places = [i for i, own in enumerate(sizes) if own == size]
            for batch in (places[i : i + BATCH] for i in range(0, len(places), BATCH)):
                vectors[batch] = _encode_texts(self._key, self._text_inputs([tokens[i] for i in batch], size)).numpy()
        return self._check(vectors, "vectors")

    def maps(self, views: list[Image.Image], target: np.ndarray) -> np.ndarray:
        """Return as `Encoder.maps` where each view, of `input_size`, supports `target`."""
        self.ensure_loaded(words=False)
        wanted = torch.from_numpy(np.array(target, np.float32))
        grids = [_map(self._key, pixels, wanted).numpy() for pixels in self._stack_batches(views)]
        return self._check(np.concatenate(grids or [np.zeros((0, 1, 1), np.float32)]), "maps")

    def ensure_loaded(self, *, words: bool = True) -> None:
        """Read the weights if nobody has yet.

        Args:
            words: whether those for captions are needed, which some models have by themselves.

        Raises:
            EncoderError: the files do not hold a model that can be used.
        """
        if self.ready or (self._ready_for_images and not words):
            return
        with _LOADING:
            if not self._ready_for_images:
                self._load()
                self._ready_for_images = True
            if words and not self.ready:
                self._load_words()
                self.ready = True

    def truncated_text(self, caption: str) -> str:
        """Return the end of `caption` that is not read, from the first word that is not whole; "" if it fits."""
        self.ensure_loaded()
        cleaned = self._clean(caption)
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

    def _clean(self, text: str) -> str:
        return text

    def _tokenize(self, texts: list[str]) -> list[list[int]]:
        """Return the token ids of each text, cut to what the model reads with the end token kept."""
        if not texts:
            return []
        cleaned = [self._clean(text) for text in texts]
        with self._tokenizing:
            tokens = self._tokenizer(cleaned, truncation=True, max_length=self._max_tokens)
        ids: list[list[int]] = tokens["input_ids"]
        return ids

    def _padded_length(self, length: int) -> int:
        """Return to how many tokens a caption of `length` tokens is padded."""
        return min(-(-length // TEXT_STEP) * TEXT_STEP, self._max_tokens)

    def _stack_batches(self, views: list[Image.Image]) -> Iterator[torch.Tensor]:
        for start in range(0, len(views), self.batch):
            yield stack(views[start : start + self.batch], pin=self._on_cuda)

    def _check(self, values: np.ndarray, what: str) -> np.ndarray:
        if not np.isfinite(values).all():
            raise EncoderError(f"{self.name} gave {what} that are not numbers: its files are damaged, fetch them again")
        return values


@borrow_gpu
def _encode_images(key: int, pixels: torch.Tensor) -> torch.Tensor:
    """Return unit vectors on the CPU by the encoder of that key."""
    encoder = _ENCODERS[key]
    with torch.inference_mode():
        vectors = encoder._image_vectors(pixels.to(encoder.device, non_blocking=True))
        return normalize(vectors.float(), dim=-1).cpu()


@borrow_gpu
def _encode_texts(key: int, inputs: Tensors) -> torch.Tensor:
    """Return unit vectors on the CPU by the encoder of that key."""
    encoder = _ENCODERS[key]
    with torch.inference_mode():
        vectors = encoder._text_vectors({name: tensor.to(encoder.device) for name, tensor in inputs.items()})
        return normalize(vectors.float(), dim=-1).cpu()


@borrow_gpu
def _map(key: int, pixels: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return relevance by place on the CPU; not in inference mode, which would forbid the gradients it needs."""
    encoder = _ENCODERS[key]
    with torch.no_grad():
        return encoder._relevance(pixels.to(encoder.device), target.to(encoder.device)).float().cpu()
