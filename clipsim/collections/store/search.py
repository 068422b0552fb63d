"""Search a collection's vectors for the candidates of a query, whose cosines are then taken from the vectors.

Exact search compares every vector by NumPy, in blocks that the cores share. Approximate search asks the index.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from clipsim.collections.store.manifest import IndexPart
from clipsim.collections.store.segments import Segment
from clipsim.images import Location

if TYPE_CHECKING:
    from clipsim.collections.store.ann import ApproximateIndex

MIN_ALLOWED = 0.05  # share of the pictures that filters must leave for an index to help: else all left are compared
THREADS = os.cpu_count() or 1
BLOCK = 16_384  # vectors that are compared at once: enough to be quick, few enough to share out
SPARSE = 0.25  # share of a block that a filter leaves below which only those vectors are read
T = TypeVar("T")
Scored = tuple[np.ndarray, np.ndarray]  # scores, and the place of each


@dataclass(frozen=True)
class Query:
    """A query.

    Attributes:
        target: unit-length float32, shape (1, width).
        count: number of pictures wanted.
        allowed: mask of the places that may be found, shape (places,).
    """

    target: np.ndarray
    count: int
    allowed: np.ndarray


class Searcher:
    """Finds candidates among the segments of a collection."""

    def __init__(
        self, folder: Location, segments: Sequence[Segment], ends: np.ndarray, parts: Sequence[IndexPart]
    ) -> None:
        """Take all of a collection.

        Args:
            folder: of the collection.
            segments: all of them, in order.
            ends: 0, and the places at which the segments end.
            parts: of the index. One that covers a segment which is gone is not used.
        """
        self._folder = folder
        self._segments = {
            segment.name: (segment, start, end)
            for segment, start, end in zip(segments, ends[:-1].tolist(), ends[1:].tolist(), strict=True)
        }
        self._parts = [part for part in parts if self._segments.keys() >= set(part.segments)]

    @cached_property
    def _indexes(self) -> list[ApproximateIndex]:
        from clipsim.collections.store.ann import ApproximateIndex  # loads FAISS, which exact search does without

        places = {name: np.arange(start, end) for name, (_, start, end) in self._segments.items()}
        return [
            ApproximateIndex(self._folder / part.file, np.concatenate([places[name] for name in part.segments]))
            for part in self._parts
        ]

    def find_candidates(self, query: Query, *, exact: bool) -> np.ndarray:
        """Return places that may be among the best, rising; with `exact` or without an index the best themselves."""
        share = np.count_nonzero(query.allowed) / max(1, len(query.allowed))
        if exact or not self._parts or share < MIN_ALLOWED:
            return self._compare(self._segments, query)
        candidates = max(self._indexes[0].kind.candidates, 4 * query.count)
        count = int(max(query.count, candidates / share))
        found = _run_in_threads(lambda index: index.search(query.target, query.allowed, count), self._indexes)
        covered = {name for part in self._parts for name in part.segments}
        rest = self._compare([name for name in self._segments if name not in covered], query)
        return np.union1d(_merge(found, count), rest)

    def _compare(self, names: Iterable[str], query: Query) -> np.ndarray:
        """Return the places of the best of all pictures in segments."""
        blocks = [
            (segment, start, slice(first, min(first + BLOCK, end - start)))
            for segment, start, end in (self._segments[name] for name in names)
            for first in range(0, end - start, BLOCK)
        ]
        return _merge(_run_in_threads(lambda block: _score_block(*block, query), blocks), query.count)

    def check(self) -> None:
        """Raise a `ClipsimError` unless all files of the index can be read and cover what they should."""
        for index in self._indexes if self._parts else ():
            index.check()


def _score_block(segment: Segment, start: int, rows: slice, query: Query) -> Scored:
    """Return cosines and places of the best of some rows of a segment, whose first place is `start`."""
    first, target = start + rows.start, query.target[0]
    allowed = query.allowed[first : start + rows.stop]
    count = int(np.count_nonzero(allowed))
    if not count:
        return np.zeros(0, np.float32), np.zeros(0, np.int64)
    vectors = segment.vectors[rows]
    # `vecdot` and not `@`: as quick on one thread, while BLAS could only be kept to one in the whole process
    if count < SPARSE * len(allowed):
        places = np.flatnonzero(allowed)
        cosines = np.vecdot(vectors[places], target)
    else:
        places = np.arange(len(allowed))
        cosines = np.where(allowed, np.vecdot(vectors, target), -np.inf)
    best = _find_highest(cosines, min(query.count, count))
    return cosines[best], places[best] + first


def _merge(found: Sequence[Scored], count: int) -> np.ndarray:
    """Return the places with the highest scores, rising."""
    if not found:
        return np.zeros(0, np.int64)
    scores, places = (np.concatenate(column) for column in zip(*found, strict=True))
    return np.sort(places[_find_highest(scores, count)])


def _find_highest(scores: np.ndarray, count: int) -> np.ndarray:
    """Return the positions of the highest scores, in no order."""
    if len(scores) <= count:
        return np.arange(len(scores))
    return np.argpartition(scores, -count)[-count:]


def _run_in_threads(work: Callable[[T], Scored], items: Sequence[T]) -> list[Scored]:
    """Run work on all cores, each taking its share of the items in one go."""
    shares = [items[i::THREADS] for i in range(min(THREADS, len(items)))]
    return [result for results in _pool().map(lambda share: [work(one) for one in share], shares) for result in results]


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, "search")
