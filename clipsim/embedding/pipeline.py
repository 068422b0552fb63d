"""Pictures from any source into vectors, a batch at a time, so that few are held at once."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache as cache_once
from itertools import chain, islice
from pathlib import Path
from threading import Semaphore
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from PIL import Image

from clipsim.embedding.cache import VectorCache, cache_of, vector_key
from clipsim.embedding.framing import View, seen, views
from clipsim.encoders.base import Encoder
from clipsim.errors import ClipsimError, ImageError
from clipsim.images.reading import Picture, Source, digest, open_image, read
from clipsim.options import Options

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

BATCH_PIXELS = 60_000_000  # looks held at once, about 180 MB of RGB
WORKERS = min(8, os.cpu_count() or 1)  # threads that read pictures
LARGE = 16_000_000  # pixels; of still larger pictures only two are decoded at once, each may take 400 MB
_LARGE_AT_ONCE = Semaphore(2)
SMALL = 1_000_000  # bytes of a file whose digest takes less time than handing it to a thread
DRAFT_MARGIN = 3  # times the model's input: what a JPEG is decoded to at least in half precision
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
class PictureInfo:
    """One picture as the model saw it.

    Attributes:
        name: the picture.
        notes: what was done to it before the model saw it, in words.
        size: width and height, in pixels.
        coverage: how much of it the model saw, 0 to 1.
        views: what went in; empty unless they were to be kept.
    """

    name: str
    notes: tuple[str, ...]
    size: tuple[int, int]
    coverage: float
    views: tuple[View, ...] = ()


@dataclass(frozen=True)
class Embedded:
    """One picture and its vectors, one for each look at it: unit-length float32, shape (v, d)."""

    info: PictureInfo
    vectors: np.ndarray


@dataclass(frozen=True)
class Gallery:
    """Pictures as vectors.

    Attributes:
        pictures: those that could be read, in the order in which they were given.
        vectors: unit-length float32, shape (v, d): one for each look at a picture.
        starts: the first look of each picture, shape (n,).
        rejected: the others.
    """

    pictures: tuple[PictureInfo, ...]
    vectors: np.ndarray
    starts: np.ndarray
    rejected: tuple[Rejected, ...]

    def cosines(self, targets: np.ndarray) -> np.ndarray:
        """Cosine of picture i, by the look that fits best, with unit vector j of shape (k, d): shape (n, k)."""
        if not self.pictures:
            return np.zeros((0, len(targets)), np.float32)
        # in double: a product of another size is summed in another order, which single precision would show
        with one_thread():
            cosines = (self.vectors.astype(np.float64) @ targets.T.astype(np.float64)).astype(np.float32)
        best: np.ndarray = np.maximum.reduceat(np.clip(cosines, -1.0, 1.0), self.starts, axis=0)
        return best

    def parts(self, size: int) -> Iterator[tuple[Gallery, slice]]:
        """The pictures in parts of at most `size`, and which of them each part has."""
        ends = [*self.starts, len(self.vectors)]
        for first in range(0, len(self.pictures), size):
            rows = slice(first, min(first + size, len(self.pictures)))
            begin, end = ends[rows.start], ends[rows.stop]
            yield Gallery(self.pictures[rows], self.vectors[begin:end], self.starts[rows] - begin, ()), rows


def one_thread() -> AbstractContextManager[Any]:
    """Small NumPy products by one thread: others of NumPy's own would spin on for a while, and a network that runs next
    would share its cores with them (a caption takes three times as long on two cores)."""
    limited: AbstractContextManager[Any] = _blas().limit(limits=1, user_api="blas")
    return limited


@cache_once
def _blas() -> ThreadpoolController:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def embed(
    items: Iterable[Item] | Source,
    encoder: Encoder,
    options: Options = Options(),
    *,
    progress: Progress | None = None,
    keep_views: bool = False,
) -> Gallery:
    """Read and encode pictures; those that cannot be read are listed and do not cost the others.

    Args:
        items: as `clipsim.score_images` takes them.
        encoder: from `clipsim.load()`.
        options: framing and contrast.
        progress: called with (pictures done, pictures in all).
        keep_views: whether `PictureInfo.views` is wanted.

    Raises:
        ClipsimError: there are no pictures.
        EncoderError: the model cannot be loaded.
    """
    pictures: list[PictureInfo] = []
    rejected: list[Rejected] = []
    counts = [0]
    together = bytearray()  # many small arrays would keep the memory between them from being given back
    for found in stream(items, encoder, options, progress=progress, keep_views=keep_views):
        if isinstance(found, Rejected):
            rejected.append(found)
        else:
            pictures.append(found.info)
            counts.append(len(found.vectors))
            together += np.ascontiguousarray(found.vectors, np.float32).data.cast("B")
    vectors = np.frombuffer(together, np.float32).reshape(-1, encoder.width)
    return Gallery(tuple(pictures), vectors, np.cumsum(counts)[:-1], tuple(rejected))


def stream(
    items: Iterable[Item] | Source,
    encoder: Encoder,
    options: Options = Options(),
    *,
    progress: Progress | None = None,
    keep_views: bool = False,
) -> Iterator[Embedded | Rejected]:
    """What `embed` collects, one by one in the order of `items`, of which few are held at once however many they are.

    Pictures are read and resized in threads; what was encoded before comes from the cache. `progress` and what is
    raised are as for `embed`; of an iterator the pictures in all are not known, and those that are done stand for them.
    """
    sources = collect_sources(items)
    total = len(sources) if isinstance(sources, Collection) else 0
    chosen = _Treatment(encoder, options, cache_of(encoder), keep_views)
    done = 0
    with ThreadPoolExecutor(WORKERS, "read") as pool:
        try:
            for batch in _batches(_in_order(pool, sources, chosen, _ahead(encoder)), encoder.batch):
                yield from _encoded(batch, chosen)
                done += len(batch)
                del batch  # or its pixels stay in memory while the next pictures are decoded
                if progress:
                    progress(done, max(total, done))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # whoever stops early does not wait for what was ahead


@dataclass(frozen=True)
class _Treatment:
    encoder: Encoder
    options: Options
    cache: VectorCache
    keep_views: bool


@dataclass(frozen=True)
class _Prepared:
    """A picture that was read: what it looks like to the model, or the vectors that it has in the cache."""

    info: PictureInfo
    views: list[View]
    key: bytes
    vectors: np.ndarray | None


def _kept(source: Source, name: str, chosen: _Treatment) -> _Prepared | None:
    """What the cache has of a small file or of bytes: known so soon that a thread would only cost time."""
    if chosen.keep_views or isinstance(source, Image.Image):
        return None
    try:
        if not isinstance(source, bytes) and not 0 < Path(source).stat().st_size < SMALL:
            return None
        return _found(name, chosen.cache.get(_key(chosen, digest(source))))
    except (OSError, ValueError):  # no such file, or no path at all: reading it will say what is wrong
        return None


def _found(name: str, kept: tuple[np.ndarray, Any] | None) -> _Prepared | None:
    if not kept:
        return None
    vectors, (notes, size, share) = kept
    return _Prepared(PictureInfo(name, tuple(notes), tuple(size), share), [], b"", vectors)


def _key(chosen: _Treatment, *content: bytes | str) -> bytes:
    return vector_key(chosen.encoder, [*content, chosen.options.framing, chosen.options.contrast])


def _prepared(source: Source, name: str, chosen: _Treatment) -> _Prepared | Rejected:
    """Everything that is done to one picture before the network; runs in a thread."""
    try:
        image = open_image(source, name)
        large = image.width * image.height > LARGE
        with _LARGE_AT_ONCE if large else nullcontext():
            return _read(source, image, name, chosen)
    except ImageError as error:
        return Rejected(error.name, error.reason)


def _read(source: Source, image: Image.Image, name: str, chosen: _Treatment) -> _Prepared:
    if isinstance(source, Image.Image):
        picture = read(source, name)
        key = _key(chosen, picture.image.tobytes(), repr((picture.image.size, picture.notes)))
    else:
        picture, key = None, _key(chosen, digest(source))
    kept = chosen.cache.get(key)
    found = _found(name, kept)
    if found and not chosen.keep_views:
        if image is not source:
            image.close()
        return found
    picture = picture or read(image, name, _least(chosen.encoder))
    looks = views(picture.image, chosen.encoder, chosen.options)
    return _Prepared(_seen(picture, looks, chosen.keep_views), looks, key, kept and kept[0])


def _least(encoder: Encoder) -> int | None:
    """How many pixels a side must have at least, where half precision lets a JPEG be decoded at a smaller size."""
    return DRAFT_MARGIN * max(encoder.input_size) if encoder.precision == "half" else None


def _encoded(batch: list[_Prepared | Rejected], chosen: _Treatment) -> Iterator[Embedded | Rejected]:
    new = [one for one in batch if isinstance(one, _Prepared) and one.vectors is None]
    fresh = iter(_vectors([one.views for one in new], chosen.encoder, mean=chosen.options.framing == "tiles-mean"))
    for one in batch:
        if isinstance(one, Rejected):
            yield one
        elif one.vectors is not None:
            yield Embedded(one.info, one.vectors)
        else:
            vectors, info = next(fresh), one.info
            chosen.cache.put(one.key, vectors, (info.notes, info.size, info.coverage))
            yield Embedded(info, vectors)


def _vectors(looks: list[list[View]], encoder: Encoder, *, mean: bool) -> list[np.ndarray]:
    """The vectors of each picture's looks, or their mean at unit length."""
    if not looks:
        return []
    together = encoder.encode_views([look.image for some in looks for look in some])
    each = np.split(together, np.cumsum([len(some) for some in looks])[:-1])
    if not mean:
        return each
    return [unit_mean(vectors) for vectors in each]


def unit_mean(vectors: np.ndarray) -> np.ndarray:
    """The mean of vectors of shape (n, d), at unit length: shape (1, d)."""
    mean = vectors.mean(axis=0, keepdims=True)
    unit: np.ndarray = mean / np.linalg.norm(mean)
    return unit


def _seen(picture: Picture, looks: list[View], keep_views: bool) -> PictureInfo:
    size = picture.image.size
    share = seen(looks, size)
    cropped = [f"the model saw the middle {share:.0%}"] if share < MOSTLY_CROPPED else []
    return PictureInfo(picture.name, (*picture.notes, *cropped), size, share, tuple(looks) if keep_views else ())


def collect_sources(items: Iterable[Item] | Source) -> Iterable[tuple[Source, str]]:
    """All sources with their names; of an iterator as they come.

    Raises:
        ClipsimError: there are none.
    """
    pairs = name_sources([items] if isinstance(items, str | bytes | Path | Image.Image) else items)
    ahead = iter(pairs)
    first = list(islice(ahead, 1))
    if not first:
        raise ClipsimError("There are no pictures to score: add at least one.")
    return pairs if isinstance(pairs, list) else chain(first, ahead)


def name_sources(items: Iterable[S | tuple[S, str]]) -> list[tuple[S, str]] | Iterator[tuple[S, str]]:
    """Each item with a name that no other has: pictures that share one are told apart by a number.

    In a list the first picture of a name keeps it, whatever the others are called; of an iterator only the names that
    have come are known.
    """
    pairs = (item if isinstance(item, tuple) else (item, _own_name(item, place)) for place, item in enumerate(items, 1))
    if not isinstance(items, Collection):
        return _disambiguate(pairs, set())
    known = list(pairs)
    return list(_disambiguate(known, {name for _, name in known}))


def _disambiguate(pairs: Iterable[tuple[S, str]], taken: set[str]) -> Iterator[tuple[S, str]]:
    """Where names are `taken` from the start, the first picture of each has it."""
    counted: Counter[str] = Counter()
    first_has_it = bool(taken)
    for source, name in pairs:
        counted[name] += 1
        unique = name
        while unique in taken and not (first_has_it and counted[name] == 1):
            counted[name] = max(2, counted[name])
            unique = f"{name} ({counted[name]})"
            counted[name] += unique in taken
        taken.add(unique)
        yield source, unique


def _own_name(source: Source, place: int) -> str:
    return Path(source).name if isinstance(source, str | Path) else f"image {place}"


def _ahead(encoder: Encoder) -> int:
    """How many pictures may be read before they are needed.

    An encoder that frames pictures only when it encodes them holds them in full size until then.
    """
    return 2 * encoder.batch if encoder.reads_ahead else WORKERS


def _in_order(
    pool: ThreadPoolExecutor, sources: Iterable[tuple[Source, str]], chosen: _Treatment, ahead: int
) -> Iterator[_Prepared | Rejected]:
    """Every source prepared, at most `ahead` of them at a time."""
    waiting: deque[Future[_Prepared | Rejected]] = deque()
    for source, name in sources:
        kept = _kept(source, name, chosen)
        waiting.append(_done(kept) if kept else pool.submit(_prepared, source, name, chosen))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _done(prepared: _Prepared) -> Future[_Prepared | Rejected]:
    future: Future[_Prepared | Rejected] = Future()
    future.set_result(prepared)
    return future


def _batches(prepared: Iterable[_Prepared | Rejected], most: int) -> Iterator[list[_Prepared | Rejected]]:
    """Lists of at most `most` and, but for a single large one, looks of `BATCH_PIXELS` pixels."""
    batch: list[_Prepared | Rejected] = []
    pixels = 0
    for one in prepared:
        looks = one.views if isinstance(one, _Prepared) else []
        size = sum(look.image.width * look.image.height for look in looks)
        if batch and (len(batch) == most or pixels + size > BATCH_PIXELS):
            yield batch
            batch, pixels = [], 0
        batch.append(one)
        pixels += size
        del one, looks
    if batch:
        yield batch
