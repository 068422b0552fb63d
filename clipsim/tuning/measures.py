"""How well pictures and texts find each other: before and after, on what was held out and elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clipsim.evaluation import (
    CUTOFFS,
    Estimate,
    bootstrap,
    compute_ranks,
    count_independent,
    weighted_mean,
    weighted_median,
    wilson,
)

MOST = 1_000  # pictures of a gallery: pairs grow as their square, and intervals are narrow by then
FIRST = 5  # background captions that the base puts first, which "agreement" follows


@dataclass(frozen=True)
class Texts:
    """What pictures are found by.

    Attributes:
        vectors: unit vectors, shape (k, d).
        owner: of captions, the row of each one's picture, shape (k,); of labels, the row of each picture's label,
            shape (n,).
        labelled: whether they are labels, one for several pictures.
    """

    vectors: np.ndarray
    owner: np.ndarray
    labelled: bool

    @property
    def chance(self) -> float:
        """The share of pictures that have the most frequent label, 0 to 1; 0 of captions."""
        return float(np.bincount(self.owner).max()) / len(self.owner) if self.labelled else 0.0

    def take(self, rows: np.ndarray) -> Texts:
        """Return the texts of pictures at rising `rows`; of labels all of them stay to choose from."""
        if self.labelled:
            return Texts(self.vectors, self.owner[rows], True)
        place = np.full(int(self.owner.max(initial=-1)) + 1, -1)
        inside = rows[rows < len(place)]
        place[inside] = np.arange(len(inside))
        own = place[self.owner]
        return Texts(self.vectors[own >= 0], own[own >= 0], False)


@dataclass(frozen=True)
class Measures:
    """How well pictures are found, each figure with its 95 % interval over pictures.

    By captions: each is a query among all pictures. By labels: each picture is a query among all labels, so that
    recall at 1 is the accuracy.

    Attributes:
        pictures: how many were measured on.
        texts: how many captions, or labels.
        recall: by k, the share of queries whose right one was among the k best, 0 to 1.
        median_rank: of the right one, from 1.
        auc: of true against other pairs, 0 to 1.
        accuracy: of labels; None of captions.
        agreement: on pictures without texts: of the captions that the base puts first, the share of the others that
            still stand behind them, 0 to 1; None where there are texts, and then it is all there is.
    """

    pictures: int
    texts: int
    recall: dict[int, Estimate]
    median_rank: Estimate | None
    auc: Estimate | None
    accuracy: Estimate | None = None
    agreement: Estimate | None = None

    @property
    def headline(self) -> float:
        """What a loss is counted in, 0 to 1: accuracy, agreement, or the mean of the recalls."""
        for one in (self.accuracy, self.agreement):
            if one:
                return one.value
        return float(np.mean([one.value for one in self.recall.values()]))


def measure(pictures: np.ndarray, texts: Texts) -> Measures:
    """Measure unit vectors of pictures, shape (n, d), against their texts."""
    ranks, owner = rank(pictures, texts)
    cosines = pictures @ texts.vectors.T  # shape (n, k)
    if texts.labelled:
        true = np.arange(len(texts.vectors))[None, :] == texts.owner[:, None]
        places = cosines[true]
    else:
        true = texts.owner[None, :] == np.arange(len(pictures))[:, None]
        places = cosines.T[true.T]
    others = np.sort(cosines[~true])
    above = np.searchsorted(others, places, "left") / max(len(others), 1)
    recall = {k: wilson(float((ranks <= k).mean()), count_independent(ranks <= k, owner)) for k in CUTOFFS}
    return Measures(
        pictures=len(pictures),
        texts=len(texts.vectors),
        recall=recall,
        median_rank=bootstrap(ranks, owner, weighted_median),
        auc=bootstrap(above, owner, weighted_mean),
        accuracy=recall[1] if texts.labelled else None,
    )


def rank(pictures: np.ndarray, texts: Texts) -> tuple[np.ndarray, np.ndarray]:
    """Return each query's rank of the right one, from 1, shape (q,), and the picture that the query is of, (q,)."""
    if not texts.labelled:
        return compute_ranks(texts.vectors, pictures, texts.owner)[0], texts.owner
    cosines = pictures.astype(np.float64) @ texts.vectors.T.astype(np.float64)
    own = cosines[np.arange(len(pictures)), texts.owner]
    return (cosines >= own[:, None] - 1e-9).sum(axis=1), np.arange(len(pictures))


def score_queries(pictures: np.ndarray, texts: Texts) -> tuple[np.ndarray, np.ndarray]:
    """Return what validation goes by, 0 to 1, of each picture that is or has a query, and that picture's row.

    Of labels whether the right one comes first; of captions the mean of recall at 1, 5 and 10.
    """
    ranks, owner = rank(pictures, texts)
    found = ranks == 1 if texts.labelled else np.mean([ranks <= k for k in CUTOFFS], axis=0)
    rows, places = np.unique(owner, return_inverse=True)
    return np.bincount(places, found) / np.bincount(places), rows


def measure_agreement(before: np.ndarray, after: np.ndarray) -> Measures:
    """Measure what a change leaves of a base's order of captions.

    Args:
        before: the base's cosines of n general pictures with m captions, shape (n, m).
        after: the changed ones, shape (n, m).
    """
    first = np.argsort(-before, axis=1, kind="stable")[:, :FIRST]
    chosen = np.zeros(after.shape, bool)
    np.put_along_axis(chosen, first, True, axis=1)
    kept = [
        np.searchsorted(np.sort(row[~own]), row[own]).mean() / max(int((~own).sum()), 1)
        for row, own in zip(after, chosen, strict=True)
    ]
    agreement = bootstrap(np.array(kept), np.arange(len(kept)), weighted_mean)
    return Measures(len(before), before.shape[1], {}, None, None, agreement=agreement)
