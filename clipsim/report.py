"""A `Result` in the forms that people and programs read: labels, rows, bars, CSV, JSON, a text table."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from clipsim.images import SUFFIXES
from clipsim.models import STAND_IN
from clipsim.scoring import Result, Score

COLUMNS = ("rank", "name", "cosine", "clipscore", "share", "notes", "model")


def titles(names: Sequence[str]) -> list[str]:
    """Each picture's name without its file ending, or whole where that would make two alike."""
    short = [PurePath(name).stem if PurePath(name).suffix.lower() in SUFFIXES else name for name in names]
    count = Counter(short)
    return [
        title if count[title] == 1 and title not in names else name for title, name in zip(short, names, strict=True)
    ]


def label(rank: int, title: str, cosine: float) -> str:
    """What stands under a picture: rank, name and cosine, for instance `1 · hiking-golden-retriever · 0.312`."""
    return f"{rank} · {title} · {cosine:.3f}"


def labels(result: Result) -> list[str]:
    """A label for every score, best first."""
    names = titles([score.name for score in result.scores])
    return [label(score.rank, title, score.cosine) for score, title in zip(result.scores, names, strict=True)]


def model_title(result: Result) -> str:
    """The model's name, with the warning that belongs to the stand-in."""
    return f"{result.model} (not CLIP)" if result.model == STAND_IN.name else result.model


def figures(score: Score) -> str:
    """Every figure of one picture in one line, those that are not defined left out."""
    parts = [f"cosine {score.cosine:.3f}"]
    if score.clipscore is not None:
        parts.append(f"CLIPScore {score.clipscore:.3f}")
    if score.share is not None:
        parts.append(f"share {percent(score.share)}")
    return " · ".join(parts)


def status(result: Result) -> str:
    """One line: how many pictures, which model, on which device, in what time."""
    count = len(result.scores)
    return f"{count} picture{'s' * (count != 1)} · {model_title(result)} · {result.device} · {result.seconds:.2f} s"


def remarks(result: Result) -> list[str]:
    """What a reader should know beside the figures: the result's notes, each picture's notes, the rejected files."""
    return [
        *result.notes,
        *(f"{score.name}: {'; '.join(score.notes)}" for score in result.scores if score.notes),
        *(f"{rejected.name} {rejected.reason}." for rejected in result.rejected),
    ]


def rows(result: Result) -> list[dict[str, Any]]:
    """A row for every score, best first, with the keys of `COLUMNS`; figures whole, notes joined by "; "."""
    return [
        {
            "rank": score.rank,
            "name": score.name,
            "cosine": score.cosine,
            "clipscore": score.clipscore,
            "share": score.share,
            "notes": "; ".join(score.notes),
            "model": model_title(result),
        }
        for score in result.scores
    ]


def to_json(result: Result) -> str:
    """The whole `Result` as JSON, field by field."""
    return json.dumps(result.to_dict(), ensure_ascii=False, indent=2, allow_nan=False)


def to_csv(result: Result) -> str:
    """The rows as CSV with a header; a figure that is not defined is an empty field."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(result))
    return text.getvalue()


def to_table(result: Result) -> str:
    """The scores as aligned text for a terminal, under a line that says what was asked and of which model."""
    kind, asked = ("caption", result.caption) if result.reference is None else ("reference", result.reference)
    table = [["rank", "cosine", "CLIPScore", "share", "picture"]]
    for score in result.scores:
        table.append(
            [
                str(score.rank),
                f"{score.cosine:.3f}",
                "" if score.clipscore is None else f"{score.clipscore:.3f}",
                "" if score.share is None else percent(score.share),
                printable(score.name),
            ]
        )
    return "\n".join(
        [f"{kind:9}  {printable(asked or '')}", f"model      {status(result)}", "", aligned(table, ">>>><")]
    )


def aligned(table: Sequence[Sequence[str]], sides: str) -> str:
    """Rows of text under a head, each column to its side ("<" or ">"); empty columns are left out."""
    columns = [(column, side) for column, side in zip(zip(*table, strict=True), sides, strict=True) if any(column[1:])]
    widths = [max(map(len, column)) for column, _ in columns]
    lines = zip(*(column for column, _ in columns), strict=True)
    return "\n".join(
        "  ".join(
            f"{cell:{side}{width}}" for cell, (_, side), width in zip(line, columns, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def printable(text: str) -> str:
    """The text on one line, escaped where a terminal would obey a character instead of showing it."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def percent(share: float) -> str:
    """A share, 0 to 1, as a percentage with one decimal."""
    return f"{share:.1%}".replace("%", " %")
