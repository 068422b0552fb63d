"""From pictures in files to what a judge says of them, a batch at a time; what it said before is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from PIL import Image

from clipsim.embedding import Rejected, cache_of, vector_key
from clipsim.errors import ImageError
from clipsim.images import Here, Source, compute_digest, read
from clipsim.judges.base import Frame, Judge

Asked = tuple[str, float] | Rejected  # a picture's name and its probability, or why there is none


def ask(judge: Judge, pictures: Sequence[tuple[Source, str]], caption: str) -> Iterator[Asked]:
    """Yield the name of each picture and how probable it is that it shows what the caption says, 0 to 1.

    They come in their order, each batch as soon as it is done; a picture that cannot be read does not cost the others.

    Raises:
        EncoderError: the judge cannot be loaded, or does not work.
    """
    judge.ensure_loaded()
    for start in range(0, len(pictures), judge.batch):
        yield from _ask_batch(judge, pictures[start : start + judge.batch], caption)


def _ask_batch(judge: Judge, pictures: Sequence[tuple[Source, str]], caption: str) -> Iterator[Asked]:
    cache, found = cache_of(judge), dict[str, Asked]()
    views: dict[str, tuple[bytes, Image.Image]] = {}
    for source, name in pictures:
        try:
            key = _make_key(judge, source, caption)
            if known := cache.get(key):
                found[name] = name, float(known[0][0, 0])
            else:
                decode = judge.derived.get("decoder") or Here()
                views[name] = key, decode(_Fit(judge.frame), source, name, found)
        except ImageError as error:
            found[name] = Rejected(name, error.reason)
    if views:
        rated = judge.rate([view for _, view in views.values()], [caption] * len(views))
        for (name, (key, _)), probability in zip(views.items(), rated.tolist(), strict=True):
            found[name] = name, probability
            cache.put(key, np.array([[probability]], np.float32))
    yield from (found[name] for _, name in pictures)


@dataclass(frozen=True)
class _Fit:
    """Reads and frames a picture, as work for a `clipsim.images.Decoder`."""

    frame: Frame

    def __call__(self, image: Image.Image, name: str) -> Image.Image:
        return self.frame(read(image, name).image)


def _make_key(judge: Judge, source: Source, caption: str) -> bytes:
    """Return what the judge's answer is kept under: a digest of the judge, the caption and the picture's content."""
    if isinstance(source, Image.Image):  # known by its pixels
        image = read(source, "").image
        content: list[str | bytes] = [image.tobytes(), repr(image.size)]
    else:
        content = [repr(source)]  # of what cannot be read, as decoding it will say
        with suppress(OSError, ValueError):
            content = [compute_digest(source)]
    return vector_key(judge, ["second opinion", caption, *content])
