"""Learn how light, dark and colours lie in photographs.

`python -m tools.layouts PICTURES`

PICTURES is a folder of photographs. What is learned goes to `clipsim/data/layouts.npz`: no picture, but the mean and
the principal directions of the numbers that describe the layout of each one's middle square and of its mirror image.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

import clipsim
from clipsim.images import SUFFIXES, read
from clipsim.scoring.first_use import describe_layout

SIDE = 128  # pixels: layouts need no more
DIRECTIONS = 96  # with 700 photographs 99 % of the variance


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--to", type=Path, default=Path(clipsim.__file__).parent / "data" / "layouts.npz")
    arguments = parser.parse_args(argv)
    paths = sorted(path for path in arguments.pictures.iterdir() if path.suffix.lower() in SUFFIXES)
    squares = [ImageOps.fit(read(path, path.name).image, (SIDE, SIDE), Image.Resampling.BILINEAR) for path in paths]
    layouts = np.array([describe_layout(one) for square in squares for one in (square, ImageOps.mirror(square))])
    mean = layouts.mean(axis=0)
    _, lengths, axes = np.linalg.svd(layouts - mean, full_matrices=False)
    directions = (lengths[:, None] * axes)[:DIRECTIONS] / np.sqrt(len(layouts))
    share = (lengths[:DIRECTIONS] ** 2).sum() / (lengths**2).sum()
    np.savez_compressed(
        arguments.to,
        mean=mean.astype(np.float16),
        directions=directions.astype(np.float16),
        origin=f"the middle squares of {len(paths)} photographs and their mirror images, by tools/layouts.py",
    )
    print(f"{len(directions)} directions tell {share:.1%} of how layouts of {len(paths)} photographs differ")


if __name__ == "__main__":
    main()
