"""Which rows of a scored list are kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from clipsim.errors import UsageError
from clipsim.pairs.results import PairScore
from clipsim.scoring.calibration import VERDICTS


@dataclass(frozen=True)
class Cut:
    """Conditions that a row must all meet to be kept; without any, all rows are, also those that cannot be scored.

    Attributes:
        keep: share of the rows that could be scored, those with the highest percentiles, 0 to 1.
        min_percentile: the lowest that is kept.
        verdict: the worst that is kept.
    """

    keep: float | None = None
    min_percentile: float | None = None
    verdict: str | None = None

    def __post_init__(self) -> None:
        """Raise a `UsageError` for what no row or every row would meet by mistake."""
        if self.keep is not None and not 0 < self.keep <= 1:
            raise UsageError(f"--keep is {self.keep:g}: give the share of the rows, above 0 and 1 at most.")
        if self.min_percentile is not None and not 0 <= self.min_percentile <= 100:
            raise UsageError(f"--min-percentile is {self.min_percentile:g}: give a number from 0 to 100.")
        if self.verdict is not None and self.verdict not in VERDICTS:
            raise UsageError(f"--verdict is {self.verdict!r}: give one of {', '.join(VERDICTS)}.")

    def __bool__(self) -> bool:
        """Return whether anything is cut off."""
        return any(one is not None for one in (self.keep, self.min_percentile, self.verdict))

    def choose(self, scores: Iterable[PairScore]) -> np.ndarray:
        """Return whether each row is kept, shape (n,): nine bytes a row are held.

        Raises:
            UsageError: there are no verdicts, and one was asked for.
        """
        passed = VERDICTS[: VERDICTS.index(self.verdict) + 1] if self.verdict else ()
        percentiles, judged, scored = bytearray(), bytearray(), 0
        for one in scores:
            percentiles += np.float64(np.nan if one.percentile is None else one.percentile).tobytes()
            judged.append(not passed or one.verdict in passed)
            scored += one.percentile is not None
            if passed and one.percentile is not None and one.verdict is None:
                raise UsageError("The model has no cut-offs, so that there are no verdicts: use --min-percentile.")
        values = np.frombuffer(percentiles, np.float64)
        if not self:
            return np.ones(len(values), bool)
        kept: np.ndarray = ~np.isnan(values) & np.frombuffer(judged, np.uint8).astype(bool)
        if self.min_percentile is not None:
            kept &= values >= self.min_percentile
        if self.keep is not None:
            order = np.argsort(-values, kind="stable")  # what is not a number comes last
            kept[order[round(self.keep * scored) :]] = False
        return kept
