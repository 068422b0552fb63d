"""How well are copies of a picture found, and other pictures told from them?

`python -m benchmarks.quality.duplicates FOLDER ... [--pictures N] [--model NAME]` prints the table in
docs/collections.md. N pictures of the folders are copied in each of several ways, and a collection is made of all.
Printed is for each way the share of copies that are found, and at the end how many pairs of other pictures are taken
for copies: by cosine among the N, by the hash among all pictures of the folders. Look at these pairs: some are copies.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

import clipsim
from clipsim.embedding import HASH_BITS, NEAR, hash_picture
from clipsim.embedding.duplicates import MOST_BITS
from clipsim.images import SUFFIXES
from clipsim.report import TextTable

SEED = 0
THUMBNAIL = 320  # pixels, as in a collection
Way = tuple[Callable[[Image.Image], Image.Image], str, int]  # what is done, the file's ending, its quality


def resize(share: float, picture: Image.Image) -> Image.Image:
    return picture.resize((round(picture.width * share), round(picture.height * share)), Image.Resampling.LANCZOS)


def crop(share: float, picture: Image.Image) -> Image.Image:
    """Cut `share` off each side."""
    return ImageOps.crop(picture, round(share * min(picture.size)))


def sign(picture: Image.Image) -> Image.Image:
    ImageDraw.Draw(picture).text((picture.width * 0.05, picture.height * 0.9), "(c) somebody 2026", fill="white")
    return picture


ORIGINAL: Way = (lambda picture: picture, "png", 0)
WAYS: Mapping[str, Way] = {
    "resized to 75 %": (partial(resize, 0.75), "jpg", 90),
    "resized to 50 %": (partial(resize, 0.5), "jpg", 90),
    "resized to 25 %": (partial(resize, 0.25), "jpg", 90),
    "JPEG, quality 75": (lambda picture: picture, "jpg", 75),
    "JPEG, quality 40": (lambda picture: picture, "jpg", 40),
    "JPEG, quality 15": (lambda picture: picture, "jpg", 15),
    "WebP, quality 50": (lambda picture: picture, "webp", 50),
    "50 % and quality 50": (partial(resize, 0.5), "jpg", 50),
    "brighter by 15 %": (lambda picture: ImageEnhance.Brightness(picture).enhance(1.15), "jpg", 90),
    "in grey": (lambda picture: ImageOps.grayscale(picture).convert("RGB"), "jpg", 90),
    "signed": (sign, "jpg", 90),
    "2 % cut off": (partial(crop, 0.02), "jpg", 90),
    "5 % cut off": (partial(crop, 0.05), "jpg", 90),
    "mirrored": (ImageOps.mirror, "jpg", 90),
}


def make_copies(pictures: list[Path], folder: Path) -> None:
    """Write each picture and its copies into folders by way, under its number."""
    for i, path in enumerate(pictures):
        picture = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        for way, (change, end, quality) in {"original": ORIGINAL, **WAYS}.items():
            file = folder / way / f"{i:06}.{end}"
            file.parent.mkdir(parents=True, exist_ok=True)
            change(picture.copy()).save(file, quality=quality)


def hash_file(path: Path) -> np.ndarray:
    """The hash of a picture's middle square."""
    picture = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    data = BytesIO()
    ImageOps.fit(picture, (min(THUMBNAIL, *picture.size),) * 2).save(data, "JPEG")
    return hash_picture(data.getvalue())


def count_pairs(rows: np.ndarray, least: float) -> tuple[int, int]:
    """How many pairs of rows have a product of `least` or more, and how many pairs there are."""
    products = np.triu(rows @ rows.T, 1)
    return int(np.count_nonzero(products >= least)), len(rows) * (len(rows) - 1) // 2


def measure(folder: Path, model: str) -> tuple[list[list[str]], np.ndarray]:
    """A line of the table for each way, and the vectors of the originals."""
    with tempfile.TemporaryDirectory() as place:
        clipsim.index_folder(folder, place, model)
        collection = clipsim.Collection.open(place)
        table, vectors = collection.table(["path", "thumbnail"]), np.array(collection.vectors())
    hashes = np.array([hash_picture(one) for one in table["thumbnail"].to_pylist()]).astype(np.float32)
    by_path: dict[tuple[str, str], int] = {}
    for place_of_row, path in enumerate(table["path"].to_pylist()):
        way, name = path.split("/")
        by_path[way, name.partition(".")[0]] = place_of_row
    lines = []
    for way in WAYS:
        own = np.array([(at, by_path["original", name]) for (one, name), at in by_path.items() if one == way])
        cosine = (vectors[own[:, 0]] * vectors[own[:, 1]]).sum(axis=1) >= NEAR
        look = (hashes[own[:, 0]] * hashes[own[:, 1]]).sum(axis=1) >= HASH_BITS - 2 * MOST_BITS
        lines.append([way, *(f"{found.mean():.3f}" for found in (cosine, look, cosine | look))])
    originals = [at for (way, _), at in by_path.items() if way == "original"]
    return lines, vectors[originals]


def main(arguments: Any) -> None:
    found = sorted(path for folder in arguments.folders for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    drawn = random.Random(SEED).sample(found, min(arguments.pictures, len(found)))
    with tempfile.TemporaryDirectory() as folder:
        make_copies(drawn, Path(folder))
        lines, vectors = measure(Path(folder), arguments.model)
    print(TextTable(("copies found", f"cosine {NEAR}", f"{MOST_BITS} bits of {HASH_BITS}", "either"), lines, "<>>>"))
    print("by cosine {} pairs of {:,} others".format(*count_pairs(vectors, NEAR)))
    hashes = np.array([hash_file(path) for path in found]).astype(np.float32)
    for most in (MOST_BITS, MOST_BITS + 8, MOST_BITS + 16, MOST_BITS + 24):
        print("by {} bits {} pairs of {:,} others".format(most, *count_pairs(hashes, HASH_BITS - 2 * most)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--pictures", type=int, default=150)
    parser.add_argument("--model", default="auto")
    main(parser.parse_args())
