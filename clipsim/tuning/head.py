"""A head in closed form: what a model sees in pictures, mapped to what people say of them.

`u = unit(v + a * unit((p - mean) @ W))`, where v is the model's vector of a picture, p what the model sees in it, and W
ridge regression onto the mean embedding of the picture's captions, centred by their mean. Where the model's last step
is a product (CLIP), the residual stays linear, `v + a * p @ W`, so that it goes into that product: this is ProLIP's
(Fahes et al. 2024, arXiv:2410.05270) with squares for its loss, and general pictures, whose vectors should stay, as
further rows.

Labels that resemble each other ("American Curl", "American Bobtail") differ in a small part of their embeddings only.
Their targets are therefore the directions that tell one from all others: the pseudo-inverse of the centred embeddings,
so that a step along one raises the cosine with that label and with no other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from clipsim.encoders.residual import Residual
from clipsim.tuning.data import FOLDS
from clipsim.tuning.measures import Texts

RIDGES = (
    0.3,
    1.0,
    3.0,
)  # of the kernel's mean diagonal; with 0.1 fewer are found, with 10 a head of few pictures fails
STRENGTHS = (0.1, 0.18, 0.25, 0.35, 0.5, 0.7, 0.85, 1.0, 1.2, 1.4, 2.0)  # 1: as much as the model's own vector
LABEL_RIDGE = 0.01  # of the mean squared length of labels: keeps the pseudo-inverse from what differs by rounding


@dataclass(frozen=True)
class Seen:
    """Pictures as a model sees them.

    Attributes:
        vectors: the model's unit vectors, shape (n, d).
        inputs: what a head is learned from, shape (n, k).
    """

    vectors: np.ndarray
    inputs: np.ndarray

    def take(self, rows: np.ndarray) -> Seen:
        """Return those at `rows`, or where a mask is true."""
        return Seen(self.vectors[rows], self.inputs[rows])


def make_targets(texts: Texts, count: int) -> np.ndarray:
    """Return what each of `count` pictures' residual should point to, shape (n, d)."""
    if texts.labelled:
        centred = texts.vectors - texts.vectors.mean(axis=0)
        products = centred @ centred.T
        ridge = LABEL_RIDGE * np.trace(products) / len(products) * np.eye(len(products))
        directions: np.ndarray = np.linalg.solve(products + ridge, centred)
        targets: np.ndarray = directions[texts.owner].astype(np.float64)
        return targets
    sums = np.zeros((count, texts.vectors.shape[1]))
    np.add.at(sums, texts.owner, texts.vectors)
    means = sums / np.bincount(texts.owner, minlength=count)[:, None]
    centred_means: np.ndarray = means - means.mean(axis=0)
    return centred_means


def learn_head(seen: Seen, targets: np.ndarray, ridge: float, still: np.ndarray | None = None) -> Residual:
    """Learn a residual of strength 1.

    Args:
        seen: n pictures.
        targets: of each, shape (n, d).
        ridge: of the kernel's mean diagonal.
        still: inputs of pictures whose vectors should not move, shape (m, k); the residual is then linear, without
            bias. None for one of unit length.
    """
    targets = targets - targets.mean(axis=0)  # else what was left out of the rows would be pointed away from
    if still is not None:
        rows = np.concatenate([seen.inputs, still]).astype(np.float64)
        weights = solve_ridge(rows, np.concatenate([targets, np.zeros((len(still), targets.shape[1]))]), ridge)
        length = float(np.linalg.norm(seen.inputs @ weights, axis=1).mean())
        weights = (weights / max(length, 1e-12)).astype(np.float32)
        return Residual(weights, np.zeros(weights.shape[1], np.float32), 1.0, unit=False)
    mean = seen.inputs.mean(axis=0, dtype=np.float64)
    weights = solve_ridge(seen.inputs - mean, targets, ridge)
    weights /= max(float(np.abs(weights).max()), 1e-12)  # only directions count
    return Residual(weights.astype(np.float32), (-mean @ weights).astype(np.float32), 1.0)


def solve_ridge(rows: np.ndarray, targets: np.ndarray, ridge: float) -> np.ndarray:
    """Return W, shape (k, d), for rows (n, k) and targets (n, d), by the smaller of the two systems of equations."""
    amount = max(ridge * float((rows**2).sum()) / len(rows), 1e-12)
    if len(rows) <= rows.shape[1]:
        kernel = rows @ rows.T
        dual: np.ndarray = rows.T @ np.linalg.solve(kernel + amount * np.eye(len(kernel)), targets)
        return dual
    products = rows.T @ rows
    primal: np.ndarray = np.linalg.solve(products + amount * np.eye(len(products)), rows.T @ targets)
    return primal


def cross_fit(seen: Seen, texts: Texts, fold: np.ndarray, ridge: float, still: np.ndarray | None = None) -> np.ndarray:
    """Return each picture's residual, of strength 1, by a head that was learned from the other folds: shape (n, d)."""
    targets = make_targets(texts, len(fold))
    added = np.zeros_like(seen.vectors, np.float32)
    for one in range(FOLDS):
        out = fold == one
        if out.any() and not out.all():
            added[out] = learn_head(seen.take(~out), targets[~out], ridge, still).compute(seen.inputs[out])
    return added


def add(vectors: np.ndarray, residuals: np.ndarray, strength: float) -> np.ndarray:
    """Return unit vectors with residuals of strength 1 added, both of shape (n, d)."""
    moved = vectors + strength * residuals
    made: np.ndarray = (moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-9)).astype(np.float32)
    return made


def strengthen(residual: Residual, strength: float) -> Residual:
    """Return a residual of another strength."""
    return replace(residual, strength=strength)


def list_settings(strength: float | None) -> Iterator[tuple[float, tuple[float, ...]]]:
    """Yield the ridges to try, each with the strengths: one that was given, else all."""
    for ridge in RIDGES:
        yield ridge, STRENGTHS if strength is None else (strength,)
