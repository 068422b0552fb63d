"""Results as data for other programs."""

from __future__ import annotations

import csv
import io
import itertools
import json

import pytest
from support import paint
from support.results import AWKWARD, CAPTIONS, CLIP, COMPARISON, OTHER, result

from clipsim import Encoder, Score, compare_models, score_captions, score_images
from clipsim.embedding import Rejected
from clipsim.report.export import CAPTION_COLUMNS, COLUMNS, rows, to_csv, to_json, to_json_line, to_pandas


def test_rows_carry_every_figure_whole() -> None:
    assert rows(result(CLIP)) == [
        {
            "rank": 1,
            "name": "hiking-golden-retriever.jpg",
            "cosine": 0.31247,
            "percentile": 99.87,
            "verdict": "match",
            "clipscore": 0.781175,
            "share": 0.9,
            "seen": 0.75,
            "notes": "",
            "model": "clip-vit-b-32",
        },
        {
            "rank": 2,
            "name": "night street.png",
            "cosine": -0.0449,
            "percentile": 31.4,
            "verdict": "no match",
            "clipscore": 0.0,
            "share": 0.1,
            "seen": 1.0,
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
    assert [row[column] for column in ("percentile", "verdict", "clipscore", "share")] == [""] * 4


def test_csv_without_scores_is_its_head() -> None:
    assert to_csv(result()) == ",".join(COLUMNS) + "\n"


@pytest.mark.parametrize("name", AWKWARD)
def test_json_gives_back_the_whole_result(name: str) -> None:
    scores = (Score(name, 1, -0.123456789, None, None, (name,)), CLIP[1])
    given = result(scores, notes=(name,), rejected=(Rejected(name, "is empty"),))
    read = json.loads(to_json(given))
    scores_read = tuple(Score(**{**score, "notes": tuple(score["notes"])}) for score in read["scores"])
    rejected = tuple(Rejected(**entry) for entry in read["rejected"])
    assert read == given.to_dict()
    assert (scores_read, rejected, read["notes"]) == (given.scores, given.rejected, [name])


def test_json_keeps_letters_readable() -> None:
    assert "Hündin 🐕 雪.jpg" in to_json(result((Score("Hündin 🐕 雪.jpg", 1, 0.1, None, None),)))


def test_captions_csv_has_a_row_for_each_caption_with_each_picture() -> None:
    read = list(csv.DictReader(io.StringIO(to_csv(CAPTIONS), newline="")))
    assert tuple(read[0]) == CAPTION_COLUMNS
    assert [(row["caption"], row["picture"]) for row in read] == list(
        itertools.product(CAPTIONS.captions, CAPTIONS.pictures)
    )
    assert [float(row["cosine"]) for row in read] == [0.5, 0.1, 0.0, 0.4, -0.1, -0.2]
    assert [float(row["percentile"]) for row in read] == [99.99, 70.0, 3.0, 99.2, 99.1, 0.2]
    assert {row["model"] for row in read} == {"stand-in (not CLIP)"}


def test_a_match_by_chance_is_called_weak_as_it_is_for_the_caption_alone() -> None:
    read = list(csv.DictReader(io.StringIO(to_csv(CAPTIONS))))
    assert [row["verdict"] for row in read] == ["match", "no match", "no match", "match", "weak", "no match"]


def test_captions_and_one_caption_have_the_same_verdicts(stand_in: Encoder) -> None:
    pictures = [(paint(60 + 20 * seed, 80, seed), f"{seed}.jpg") for seed in range(6)]
    asked = ["a colourful blur", "a dog", "an abstract painting"]
    read = csv.DictReader(io.StringIO(to_csv(score_captions(pictures, asked, stand_in))))
    together = {(row["caption"], row["picture"]): row["verdict"] for row in read}
    alone = {
        (caption, score.name): score.verdict
        for caption in asked
        for score in score_images(pictures, caption, stand_in).scores
    }
    assert together == alone
    assert len(set(alone.values())) > 1


def test_models_csv_is_the_rows_of_each_model_under_one_head() -> None:
    read = list(csv.reader(io.StringIO(to_csv(COMPARISON))))
    assert tuple(read[0]) == COLUMNS
    assert [(row[0], row[1], row[-1]) for row in read[1:]] == [
        ("1", "a.jpg", "stand-in (not CLIP)"),
        ("2", "b.jpg", "stand-in (not CLIP)"),
        ("1", "b.jpg", "clip-vit-b-32"),
        ("2", "a.jpg", "clip-vit-b-32"),
    ]


def test_several_captions_and_models_as_json_are_whole(stand_in: Encoder, clip: Encoder) -> None:
    pictures = [paint(80, 80, 1), paint(80, 80, 2)]
    asked = score_captions(pictures, ["a dog", "a cat"], stand_in)
    assert json.loads(to_json(asked)) == asked.to_dict()
    compared = compare_models(pictures, "a dog", [stand_in, clip])
    assert json.loads(to_json(compared)) == compared.to_dict()


def test_a_line_of_json_is_a_score_without_what_it_has_among_others() -> None:
    line = json.loads(to_json_line(CLIP[1], "clip-vit-b-32"))
    assert line == {
        "name": "night street.png",
        "cosine": -0.0449,
        "percentile": 31.4,
        "verdict": "no match",
        "clipscore": 0.0,
        "seen": 1.0,
        "notes": ["turned upright", "first frame"],
        "model": "clip-vit-b-32",
    }
    assert json.loads(to_json_line(Rejected("雪.jpg", "is empty"), "")) == {"name": "雪.jpg", "rejected": "is empty"}
    assert "雪" in to_json_line(Rejected("雪.jpg", "is empty"), "")


@pytest.mark.parametrize("scores", [CLIP, OTHER, ()])
def test_a_data_frame_has_the_rows_and_its_figures_are_numbers(scores: tuple[Score, ...]) -> None:
    table = to_pandas(result(scores))
    assert tuple(table.columns) == COLUMNS
    assert len(table) == len(scores)
    assert {str(table[name].dtype) for name in ("cosine", "percentile", "clipscore", "share", "seen")} == {"float64"}
    assert str(table["rank"].dtype) == "int64"
    if scores == CLIP:
        assert table.to_dict("records") == rows(result(scores))


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1.jpg", "@x", "\tx"])
def test_what_a_spreadsheet_would_calculate_is_text_in_csv_and_whole_in_json(name: str) -> None:
    told = result((Score(name, 1, -0.25),))
    (row,) = csv.DictReader(io.StringIO(to_csv(told), newline=""))
    assert row["name"] == f"'{name}" and row["cosine"] == "-0.25"
    assert json.loads(to_json(told))["scores"][0]["name"] == name
