"""Results that no model gave, for tests of what is made of results."""

from __future__ import annotations

from dataclasses import replace

from clipsim import CaptionTable, Comparison, Options, Result, Score
from clipsim.embedding import Rejected

AWKWARD = ['comma, "quote"', "line\nbreak", "tab\tand\r\nreturn", "Hündin 🐕 雪.jpg", "'=1+1", "semi;colon", " edge "]


NOTHING, NOT_SURE = "nothing here matches", "not sure"


def result(
    scores: tuple[Score, ...] = (),
    model: str = "clip-vit-b-32",
    reference: str | None = None,
    notes: tuple[str, ...] = (),
    rejected: tuple[Rejected, ...] = (),
    verdict: str | None = None,
) -> Result:
    caption = None if reference else "a golden retriever"
    return Result(caption, reference, model, "cpu", scores, rejected, notes, 1.234, verdict)


def judged(*verdicts: tuple[float, str | None], whole: str | None) -> Result:
    """Pictures a.jpg, b.jpg, ... of these percentiles and verdicts, best cosine first."""
    scores = tuple(
        Score(f"{chr(97 + i)}.jpg", i + 1, 0.5 - i / 10, percentile=value, verdict=verdict)
        for i, (value, verdict) in enumerate(verdicts)
    )
    return result(scores, verdict=whole)


CLIP = (
    Score("hiking-golden-retriever.jpg", 1, 0.31247, 0.781175, 0.9, (), 99.87, "match", 0.75),
    Score("night street.png", 2, -0.0449, 0.0, 0.1, ("turned upright", "first frame"), 31.4, "no match"),
)
OTHER = (Score("a.jpg", 1, 0.5, None, 0.75), Score("b.jpg", 2, -0.25, None, 0.25))
ALONE = (Score("a.jpg", 1, 0.5, None, None),)


WORDS = replace(
    result(
        tuple(
            Score(f"{i}.jpg", i, 0.9 - i / 10, words=(i / 100, -i / 1000, -0.0001), shuffled=0.1 * i)
            for i in range(1, 9)
        )
    ),
    words=("a", "gol\nden", "狗"),
)


CAPTIONS = CaptionTable(
    captions=("a dog", "a cat, black", "food"),
    pictures=("dog.jpg", "cat\n1.jpg"),
    cosines=((0.5, 0.1), (0.0, 0.4), (-0.1, -0.2)),
    percentiles=((99.99, 70.0), (3.0, 99.2), (99.1, 0.2)),
    verdicts=(("match", "no match"), ("no match", "match"), ("weak", "no match")),
    best_pictures=("dog.jpg", "cat\n1.jpg", "dog.jpg"),
    best_captions=("a dog", "a cat, black"),
    answers=("match", "match", NOTHING),
    model="stand-in",
    device="cpu",
    rejected=(Rejected("x.jpg", "is empty"),),
    notes=("Not CLIP.",),
    seconds=1.234,
    options=Options("pad", precision="full"),
)


COMPARISON = Comparison(
    (
        replace(
            judged((99.99, "match"), (97.0, "weak"), whole="match"),
            model="stand-in",
            notes=("Not CLIP.",),
            rejected=(Rejected("x.jpg", "is empty"),),
        ),
        replace(
            result(
                (
                    Score("b.jpg", 1, 0.3, percentile=88.0, notes=("turned upright",)),
                    Score("a.jpg", 2, 0.2, percentile=40.0),
                ),
                rejected=(Rejected("x.jpg", "is empty"),),
                notes=("Cut.",),
            ),
        ),
    ),
    ("a.jpg", "b.jpg"),
    None,
)
