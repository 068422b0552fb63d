"""The contract of every model: pictures and captions into unit vectors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from clipsim.options import Prompt

if TYPE_CHECKING:
    from clipsim.encoders.preprocessing import Preprocessing

BATCH = 16  # pictures or captions a forward pass; on CPU 1 halves the speed and 64 is slower again
WINDOWS = 5  # along each side, for a model that has no map of its own
STEPS = WINDOWS - 1  # from one to the next, in the width of a window

Box = tuple[float, float, float, float]  # left, top, right, bottom, in pixels of a picture


class Encoder(ABC):
    """A model that turns pictures and captions into unit vectors of one space.

    A subclass implements `encode_images` and `encode_texts`, and overrides what it knows better than the defaults. One
    instance may be shared between threads.

    Attributes:
        name: the model, as results name it.
        device: where it runs, for instance "cpu" or "cuda:0".
        precision: what it calculates in, "full", "half" or "int8".
        logit_scale: what the model was trained to multiply a cosine with before a softmax or sigmoid; CLIP's is 100.
        logit_bias: what a sigmoid takes beside that, of models that were trained to give a probability; else None.
        family: "stand-in", "open_clip", the `model_type` of a checkpoint ("clip", "siglip"...), or "" for any other.
        notes: sentences that every result repeats.
        revision: changes with the weights; "" where that is not known, and then nothing is kept between runs.
        folder: where its checkpoint lies; None for one that is not a folder.
        batch: how many pictures a forward pass takes best.
        batch_sizes: other sizes that may be tried on this machine instead; none where they would change a vector by
            more than rounding.
        input_size: width and height, in pixels, of what the network looks at.
        reads_ahead: whether pictures may be read while earlier ones are encoded, which gains something on a GPU.
        in_flight: how many batches may be handed over before the first is done, so that a GPU has no pause between.
        map_method: what made `maps`, as heatmaps name it.
        projects: whether the last step to a vector is one product, which a linear head can go into.
        english_only: whether it was trained on English, so that it does not understand other languages.
        ready: whether the weights are in memory.
        turn: held for each forward pass. Who uses several encoders at once gives them one lock: a pass has the whole
            machine.
    """

    name: str = "custom"
    device: str = "cpu"
    precision: str = "full"
    logit_scale: float = 100.0
    logit_bias: float | None = None
    family: str = ""
    notes: tuple[str, ...] = ()
    revision: str = ""
    folder: Path | None = None
    batch: int = BATCH
    batch_sizes: tuple[int, ...] = ()
    input_size: tuple[int, int] = (224, 224)
    reads_ahead: bool = False
    in_flight: int = 1
    map_method: str = "windows"
    projects: bool = False
    english_only: bool = False
    ready: bool = True
    turn: AbstractContextManager[Any] = nullcontext()

    @abstractmethod
    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        """Encode upright RGB images into unit-length float32 vectors, shape (n, width)."""

    @abstractmethod
    def encode_texts(self, texts: list[str]) -> np.ndarray:
        """Encode captions into unit-length float32 vectors, shape (n, width)."""

    @cached_property
    def width(self) -> int:
        """Length of every vector."""
        return int(self.encode_texts(["a photo"]).shape[1])

    @cached_property
    def derived(self) -> dict[Any, Any]:
        """Keep what is computed once for this model and lives as long as it: cached vectors, background captions."""
        return {}

    def ensure_loaded(self, *, words: bool = True) -> None:  # noqa: B027  # the default has nothing to read
        """Read the weights if nobody has yet: all, or without `words` only what pictures need."""

    @property
    def preprocessing(self) -> Preprocessing | None:
        """What `crop_box` and `view` do, apart from the model; None where only the model can do it."""
        return None

    def crop_box(self, size: tuple[int, int]) -> Box:
        """Return the part of a picture of `size` (width, height) that the model's own framing keeps."""
        return self.preprocessing.crop_box(size) if self.preprocessing else (0.0, 0.0, float(size[0]), float(size[1]))

    def view(self, image: Image.Image) -> Image.Image:
        """Frame a picture in the model's own way."""
        return self.preprocessing.view(image) if self.preprocessing else image

    def encode_views(self, views: list[Image.Image]) -> np.ndarray:
        """Encode pictures that are framed already into unit-length float32 vectors, shape (n, width)."""
        return self.encode_images(views)

    def encode_features(self, views: list[Image.Image]) -> np.ndarray:
        """Encode pictures that are framed already into what `project` takes, float32 of shape (n, f)."""
        return self.encode_views(views)

    def project(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the unit vectors of features, shape (n, width), and what a head is learned from, shape (n, k)."""
        return features, features

    def probabilities(self, cosines: np.ndarray) -> np.ndarray | None:
        """Return the model's own probability that pair by pair belongs together, 0 to 1, of any shape.

        `sigmoid(logit_scale * cosine + logit_bias)` (Zhai et al. 2023, arXiv:2303.15343); None where the model was not
        trained to give one.
        """
        if self.logit_bias is None:
            return None
        logits = self.logit_scale * np.asarray(cosines, np.float64) + self.logit_bias
        return np.exp(-np.logaddexp(0.0, -logits))  # which does not overflow

    def maps(self, views: list[Image.Image], target: np.ndarray) -> np.ndarray:
        """Return where each view supports what `target` stands for: the relevance of equal cells that tile it.

        The default compares `target` with overlapping windows of half the view's sides.

        Args:
            views: pictures as `view` returns them.
            target: unit vector of a caption or a picture, shape (width,).

        Returns:
            float32 of shape (n, rows, columns). Only differences within a model mean something, not the scale.
        """
        windows = list(product(views, range(WINDOWS), range(WINDOWS)))
        cosines = [np.zeros(0, np.float32)]
        for start in range(0, len(windows), BATCH):  # in parts, or a thousand pictures' windows would be held at once
            cosines.append(self.encode_views([_window(*one) for one in windows[start : start + BATCH]]) @ target)
        # a cell is as long as a window's step, and has the mean of the windows that hold it
        offsets = np.arange(2 * STEPS)[:, None] - np.arange(WINDOWS)
        share = ((offsets >= 0) & (offsets < STEPS)).astype(np.float32)
        share /= share.sum(axis=1, keepdims=True)
        maps: np.ndarray = share @ np.concatenate(cosines).reshape(-1, WINDOWS, WINDOWS) @ share.T
        return maps

    def truncated_text(self, caption: str) -> str:  # noqa: ARG002  # the default reads everything
        """Return the end of `caption` that the model does not read; "" if it reads all of it."""
        return ""

    def count_tokens(self, words: list[str]) -> list[int]:
        """Return in how many pieces the model reads each word; 1 for each where it does not tell."""
        return [1] * len(words)

    def background(self, prompt: Prompt) -> np.ndarray | None:  # noqa: ARG002  # the default keeps none
        """Return the background captions' vectors if they come with the model, shape (m, width); else None."""
        return None


def _window(view: Image.Image, row: int, column: int) -> Image.Image:
    """Cut out one of `WINDOWS` x `WINDOWS` windows, at the size of the view."""
    width, height = view.width / 2, view.height / 2
    left, top = width * column / STEPS, height * row / STEPS
    return view.resize(view.size, Image.Resampling.BICUBIC, (left, top, left + width, top + height))
