"""Labelled and captioned pictures that tests draw, which any network can tell apart."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"cat": (200, 60, 40), "dog": (40, 90, 200), "snow": (230, 230, 220)}


def draw(colour: tuple[int, int, int], seed: int) -> Image.Image:
    """A picture of strong blotches around a colour: no two are alike."""
    noise = np.random.default_rng(seed).integers(-120, 121, (4, 4, 3))
    return Image.fromarray((np.array(colour) + noise).clip(0, 255).astype(np.uint8)).resize((40, 36))


def write_labelled(folder: Path, each: int = 10, labels: Sequence[str] = tuple(COLOURS), seed: int = 0) -> Path:
    """Write pictures and a CSV of file and label, and return the CSV."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "labels.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "label"])
        for number, label in enumerate(label for label in labels for _ in range(each)):
            draw(COLOURS[label], 1000 * seed + number).save(folder / f"{number}.png")
            rows.writerow([f"{number}.png", label])
    return path


def shuffle_labels(path: Path) -> Path:
    """Write a CSV beside it in which each picture has the label of another one drawn at random."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    labels = np.random.default_rng(3).permutation([row["label"] for row in rows])
    shuffled = path.with_name("shuffled.csv")
    lines = [f"{row['file']},{label}" for row, label in zip(rows, labels, strict=True)]
    shuffled.write_text("\n".join(["file,label", *lines]) + "\n", encoding="utf-8")
    return shuffled
