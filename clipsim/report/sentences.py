"""Results in words: the answer, how far to trust it, and what else to know."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath

from clipsim.encoders import STAND_IN
from clipsim.images import SUFFIXES, abbreviate
from clipsim.options import Options
from clipsim.report.numbers import percent, percentile, whole_percent
from clipsim.report.texts import Texts, english
from clipsim.scoring import (
    MATCH,
    NO_MATCH,
    NOT_RECOGNISED,
    NOT_SURE,
    NOTHING,
    WEAK,
    Calibration,
    CaptionTable,
    CheckList,
    Comparison,
    Result,
    Score,
    turn_verdict,
)
from clipsim.scoring.calibration import NAME_WORDS

TREATMENT = ("framing", "contrast", "prompt")
NOT_COMPARABLE = "Cosines of different models cannot be compared: compare ranks and percentiles."
# as calibration files name the rates
GALLERIES = "galleries of {} {} a fitting picture called {}"
NAMED = "galleries of {} in which the fitting picture is named"


def titles(names: Sequence[str]) -> list[str]:
    """Return each picture's name without its file ending, or whole where that would make two alike."""
    short = [PurePath(name).stem if PurePath(name).suffix.lower() in SUFFIXES else name for name in names]
    count = Counter(short)
    return [
        title if count[title] == 1 and title not in names else name for title, name in zip(short, names, strict=True)
    ]


def titled(result: Result) -> list[tuple[Score, str]]:
    """Return every score with its picture's title, best first."""
    return list(zip(result.scores, titles([score.name for score in result.scores]), strict=True))


def label(rank: int, title: str, cosine: float) -> str:
    """Return what stands under a picture: rank, name and cosine, such as `1 · hiking-golden-retriever · 0.312`."""
    return f"{rank} · {title} · {cosine:.3f}"


def labels(result: Result) -> list[str]:
    """Return a label for every score, best first."""
    return [label(score.rank, title, score.cosine) for score, title in titled(result)]


def model_title(result: Result | CaptionTable | CheckList, texts: Texts | None = None) -> str:
    """Return the model's name, with the warning that belongs to the stand-in."""
    not_clip = (texts or english())("status.not_clip")
    return f"{result.model} ({not_clip})" if result.model == STAND_IN.name else result.model


def figures(score: Score, texts: Texts | None = None) -> str:
    """Return every figure of one picture in one line, without those that are not defined."""
    say = texts or english()
    parts = [
        f"{say('column.cosine')} {score.cosine:.3f}",
        None if score.percentile is None else f"{say('column.percentile')} {of_a_hundred(score.percentile, say)}",
        None if score.verdict is None else say(f"verdict.{score.verdict}"),
        None if score.clipscore is None else f"CLIPScore {score.clipscore:.3f}",
        None if score.share is None else f"{say('column.share')} {percent(score.share)}",
        figure_opinion(score, say),
    ]
    return " · ".join(part for part in parts if part)


def figure_opinion(score: Score, texts: Texts | None = None) -> str:
    """Return a judge's probability in words, marked where it contradicts the verdict; "" where it was not asked."""
    say = texts or english()
    if score.second_opinion is None:
        return ""
    marked = f", {say('opinion.differs')}" if score.disagrees else ""
    return f"{say('column.second_opinion')} {whole_percent(score.second_opinion)}{marked}"


def opinion(result: Result, texts: Texts | None = None) -> str:
    """Return a sentence on whom else was asked, and where that contradicts a verdict; "" where nobody was."""
    say = texts or english()
    if result.judge is None:
        return ""
    asked = [(score, title) for score, title in titled(result) if score.second_opinion is not None]
    differing = [title for score, title in asked if score.disagrees]
    sentence = say("opinion.asked", judge=result.judge, count=len(asked))
    if differing:
        return f"{sentence} {say('opinion.disagrees', names=abbreviate(differing))}"
    return f"{sentence} {say('opinion.agrees')}" if any(score.verdict for score, _ in asked) else sentence


def answer(result: Result, texts: Texts | None = None) -> str:
    """Return one sentence that answers the question, in English unless `texts` says so; "" where nothing was scored."""
    best, say = result.best, texts or english()
    if best is None:
        return ""
    title = next(title for score, title in titled(result) if score is best)
    alone = len(result.scores) == 1
    if result.reference is not None:
        return say("answer.cosine" if alone else "answer.alike", title=title, cosine=f"{best.cosine:.3f}")
    if best.percentile is None:
        return say("answer.best", title=title)
    fits = say("answer.fits", percentile=of_a_hundred(best.percentile, say))
    if parts := describe_parts(result, best, say):
        fits = say("answer.parts", parts=", ".join(text for text, _ in parts))
    if result.verdict is None:
        return say("answer.uncalibrated" if alone else "answer.uncalibrated_best", title=title, fits=fits)
    return say("answer.whole", answer=_count_matches(result, best, title, say), fits=fits)


def describe_parts(result: Result, score: Score, texts: Texts | None = None) -> list[tuple[str, str | None]]:
    """Return each part of a caption with its percentile for one picture, such as “not “people” 12 %”; mostly none.

    Beside each is the verdict that it comes to: where something must not be there, and is not, a match.
    """
    say, told = texts or english(), []
    for part, found in zip(result.parts or (), score.parts or (), strict=True):
        key = f"answer.part.{'wanted' if part.wanted else 'unwanted'}"
        turned = found.verdict if part.wanted or found.verdict is None else turn_verdict(found.verdict)
        told.append((say(key, text=part.text, percentile=of_a_hundred(found.percentile, say)), turned))
    return told


def _count_matches(result: Result, best: Score, title: str, say: Texts) -> str:
    count, total = sum(score.verdict == MATCH for score in result.scores), len(result.scores)
    if total == 1:
        weak = "weak_unsure" if result.verdict == NOT_SURE else "weak"
        ends = {MATCH: "matches", WEAK: weak, NOT_RECOGNISED: "not_recognised"}
        return say(f"answer.one.{ends.get(best.verdict or '', 'no_match')}", title=title)
    if result.verdict == NOT_SURE:
        return say("answer.unsure", title=title)
    if result.verdict != MATCH:
        return say("answer.nothing", title=title, verdict=say(f"verdict.{best.verdict}"))
    which = "one" if count == 1 else "all" if count == total else "some"
    return say(f"answer.match.{which}", count=count, total=total, title=title)


def trust(result: Result, known: Calibration | None, texts: Texts | None = None) -> str:
    """Return how often such verdicts were right and wrong, in one to three sentences; "" with a reference image.

    `known` is what `clipsim.scoring.find_calibration` says of the model. The result's framing, contrast and prompt say
    which rates apply, its number of pictures which gallery.
    """
    say = texts or english()
    if result.reference is not None:
        return ""
    if result.parts:
        return say("trust.parts")
    if known is None:
        return say("trust.none")
    if not known.rates:
        return say("trust.first_use")
    of_form, form = known.of(result.caption or ""), ""
    if known.names:
        form = say("trust.for_names", words=NAME_WORDS) if of_form is known.names else say("trust.for_sentences")
    rates = of_form.rates.get(result.options.treatment)
    if rates is None:
        return say("trust.not_measured", form=form, treatment=treatment(result), origin=of_form.origin)
    shares = {
        name: whole_percent(rates[f"{kind} pairs called {verdict}"])
        for name, kind, verdict in (
            ("true", "true", MATCH),
            ("either", "true", f"{MATCH} or {WEAK}"),
            ("missed", "true", NO_MATCH),
            ("random", "random", MATCH),
            ("any_random", "random", f"{MATCH} or {WEAK}"),
        )
    }
    measured = say("trust.measured", form=form, origin=of_form.origin, **shares)
    return measured + _describe_galleries(rates, len(result.scores), say)


def _describe_galleries(rates: Mapping[str, float], pictures: int, say: Texts) -> str:
    """Return the sentence on galleries of about that size; "" for a single picture, or if there are no such rates."""
    sizes = [int(size) for name in rates for size in re.findall(GALLERIES.format(r"(\d+)", "without", NOTHING), name)]
    if pictures < 2 or not sizes:
        return ""
    size = min(sizes, key=lambda size: abs(size - pictures))
    right, wrong = (whole_percent(rates[GALLERIES.format(size, kind, NOTHING)]) for kind in ("without", "with"))
    named = whole_percent(rates[NAMED.format(size)])
    return " " + say("trust.galleries", size=size, right=right, wrong=wrong, named=named)


def treatment(result: Result | CaptionTable, only_unusual: bool = False) -> str:
    """Return the options that shape a score, such as "framing crop, contrast as-is, prompt photo"."""
    return treatment_of(result.options, only_unusual)


def treatment_of(options: Options, only_unusual: bool = False) -> str:
    """Return options as `treatment` does those of a result."""
    usual, chosen = Options().to_dict(), options.to_dict()
    return ", ".join(f"{name} {chosen[name]}" for name in TREATMENT if not only_unusual or chosen[name] != usual[name])


def status(result: Result | CaptionTable, texts: Texts | None = None) -> str:
    """Return one line: how many pictures, which model, on which device, in what time."""
    return describe_model(result, len(result.scores if isinstance(result, Result) else result.pictures), texts)


def describe_model(result: Result | CaptionTable | CheckList, count: int, texts: Texts | None = None) -> str:
    """Return one line: that `count` pictures were scored by which model, on which device, in what time."""
    say = texts or english()
    precision = result.options.precision
    where = say(f"status.{precision}", device=result.device) if precision in ("half", "int8") else result.device
    return f"{say.count('status.pictures', count)} · {model_title(result, say)} · {where} · {result.seconds:.2f} s"


def remarks(result: Result | CaptionTable | Comparison) -> list[str]:
    """Return what a reader should know beside the figures: notes on all, notes on pictures, rejected files.

    With several models each note names its model, and what concerns a picture is said once.
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


def remark_checklist(found: CheckList) -> list[str]:
    """Return what a reader should know beside a check list, as `remarks` does of results."""
    return [
        *found.notes,
        *(f"{one.name}: {'; '.join(one.notes)}" for one in found.pictures if one.notes),
        *(f"{rejected.name} {rejected.reason}." for rejected in found.rejected),
    ]


def agreement(comparison: Comparison) -> str:
    """Return how much alike the first two models rank the pictures, in one sentence."""
    value = comparison.agreement
    if value is None:
        return "With fewer than three pictures it cannot be said how much alike the models rank them."
    first, second = (result.model for result in comparison.results[:2])
    words = {0.999: "in the same order", 0.7: "much alike", 0.3: "partly alike", -0.3: "with little in common"}
    alike = next((text for least, text in words.items() if value >= least), "in rather opposite orders")
    return f"{first} and {second} rank the pictures {alike} (rank correlation {value:.2f})."


def of_a_hundred(value: float, texts: Texts | None = None) -> str:
    """Return a percentile as it reads after "better than"."""
    shown = percentile(value).replace("> ", "")
    return (texts or english())("less_than", percentile=shown.removeprefix("< ")) if shown.startswith("<") else shown
