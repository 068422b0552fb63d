"""Captioned pictures that tests draw, and an encoder that knows what they show."""

from __future__ import annotations

import csv
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from clipsim import Encoder
from clipsim.embedding import Gallery, PictureInfo
from support import unit

WIDTH = 24


class Subjects(Encoder):
    """Picture n, whose colour says its number, shows what "thing n" says; captions and pictures differ as CLIP's do.

    Attributes:
        captions: how many it encoded.
    """

    width, logit_scale = WIDTH, 10.0

    def __init__(self, name: str = "subjects", revision: str = "", strength: float = 1.0) -> None:
        self.name, self.revision, self.strength = name, revision, strength
        self.captions = 0

    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        numbers = [np.asarray(image, int)[0, 0] @ (1, 256, 65536) for image in images]
        return self.vectors("picture", [f"thing {number}" for number in numbers])

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        self.captions += len(texts)
        return self.vectors("caption", [" ".join(text.split()[-2:]) for text in texts])

    def vectors(self, kind: str, subjects: Sequence[str]) -> np.ndarray:
        """Unit vectors, shape (n, 24): what is shown, what all of a kind have in common, and some of its own."""
        rows = [
            self.strength * draw(subject) + 2 * draw(kind) + 0.7 * draw(f"{kind} {subject}") for subject in subjects
        ]
        return unit(np.reshape(rows, (-1, WIDTH)))


def draw(key: str) -> np.ndarray:
    """A vector that the key alone decides, of length 1 or so."""
    vector: np.ndarray = np.random.default_rng(zlib.crc32(key.encode())).normal(size=WIDTH) / WIDTH**0.5
    return vector


def write_pairs(folder: Path, numbers: Sequence[int], captions: int = 1) -> Path:
    """Write pictures and a CSV of their captions, and return the CSV."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "captions.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "caption"])
        for number in numbers:
            Image.new("RGB", (8, 8), (number % 256, number // 256, 0)).save(folder / f"{number}.png")
            for one in range(captions):
                rows.writerow([f"{number}.png", f"{'a ' * one}thing {number}"])
    return path


def make_gallery(vectors: np.ndarray) -> Gallery:
    """Pictures of these unit vectors, shape (n, d)."""
    pictures = tuple(PictureInfo(f"p{n}", (), (9, 9), 1.0) for n in range(len(vectors)))
    return Gallery(pictures, vectors, np.arange(len(vectors)), ())
