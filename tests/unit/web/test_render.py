"""Results as fragments of the page: the answer's words and weight go together."""

from dataclasses import replace

import pytest
from support.results import CAPTIONS, NOT_SURE, NOTHING, judged

from clipsim.web import render


@pytest.mark.parametrize(
    ("value", "verdict", "whole", "shown"),
    [
        (99.9, "match", "match", '<b class="cs-answer">1 of 2 pictures matches: a '),
        (97.0, "weak", NOT_SURE, '<b class="cs-answer cs-unsure">Not sure: the closest is a '),
        (40.0, "no match", NOTHING, '<b class="cs-answer cs-nothing">Nothing here matches: the best, a, '),
    ],
)
def test_each_of_the_three_answers_heads_the_page_in_its_own_way(
    value: float, verdict: str, whole: str, shown: str
) -> None:
    assert shown in render.status(judged((value, verdict), (3.0, "no match"), whole=whole))


def test_the_table_of_captions_says_where_the_answer_is_not_sure() -> None:
    assert f"<td>{NOT_SURE}</td>" in render.several(replace(CAPTIONS, answers=("match", NOT_SURE, NOTHING)))
