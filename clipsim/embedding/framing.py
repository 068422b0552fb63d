"""What the model is shown of a picture: contrast stretched or not, then cropped, padded or cut into tiles."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from math import ceil

import numpy as np
from PIL import Image, ImageOps

from clipsim.encoders import Box, Encoder
from clipsim.options import Contrast, Framing, Options

TILE_SIDES = (1.0, 0.6)  # of the shorter side: squares that cover the picture, and closer views
OVERLAP = 0.25  # of a tile's side, at least
MAX_TILES = 12  # along a side: a strip of 1 x 50,000,000 pixels would make millions
CUTOFF = 1  # percent of the pixels at either end that may become black or white: a few glints must not stop it
GREY = (122, 116, 104)  # the mean colour of CLIP's training pictures, which its normalisation makes zero
THUMBNAIL = 224  # pixels along each side


@dataclass(frozen=True)
class View:
    """A picture, or a part of it, as it goes into the model.

    Attributes:
        image: what goes into the model.
        box: which part of the picture that is; it reaches beyond the picture where that was padded.
    """

    image: Image.Image
    box: Box


def frame(image: Image.Image, encoder: Encoder, options: Options = Options()) -> list[View]:
    """Return the views of an upright RGB picture that go into the model, by the framing and contrast of `options`."""
    return _FRAMERS[options.framing](image, encoder, options.contrast)


def pool(vectors: np.ndarray, framing: Framing) -> np.ndarray:
    """Return the vectors that stand for a picture, made of its views' unit vectors of shape (v, d).

    These are the same ones, of which the best counts, or for a framing that averages their mean, shape (1, d).
    """
    return unit_mean(vectors) if framing in _AVERAGED else vectors


def unit_mean(vectors: np.ndarray) -> np.ndarray:
    """Return the mean of vectors of shape (n, d) at unit length, shape (1, d)."""
    mean = vectors.mean(axis=0, keepdims=True)
    unit: np.ndarray = mean / np.linalg.norm(mean)
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
    data = BytesIO()
    sheet.save(data, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode("ascii")


def join_views(views: Sequence[View], size: tuple[int, int], side: int) -> Image.Image:
    """Put the part of a picture that the model saw together from its views, in the picture's own proportions.

    Args:
        views: of one picture, one at least.
        size: of the picture, width and height.
        side: pixels along the longer side of the result.
    """
    boxes = [clip_box(view.box, size) for view in views]
    left, top = (min(box[i] for box in boxes) for i in (0, 1))
    right, bottom = (max(box[i] for box in boxes) for i in (2, 3))
    scale = side / max(right - left, bottom - top)
    part = Image.new("RGB", (max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))))
    for view, box in zip(views, boxes, strict=True):
        start = [round((box[0] - left) * scale), round((box[1] - top) * scale)]
        stop = [round((box[2] - left) * scale), round((box[3] - top) * scale)]
        size_here = max(1, stop[0] - start[0]), max(1, stop[1] - start[1])
        part.paste(_crop_to(view, box).resize(size_here), (start[0], start[1]))
    return part


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


def _frame_by_model(image: Image.Image, encoder: Encoder, contrast: Contrast) -> list[View]:
    return [View(_stretch(encoder.view(image), contrast), encoder.crop_box(image.size))]


def _frame_padded(image: Image.Image, encoder: Encoder, contrast: Contrast) -> list[View]:
    size = encoder.input_size
    scale = min(size[0] / image.width, size[1] / image.height)
    small = image.resize(
        (max(1, round(image.width * scale)), max(1, round(image.height * scale))), Image.Resampling.BICUBIC
    )
    square = Image.new("RGB", size, GREY)
    left, top = (size[0] - small.width) // 2, (size[1] - small.height) // 2
    square.paste(_stretch(small, contrast), (left, top))
    across, down = image.width / small.width, image.height / small.height
    return [View(square, (-left * across, -top * down, (size[0] - left) * across, (size[1] - top) * down))]


def _frame_in_tiles(image: Image.Image, encoder: Encoder, contrast: Contrast) -> list[View]:
    boxes = place_tiles(image.size)
    tiles = [image.resize(encoder.input_size, Image.Resampling.BICUBIC, box) for box in boxes]
    return [View(_stretch(tile, contrast), box) for tile, box in zip(tiles, boxes, strict=True)]


_FRAMERS: Mapping[Framing, Callable[[Image.Image, Encoder, Contrast], list[View]]] = {
    "crop": _frame_by_model,
    "pad": _frame_padded,
    "tiles-best": _frame_in_tiles,
    "tiles-mean": _frame_in_tiles,
}
_AVERAGED: frozenset[Framing] = frozenset({"tiles-mean"})


def _stretch(image: Image.Image, contrast: Contrast) -> Image.Image:
    return ImageOps.autocontrast(image, cutoff=CUTOFF, preserve_tone=True) if contrast == "auto" else image


def clip_box(box: Box, size: tuple[int, int]) -> Box:
    """Return the part of a box that is in a picture of `size` (width, height)."""
    return max(box[0], 0.0), max(box[1], 0.0), min(box[2], float(size[0])), min(box[3], float(size[1]))


def _crop_to(view: View, box: Box) -> Image.Image:
    """Cut out of a view what it shows of `box`, at least a pixel each way."""
    across, down = view.image.width / (view.box[2] - view.box[0]), view.image.height / (view.box[3] - view.box[1])
    left, top = round((box[0] - view.box[0]) * across), round((box[1] - view.box[1]) * down)
    right, bottom = round((box[2] - view.box[0]) * across), round((box[3] - view.box[1]) * down)
    return view.image.crop((left, top, max(left + 1, right), max(top + 1, bottom)))


def _measure_union(spans: list[tuple[float, float]]) -> float:
    covered, end = 0.0, 0.0
    for start, stop in sorted(spans):
        covered += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return covered
