"""Results as fragments of the page. The templates escape whatever a visitor sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from clipsim import report
from clipsim.encoders import STAND_IN
from clipsim.scoring import NOT_SURE, NOTHING, Calibration, CaptionTable, Comparison, Result
from clipsim.web.server_collections import SearchResult

MOST_SHOWN = 24  # pictures in what unfolds: more make a page that is slow to lay out
STRONGEST = 36  # percent of the accent colour behind a cell: the text on it stays readable
WHOLE = 0.995  # share of a picture from which nothing worth a line was cut away


@cache
def _environment() -> Environment:
    options: dict[str, Any] = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    environment = Environment(loader=PackageLoader("clipsim.web"), autoescape=True, **options)
    environment.filters |= {"percentile": report.percentile, "whole_percent": report.whole_percent}
    return environment


def fill(template: str, **values: object) -> str:
    """Return a file of `templates/` with the values in it, escaped; "" where nothing is left to show."""
    return _environment().get_template(template).render(values).strip()


def static(name: str) -> Path:
    """Return the path of a script or style sheet of the page."""
    return Path(__file__).parent / "static" / name


def status(result: Result) -> str:
    """Show the answer in words, what was asked, and how the answer was had."""
    asked = f"caption “{result.caption}”" if result.reference is None else f"reference image {result.reference}"
    kind = {NOTHING: "cs-nothing", NOT_SURE: "cs-unsure"}.get(result.verdict or "", "")
    return fill("status.html", answer=report.answer(result), kind=kind, lines=[asked, report.status(result)])


def status_so_far(count: int, total: int) -> str:
    """Say that the order is that of the first pictures only."""
    return fill("status.html", answer=f"The best of the first {count} pictures", kind="", lines=[f"of {total}"])


def stand_in_note(result: Result) -> str:
    """Return the note that the stand-in scored, and why; "" for other models."""
    return result.notes[0] if result.model == STAND_IN.name and result.notes else ""


def scores(result: Result, calibration: Calibration | None) -> str:
    """Show the table of scores, and how far its verdicts can be trusted."""
    rows = [
        {column.title: title if column.name == "name" else column.cell(score) for column in report.SCORE_COLUMNS}
        for score, title in report.titled(result)
    ]
    table = _table(f"Scores by {report.model_title(result)}", rows)
    return fill("scores.html", table=table, trust=report.trust(result, calibration))


def remarks(result: Result) -> str:
    """Show what a reader should know beside the figures; the stand-in's note is left to the banner."""
    note = stand_in_note(result)
    return fill("remarks.html", notes=[remark for remark in report.remarks(result) if remark != note])


def published(result: Result, figures: Mapping[str, float]) -> str:
    """Show the published golden-retriever figures beside the computed ones, if those pictures were scored."""
    if {score.name for score in result.scores} != set(figures):
        return ""
    rows = [
        {"Picture": title, "Published": f"{figures[score.name]:.3f}", "Computed here": f"{score.cosine:.3f}"}
        for score, title in report.titled(result)
    ]
    return fill("published.html", table=_table("Published and computed", rows), reference=result.reference)


def words(result: Result) -> str:
    """Show what each word adds: the caption in colour under each picture, and a table of words by pictures."""
    shown = report.titled(result)[:MOST_SHOWN] if result.words else []
    most = max((abs(added) for score, _ in shown for added in score.words or ()), default=0) or 1
    caption = result.words or ()
    rows = [{"Word": word} for word in (*caption, "(the whole caption)", "(same words, other order)")]
    for score, title in shown:
        order = "" if score.shuffled is None else f"{score.shuffled:.3f}"
        cells = [*(f"{added:+.3f}" for added in score.words or ()), f"{score.cosine:.3f}", order]
        for row, cell in zip(rows, cells, strict=True):
            row[f"{score.rank} · {title}"] = cell
    table = _table("What each word adds to the cosine", rows, head_column="Word")
    return fill(
        "words.html", figures=shown, words=caption, swapped=result.swapped, strength=STRONGEST / most, table=table
    )


def views(result: Result) -> str:
    """Show what went into the model, picture by picture, with all that was done to it."""
    return fill("seen.html", figures=report.titled(result)[:MOST_SHOWN], contrast=result.options.contrast, whole=WHOLE)


def several(table: CaptionTable) -> str:
    """Show captions by pictures as a heat table, with the best of each row and column."""
    titles = dict(zip(table.pictures, report.titles(table.pictures), strict=True))
    return fill("several.html", table=table, titles=titles, strongest=STRONGEST)


def models(comparison: Comparison) -> str:
    """Show two models on the same pictures, by rank and percentile."""
    columns = [column for column in report.SCORE_COLUMNS if column.name in ("rank", "percentile", "verdict")]
    rows = [{"Picture": title} for title in report.titles(comparison.pictures)]
    for result in comparison.results:
        by_name = {score.name: score for score in result.scores}
        for row, name in zip(rows, comparison.pictures, strict=True):
            row |= {f"{result.model}: {column.title}": column.cell(by_name[name]) for column in columns}
    return fill("models.html", table=_table("Two models on the same pictures", rows), agreement=comparison.agreement)


def hits(answer: SearchResult) -> str:
    """Show the table of what was found, each with a link to more like it."""
    columns = [column for column in report.SCORE_COLUMNS if column.name in ("cosine", "percentile", "verdict")]
    rows = [
        {"Rank": str(hit.rank), "Picture": hit.path, **{column.title: column.cell(hit) for column in columns}}
        for hit in answer.hits
    ]
    return fill("hits.html", table=_table(f"Found by {answer.model}", rows), answer=answer, notes=answer.notes)


def _table(caption: str, rows: Sequence[Mapping[str, str]], head_column: str = "Picture") -> dict[str, Any]:
    """Return what `macros.html` shows as a table; columns without an entry are left out."""
    heads = [head for head in (rows[0] if rows else ()) if any(row[head] for row in rows)]
    cells = [[row[head] for head in heads] for row in rows]
    titles = [head[:1].upper() + head[1:] if head.islower() else head for head in heads]
    return {"caption": caption, "heads": titles, "rows": cells, "head_column": head_column}
