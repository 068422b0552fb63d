"""What the encoders on torch share: loading at first use, batches, tokens, unit length."""

from __future__ import annotations

import re
import threading
from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import normalize

from clipsim.encoders.base import BATCH, Encoder
from clipsim.encoders.devices import borrow_gpu, is_gpu_borrowed, keep_freed_memory, resolve_device
from clipsim.errors import EncoderError
from clipsim.settings import COMPILE, wants_compiling

GPU_BATCH = 64  # pictures, so that a GPU is not kept waiting for the next pass
# Beside these; which is best depends on the machine.
SIZES, GPU_SIZES = (8, 32), (128, 256)
# Captions are padded to a multiple of this, each by its own length: its vector must not depend on what else is encoded.
TEXT_STEP = 16
# Smaller vocabularies are of letters and syllables: words in pieces are no sign of anything there.
WORD_VOCABULARY = 10_000

LOADING = threading.Lock()  # one for all: transformers cannot be imported by two threads at once
# On a ZeroGPU Space the borrowed GPU belongs to another process, a fork of this one: an encoder goes there by its id.
_ENCODERS: WeakValueDictionary[int, TorchEncoder] = WeakValueDictionary()


class TorchEncoder(Encoder):
    """A model on torch, whose weights are loaded once, at first use.

    A subclass reads the weights in `_load`, or in `_load_words` those that only captions need. One of the two sets
    `_tokenizer`, one of transformers or with its manners, and `_max_tokens`, how many tokens the model reads. One whose
    vectors change with the size of a batch by more than rounding sets `keeps_batch`.
    """

    ready = False
    keeps_batch = False
    _compiled: Callable[[torch.Tensor], torch.Tensor] | None = None  # `_image_vectors`, where that is wanted
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
        if not self.keeps_batch:
            self.batch_sizes = GPU_SIZES if self._on_cuda else SIZES
        self.reads_ahead = self.device != "cpu"  # on a CPU, reading beside the network gains nothing
        self.in_flight = 2 if self._on_cuda and not is_gpu_borrowed() else 1
        self._ready_for_images = False
        _ENCODERS[id(self)] = self
        self._tokenizing = threading.Lock()  # a fast tokenizer sets its truncation per call, which is not thread safe

    def __reduce__(self) -> tuple[Callable[[int], TorchEncoder], tuple[int]]:
        """Pickle as the id by which this process, and forks of it, find the encoder."""
        return _find_encoder, (id(self),)

    @abstractmethod
    def _load(self) -> None:
        """Read the weights onto `self.device`."""

    def _load_words(self) -> None:
        """Read what only captions need, where that is kept apart."""

    @abstractmethod
    def _image_vectors(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return vectors of any length, shape (n, width), for bytes of shape (n, 3, height, width) on the device."""

    @abstractmethod
    def _text_vectors(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return vectors of any length, shape (n, width), for token ids and a mask, 0 where they are padding."""

    @abstractmethod
    def _relevance(self, pixels: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return relevance, shape (n, rows, columns), for pixels and a unit vector on the device."""

    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        """Encode upright RGB images into unit-length float32 vectors, shape (n, width)."""
        return self.encode_views([self.view(image) for image in images])

    def encode_views(self, views: list[Image.Image]) -> np.ndarray:
        """Encode pictures of `input_size` into unit-length float32 vectors, shape (n, width)."""
        self.ensure_loaded(words=False)
        if views and self._compiled is None and wants_compiling():
            self._compile(views[0])
        vectors = self._run_views(self._compiled or self._image_vectors, views)
        return self._check(normalize(vectors if views else torch.empty(0, self.width), dim=-1), "vectors")

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        """Encode captions into unit-length float32 vectors, shape (n, width)."""
        self.ensure_loaded()
        tokens = self.read_tokens(texts)
        sizes = [self._padded_length(len(ids)) for ids in tokens]
        vectors = torch.empty(len(texts), self.width)
        for size in set(sizes):
            places = [i for i, own in enumerate(sizes) if own == size]
            for batch in (places[i : i + BATCH] for i in range(0, len(places), BATCH)):
                vectors[batch] = self._run(self._text_vectors, *self.pad_tokens([tokens[i] for i in batch]))
        return self._check(normalize(vectors, dim=-1), "vectors")

    def read_tokens(self, texts: list[str]) -> list[list[int]]:
        """Return the token ids of each caption, cut to what the model reads with the end token kept."""
        self.ensure_loaded()
        cleaned = [self._clean(text) for text in texts]
        with self._tokenizing:
            output = self._tokenizer(cleaned, truncation=True, max_length=self._max_tokens) if texts else {}
        tokens: list[list[int]] = output.get("input_ids", [])
        return tokens

    def pad_tokens(self, tokens: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return captions' ids, each padded to what the longest takes, and a mask: both int64 of shape (n, length)."""
        size = self._padded_length(max(map(len, tokens)))
        rows = []
        for own in tokens:
            read, filling = [(one, 1) for one in own], [(self._tokenizer.pad_token_id, 0)] * (size - len(own))
            rows.append(filling + read if self._pads_before() else read + filling)
        ids, mask = torch.tensor(rows).unbind(dim=-1)
        return ids, mask

    def maps(self, views: list[Image.Image], target: np.ndarray) -> np.ndarray:
        """Return as `Encoder.maps` where each view, of `input_size`, supports `target`."""
        self.ensure_loaded(words=False)
        wanted = torch.from_numpy(np.array(target, np.float32))
        grids = [self._run(self._relevance, pixels, wanted) for pixels in self._stack_batches(views)]
        return self._check(torch.cat(grids) if grids else torch.empty(0, 1, 1), "maps")

    def ensure_loaded(self, *, words: bool = True) -> None:
        """Read the weights if nobody has yet: all, or without `words` only what pictures need.

        Raises:
            EncoderError: the files do not hold a model that can be used.
        """
        if self.ready or (self._ready_for_images and not words):
            return
        with LOADING:
            if not self._ready_for_images:
                if self.device == "cpu":
                    keep_freed_memory()
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
        if self._count_tokens(cleaned) <= self._max_tokens:
            return ""
        # by counting, since not every tokenizer says where its tokens lie; a script without spaces is cut anywhere
        for ends in ([word.end() for word in re.finditer(r"\S+", cleaned)], range(1, len(cleaned) + 1)):
            whole = bisect_right(ends, self._max_tokens, key=lambda end: self._count_tokens(cleaned[:end]))
            if whole:
                return caption[ends[whole - 1] :].strip()
        return caption.strip()

    def _count_tokens(self, text: str) -> int:
        with self._tokenizing:
            return len(self._tokenizer(text, truncation=False, verbose=False)["input_ids"])

    def count_tokens(self, words: list[str]) -> list[int]:
        """Return in how many pieces the tokenizer reads each word; 1 for each where its vocabulary is not of words."""
        self.ensure_loaded()
        if not words or len(self._tokenizer) < WORD_VOCABULARY:
            return super().count_tokens(words)
        with self._tokenizing:
            tokens = self._tokenizer(words, add_special_tokens=False, truncation=False)["input_ids"]
        return [len(ids) for ids in tokens]

    def _compile(self, view: Image.Image) -> None:
        """Have torch compile the network for pictures, by passes of two sizes, of which it learns that sizes differ.

        Raises:
            EncoderError: it cannot be compiled on this machine.
        """
        compiled = torch.compile(self._image_vectors)
        try:
            with LOADING:
                for count in (self.batch, self.batch // 2):
                    self._run(compiled, stack([view] * count, pin=self._on_cuda))
        except Exception as error:  # compilers and their kernels raise what they like
            cause = next(iter(str(error).splitlines()), type(error).__name__)
            raise EncoderError(f"{self.name} cannot be compiled here ({cause}): take {COMPILE} away") from error
        self._compiled = compiled

    def _run_views(self, encode: Callable[[torch.Tensor], torch.Tensor], views: list[Image.Image]) -> torch.Tensor:
        """Return on the CPU what a method makes of pictures of `input_size`, a batch at a time."""
        rows = [self._run(encode, pixels) for pixels in self._stack_batches(views)]
        return torch.cat(rows) if rows else torch.empty(0, 0)

    def _run(self, encode: Callable[..., torch.Tensor], *inputs: torch.Tensor) -> torch.Tensor:
        with self.turn:
            return _compute(encode, self.device, *inputs)

    def _clean(self, text: str) -> str:
        return text

    def _pads_before(self) -> bool:
        """Return whether what fills a caption up stands before it."""
        return False

    def _padded_length(self, length: int) -> int:
        """Return to how many tokens a caption of `length` tokens is padded."""
        return min(-(-length // TEXT_STEP) * TEXT_STEP, self._max_tokens)

    def _stack_batches(self, views: list[Image.Image]) -> Iterator[torch.Tensor]:
        size = self.batch  # which others may change meanwhile
        for start in range(0, len(views), size):
            yield stack(views[start : start + size], pin=self._on_cuda)

    def _check(self, values: torch.Tensor, what: str) -> np.ndarray:
        if not values.isfinite().all():
            raise EncoderError(f"{self.name} gave {what} that are not numbers: its files are damaged, fetch them again")
        return values.numpy()


def _find_encoder(key: int) -> TorchEncoder:
    return _ENCODERS[key]


@borrow_gpu
def _compute(encode: Callable[..., torch.Tensor], device: str, *inputs: torch.Tensor) -> torch.Tensor:
    """Return on the CPU what an encoder's method makes of inputs on its device; want of room is a `MemoryError`."""
    try:
        with torch.inference_mode():
            return encode(*(tensor.to(device, non_blocking=True) for tensor in inputs)).float().cpu()
    except torch.OutOfMemoryError as error:
        raise MemoryError(str(error)) from error


def stack(views: list[Image.Image], *, pin: bool = False) -> torch.Tensor:
    """Return pictures of one size as bytes, shape (n, 3, height, width); `pin` them where a GPU is to fetch them."""
    pixels = torch.from_numpy(np.stack([np.asarray(view) for view in views])).permute(0, 3, 1, 2).contiguous()
    return pixels.pin_memory() if pin else pixels
