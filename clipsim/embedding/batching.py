"""How many pictures a model takes best in one pass on this machine: found out on the first that are encoded anyway."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from statistics import median
from time import perf_counter

import numpy as np
from PIL import Image

from clipsim.encoders import Encoder

ROUNDS = 4  # in each of which every size is tried once; the first, in which kernels are chosen, does not count
GAIN = 0.05  # of the time a picture, below which another size than the encoder's own is not worth it


class BatchTrial:
    """Encodes pictures in batches of one size after the other, and leaves an encoder with the quickest.

    Its `batch` is changed, for whoever uses it: what a picture's vector is does not depend on it but by rounding. An
    encoder of which that is not so has no `batch_sizes`, and keeps its own.
    """

    def __init__(
        self, encoder: Encoder, *, rounds: int = ROUNDS, gain: float = GAIN, clock: Callable[[], float] = perf_counter
    ) -> None:
        """Begin, unless it was done with this encoder before; `clock` tells seconds."""
        self._encoder, self._own, self._gain, self._clock = encoder, encoder.batch, gain, clock
        self._sizes = [] if "batch" in encoder.derived else [encoder.batch, *encoder.batch_sizes]
        self._rounds = rounds
        self._taken: dict[int, list[float]] = defaultdict(list)  # seconds a picture, by size

    @property
    def running(self) -> bool:
        """Whether it goes on: what is encoded meanwhile would disturb it."""
        return len(self._sizes) > 1

    def encode_views(self, views: list[Image.Image]) -> np.ndarray:
        """Encode views as `Encoder.encode_views` does, and choose the size of the next batch."""
        if not self.running:
            return self._encoder.encode_views(views)
        size, began = self._encoder.batch, self._clock()
        try:
            vectors = self._encoder.encode_views(views)
        except MemoryError:
            if size <= self._own:  # which is not the trial's doing
                raise
            self._sizes = [one for one in self._sizes if one < size]
            self._encoder.batch = self._own
            return self._encoder.encode_views(views)
        if len(views) >= size:  # else it tells nothing of that size
            self._taken[size].append((self._clock() - began) / len(views))
            self._encoder.batch = self._choose()
        return vectors

    def _choose(self) -> int:
        """Return the size to try next, or in the end the best one."""
        done = [len(self._taken[size]) for size in self._sizes]
        if min(done) < self._rounds:
            return self._sizes[done.index(min(done))]
        first, *others = self._sizes
        shares = {one: self._compare(one, first) for one in others}
        best = min(shares, key=lambda one: shares[one])
        self._encoder.derived["batch"] = best if shares[best] < 1 - self._gain else first
        self._sizes = []
        return int(self._encoder.derived["batch"])

    def _compare(self, size: int, other: int) -> float:
        """Return the time a picture of one size as a share of another's, round by round, the median."""
        pairs = zip(self._taken[size][1:], self._taken[other][1:], strict=False)
        return median(one / base for one, base in pairs)
