"""The one door through which pictures are opened and decoded: here, or where a stranger's cannot do harm."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from threading import Semaphore
from typing import Protocol, TypeVar

from PIL import Image

from clipsim.images.reading import Source, open_image

LARGE = 16_000_000  # pixels of a picture from which on only two are decoded at once: each may take 400 MB

T = TypeVar("T")
Work = Callable[[Image.Image, str], T]  # is given an opened picture and its name, and may raise `ImageError`


class Decoder(Protocol):
    """What opens a picture and does some work on it: `Here`, or `clipsim.images.children.Children`."""

    def __call__(self, work: Work[T], source: Source, name: str, owner: object = None, /) -> T:
        """Return what the work makes of a picture.

        Args:
            work: can be pickled, and so can what it returns.
            source: the picture.
            name: what its caller calls it.
            owner: the request that it is for, any object of its own; others are not kept waiting for it.

        Raises:
            ImageError: the picture cannot be opened or decoded, or costs too much.
        """


def decode_here(work: Work[T], source: Source, name: str, _: object = None, /) -> T:
    """Return what the work makes of a picture in this process, as `Decoder` says."""
    return work(open_image(source, name), name)


class Here:
    """Decodes pictures in this process, on the thread that asks for it."""

    def __init__(self, large: int = LARGE) -> None:
        """Decode only two pictures of more than `large` pixels at once."""
        self._large, self._few = large, Semaphore(2)

    def __call__(self, work: Work[T], source: Source, name: str, _: object = None, /) -> T:
        """Return what the work makes of a picture, as `Decoder` says."""
        image = open_image(source, name)
        with self._few if image.width * image.height > self._large else nullcontext():
            return work(image, name)
