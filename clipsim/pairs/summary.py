"""All rows of a list in a few figures."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from scipy.special import ndtri

from clipsim.evaluation import Estimate, normalize_text
from clipsim.pairs.pair import make_key
from clipsim.pairs.results import BINS, LISTED, WORST, Duplicates, PairScore, PairSummary

_FIGURES = ("cosine", "clipscore", "refclipscore", "percentile")
_TABLE = """
CREATE TABLE pictures (picture TEXT PRIMARY KEY, count INTEGER, {sums}) WITHOUT ROWID;
CREATE TABLE pairs (picture TEXT, caption BLOB, PRIMARY KEY (picture, caption)) WITHOUT ROWID;
"""


@dataclass
class _Counts:
    rows: int = 0
    scored: int = 0
    ranked: int = 0
    first: int = 0
    better: int = 0
    unread: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    histogram: list[int] = field(default_factory=lambda: [0] * BINS)
    worst: list[PairScore] = field(default_factory=list)
    bad: list[PairScore] = field(default_factory=list)

    def add(self, score: PairScore) -> None:
        self.rows += 1
        if score.rejected:
            self.bad += [score] if len(self.bad) < LISTED else []
            return
        percentile = score.percentile or 0.0
        self.scored += 1
        self.ranked += score.rank is not None
        self.first += score.rank == 1
        self.better += bool(score.better_caption)
        self.unread += bool(score.unread)
        self.verdicts.update([score.verdict] if score.verdict else [])
        self.histogram[min(int(percentile * BINS / 100), BINS - 1)] += 1
        self.worst.append(score)
        if len(self.worst) > 50 * WORST:
            self.worst = find_worst(self.worst)


def find_worst(scores: Iterable[PairScore], count: int = WORST) -> list[PairScore]:
    """Return the rows with the lowest percentiles, the lowest first; equal ones by cosine, then as they stand."""
    return sorted(scores, key=lambda one: (one.percentile or 0.0, one.cosine or 0.0, one.row))[:count]


def summarize(
    scores: Iterable[PairScore], model: str, notes: Iterable[str] = (), kept: int | None = None
) -> PairSummary:
    """Summarise the rows of a list, of which a few are held at once; what is counted by picture lies on the disk."""
    counts = _Counts()
    sums = ", ".join(f"{name}_sum REAL, {name}_count INTEGER" for name in _FIGURES)
    table = sqlite3.connect("", isolation_level=None)  # a temporary file, which SQLite removes
    try:
        table.executescript(f"PRAGMA synchronous=OFF; PRAGMA journal_mode=OFF; {_TABLE.format(sums=sums)} BEGIN;")
        for score in scores:
            counts.add(score)
            if not score.rejected:
                _add(table, score)
        return _make(counts, table, model, tuple(notes), kept)
    finally:
        table.close()


def _add(table: sqlite3.Connection, score: PairScore) -> None:
    values = [getattr(score, name) for name in _FIGURES]
    cells = [cell for value in values for cell in (value or 0.0, int(value is not None))]
    names = [f"{name}_{what}" for name in _FIGURES for what in ("sum", "count")]
    table.execute(
        f"INSERT INTO pictures VALUES (?, 1{', ?' * len(cells)}) ON CONFLICT DO UPDATE SET count = count + 1, "
        + ", ".join(f"{name} = {name} + excluded.{name}" for name in names),
        (score.picture, *cells),
    )
    table.execute("INSERT OR IGNORE INTO pairs VALUES (?, ?)", (score.picture, make_key(normalize_text(score.caption))))


def _make(
    counts: _Counts, table: sqlite3.Connection, model: str, notes: tuple[str, ...], kept: int | None
) -> PairSummary:
    def count(query: str) -> int:
        return int(table.execute(query).fetchone()[0])

    different = count("SELECT COUNT(*) FROM pairs")
    several = "SELECT COUNT(*) FROM (SELECT 1 FROM pairs GROUP BY {} HAVING COUNT(*) > 1)"
    scored = counts.scored
    return PairSummary(
        rows=counts.rows,
        scored=scored,
        kept=kept,
        pictures=count("SELECT COUNT(*) FROM pictures"),
        cosine=_estimate(table, "cosine"),
        clipscore=_estimate(table, "clipscore"),
        refclipscore=_estimate(table, "refclipscore"),
        percentile=_estimate(table, "percentile"),
        verdicts=dict(counts.verdicts),
        matches=counts.verdicts["match"] / scored if counts.verdicts else None,
        first=counts.first / counts.ranked if counts.ranked else None,
        better=counts.better,
        unread=counts.unread,
        histogram=tuple(counts.histogram),
        duplicates=Duplicates(scored - different, count(several.format("picture")), count(several.format("caption"))),
        worst=tuple(find_worst(counts.worst)),
        bad=tuple(counts.bad),
        model=model,
        notes=notes,
    )


def _estimate(table: sqlite3.Connection, name: str) -> Estimate | None:
    """Return a mean and its normal interval at 95 %, with an error that is robust to clusters: rows of one picture.

    With one row a picture it is the usual standard error (Liang and Zeger 1986, Biometrika 73, 13-22; the factor
    G / (G - 1) for G pictures).
    """
    total, rows, groups = table.execute(
        f"SELECT SUM({name}_sum), SUM({name}_count), SUM({name}_count > 0) FROM pictures"
    ).fetchone()
    if not rows:
        return None
    mean = total / rows
    deviations = table.execute(
        f"SELECT SUM(({name}_sum - ? * {name}_count) * ({name}_sum - ? * {name}_count)) FROM pictures", (mean, mean)
    ).fetchone()[0]
    error = (deviations * groups / (groups - 1)) ** 0.5 / rows if groups > 1 else float("nan")
    reach = float(ndtri(0.975)) * error
    return Estimate(mean, mean - reach, mean + reach) if groups > 1 else Estimate(mean, mean, mean)
