"""Which index for which size, and the candidates that it gives: places whose cosines are then taken from the vectors.

Exact: every vector is compared by NumPy, in blocks that are shared out over the cores.
Approximate: FAISS's product quantiser of four bits compares all pictures (Jégou et al. 2011,
doi:10.1109/TPAMI.2010.57, by the fast scan of André et al. 2015, doi:10.14778/2856318.2856324), or those in the nearest
lists of an inverted file.
`KINDS` comes from `python -m benchmarks.performance.index`.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from clipsim.collections.store.segments import Segment
from clipsim.errors import ClipsimError
from clipsim.images import storage
from clipsim.images.storage import Location

if TYPE_CHECKING:
    import faiss

EXACT, PQ, IVF_PQ = "exact", "pq", "ivf-pq"
TRAINING = 65_536  # vectors that an index is trained on; twice as many gained nothing
PARTS = 8  # files of a large index, so that as many cores can share a query
SHARE = 500_000  # vectors in each, where there are fewer: every part costs a tenth of a millisecond by itself
WEAK_FILTER = (
    0.05  # share of the pictures that a filter must leave for the index to be of use: else all left are compared
)
THREADS = os.cpu_count() or 1
BLOCK = 16_384  # vectors that are compared at once: enough to be quick, few enough to share out
FEW = 0.25  # share of a block that a filter leaves below which only those vectors are read
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Kind:
    """A kind of index.

    Attributes:
        up_to: pictures up to which it is chosen.
        candidates: how many are re-scored for ten hits.
        lists: of the inverted file; 0 without one.
        probes: lists that are looked into.
    """

    up_to: float
    candidates: int = 0
    lists: int = 0
    probes: int = 0


KINDS = {
    EXACT: Kind(up_to=1_000_000),
    PQ: Kind(up_to=10_000_000, candidates=250),
    IVF_PQ: Kind(up_to=float("inf"), candidates=600, lists=4096, probes=64),
}


def suitable_kind(rows: int) -> str:
    """The kind of index for so many pictures, a key of `KINDS`."""
    return next(name for name, kind in KINDS.items() if rows <= kind.up_to)


@dataclass(frozen=True)
class Part:
    """A file of an approximate index, and the segments that it covers, in its order."""

    file: str
    segments: tuple[str, ...]


@dataclass(frozen=True)
class Query:
    """A query.

    Attributes:
        target: unit-length float32, shape (1, width).
        count: of pictures.
        chosen: which places may be found, shape (places,).
    """

    target: np.ndarray
    count: int
    chosen: np.ndarray


def empty_index(width: int, kind: str, training: np.ndarray) -> faiss.Index:
    """An index of a kind, trained on vectors of shape (n, width) and without any."""
    import faiss

    codes = width // 2 if width % 2 == 0 else width
    metric = faiss.METRIC_INNER_PRODUCT
    lists = min(KINDS[kind].lists, len(training) // 39 or 1)  # FAISS wants 39 vectors a list
    if kind == IVF_PQ:
        index = faiss.IndexIVFPQFastScan(faiss.IndexFlatIP(width), width, lists, codes, 4, metric)
        index.nprobe = KINDS[kind].probes
    else:
        index = faiss.IndexPQFastScan(width, codes, 4, metric)
    index.train(training)
    return index


def build(folder: Location, segments: Sequence[tuple[str, int]], width: int, kind: str) -> tuple[Part, ...]:
    """Write an approximate index over segments, given by id and rows; one segment's vectors are held at once."""
    import faiss

    if not segments:
        return ()
    empty = faiss.serialize_index(empty_index(width, kind, _sample(folder, segments)))
    parts = []
    number = min(PARTS, max(2, sum(rows for _, rows in segments) // SHARE))
    for names in _shared([name for name, _ in segments], number):
        index = faiss.deserialize_index(empty)
        for name in names:
            index.add(np.ascontiguousarray(Segment(folder, name).vectors))
        file = f"index-{uuid.uuid4().hex}.faiss"
        storage.write(folder / file, faiss.serialize_index(index).data)
        parts.append(Part(file, tuple(names)))
    storage.sync(folder)
    return tuple(parts)


def _sample(folder: Location, segments: Sequence[tuple[str, int]]) -> np.ndarray:
    """`TRAINING` vectors, of each segment its share; at least 16, some of them repeated, for a quantiser needs them."""
    total = sum(rows for _, rows in segments)
    random = np.random.default_rng(0)
    some = []
    for name, rows in segments:
        places = random.choice(rows, min(rows, -(-TRAINING * rows // total)), replace=False)
        some.append(Segment(folder, name).vectors[np.sort(places)])
    sample = np.concatenate(some)
    return np.resize(sample, (max(16, len(sample)), sample.shape[1]))


def _shared(items: list[T], parts: int) -> list[list[T]]:
    """Items in order, in at most so many parts of about the same length."""
    parts = min(parts, len(items))
    return [items[len(items) * i // parts : len(items) * (i + 1) // parts] for i in range(parts)]


class Searcher:
    """Finds candidates among the segments of a collection."""

    def __init__(self, folder: Location, segments: Sequence[Segment], ends: np.ndarray, parts: Sequence[Part]) -> None:
        """
        Args:
            folder: of the collection.
            segments: all of it.
            ends: 0, and the places at which the segments end.
            parts: of its index. One that covers a segment that is gone is not used.
        """
        self._segments = list(zip(segments, ends[:-1].tolist(), ends[1:].tolist(), strict=True))
        places = {segment.name: np.arange(start, end) for segment, start, end in self._segments}
        self._parts = [
            _Loaded(folder / part.file, np.concatenate([places[name] for name in part.segments]))
            for part in parts
            if all(name in places for name in part.segments)
        ]
        covered = {name for part in parts if all(one in places for one in part.segments) for name in part.segments}
        self._uncovered = [one for one in self._segments if one[0].name not in covered]

    def candidates(self, wanted: Query, *, exact: bool) -> np.ndarray:
        """Places that may be among the best, rising: with `exact`, or where there is no index, surely the best."""
        share = np.count_nonzero(wanted.chosen) / max(1, len(wanted.chosen))
        if exact or not self._parts or share < WEAK_FILTER:
            return self._compared(self._segments, wanted)
        enough = max(wanted.count, self._parts[0].candidates(wanted.count) / share)
        rest = self._compared(self._uncovered, wanted)
        return np.union1d(self._estimated(wanted, int(enough)), rest)

    def _compared(self, segments: Iterable[tuple[Segment, int, int]], wanted: Query) -> np.ndarray:
        """The best of all pictures in these."""
        blocks = [
            (segment, start, range(first, min(first + BLOCK, end - start)))
            for segment, start, end in segments
            for first in range(0, end - start, BLOCK)
        ]
        return _best(_each(lambda block: _scan(*block, wanted), blocks), wanted.count)

    def _estimated(self, wanted: Query, count: int) -> np.ndarray:
        found = _each(lambda part: part.nearest(wanted, count), self._parts)
        return _best(found, count)

    def check(self) -> None:
        """Raise a `ClipsimError` unless all files of the index can be read and cover what they should."""
        for part in self._parts:
            part.check()


@dataclass
class _Loaded:
    path: Location
    places: np.ndarray  # of each vector

    @cached_property
    def index(self) -> faiss.Index:
        import faiss

        try:
            return faiss.read_index(str(storage.copy_locally(self.path)))
        except (OSError, RuntimeError) as error:
            raise ClipsimError(f"{self.path} is gone or damaged: build the index again.") from error

    def candidates(self, count: int) -> int:
        kind = IVF_PQ if hasattr(self.index, "nlist") else PQ
        return max(KINDS[kind].candidates, 4 * count)

    def nearest(self, wanted: Query, count: int) -> tuple[np.ndarray, np.ndarray]:
        import faiss

        faiss.omp_set_num_threads(1)  # of this thread alone: what other threads and torch use is left to them
        # all of `count`, not a part's share: pictures of one kind may lie in one part
        scores, numbers = self.index.search(wanted.target, min(count, len(self.places)))
        there = numbers[0] >= 0
        places = self.places[numbers[0][there]]
        kept = wanted.chosen[places]
        return scores[0][there][kept], places[kept]

    def check(self) -> None:
        if self.index.ntotal != len(self.places):
            raise ClipsimError(
                f"{self.path} covers {self.index.ntotal} pictures, not {len(self.places)}: build it again."
            )


def _scan(segment: Segment, start: int, rows: range, wanted: Query) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and places of the best of some rows of a segment, whose first place is `start`."""
    first, target = start + rows.start, wanted.target[0]
    chosen = wanted.chosen[first : start + rows.stop]
    count = int(np.count_nonzero(chosen))
    if not count:
        return np.zeros(0, np.float32), np.zeros(0, np.int64)
    vectors = segment.vectors[rows.start : rows.stop]
    # `vecdot` and not `@`: on one thread as quick, and BLAS could be kept to one for the whole process only
    if count < FEW * len(rows):
        places = np.flatnonzero(chosen)
        cosines = np.vecdot(vectors[places], target)
    else:
        places = np.arange(len(rows))
        cosines = np.where(chosen, np.vecdot(vectors, target), -np.inf)
    best = _highest(cosines, min(wanted.count, count))
    return cosines[best], places[best] + first


def _best(found: list[tuple[np.ndarray, np.ndarray]], count: int) -> np.ndarray:
    """The places with the highest scores, rising."""
    if not found:
        return np.zeros(0, np.int64)
    scores, places = (np.concatenate(column) for column in zip(*found, strict=True))
    return np.sort(places[_highest(scores, count)])


def _highest(scores: np.ndarray, count: int) -> np.ndarray:
    """Where the highest scores are, in no order."""
    if len(scores) <= count:
        return np.arange(len(scores))
    return np.argpartition(scores, -count)[-count:]


def _each(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """In as many threads as there are cores, each taking its share in one go."""
    shares = _shared(list(items), THREADS)
    return [result for results in _pool().map(lambda share: [work(one) for one in share], shares) for result in results]


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, "search")
