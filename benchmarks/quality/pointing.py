"""Do the heatmaps point at the right place?

`python -m benchmarks.quality.pointing PHOTOS`

PHOTOS is a folder with photographs and a `labels.csv` (columns file, label). Four of different labels become a mosaic,
two by two; its caption is one of the labels, and the map is right where its peak is in that label's quarter. By chance
a quarter of the peaks are. As a ceiling, the quarters are also encoded each by itself and the caption picks one.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from scipy.stats import binomtest

import clipsim
from clipsim.embedding import embed
from clipsim.encoders import Encoder
from clipsim.images import read
from clipsim.options import FRAMINGS, Options
from clipsim.scoring.heatmaps import compute_heatmaps, find_peak

QUARTER = 260  # pixels
QUARTERS = ((0, 0), (1, 0), (0, 1), (1, 1))  # column and row


@dataclass(frozen=True)
class Mosaic:
    """Four photographs of different labels, by the order of `QUARTERS`; the caption asks for one of them."""

    files: tuple[str, ...]
    asked: int
    caption: str


@dataclass(frozen=True)
class Tally:
    """How many of how many were right."""

    right: int
    total: int

    @property
    def share(self) -> float:
        return self.right / self.total

    def interval(self) -> tuple[float, float]:
        """Return Wilson's interval for the share, at 95 %."""
        low, high = binomtest(self.right, self.total).proportion_ci(method="wilson")
        return float(low), float(high)

    def __str__(self) -> str:
        low, high = self.interval()
        return f"{self.right} of {self.total} ({self.share:.1%}; 95 % interval {low:.1%} to {high:.1%})"


def main(arguments: list[str] | None = None) -> None:
    options = parsed(arguments)
    labels = read_labels(options.photos)
    encoder = clipsim.load(options.model)
    mosaics = list(drawn(labels, options.mosaics, options.template, options.seed))
    squares = {name: square(options.photos / name) for mosaic in mosaics for name in mosaic.files}
    targets = encoder.encode_texts([mosaic.caption for mosaic in mosaics])
    pointed, method = pointing(encoder, mosaics, squares, targets, Options(framing=options.framing))
    told = apart(encoder, mosaics, squares, targets)
    if options.json:
        print(json.dumps({"model": encoder.name, "method": method, "pointing": row(pointed), "apart": row(told)}))
        return
    print(f"{encoder.name}, maps by {method}: the peak is in the right quarter of {pointed}; chance is 25 %")
    print(f"each quarter encoded by itself: {told}")


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="folder with photographs and labels.csv")
    parser.add_argument("--model", default="stand-in", help="as clipsim.load takes it (%(default)s)")
    parser.add_argument("--mosaics", type=int, default=200, help="how many (%(default)s)")
    parser.add_argument("--template", default="{}", help='caption of a label, such as "a photo of a {}" (%(default)s)')
    parser.add_argument("--framing", choices=FRAMINGS, default="crop", help="how the mosaic is shown (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="draws other mosaics (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    options = parser.parse_args(arguments)
    if options.mosaics < 1:
        parser.error("--mosaics must be at least 1")
    return options


def read_labels(folder: Path) -> dict[str, list[str]]:
    """The files of each label."""
    labels: dict[str, list[str]] = {}
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            labels.setdefault(line["label"], []).append(line["file"])
    if len(labels) < len(QUARTERS):
        raise SystemExit(f"{folder} has photographs of {len(labels)} labels: a mosaic needs {len(QUARTERS)}")
    return labels


def drawn(labels: dict[str, list[str]], count: int, template: str, seed: int) -> Iterator[Mosaic]:
    chance = random.Random(seed)
    for _ in range(count):
        four = chance.sample(sorted(labels), len(QUARTERS))
        asked = chance.randrange(len(QUARTERS))
        yield Mosaic(tuple(chance.choice(labels[label]) for label in four), asked, template.format(four[asked]))


def square(path: Path) -> Image.Image:
    return ImageOps.fit(read(path, path.name).image, (QUARTER, QUARTER), Image.Resampling.BICUBIC)


def pointing(
    encoder: Encoder,
    mosaics: list[Mosaic],
    squares: dict[str, Image.Image],
    targets: np.ndarray,
    options: Options = Options(),
) -> tuple[Tally, str]:
    """How many peaks are in the quarter that was asked for, and the method of the maps."""
    right, method = 0, ""
    for mosaic, target in zip(mosaics, targets, strict=True):
        picture = pasted([squares[name] for name in mosaic.files])
        gallery = embed(picture, encoder, options, keep_views=True)
        heatmap = compute_heatmaps(gallery.pictures, encoder, target)[0]
        x, y = find_peak(heatmap)
        right += (int(x >= 0.5), int(y >= 0.5)) == QUARTERS[mosaic.asked]
        method = heatmap.method
    return Tally(right, len(mosaics)), method


def pasted(four: list[Image.Image]) -> Image.Image:
    mosaic = Image.new("RGB", (2 * QUARTER, 2 * QUARTER))
    for picture, (column, line) in zip(four, QUARTERS, strict=True):
        mosaic.paste(picture, (column * QUARTER, line * QUARTER))
    return mosaic


def apart(encoder: Encoder, mosaics: list[Mosaic], squares: dict[str, Image.Image], targets: np.ndarray) -> Tally:
    """How many captions fit the quarter that was asked for best, when each is encoded by itself."""
    vectors = dict(zip(squares, encoder.encode_images(list(squares.values())), strict=True))
    best = [
        int(np.argmax([vectors[name] @ target for name in mosaic.files]))
        for mosaic, target in zip(mosaics, targets, strict=True)
    ]
    return Tally(sum(i == mosaic.asked for i, mosaic in zip(best, mosaics, strict=True)), len(mosaics))


def row(tally: Tally) -> dict[str, float]:
    low, high = tally.interval()
    return {"right": tally.right, "total": tally.total, "share": tally.share, "low": low, "high": high}


if __name__ == "__main__":
    main()
