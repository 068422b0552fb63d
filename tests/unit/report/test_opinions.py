"""Second opinions in every form of a result: only where there are some, and marked where they contradict."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest
from support.results import judged

from clipsim import Result
from clipsim.report import figure_opinion, opinion, read_texts, to_blocks, to_csv, to_pandas, write_report
from clipsim.report.export import COLUMNS

PLAIN = judged((99.0, "match"), (98.0, "match"), (3.0, "no match"), whole="match")


@pytest.fixture
def result() -> Result:
    """The judge was asked of two of three, and contradicts one."""
    first, second, third = PLAIN.scores
    scores = (
        replace(first, second_opinion=0.973, disagrees=False),
        replace(second, second_opinion=0.0021, disagrees=True),
        third,
    )
    return replace(PLAIN, scores=scores, judge="blip-itm")


def test_the_table_has_a_column_and_a_mark(result: Result) -> None:
    head, table = map(str, to_blocks(result))
    assert head.splitlines()[-1] == (
        "opinion    blip-itm was asked for a second opinion on the best 2. It contradicts the verdict on: b."
    )
    title, *lines = table.splitlines()
    assert "second opinion  disagrees  picture" in title
    assert [line.split("%")[1].split()[:2] for line in lines] == [
        ["match", "97"],
        ["match", "<"],
        ["no", "match"],
    ]
    assert [" yes " in line for line in lines] == [False, True, False]


def test_nothing_is_said_of_it_where_nobody_was_asked() -> None:
    assert opinion(PLAIN) == "" == figure_opinion(PLAIN.scores[0])
    assert "opinion" not in "".join(map(str, to_blocks(PLAIN))) + to_csv(PLAIN) + write_report(PLAIN, {})
    assert to_csv(PLAIN).splitlines()[0] == ",".join(COLUMNS)


def test_csv_and_data_frames_have_its_columns_behind_the_others(result: Result) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(result))))
    assert list(rows[0]) == [*COLUMNS[:-2], "second_opinion", "disagrees", *COLUMNS[-2:]]
    assert [row["second_opinion"] for row in rows] == ["0.973", "0.0021", ""]
    assert [row["disagrees"] for row in rows] == ["False", "True", ""]
    frame = to_pandas(result)
    assert frame["second_opinion"].tolist()[:2] == [0.973, 0.0021] and frame["second_opinion"].isna().sum() == 1


def test_the_report_has_it_in_words_beside_the_picture_and_among_the_settings(result: Result, tmp_path: Path) -> None:
    result.save(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "It contradicts the verdict on: b." in text
    assert "second opinion &lt; 1 %, against the verdict" in text
    assert "<dt>Second opinion</dt><dd>blip-itm</dd>" in text


def test_where_nothing_is_contradicted_that_is_said_and_without_verdicts_it_is_not(result: Result) -> None:
    agreed = replace(result, scores=tuple(replace(score, disagrees=False) for score in result))
    assert opinion(agreed).endswith("It contradicts no verdict.")
    bare = replace(result, scores=tuple(replace(score, verdict=None, disagrees=None) for score in result))
    assert opinion(bare) == "blip-itm was asked for a second opinion on the best 2."


@pytest.mark.parametrize("language", read_texts())
def test_every_language_names_judge_number_and_pictures(result: Result, language: str) -> None:
    said = opinion(result, read_texts()[language])
    assert "blip-itm" in said and "2" in said and "b" in said
    assert figure_opinion(result.scores[1], read_texts()[language]).count("< 1 %") == 1
