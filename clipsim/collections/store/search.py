"""Search a collection's vectors for the candidates of a query, whose cosines are then taken from the vectors.

Exact search compares every vector by NumPy, in blocks that the cores share. Approximate search asks the index.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
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
Argument = TypeVar("Argument")
Outcome = TypeVar("Outcome")
Block = tuple[Segment, int, slice]  # a segment, its first place, and some of its rows
Scored = tuple[np.ndarray, np.ndarray]  # scores, and the place of each


class Searcher:
    """Finds candidates among the segments of a collection."""

    def __init__(
        self, folder: Location, segments: Sequence[Segment], ends: np.ndarray, parts: Sequence[IndexPart]
    ) -> None:
        """Take the collection's folder, its segments, 0 and the places at which they end, and the parts of its index.

        A part that covers a segment which is gone is not used.
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

    def find_candidates(self, target: np.ndarray, count: int, allowed: np.ndarray, *, exact: bool) -> np.ndarray:
        """Return places that may be among the best `count`, rising; if `exact` or without an index the best themselves.

        `target` is unit-length float32, shape (1, width); `allowed` is a mask of the places that may be found.
        """
        share = np.count_nonzero(allowed) / max(1, len(allowed))
        if exact or not self._parts or share < MIN_ALLOWED:
            return self._compare(self._segments, target, count, allowed)
        candidates = max(self._indexes[0].kind.candidates, 4 * count)
        many = int(max(count, candidates / share))
        found = map_on_cores(lambda index: index.search(target, allowed, many), self._indexes)
        covered = {name for part in self._parts for name in part.segments}
        rest = [name for name in self._segments if name not in covered]
        return np.union1d(_merge(found, many), self._compare(rest, target, count, allowed))

    def _compare(self, names: Iterable[str], target: np.ndarray, count: int, allowed: np.ndarray) -> np.ndarray:
        """Return the places of the best of all pictures in segments."""
        blocks = [
            (segment, start, slice(first, min(first + BLOCK, end - start)))
            for segment, start, end in (self._segments[name] for name in names)
            for first in range(0, end - start, BLOCK)
        ]
        return _merge(map_on_cores(lambda block: _score_block(block, target[0], count, allowed), blocks), count)


def _score_block(block: Block, target: np.ndarray, count: int, allowed: np.ndarray) -> Scored:
    """Return cosines and places of the best of a block."""
    segment, start, rows = block
    first = start + rows.start
    allowed = allowed[first : start + rows.stop]
    count = min(count, int(np.count_nonzero(allowed)))
    if not count:
        return np.zeros(0, np.float32), np.zeros(0, np.int64)
    vectors = segment.vectors[rows]
    # `vecdot` and not `@`: as quick on one thread, while BLAS could only be kept to one in the whole process
    if np.count_nonzero(allowed) < SPARSE * len(allowed):
        places = np.flatnonzero(allowed)
        cosines = np.vecdot(vectors[places], target)
    else:
        places = np.arange(len(allowed))
        cosines = np.where(allowed, np.vecdot(vectors, target), -np.inf)
    best = _find_highest(cosines, count)
    return cosines[best], places[best] + first


def _merge(found: Iterable[Scored], count: int) -> np.ndarray:
    """Return the places with the highest scores, rising."""
    none = np.zeros(0, np.float32), np.zeros(0, np.int64)
    scores, places = (np.concatenate(column) for column in zip(none, *found, strict=True))
    return np.sort(places[_find_highest(scores, count)])


def _find_highest(scores: np.ndarray, count: int) -> np.ndarray:
    """Return the positions of the highest scores, in no order."""
    return np.argpartition(scores, -count)[-count:] if len(scores) > count else np.arange(len(scores))


def map_on_cores(function: Callable[[Argument], Outcome], arguments: Iterable[Argument]) -> list[Outcome]:
    """Return what a function that lets other threads run gives for each argument; not to be called within one."""
    return list(_threads().map(function, arguments))


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, "search")
