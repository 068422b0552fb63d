"""Pictures from any source into vectors, a batch at a time, so that few are held at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from clipsim.encoders import BATCH, Encoder
from clipsim.errors import ClipsimError, ImageError
from clipsim.framing import View, encode, seen, views
from clipsim.images import Picture, Source, read

BATCH_PIXELS = 60_000_000  # decoded pictures held at once, about 180 MB of RGB
MOSTLY_CROPPED = 0.5  # below this share of the picture the crop is worth a note; a 3:2 photograph keeps 0.67

S = TypeVar("S", bound=Source)
Item = Source | tuple[Source, str]
Progress = Callable[[int, int], object]


@dataclass(frozen=True)
class Rejected:
    """A picture that could not be scored, and why: `name` and `reason` read on as one sentence."""

    name: str
    reason: str


@dataclass(frozen=True)
class Seen:
    """One picture as the model saw it.

    Attributes:
        name: the picture.
        notes: what was done to it before the model saw it, in words.
        size: width and height, in pixels.
        share: how much of it the model saw, 0 to 1.
        looks: what went in; empty unless they were to be kept.
    """

    name: str
    notes: tuple[str, ...]
    size: tuple[int, int]
    share: float
    looks: tuple[View, ...] = ()


@dataclass(frozen=True)
class Gallery:
    """Pictures as vectors.

    Attributes:
        pictures: those that could be read, in the order in which they were given.
        vectors: unit-length float32, shape (v, d): one for each look at a picture.
        starts: the first look of each picture, shape (n,).
        rejected: the others.
    """

    pictures: tuple[Seen, ...]
    vectors: np.ndarray
    starts: np.ndarray
    rejected: tuple[Rejected, ...]

    def cosines(self, targets: np.ndarray) -> np.ndarray:
        """Cosine of picture i, by the look that fits best, with unit vector j of shape (k, d): shape (n, k)."""
        if not self.pictures:
            return np.zeros((0, len(targets)), np.float32)
        best: np.ndarray = np.maximum.reduceat(np.clip(self.vectors @ targets.T, -1.0, 1.0), self.starts, axis=0)
        return best


def embed(
    items: Iterable[Item] | Source,
    encoder: Encoder,
    *,
    framing: str = "crop",
    contrast: str = "as-is",
    progress: Progress | None = None,
    keep_looks: bool = False,
) -> Gallery:
    """Read and encode pictures; those that cannot be read are listed and do not cost the others.

    Args:
        items: as `clipsim.score_images` takes them.
        encoder: from `clipsim.load()`.
        framing: a key of `clipsim.framing.FRAMINGS`.
        contrast: a key of `clipsim.framing.CONTRASTS`.
        progress: called with (pictures done, pictures in all).
        keep_looks: whether `Seen.looks` is wanted.

    Raises:
        ClipsimError: there are no pictures.
        EncoderError: the model cannot be loaded.
    """
    sources = gathered(items)
    pictures: list[Seen] = []
    rejected: list[Rejected] = []
    vectors: list[np.ndarray] = []
    for batch in _batches(_read_all(sources, rejected)):
        looks = [views(picture.image, encoder, framing, contrast) for picture in batch]
        vectors += _vectors(looks, encoder, mean=framing == "tiles-mean")
        pictures += [_seen(picture, some, keep_looks) for picture, some in zip(batch, looks, strict=True)]
        del batch, looks  # or their pixels stay in memory while the next pictures are decoded
        if progress:
            progress(len(pictures) + len(rejected), len(sources))
    if progress and not pictures:
        progress(len(sources), len(sources))
    together = np.concatenate([np.zeros((0, encoder.width), np.float32), *vectors])
    starts = np.cumsum([0, *map(len, vectors)], dtype=int)[:-1]
    return Gallery(tuple(pictures), together, starts, tuple(rejected))


def _vectors(looks: list[list[View]], encoder: Encoder, *, mean: bool) -> list[np.ndarray]:
    """The vectors of each picture's looks, or their mean at unit length."""
    together = encode([look for some in looks for look in some], encoder)
    each = np.split(together, np.cumsum([len(some) for some in looks])[:-1])
    if not mean:
        return each
    return [unit_mean(vectors) for vectors in each]


def unit_mean(vectors: np.ndarray) -> np.ndarray:
    """The mean of vectors of shape (n, d), at unit length: shape (1, d)."""
    mean = vectors.mean(axis=0, keepdims=True)
    unit: np.ndarray = mean / np.linalg.norm(mean)
    return unit


def _seen(picture: Picture, looks: list[View], keep_looks: bool) -> Seen:
    size = picture.image.size
    share = seen(looks, size)
    cropped = [f"the model saw the middle {share:.0%}"] if share < MOSTLY_CROPPED else []
    return Seen(picture.name, (*picture.notes, *cropped), size, share, tuple(looks) if keep_looks else ())


def gathered(items: Iterable[Item] | Source) -> list[tuple[Source, str]]:
    """All sources with their names.

    Raises:
        ClipsimError: there are none.
    """
    sources = named([items] if isinstance(items, str | bytes | Path | Image.Image) else items)
    if not sources:
        raise ClipsimError("There are no pictures to score: add at least one.")
    return sources


def named(items: Iterable[S | tuple[S, str]]) -> list[tuple[S, str]]:
    """Each item with a name that no other has: pictures that share one are told apart by a number."""
    pairs = [item if isinstance(item, tuple) else (item, _own_name(item, place)) for place, item in enumerate(items, 1)]
    counted: Counter[str] = Counter()
    taken = {name for _, name in pairs}
    named = []
    for source, name in pairs:
        counted[name] += 1
        unique = name
        while counted[name] > 1 and unique in taken:
            unique = f"{name} ({counted[name]})"
            counted[name] += unique in taken
        taken.add(unique)
        named.append((source, unique))
    return named


def _own_name(source: Source, place: int) -> str:
    return Path(source).name if isinstance(source, str | Path) else f"image {place}"


def _read_all(sources: list[tuple[Source, str]], rejected: list[Rejected]) -> Iterator[Picture]:
    for source, name in sources:
        try:
            yield read(source, name)
        except ImageError as error:
            rejected.append(Rejected(error.name, error.reason))


def _batches(pictures: Iterable[Picture]) -> Iterator[list[Picture]]:
    """Lists of at most `BATCH` pictures and, but for a single large one, `BATCH_PIXELS` pixels."""
    batch: list[Picture] = []
    pixels = 0
    for picture in pictures:
        size = picture.image.width * picture.image.height
        if batch and (len(batch) == BATCH or pixels + size > BATCH_PIXELS):
            yield batch
            batch, pixels = [], 0
        batch.append(picture)
        pixels += size
    if batch:
        yield batch
