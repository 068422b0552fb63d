"""How many lists of an inverted file a search has to look into: tried with questions when an index is built."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import faiss

SHARES = (32, 16, 8, 4)  # one list in so many is looked into; more cost as much as to compare all codes
LEAST = 0.97  # recall at 10 that has to be had
QUESTIONS = 64  # of each kind
SAMPLE = 4096  # vectors of which questions are made
BEST = 10


def choose_probes(index: faiss.IndexIVF, sample: np.ndarray, vectors: Iterable[np.ndarray], candidates: int) -> int:
    """Return how many lists have to be looked into, or 0 where so many would be needed that lists are no help.

    Tried are questions that are pictures of the collection, which lie in its clusters, and others that need not: of
    the same mean and covariance, as captions may lie anywhere between pictures. Both must be answered well.

    Args:
        index: an inverted file that holds `vectors`, in their order.
        sample: some vectors of the collection, shape (n, width).
        vectors: shape (n, width) each.
        candidates: how many a search has re-scored.
    """
    questions = _draw_questions(sample)
    truth = find_nearest(vectors, questions)
    for share in SHARES:
        index.nprobe = max(1, index.nlist // share)
        _, found = index.search(questions, candidates)
        right = np.array([np.isin(true, own).mean() for true, own in zip(truth, found, strict=True)])
        if right.reshape(2, -1).mean(axis=1).min() >= LEAST:
            return int(index.nprobe)
    return 0


def _draw_questions(sample: np.ndarray) -> np.ndarray:
    """Return questions of both kinds, those that are pictures first: unit length, shape (2 * QUESTIONS, width)."""
    random = np.random.default_rng(0)
    sample = sample[random.choice(len(sample), min(SAMPLE, len(sample)), replace=False)]
    pictures, mean = sample[random.integers(0, len(sample), QUESTIONS)], sample.mean(axis=0)
    weights = random.standard_normal((QUESTIONS, len(sample)), np.float32) / np.sqrt(np.float32(len(sample)))
    questions = np.concatenate([pictures, mean + weights @ (sample - mean)])
    unit: np.ndarray = questions / np.linalg.norm(questions, axis=1, keepdims=True)
    return unit


def find_nearest(vectors: Iterable[np.ndarray], questions: np.ndarray) -> np.ndarray:
    """Return the positions of the vectors that are nearest to each question, shape (n, 10) or fewer."""
    scores, positions, start = [], [], 0
    for part in vectors:
        products = questions @ part.T
        best = np.argpartition(-products, min(BEST, len(part)) - 1, axis=1)[:, :BEST]
        scores.append(np.take_along_axis(products, best, axis=1))
        positions.append(best + start)
        start += len(part)
    order = np.argsort(-np.concatenate(scores, axis=1), axis=1)[:, :BEST]
    found: np.ndarray = np.take_along_axis(np.concatenate(positions, axis=1), order, axis=1)
    return found
