"""Reports that stand alone: what is in them, that they load nothing, and that what was given is text in them."""

from __future__ import annotations

import platform
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image
from support import paint
from support.results import AWKWARD, CLIP, NOT_SURE, OTHER, WORDS, judged, result

import clipsim
from clipsim import ClipsimError, Encoder, Options
from clipsim.embedding import Rejected
from clipsim.images import Source
from clipsim.report import BADGES, ENDINGS, SCORE_COLUMNS, name_file, save_result, trust, write_report
from clipsim.scoring import Result, Score, find_calibration


def painted(shown: Result) -> dict[str, Source]:
    return {score.name: paint(30, 20, seed=score.rank) for score in shown}


class Reader(HTMLParser):
    """Collects the tags of a page, with their attributes, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_report_leads_with_the_answer_and_holds_the_rest_in_order() -> None:
    shown = replace(result(CLIP, rejected=(Rejected("x.jpg", "is empty"),), notes=("Not CLIP.",)), verdict="match")
    text = Reader(write_report(shown, painted(shown))).text
    place = 0
    for part in (
        *("a golden retriever", "1 of 2 pictures matches: hiking-golden-retriever"),
        *("1 · hiking-golden-retriever", "✓ match", "better than 99.5 %", "cosine 0.312"),
        *("2 · night street", "✗ no match", "Left out", "x.jpg is empty."),
        *("Notes", "Not CLIP.", "night street.png: turned upright; first frame", "All figures", "Settings"),
    ):
        assert part in text[place:]
        place = text.index(part, place)


def test_the_table_has_every_figure_and_leaves_empty_columns_out() -> None:
    page = write_report(result(CLIP), painted(result(CLIP)))
    heads = re.findall(r"<th scope=\"col\"[^>]*>([^<]*)<", page)
    assert heads == [column.title for column in SCORE_COLUMNS]
    for score in CLIP:
        row = re.search(rf"<tr>(?:(?!</tr>).)*{re.escape(score.name)}.*?</tr>", page)
        assert row and all(column.cell(score).replace(">", "&gt;") in row[0] for column in SCORE_COLUMNS)
    alike = write_report(result(OTHER, reference="dog.jpg"), painted(result(OTHER)))
    assert "<h1>Like dog.jpg</h1>" in alike and "verdict" not in alike and "CLIPScore" not in alike


def test_settings_and_versions_say_how_to_have_the_figures_again() -> None:
    shown = replace(result(CLIP), options=Options("tiles-best", "auto", "photo", "half"))
    text = Reader(write_report(shown, painted(shown))).text
    for part in ("clip-vit-b-32", "tiles-best: ", "auto: ", "photo: “a photo of …”", "half: "):
        assert part in text
    for part in (f"clipsim {clipsim.__version__}", "torch 2.", "transformers 5.", platform.python_version()):
        assert part in text
    assert "Prompt" not in Reader(write_report(result(OTHER, reference="dog.jpg"), painted(result(OTHER)))).text


def test_trust_is_told_only_of_the_cutoffs_that_are_known(stand_in: Encoder) -> None:
    shown, known = judged((99.0, "weak"), (40.0, "no match"), whole=NOT_SURE), find_calibration(stand_in)
    assert trust(shown, known) in Reader(write_report(shown, painted(shown), known)).text
    assert "cut-offs" not in write_report(shown, painted(shown))
    without = judged((99.0, None), whole=None)
    assert "no cut-offs for this model yet: only the percentile" in write_report(without, painted(without))


def test_words_are_tinted_by_what_they_add_and_dashed_where_they_take_away() -> None:
    page = write_report(WORDS, painted(WORDS))
    words = re.findall(r'<span class="word( less)?" style="--p: (\d+)%" title="([^"]*)">([^<]*)<', page)
    assert words[:3] == [
        ("", "6", "+0.010", "a"),
        (" less", "1", "-0.001", r"gol\nden"),
        (" less", "0", "-0.000", "狗"),
    ]
    assert max(int(strength) for _, strength, *_ in words) == 45
    assert 'class="word"' not in write_report(result(CLIP), painted(result(CLIP)))


def test_a_report_loads_nothing_and_may_not() -> None:
    shown = result(CLIP)
    page = write_report(shown, painted(shown))
    reader = Reader(page)
    assert not {"script", "link", "iframe"} & {tag for tag, _ in reader.tags}
    sources = [value or "" for _, given in reader.tags for name, value in given.items() if name in ("src", "href")]
    assert len(sources) == 2 and all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert "default-src 'none'; img-src data:" in page
    assert "url(" not in page and "@import" not in page and "http:" not in page and "https:" not in page
    assert "prefers-color-scheme: dark" in page


def test_what_was_given_is_text_in_a_report() -> None:
    evil = "\"><script>alert(1)</script><b x='"
    scores = tuple(Score(name, i, 0.5, notes=(evil,), words=(0.1,)) for i, name in enumerate([evil, *AWKWARD], 1))
    shown = replace(result(scores, model=evil, notes=(evil, "\ud800"), rejected=(Rejected(evil, evil),)), caption=evil)
    shown = replace(shown, words=(evil,), swapped=evil, device=evil)
    page = write_report(shown, painted(shown))
    page.encode()
    assert page.count("<script") == 0 and "<b x" not in page
    assert not [value for _, given in Reader(page).tags for name, value in given.items() if name == "x"]
    assert Reader(page).text.count(evil) > 8
    assert r"line\nbreak" in page and r"\ud800" in page


def test_a_picture_that_is_gone_is_a_blank_that_says_so(tmp_path: Path) -> None:
    shown = result(CLIP)
    page = write_report(shown, {CLIP[0].name: tmp_path / "gone.jpg"})
    assert "<img" not in page
    assert "This picture is not a file" in page and "This picture was not kept" in page


def test_of_many_pictures_the_best_are_shown_and_all_are_in_the_table() -> None:
    shown = judged(*[(50.0, "no match")] * 5, whole=None)
    page = write_report(shown, painted(shown), most=3)
    assert page.count("<img") == 3 and "and 2 more, whose figures are in the table" in page
    assert page.count('<th scope="row">') == 5
    assert "<table" not in write_report(result(), {})


def test_verdicts_look_as_in_the_grid() -> None:
    shown = judged(*((50.0, verdict) for verdict in BADGES), whole=None)
    page = write_report(shown, painted(shown))
    for verdict, badge in BADGES.items():
        assert f"color: {badge.ink}; background: {badge.fill}" in page and f"{badge.symbol} {verdict}<" in page


@pytest.mark.parametrize(
    ("ending", "start"), [(".html", b"<!doctype"), (".png", b"\x89PNG"), (".PDF", b"%PDF"), (".svg", b"<?xml")]
)
def test_a_result_is_saved_by_the_ending(tmp_path: Path, ending: str, start: bytes) -> None:
    save_result(result(CLIP), {CLIP[0].name: Image.new("RGB", (9, 9))}, tmp_path / f"it{ending}")
    assert (tmp_path / f"it{ending}").read_bytes().startswith(start)
    assert ending.lower() in ENDINGS


def test_what_cannot_be_saved_is_said_in_one_sentence(tmp_path: Path) -> None:
    for name, words in (
        ("grid.bmp", r"\.html, \.png, \.pdf or \.svg"),
        ("grid", "does not end"),
        ("no/grid.png", "cannot be written"),
        ("no/grid.html", "cannot be written"),
    ):
        with pytest.raises(ClipsimError, match=words):
            result(CLIP).save(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("caption", "name"),
    [
        ("a golden retriever", "clipsim-a-golden-retriever"),
        ("A dog, in/the\\snow: “now”?", "clipsim-a-dog-in-the-snow-now"),
        ("雪地里的金毛寻回犬", "clipsim-雪地里的金毛寻回犬"),
        ("हिन्दी", "clipsim-हिन्दी"),
        ("../\x00\ud800 🐕", "clipsim"),
        ("a " * 100, f"clipsim-{'a-' * 25}"[:-1]),
    ],
)
def test_a_file_is_called_by_the_caption(caption: str, name: str, tmp_path: Path) -> None:
    assert name_file(replace(result(), caption=caption)) == name
    (tmp_path / f"{name}.html").touch()


def test_a_file_is_called_by_the_reference_image() -> None:
    assert name_file(result(reference="shots/Dog 1.jpg")) == "clipsim-like-dog-1"
