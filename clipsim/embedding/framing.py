"""What the model is shown of a picture: contrast stretched or not, then cropped, padded or cut into tiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Protocol

import numpy as np
from PIL import Image, ImageOps

from clipsim.encoders import Box
from clipsim.images import encode_jpeg, to_address
from clipsim.options import SEVERAL_VECTORS, Contrast, Framing, Options

# Version of how pictures are decoded and framed. A change by which vectors would be others needs the next number, so
# that those of before and after are never mixed, in a cache or in a collection.
PREPARATION = 1
TILE_SIDES = (1.0, 0.6)  # of the shorter side: squares that cover the picture, and closer views
OVERLAP = 0.25  # of a tile's side, at least
MAX_TILES = 12  # along a side: a strip of 1 x 50,000,000 pixels would make millions
CUTOFF = 1  # percent of the pixels at either end that may become black or white: a few glints must not stop it
GREY = (122, 116, 104)  # the mean colour of CLIP's training pictures, which its normalisation makes zero
THUMBNAIL = 224  # pixels along each side
SAMPLES = 3  # along either side of a pixel of `cut_seen`, where there are more than `FEW`: they do for a small picture
FEW = 2


class Framer(Protocol):
    """What frames a picture in a model's own way: an `Encoder`, or its `preprocessing`; these are theirs."""

    @property
    def input_size(self) -> tuple[int, int]:
        """Width and height, in pixels, of what the model looks at."""

    def crop_box(self, size: tuple[int, int]) -> Box:
        """Return the part of a picture of `size` (width, height) that is kept."""

    def view(self, image: Image.Image) -> Image.Image:
        """Frame a picture."""


@dataclass(frozen=True)
class View:
    """What goes into the model, and which box of the picture that is; beyond its edges where that was padded."""

    image: Image.Image
    box: Box


def frame(image: Image.Image, framer: Framer, options: Options = Options()) -> list[View]:
    """Return the views of an upright RGB picture that go into the model, by the framing and contrast of `options`."""
    return _FRAMERS[options.framing](image, framer, options.contrast)


def pool(vectors: np.ndarray, framing: Framing) -> np.ndarray:
    """Return what stands for a picture: its views' unit vectors, shape (v, d), or their mean, shape (1, d)."""
    return vectors if len(vectors) == 1 or framing in SEVERAL_VECTORS else unit_mean(vectors)[None]


def unit_mean(vectors: np.ndarray) -> np.ndarray:
    """Return the mean of each v vectors at unit length: of shape (..., v, d), shape (..., d)."""
    mean = vectors.mean(axis=-2)
    unit: np.ndarray = mean / np.linalg.norm(mean, axis=-1, keepdims=True)
    return unit


def compute_coverage(views: Sequence[View], size: tuple[int, int]) -> float:
    """Return the share, 0 to 1, of a picture of `size` (width, height) that is in its views."""
    width, height = size
    # tiles of one picture are either all of it or a row along it, so that their extent along each side tells
    boxes = [clip_box(view.box, size) for view in views]
    across, down = (_measure_union([(box[i], box[i + 2]) for box in boxes]) for i in (0, 1))
    return min(1.0, across * down / (width * height))


def draw_thumbnail(views: Sequence[View]) -> str:
    """Draw the views side by side, and return a data: address of a JPEG."""
    columns = ceil(len(views) ** 0.5)
    side = THUMBNAIL // columns
    sheet = Image.new("RGB", (columns * side, ceil(len(views) / columns) * side), "white")
    for place, view in enumerate(views):
        small = ImageOps.contain(view.image, (side, side))
        sheet.paste(small, (place % columns * side, place // columns * side))
    return to_address(encode_jpeg(sheet))


def cut_seen(image: Image.Image, views: Sequence[View], side: int) -> Image.Image:
    """Cut the part of a picture that is in its views out of it; the longer side has `side` pixels at most.

    It is to be looked at, and made in a hurry: a collection has one of every picture.
    """
    left, top, right, bottom = zip(*(clip_box(view.box, image.size) for view in views), strict=True)
    seen = min(left), min(top), max(right), max(bottom)
    width, height = seen[2] - seen[0], seen[3] - seen[1]
    scale = min(1.0, side / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if scale == 1:  # to whole pixels, since to resample by a part of one takes ten times as long
        left, top = (min(round(seen[i]), image.size[i] - size[i]) for i in (0, 1))
        return image.crop((left, top, left + size[0], top + size[1]))
    if scale * FEW > 1:
        return image.resize(size, Image.Resampling.HAMMING, seen)
    return image.resize((SAMPLES * size[0], SAMPLES * size[1]), Image.Resampling.NEAREST, seen).reduce(SAMPLES)


def place_tiles(size: tuple[int, int]) -> list[Box]:
    """Place overlapping squares of each of `TILE_SIDES` so that they cover a picture of `size` (width, height)."""
    short = min(size)
    return [
        (left, top, left + side, top + side)
        for side in (share * short for share in TILE_SIDES)
        for top in _place_starts(size[1], side)
        for left in _place_starts(size[0], side)
    ]


def _place_starts(length: int, side: float) -> list[float]:
    count = min(ceil((length / side - OVERLAP) / (1 - OVERLAP) - 1e-9), MAX_TILES)
    return [(length - side) / 2] if count < 2 else [i * (length - side) / (count - 1) for i in range(count)]


def _frame_by_model(image: Image.Image, framer: Framer, contrast: Contrast) -> list[View]:
    return [View(_stretch(framer.view(image), contrast), framer.crop_box(image.size))]


def _frame_padded(image: Image.Image, framer: Framer, contrast: Contrast) -> list[View]:
    width, height = framer.input_size
    scale = min(width / image.width, height / image.height)
    small = image.resize([max(1, round(side * scale)) for side in image.size], Image.Resampling.BICUBIC)
    square = Image.new("RGB", (width, height), GREY)
    left, top = (width - small.width) // 2, (height - small.height) // 2
    square.paste(_stretch(small, contrast), (left, top))
    inside = left, top, left + small.width, top + small.height
    return [View(square, transfer_box((0, 0, width, height), inside, image.size))]


def _frame_in_tiles(image: Image.Image, framer: Framer, contrast: Contrast) -> list[View]:
    boxes = place_tiles(image.size)
    tiles = [image.resize(framer.input_size, Image.Resampling.BICUBIC, box) for box in boxes]
    return [View(_stretch(tile, contrast), box) for tile, box in zip(tiles, boxes, strict=True)]


_FRAMERS: Mapping[Framing, Callable[[Image.Image, Framer, Contrast], list[View]]] = {
    "crop": _frame_by_model,
    "pad": _frame_padded,
    "tiles-best": _frame_in_tiles,
    "tiles-mean": _frame_in_tiles,
}


def _stretch(image: Image.Image, contrast: Contrast) -> Image.Image:
    return ImageOps.autocontrast(image, cutoff=CUTOFF, preserve_tone=True) if contrast == "auto" else image


def clip_box(box: Box, size: tuple[int, int]) -> Box:
    """Return the part of a box that is in a picture of `size` (width, height)."""
    return max(box[0], 0.0), max(box[1], 0.0), min(box[2], float(size[0])), min(box[3], float(size[1]))


def transfer_box(box: Box, outer: Box, size: tuple[float, float] = (1.0, 1.0)) -> Box:
    """Return a box in the coordinates of a grid of `size` (width, height) laid over the box `outer`."""
    width, height = outer[2] - outer[0], outer[3] - outer[1]
    left, right = ((x - outer[0]) / width * size[0] for x in box[::2])
    top, bottom = ((y - outer[1]) / height * size[1] for y in box[1::2])
    return left, top, right, bottom


def _measure_union(spans: list[tuple[float, float]]) -> float:
    covered, end = 0.0, 0.0
    for start, stop in sorted(spans):
        covered += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return covered
