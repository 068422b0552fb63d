"""The labelled grid: who is drawn where, what stands below, and that no text gets in another's way."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.font_manager import fontManager
from PIL import Image

from clipsim.embedding import Rejected
from clipsim.errors import ClipsimError
from clipsim.images import Source
from clipsim.report import draw_grid, html_grid
from clipsim.report.figure import BADGES, MOST_IN_HTML
from clipsim.report.typesetting import FONTS, Typesetter
from clipsim.scoring import MATCH, NO_MATCH, NOTHING, WEAK, Result, Score

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

SHAPES = ((400, 300), (300, 500), (1600, 300), (9, 9), (200, 900), (3000, 20))
NAMES = (
    "golden-retriever-in-snow.jpg",
    "IMG_20240817_183344_HDR_with_a_name_that_goes_on_and_on_and_never_ends_until_the_very_last_word_of_it_is_said_and_done_end_0001.jpg",
    "W" * 200,
    "雪地里的金毛寻回犬和孩子们一起玩耍的照片.jpg",
    "costs $5 or $6_{x}^ .png",
    "Übergrößenträger naïve café 🐕.jpg",
    "line\nbreak\ud800.jpg",
    "e\u0301te\u0301.jpg",
)


def gallery(count: int, **fields: object) -> tuple[Result, dict[str, Source]]:
    """Return a result of so many pictures of all shapes, whose names are those of `NAMES` first, and the pictures."""
    scores, pictures = [], dict[str, Source]()
    for i in range(count):
        name = NAMES[i] if i < len(NAMES) else f"{i} {NAMES[i % len(NAMES)]}"
        verdict = (MATCH, WEAK, NO_MATCH)[min(i, 2)]
        scores.append(Score(name, i + 1, 0.3 - i / 1000, percentile=99.9 - i / 10, verdict=verdict))
        pictures[name] = Image.new("RGB", SHAPES[i % len(SHAPES)], (i % 256, 99, 200))
    result = Result("a dog in the snow", None, "clip", "cpu", tuple(scores), (), (), 1.2, MATCH)
    return replace(result, **fields), pictures  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def hundred() -> Figure:
    return draw_grid(*gallery(100))


@pytest.fixture(autouse=True)
def nothing_is_warned_of(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def texts(figure: Figure) -> list[list[str]]:
    """Return the lines below each picture, in drawing order."""
    return [[text.get_text() for text in axes.texts] for axes in figure.axes]


def boxes(figure: Figure) -> list[Bbox]:
    """Return where each visible text and picture is, in pixels; verdicts with their frames."""
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    canvas.draw()  # type: ignore[no-untyped-call]
    renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
    found = [axes.get_window_extent(renderer) for axes in figure.axes]
    for text in [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]:
        frame = text.get_bbox_patch()
        found.append((frame or text).get_window_extent(renderer))
    return found


def overlapping(found: list[Bbox]) -> list[tuple[int, int]]:
    """Return the pairs of boxes that share more than a fraction of a pixel."""
    left, bottom, right, top = np.array([box.extents for box in found]).T
    across = np.minimum.outer(right, right) - np.maximum.outer(left, left)
    down = np.minimum.outer(top, top) - np.maximum.outer(bottom, bottom)
    pairs = np.argwhere(np.triu((across > 0.5) & (down > 0.5), 1))
    return [(int(i), int(j)) for i, j in pairs]


def test_a_hundred_pictures_are_drawn_in_order_each_with_its_label(hundred: Figure) -> None:
    names = [score.name for score in gallery(100)[0].scores]
    assert [axes.get_label() for axes in hundred.axes] == names
    assert all(len(axes.images) == 1 for axes in hundred.axes)
    for rank, lines in enumerate(texts(hundred), 1):
        assert lines[0].startswith(f"{rank} · ")
        assert lines[-2:] == [f"cosine {0.3 - (rank - 1) / 1000:.3f}", lines[-1]]
        assert lines[-1].startswith("better than ")


def test_best_comes_first_from_left_to_right_and_downwards(hundred: Figure) -> None:
    lower_left = [(axes.get_position().x0, -axes.get_position().y0) for axes in hundred.axes]
    assert [place[::-1] for place in lower_left] == sorted((y, x) for x, y in lower_left)


def test_in_a_hundred_no_text_overlaps_a_neighbour(hundred: Figure) -> None:
    found = boxes(hundred)
    assert overlapping(found) == []
    width, height = hundred.canvas.get_width_height()
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height for box in found)


@pytest.mark.parametrize(("count", "columns"), [(1, None), (4, None), (8, None), (8, 1), (8, 8)])
def test_no_text_overlaps_a_neighbour(count: int, columns: int | None) -> None:
    figure = draw_grid(*gallery(count, caption="a very long caption " * 50), columns=columns)
    assert overlapping(boxes(figure)) == []


def test_pictures_keep_their_shape() -> None:
    figure = draw_grid(*gallery(5))
    for axes, (width, height) in zip(figure.axes, SHAPES, strict=False):
        box = axes.get_window_extent()
        assert box.width / box.height == pytest.approx(width / height, rel=0.01)


def test_columns_are_as_many_as_asked() -> None:
    result, pictures = gallery(7)
    for columns in (1, 3, 7, 100):
        places = {round(axes.get_position().x0, 6) for axes in draw_grid(result, pictures, columns=columns).axes}
        assert len(places) == min(columns, 7)
    with pytest.raises(ClipsimError, match="0 columns"):
        draw_grid(result, pictures, columns=0)


def test_heading_answer_and_model_stand_above() -> None:
    result, pictures = gallery(1, model="stand-in", rejected=(Rejected("x.jpg", "is empty"),))
    assert [text.get_text() for text in draw_grid(result, pictures).texts] == [
        "a dog in the snow",
        "It matches: golden-retriever-in-snow (fits better than 99.5 %",
        "of unrelated captions).",
        "1 picture · stand-in (not CLIP) · cpu · 1.20 s · 1 could not be read",
    ]


def test_verdicts_differ_in_colour_grey_and_symbol() -> None:
    figure = draw_grid(*gallery(3))
    badges = [text for axes in figure.axes for text in axes.texts if text.get_bbox_patch()]
    assert [text.get_text() for text in badges] == ["✓ match", "≈ weak", "✗ no match"]
    greys: list[int] = []
    for badge in BADGES.values():
        fill, ink = (
            Image.new("RGB", (1, 1), colour).convert("L").getpixel((0, 0)) for colour in (badge.fill, badge.ink)
        )
        assert isinstance(fill, int)
        assert isinstance(ink, int)
        assert abs(fill - ink) > 100  # readable on it
        greys.append(fill)
    assert min(np.diff(sorted(greys))) > 50


def test_without_verdict_or_percentile_the_cosine_alone_stands_below() -> None:
    scores = (Score("a.jpg", 1, 0.5),)
    result, _ = gallery(0, caption=None, reference="ref.jpg", scores=scores, verdict=None)
    figure = draw_grid(result, {"a.jpg": Image.new("RGB", (9, 9))})
    assert texts(figure) == [["1 · a", "cosine 0.500"]]
    assert figure.texts[0].get_text() == "Like ref.jpg"


def test_a_long_name_keeps_its_beginning_and_its_end() -> None:
    lines = texts(draw_grid(*gallery(8)))[1]
    name = "".join(line for line in lines if "match" not in line and "cosine" not in line)
    assert name.startswith("2 · IMG_20240817")
    assert "…" in name
    assert "end_0001" in name


def test_a_letter_without_a_glyph_is_a_box_and_no_warning() -> None:
    letters = Typesetter()
    assert letters.wrap("a\U000f0000b", 2, 9, 1) == ["a□b"]
    assert letters.wrap("cafe\u0301", 2, 9, 1) == ["café"]
    assert FONTS[0] in {font.name for font in fontManager.ttflist}


def test_what_cannot_be_read_is_a_labelled_blank(tmp_path: Path) -> None:
    result, _ = gallery(3)
    broken: dict[str, Source] = {NAMES[0]: tmp_path / "gone.jpg", NAMES[1]: b"not a picture"}
    for given in (broken, {}):
        figure = draw_grid(result, given)
        assert [len(axes.images) for axes in figure.axes] == [0, 0, 0]
        assert [axes.texts[1].get_text()[:3] for axes in figure.axes] == ["1 ·", "2 ·", "3 ·"]
        assert overlapping([box for box in boxes(figure)[3:] if box.width]) == []
    (reason, *_) = draw_grid(result, broken).axes[0].texts
    assert reason.get_text().replace("\n", " ") == "This picture is not a file: check the path"


def test_a_large_photograph_is_kept_no_larger_than_it_is_drawn_and_the_callers_own_is_left_alone(
    tmp_path: Path,
) -> None:
    own = Image.new("RGB", (3000, 2000), "red")
    own.save(tmp_path / "large.jpg")
    result, _ = gallery(2)
    figure = draw_grid(result, {NAMES[0]: own, NAMES[1]: tmp_path / "large.jpg"})
    assert own.size == (3000, 2000)
    sizes = [axes.images[0].get_size() for axes in figure.axes]
    assert sizes[0] == sizes[1]
    assert max(sizes[0]) < 800


def test_of_very_many_the_best_are_drawn_and_it_is_said() -> None:
    figure = draw_grid(*gallery(5), most=3)
    assert [axes.get_label() for axes in figure.axes] == list(NAMES[:3])
    assert figure.texts[-1].get_text().endswith("the best 3 are drawn")


def test_no_pictures_are_a_heading() -> None:
    result, _ = gallery(0)
    figure = draw_grid(result, {})
    assert figure.axes == []
    assert figure.texts[0].get_text() == "a dog in the snow"
    assert "a dog in the snow" in html_grid(result, {})


def test_a_notebook_shows_the_figure_without_pyplot() -> None:
    figure = draw_grid(*gallery(1))
    picture = Image.open(BytesIO(figure._repr_png_()))  # type: ignore[attr-defined]
    assert picture.size == figure.canvas.get_width_height()


def test_threads_draw_at_the_same_time() -> None:
    result, pictures = gallery(4)
    with ThreadPoolExecutor(4) as pool:
        figures = list(pool.map(lambda _: draw_grid(result, pictures), range(4)))
    assert all(texts(figure) == texts(figures[0]) for figure in figures)


def test_html_escapes_what_it_was_given() -> None:
    name, caption = '<script>alert("1")<script>.jpg', "a <b>dog</b> & 'cat'"
    result, _ = gallery(
        0, scores=(Score(name, 1, 0.5, verdict=WEAK, percentile=96.0),), caption=caption, verdict=NOTHING
    )
    page = html_grid(result, {name: Image.new("RGB", (9, 9))})
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "<b>" not in page


def test_html_has_a_thumbnail_and_the_label_of_each_picture() -> None:
    result, pictures = gallery(3)
    page = html_grid(result, pictures)
    assert page.count("<img ") == page.count('src="data:image/jpeg;base64,') == 3
    for part in ("1 · golden-retriever-in-snow", "cosine 0.300", "better than 99.5 %", "✓ match", "✗ no match"):
        assert part in page
    assert "http" not in page
    page.encode()


def test_html_shows_the_best_and_says_how_many_more(tmp_path: Path) -> None:
    result, pictures = gallery(MOST_IN_HTML + 6)
    page = html_grid(result, pictures | {NAMES[0]: tmp_path / "gone.jpg"})
    assert page.count("<figure") == MOST_IN_HTML
    assert page.count("<img ") == MOST_IN_HTML - 1
    assert "is not a file" in page
    assert "and 6 more" in page
    assert " more</div>" not in html_grid(*gallery(MOST_IN_HTML))
