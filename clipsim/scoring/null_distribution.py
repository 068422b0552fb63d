"""How t (see `clipsim.scoring.calibration`) is spread over unrelated pairs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

TAIL = 0.1  # share of unrelated captions beyond which the tail is exponential
QUANTILES = 400  # of a null distribution, which are kept


@dataclass(frozen=True)
class NullDistribution:
    """How t is spread over unrelated pairs.

    Attributes:
        t: rising values.
        below: the share of unrelated pairs below each, rising, up to where the tail begins.
        excess: mean of t beyond the last of them.
    """

    t: np.ndarray
    below: np.ndarray
    excess: float

    @classmethod
    def fit(cls, t: np.ndarray, tail: float = TAIL) -> NullDistribution:
        """Fit the distribution to the t of unrelated pairs, two at least; `tail` is the share of them in the tail."""
        t = np.sort(t).astype(np.float64)
        below = (np.arange(len(t)) + 0.5) / len(t)
        last = min(int(np.searchsorted(below, 1 - tail)), len(t) - 1)
        return cls(t[: last + 1], below[: last + 1], max(float((t[last:] - t[last]).mean()), 1e-6))

    def thin(self) -> NullDistribution:
        """Keep `QUANTILES` of its values, which are told apart no worse."""
        places = np.linspace(0, len(self.t) - 1, QUANTILES).round().astype(int)
        return replace(self, t=self.t[places], below=self.below[places])

    def percentile(self, t: np.ndarray) -> np.ndarray:
        """Return the percentage of unrelated pairs below each t, 0 to 100."""
        beyond = np.maximum(t - self.t[-1], 0) / self.excess
        share = np.interp(t, self.t, self.below, left=0.0)
        tail = 1 - (1 - self.below[-1]) * np.exp(-beyond)
        percent: np.ndarray = 100 * np.where(beyond > 0, tail, share)
        return percent
