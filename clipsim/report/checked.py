"""A check list as text and as rows."""

from __future__ import annotations

from typing import Any

from clipsim.report.export import write_rows
from clipsim.report.numbers import percentile
from clipsim.report.sentences import describe_model
from clipsim.report.text import ACROSS, Block, TextTable
from clipsim.scoring import CheckedPicture, CheckList
from clipsim.scoring.checklist import Place

CHECK_COLUMNS = ("picture", "rank", "statement", "cosine", "percentile", "verdict", "weakest", "x", "y", "model")

NINTHS = (
    ("upper left", "top", "upper right"),
    ("left", "centre", "right"),
    ("lower left", "bottom", "lower right"),
)


def checklist_to_blocks(found: CheckList) -> list[Block]:
    """Return what every picture comes to as a table, and the statements of the best `ACROSS`, a table each."""
    lines = [("model", describe_model(found, len(found.pictures))), ("rule", found.rule)]
    head = ["rank", "verdict", "hold", "mean better than", "as one caption", "picture"]
    rows = [
        [
            str(one.rank),
            one.verdict or "",
            describe_holding(one),
            percentile(one.percentile),
            percentile(one.plain.percentile),
            one.name,
        ]
        for one in found.pictures
    ]
    blocks: list[Block] = ["\n".join(f"{name:9}  {text}" for name, text in lines), TextTable(head, rows, "><<>><")]
    for one in found.pictures[:ACROSS]:
        blocks += [f"{one.name}:", _tabulate(found, one)]
    return blocks


def _tabulate(found: CheckList, picture: CheckedPicture) -> TextTable:
    head = ["verdict", "better than", "weakest words", "where", "statement"]
    rows = [
        [
            one.verdict or "",
            percentile(one.percentile),
            ", ".join(one.weakest),
            describe_place(one.place),
            statement,
        ]
        for statement, one in zip(found.statements, picture.statements, strict=True)
    ]
    return TextTable(head, rows, "<><<<")


def describe_holding(picture: CheckedPicture) -> str:
    """Return how many statements hold, such as "3 of 5"; "" where the model has no cut-offs."""
    return "" if picture.holding is None else f"{picture.holding} of {len(picture.statements)}"


def describe_place(place: Place | None) -> str:
    """Return which ninth of a picture a place lies in, such as "upper left"; "" where there is none."""
    if place is None:
        return ""
    across, down = (min(int(3 * one), 2) for one in place)
    return NINTHS[down][across]


def checklist_to_csv(found: CheckList) -> str:
    """Return CSV with a header, a row for every statement with every picture, and with `CHECK_COLUMNS`."""
    rows: list[dict[str, Any]] = []
    for picture in found.pictures:
        for statement, one in zip(found.statements, picture.statements, strict=True):
            figures = (one.cosine, one.percentile, one.verdict, ", ".join(one.weakest), *(one.place or (None, None)))
            cells = (picture.name, picture.rank, statement, *figures, found.model)
            rows.append(dict(zip(CHECK_COLUMNS, cells, strict=True)))
    return write_rows(CHECK_COLUMNS, rows)
