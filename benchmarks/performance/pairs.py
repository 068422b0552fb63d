"""Pairs a second, against pictures a second and against torchmetrics.

`python -m benchmarks.performance.pairs [PICTURES] [--count 200] [--model stand-in]`

A random CLIP (`--shape`, ViT-B/32 by default), or a model that is named, scores a gallery against one caption, and the
same pictures each with a caption of its own, in turns, three times each. PICTURES is a folder with a `captions.csv`,
whose first captions are used; without it pictures are painted. Prints the best rate of each, by processor time, which
other programs disturb less, and by the clock. The random checkpoint spells letter by letter: of each word it is given
the first letter alone, so that a word is a token, as most are with real ones.

Where torchmetrics is installed, its `CLIPScore` scores the same pairs by the same weights, 32 at once, from files to
the mean. (Version 1.9 does not run with transformers 5 as it is, whose models return an object where it expects
vectors: the model that it is given here returns these.)
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import clipsim
from benchmarks.performance.checkpoint import SHAPES, save
from clipsim import Encoder
from clipsim.embedding import VectorCache, use_cache
from clipsim.evaluation import read_captions

ROUNDS = 3
BATCH = 32  # pairs that torchmetrics is given at once
WORDS = ("a", "dog", "cat", "red", "old", "runs", "sits", "on", "near", "the", "snow", "grass", "street")

Row = tuple[Path, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="?", type=Path)
    parser.add_argument("--count", type=int, default=200)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--shape", default="clip-vit-b-32", choices=SHAPES)
    kind.add_argument("--model", default="")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = read_rows(chosen.pictures, chosen.count) if chosen.pictures else paint_rows(Path(folder), chosen.count)
        if not chosen.model:
            rows = [(path, " ".join(word[0] for word in caption.split())) for path, caption in rows]
        name = chosen.model or str(save(Path(folder) / "model", chosen.shape))
        encoder = clipsim.load(name, "cpu")
        first = rows[0][0]
        clipsim.score_images([first], "a dog", encoder)  # loads the weights, and learns cut-offs at first use
        ways: dict[str, Callable[[], object]] = {
            "pictures": lambda: clipsim.score_images([path for path, _ in rows], "a dog in the snow", encoder),
            "pairs": lambda: list(clipsim.score_pairs(rows, encoder)),
        }
        if not chosen.model and find_spec("torchmetrics"):
            metric = load_torchmetrics(name)
            ways["torchmetrics"] = lambda: score_by_torchmetrics(metric, rows)
        measured: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for way, run in ways.items():
                measured[way].append(measure(run, encoder))
    best = {way: [min(column) for column in zip(*times, strict=True)] for way, times in measured.items()}
    for way, (busy, wall) in best.items():
        print(f"{way}: {len(rows) / busy:.1f} a second of processor time, {len(rows) / wall:.1f} a second by the clock")
    for way in best.keys() - {"pairs"}:
        busy, wall = (other / own for other, own in zip(best[way], best["pairs"], strict=True))
        print(f"pairs by {way}: {busy:.2f} by processor time, {wall:.2f} by the clock")


def load_torchmetrics(folder: str) -> Any:
    """Return torchmetrics' CLIPScore with the weights of a folder."""
    from torchmetrics.multimodal.clip_score import CLIPScore
    from transformers import CLIPImageProcessorPil, CLIPModel, CLIPProcessor, CLIPTokenizer

    class Vectors(CLIPModel):  # type: ignore[misc]  # transformers has no types
        def get_image_features(self, *given: Any, **named: Any) -> Any:
            return super().get_image_features(*given, **named).pooler_output

        def get_text_features(self, *given: Any, **named: Any) -> Any:
            return super().get_text_features(*given, **named).pooler_output

    processor = CLIPProcessor(CLIPImageProcessorPil.from_pretrained(folder), CLIPTokenizer.from_pretrained(folder))
    return CLIPScore(lambda: (Vectors.from_pretrained(folder).eval(), processor))


def score_by_torchmetrics(metric: Any, rows: Sequence[Row]) -> float:
    """Return the mean over all rows, each read from its file."""
    import torch

    metric.reset()
    for start in range(0, len(rows), BATCH):
        part = rows[start : start + BATCH]
        pictures = [torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1) for path, _ in part]
        with torch.inference_mode():
            metric.update(pictures, [caption for _, caption in part])
    return float(metric.compute())


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
