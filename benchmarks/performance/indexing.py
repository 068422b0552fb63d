"""What does a collection cost beside the scores of the same pictures?

`python -m benchmarks.performance.indexing PHOTOS [--model NAME] [--precision full half] [--count 200] [--rounds 5]`

The photographs are scored against a caption, and indexed into a new collection, in turns and without vectors from
before, by one loaded model; a round takes its turns the other way round than the one before. NAME is a random CLIP
ViT-B/32 where it is left out. Printed are the medians of seconds of processor time and by the clock, and how the second
stands to the first, round by round: the median and the range.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import clipsim
from benchmarks.performance import checkpoint
from clipsim.collections.indexing import index_folder
from clipsim.embedding import VectorCache, use_cache
from clipsim.encoders import Encoder
from clipsim.images import SUFFIXES
from clipsim.report import TextTable

Times = tuple[float, float]  # seconds of processor time, and by the clock

CACHED = 100_000_000  # bytes of vectors, which no run finds any of
HEADER = ["", "processor s", "by the clock", "processor, to scoring", "by the clock, to scoring"]


def measure(run: Callable[[], object], encoder: Encoder) -> Times:
    """Return the time that it takes without vectors from before."""
    use_cache(encoder, VectorCache(CACHED))
    busy, wall = time.process_time(), time.perf_counter()
    run()
    return time.process_time() - busy, time.perf_counter() - wall


def compare(photos: list[Path], encoder: Encoder, rounds: int) -> dict[str, list[Times]]:
    """Return the times of both ways, round by round."""
    with tempfile.TemporaryDirectory() as place:
        pictures = Path(place) / "pictures"
        pictures.mkdir()
        for photo in photos:
            (pictures / photo.name).symlink_to(photo.resolve())
        paths = sorted(pictures.iterdir())
        clipsim.score_images(paths[:1], "a dog in the snow", encoder)  # the weights are read, and cut-offs learned
        numbers = iter(range(2 * rounds))
        ways: dict[str, Callable[[], object]] = {
            "scoring": lambda: clipsim.score_images(paths, "a dog in the snow", encoder),
            "indexing": lambda: index_folder(pictures, Path(place) / str(next(numbers)), encoder),
        }
        taken: dict[str, list[Times]] = {name: [] for name in ways}
        for i in range(rounds):
            for name in sorted(ways, reverse=i % 2 == 0):
                taken[name].append(measure(ways[name], encoder))
    return taken


def make_rows(label: str, taken: dict[str, list[Times]]) -> list[list[str]]:
    """Return the lines of a table."""
    rows = []
    for name, times in taken.items():
        cells = [f"{statistics.median(column):.2f}" for column in zip(*times, strict=True)]
        for which in (0, 1):
            ratios = [own[which] / base[which] for own, base in zip(times, taken["scoring"], strict=True)]
            cells.append(f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")
        rows.append([f"{name}, {label}", *cells])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="folder with photographs")
    parser.add_argument("--model", default="")
    parser.add_argument("--precision", nargs="+", default=["full", "half"])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    photos = sorted(path for path in options.photos.iterdir() if path.suffix.lower() in SUFFIXES)[: options.count]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        model = options.model or str(checkpoint.save(Path(folder) / "checkpoint"))
        for precision in options.precision:
            encoder = clipsim.load(model, "cpu", precision)
            rows += make_rows(encoder.precision, compare(photos, encoder, options.rounds))
    print(f"{len(photos)} photographs, {options.model or 'random ViT-B/32'}, {options.rounds} rounds\n")
    print(TextTable(HEADER, rows, "<>>>>"))


if __name__ == "__main__":
    main()
