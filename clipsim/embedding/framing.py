"""What of a picture the model looks at: contrast evened out or not, then cropped, padded or cut into tiles."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from math import ceil

from PIL import Image, ImageOps

from clipsim.encoders.base import Box, Encoder
from clipsim.options import Options

TILE_SIDES = (1.0, 0.6)  # of the shorter side: squares that cover the picture, and closer looks
OVERLAP = 0.25  # of a tile's side, at least
MOST_TILES = 12  # along a side: a strip of 1 x 50,000,000 pixels would make millions
CUTOFF = 1  # percent of the pixels at either end that may become black or white: a few glints must not stop it
GREY = (122, 116, 104)  # the mean colour of CLIP's training pictures, which its normalisation makes zero
THUMBNAIL = 224  # pixels along each side


@dataclass(frozen=True)
class View:
    """One look at a picture.

    Attributes:
        image: what goes into the model.
        box: which part of the picture that is; it reaches beyond the picture where that was padded.
    """

    image: Image.Image
    box: Box


def views(image: Image.Image, encoder: Encoder, options: Options = Options()) -> list[View]:
    """What the model looks at: one view, or with tiles several.

    Args:
        image: upright RGB.
        encoder: its own framing is "crop"; the others make pictures of its `input_size`.
        options: framing and contrast; contrast is evened out in each view by itself.
    """
    if options.framing == "crop":
        looks = [_own(image, encoder)]
    elif options.framing == "pad":
        return [_padded(image, encoder.input_size, options.contrast)]
    else:
        looks = [
            View(image.resize(encoder.input_size, Image.Resampling.BICUBIC, box), box) for box in tiles(image.size)
        ]
    return [View(_evened(look.image, options.contrast), look.box) for look in looks]


def thumbnail(looks: Sequence[View]) -> str:
    """What went into the model, side by side where there are several looks: a data: address of a JPEG."""
    columns = ceil(len(looks) ** 0.5)
    side = THUMBNAIL // columns
    sheet = Image.new("RGB", (columns * side, ceil(len(looks) / columns) * side), "white")
    for place, look in enumerate(looks):
        small = ImageOps.contain(look.image, (side, side))
        sheet.paste(small, (place % columns * side, place // columns * side))
    data = BytesIO()
    sheet.save(data, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode("ascii")


def seen_part(looks: Sequence[View], size: tuple[int, int], side: int) -> Image.Image:
    """The part of a picture that is in the looks, in its own shape, put together from them.

    Args:
        looks: at one picture, one at least.
        size: of the picture, width and height.
        side: pixels along the longer side.
    """
    boxes = [_inside(look.box, size) for look in looks]
    left, top, right, bottom = (f(box[i] for box in boxes) for i, f in enumerate((min, min, max, max)))
    scale = side / max(right - left, bottom - top)
    part = Image.new("RGB", (max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))))
    for look, box in zip(looks, boxes, strict=True):
        at = [round((box[0] - left) * scale), round((box[1] - top) * scale)]
        end = [round((box[2] - left) * scale), round((box[3] - top) * scale)]
        part.paste(_shown(look, box).resize((max(1, end[0] - at[0]), max(1, end[1] - at[1]))), (at[0], at[1]))
    return part


def _shown(look: View, box: Box) -> Image.Image:
    """A look without its padding: what it shows of `box`."""
    across, down = (look.image.width / (look.box[2] - look.box[0]), look.image.height / (look.box[3] - look.box[1]))
    left, top = (box[0] - look.box[0]) * across, (box[1] - look.box[1]) * down
    right, bottom = (box[2] - look.box[0]) * across, (box[3] - look.box[1]) * down
    return look.image.crop(
        (round(left), round(top), max(round(left) + 1, round(right)), max(round(top) + 1, round(bottom)))
    )


def seen(looks: Sequence[View], size: tuple[int, int]) -> float:
    """Share of a picture of `size` (width, height) that is in the looks, 0 to 1."""
    width, height = size
    # tiles of one picture are either all of it or a row along it, so that their extent along each side tells
    boxes = [_inside(look.box, size) for look in looks]
    across, down = (_covered([(box[i], box[i + 2]) for box in boxes]) for i in (0, 1))
    return min(1.0, across * down / (width * height))


def tiles(size: tuple[int, int]) -> list[Box]:
    """Boxes of overlapping squares, at each of `TILE_SIDES`, that cover a picture of `size` (width, height)."""
    short = min(size)
    return [
        (left, top, left + side, top + side)
        for side in (share * short for share in TILE_SIDES)
        for top in _starts(size[1], side)
        for left in _starts(size[0], side)
    ]


def _starts(length: int, side: float) -> list[float]:
    count = min(ceil((length / side - OVERLAP) / (1 - OVERLAP) - 1e-9), MOST_TILES)
    return [(length - side) / 2] if count < 2 else [i * (length - side) / (count - 1) for i in range(count)]


def _own(image: Image.Image, encoder: Encoder) -> View:
    return View(encoder.view(image), encoder.crop_box(image.size))


def _padded(image: Image.Image, size: tuple[int, int], contrast: str) -> View:
    scale = min(size[0] / image.width, size[1] / image.height)
    small = image.resize(
        (max(1, round(image.width * scale)), max(1, round(image.height * scale))), Image.Resampling.BICUBIC
    )
    square = Image.new("RGB", size, GREY)
    left, top = (size[0] - small.width) // 2, (size[1] - small.height) // 2
    square.paste(_evened(small, contrast), (left, top))
    across, down = image.width / small.width, image.height / small.height
    return View(square, (-left * across, -top * down, (size[0] - left) * across, (size[1] - top) * down))


def _evened(image: Image.Image, contrast: str) -> Image.Image:
    return ImageOps.autocontrast(image, cutoff=CUTOFF, preserve_tone=True) if contrast == "auto" else image


def _inside(box: Box, size: tuple[int, int]) -> Box:
    return max(box[0], 0.0), max(box[1], 0.0), min(box[2], float(size[0])), min(box[3], float(size[1]))


def _covered(spans: list[tuple[float, float]]) -> float:
    """Length of the union of the spans."""
    covered, end = 0.0, 0.0
    for start, stop in sorted(spans):
        covered += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return covered
