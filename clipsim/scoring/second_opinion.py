"""A second opinion on the best pictures of a result, by a model that looks at picture and caption together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

from clipsim.embedding import Progress, Rejected, cache_of, use_cache
from clipsim.encoders import Encoder
from clipsim.errors import ClipsimError, UsageError
from clipsim.judges import Judge, ask, check_judge, load_judge
from clipsim.options import Precision
from clipsim.scoring.calibration import MATCH, NO_MATCH
from clipsim.scoring.results import Result

OPINIONS = 10  # pictures that a judge is asked of, for each of which it takes many times as long as an encoder


def ask_again(
    result: Result, find_judge: Callable[[], Judge], *, opinions: int = OPINIONS, progress: Progress | None = None
) -> Result:
    """Return a result with a judge's opinion on its best pictures, in place of any that it had.

    The scores stay whatever goes wrong: why there is no second opinion, or not on all of them, is a note.

    Args:
        result: of a caption.
        find_judge: returns the judge, such as `partial(load_judge, "blip-itm")`.
        opinions: how many pictures the judge is asked of: `Result.best`, then the others by rank.
        progress: called with (opinions that are there, opinions in all); it ends the asking if it raises a
            `ClipsimError`.
    """
    if result.caption is None or not result.scores:
        return result
    best = [result.best.name] if result.best else []
    names = list(dict.fromkeys([*best, *(score.name for score in result.scores)]))[:opinions]
    asked = [(result.pictures[name], name) for name in names if name in result.pictures]
    found, notes, judge = dict[str, float](), list[str](), None
    try:
        judge = find_judge()
        if progress:
            progress(0, len(asked))
        for done, one in enumerate(ask(judge, asked, result.caption), 1):
            if isinstance(one, Rejected):
                notes.append(f"There is no second opinion on {one.name}, which {one.reason}.")
            else:
                found |= [one]
            if progress:
                progress(done, len(asked))
    except ClipsimError as error:
        extent = f"only on {len(found)} of {len(names)} pictures" if found else "none"
        notes.append(f"Second opinion: {extent}. {str(error).rstrip('.')}.")
    return _add(result, judge.name if judge and found else None, found, notes)


def check_opinion(judge: str | Judge | None, opinions: int, by_caption: bool) -> None:
    """Raise a `UsageError` unless a second opinion can be asked for like that, if it is to be asked for."""
    if judge is None:
        return
    if isinstance(judge, str):
        check_judge(judge)
    if not by_caption:
        raise UsageError("With a reference image there is no caption: leave the second opinion out.")
    if opinions < 1:
        raise UsageError(f"A second opinion on {opinions} pictures is none: ask for one at least.")


def find_judge(judge: str | Judge, encoder: Encoder) -> Judge:
    """Return a judge: by its name one that runs where an encoder does, shares its cache and is loaded once."""
    if isinstance(judge, Judge):
        return judge
    found = _load_once(judge, encoder.device, "half" if encoder.precision == "half" else "full")
    use_cache(found, cache_of(encoder))
    return found


@cache  # beside that of encoders: who asks twice must not wait for the weights twice
def _load_once(name: str, device: str, precision: Precision) -> Judge:
    return load_judge(name, device, precision)


def disagrees(verdict: str | None, probability: float) -> bool | None:
    """Return whether a judge's probability contradicts a verdict; None where there is no verdict.

    It does where one says yes and the other no: a match below 0.5, and "no match" above 0.5. "Weak" and "not
    recognised" claim too little to be contradicted.
    """
    if verdict is None:
        return None
    return (verdict == MATCH and probability < 0.5) or (verdict == NO_MATCH and probability > 0.5)


def _add(result: Result, judge: str | None, found: dict[str, float], notes: list[str]) -> Result:
    scores = []
    for score in result.scores:
        opinion = found.get(score.name)
        differs = None if opinion is None else disagrees(score.verdict, opinion)
        scores.append(replace(score, second_opinion=opinion, disagrees=differs))
    return replace(result, scores=tuple(scores), judge=judge, notes=(*result.notes, *notes))
