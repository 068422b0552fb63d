"""Results in the forms that people and programs read: sentences, labels, rows, CSV, JSON, text tables."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from clipsim.embedding.pipeline import Rejected
from clipsim.encoders.registry import STAND_IN
from clipsim.images.reading import SUFFIXES
from clipsim.options import Options
from clipsim.scoring.calibration import MATCH, NO_MATCH, WEAK, Calibration
from clipsim.scoring.compare import CaptionTable, Comparison
from clipsim.scoring.score import Result, Score

COLUMNS = (
    "rank",
    "name",
    "cosine",
    "percentile",
    "verdict",
    "clipscore",
    "share",
    "seen",
    "notes",
    "model",
)
CAPTION_COLUMNS = ("caption", "picture", "cosine", "percentile", "verdict", "model")
ACROSS = 6  # pictures, or captions, beside each other in a text table: a terminal is 80 to 120 wide
TREATMENT = ("framing", "contrast", "prompt")
NOT_COMPARABLE = "Cosines of different models cannot be compared: compare ranks and percentiles."
_GALLERIES = "galleries of {} {} a fitting picture called nothing here matches"  # as calibration files name the rates


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


def model_title(result: Result | CaptionTable) -> str:
    """The model's name, with the warning that belongs to the stand-in."""
    return f"{result.model} (not CLIP)" if result.model == STAND_IN.name else result.model


def figures(score: Score) -> str:
    """Every figure of one picture in one line, those that are not defined left out."""
    parts = [f"cosine {score.cosine:.3f}"]
    if score.percentile is not None:
        parts.append(f"better than {_of_a_hundred(score.percentile)}")
    if score.verdict is not None:
        parts.append(score.verdict)
    if score.clipscore is not None:
        parts.append(f"CLIPScore {score.clipscore:.3f}")
    if score.share is not None:
        parts.append(f"share {percent(score.share)}")
    return " · ".join(parts)


def answer(result: Result) -> str:
    """One sentence that answers what was asked; "" where nothing was scored."""
    if not result.scores:
        return ""
    chosen, title = _answering(result)
    alone = len(result.scores) == 1
    if result.reference is not None:
        return f"{title} has the cosine {chosen.cosine:.3f}." if alone else f"Most alike: {title}."
    if chosen.percentile is None:
        return f"Best: {title}."
    fits = f"fits better than {_of_a_hundred(chosen.percentile)} of unrelated captions"
    if result.verdict is None:
        best = "" if alone else "Best: "
        return f"{best}{title} {fits}; this model has no cut-offs yet, so that there is no verdict."
    return f"{_of_one(chosen, title) if alone else _of_several(result, chosen, title)} ({fits})."


def _of_one(score: Score, title: str) -> str:
    if score.verdict == MATCH:
        return f"It matches: {title}"
    return f"It does not match: {title}{' is weak' if score.verdict == WEAK else ''}"


def _of_several(result: Result, chosen: Score, title: str) -> str:
    if result.verdict != MATCH:
        return f"Nothing here matches: the best, {title}, is {chosen.verdict}"
    count, total = sum(score.verdict == MATCH for score in result.scores), len(result.scores)
    if count == 1:
        return f"1 of {total} pictures matches: {title}"
    return f"{'All' if count == total else f'{count} of'} {total} pictures match, best {title}"


def _answering(result: Result) -> tuple[Score, str]:
    """The picture that an answer is about, and its title: of those with the best verdict the one ranked first."""
    names = titles([score.name for score in result.scores])
    order = [MATCH, WEAK, NO_MATCH, None]
    place = min(range(len(names)), key=lambda i: order.index(result.scores[i].verdict))
    return result.scores[place], names[place]


def trust(result: Result, known: Calibration | None) -> str:
    """How often verdicts like these were right and wrong, in one to three sentences; "" with a reference image.

    Args:
        result: its framing, contrast and prompt say which rates apply, its number of pictures which gallery.
        known: what `clipsim.scoring.calibration.calibration` says of the model.
    """
    if result.reference is not None:
        return ""
    if known is None:
        return "There are no cut-offs for this model yet: only the percentile counts."
    rates = known.rates.get(" ".join(result.options.to_dict()[name] for name in TREATMENT))
    if rates is None:
        return (
            f"How often the verdicts are wrong was not measured for this combination ({_treatment(result)}); the "
            f"cut-offs were learned on {known.origin}."
        )
    return f"Measured on {known.origin}: {_of_pairs(rates)}{_of_galleries(rates, len(result.scores))}"


def _of_pairs(rates: Mapping[str, float]) -> str:
    true, either, random, any_random = (
        percentile(100 * rates[f"{kind} pairs called {verdict}"])
        for kind in ("true", "random")
        for verdict in ("match", "match or weak")
    )
    return (
        f"of pairs that belong together {true} were called match and {either} match or weak, of random pairs {random} "
        f"and {any_random}."
    )


def _of_galleries(rates: Mapping[str, float], pictures: int) -> str:
    """The sentence on galleries of about as many pictures; "" for a single picture, or if there are no such rates."""
    sizes = [int(size) for name in rates for size in re.findall(_GALLERIES.format(r"(\d+)", "without"), name)]
    if pictures < 2 or not sizes:
        return ""
    size = min(sizes, key=lambda size: abs(size - pictures))
    right, wrong = (percentile(100 * rates[_GALLERIES.format(size, kind)]) for kind in ("without", "with"))
    return (
        f" Of galleries of {size} pictures without a fitting one {right} were rightly said to hold no match, of those "
        f"with one {wrong} wrongly."
    )


def _treatment(result: Result | CaptionTable, only_unusual: bool = False) -> str:
    """For instance "framing crop, contrast as-is, prompt photo"."""
    usual = Options().to_dict()
    chosen = result.options.to_dict()
    return ", ".join(f"{name} {chosen[name]}" for name in TREATMENT if not only_unusual or chosen[name] != usual[name])


def status(result: Result | CaptionTable) -> str:
    """One line: how many pictures, which model, on which device, in what time."""
    count = len(result.scores if isinstance(result, Result) else result.pictures)
    where = f"{result.device}, half precision" if result.options.precision == "half" else result.device
    return f"{count} picture{'s' * (count != 1)} · {model_title(result)} · {where} · {result.seconds:.2f} s"


def remarks(result: Result | CaptionTable | Comparison) -> list[str]:
    """What a reader should know beside the figures: the result's notes, each picture's notes, the rejected files.

    Of several models each note names its model, and what is said of a picture is said once.
    """
    if isinstance(result, Comparison):
        notes = [f"{one.model}: {note}" for one in result.results for note in one.notes]
        return list(dict.fromkeys([*notes, *(r for one in result.results for r in remarks(replace(one, notes=())))]))
    scores = result.scores if isinstance(result, Result) else ()
    return [
        *result.notes,
        *(f"{score.name}: {'; '.join(score.notes)}" for score in scores if score.notes),
        *(f"{rejected.name} {rejected.reason}." for rejected in result.rejected),
    ]


def rows(result: Result) -> list[dict[str, Any]]:
    """A row for every score, best first, with the keys of `COLUMNS`; figures whole, notes joined by "; "."""
    return [
        {
            "rank": score.rank,
            "name": score.name,
            "cosine": score.cosine,
            "percentile": score.percentile,
            "verdict": score.verdict,
            "clipscore": score.clipscore,
            "share": score.share,
            "seen": score.seen,
            "notes": "; ".join(score.notes),
            "model": model_title(result),
        }
        for score in result.scores
    ]


def to_json(result: Result | CaptionTable | Comparison) -> str:
    """All of it as JSON, field by field."""
    return json.dumps(result.to_dict(), ensure_ascii=False, indent=2, allow_nan=False)


def to_json_line(found: Score | Rejected, model: str) -> str:
    """What `score_each` gives for one picture, as one line of JSON: a score with its model, or why there is none."""
    if isinstance(found, Rejected):
        line: dict[str, Any] = {"name": found.name, "rejected": found.reason}
    else:
        line = {
            "name": found.name,
            "cosine": found.cosine,
            "percentile": found.percentile,
            "verdict": found.verdict,
            "clipscore": found.clipscore,
            "seen": found.seen,
            "notes": found.notes,
            "model": model,
        }
    return json.dumps(line, ensure_ascii=False, allow_nan=False)


def to_csv(result: Result) -> str:
    """The rows as CSV with a header; a figure that is not defined is an empty field."""
    return to_rows(COLUMNS, rows(result))


def to_table(result: Result) -> str:
    """The scores as aligned text for a terminal, under lines that say what was asked, of which model, the answer."""
    kind, asked = ("caption", result.caption) if result.reference is None else ("reference", result.reference)
    head = [(kind, asked or ""), *_asked_of(result), ("answer", answer(result))]
    table = [["rank", "cosine", "better than", "verdict", "CLIPScore", "share", "sees", "picture"]]
    partly = any(score.seen < 0.995 for score in result.scores)  # a column that says 100 % throughout says nothing
    table += [_cells(score, partly) for score in result.scores]
    return f"{_headed(head)}\n\n{aligned(table, '>>><>>><')}"


def _asked_of(result: Result | CaptionTable) -> list[tuple[str, str]]:
    """The model's line, and one on the treatment if it is not the usual one."""
    return [("model", status(result)), ("treated", _treatment(result, only_unusual=True))]


def _headed(lines: Sequence[tuple[str, str]]) -> str:
    """Lines of a name and what belongs to it; those without are left out."""
    return "\n".join(f"{name:9}  {printable(text)}" for name, text in lines if text)


def _cells(score: Score, partly: bool) -> list[str]:
    return [
        str(score.rank),
        f"{score.cosine:.3f}",
        "" if score.percentile is None else percentile(score.percentile),
        score.verdict or "",
        "" if score.clipscore is None else f"{score.clipscore:.3f}",
        "" if score.share is None else percent(score.share),
        _whole(score.seen) if partly else "",
        printable(score.name),
    ]


def word_rows(result: Result) -> list[tuple[str, list[float]]]:
    """For each word of the caption what it adds to the cosine of each picture, best picture first.

    Empty where words were not asked for or nothing was scored.
    """
    if not result.words or not result.scores:
        return []
    added = [score.words or () for score in result.scores]
    return [(word, list(column)) for word, column in zip(result.words, zip(*added, strict=True), strict=True)]


def words_table(result: Result) -> str:
    """What each word adds, as aligned text, for the `ACROSS` best pictures; "" where words were not asked for."""
    best = result.scores[:ACROSS]
    body = [[printable(word), *(_signed(one) for one in column[:ACROSS])] for word, column in word_rows(result)]
    if not body:
        return ""
    others = [_signed(score.shuffled) for score in best if score.shuffled is not None]
    table = [
        ["word", *(f"rank {score.rank}" for score in best)],
        *body,
        ["(all the words)", *(_signed(score.cosine) for score in best)],
        *([["(in other orders)", *others]] if others else []),
    ]
    which = f", for the best {ACROSS} of {len(result.scores)} pictures" if len(result.scores) > ACROSS else ""
    return f"What each word adds to the cosine{which}:\n\n{aligned(table, '<' + '>' * len(best))}"


def _signed(cosine: float) -> str:
    return f"{round(cosine, 3) + 0.0:+.3f}"  # adding zero makes -0.000 positive


def captions_table(table: CaptionTable) -> str:
    """Several captions as aligned text: a line for each caption, then a line for each picture.

    Captions have numbers, under which the percentiles of each picture stand, `ACROSS` at a time; * marks a match.
    """
    numbers = range(len(table.captions))
    groups = [numbers[start : start + ACROSS] for start in range(0, len(numbers), ACROSS)]
    marks = "; * is a match" if table.verdicts else ""
    return "\n\n".join(
        [
            _headed(_asked_of(table)),
            aligned(_caption_lines(table), "><<<"),
            f"How much better each caption fits than unrelated captions do{marks}:",
            *(aligned(_picture_lines(table, group), ">" * (len(group) + 1) + "<") for group in groups),
        ]
    )


def _caption_lines(table: CaptionTable) -> list[list[str]]:
    none = [""] * len(table.captions)
    lines = zip(table.captions, table.answers or none, table.best_pictures or none, strict=True)
    body = [[str(i), answer, printable(best), printable(caption)] for i, (caption, answer, best) in enumerate(lines, 1)]
    return [["", "answer", "best picture", "caption"], *body]


def _picture_lines(table: CaptionTable, group: Sequence[int]) -> list[list[str]]:
    lines = [["best caption", *(f"{i + 1}{_mark(table, None)}" for i in group), "picture"]]
    for j, name in enumerate(table.pictures):
        cells = [
            percentile(table.percentiles[i][j]) + _mark(table, table.verdicts[i][j] if table.verdicts else None)
            for i in group
        ]
        lines.append([str(table.captions.index(table.best_captions[j]) + 1), *cells, printable(name)])
    return lines


def _mark(table: CaptionTable, verdict: str | None) -> str:
    """What follows a percentile, so that figures stay below each other."""
    return "" if table.verdicts is None else " *" if verdict == MATCH else "  "


def captions_csv(table: CaptionTable) -> str:
    """A row for each caption with each picture, with the columns `CAPTION_COLUMNS`."""
    body = [
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
    return to_rows(CAPTION_COLUMNS, body)


def models_table(comparison: Comparison) -> str:
    """Several models side by side as aligned text: a line for each picture, by mean rank; models have letters."""
    lettered = [(chr(ord("A") + i), result) for i, result in enumerate(comparison.results)]
    head = [("caption", comparison.results[0].caption or "")]
    for letter, result in lettered:
        head += [(f"model {letter}", status(result)), ("", answer(result))]
    treated = _treatment(comparison.results[0], only_unusual=True)
    head += [("treated", treated), ("agreement", agreement(comparison)), ("note", NOT_COMPARABLE)]
    names = [
        column for letter, _ in lettered for column in (f"{letter} rank", f"{letter} better than", f"{letter} verdict")
    ]
    table = [["mean rank", *names, "picture"], *_model_lines(comparison)]
    return f"{_headed(head)}\n\n{aligned(table, '>' + '>><' * len(lettered) + '<')}"


def _model_lines(comparison: Comparison) -> list[list[str]]:
    """For each picture its mean rank; for each model rank, percentile and verdict; its name."""
    found = [{score.name: score for score in result.scores} for result in comparison.results]
    lines = []
    for name in comparison.pictures:
        scores = [scores[name] for scores in found]
        mean = sum(score.rank for score in scores) / len(scores)
        lines.append([f"{mean:.1f}", *(cell for score in scores for cell in _standing(score)), printable(name)])
    return lines


def _standing(score: Score) -> tuple[str, str, str]:
    better = "" if score.percentile is None else percentile(score.percentile)
    return str(score.rank), better, score.verdict or ""


def agreement(comparison: Comparison) -> str:
    """How much alike the first two models rank the pictures, in one sentence."""
    value = comparison.agreement
    if value is None:
        return "With fewer than three pictures it cannot be said how much alike the models rank them."
    first, second = (result.model for result in comparison.results[:2])
    return f"{first} and {second} rank the pictures {_alike(value)} (rank correlation {value:.2f})."


def _alike(correlation: float) -> str:
    words = {0.999: "in the same order", 0.7: "much alike", 0.3: "partly alike", -0.3: "with little in common"}
    return next((word for least, word in words.items() if correlation >= least), "in rather opposite orders")


def models_csv(comparison: Comparison) -> str:
    """The rows of each model as CSV with one header; the column "model" tells them apart."""
    return to_rows(COLUMNS, [row for result in comparison.results for row in rows(result)])


def to_rows(columns: Sequence[str], body: Sequence[Mapping[str, Any]]) -> str:
    """CSV with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(body)
    return text.getvalue()


def aligned(table: Sequence[Sequence[str]], sides: str) -> str:
    """Rows of text under a head, each column to its side ("<" or ">"); empty columns are left out."""
    columns = [(column, side) for column, side in zip(zip(*table, strict=True), sides, strict=True) if any(column[1:])]
    widths = [max(map(_width, column)) for column, _ in columns]
    lines = zip(*(column for column, _ in columns), strict=True)
    return "\n".join(
        "  ".join(
            _padded(cell, side, width) for cell, (_, side), width in zip(line, columns, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def _padded(cell: str, side: str, width: int) -> str:
    space = " " * (width - _width(cell))
    return space + cell if side == ">" else cell + space


def _width(text: str) -> int:
    """Columns of a terminal that the text takes: two for Chinese and Japanese letters, none for combining accents."""
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def printable(text: str) -> str:
    """The text on one line, escaped where a terminal would obey a character instead of showing it."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def percent(share: float) -> str:
    """A share, 0 to 1, as a percentage with one decimal."""
    return f"{share:.1%}".replace("%", " %")


def percentile(value: float) -> str:
    """A percentile, 0 to 100: whole, but near the top as exact as need be, and never 0 or 100."""
    if value >= 99.95:
        return "> 99.9 %"
    return "< 1 %" if value <= 0.5 else f"{value:.1f} %" if value >= 99.5 else f"{value:.0f} %"


def _of_a_hundred(value: float) -> str:
    """A percentile as it reads after "better than"."""
    return percentile(value).replace("> ", "").replace("<", "less than")


def _whole(share: float) -> str:
    """A share, 0 to 1, as a whole percentage; 0 only if it is nothing."""
    return "< 1 %" if 0 < share < 0.005 else f"{share:.0%}".replace("%", " %")
