"""Results as text for terminals: tables that rich colours there, aligned plain text when piped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from clipsim.images import abbreviate
from clipsim.report.export import PROBABILITY, SCORE_COLUMNS, score_columns
from clipsim.report.numbers import percent, percentile
from clipsim.report.sentences import NOT_COMPARABLE, agreement, answer, opinion, status, treatment
from clipsim.report.texts import english
from clipsim.scoring import MATCH, NO_MATCH, NOT_RECOGNISED, NOT_SURE, WEAK, CaptionTable, Comparison, Result

if TYPE_CHECKING:  # so that a score needs nothing of collections
    from clipsim.evaluation import Evaluation

ACROSS = 6  # pictures, or captions, beside each other in a text table: a terminal is 80 to 120 wide
MOST_COLOURED = 1000  # rows: rich takes about a millisecond for each
TONES = {MATCH: "green", WEAK: "yellow", NOT_SURE: "yellow", NOT_RECOGNISED: "dim", NO_MATCH: "dim"}


class TextTable:
    """A table of text: `str()` aligns it in lines that are never broken, rich draws it to fit a terminal."""

    def __init__(self, head: Sequence[str], rows: Sequence[Sequence[str]], sides: str) -> None:
        """Take titles (all "" for no head) and cells, and for each column "<" or ">", the side on which they stand.

        What a terminal would obey is escaped in them; a column without any text is left out.
        """
        columns = zip(zip(head, *rows, strict=True), sides, strict=True)
        self._columns = [([printable(cell) for cell in cells], side) for cells, side in columns if any(cells[1:])]

    def __str__(self) -> str:
        """Return aligned lines. Chinese and Japanese letters are two columns wide, combining accents none."""
        padded = []
        for cells, side in self._columns:
            width = max(map(cell_len, cells))
            spaces = [" " * (width - cell_len(cell)) for cell in cells]
            padded.append([f"{s}{c}" if side == ">" else f"{c}{s}" for c, s in zip(cells, spaces, strict=True)])
        lines = ["  ".join(line).rstrip() for line in zip(*padded, strict=True)]
        return "\n".join(lines if lines and lines[0] else lines[1:])

    def __rich__(self) -> Table | Text:
        """Return it for a terminal: long names are folded, verdicts have a colour."""
        if not self._columns or len(self._columns[0][0]) > MOST_COLOURED:
            return Text(str(self))
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        table.show_header = any(cells[0] for cells, _ in self._columns)
        for cells, side in self._columns:
            right = side == ">"
            table.add_column(Text(cells[0]), justify="right" if right else "left", no_wrap=right, overflow="fold")
        for line in zip(*(cells[1:] for cells, _ in self._columns), strict=True):
            table.add_row(*(Text(cell, TONES.get(cell, "")) for cell in line))
        return table


Block = str | TextTable  # blocks stand below each other with an empty line between them


def printable(text: str) -> str:
    """Return the text on one line, escaped where a terminal would obey a character instead of showing it."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def to_blocks(result: Result | CaptionTable | Comparison) -> list[Block]:
    """Return what was asked, of which model, and the answer; then the figures as tables."""
    if isinstance(result, CaptionTable):
        return _blocks_of_captions(result)
    return _blocks_of_models(result) if isinstance(result, Comparison) else _blocks_of_scores(result)


def _blocks_of_scores(result: Result) -> list[Block]:
    query = ("caption", result.caption or "") if result.reference is None else ("reference", result.reference)
    partly = any(score.seen < 0.995 for score in result.scores)  # a column that says 100 % throughout says nothing
    columns = sorted(
        score_columns(result.scores), key=lambda column: column.name == "name"
    )  # which may be long, hence last
    columns = [column for column in columns if partly or column.name != "seen"]
    parts = [f"{'' if part.wanted else 'not '}“{part.text}”" for part in result.parts or ()]
    *first, name = columns
    rows = [
        [
            *(column.cell(score) for column in first),
            *(percentile(part.percentile) for part in score.parts or ()),
            name.cell(score),
        ]
        for score in result.scores
    ]
    sides = "".join("<" if column.is_text else ">" for column in first) + ">" * len(parts) + "<"
    table = TextTable([*(column.title for column in first), *parts, name.title], rows, sides)
    answered = [("answer", answer(result)), ("opinion", opinion(result))]
    own = [english()("probability.note")] if PROBABILITY in columns else []
    return [_head([query, *_describe_model(result), *answered]), table, *own, *_blocks_of_words(result)]


def _describe_model(result: Result | CaptionTable) -> list[tuple[str, str]]:
    """Return the model's line, and one on the treatment if it is not the usual one."""
    return [("model", status(result)), ("treated", treatment(result, only_unusual=True))]


def _head(lines: Sequence[tuple[str, str]]) -> str:
    """Return lines of a name and what belongs to it, without those to which nothing belongs."""
    return "\n".join(f"{name:9}  {printable(text)}" for name, text in lines if text)


def _blocks_of_words(result: Result) -> list[Block]:
    """Return what each word adds, for the `ACROSS` best pictures; nothing where words were not asked for."""
    best = result.scores[:ACROSS]
    if not result.words or not best:
        return []
    names = (*result.words, "(all the words)", "(in other orders)")
    columns = [map(_signed, (*(score.words or ()), score.cosine, score.shuffled)) for score in best]
    rows = [list(row) for row in zip(names, *columns, strict=True) if any(row[1:])]
    which = f", for the best {ACROSS} of {len(result.scores)} pictures" if len(result.scores) > ACROSS else ""
    head = ["word", *(f"rank {score.rank}" for score in best)]
    blocks: list[Block] = [f"What each word adds to the cosine{which}:", TextTable(head, rows, "<" + ">" * len(best))]
    return [*blocks, result.swapped] if result.swapped else blocks


def _signed(cosine: float | None) -> str:
    return "" if cosine is None else f"{round(cosine, 3) + 0.0:+.3f}"  # adding zero makes -0.000 positive


def _blocks_of_captions(table: CaptionTable) -> list[Block]:
    """Return a table with a line for each caption, then tables with a line for each picture.

    Captions have numbers, under which the percentiles of each picture stand, `ACROSS` at a time; * marks a match.
    """
    count = len(table.captions)
    none = [""] * count
    columns = (table.answers or none, table.best_pictures or none, table.captions)
    lines = [[str(i), *line] for i, line in enumerate(zip(*columns, strict=True), 1)]
    marks = "; * is a match" if table.verdicts else ""
    return [
        _head(_describe_model(table)),
        TextTable(["", "answer", "best picture", "caption"], lines, "><<<"),
        f"How much better each caption fits than unrelated captions do{marks}:",
        *(_table_of_pictures(table, range(count)[start : start + ACROSS]) for start in range(0, count, ACROSS)),
    ]


def _table_of_pictures(table: CaptionTable, group: Sequence[int]) -> TextTable:
    blank = "" if table.verdicts is None else "  "  # in place of a mark, so that figures stay below each other
    rows = []
    for j, (name, best) in enumerate(zip(table.pictures, table.best_captions, strict=True)):
        marks = [" *" if table.verdicts and table.verdicts[i][j] == MATCH else blank for i in group]
        cells = [percentile(table.percentiles[i][j]) + mark for i, mark in zip(group, marks, strict=True)]
        rows.append([str(table.captions.index(best) + 1), *cells, name])
    head = ["best caption", *(f"{i + 1}{blank}" for i in group), "picture"]
    return TextTable(head, rows, ">" * (len(group) + 1) + "<")


def _blocks_of_models(comparison: Comparison) -> list[Block]:
    """Return a table with a line for each picture, by mean rank; models have letters."""
    letters = [chr(ord("A") + i) for i in range(len(comparison.results))]
    lines = [("caption", comparison.results[0].caption or "")]
    for letter, result in zip(letters, comparison.results, strict=True):
        lines += [(f"model {letter}", status(result)), ("", answer(result))]
    treated = treatment(comparison.results[0], only_unusual=True)
    lines += [("treated", treated), ("agreement", agreement(comparison)), ("note", NOT_COMPARABLE)]
    columns = [column for column in SCORE_COLUMNS if column.name in ("rank", "percentile", "verdict")]
    head = [f"{letter} {column.title}" for letter in letters for column in columns]
    by_name = [{score.name: score for score in result.scores} for result in comparison.results]
    rows = []
    for name in comparison.pictures:
        scores = [scores[name] for scores in by_name]
        mean = sum(score.rank for score in scores) / len(scores)
        rows.append([f"{mean:.1f}", *(column.cell(score) for score in scores for column in columns), name])
    return [_head(lines), TextTable(["mean rank", *head, "picture"], rows, ">" + ">><" * len(letters) + "<")]


def evaluation_to_blocks(found: Evaluation) -> list[Block]:
    """Return the metrics as a table, a line each, with their intervals."""
    recall = found.text_to_image.recall
    shown: list[Callable[[float], str]] = [*[percent] * len(recall), "{:g}".format, "{:.3f}".format]
    columns = [["queries", *(f"recall at {k}" for k in recall), "median rank", "mean reciprocal rank"]]
    for way in (found.text_to_image, found.image_to_text):
        pairs = list(zip(shown, [*way.recall.values(), way.median_rank, way.mean_reciprocal_rank], strict=True))
        columns.append([f"{way.queries} in {way.among}", *(show(one.value) for show, one in pairs)])
        columns.append(["", *(f"{show(one.low)} to {show(one.high)}" for show, one in pairs)])
    head = ["", "text to image", "95 % interval", "image to text", "95 % interval"]
    table = TextTable(head, list(zip(*columns, strict=True)), "<><><")
    return [_head([("model", found.model), ("prompt", found.prompt)]), table]


def remark_evaluation(found: Evaluation) -> list[str]:
    """Return what an evaluation left out, a sentence each."""
    sentences = {
        f"{found.left_out} captions are left out, since the collection does not hold their pictures, or several of the "
        f"name: {abbreviate(found.missing)}.": found.left_out,
        f"{found.blank} captions are blank and left out.": found.blank,
        f"{found.without} pictures of the collection have no caption.": found.without,
    }
    return [sentence for sentence, count in sentences.items() if count]
