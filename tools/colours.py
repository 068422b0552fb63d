"""Learn which colours photographs have.

`python -m tools.colours PICTURES`

PICTURES is a folder of photographs. What is learned goes to `clipsim/data/colours.json`: no picture, but the mean and
the covariance of nine numbers that describe the colours of each one's middle square.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

import clipsim
from clipsim.images import SUFFIXES, read
from clipsim.scoring.first_use import describe_colours

SIDE = 128  # pixels: colours need no more


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--to", type=Path, default=Path(clipsim.__file__).parent / "data" / "colours.json")
    arguments = parser.parse_args(argv)
    paths = sorted(path for path in arguments.pictures.iterdir() if path.suffix.lower() in SUFFIXES)
    colours = np.array([describe_colours(_shrink(path)) for path in paths])
    known = {
        "origin": f"the middle squares of {len(paths)} photographs",
        "learned by": "tools/colours.py",
        "mean": colours.mean(axis=0).round(4).tolist(),
        "covariance": np.cov(colours.T).round(6).tolist(),
    }
    arguments.to.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")


def _shrink(path: Path) -> Image.Image:
    return ImageOps.fit(read(path, path.name).image, (SIDE, SIDE), Image.Resampling.BILINEAR)


if __name__ == "__main__":
    main()
