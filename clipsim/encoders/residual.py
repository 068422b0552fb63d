"""What tuning adds to a model: a map from what the model sees in a picture to the captions that people gave such."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from clipsim.errors import EncoderError

FLOOR = 1e-9  # keeps a picture that the map says nothing of from being divided by zero


@dataclass(frozen=True)
class Residual:
    """A vector v becomes `unit(v + strength * unit(p @ weights + bias))`, p being what a head is learned from.

    Attributes:
        weights: shape (k, d).
        bias: shape (d,).
        strength: how much it counts beside the model's own vector.
        unit: whether each picture's residual is brought to unit length first; else it is linear, which CLIP's own
            projection can take in.
    """

    weights: np.ndarray
    bias: np.ndarray
    strength: float
    unit: bool = True

    @property
    def digest(self) -> str:
        """Eight digits that change with what it does."""
        known = [self.weights.tobytes(), self.bias.tobytes(), f"{self.strength!r} {self.unit}".encode()]
        return hashlib.sha256(b"".join(known)).hexdigest()[:8]

    def compute(self, inputs: np.ndarray) -> np.ndarray:
        """Return what is added, float32 of shape (n, d), for inputs of shape (n, k)."""
        added = inputs @ self.weights + self.bias
        if self.unit:
            added = added / np.maximum(np.linalg.norm(added, axis=1, keepdims=True), FLOOR)
        result: np.ndarray = (self.strength * added).astype(np.float32)
        return result

    def add(self, vectors: np.ndarray, inputs: np.ndarray) -> np.ndarray:
        """Return unit vectors, float32 of shape (n, d), for the model's vectors (n, d) and inputs (n, k)."""
        moved = vectors + self.compute(inputs)
        made: np.ndarray = moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), FLOOR)
        return made.astype(np.float32)


def pack(residuals: tuple[Residual, ...]) -> dict[str, np.ndarray]:
    """Return residuals, in the order in which they are added, as arrays that a file can hold by name."""
    arrays: dict[str, np.ndarray] = {}
    for number, one in enumerate(residuals):
        arrays[f"{number}.weights"] = np.ascontiguousarray(one.weights, np.float32)
        arrays[f"{number}.bias"] = np.ascontiguousarray(one.bias, np.float32)
        arrays[f"{number}.strength"] = np.array([one.strength], np.float32)
        arrays[f"{number}.unit"] = np.array([one.unit], np.uint8)
    return arrays


def unpack(arrays: Mapping[str, np.ndarray], name: str) -> tuple[Residual, ...]:
    """Return what `pack` packed.

    Raises:
        EncoderError: the arrays are not those of residuals, or not finite.
    """
    try:
        found = tuple(
            Residual(
                arrays[f"{number}.weights"],
                arrays[f"{number}.bias"],
                float(arrays[f"{number}.strength"][0]),
                bool(arrays[f"{number}.unit"][0]),
            )
            for number in range(len(arrays) // 4)
        )
    except (KeyError, IndexError) as error:
        raise EncoderError(f"{name} is damaged: its head lacks {error}, tune it again") from error
    whole = all(one.weights.ndim == 2 and one.bias.shape == one.weights.shape[1:] for one in found)
    if not found or not whole or not all(np.isfinite(one.weights).all() for one in found):
        raise EncoderError(f"{name} is damaged: its head holds no residuals, tune it again")
    return found
