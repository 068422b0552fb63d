"""Learn a model's calibration from captioned pictures: moments, null distribution and cut-offs.

Moments and null distribution are of the pictures. Cut-offs are percentiles that few random pairs reach, of pictures
and captions that the moments were not learned from: each tenth of the pictures is judged, with the captions of another
tenth, by moments of the other eight. The calibration that is kept has moments of all pictures, which are a little
better, and these cut-offs.

What is promised: of new pairs of a picture and a caption of another picture, of the same kind, at most the wanted share
is called a match, on average over the sets of pictures that one might have calibrated with. That is the promise of
split-conformal prediction (Vovk et al. 2005, Algorithmic Learning in a Random World; for scores of pictures and
captions see arXiv:2504.01225): of N exchangeable scores, the one of place ceil((N + 1)(1 - share)) is passed by a new
one with that chance at most. Random pairs are not exchangeable: those of one picture go up and down together, and so
do those of one caption. N is therefore how many independent pairs they are worth (`count_worth`), which is far from
their number. That, and moments that are not quite those of the held-out percentiles, make the promise an approximation.
One calibration may lie above its share by chance; the interval of the measured rate says by how much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations_with_replacement
from math import ceil, floor

import numpy as np

from clipsim.errors import UsageError
from clipsim.scoring import Calibration
from clipsim.scoring.calibration import USUAL, Cutoffs, compute_percentiles, compute_strengths
from clipsim.scoring.null_distribution import NullDistribution
from clipsim.tuning.pairs import FOLDS, Pairs

DIRECTIONS = 32  # of the pictures' vectors; with more the percentile separates no better
GALLERIES = (2, 4, 8, 16, 32)  # pictures in a gallery
SHARE = 4  # times as many pictures as a gallery, or all galleries would be much the same
DRAWS = 2000  # galleries of each size
NEVER = 101.0  # a percentile that none reaches


@dataclass(frozen=True)
class Aims:
    """Which shares of what does not belong together the cut-offs may let through, each above 0 and below 1.

    Attributes:
        false_matches: of random pairs, called a match.
        false_weak: of random pairs, called match or weak.
        false_galleries: of galleries without a fitting picture, called a match.
        unsure_galleries: of galleries without a fitting picture, called a match or "not sure".
        missed: of pairs that belong together, called "no match"; the others that are not even weak are called "not
            recognised", and so are random pairs that lie as high.
    """

    false_matches: float = 0.01
    false_weak: float = 0.05
    false_galleries: float = 0.05
    unsure_galleries: float = 0.35
    missed: float = 0.08

    def __post_init__(self) -> None:
        """Raise a `UsageError` unless each is a share, and what is looser lets more through."""
        aims = asdict(self)
        for tight, loose in (("false_matches", "false_weak"), ("false_galleries", "unsure_galleries")):
            if not 0 < aims[tight] <= aims[loose] < 1:
                raise UsageError(
                    f"{tight} is {aims[tight]:g} and {loose} {aims[loose]:g}: give shares between 0 and 1, the first "
                    "no larger than the second."
                )
        if not 0 < self.missed < 1:
            raise UsageError(f"missed is {self.missed:g}: give a share between 0 and 1.")


def learn_moments(pairs: Pairs, pictures: np.ndarray) -> Calibration:
    """Learn mean, directions and null distribution; cut-offs are still to come.

    Args:
        pairs: whose background captions are the unrelated ones.
        pictures: rows of those that are learned from, two at least.
    """
    mean = pairs.pictures[pictures].mean(axis=0)
    directions, rest = find_directions((pairs.pictures[pictures] - mean) / np.sqrt(len(pictures)))
    moments = Calibration(
        cutoffs=Cutoffs(NEVER, NEVER, 0, 0),
        rates={},
        origin="",
        null=NullDistribution.fit(np.array([0.0, 1.0])),
        mean=mean,
        directions=directions,
        rest=rest,
        usual=USUAL,
    )
    unrelated = pairs.unrelated[pictures]
    _, t = compute_strengths(unrelated[:, :0], pairs.captions[:0], unrelated, pairs.background, moments)
    return replace(moments, null=NullDistribution.fit(t.ravel()).thin())


def find_directions(rows: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the first `DIRECTIONS` principal directions of centred rows, shape (n, d), and what they leave.

    Each is as long as its standard deviation, shape (r, d), if the rows are divided by the root of their number. What
    they leave is the variance along every other direction. Of few rows there are few directions, and nothing is left.
    """
    if len(rows) < rows.shape[1]:
        _, vectors = np.linalg.eigh(rows @ rows.T)  # rising
        directions = vectors[:, ::-1][:, :DIRECTIONS].T @ rows
    else:
        variances, vectors = np.linalg.eigh(rows.T @ rows)
        lengths = np.sqrt(np.maximum(variances, 0))
        directions = (vectors * lengths)[:, ::-1][:, :DIRECTIONS].T
    rest = float((rows**2).sum() - (directions**2).sum()) / rows.shape[1]
    return directions, max(rest, 0.0)


def compute_held_out(pairs: Pairs) -> np.ndarray:
    """Return the percentile of every pair, shape (n, k), by moments of pictures of other folds.

    These have neither the picture nor the one that the caption is of: its own picture makes a caption's spread wide,
    and those of new captions are not among the pictures that a model was calibrated with.
    """
    percentiles, own = np.zeros_like(pairs.cosines), pairs.fold[pairs.owner]
    for one, other in combinations_with_replacement(range(FOLDS), 2):
        moments = learn_moments(pairs, np.flatnonzero((pairs.fold != one) & (pairs.fold != other)))
        for fold, of_caption in {(one, other), (other, one)}:
            rows, columns = pairs.fold == fold, own == of_caption
            percentiles[np.ix_(rows, columns)] = compute_percentiles(
                pairs.cosines[np.ix_(rows, columns)],
                pairs.captions[columns],
                pairs.unrelated[rows],
                pairs.background,
                moments,
            )
    return percentiles


def learn_calibration(
    pairs: Pairs, percentiles: np.ndarray, origin: str, aims: Aims, draws: int = DRAWS
) -> Calibration:
    """Learn what is kept: moments of all pictures, cut-offs from their held-out percentiles, shape (n, k)."""
    learned = learn_moments(pairs, np.arange(len(pairs.pictures)))
    every = np.ones(len(pairs.pictures), bool), np.ones(len(pairs.captions), bool)
    return replace(learned, origin=origin, cutoffs=learn_cutoffs(pairs, percentiles, *every, aims, draws))


def learn_cutoffs(
    pairs: Pairs, percentiles: np.ndarray, rows: np.ndarray, columns: np.ndarray, aims: Aims, draws: int = DRAWS
) -> Cutoffs:
    """Learn all cut-offs from the pictures `rows`, shape (n,), and their captions `columns`, shape (k,)."""
    match, weak = find_cutoffs(pairs, percentiles, rows, columns, (aims.false_matches, aims.false_weak))
    trials, shares = int(rows.sum()), (aims.false_galleries, aims.unsure_galleries)
    levels = [floor((trials + 1) * share) / trials for share in shares]
    chances = []
    for size in GALLERIES:
        drawn, asked = draw_galleries(pairs, size, rows, columns, draws)
        if len(asked):
            best = percentiles[drawn, asked[:, None]].max(axis=1)
            chances.append(np.quantile(1 - (best / 100) ** size, levels, method="lower"))
    gallery, unsure = np.min(chances, axis=0).tolist() if chances else (0.0, 0.0)
    no_match = min(weak, find_floor(pairs, percentiles, rows, columns, aims.missed))
    return Cutoffs(match, weak, gallery, unsure, no_match)


def find_cutoffs(
    pairs: Pairs, percentiles: np.ndarray, rows: np.ndarray, columns: np.ndarray, shares: Sequence[float]
) -> list[float]:
    """Return for each share the percentile from which no more random pairs count, as the module promises.

    `NEVER` where the pairs are worth too few for any promise, that is, fewer than 1 / share.
    """
    part, random, text = percentiles[rows][:, columns], pairs.random[rows][:, columns], pairs.text[columns]
    scores = np.sort(part[random])
    found = []
    for share in shares:
        if not len(scores):
            found.append(NEVER)
            continue
        plain = scores[min(floor(len(scores) * (1 - share)), len(scores) - 1)]
        worth = count_worth((part >= plain) & random, random, text)
        level = ceil((worth + 1) * (1 - share)) / worth
        place = ceil(level * len(scores)) - 1
        found.append(float(np.nextafter(scores[place], np.inf)) if place < len(scores) else NEVER)
    return found


def find_floor(pairs: Pairs, percentiles: np.ndarray, rows: np.ndarray, columns: np.ndarray, share: float) -> float:
    """Return the percentile below which no more than this share of true pairs lies; 0 where there are too few.

    The promise is that of the module, from the other end; pairs are worth as many as there are pictures.
    """
    own = rows[pairs.owner] & columns
    scores = np.sort(percentiles[pairs.owner, np.arange(len(own))][own])
    worth = max(len(np.unique(pairs.owner[own])), 1)
    place = floor(floor((worth + 1) * share) / worth * len(scores)) - 1
    return float(scores[place]) if place >= 0 else 0.0


def count_worth(chosen: np.ndarray, among: np.ndarray, text: np.ndarray) -> float:
    """Return how many independent pairs tell as much about the share of those that are chosen.

    The variance of the share has a part of pictures and a part of captions (Miglioretti and Heagerty 2007, Am. J.
    Epidemiol. 165, 453-463, for observations that cross); that of independent pairs is `share * (1 - share) / N`. The
    answer is between the smaller number of pictures and texts, and that of pairs.

    Args:
        chosen: of the pairs, shape (n, k), bool.
        among: which pairs count, shape (n, k), bool, one at least.
        text: a number for each caption's text, shape (k,); equal ones go up and down together.
    """
    count, share = int(among.sum()), float(chosen.sum() / among.sum())
    by_picture = chosen.sum(axis=1) - share * among.sum(axis=1)
    by_caption = np.bincount(text, chosen.sum(axis=0) - share * among.sum(axis=0))
    least = min(len(by_picture), len(np.unique(text)))
    alone = share * (1 - share) / count
    variance = float((by_picture**2).sum() + (by_caption**2).sum()) / count**2 - alone
    if not 0 < share < 1:
        return float(least)
    return float(np.clip(share * (1 - share) / variance, least, count)) if variance > 0 else float(count)


def draw_galleries(
    pairs: Pairs, size: int, rows: np.ndarray, columns: np.ndarray, draws: int, fitting: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Draw pictures and a caption, the same for each size: with the picture that it is of, put first, or without.

    Args:
        pairs: what is drawn from.
        size: pictures in a gallery.
        rows: pictures that may be drawn, shape (n,), bool.
        columns: captions that may be drawn, shape (k,), bool.
        draws: galleries.
        fitting: whether the caption's own picture is among them; it must be among `rows`.

    Returns:
        Pictures, shape (draws, size), and a caption for each gallery, shape (draws,); none where there are fewer than
        `SHARE` times as many pictures.
    """
    others, pictures = size - fitting, np.flatnonzero(rows)
    allowed = np.flatnonzero(columns & (pairs.random[rows].sum(axis=0) >= others))
    if not len(allowed) or len(pictures) < SHARE * size:
        return np.zeros((0, size), int), np.zeros(0, int)
    chance = np.random.default_rng(size)
    asked = chance.choice(allowed, draws)
    order = chance.random((draws, len(pictures)))
    order[~pairs.random[np.ix_(pictures, asked)].T] = 2.0
    drawn = pictures[np.argpartition(order, others - 1, axis=1)[:, :others]]
    return (np.column_stack([pairs.owner[asked], drawn]) if fitting else drawn), asked
