"""Results as pictures: a labelled grid that matplotlib draws, and the same grid as HTML for notebooks."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

from PIL import Image

from clipsim.errors import ClipsimError, ImageError
from clipsim.images import Decoder, Source, decode_here, encode_jpeg, reduce, to_address
from clipsim.report.sentences import answer, figures, status, titled
from clipsim.report.text import printable
from clipsim.report.writing import fill
from clipsim.scoring import MATCH, NO_MATCH, NOT_RECOGNISED, WEAK, Result, Score

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from clipsim.report.typesetting import Typesetter

MOST_DRAWN = 400  # pictures in a figure: more make files of tens of megabytes that nobody looks through
MOST_IN_HTML = 24  # pictures in a notebook's cell, about 250 kB that stay in the notebook file
ONE_ROW = 5  # so many pictures stand in a single row
# Inches.
ACROSS = 10.0  # what a row of few pictures shares; many pictures make the figure wider
NARROWEST, WIDEST = 1.7, 5.0  # a cell: "cosine" and "better than" still fit, one picture fills no poster
GAP, MARGIN = 0.2, 0.25
THINNEST = 0.03  # a panorama of 1 to 100 stays a visible line
BLANK = 0.6  # height of a blank by its width
# Points; 72 to the inch.
NAME, SMALL, ANSWER, HEADING = 9.0, 8.0, 11.0, 14.0
LINE = 1.25  # from line to line, by the size of the letters
BASE = 0.95  # from the top of a line to the feet of its letters: accents on capitals fit
BADGE = 19.0  # height of a verdict with its frame and the space around it
# Pixels an inch.
ON_SCREEN, IN_FILE = 100.0, 150.0
LONGEST_SIDE = 60_000  # pixels; Agg draws up to 65,535
HTML_SIDE = 240  # pixels along the longer side of a thumbnail, which is shown on 150: sharp on fine screens
NAME_LINES, HEAD_LINES, REASON_LINES = 3, 3, 4
_GONE = "was not kept: give the pictures as files or as a list, not one by one, to draw them"


class Badge(NamedTuple):
    """How a verdict looks: dark, middle and white, so that grey prints and colour-blind eyes tell them apart too."""

    symbol: str
    ink: str
    fill: str
    edge: str


BADGES = {
    MATCH: Badge("✓", "#ffffff", "#005a9c", "#005a9c"),
    WEAK: Badge("≈", "#000000", "#f2b84b", "#f2b84b"),
    NOT_RECOGNISED: Badge("?", "#000000", "#868686", "#868686"),
    NO_MATCH: Badge("✗", "#444444", "#ffffff", "#8a8a8a"),
}


class _Cell(NamedTuple):
    """One picture with the text below it, laid out for the cell's width; lengths in inches."""

    score: Score
    image: Image.Image | None
    reason: list[str]
    name: list[str]
    figures: list[str]
    width: float
    height: float

    @property
    def below(self) -> float:
        """The height of the text."""
        lines = len(self.name) * NAME + len(self.figures) * SMALL
        return (NAME / 3 + lines * LINE + BADGE * (self.score.verdict is not None)) / 72


def draw_grid(
    result: Result,
    pictures: Mapping[str, Source],
    *,
    columns: int | None = None,
    most: int = MOST_DRAWN,
    decode: Decoder = decode_here,
) -> Figure:
    """Draw the pictures in a grid, best first, each above its rank, name, verdict, percentile and cosine.

    The caption (or the reference image's name) is the heading, the answer in words the line below it. Of more than
    `most` pictures the best are drawn, and the heading says so. A picture that cannot be read any more is a blank that
    says why. Pictures are decoded one at a time, by `decode`, and kept no larger than they are drawn.

    `pictures` has for the name of each score a path, bytes or PIL image. A row has so many `columns`, chosen by the
    number of pictures where it is None; fewer than one are a `ClipsimError`. pyplot does not know of the figure; a
    notebook shows it, `savefig` writes it.
    """
    from clipsim.report.typesetting import Typesetter  # loads matplotlib

    if columns is not None and columns < 1:
        raise ClipsimError(f"A grid cannot have {columns} columns: ask for 1 or more.")
    count = min(len(result.scores), most)
    columns = max(1, min(columns or (count if count <= ONE_ROW else ceil(count**0.5)), count))
    width = min(max((ACROSS - GAP * (columns - 1)) / columns, NARROWEST), WIDEST)
    letters = Typesetter()
    cells = _lay_out(result, pictures, count, width, letters, decode)
    rows = [cells[start : start + columns] for start in range(0, count, columns)]
    across = max(columns * (width + GAP) - GAP, WIDEST)
    head = _set_head(result, count, across, letters)
    heights = [(max(cell.height for cell in row), max(cell.below for cell in row)) for row in rows]
    top = MARGIN + sum(len(lines) * style["fontsize"] for lines, style in head) * LINE / 72
    figure = _make_figure(across + 2 * MARGIN, top + sum(high + below + GAP for high, below in heights) + MARGIN)
    _draw_head(figure, head)
    for row, (high, below) in zip(rows, heights, strict=True):
        top += GAP + high
        for place, cell in enumerate(row):
            _draw_cell(figure, cell, MARGIN + place * (width + GAP), top, letters)
        top += below
    return figure


def encode_grid(result: Result, pictures: Mapping[str, Source], form: str, decode: Decoder = decode_here) -> bytes:
    """Draw the grid and return it as a file in the form "png", "pdf" or "svg"."""
    return _encode(draw_grid(result, pictures, decode=decode), form, IN_FILE)


def html_grid(result: Result, pictures: Mapping[str, Source]) -> str:
    """Write the grid as HTML that needs nothing else: thumbnails are in it, and it takes its page's colours.

    Of more than `MOST_IN_HTML` pictures the best are shown, and how many there are more is said.
    """
    cells = list_tiles(result, pictures, MOST_IN_HTML, HTML_SIDE)
    heading, answered, model = write_head(result)
    more = len(result.scores) - len(cells)
    return fill("grid.html.j2", heading=heading, answer=answered, status=model, cells=cells, more=more)


def list_tiles(
    result: Result, pictures: Mapping[str, Source], most: int, side: int, decode: Decoder = decode_here
) -> list[dict[str, Any]]:
    """Return what templates show of each of the `most` best: score, title, badge, thumbnail or why there is none."""
    tiles = []
    for score, title in titled(result)[:most]:
        address, reason = thumbnail(pictures, score.name, side, decode)
        head = {"title": f"{score.rank} · {title}", "name": score.name, "address": address, "reason": reason}
        tiles.append({"score": score, **head, "badge": BADGES.get(score.verdict or ""), "figures": _figures(score)})
    return tiles


def thumbnail(pictures: Mapping[str, Source], name: str, side: int, decode: Decoder = decode_here) -> tuple[str, str]:
    """Return a picture as a data: address, its longer side `side` pixels at most; or "", and why there is none."""
    image, reason = _find_picture(pictures, name, side, decode)
    return "" if image is None else to_address(encode_jpeg(image)), reason


def write_head(result: Result) -> tuple[str, str, str]:
    """Return what was asked, the answer, and a line on model and pictures."""
    heading = (result.caption or "") if result.reference is None else f"Like {result.reference}"
    left_out = f" · {len(result.rejected)} could not be read" if result.rejected else ""
    return printable(heading), printable(answer(result)), status(result) + left_out


def _figures(score: Score) -> list[str]:
    """Return for instance "cosine 0.312" and "better than 99 %"."""
    return figures(replace(score, verdict=None, clipscore=None, share=None)).split(" · ")


def _find_picture(
    pictures: Mapping[str, Source], name: str, side: int, decode: Decoder
) -> tuple[Image.Image | None, str]:
    """Return the picture, `side` pixels along its longer side at most; or None, and why there is none."""
    source = pictures.get(name)
    if source is None:
        return None, _GONE
    try:
        return decode(partial(reduce, side=side, draft=not isinstance(source, Image.Image)), source, name), ""
    except ImageError as error:
        return None, error.reason


def _lay_out(
    result: Result, pictures: Mapping[str, Source], count: int, width: float, letters: Typesetter, decode: Decoder
) -> list[_Cell]:
    cells = []
    for score, title in titled(result)[:count]:
        image, reason = _find_picture(pictures, score.name, round(width * IN_FILE), decode)
        reasons = letters.wrap(f"This picture {reason}", width - GAP, SMALL, REASON_LINES)
        name = letters.wrap(f"{score.rank} · {printable(title)}", width, NAME, NAME_LINES, bold=True)
        line = " · ".join(_figures(score))
        parts = [part for figure in _figures(score) for part in letters.wrap(figure, width, SMALL, NAME_LINES)]
        lines = parts if letters.width(line, SMALL) > width else [line]
        across, down = (1.0, BLANK) if image is None else (size / max(image.size) for size in image.size)
        size = (max(across * width, THINNEST), max(down * width, THINNEST))
        cells.append(_Cell(score, image, reasons, name, lines, *size))
    return cells


def _set_head(result: Result, drawn: int, width: float, letters: Typesetter) -> list[tuple[list[str], dict[str, Any]]]:
    """Return lines and their style; larger above a wider grid, which is looked at from further away."""
    scale = max(1.0, width / ACROSS)
    heading, answered, model = write_head(result)
    if drawn < len(result.scores):
        model += f" · the best {drawn} are drawn"
    head = []
    for text, points, colour in ((heading, HEADING, "black"), (answered, ANSWER, "black"), (model, SMALL, "#555555")):
        size, bold = points * scale, points == HEADING
        lines = letters.wrap(text, width, size, HEAD_LINES, bold=bold)
        head.append((lines, letters.style(lines, size, bold=bold, colour=colour)))
    return head


def _make_figure(width: float, height: float) -> Figure:
    """Make an empty figure, in inches, that a notebook shows even if pyplot, which teaches it to, is not imported."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    class Grid(Figure):
        def _repr_png_(self) -> bytes:
            return _encode(self, "png", ON_SCREEN)

    figure = Grid(figsize=(width, height), dpi=min(ON_SCREEN, LONGEST_SIDE / max(width, height)), facecolor="white")
    figure.set_layout_engine("none")
    FigureCanvasAgg(figure)
    return figure


def _encode(figure: Figure, ending: str, dpi: float) -> bytes:
    data = io.BytesIO()
    dpi = min(dpi, LONGEST_SIDE / max(figure.get_size_inches()))
    figure.savefig(data, format=ending, dpi=dpi, facecolor="white")
    return data.getvalue()


def _draw_head(figure: Figure, head: Sequence[tuple[list[str], dict[str, Any]]]) -> None:
    width, height = figure.get_size_inches()
    top = MARGIN
    for lines, style in head:
        for line in lines:
            figure.text(MARGIN / width, 1 - (top + BASE * style["fontsize"] / 72) / height, line, **style)
            top += LINE * style["fontsize"] / 72


def _draw_cell(figure: Figure, cell: _Cell, left: float, bottom: float, letters: Typesetter) -> None:
    """Draw a picture that ends `bottom` inches below the figure's upper edge, and its text below it."""
    width, height = figure.get_size_inches()
    place = (left / width, 1 - bottom / height, cell.width / width, cell.height / height)
    axes = figure.add_axes(place, facecolor="#f0f0f0", label=cell.score.name)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(color="#c8c8c8", linewidth=0.5, visible=True)
    if cell.image is None:
        style = letters.style(cell.reason, SMALL, colour="#555555")
        style |= {"horizontalalignment": "center", "verticalalignment": "center"}
        axes.text(0.5, 0.5, "\n".join(cell.reason), transform=axes.transAxes, **style)
    else:
        axes.imshow(cell.image, aspect="auto", origin="upper", interpolation="auto")
    below = _write(axes, cell.name, NAME / 3, letters.style(cell.name, NAME, bold=True))
    if cell.score.verdict is not None:
        badge = BADGES[cell.score.verdict]
        text = [f"{badge.symbol} {cell.score.verdict}"]
        frame = {"boxstyle": "round,pad=0.25", "facecolor": badge.fill, "edgecolor": badge.edge, "linewidth": 0.8}
        _write(axes, text, below + 4, letters.style(text, SMALL, bold=True, colour=badge.ink) | {"bbox": frame}, 3)
        below += BADGE
    _write(axes, cell.figures, below, letters.style(cell.figures, SMALL, colour="#333333"))


def _write(axes: Axes, lines: Sequence[str], below: float, style: Mapping[str, Any], right: float = 0) -> float:
    """Write lines so many points below the axes' lower left corner; return how far below it they end."""
    size: float = style["fontsize"]
    for i, line in enumerate(lines):
        place = (right, -below - (i * LINE + BASE) * size)
        axes.annotate(line, (0, 0), xycoords="axes fraction", xytext=place, textcoords="offset points", **style)
    return below + len(lines) * LINE * size
