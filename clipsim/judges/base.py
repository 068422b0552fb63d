"""The contract of every judge: pairs of a picture and a caption into probabilities."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any

import numpy as np
from PIL import Image

Frame = Callable[[Image.Image], Image.Image]


class Judge(ABC):
    """A model that looks at a picture and a caption together, which is slow and sees more than two vectors do.

    A subclass implements `rate`, and overrides what it knows better than the defaults. One instance may be shared
    between threads.

    Attributes:
        name: the model, as results name it.
        device: where it runs, for instance "cpu" or "cuda:0".
        precision: what it calculates in, "full" or "half".
        revision: changes with the weights; "" where that is not known, and then nothing is kept between runs.
        batch: how many pairs a forward pass takes best.
        ready: whether the weights are in memory.
        turn: held for each forward pass, as that of an encoder.
    """

    name: str = "custom"
    device: str = "cpu"
    precision: str = "full"
    revision: str = ""
    batch: int = 1
    ready: bool = True
    turn: AbstractContextManager[Any] = nullcontext()

    @abstractmethod
    def rate(self, views: list[Image.Image], captions: list[str]) -> np.ndarray:
        """Return how probable it is that picture i shows what caption i says: float32, 0 to 1, shape (n,).

        Args:
            views: upright RGB, as `frame` makes them.
            captions: as many.
        """

    @cached_property
    def derived(self) -> dict[Any, Any]:
        """Keep what lives as long as this judge: the cache of its answers, what opens its pictures."""
        return {}

    def ensure_loaded(self) -> None:  # noqa: B027  # the default has nothing to read
        """Read the weights if nobody has yet."""

    @property
    def frame(self) -> Frame:
        """What makes of an upright picture what the model looks at; other processes run it, so that it has no torch."""
        return keep


def keep(image: Image.Image) -> Image.Image:
    """Return a picture as it is."""
    return image
