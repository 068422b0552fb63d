"""Results as data for other programs: rows, CSV, JSON, lines of JSON and pandas."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from clipsim.embedding import Rejected
from clipsim.report.numbers import percent, percentile, small_percent, whole_percent
from clipsim.report.sentences import model_title
from clipsim.scoring import CaptionTable, Comparison, Record, Result, Score

if TYPE_CHECKING:  # so that a score needs nothing of collections
    from pandas import DataFrame

    from clipsim.collections import Hit


class Column(NamedTuple):
    """A field of a `Score` as a column of every table: its name, a title for people, what makes text of it."""

    name: str
    title: str
    show: Callable[[Any], str]
    is_text: bool = False  # and no figure: it stands on the left of its column

    def cell(self, found: Score | Hit) -> str:
        """Return what people read; "" where it is not defined."""
        value = getattr(found, self.name)
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
# Only where there are second opinions.
OPINION_COLUMNS = (
    Column("second_opinion", "second opinion", whole_percent),
    Column("disagrees", "disagrees", lambda differs: "yes" if differs else "", is_text=True),
)
PROBABILITY = Column("probability", "probability", small_percent)  # of a SigLIP
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # how they begin
COLUMNS = (*(column.name for column in SCORE_COLUMNS), "notes", "model")
CAPTION_COLUMNS = ("caption", "picture", "cosine", "percentile", "verdict", "model")


def score_columns(scores: Iterable[Score]) -> tuple[Column, ...]:
    """Return the columns of these scores: `SCORE_COLUMNS`, and those that only some results have, where these do."""
    own = any(score.probability is not None for score in scores)
    asked = any(score.second_opinion is not None for score in scores)
    return (*SCORE_COLUMNS, *((PROBABILITY,) if own else ()), *(OPINION_COLUMNS if asked else ()))


def _name_columns(scores: Iterable[Score]) -> list[str]:
    extra = [column.name for column in score_columns(scores) if column.name not in COLUMNS]
    return [*COLUMNS[:-2], *extra, *COLUMNS[-2:]]


def rows(result: Result) -> list[dict[str, Any]]:
    """Return a row for every score, best first, with the keys of `COLUMNS`; figures whole, notes joined by "; ".

    Of a SigLIP there is "probability" too, and where there are second opinions "second_opinion" and "disagrees".
    """
    more = {"model": model_title(result)}
    columns = score_columns(result.scores)
    return [_pick(score, columns) | {"notes": "; ".join(score.notes)} | more for score in result.scores]


def _pick(score: Score, columns: Sequence[Column]) -> dict[str, Any]:
    return {column.name: getattr(score, column.name) for column in columns}


def to_json(result: Record) -> str:
    """Return all of it as JSON, field by field."""
    return json.dumps(result.to_dict(), ensure_ascii=False, indent=2, allow_nan=False)


def to_json_line(found: Score | Rejected, model: str) -> str:
    """Return one picture of `score_each` as a line of JSON: the score with its model, or why there is none."""
    if isinstance(found, Rejected):
        line: dict[str, Any] = {"name": found.name, "rejected": found.reason}
    else:
        line = _pick(found, score_columns([found])) | {"notes": found.notes, "model": model}
        if found.parts:
            line["parts"] = [asdict(part) for part in found.parts]
        del line["rank"], line["share"]  # which a picture has among others only
    return json.dumps(line, ensure_ascii=False, allow_nan=False)


def to_csv(result: Result | CaptionTable | Comparison) -> str:
    """Return CSV with a header; a figure that is not defined is an empty field.

    One row for each score with `COLUMNS`, of several models one after the other; of several captions one for each
    caption with each picture, with `CAPTION_COLUMNS`.
    """
    if isinstance(result, CaptionTable):
        unknown = [[None] * len(result.pictures)] * len(result.captions)
        tables = (result.cosines, result.percentiles, result.verdicts or unknown)
        cells = [
            (caption, *cell, model_title(result))
            for caption, *figures in zip(result.captions, *tables, strict=True)
            for cell in zip(result.pictures, *figures, strict=True)
        ]
        return write_rows(CAPTION_COLUMNS, [dict(zip(CAPTION_COLUMNS, cell, strict=True)) for cell in cells])
    if isinstance(result, Comparison):  # of what one of the models alone has there is no column
        return write_rows(
            COLUMNS, [{name: row[name] for name in COLUMNS} for one in result.results for row in rows(one)]
        )
    return write_rows(_name_columns(result.scores), rows(result))


def write_rows(columns: Sequence[str], body: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as CSV with a header; text that a spreadsheet would take for a formula begins with an apostrophe."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _defuse(value) for name, value in row.items()} for row in body)
    return text.getvalue()


def _defuse(value: Any) -> Any:
    """Return text so that a spreadsheet shows it and does not calculate it (OWASP, "CSV Injection")."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULAS) else value


def to_pandas(result: Result) -> DataFrame:
    """Return a row for every score, best first, with the columns `COLUMNS`.

    Figures are float64 in every table, an empty one too; one that is not defined is NaN.
    """
    import pandas

    kinds = {column.name: float for column in score_columns(result.scores) if not column.is_text}
    return pandas.DataFrame(rows(result), columns=_name_columns(result.scores)).astype(kinds | {"rank": int})
