"""Results as fragments of the page. The templates escape whatever a visitor sent."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from clipsim import report
from clipsim.collections import Hit
from clipsim.embedding import name_sources
from clipsim.encoders import STAND_IN
from clipsim.errors import ImageError
from clipsim.images import Decoder, to_address
from clipsim.options import Options
from clipsim.scoring import (
    NOT_SURE,
    NOTHING,
    Calibration,
    CaptionTable,
    CheckList,
    Comparison,
    Result,
    Score,
)
from clipsim.web.examples import Example
from clipsim.web.kept import Answer
from clipsim.web.language import current
from clipsim.web.server_collections import SearchResult

FIRST_TILES, FIRST_BARS = 12, 20  # shown before the others are unfolded
LARGE, TILE, SMALL = 640, 400, 240  # pixels along the longer side: of the best picture, of the first, of the others
MOST_REJECTED = 3  # named in the headline
MOST_SHOWN = 24  # pictures in what unfolds: more make a page that is slow to lay out
SHOWN_BY_BROWSERS = {".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif", ".bmp"}
STRONGEST = 36  # percent of the accent colour behind a cell: the text on it stays readable
WHOLE = 0.995  # share of a picture from which nothing worth a line was cut away


@cache
def _environment() -> Environment:
    options: dict[str, Any] = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    environment = Environment(loader=PackageLoader("clipsim.web"), autoescape=True, **options)
    environment.filters |= {"percentile": report.percentile, "whole_percent": report.whole_percent, "kind": _kind}
    environment.filters |= {"of_a_hundred": report.of_a_hundred, "breakable": _breakable}
    environment.filters |= {"where": report.describe_place, "opinion": report.figure_opinion}
    environment.globals |= {"badges": report.BADGES}
    return environment


def fill(template: str, **values: object) -> str:
    """Return a file of `templates/` with the values in it, escaped; "" where nothing is left to show.

    Its own texts, `t`, are in the language of the request.
    """
    return _environment().get_template(template).render(t=current(), **values).strip()


def static(name: str) -> Path:
    """Return the path of a script or style sheet of the page."""
    return Path(__file__).parent / "static" / name


def status(result: Result, kept: bool = False, link: str = "") -> str:
    """Show the answer in words, what was left out, what was asked and how; in what time only if it is not `kept`.

    `link` is the query of an address that asks the same.
    """
    say = current()
    by_caption = result.reference is None
    asked = (
        say("status.caption", caption=result.caption) if by_caption else say("status.reference", name=result.reference)
    )
    kind = {NOTHING: "cs-nothing", NOT_SURE: "cs-unsure"}.get(result.verdict or "", "")
    values = {"answer": report.answer(result, say), "kind": kind, "skipped": _skipped(result)}
    how, _, seconds = report.status(result, say).rpartition(" · ")
    lines = [asked, *filter(None, [report.opinion(result, say)]), how]
    return fill("status.html", lines=lines, seconds="" if kept else seconds, link=link, **values)


def link_to(answer: Answer, examples: Sequence[Example]) -> str:
    """Return the query of an address that asks the same: with an example's pictures if they are one's, else without."""
    question = answer.question
    names = [name for _, name in name_sources(list(question.pictures))]
    same = (
        one
        for one in examples
        if [path.name for path in one.pictures] == names and bool(one.reference) == bool(question.reference)
    )
    example = next(same, None)
    usual = Options().to_dict()
    chosen = {name: value for name, value in question.options.to_dict().items() if value != usual[name]}
    asked = {"example": example.title if example else "", "caption": question.caption or ""}
    asked |= {"model": "" if question.model == "auto" and example else question.model}
    asked |= {"opinion": question.second_opinion}
    return urlencode({name: value for name, value in (asked | chosen).items() if value})


def missed(addresses: str) -> str:
    """Say which pictures a visitor's browser could not fetch; `addresses` is JSON, with what each server answered."""
    try:
        pairs = [(str(address), str(why)) for address, why in json.loads(addresses or "[]")]
    except (ValueError, TypeError):
        return ""
    reasons = [f"{address} ({why})" if why else address for address, why in pairs]
    return fill("fault.html", sentence=current()("missed", addresses=", ".join(reasons)) if reasons else "")


def refused(errors: Sequence[ImageError]) -> str:
    """Say which files were not added and why; "" where all were."""
    if not errors:
        return ""
    say, by_reason = current(), defaultdict(list)
    for error in errors:
        by_reason[error.reason.rstrip(".")].append(error.name)
    told = []
    for reason, names in by_reason.items():
        more = [say("status.more", count=len(names) - MOST_REJECTED)] * (len(names) > MOST_REJECTED)
        key = "refused.one" if len(names) == 1 else "refused.each"
        told.append(say(key, names=", ".join([*names[:MOST_REJECTED], *more]), reason=reason))
    return fill("fault.html", sentence=say("refused", reasons="; ".join(told)))


def _skipped(result: Result) -> str:
    """Return how many were scored and why the others were not; "" where all were."""
    scored, rejected = len(result.scores), result.rejected
    if not rejected:
        return ""
    say = current()
    reasons = [say("status.reason", name=one.name, reason=one.reason) for one in rejected[:MOST_REJECTED]]
    more = [say("status.more", count=len(rejected) - MOST_REJECTED)] * (len(rejected) > MOST_REJECTED)
    return say("status.skipped", scored=scored, total=scored + len(rejected), reasons="; ".join([*reasons, *more]))


def status_so_far(count: int, total: int) -> str:
    """Say that the order is that of the first pictures only."""
    values = {
        "answer": current()("status.so_far", count=count),
        "kind": "cs-partial",
        "skipped": "",
        "seconds": "",
        "link": "",
    }
    return fill("status.html", lines=[current()("status.to_come", total=total)], **values)


def grid(result: Result, decode: Decoder, whole: bool = True) -> str:
    """Show the best picture large with what makes its score, then all of them, best first; `whole` or only a start.

    Pictures are opened by `decode`.
    """
    shown = report.titled(result)
    if not whole:
        shown = shown[:FIRST_TILES]
    sides = [TILE if place < FIRST_TILES else SMALL for place in range(len(shown))]
    tiles: list[dict[str, Any]] = [
        {"score": score, "title": title, "address": address, "reason": reason, "file": find_file(result, score)}
        | {"parts": report.describe_parts(result, score, current())}
        for (score, title), side in zip(shown, sides, strict=True)
        for address, reason in [report.thumbnail(result.pictures, score.name, side, decode)]
    ]
    best = next((tile for tile in tiles if tile["score"] is result.best), None) if whole else None
    if best:
        large, _ = report.thumbnail(result.pictures, best["score"].name, LARGE, decode)
        best = best | {"address": large or best["address"]}
    strength = STRONGEST / (_most_added(shown) or 1)
    values = {"best": best, "tiles": tiles, "strength": strength, "by_caption": result.reference is None}
    values["where"] = any(score.heatmap for score in result)
    return fill("grid.html", words=result.words or (), first=FIRST_TILES, **values)


def list_labels(result: Result) -> list[str]:
    """Return for every picture, best first, what stands under it: rank and name, verdict, percentile; else cosine."""
    say = current()
    labels = []
    for score, title in report.titled(result):
        verdict = [] if score.verdict is None else [say(f"verdict.{score.verdict}")]
        better = score.percentile is not None and say(
            "tile.better", percentile=report.of_a_hundred(score.percentile, say)
        )
        labels.append(
            " · ".join([f"{score.rank}", title, *verdict, better or say("tile.cosine", value=f"{score.cosine:.3f}")])
        )
    return labels


def find_file(result: Result, score: Score) -> str:
    """Return the path of a picture that browsers show, for a closer look; "" where there is none."""
    source = result.pictures.get(score.name)
    return str(source) if isinstance(source, Path) and source.suffix.lower() in SHOWN_BY_BROWSERS else ""


def _most_added(shown: Sequence[tuple[Score, str]]) -> float:
    return max((abs(added) for score, _ in shown for added in score.words or ()), default=0)


class Bar(NamedTuple):
    """A picture in the plot of cosines; `figures` are all that is known of it, in words."""

    picture: str
    cosine: float
    figures: str
    verdict: str | None


def list_bars(result: Result) -> list[Bar]:
    """Return a bar for every picture, best first."""
    return [
        Bar(f"{score.rank} · {title}", round(score.cosine, 3), report.figures(score, current()), score.verdict)
        for score, title in report.titled(result)
    ]


def bars(result: Result) -> str:
    """Draw the cosines as horizontal bars from zero, coloured by verdict, best on top."""
    drawn = list_bars(result)
    low, high = find_reach(drawn)
    return fill("bars.html", bars=drawn, low=low, span=high - low, first=FIRST_BARS)


def find_reach(drawn: Sequence[Bar]) -> tuple[float, float]:
    """Return the least and the most that a plot of them has to show, zero among it."""
    cosines = [bar.cosine for bar in drawn]
    return min([0.0, *(cosine * 1.1 for cosine in cosines)]), max([0.05, *(cosine * 1.1 for cosine in cosines)])


def strip(examples: Sequence[Example]) -> str:
    """Show the examples as buttons with a picture."""
    cells = [
        {
            "name": current()(f"example.{example.title}"),
            "address": report.thumbnail({"": example.pictures[0]}, "", SMALL)[0],
        }
        for example in examples
    ]
    return fill("strip.html", examples=cells)


def stand_in_note(result: Result | CheckList) -> str:
    """Return the note that the stand-in scored, and why; "" for other models."""
    return result.notes[0] if result.model == STAND_IN.name and result.notes else ""


def scores(result: Result, calibration: Calibration | None) -> str:
    """Show the table of scores, and how far its verdicts can be trusted."""
    say = current()
    columns = report.score_columns(result.scores)
    rows = [
        {say(f"column.{one.name}"): title if one.name == "name" else _cell(one, score) for one in columns}
        for score, title in report.titled(result)
    ]
    narrow = [say(f"column.{name}") for name in ("name", "percentile", "verdict")]
    table = _table(say("table.title", model=report.model_title(result, say)), rows, narrow=narrow)
    own = say("probability.note") if len(columns) > len(report.SCORE_COLUMNS) else ""
    return fill("scores.html", table=table, trust=report.trust(result, calibration, say), own=own)


def remarks(result: Result) -> str:
    """Show what a reader should know beside the figures; the stand-in's note is left to the banner."""
    note = stand_in_note(result)
    return fill("remarks.html", notes=[remark for remark in report.remarks(result) if remark != note])


def published(result: Result, figures: Mapping[str, float]) -> str:
    """Show the published golden-retriever figures beside the computed ones, if those pictures were scored."""
    if {score.name for score in result.scores} != set(figures):
        return ""
    say = current()
    heads = (say("column.name"), say("published.published"), say("published.computed"))
    rows = [
        dict(zip(heads, (title, f"{figures[score.name]:.3f}", f"{score.cosine:.3f}"), strict=True))
        for score, title in report.titled(result)
    ]
    return fill("published.html", table=_table(say("published.caption"), rows), reference=result.reference)


def words(result: Result) -> str:
    """Show what each word adds: the caption in colour under each picture, and a table of words by pictures."""
    shown = report.titled(result)[:MOST_SHOWN] if result.words else []
    most = _most_added(shown) or 1
    caption = result.words or ()
    say = current()
    head = say("words.word")
    rows = [{head: word} for word in (*caption, say("words.whole"), say("words.shuffled"))]
    for score, title in shown:
        order = "" if score.shuffled is None else f"{score.shuffled:.3f}"
        cells = [*(f"{added:+.3f}" for added in score.words or ()), f"{score.cosine:.3f}", order]
        for row, cell in zip(rows, cells, strict=True):
            row[f"{score.rank} · {title}"] = cell
    table = _table(say("words.table"), rows, head_column=head)
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
    say = current()
    rows = [{say("column.name"): title} for title in report.titles(comparison.pictures)]
    for result in comparison.results:
        by_name = {score.name: score for score in result.scores}
        for row, name in zip(rows, comparison.pictures, strict=True):
            cells = {say(f"column.{column.name}"): _cell(column, by_name[name]) for column in columns}
            row |= {f"{result.model}: {title}": cell for title, cell in cells.items()}
    return fill("models.html", table=_table(say("models.table"), rows), agreement=comparison.agreement)


def hits(answer: SearchResult) -> str:
    """Show what was found as pictures, best first, each with a link to more like it, and as a table that unfolds."""
    say = current()
    columns = [column for column in report.SCORE_COLUMNS if column.name in ("cosine", "percentile", "verdict")]
    rows = [
        {say("column.rank"): str(hit.rank), say("column.name"): hit.path}
        | ({say("page.search.collection"): hit.collection} if hit.collection != answer.collection else {})
        | {say(f"column.{column.name}"): _cell(column, hit) for column in columns}
        for hit in answer.hits
    ]
    titles = report.titles([hit.path for hit in answer.hits])
    tiles = [
        {"hit": hit, "title": title, "address": to_address(hit.thumbnail)}
        for hit, title in zip(answer.hits, titles, strict=True)
    ]
    narrow = [say(f"column.{name}") for name in ("name", "percentile", "verdict")]
    table = _table(say("hits.title", model=answer.model), rows, narrow=narrow)
    return fill("hits.html", tiles=tiles, first=FIRST_TILES, table=table, answer=answer, notes=answer.notes)


def _breakable(name: str) -> Markup:
    """Return a name that may be broken where its words end, as browsers do not break at "_" and "."."""
    return Markup(re.sub(r"([_./])", r"\1<wbr>", str(escape(name))))


def _kind(verdict: str | None) -> str:
    """Return a verdict as the end of a class name."""
    return (verdict or "none").replace(" ", "-")


def _cell(column: report.Column, score: Score | Hit) -> str:
    """Return what stands in a column, a verdict in the language of the request."""
    cell = column.cell(score)
    begins = {"verdict": "verdict", "disagrees": "opinion"}.get(column.name)
    return current()(f"{begins}.{cell}") if begins and cell else cell


def _table(
    caption: str, rows: Sequence[Mapping[str, str]], head_column: str = "", narrow: Sequence[str] = ()
) -> dict[str, Any]:
    """Return what `macros.html` shows as a table; columns without an entry are left out.

    Where there is little room, all but the columns `narrow` have to be unfolded, unless there are none of these.
    """
    head_column = head_column or current()("column.name")
    heads = [head for head in (rows[0] if rows else ()) if any(row[head] for row in rows)]
    cells = [[row[head] for head in heads] for row in rows]
    titles = {head: head[:1].upper() + head[1:] if head.islower() else head for head in heads}
    aside = [titles[head] for head in heads if narrow and head not in narrow]
    found = {"caption": caption, "heads": [*titles.values()], "rows": cells, "aside": aside}
    return found | {"head_column": titles.get(head_column, "")}
