"""Results as data for other programs: rows, CSV, JSON, lines of JSON and pandas."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clipsim.embedding import Rejected
from clipsim.report.sentences import model_title, percent, percentile, whole_percent
from clipsim.scoring import CaptionTable, Comparison, Result, Score

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Column:
    """One field of a `Score` as a column of every table.

    Attributes:
        name: of the field, and of the column for programs.
        title: of the column for people.
        show: makes text for people of a value that is defined.
        is_text: whether it is text, which stands on the left of its column, and no figure.
    """

    name: str
    title: str
    show: Callable[[Any], str]
    is_text: bool = False

    def value(self, score: Score) -> Any:
        """Return what programs get."""
        return getattr(score, self.name)

    def cell(self, score: Score) -> str:
        """Return what people read; "" where it is not defined."""
        value = self.value(score)
        return "" if value is None else self.show(value)


_decimals = "{:.3f}".format
SCORE_COLUMNS = (
    Column("rank", "rank", str),
    Column("name", "picture", str, is_text=True),
    Column("cosine", "cosine", _decimals),
    Column("percentile", "better than", percentile),
    Column("verdict", "verdict", str, is_text=True),
    Column("clipscore", "CLIPScore", _decimals),
    Column("share", "share", percent),
    Column("seen", "seen", whole_percent),
)
COLUMNS = (*(column.name for column in SCORE_COLUMNS), "notes", "model")
CAPTION_COLUMNS = ("caption", "picture", "cosine", "percentile", "verdict", "model")
_OF_ALL = ("rank", "share")  # which a picture has among others only


def rows(result: Result) -> list[dict[str, Any]]:
    """Return a row for every score, best first, with the keys of `COLUMNS`; figures whole, notes joined by "; "."""
    return [
        {
            **{column.name: column.value(score) for column in SCORE_COLUMNS},
            "notes": "; ".join(score.notes),
            "model": model_title(result),
        }
        for score in result.scores
    ]


def to_json(result: Result | CaptionTable | Comparison) -> str:
    """Return all of it as JSON, field by field."""
    return json.dumps(result.to_dict(), ensure_ascii=False, indent=2, allow_nan=False)


def to_json_line(found: Score | Rejected, model: str) -> str:
    """Return one picture of `score_each` as a line of JSON: the score with its model, or why there is none."""
    line: dict[str, Any]
    if isinstance(found, Rejected):
        line = {"name": found.name, "rejected": found.reason}
    else:
        line = {column.name: column.value(found) for column in SCORE_COLUMNS if column.name not in _OF_ALL}
        line |= {"notes": found.notes, "model": model}
    return json.dumps(line, ensure_ascii=False, allow_nan=False)


def to_csv(result: Result | CaptionTable | Comparison) -> str:
    """Return CSV with a header; a figure that is not defined is an empty field.

    One row for each score with `COLUMNS`, of several models one after the other; of several captions one for each
    caption with each picture, with `CAPTION_COLUMNS`.
    """
    if isinstance(result, CaptionTable):
        return write_rows(CAPTION_COLUMNS, _caption_rows(result))
    results = result.results if isinstance(result, Comparison) else (result,)
    return write_rows(COLUMNS, [row for one in results for row in rows(one)])


def _caption_rows(table: CaptionTable) -> list[dict[str, Any]]:
    return [
        {
            "caption": caption,
            "picture": picture,
            "cosine": table.cosines[i][j],
            "percentile": table.percentiles[i][j],
            "verdict": table.verdicts[i][j] if table.verdicts else None,
            "model": model_title(table),
        }
        for i, caption in enumerate(table.captions)
        for j, picture in enumerate(table.pictures)
    ]


def write_rows(columns: Sequence[str], body: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as CSV with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(body)
    return text.getvalue()


def to_pandas(result: Result) -> DataFrame:
    """Return a row for every score, best first, with the columns `COLUMNS`.

    Figures are float64 in every table, an empty one too; one that is not defined is NaN.
    """
    import pandas

    kinds = {column.name: float for column in SCORE_COLUMNS if not column.is_text}
    return pandas.DataFrame(rows(result), columns=list(COLUMNS)).astype(kinds | {"rank": int})
