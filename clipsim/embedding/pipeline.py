"""Pictures from any source into vectors, a batch at a time, so that few are held at once."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from functools import cache as call_once
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from threadpoolctl import ThreadpoolController

from clipsim.embedding.batching import BatchTrial
from clipsim.embedding.cache import Cached, VectorCache, cache_of, vector_key
from clipsim.embedding.framing import View, pool
from clipsim.embedding.looking import Look, PictureInfo
from clipsim.embedding.naming import collect_sources
from clipsim.encoders import Encoder
from clipsim.errors import ImageError
from clipsim.images import LARGE, Decoder, Here, Images, Source, compute_digest, read
from clipsim.options import Options

SMALL = 1_000_000  # bytes of a file whose digest takes less time than handing it to a thread
DRAFT_MARGIN = 3  # times the model's input: what a JPEG is decoded to at least in half and int8

Progress = Callable[[int, int], object]


@dataclass(frozen=True)
class Pace:
    """How much is read and held at once."""

    workers: int = min(8, os.cpu_count() or 1)  # threads that read pictures
    batch_pixels: int = 60_000_000  # of views in one forward pass: about 180 MB of RGB
    large: int = LARGE  # pixels of a picture from which on only two are decoded at once in this process
    finds_batch: bool = False  # whether to find out, by the first pictures, how many the model takes best in one pass


@dataclass(frozen=True)
class Rejected:
    """A picture that could not be scored, and why: `name` and `reason` read on as one sentence."""

    name: str
    reason: str


@dataclass(frozen=True)
class Embedded:
    """One picture and its vectors, one for each view: unit-length float32, shape (v, d)."""

    info: PictureInfo
    vectors: np.ndarray


@dataclass(frozen=True)
class Gallery:
    """Pictures as vectors."""

    pictures: tuple[PictureInfo, ...]  # those that could be read, in the order in which they were given
    vectors: np.ndarray  # unit-length float32, shape (v, d): one for each view of a picture
    starts: np.ndarray  # the first view of each picture, shape (n,)
    rejected: tuple[Rejected, ...]  # the others

    def cosines(self, targets: np.ndarray) -> np.ndarray:
        """Return the cosine of picture i, by its best view, with unit vector j of shape (k, d): shape (n, k)."""
        if not self.pictures:
            return np.zeros((0, len(targets)), np.float32)
        # in double: a product of another size is summed in another order, which single precision would show
        with one_thread():
            cosines = (self.vectors.astype(np.float64) @ targets.T.astype(np.float64)).astype(np.float32)
        best: np.ndarray = np.maximum.reduceat(np.clip(cosines, -1.0, 1.0), self.starts, axis=0)
        return best

    def parts(self, size: int) -> Iterator[tuple[Gallery, slice]]:
        """Split the pictures into parts of at most `size`, each with the places of its pictures."""
        ends = [*self.starts, len(self.vectors)]
        for first in range(0, len(self.pictures), size):
            rows = slice(first, min(first + size, len(self.pictures)))
            begin, end = ends[rows.start], ends[rows.stop]
            yield Gallery(self.pictures[rows], self.vectors[begin:end], self.starts[rows] - begin, ()), rows


def one_thread() -> AbstractContextManager[Any]:
    """Keep NumPy's products on one thread: more would spin on, on the cores of the network that runs next.

    A caption takes three times as long then on two cores.
    """
    limited: AbstractContextManager[Any] = _find_blas().limit(limits=1, user_api="blas")
    return limited


_find_blas = call_once(ThreadpoolController)  # which looks through every library that the process has loaded


def embed(
    items: Images,
    encoder: Encoder,
    options: Options = Options(),
    *,
    progress: Progress | None = None,
    keep_views: bool = False,
    pace: Pace = Pace(),
) -> Gallery:
    """Read and encode pictures as `stream` does; those that cannot be read are listed and do not cost the others."""
    pictures: list[PictureInfo] = []
    rejected: list[Rejected] = []
    counts = [0]
    together = bytearray()  # many small arrays would keep the memory between them from being given back
    for one in stream(items, encoder, options, progress=progress, keep_views=keep_views, pace=pace):
        if isinstance(one, Rejected):
            rejected.append(one)
        else:
            pictures.append(one.info)
            counts.append(len(one.vectors))
            together += np.ascontiguousarray(one.vectors, np.float32).data.cast("B")
    vectors = np.frombuffer(together, np.float32).reshape(-1, encoder.width)
    return Gallery(tuple(pictures), vectors, np.cumsum(counts)[:-1], tuple(rejected))


def use_decoder(encoder: Cached, decoder: Decoder) -> None:
    """Open and decode all pictures for a model by `decoder` from now on, instead of by threads of this process."""
    encoder.derived["decoder"] = decoder


def use_clock(encoder: Encoder, clock: Callable[[float], object]) -> None:
    """Call `clock` with the seconds that each batch of pictures takes a model from now on."""
    encoder.derived["clock"] = clock


def stream(
    items: Images,
    encoder: Encoder,
    options: Options = Options(),
    *,
    progress: Progress | None = None,
    keep_views: bool = False,
    thumbnail: int = 0,
    pace: Pace = Pace(),
) -> Iterator[Embedded | Rejected]:
    """Embed pictures lazily, in their order; few are held at once however many there are.

    Pictures are read and resized in threads, or by what `use_decoder` gave; what was encoded before comes from the
    cache.

    Args:
        items: as `clipsim.score_images` takes them.
        encoder: from `clipsim.load()`.
        options: framing and contrast.
        progress: called with (pictures done, pictures in all); of an iterator with those that are done for both.
        keep_views: whether `PictureInfo.views` is wanted.
        thumbnail: pixels that the longer side of `PictureInfo.thumbnail` has at most; 0 where none is wanted.
        pace: how much is held at once.

    Raises:
        ClipsimError: there are no pictures.
        EncoderError: the model cannot be loaded.
    """
    sources = collect_sources(items)
    total = len(sources) if isinstance(sources, list) else 0
    decode = encoder.derived.get("decoder") or Here(pace.large)
    trial = BatchTrial(encoder) if pace.finds_batch else None
    reader = _Reader(encoder, options, cache_of(encoder), decode, keep_views, thumbnail, pace.workers)
    done = 0
    with ThreadPoolExecutor(pace.workers, "read") as pool, ThreadPoolExecutor(encoder.in_flight, "encode") as passes:
        try:
            batches = _make_batches(_read_ahead(pool, sources, reader), encoder, pace.batch_pixels)
            for batch, vectors in _encode_batches(batches, encoder, trial, passes):
                yield from _finish(batch, vectors, reader)
                done += len(batch)
                del batch  # or its pixels stay in memory while the next pictures are decoded
                if progress:
                    progress(done, max(total, done))
        finally:
            for one in (pool, passes):  # whoever stops early does not wait for what was ahead
                one.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True)
class _Framed:
    """A picture that is to be encoded, and under what its vectors are then kept."""

    info: PictureInfo
    views: list[View]
    key: bytes


_Read = Embedded | _Framed | Rejected


@dataclass(frozen=True)
class _Reader:
    """Everything that is done to a picture before the network; what is in the cache needs no network."""

    encoder: Encoder
    options: Options
    cache: VectorCache
    decode: Decoder
    keep_views: bool
    thumbnail: int
    workers: int
    owner: object = field(default_factory=object)  # stands for this gallery where pictures of several are decoded

    @cached_property
    def look(self) -> Look:
        """Read and frame pictures as the model wants them, whose weights it may take to know how."""
        # where the network is not exact, a JPEG may be decoded at a smaller size
        narrow = self.encoder.precision in ("half", "int8")
        min_side = DRAFT_MARGIN * max(self.encoder.input_size) if narrow else None
        return Look(self.encoder.preprocessing or self.encoder, self.options, min_side, self.thumbnail)

    def look_up(self, source: Source, name: str) -> Embedded | None:
        """Look for a small file or bytes in the cache, which is done so soon that a thread would only cost time."""
        if self.keep_views or self.thumbnail or isinstance(source, Image.Image):
            return None
        with suppress(OSError, ValueError):  # no such file, or no path at all: reading it will say what is wrong
            if isinstance(source, bytes) or 0 < Path(source).stat().st_size < SMALL:
                return _restore(name, self.cache.get(self.key(compute_digest(source))))
        return None

    def read(self, source: Source, name: str) -> _Read:
        """Read, look up and frame one picture; runs in a thread."""
        try:
            return self._read_own(source, name) if isinstance(source, Image.Image) else self._read_file(source, name)
        except ImageError as error:
            return Rejected(error.name, error.reason)

    def _read_own(self, image: Image.Image, name: str) -> Embedded | _Framed:
        """Read a picture that is in memory; it is known by its pixels."""
        picture = self.decode(read, image, name, self.owner)
        key = self.key(picture.image.tobytes(), repr((picture.image.size, picture.notes)))
        known = _restore(name, self.cache.get(key))
        if known and not (self.keep_views or self.thumbnail):
            return known
        return self._join(key, known, *self.look.frame(picture))

    def _read_file(self, source: str | Path | bytes, name: str) -> Embedded | _Framed:
        key, known = b"", None
        with suppress(OSError, ValueError):  # no such file, or no path at all: decoding it will say what is wrong
            if isinstance(source, bytes) or Path(source).is_file():  # a pipe would be waited for
                key = self.key(compute_digest(source))
                known = _restore(name, self.cache.get(key))
        if known and not (self.keep_views or self.thumbnail):
            return known
        if self.encoder.preprocessing:
            framed = self.decode(self.look, source, name, self.owner)
        else:  # only the model itself knows how to frame it
            framed = self.look.frame(self.decode(partial(read, min_side=self.look.min_side), source, name, self.owner))
        return self._join(key or self.key(compute_digest(source)), known, *framed)

    def _join(self, key: bytes, known: Embedded | None, info: PictureInfo, views: list[View]) -> Embedded | _Framed:
        info = replace(info, views=tuple(views) if self.keep_views else ())
        return Embedded(info, known.vectors) if known else _Framed(info, views, key)

    def key(self, *content: bytes | str) -> bytes:
        """Return what the vectors of a picture of this content are kept under."""
        return vector_key(self.encoder, [*content, self.options.framing, self.options.contrast])


def _restore(name: str, entry: tuple[np.ndarray, Any] | None) -> Embedded | None:
    """Make a picture of what the cache has of it."""
    if not entry:
        return None
    vectors, (notes, size, coverage) = entry
    return Embedded(PictureInfo(name, tuple(notes), tuple(size), coverage), vectors)


def _read_ahead(pool: ThreadPoolExecutor, sources: Iterable[tuple[Source, str]], reader: _Reader) -> Iterator[_Read]:
    """Read sources in their order, some of them before they are needed."""
    waiting: deque[Embedded | Future[_Read]] = deque()
    for source, name in sources:
        waiting.append(reader.look_up(source, name) or pool.submit(reader.read, source, name))
        # an encoder that frames pictures only when it encodes them holds them in full size until then
        if len(waiting) >= (2 * reader.encoder.batch if reader.encoder.reads_ahead else reader.workers):
            yield _wait(waiting.popleft())
    while waiting:
        yield _wait(waiting.popleft())


def _wait(one: Embedded | Future[_Read]) -> _Read:
    return one.result() if isinstance(one, Future) else one


def _make_batches(pictures: Iterable[_Read], encoder: Encoder, max_pixels: int) -> Iterator[list[_Read]]:
    """Group pictures into lists of at most the encoder's batch and, but for a single large one, `max_pixels`."""
    batch: list[_Read] = []
    pixels = 0
    for one in pictures:
        size = sum(view.image.width * view.image.height for view in one.views) if isinstance(one, _Framed) else 0
        if batch and (len(batch) >= encoder.batch or pixels + size > max_pixels):
            yield batch
            batch, pixels = [], 0
        batch.append(one)
        pixels += size
        del one  # or it stays in memory while the next pictures are decoded
    if batch:
        yield batch


def _encode_batches(
    batches: Iterator[list[_Read]], encoder: Encoder, trial: BatchTrial | None, passes: ThreadPoolExecutor
) -> Iterator[tuple[list[_Read], np.ndarray]]:
    """Yield batches in order with the vectors of what the cache did not have of them.

    Where the encoder takes several at once, the next is handed over while the last is calculated.
    """
    encode = partial(_encode, encoder=encoder, trial=trial)
    if encoder.in_flight == 1:  # on this thread, whose threads of the network are there already
        for batch in batches:
            yield batch, encode(batch)
            del batch  # or its pixels stay in memory while the next pictures are decoded
        return
    waiting: deque[tuple[list[_Read], Future[np.ndarray]]] = deque()
    for batch in batches:
        waiting.append((batch, passes.submit(encode, batch)))
        del batch
        while len(waiting) >= (1 if trial and trial.running else encoder.in_flight):
            yield _take(waiting)
    while waiting:
        yield _take(waiting)


def _take(waiting: deque[tuple[list[_Read], Future[np.ndarray]]]) -> tuple[list[_Read], np.ndarray]:
    batch, vectors = waiting.popleft()
    return batch, vectors.result()


def _encode(batch: list[_Read], encoder: Encoder, trial: BatchTrial | None) -> np.ndarray:
    """Return the vectors of all views of a batch, shape (v, d); none if the cache had all of it."""
    views = [view.image for one in batch if isinstance(one, _Framed) for view in one.views]
    if not views:
        return np.zeros((0, 0), np.float32)
    began = time.monotonic()
    vectors = (trial or encoder).encode_views(views)
    if clock := encoder.derived.get("clock"):
        clock(time.monotonic() - began)
    return vectors


def _finish(batch: list[_Read], vectors: np.ndarray, reader: _Reader) -> Iterator[Embedded | Rejected]:
    """Yield the pictures of a batch, and keep in the cache what it did not have."""
    new = [len(one.views) for one in batch if isinstance(one, _Framed)]
    fresh = iter(np.split(vectors, np.cumsum(new)[:-1]))
    for one in batch:
        if isinstance(one, _Framed):
            pooled, info = pool(next(fresh), reader.options.framing), one.info
            reader.cache.put(one.key, pooled, (info.notes, info.size, info.coverage))
            yield Embedded(info, pooled)
        else:
            yield one
