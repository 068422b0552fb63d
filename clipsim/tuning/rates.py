"""How often cut-offs are right and wrong on pictures and captions that they were not learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.stats import mannwhitneyu

from clipsim.evaluation import Estimate, count_independent, wilson
from clipsim.scoring import MATCH, NO_MATCH, NOT_SURE, NOTHING, WEAK
from clipsim.tuning.learning import (
    DRAWS,
    GALLERIES,
    Aims,
    count_worth,
    draw_galleries,
    find_cutoffs,
    find_floor,
    learn_cutoffs,
)
from clipsim.tuning.pairs import PARTS, Pairs

PROMISES = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)  # shares of random pairs, along the reliability plot


@dataclass(frozen=True)
class Reliability:
    """A promised share of random pairs above a cut-off, the share that was seen, and the true pairs found there."""

    promised: float
    observed: Estimate
    found: Estimate


def flag_held_out(pairs: Pairs, percentiles: np.ndarray, shares: Sequence[float]) -> list[np.ndarray]:
    """Say for each share which pairs pass its cut-off, shape (n, k), bool.

    The cut-off for a picture and a caption is learned without the picture's part and without the caption's.
    """
    flags = [np.zeros(percentiles.shape, bool) for _ in shares]
    for one, other in product(range(PARTS), repeat=2):
        rows, columns = pairs.part == one, pairs.text_part == other
        block = np.ix_(rows, columns)
        for flag, cut in zip(flags, find_cutoffs(pairs, percentiles, ~rows, ~columns, shares), strict=True):
            flag[block] = percentiles[block] >= cut
    return flags


def flag_missed(pairs: Pairs, percentiles: np.ndarray, share: float) -> np.ndarray:
    """Say which pairs lie so low that few true ones do, shape (n, k), bool, by floors learned as those cut-offs are."""
    flags = np.zeros(percentiles.shape, bool)
    for one, other in product(range(PARTS), repeat=2):
        rows, columns = pairs.part == one, pairs.text_part == other
        block = np.ix_(rows, columns)
        flags[block] = percentiles[block] < find_floor(pairs, percentiles, ~rows, ~columns, share)
    return flags


def measure_pairs(pairs: Pairs, flags: np.ndarray) -> tuple[Estimate, Estimate]:
    """Return which share of random pairs, and of true pairs, is flagged, with 95 % intervals.

    They are Wilson's, with as many trials as the pairs are worth.
    """
    false, found = flags & pairs.random, flags[pairs.owner, np.arange(len(pairs.owner))]
    trials = count_worth(false, pairs.random, pairs.text)
    return (
        wilson(float(false.sum() / pairs.random.sum()), trials),
        wilson(float(found.mean()), count_independent(found, pairs.owner)),
    )


def measure(pairs: Pairs, percentiles: np.ndarray, aims: Aims, draws: int = DRAWS) -> dict[str, Estimate]:
    """Measure how often verdicts are right and wrong, shares from 0 to 1, under the names that reports know."""
    match, weak = flag_held_out(pairs, percentiles, (aims.false_matches, aims.false_weak))
    rates = {}
    no_match = flag_missed(pairs, percentiles, aims.missed) & ~weak
    for what, flags in ((MATCH, match), (f"{MATCH} or {WEAK}", weak), (NO_MATCH, no_match)):
        rates[f"random pairs called {what}"], rates[f"true pairs called {what}"] = measure_pairs(pairs, flags)
    return rates | _measure_galleries(pairs, percentiles, aims, draws)


def _measure_galleries(pairs: Pairs, percentiles: np.ndarray, aims: Aims, draws: int) -> dict[str, Estimate]:
    """Measure the answers on galleries; each is judged by cut-offs that were learned without its best picture's part.

    Intervals take as many galleries as there are pictures, since more tell nothing more.
    """
    every = np.ones(len(pairs.part), bool), np.ones(len(pairs.owner), bool)
    cutoffs = [
        learn_cutoffs(pairs, percentiles, pairs.part != part, pairs.part[pairs.owner] != part, aims, draws)
        for part in range(PARTS)
    ]
    rates = {}
    for size, fitting in product(GALLERIES, (False, True)):
        drawn, asked = draw_galleries(pairs, size, *every, draws, fitting)
        if not len(asked):
            continue
        shown = percentiles[drawn, asked[:, None]]
        best = drawn[np.arange(len(drawn)), shown.argmax(axis=1)]
        answers = np.array([cutoffs[part].verdicts(row)[0] for part, row in zip(pairs.part[best], shown, strict=True)])
        which = "with a fitting picture" if fitting else "without a fitting picture"
        shares = {f"{which} called {answer}": answers == answer for answer in (MATCH, NOT_SURE, NOTHING)}
        if fitting:
            shares["in which the fitting picture is named"] = pairs.true[best, asked] & (answers != NOTHING)
        for name, right in shares.items():
            rates[f"galleries of {size} {name}"] = wilson(float(right.mean()), min(draws, len(pairs.part)))
    return rates


def measure_areas(pairs: Pairs, percentiles: np.ndarray) -> dict[str, float]:
    """Measure the area under the ROC curve of true against random pairs, 0 to 1, by percentile and by cosine."""
    return {
        f"area under the ROC curve, {name}": compute_area(scores[pairs.true], scores[pairs.random])
        for name, scores in (("percentile", percentiles), ("cosine", pairs.cosines))
    }


def compute_area(true: np.ndarray, random: np.ndarray) -> float:
    """Area under the ROC curve: how often a true pair scores above a random one, ties half."""
    above = mannwhitneyu(true, random, method="asymptotic").statistic
    return float(above / len(true) / len(random))


def measure_reliability(
    pairs: Pairs, percentiles: np.ndarray, promises: Sequence[float] = PROMISES
) -> tuple[Reliability, ...]:
    """Hold promised shares of random pairs against those that are seen."""
    flags = flag_held_out(pairs, percentiles, promises)
    return tuple(
        Reliability(promised, *measure_pairs(pairs, one)) for promised, one in zip(promises, flags, strict=True)
    )
