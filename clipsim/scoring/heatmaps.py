"""Where in a picture a caption, or another picture, finds its support."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from clipsim.encoders.base import Box, Encoder

if TYPE_CHECKING:
    from clipsim.embedding.pipeline import PictureInfo

CELLS = 24  # along a picture's longer side, where a map is put together from tiles
DIGITS = 4  # of a value: finer than a screen shows, and a third of the JSON
FLAT = 1e-6  # differences below this share of the values are rounding, which must not become a pattern
# From nothing to most, each lighter than the one before, so that the order survives grey print and colour blindness.
RAMP = ((20, 10, 60), (94, 22, 130), (205, 50, 85), (250, 145, 25), (255, 232, 70))
CLEAR, DENSE = 0.3, 0.62  # how much the coldest and the hottest cell cover
FADED = 0.6  # of the colours in the seen part, or an orange dog could not be told from a warm map
UNSEEN_LIGHT = 0.35  # what is left of the light where the model did not look; the colours are gone


@dataclass(frozen=True)
class Heatmap:
    """Where a caption finds its support, as a grid laid over a part of the picture.

    Attributes:
        box: left, top, right and bottom of the grid, as shares of the picture's width and height: the part that the
            model saw, so that what lies outside was never looked at.
        values: rows of the grid, each 0 (least in this picture) to 1 (most), all 0 where nothing differs.
        low: what the model gave where `values` is 0. What that measures depends on `method`; for "feature grid" and
            "windows" it is a cosine.
        high: what the model gave where `values` is 1.
        method: "legrad", "feature grid" or "windows".
    """

    box: Box
    values: tuple[tuple[float, ...], ...]
    low: float
    high: float
    method: str


def heatmaps(pictures: Sequence[PictureInfo], encoder: Encoder, target: np.ndarray) -> list[Heatmap]:
    """One map for each picture.

    Args:
        pictures: from `clipsim.embedding.pipeline.embed` with `keep_views`.
        encoder: the one that saw them.
        target: unit vector of a caption or a picture, shape (width,).

    Raises:
        ValueError: a picture's looks were not kept.
        EncoderError: the model cannot be loaded.
    """
    for picture in pictures:
        if not picture.views:
            raise ValueError(f"{picture.name} has no looks: embed it with keep_views")
    if not pictures:
        return []
    views = [look.image for picture in pictures for look in picture.views]  # together, so that batches are full
    grids, method = encoder.maps(views, target), encoder.map_method
    ends = np.cumsum([len(picture.views) for picture in pictures])
    each = np.split(grids, ends[:-1])
    return [_heatmap(picture, some, method) for picture, some in zip(pictures, each, strict=True)]


def peak(heatmap: Heatmap) -> tuple[float, float]:
    """The middle of the highest cell, as shares of the picture's width and height; of the box where nothing differs."""
    values = np.array(heatmap.values)
    row, column = np.unravel_index(values.argmax(), values.shape)
    down, across = ((row + 0.5) / len(values), (column + 0.5) / len(values[0])) if values.any() else (0.5, 0.5)
    left, top, right, bottom = heatmap.box
    return float(left + across * (right - left)), float(top + down * (bottom - top))


def overlay(image: Image.Image, heatmap: Heatmap, longest: int = 480) -> Image.Image:
    """The picture with its map in colour; what the model did not see is grey and dark.

    Args:
        image: the upright picture.
        heatmap: its map.
        longest: pixels of the result's longer side, unless the picture is smaller.
    """
    small = image.convert("RGB")
    small.thumbnail((longest, longest), Image.Resampling.BICUBIC)
    left, top, right, bottom = _pixels(heatmap.box, small.size)
    result = _grey(np.asarray(small, np.float32)) * UNSEEN_LIGHT
    part = np.asarray(small.crop((left, top, right, bottom)), np.float32)
    result[top:bottom, left:right] = _tinted(part, _enlarged(heatmap.values, (right - left, bottom - top)))
    return Image.fromarray(result.round().astype(np.uint8))


def _heatmap(picture: PictureInfo, grids: np.ndarray, method: str) -> Heatmap:
    width, height = picture.size
    if len(grids) == 1:
        (left, top, right, bottom), raw = _unpadded(picture.views[0].box, grids[0], picture.size)
        box = (left / width, top / height, right / width, bottom / height)
    else:
        box, raw = (0.0, 0.0, 1.0, 1.0), _joined([look.box for look in picture.views], grids, picture.size)
    values, low, high = _scaled(raw)
    return Heatmap(box, tuple(tuple(map(float, row)) for row in values), low, high, method)


def _unpadded(box: Box, grid: np.ndarray, size: tuple[int, int]) -> tuple[Box, np.ndarray]:
    """The part of a view's box and of its grid that is in the picture."""
    sides = [box[i + 2] - box[i] for i in (0, 1)]
    inside = [min(max(edge, 0.0), float(size[i % 2])) for i, edge in enumerate(box)]
    shares = [(edge - box[i % 2]) / sides[i % 2] for i, edge in enumerate(inside)]
    seen = (inside[0], inside[1], inside[2], inside[3])
    if np.allclose(shares, (0, 0, 1, 1), atol=1e-6):
        return seen, grid
    cells = [shares[i] * grid.shape[1 - i % 2] for i in range(4)]
    count = (max(1, round(cells[2] - cells[0])), max(1, round(cells[3] - cells[1])))
    kept = (cells[0], cells[1], cells[2], cells[3])
    return seen, np.asarray(_image(grid).resize(count, Image.Resampling.BILINEAR, kept))


def _joined(boxes: Sequence[Box], grids: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """One grid over the picture from those of its tiles: each cell is the best of the tiles that hold its middle.

    Cells that no tile holds, which the gaps between the tiles of a very long picture have, get the least of the others.
    """
    columns, rows = (max(1, round(CELLS * side / max(size))) for side in size)
    joined = np.full((rows, columns), -np.inf, np.float32)
    for (left, top, right, bottom), grid in zip(boxes, grids, strict=True):
        across, x = _held(left, right, size[0], columns)
        down, y = _held(top, bottom, size[1], rows)
        part = np.ix_(down, across)
        joined[part] = np.maximum(joined[part], _sampled(grid, x, y))
    joined[np.isinf(joined)] = joined[np.isfinite(joined)].min()
    return joined


def _held(start: float, stop: float, length: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Which of `count` cells along a side have their middle in a tile, at least one, and where in it, 0 to 1."""
    middles = (np.arange(count) + 0.5) * length / count
    held = np.flatnonzero((middles >= start) & (middles <= stop))
    if not len(held):
        held = np.array([min(int((start + stop) / 2 * count / length), count - 1)])
    return held, ((middles[held] - start) / (stop - start)).clip(0, 1)


def _sampled(grid: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Bilinear values of a grid at columns `x` and rows `y` of places, 0 to 1 along its sides: shape (y, x)."""
    rows, columns = grid.shape
    by_row = np.stack([np.interp(x * columns - 0.5, np.arange(columns), row) for row in grid])
    return np.stack([np.interp(y * rows - 0.5, np.arange(rows), column) for column in by_row.T], axis=1)


def _scaled(raw: np.ndarray) -> tuple[np.ndarray, float, float]:
    """The values from 0 to 1, and what those two were."""
    low, high = float(raw.min()), float(raw.max())
    if high - low <= FLAT * max(abs(low), abs(high)):
        return np.zeros(raw.shape), low, low
    return np.round((raw.astype(np.float64) - low) / (high - low), DIGITS), low, high


def _image(grid: Any) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(grid, np.float32))


def _pixels(box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The box in whole pixels, at least one each way."""
    left, top = (min(round(box[i] * size[i]), size[i] - 1) for i in (0, 1))
    right, bottom = (max(round(box[i + 2] * size[i]), start + 1) for i, start in enumerate((left, top)))
    return left, top, right, bottom


def _enlarged(values: Sequence[Sequence[float]], size: tuple[int, int]) -> np.ndarray:
    """The values at the resolution of the picture, 0 to 1, shape (height, width, 1)."""
    smooth = np.asarray(_image(values).resize(size, Image.Resampling.BICUBIC))
    return smooth.clip(0, 1)[..., None]


def _tinted(pixels: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Pixels of shape (height, width, 3) with the colours of `heat`, shape (height, width, 1), over them."""
    stops = np.linspace(0, 1, len(RAMP))
    colour = np.concatenate([np.interp(heat, stops, channel) for channel in zip(*RAMP, strict=True)], axis=-1)
    cover = CLEAR + (DENSE - CLEAR) * heat
    tinted: np.ndarray = (pixels + (_grey(pixels) - pixels) * FADED) * (1 - cover) + colour * cover
    return tinted


def _grey(pixels: np.ndarray) -> np.ndarray:
    """Lightness, by the weights of ITU-R BT.601, for all three channels."""
    lightness = pixels @ np.array((0.299, 0.587, 0.114), np.float32)
    return np.repeat(lightness[..., None], 3, axis=-1)
