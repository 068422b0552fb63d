"""A `Result` as fragments of the page. Whatever a visitor sent is escaped here."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from urllib.parse import urlencode

from clipsim import report
from clipsim.encoders.registry import STAND_IN
from clipsim.scoring import MATCH, NOTHING, Calibration, CaptionTable, Comparison, Result, Score
from clipsim.web.server_collections import Found

MOST_SHOWN = 24  # pictures in what unfolds: more make a page that is slow to lay out
STRONGEST = 36  # percent of the accent colour behind a cell: the text on it stays readable


def status(result: Result) -> str:
    """What was asked and the answer in words, then how it was had."""
    compared = f"caption “{result.caption}”" if result.reference is None else f"reference image {result.reference}"
    tone = " cs-nothing" if result.verdict == NOTHING else ""
    return (
        f'<p class="cs-status"><b class="cs-answer{tone}">{escape(report.answer(result))}</b>'
        f"<span>{escape(compared)}</span><span>{escape(report.status(result))}</span></p>"
    )


def so_far(count: int, total: int) -> str:
    """That the order is that of the first pictures only."""
    told = f'<b class="cs-answer">The best of the first {count} pictures</b><span>of {total}</span>'
    return f'<p class="cs-status">{told}</p>'


def standin_note(result: Result) -> str:
    """The note that the stand-in scored, and why; "" for other models."""
    return result.notes[0] if result.model == STAND_IN.name and result.notes else ""


def banner(note: str) -> str:
    """A note above everything else."""
    return f'<p class="cs-banner" role="note">{escape(note)}</p>' if note else ""


def scores(result: Result, known: Calibration | None) -> str:
    """The table of scores, and how far its verdicts can be trusted."""
    heads = [f"{column.title[0].upper()}{column.title[1:]}" for column in report.SCORE_COLUMNS]
    body = [
        [title if column.name == "name" else column.cell(score) for column in report.SCORE_COLUMNS]
        for score, title in _titled(result)
    ]
    trust = "" if result.reference is not None else f'<p class="cs-fine">{escape(report.trust(result, known))}</p>'
    return _scrolled(table(f"Scores by {report.model_title(result)}", heads, body)) + trust


def found(answer: Found) -> str:
    """What was searched for, among how many, and a link to the same search."""
    asked = f"caption “{answer.caption}”" if answer.caption else f"more like {answer.like}"
    best = f"The best {len(answer.hits)} of {answer.pictures} pictures" if answer.hits else "Nothing fits these choices"
    query: dict[str, str | None] = {"caption": answer.caption} if answer.caption else {"like": answer.like}
    return (
        f'<p class="cs-status"><b class="cs-answer">{escape(best)}</b><span>{escape(asked)}</span>'
        f"<span>{escape(answer.model)} · {_link('link to this search', answer.collection, query)}</span></p>"
    )


def hits(answer: Found) -> str:
    """The table of what was found, each with a link to more like it."""
    heads = ["Rank", "Picture", "Cosine", "Better than", "Verdict"]
    body = [
        [
            str(hit.rank),
            hit.path,
            f"{hit.cosine:.3f}",
            "" if hit.percentile is None else report.percentile(hit.percentile),
            hit.verdict or "",
        ]
        for hit in answer.hits
    ]
    if not body:
        return ""
    links = "".join(f"<li>{_link(hit.path, answer.collection, {'like': hit.path})}</li>" for hit in answer.hits)
    alike = f'<details class="cs-fine"><summary>More like one of them</summary><ul>{links}</ul></details>'
    return _scrolled(table(f"Found by {answer.model}", heads, body)) + alike


def _link(text: str, collection: str, query: dict[str, str | None]) -> str:
    return f'<a href="?{escape(urlencode({"collection": collection, **query}))}">{escape(text)}</a>'


def remarks(result: Result) -> str:
    """What a reader should know beside the figures; "" if there is nothing."""
    notes = [remark for remark in report.remarks(result) if remark != standin_note(result)]  # that one is the banner
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<section class="cs-remarks"><h2>Notes</h2><ul>{items}</ul></section>' if items else ""


def published(result: Result, figures: dict[str, float]) -> str:
    """The published golden-retriever figures beside the computed ones, if it is those pictures that were scored."""
    if not figures or {score.name for score in result.scores} != set(figures):
        return ""
    body = [[title, f"{figures[score.name]:.3f}", f"{score.cosine:.3f}"] for score, title in _titled(result)]
    compared = table("Published and computed", ["Picture", "Published", "Computed here"], body)
    way = "the caption with each image" if result.reference is None else "the reference image with each image"
    return (
        f'<section class="cs-published"><h2>Beside the published figures</h2>{compared}<p>The published figures are '
        "image-image cosines: their author's notebook first generates an image from the caption and compares that with "
        f"four photographs. The computed ones compare {way}, and the images are this project's own paintings. So the "
        "numbers differ; what carries over is that the retriever comes first.</p></section>"
    )


def words(result: Result) -> str:
    """What each word adds: the caption in colour under each picture, and a table of words by pictures."""
    if not result.words or not result.scores:
        return '<p class="cs-fine">There is no caption to take apart.</p>'
    shown = _titled(result)[:MOST_SHOWN]
    most = max((abs(added) for score, _ in shown for added in score.words or ()), default=0) or 1
    captions = "".join(
        f"<figure>{_thumbnail(score, title)}<figcaption>{_coloured(result.words, score, most)}</figcaption></figure>"
        for score, title in shown
    )
    heads = ["Word", *(f"{score.rank} · {title}" for score, title in shown)]
    body = [
        [word, *(f"{score.words[i]:+.3f}" if score.words else "" for score, _ in shown)]
        for i, word in enumerate(result.words)
    ]
    order = ["(same words, other order)", *("" if s.shuffled is None else f"{s.shuffled:.3f}" for s, _ in shown)]
    whole = ["(the whole caption)", *(f"{score.cosine:.3f}" for score, _ in shown)]
    added = table("What each word adds to the cosine", heads, [*body, whole, order], rows_by="Word")
    return (
        '<p class="cs-fine">A word adds the cosine of the whole caption less that of the caption without it. Strong '
        "colour adds, dashes take away.</p>"
        f'<div class="cs-figures">{captions}</div>{_scrolled(added)}'
    )


def seen(result: Result) -> str:
    """What went into the model, picture by picture, with all that was done to it."""
    figures = "".join(
        f"<figure>{_thumbnail(score, title)}"
        f"<figcaption><b>{escape(title)}</b>{_how(score, result)}</figcaption></figure>"
        for score, title in _titled(result)[:MOST_SHOWN]
    )
    return f'<div class="cs-figures">{figures}</div>'


def several(asked: CaptionTable) -> str:
    """Captions by pictures as a heat table, with the best of each row and column."""
    titles = report.titles(asked.pictures)
    heads = ["Caption", *titles, "Best picture", "Answer"]
    best = dict(zip(asked.pictures, titles, strict=True))
    rows = "".join(
        f'<tr><th scope="row">{escape(caption)}</th>{_heat(asked, i)}<td>{escape(best[asked.best_pictures[i]])}</td>'
        f"<td>{escape(asked.answers[i]) if asked.answers else ''}</td></tr>"
        for i, caption in enumerate(asked.captions)
    )
    bests = "".join(f"<td>{escape(caption)}</td>" for caption in asked.best_captions)
    head = "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    return _scrolled(
        '<table class="cs-table cs-heat"><caption>Better than so many unrelated captions; below it the cosine</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}"
        f'<tr><th scope="row">Best caption</th>{bests}<td></td><td></td></tr></tbody></table>'
    )


def models(compared: Comparison) -> str:
    """Two models on the same pictures, by rank and percentile."""
    heads = ["Picture"]
    for result in compared.results:
        heads += [f"{result.model}: {what}" for what in ("rank", "better than", "verdict")]
    by_name = [{score.name: score for score in result.scores} for result in compared.results]
    body = [
        [title, *(cell for scored in by_name for cell in _by_one(scored[name]))]
        for name, title in zip(compared.pictures, report.titles(compared.pictures), strict=True)
    ]
    alike = "" if compared.agreement is None else f" Their rankings agree by {compared.agreement:+.2f} (1 is the same)."
    return (
        _scrolled(table("Two models on the same pictures", heads, body))
        + f'<p class="cs-fine">{escape("Their cosines have different ranges and are not to be compared." + alike)}</p>'
    )


def table(caption: str, heads: list[str], body: list[list[str]], rows_by: str = "Picture") -> str:
    """A table in which the cell under `rows_by` heads its row; columns without an entry are left out."""
    used = [place for place in range(len(heads)) if any(row[place] for row in body)]
    head = "".join(f'<th scope="col">{escape(heads[place])}</th>' for place in used)
    rows = "".join(
        "<tr>" + "".join(_cell(row[place], heads[place] == rows_by) for place in used) + "</tr>" for row in body
    )
    return (
        f'<table class="cs-table"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _cell(text: str, heads_row: bool) -> str:
    if heads_row:
        return f'<th scope="row">{escape(text)}</th>'
    return f"<td{' class=cs-match' if text == MATCH else ''}>{escape(text)}</td>"


def _scrolled(content: str) -> str:
    """Wider than the screen, a table is moved sideways by itself; by keyboard too."""
    return f'<div class="cs-scroll" tabindex="0" role="group" aria-label="Table">{content}</div>'


def _titled(result: Result) -> Sequence[tuple[Score, str]]:
    return list(zip(result.scores, report.titles([score.name for score in result.scores]), strict=True))


def _thumbnail(score: Score, title: str) -> str:
    return f'<img src="{score.thumbnail}" alt="{escape(title)}, as the model saw it">' if score.thumbnail else ""


def _coloured(words: Sequence[str], score: Score, most: float) -> str:
    return " ".join(
        f'<span class="cs-word{" cs-less" if added < 0 else ""}" style="--p:{abs(added) / most * STRONGEST:.0f}%" '
        f'title="{added:+.3f}">{escape(word)}</span>'
        for word, added in zip(words, score.words or (), strict=True)
    )


def _how(score: Score, result: Result) -> str:
    lines = [f"sees {score.seen:.0%} of it".replace("%", " %")]
    if score.seen < 0.995:
        lines.append(f"{1 - score.seen:.0%} cut away".replace("%", " %"))
    if result.options.contrast != "as-is":
        lines.append("contrast evened out")
    return "".join(f"<span>{escape(line)}</span>" for line in (*lines, *score.notes))


def _heat(asked: CaptionTable, i: int) -> str:
    return "".join(
        f'<td style="--p:{max(percentile - 50, 0) / 50 * STRONGEST:.0f}%">{report.percentile(percentile)}'
        f"<small>{cosine:.3f}</small></td>"
        for percentile, cosine in zip(asked.percentiles[i], asked.cosines[i], strict=True)
    )


def _by_one(score: Score) -> list[str]:
    better = "" if score.percentile is None else report.percentile(score.percentile)
    return [str(score.rank), better, score.verdict or ""]
