"""Results as data for other programs."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pandas
import pytest

from clipsim.export import to_csv, to_json, to_pandas
from clipsim.report import COLUMNS, rows
from clipsim.scoring import Result, Score

SCORES = (
    Score("hiking dog.jpg", 1, 0.31247, 0.781175, 0.9, (), 99.87, "match", 0.75),
    Score("狗 🐕,\n2.png", 2, -0.0449, 0.0, 0.1, ("turned upright", "first frame"), 31.4, "no match"),
)
RESULT = Result("a dog", None, "clip-vit-b-32", "cpu", SCORES, (), (), 1.2, "match")
ALIKE = replace(RESULT, caption=None, reference="r.jpg", verdict=None, scores=(Score("a.jpg", 1, 0.5),))


def test_a_table_has_a_row_for_every_score_and_its_figures_whole() -> None:
    table = to_pandas(RESULT)
    assert tuple(table.columns) == COLUMNS
    assert table.to_dict("records") == rows(RESULT)


def test_figures_that_are_not_defined_are_nan_and_columns_keep_their_types() -> None:
    tables = [to_pandas(result) for result in (RESULT, ALIKE, replace(RESULT, scores=()))]
    assert [len(table) for table in tables] == [2, 1, 0]
    for table in tables:
        assert {str(table[name].dtype) for name in ("cosine", "percentile", "clipscore", "share", "seen")} == {
            "float64"
        }
        assert str(table["rank"].dtype) == "int64"
    assert tables[1][["percentile", "clipscore", "share"]].isna().all(axis=None)
    assert pandas.concat(tables)["cosine"].tolist() == [0.31247, -0.0449, 0.5]


def test_a_table_comes_back_from_its_csv() -> None:
    read = pandas.read_csv(io.StringIO(to_csv(RESULT)), keep_default_na=False)
    pandas.testing.assert_frame_equal(read, to_pandas(RESULT), check_dtype=False)


def test_csv_and_json_hold_the_same_figures() -> None:
    plain = json.loads(to_json(RESULT))
    assert plain == RESULT.to_dict()
    lines = list(csv.DictReader(io.StringIO(to_csv(RESULT), newline="")))
    assert [float(line["cosine"]) for line in lines] == [score["cosine"] for score in plain["scores"]]


@pytest.mark.parametrize("result", [ALIKE, replace(RESULT, scores=())])
def test_a_result_without_verdicts_or_scores_is_exported_too(result: Result) -> None:
    assert len(to_csv(result).splitlines()) == 1 + len(result.scores)
    assert len(json.loads(to_json(result))["scores"]) == len(result.scores)
