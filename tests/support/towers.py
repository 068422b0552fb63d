"""Pictures of two colours and captions that name them, which a small network learns in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image

import clipsim
from clipsim import Encoder
from clipsim.tuning.towers import TowerSettings

COLOURS = {"red": (220, 30, 30), "green": (30, 180, 40), "blue": (30, 50, 220), "white": (240, 240, 240)}
PAIRS = list(product(COLOURS, COLOURS))
GROUPS = range(len(PAIRS))
# Random networks need larger steps and more of them than published checkpoints.
FULL = TowerSettings("full", learning_rate=1e-3, epochs=80, batch=16, save_memory=False)
LORA = TowerSettings("lora", rank=8, alpha=8, dropout=0.1, learning_rate=1e-2, epochs=80, batch=16, save_memory=False)
METHODS = {"lora": LORA, "full": FULL}


def paint_pair(left: str, right: str, seed: int) -> Image.Image:
    """A picture of one colour on the left and one on the right, with some noise, of the size that networks take."""
    pixels = np.repeat(np.array([COLOURS[left], COLOURS[right]], np.float64), 16, axis=0)
    noisy = np.tile(pixels, (32, 1, 1)) + np.random.default_rng(seed).normal(0, 20, (32, 32, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def make_pictures(seed: int = 0) -> list[tuple[Image.Image, tuple[str, ...]]]:
    """A picture of each pair of colours, with two captions."""
    return [
        (paint_pair(left, right, seed + row), (f"{left} {right}", f"{left}, {right}"))
        for row, (left, right) in enumerate(PAIRS)
    ]


def measure_recall(encoder: Encoder) -> float:
    """The share of captions that find their own among pictures which nobody learned."""
    cosines = compute_cosines(encoder)
    return float((cosines.argmax(axis=1) == np.arange(len(cosines))).mean())


def compute_cosines(encoder: Encoder) -> np.ndarray:
    """Of caption [i] and picture [j], shape (16, 16)."""
    pictures = make_pictures(seed=1000)
    cosines: np.ndarray = (
        encoder.encode_texts([captions[0] for _, captions in pictures])
        @ encoder.encode_images([image for image, _ in pictures]).T
    )
    return cosines


def load(folder: Path) -> Encoder:
    return clipsim.load(str(folder), "cpu")


def read_weights(folder: Path) -> dict[str, np.ndarray]:
    """What a checkpoint's folder holds, by name."""
    from safetensors.numpy import load_file

    return dict(load_file(folder / "model.safetensors"))


def measure_difference(folders: Sequence[Path]) -> float:
    """The largest difference of two checkpoints' weights."""
    one, other = map(read_weights, folders)
    assert one.keys() == other.keys()
    return max(float(np.abs(one[name] - other[name]).max()) for name in one)
