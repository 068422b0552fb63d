"""Results as data for other programs: CSV, JSON and pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipsim.report import COLUMNS, rows, to_csv, to_json
from clipsim.scoring import Result

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["to_csv", "to_json", "to_pandas"]

FIGURES = ("cosine", "percentile", "clipscore", "share", "seen")


def to_pandas(result: Result) -> DataFrame:
    """Make a row for every score, best first, with the columns `clipsim.report.COLUMNS`.

    Figures are float64 in every table, an empty one too; one that is not defined is NaN.
    """
    import pandas

    table = pandas.DataFrame(rows(result), columns=list(COLUMNS))
    return table.astype({"rank": int, **dict.fromkeys(FIGURES, float)})
