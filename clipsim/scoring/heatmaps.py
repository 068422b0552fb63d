"""Where in a picture a caption, or another picture, finds its support."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import scipy  # its parts load when they are used
from PIL import Image

from clipsim.embedding import PictureInfo, clip_box, transfer_box
from clipsim.encoders import Box, Encoder
from clipsim.scoring.calibration import MATCH, NO_MATCH, NOT_RECOGNISED, WEAK

CELLS = 24  # along a picture's longer side, where a map is put together from tiles
DIGITS = 4  # of a value: finer than a screen shows, and a third of the JSON
FLAT = 1e-6  # differences below this share of the values are rounding, which must not become a pattern
# From nothing to most, each lighter than the one before, so that the order survives grey print and colour blindness.
RAMP = ((20, 10, 60), (94, 22, 130), (205, 50, 85), (250, 145, 25), (255, 232, 70))
CLEAR, DENSE = 0.3, 0.62  # how much the coldest and the hottest cell cover
FADED = 0.6  # of the colours where the model looked, or an orange dog could not be told from a warm map
UNSEEN_LIGHT = 0.35  # share of the light that is kept where the model did not look; the colours are gone
COSINES = ("feature grid", "windows")  # methods that give cosines, which can be compared between pictures
# Of a map's cover by its picture's verdict: where nothing fits, the best place must not glow as if it did.
STRENGTHS: dict[str | None, float] = {MATCH: 1.0, WEAK: 0.75, NOT_RECOGNISED: 0.5, NO_MATCH: 0.35, None: 1.0}
OVERLAID = 480  # pixels along the longer side of a picture with its map over it
LAYER = 96  # pixels along the longer side of a map that is laid over a picture by a browser

Scale: TypeAlias = tuple[float, float]  # what has the coldest and the hottest colour


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


def compute_heatmaps(pictures: Sequence[PictureInfo], encoder: Encoder, target: np.ndarray) -> list[Heatmap]:
    """Compute a map for each picture, embedded with `keep_views` by the same encoder or a `ValueError` is raised.

    `target` is the unit vector of a caption or a picture, shape (width,).
    """
    for picture in pictures:
        if not picture.views:
            raise ValueError(f"{picture.name} has no views: embed it with keep_views")
    if not pictures:
        return []
    views = [view.image for picture in pictures for view in picture.views]  # together, so that batches are full
    grids, method = encoder.maps(views, target), encoder.map_method
    ends = np.cumsum([len(picture.views) for picture in pictures])
    each = np.split(grids, ends[:-1])
    return [_make_heatmap(picture, some, method) for picture, some in zip(pictures, each, strict=True)]


def find_peak(heatmap: Heatmap) -> tuple[float, float]:
    """Return the middle of the highest cell, or of the box where nothing differs, as shares of the picture's sides."""
    values = np.array(heatmap.values)
    row, column = np.unravel_index(values.argmax(), values.shape)
    down, across = ((row + 0.5) / len(values), (column + 0.5) / len(values[0])) if values.any() else (0.5, 0.5)
    left, top, right, bottom = heatmap.box
    return float(left + across * (right - left)), float(top + down * (bottom - top))


def find_scale(heatmaps: Iterable[Heatmap]) -> Scale | None:
    """Return the least and the most of all maps, which is one scale for them.

    None where there are no maps, and where the method gives no numbers that can be compared between maps: each has its
    own scale then.
    """
    maps = list(heatmaps)
    if not maps or any(one.method not in COSINES for one in maps):
        return None
    return min(one.low for one in maps), max(one.high for one in maps)


def overlay(
    image: Image.Image, heatmap: Heatmap, longest: int = OVERLAID, *, scale: Scale | None = None, strength: float = 1.0
) -> Image.Image:
    """Draw the map in colour over its upright picture; what the model did not see is grey and dark.

    Args:
        image: the picture.
        heatmap: its map.
        longest: pixels along the longer side of the result, unless the picture is smaller.
        scale: what has the coldest and the hottest colour; None for the least and the most of this map.
        strength: of the colours, 0 to 1: one of `STRENGTHS`.
    """
    small = image.convert("RGB")
    small.thumbnail((longest, longest), Image.Resampling.BICUBIC)
    left, top, right, bottom = _round_box(heatmap.box, small.size)
    result = _to_grey(np.asarray(small, np.float32)) * UNSEEN_LIGHT
    part = np.asarray(small.crop((left, top, right, bottom)), np.float32)
    colour, cover = _colour(heatmap, (right - left, bottom - top), scale, strength)
    result[top:bottom, left:right] = (part + (_to_grey(part) - part) * FADED) * (1 - cover) + colour * cover
    return Image.fromarray(result.round().astype(np.uint8))


def draw_layer(heatmap: Heatmap, *, scale: Scale | None = None, strength: float = 1.0) -> Image.Image:
    """Draw the map alone, as `overlay` colours it: RGBA, to be stretched over the heatmap's box of the picture."""
    rows, columns = len(heatmap.values), len(heatmap.values[0])
    width, height = (max(1, round(LAYER * cells / max(rows, columns))) for cells in (columns, rows))
    colour, cover = _colour(heatmap, (width, height), scale, strength)
    return Image.fromarray(np.concatenate([colour, cover * 255], axis=-1).round().astype(np.uint8))


def _colour(
    heatmap: Heatmap, size: tuple[int, int], scale: Scale | None, strength: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the colours, 0 to 255, shape (height, width, 3), and how much they cover, 0 to 1, (height, width, 1)."""
    low, high = scale or (heatmap.low, heatmap.high)
    span, reach = high - low, heatmap.high - heatmap.low
    smooth = np.asarray(_to_image(heatmap.values).resize(size, Image.Resampling.BICUBIC)).clip(0, 1)
    heat = smooth if scale is None else (heatmap.low - low + smooth * reach) / span if span > 0 else smooth * 0
    heat = heat.clip(0, 1)[..., None]
    stops = np.linspace(0, 1, len(RAMP))
    colour = np.concatenate([np.interp(heat, stops, channel) for channel in zip(*RAMP, strict=True)], axis=-1)
    return colour, (CLEAR + (DENSE - CLEAR) * heat) * strength


def _make_heatmap(picture: PictureInfo, grids: np.ndarray, method: str) -> Heatmap:
    if len(grids) == 1:
        part, raw = _cut_padding(picture.views[0].box, grids[0], picture.size)
        box = transfer_box(part, (0, 0, *picture.size))
    else:
        box, raw = (0.0, 0.0, 1.0, 1.0), _join([view.box for view in picture.views], grids, picture.size)
    low, high = float(raw.min()), float(raw.max())
    values: np.ndarray = np.zeros(raw.shape)
    if high - low <= FLAT * max(abs(low), abs(high)):
        high = low
    else:
        values = np.round((raw.astype(np.float64) - low) / (high - low), DIGITS)
    return Heatmap(box, tuple(tuple(row) for row in values.tolist()), low, high, method)


def _cut_padding(box: Box, grid: np.ndarray, size: tuple[int, int]) -> tuple[Box, np.ndarray]:
    """Return the part of a view's box and of its grid that is in the picture."""
    inside = clip_box(box, size)
    rows, columns = grid.shape
    cells = transfer_box(inside, box, (columns, rows))
    if np.allclose(cells, (0, 0, columns, rows), atol=1e-4):
        return inside, grid
    count = (max(1, round(cells[2] - cells[0])), max(1, round(cells[3] - cells[1])))
    return inside, np.asarray(_to_image(grid).resize(count, Image.Resampling.BILINEAR, cells))


def _join(boxes: Sequence[Box], grids: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Join the grids of a picture's tiles into one: each cell is the best of the tiles that hold its middle.

    Cells that no tile holds, in the gaps between the tiles of a very long picture, get the least of the others.
    """
    columns, rows = (max(1, round(CELLS * side / max(size))) for side in size)
    joined = np.full((rows, columns), -np.inf, np.float32)
    for (left, top, right, bottom), grid in zip(boxes, grids, strict=True):
        across, x = _find_cells(left, right, size[0], columns)
        down, y = _find_cells(top, bottom, size[1], rows)
        part = np.ix_(down, across)
        places = np.meshgrid(y * grid.shape[0] - 0.5, x * grid.shape[1] - 0.5, indexing="ij")
        bilinear = scipy.ndimage.map_coordinates(grid, places, order=1, mode="nearest")
        joined[part] = np.maximum(joined[part], bilinear)
    joined[np.isinf(joined)] = joined[np.isfinite(joined)].min()
    return joined


def _find_cells(start: float, stop: float, length: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which of `count` cells along a side have their middle in a tile, at least one, and where in it, 0 to 1."""
    middles = (np.arange(count) + 0.5) * length / count
    held = np.flatnonzero((middles >= start) & (middles <= stop))
    if not len(held):
        held = np.array([min(int((start + stop) / 2 * count / length), count - 1)])
    return held, ((middles[held] - start) / (stop - start)).clip(0, 1)


def _to_image(grid: Any) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(grid, np.float32))


def _round_box(box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Turn a box in shares into whole pixels, at least one each way."""
    left, top = (min(round(box[i] * size[i]), size[i] - 1) for i in (0, 1))
    right, bottom = (max(round(box[i + 2] * size[i]), start + 1) for i, start in enumerate((left, top)))
    return left, top, right, bottom


def _to_grey(pixels: np.ndarray) -> np.ndarray:
    """Return the lightness, by the weights of ITU-R BT.601, for all three channels."""
    lightness = pixels @ np.array((0.299, 0.587, 0.114), np.float32)
    return np.repeat(lightness[..., None], 3, axis=-1)
