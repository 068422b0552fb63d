"""Maps on the page: what is laid over a picture, and what is said of its colours."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.results import judged

from clipsim import Result
from clipsim.scoring import Heatmap, PictureMaps
from clipsim.web.lightbox import show_legend, show_maps


def heated(low: float, high: float, method: str = "windows") -> Heatmap:
    return Heatmap((0.25, 0.0, 0.75, 1.0), ((0.0, 0.0), (0.0, 1.0)), low, high, method)


def answer(*maps: Heatmap | None) -> Result:
    """A picture that matches and one that does not, a.jpg and b.jpg, of these maps."""
    asked = judged((99.0, "match"), (3.0, "no match"), whole="match")
    scores = tuple(replace(score, heatmap=one) for score, one in zip(asked, maps or (None, None), strict=True))
    return replace(asked, scores=scores, words=("a", "cat", "a"))


def test_a_map_lies_where_the_model_looked_and_its_peak_is_told() -> None:
    shown = show_maps(answer(), "a.jpg", PictureMaps(heated(0.1, 0.3)), "7")
    assert 'data-ticket="7"' in shown
    assert 'style="left:25.00%;top:0.00%;width:50.00%;height:100.00%"' in shown
    assert "highest at the bottom" in shown and shown.count("<img") == 1
    flat = Heatmap((0.0, 0.0, 1.0, 1.0), ((0.0,),), 0.2, 0.2, "windows")
    assert "the same everywhere" in show_maps(answer(), "a.jpg", PictureMaps(flat), "7")


def test_a_map_is_on_the_scale_of_the_request_if_that_has_maps_and_says_so() -> None:
    maps = PictureMaps(heated(0.1, 0.3))
    alone = show_maps(answer(), "a.jpg", maps, "1")
    assert "least 0.10" in alone and "most 0.30" in alone and "This picture’s own scale" in alone
    among = show_maps(answer(heated(0.1, 0.3), heated(-0.2, 0.4)), "a.jpg", maps, "1")
    assert "least -0.20" in among and "most 0.40" in among and "One scale for all pictures" in among


def test_words_share_a_scale_and_those_left_out_are_named() -> None:
    first, second = heated(-0.1, 0.1), heated(0.0, 0.5)
    shown = show_maps(answer(), "a.jpg", PictureMaps(heated(0.1, 0.3), (first, second, first)), "1")
    assert shown.count('data-of="0 2"') == 2 and shown.count('data-of="1"') == 2  # a map and what is said of it
    assert shown.count("least -0.10") == 2 and shown.count("most 0.50") == 2
    shown = show_maps(answer(), "a.jpg", PictureMaps(heated(0.1, 0.3), (first, None, first)), "1")
    assert "“cat” was left out" in shown


def test_the_map_of_a_picture_that_does_not_match_is_dimmed() -> None:
    maps = PictureMaps(heated(0.1, 0.3))
    assert "Dimmed: no match" in show_maps(answer(), "b.jpg", maps, "1")
    assert "Dimmed" not in show_maps(answer(), "a.jpg", maps, "1")


@pytest.mark.parametrize(("method", "name"), [("legrad", "LeGrad"), ("as it is", "as it is")])
def test_numbers_that_cannot_be_compared_are_not_shown(method: str, name: str) -> None:
    ours = answer(heated(3.0, 9.0, method), heated(1.0, 2.0, method))
    for shown in (show_legend(ours), show_maps(ours, "a.jpg", PictureMaps(heated(3.0, 9.0, method)), "1")):
        assert f"{name} gives no numbers" in shown and "9.00" not in shown


def test_the_legend_tells_the_ends_of_the_scale_and_what_is_dimmed() -> None:
    assert show_legend(answer()) == ""
    shown = show_legend(answer(heated(0.1, 0.3), heated(-0.2, 0.2)))
    assert "least -0.20" in shown and "most 0.30" in shown and "do not match are dimmed" in shown
