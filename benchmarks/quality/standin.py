"""How good is the stand-in?

`python -m benchmarks.quality.standin [PHOTOS] [--precision full]`

Prints how many captions of OpenAI's CLIP notebook it puts on the right picture (needs scikit-image, which ships them)
and, for a folder with photographs and a `labels.csv` (columns file, label), how many are found by their label among all
of them, and the cross-entropy of label to photograph at several logit scales.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from PIL import Image

import clipsim
from clipsim import Encoder
from clipsim.images import read
from clipsim.options import PRECISIONS
from clipsim.scoring.score import softmax_share

NOTEBOOK = {  # file of scikit-image: caption, from openai/CLIP, notebooks/Interacting_with_CLIP.ipynb
    "page.png": "a page of text about segmentation",
    "chelsea.png": "a facial photo of a tabby cat",
    "astronaut.png": "a portrait of an astronaut with the American flag",
    "rocket.jpg": "a rocket standing on a launchpad",
    "motorcycle_right.png": "a red motorcycle standing in a garage",
    "camera.png": "a person looking at a camera on a tripod",
    "horse.png": "a black-and-white silhouette of a horse",
    "coffee.png": "a cup of coffee on a saucer",
}
SCALES = (5, 8, 10, 15, 20, 30, 50)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="?", type=Path, help="folder with photographs and labels.csv")
    parser.add_argument("--precision", choices=PRECISIONS, default="full", help="%(default)s")
    arguments = parser.parse_args()
    photos, encoder = arguments.photos, clipsim.load("stand-in", precision=arguments.precision)
    cosine = notebook(encoder)
    print(f"notebook: {right(cosine)} of {len(cosine)} captions on the right picture")
    if photos:
        cosine = labelled(encoder, photos)
        print(f"photographs: {right(cosine)} of {len(cosine)} found by their label ({right(cosine) / len(cosine):.1%})")
        for scale in SCALES:
            chosen = [softmax_share(row, scale)[i] for i, row in enumerate(cosine)]
            print(f"  logit scale {scale:3d}: cross-entropy {-np.log(chosen).mean():.3f}")


def right(cosine: np.ndarray) -> int:
    """Rows whose largest entry is on the diagonal."""
    return int((cosine.argmax(axis=1) == np.arange(len(cosine))).sum())


def notebook(encoder: Encoder) -> np.ndarray:
    """Cosines of caption i and picture j."""
    import skimage.data

    folder = Path(skimage.data.__file__).parent
    return pairs(encoder, [folder / name for name in NOTEBOOK], list(NOTEBOOK.values()))


def labelled(encoder: Encoder, folder: Path) -> np.ndarray:
    """Cosines of label i and photograph j."""
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return pairs(encoder, [folder / row["file"] for row in rows], [row["label"] for row in rows])


def pairs(encoder: Encoder, pictures: list[Path], captions: list[str]) -> np.ndarray:
    """Cosines of caption i and picture j."""
    vectors = [encoder.encode_images([upright(path)])[0] for path in pictures]
    cosine: np.ndarray = encoder.encode_texts(captions) @ np.stack(vectors).T
    return cosine


def upright(path: Path) -> Image.Image:
    return read(path, path.name).image


if __name__ == "__main__":
    main()
