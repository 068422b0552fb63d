"""Which of several changes to a model is best on validation, and leaves it as it was elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Of the gain: the weakest change that gains as much is chosen, since what is stronger costs more elsewhere.
NEARLY = 0.94
SURE = 1.96  # standard errors by which the gain must be above none


@dataclass(frozen=True)
class Trial:
    """One change, as validation and general pictures saw it.

    Attributes:
        strength: of the change.
        ridge: of a head; None for trained networks.
        score: on validation, 0 to 1.
        gain: by picture, its score less that of the base, shape (n,).
        lost: points elsewhere.
        chance: the score of who always names the most frequent label, 0 to 1; next to nothing for captions.
    """

    strength: float
    ridge: float | None
    score: float
    gain: np.ndarray
    lost: float
    chance: float = 0.0

    @property
    def mean_gain(self) -> float:
        """How much better than the base it is on validation, -1 to 1."""
        return float(self.gain.mean())

    @property
    def is_better(self) -> bool:
        """Whether the gain is more than chance would give, and so is the score."""
        count = len(self.gain)
        error = float(self.gain.std(ddof=1)) / count**0.5 if count > 1 else 1.0
        of_score = (self.score * (1 - self.score) / count) ** 0.5
        return self.mean_gain > SURE * error and self.mean_gain > 0 and self.score > self.chance + SURE * of_score


def choose(trials: Sequence[Trial], may_lose: float, before: float, remedy: str = "") -> tuple[Trial | None, str]:
    """Return the best trial, or None and why none may be kept, as a sentence.

    Args:
        trials: at least one.
        may_lose: points that may be lost elsewhere.
        before: the base's score on validation, 0 to 1.
        remedy: what else to try where it gets no better, as it reads on from "give it more".
    """
    allowed = [one for one in trials if one.lost <= may_lose]
    best = max(trials, key=lambda one: one.mean_gain)
    if not best.is_better:
        return None, (
            f"It gets no better on pictures that were held out ({100 * before:.1f} % before, {100 * best.score:.1f} % "
            "at best, which chance would give too): see that the captions belong to their pictures, or give it more"
            f"{remedy}."
        )
    if not allowed:
        least = min(trials, key=lambda one: one.lost)
        return None, (
            f"It loses more than {may_lose:g} points on general pictures at every strength ({least.lost:.1f} at "
            f"{least.strength:g}): let it lose more with --may-lose, or give it more pictures."
        )
    top = max(allowed, key=lambda one: one.mean_gain)
    if not top.is_better:
        return None, (
            f"It gets better on validation only where it loses more than {may_lose:g} points on general pictures "
            f"({best.lost:.1f} at strength {best.strength:g}): let it lose more with --may-lose, or give it more "
            "pictures."
        )
    nearly = [one for one in allowed if one.mean_gain >= NEARLY * top.mean_gain and one.is_better]
    return min(nearly, key=lambda one: (one.strength, -one.mean_gain)), ""
