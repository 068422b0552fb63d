"""Pairs a second against pictures a second.

`python -m benchmarks.performance.pairs [PICTURES] [--count 200]`

A random CLIP ViT-B/32 scores a gallery against one caption, and the same pictures each with a caption of its own, in
turns, three times each. PICTURES is a folder with a `captions.csv`, whose first captions are used; without it pictures
are painted. Prints the best rate of each, by processor time, which other programs disturb less, and by the clock.
The checkpoint spells captions letter by letter, so that they cost several times what real ones do.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

import clipsim
from benchmarks.performance.checkpoint import save
from clipsim import Encoder
from clipsim.embedding import VectorCache, use_cache
from clipsim.evaluation import read_captions

ROUNDS = 3
WORDS = ("a", "dog", "cat", "red", "old", "runs", "sits", "on", "near", "the", "snow", "grass", "street")

Row = tuple[Path, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="?", type=Path)
    parser.add_argument("--count", type=int, default=200)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = read_rows(chosen.pictures, chosen.count) if chosen.pictures else paint_rows(Path(folder), chosen.count)
        encoder = clipsim.load(str(save(Path(folder) / "model", "clip-vit-b-32")), "cpu")
        first = rows[0][0]
        clipsim.score_images([first], "a dog", encoder)  # loads the weights, and learns cut-offs at first use
        ways: dict[str, Callable[[], object]] = {
            "pictures": lambda: clipsim.score_images([path for path, _ in rows], "a dog in the snow", encoder),
            "pairs": lambda: list(clipsim.score_pairs(rows, encoder)),
        }
        measured: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, way in ways.items():
                measured[name].append(measure(way, encoder))
        for name, times in measured.items():
            busy, wall = (len(rows) / min(column) for column in zip(*times, strict=True))
            print(f"{name}: {busy:.1f} a second of processor time, {wall:.1f} a second by the clock")
        ratios = [min(column) for column in zip(*measured["pictures"], strict=True)]
        own = [min(column) for column in zip(*measured["pairs"], strict=True)]
        print(f"pairs by pictures: {ratios[0] / own[0]:.2f} by processor time, {ratios[1] / own[1]:.2f} by the clock")


def measure(way: Callable[[], object], encoder: Encoder) -> tuple[float, float]:
    """Return the seconds of processor time and by the clock that it takes, without vectors from before."""
    use_cache(encoder, VectorCache(100_000_000))
    busy, wall = time.process_time(), time.perf_counter()
    way()
    return time.process_time() - busy, time.perf_counter() - wall


def read_rows(folder: Path, count: int) -> list[Row]:
    """Return the first caption of each of so many pictures."""
    captions: dict[str, str] = {}
    for one in read_captions(folder / "captions.csv"):
        captions.setdefault(one.file, one.caption)
    return [(folder / name, caption) for name, caption in list(captions.items())[:count]]


def paint_rows(folder: Path, count: int) -> list[Row]:
    """Paint pictures of the size that data sets have, each with a caption of ten words."""
    chance, rows = np.random.default_rng(0), []
    for i in range(count):
        coarse = chance.integers(0, 256, (8, 10, 3), dtype=np.uint8)
        path = folder / f"{i}.jpg"
        Image.fromarray(coarse).resize((500, 375), Image.Resampling.BICUBIC).save(path, quality=90)
        rows.append((path, " ".join(chance.choice(WORDS, 10))))
    return rows


if __name__ == "__main__":
    main()
