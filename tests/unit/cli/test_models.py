"""`clipsim models`: what one chooses a model by, in any order."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from support import Command

from clipsim.cli.models import SortBy
from clipsim.encoders import MODELS


def listed(cli: Command, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(cli("models", "--format", "json", *words).out)
    return found


@pytest.mark.parametrize(
    ("by", "field", "rising"),
    [
        ("imagenet", "imagenet", False),
        ("coco", "coco", False),
        ("time", "relative_time", True),
        ("memory", "memory_mb", True),
        ("download", "download_mb", True),
        ("width", "width", False),
        ("tokens", "text_length", False),
        ("name", "name", True),
        ("licence", "licence", True),
    ],
)
def test_the_best_comes_first_and_what_is_not_known_last(cli: Command, by: str, field: str, rising: bool) -> None:
    values = [row[field] for row in listed(cli, "--sort", by)]
    known = [value for value in values if value is not None]
    assert known == sorted(known, reverse=not rising)
    assert values == known + [None] * (len(values) - len(known))
    assert len(values) == len(MODELS)
    assert by in get_args(SortBy)


def test_by_itself_it_is_the_table(cli: Command) -> None:
    assert [row["name"] for row in listed(cli)] == [model.name for model in MODELS]


def test_an_unknown_order_is_answered_with_the_known_ones(cli: Command) -> None:
    done = cli("models", "--sort", "beauty")
    assert done.code == 2
    assert all(name in done.err for name in ("imagenet", "coco", "time"))


def test_the_table_tells_licence_terms_languages_size_and_use(cli: Command) -> None:
    lines = {line.split()[0]: line for line in cli("models").out.splitlines()[1:]}
    for model in MODELS:
        for cell in (model.licence, model.terms, model.languages, model.use, str(model.download_mb or "-")):
            assert cell in lines[model.name]
