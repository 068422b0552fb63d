"""A result in the forms that people and programs read."""

from __future__ import annotations

import csv
import io
import itertools
import json

import pytest

from clipsim import Result, Score
from clipsim.report import (
    COLUMNS,
    aligned,
    figures,
    label,
    labels,
    model_title,
    remarks,
    rows,
    status,
    titles,
    to_csv,
    to_json,
    to_table,
)
from clipsim.scoring import Rejected

AWKWARD = ['comma, "quote"', "line\nbreak", "tab\tand\r\nreturn", "Hündin 🐕 雪.jpg", "'=1+1", "semi;colon", " edge "]


def result(
    scores: tuple[Score, ...] = (),
    model: str = "clip-vit-b-32",
    reference: str | None = None,
    notes: tuple[str, ...] = (),
    rejected: tuple[Rejected, ...] = (),
) -> Result:
    caption = None if reference else "a golden retriever"
    return Result(caption, reference, model, "cpu", scores, rejected, notes, 1.234)


CLIP = (
    Score("hiking-golden-retriever.jpg", 1, 0.31247, 0.781175, 0.9, ()),
    Score("night street.png", 2, -0.0449, 0.0, 0.1, ("turned upright", "first frame")),
)
OTHER = (Score("a.jpg", 1, 0.5, None, 0.75), Score("b.jpg", 2, -0.25, None, 0.25))
ALONE = (Score("a.jpg", 1, 0.5, None, None),)


def test_a_label_is_rank_name_and_cosine() -> None:
    assert label(1, "hiking-golden-retriever", 0.31247) == "1 · hiking-golden-retriever · 0.312"
    assert labels(result(CLIP)) == ["1 · hiking-golden-retriever · 0.312", "2 · night street · -0.045"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["dog.jpg", "cat.png"], ["dog", "cat"]),
        (["dog.jpg", "dog.png"], ["dog.jpg", "dog.png"]),
        (["dog.jpg", "dog"], ["dog.jpg", "dog"]),
        (["dog.tar.jpg", "dog.tar"], ["dog.tar.jpg", "dog.tar"]),
        (["image 1", "dog.JPEG"], ["image 1", "dog"]),
        (["St. Bernard", "take 1.5"], ["St. Bernard", "take 1.5"]),
        ([".jpg", ""], [".jpg", ""]),
    ],
)
def test_a_title_is_the_name_without_its_file_ending(names: list[str], expected: list[str]) -> None:
    assert titles(names) == expected


def test_titles_of_different_names_are_different() -> None:
    pool = ["a", "a.jpg", "a.png", "a.b", "a.b.jpg", "b/a.jpg", "b/a", "a (2).jpg", ".jpg", "jpg"]
    for names in itertools.permutations(pool, 3):
        assert len(set(titles(names))) == 3, names


def test_rows_carry_every_figure_whole() -> None:
    assert rows(result(CLIP)) == [
        {
            "rank": 1,
            "name": "hiking-golden-retriever.jpg",
            "cosine": 0.31247,
            "clipscore": 0.781175,
            "share": 0.9,
            "notes": "",
            "model": "clip-vit-b-32",
        },
        {
            "rank": 2,
            "name": "night street.png",
            "cosine": -0.0449,
            "clipscore": 0.0,
            "share": 0.1,
            "notes": "turned upright; first frame",
            "model": "clip-vit-b-32",
        },
    ]


@pytest.mark.parametrize("name", AWKWARD)
def test_csv_gives_back_what_went_in(name: str) -> None:
    score = Score(name, 1, -0.123456789, None, None, (name, "second"))
    (row,) = csv.DictReader(io.StringIO(to_csv(result((score,))), newline=""))
    assert tuple(row) == COLUMNS
    assert row["name"] == name
    assert row["notes"] == f"{name}; second"
    assert float(row["cosine"]) == -0.123456789
    assert (row["clipscore"], row["share"]) == ("", "")


def test_csv_without_scores_is_its_head() -> None:
    assert to_csv(result()) == ",".join(COLUMNS) + "\n"


@pytest.mark.parametrize("name", AWKWARD)
def test_json_gives_back_the_whole_result(name: str) -> None:
    scores = (Score(name, 1, -0.123456789, None, None, (name,)), CLIP[1])
    given = result(scores, notes=(name,), rejected=(Rejected(name, "is empty"),))
    read = json.loads(to_json(given))
    assert list(read) == list(Result.__dataclass_fields__)
    scores_read = tuple(Score(**{**score, "notes": tuple(score["notes"])}) for score in read.pop("scores"))
    rejected = tuple(Rejected(**entry) for entry in read.pop("rejected"))
    notes = tuple(read.pop("notes"))
    assert Result(**read, scores=scores_read, rejected=rejected, notes=notes) == given


def test_json_keeps_letters_readable() -> None:
    assert "Hündin 🐕 雪.jpg" in to_json(result((Score("Hündin 🐕 雪.jpg", 1, 0.1, None, None),)))


def test_the_stand_in_is_called_not_clip_in_every_table() -> None:
    by_stand_in = result(OTHER, model="stand-in")
    assert "not CLIP" in model_title(by_stand_in)
    assert "not CLIP" in to_table(by_stand_in)
    assert "not CLIP" in status(by_stand_in)
    assert all("not CLIP" in row["model"] for row in rows(by_stand_in))
    assert to_csv(by_stand_in).count("not CLIP") == 2
    assert json.loads(to_json(by_stand_in))["model"] == "stand-in"


def test_clip_is_not_called_not_clip() -> None:
    assert "not CLIP" not in to_table(result(CLIP)) + to_csv(result(CLIP))


def test_figures_name_every_figure_that_is_defined() -> None:
    assert figures(CLIP[0]) == "cosine 0.312 · CLIPScore 0.781 · share 90.0 %"
    assert figures(OTHER[1]) == "cosine -0.250 · share 25.0 %"
    assert figures(ALONE[0]) == "cosine 0.500"


def test_the_status_says_model_device_and_time() -> None:
    assert status(result(CLIP)) == "2 pictures · clip-vit-b-32 · cpu · 1.23 s"
    assert status(result(ALONE)).startswith("1 picture · ")
    assert status(result()).startswith("0 pictures · ")


def test_the_text_table_is_aligned_and_says_what_was_asked() -> None:
    lines = to_table(result(CLIP)).splitlines()
    assert "a golden retriever" in lines[0]
    assert "clip-vit-b-32" in lines[1]
    assert lines[-3:] == [
        "rank  cosine  CLIPScore   share  picture",
        "   1   0.312      0.781  90.0 %  hiking-golden-retriever.jpg",
        "   2  -0.045      0.000  10.0 %  night street.png",
    ]


def test_a_column_without_values_is_left_out_of_the_text_table() -> None:
    assert to_table(result(OTHER)).splitlines()[-3] == "rank  cosine   share  picture"
    assert to_table(result(ALONE)).splitlines()[-2] == "rank  cosine  picture"


def test_the_text_table_names_the_reference() -> None:
    table = to_table(result(OTHER, reference="dog.jpg"))
    assert "dog.jpg" in table.splitlines()[0]
    assert "caption" not in table


def test_every_picture_is_one_line_of_the_text_table() -> None:
    table = to_table(result((Score("line\nbreak.jpg", 1, 0.5, None, None),)))
    assert len(table.splitlines()) == len(to_table(result(ALONE)).splitlines())


def test_columns_are_aligned_to_their_sides() -> None:
    assert aligned([["a", "b", "c"], ["xx", "", "1"], ["x", "", "22"]], "<<>") == "a    c\nxx   1\nx   22"


def test_remarks_are_the_notes_of_the_result_its_pictures_and_its_rejects() -> None:
    given = result(CLIP, notes=("Not CLIP.",), rejected=(Rejected("x.jpg", "is empty (0 bytes): send it again"),))
    assert remarks(given) == [
        "Not CLIP.",
        "night street.png: turned upright; first frame",
        "x.jpg is empty (0 bytes): send it again.",
    ]
    assert remarks(result(OTHER)) == []
