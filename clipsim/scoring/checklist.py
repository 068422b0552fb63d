"""A long caption as a check list: which of its statements does a picture show?"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, Unpack

import numpy as np

from clipsim.embedding import (
    Gallery,
    PictureInfo,
    Progress,
    Rejected,
    collect_sources,
    embed,
    encode_captions,
    unit_mean,
)
from clipsim.encoders import Encoder
from clipsim.errors import LimitError
from clipsim.images import Images
from clipsim.options import Choices, Options, Prompt
from clipsim.scoring.calibration import MATCH, VERDICTS, WEAK
from clipsim.scoring.captions import clean_caption, note_caption, note_truncation, resolve_precision
from clipsim.scoring.combining import Parts, encode_parts, replace_in_parts
from clipsim.scoring.heatmaps import compute_heatmaps, find_peak
from clipsim.scoring.judge import judge
from clipsim.scoring.results import PartScore, Record
from clipsim.scoring.statements import split_statements
from clipsim.scoring.words import MAX_WORDS, add_up_parts, leave_one_out, split_words

Place: TypeAlias = tuple[float, float]

MOST = 40  # statements of one text: each is a caption with every one of its words, and a map for each picture
WEAKEST = 2  # words of a statement that are told
RULE = (
    "A statement holds if it is a match or weak. A text is as good as its weakest statement: that is its verdict. "
    "Pictures are ranked by the mean of their statements' percentiles."
)
# Words that carry nothing by themselves.
_FUNCTION = frozenset(
    (  # noqa: SIM905  # forty strings in quotes would be a page
        "a an the his her its their my our this that these those is are was were be been has have had of in on at by "
        "to for with from into onto and or as it he she they there while"
    ).split()
)


@dataclass(frozen=True)
class StatementScore(PartScore):
    """How well one picture shows one statement.

    Attributes:
        weakest: the statement's words that add least, the least first: without them it would fit as well or better.
        place: where in the picture it finds most support, as shares of width and height from the upper left; None
            where that was not requested, and for what must not be there.
    """

    weakest: tuple[str, ...] = ()
    place: Place | None = None


@dataclass(frozen=True)
class CheckedPicture:
    """What one picture shows of a text.

    Attributes:
        name: the picture.
        rank: 1 is the best, by percentile.
        verdict: that of the weakest statement, "match", "weak", "not recognised" or "no match"; None where the model
            has no cut-offs.
        percentile: mean of the statements' percentiles, 0 to 100.
        holding: how many statements are a match or weak; None where the model has no cut-offs.
        statements: what each comes to, in the order of `CheckList.statements`.
        plain: the whole text as one caption, as far as the model reads.
        notes: what was done to the picture before the model saw it, in words.
    """

    name: str
    rank: int
    verdict: str | None
    percentile: float
    holding: int | None
    statements: tuple[StatementScore, ...]
    plain: PartScore
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckList(Record):
    """Every statement of a text with every picture.

    Attributes:
        text: as it was given, stripped.
        statements: its sentences and clauses, in their order.
        pictures: best first.
        rule: how the total of a picture comes from its statements, in words.
        model: name of the encoder.
        device: where it ran.
        rejected: pictures that could not be read.
        notes: what a reader of these scores must know: a stand-in model, words that the model cannot read of the whole
            text.
        seconds: from the call to the answer.
        options: how pictures and statements were put to the model.
    """

    text: str
    statements: tuple[str, ...]
    pictures: tuple[CheckedPicture, ...]
    rule: str
    model: str
    device: str
    rejected: tuple[Rejected, ...]
    notes: tuple[str, ...]
    seconds: float
    options: Options


def check_text(
    images: Images,
    text: str,
    encoder: Encoder,
    *,
    options: Options = Options(),
    places: bool = True,
    progress: Progress | None = None,
    **choices: Unpack[Choices],
) -> CheckList:
    """Check every statement of a text with every picture: for captions of several sentences.

    Args:
        images: as for `clipsim.score_images`.
        text: sentences; of one sentence that has one clause there is one statement.
        encoder: from `clipsim.load()`.
        options: how pictures and statements are put to the model.
        places: whether to say where in each picture a statement lies, which takes as long again for each of them.
        progress: called with (pictures done, pictures in all).
        choices: fields of `options`, which they replace.

    Raises:
        LimitError: there are more than `MOST` statements.
        CaptionError: the text is empty or not valid text.
        ClipsimError: what `clipsim.score_images` raises.
    """
    start = time.perf_counter()
    options = options.replace(**choices)
    sources, text = collect_sources(images), clean_caption(text)
    statements = split_statements(text) or (text,)
    if len(statements) > MOST:
        raise LimitError("statements", len(statements), MOST)
    gallery = embed(sources, encoder, options, progress=progress, keep_views=places)
    checked = _score_statements(statements, gallery, encoder, options.prompt, places)
    (plain,) = _judge_each([text], gallery, encoder, options.prompt, in_parts=False)
    pictures = [
        _total(picture, each, whole) for picture, each, whole in zip(gallery.pictures, checked, plain, strict=True)
    ]
    ranked = sorted(pictures, key=lambda one: -one.percentile)
    return CheckList(
        text=text,
        statements=statements,
        pictures=tuple(replace(one, rank=rank) for rank, one in enumerate(ranked, 1)),
        rule=RULE,
        model=encoder.name,
        device=encoder.device,
        rejected=gallery.rejected,
        notes=(*encoder.notes, *_note_text(text, statements, encoder, options.prompt)),
        seconds=time.perf_counter() - start,
        options=resolve_precision(options, encoder),
    )


def _score_statements(
    statements: Sequence[str], gallery: Gallery, encoder: Encoder, prompt: Prompt, places: bool
) -> list[tuple[StatementScore, ...]]:
    """Return for each picture what every statement comes to."""
    columns = []
    for statement, figures in zip(statements, _judge_each(statements, gallery, encoder, prompt), strict=True):
        parts = encode_parts(statement, encoder, prompt)
        weakest = _find_weakest(statement, parts, gallery, encoder, prompt)
        found: Sequence[Place | None] = [None] * len(figures)
        if places and (parts is None or any(part.wanted for part in parts.parts)):
            found = _find_places(statement, parts, gallery, encoder, prompt)
        rows = zip(figures, weakest, found, strict=True)
        columns.append([StatementScore(**vars(one), weakest=words, place=place) for one, words, place in rows])
    return list(zip(*columns, strict=True))


def _judge_each(
    captions: Sequence[str], gallery: Gallery, encoder: Encoder, prompt: Prompt, *, in_parts: bool = True
) -> list[list[PartScore]]:
    """Return for each caption what every picture comes to by itself, whatever the others are."""
    texts = list(captions)
    vectors = encode_captions(texts, encoder, prompt)
    cosines = gallery.cosines(vectors)
    judged = judge(gallery, cosines, texts, vectors, encoder, prompt, among=None)
    if in_parts:
        cosines, judged = replace_in_parts(gallery, cosines, judged, texts, encoder, prompt, among=None)
    blank = [None] * len(gallery.pictures)
    return [
        [PartScore(*row) for row in zip(column, percentiles, verdicts, strict=True)]
        for column, percentiles, verdicts in zip(
            cosines.T.tolist(), judged.percentiles.T.tolist(), judged.verdicts or [blank] * len(texts), strict=True
        )
    ]


def _find_weakest(
    statement: str, parts: Parts | None, gallery: Gallery, encoder: Encoder, prompt: Prompt
) -> list[tuple[str, ...]]:
    """Return for each picture the words of a statement that add least."""
    words = split_words(statement)
    if parts is not None:
        words = [word for part in parts.parts for word in split_words(part.text)]
    if len(words) > MAX_WORDS:
        return [()] * len(gallery.pictures)
    if parts is None:
        whole, *others = gallery.cosines(encode_captions([statement, *leave_one_out(words)], encoder, prompt)).T
        added = whole[:, None] - np.stack(others, axis=1)
    else:
        added = add_up_parts(parts, gallery, encoder, prompt)
    told = [(i, word.strip(".,:!?“”\"'’()").lower()) for i, word in enumerate(words)]
    telling = [(i, word) for i, word in told if word and word not in _FUNCTION]
    return [_choose_weakest(telling, row) for row in added.tolist()]


def _choose_weakest(words: Sequence[tuple[int, str]], added: Sequence[float]) -> tuple[str, ...]:
    """Return the words that take something away, `WEAKEST` at most; one that adds least if all add something."""
    ranked = sorted(words, key=lambda one: added[one[0]])
    taking = [word for i, word in ranked if added[i] <= 0]
    return tuple(taking[:WEAKEST] or [word for _, word in ranked[:1]])


def _find_places(
    statement: str, parts: Parts | None, gallery: Gallery, encoder: Encoder, prompt: Prompt
) -> list[Place]:
    """Return for each picture where what a statement wants finds most support."""
    targets = encode_captions([statement], encoder, prompt)
    if parts is not None:
        targets = parts.vectors[[part.wanted for part in parts.parts]]
    return [find_peak(one) for one in compute_heatmaps(gallery.pictures, encoder, unit_mean(targets))]


def _total(picture: PictureInfo, statements: tuple[StatementScore, ...], plain: PartScore) -> CheckedPicture:
    """Return what a picture comes to by `RULE`; its rank is given later."""
    verdicts = [one.verdict for one in statements if one.verdict is not None]
    return CheckedPicture(
        name=picture.name,
        rank=0,
        verdict=max(verdicts, key=VERDICTS.index) if verdicts else None,
        percentile=sum(one.percentile for one in statements) / len(statements),
        holding=sum(one in (MATCH, WEAK) for one in verdicts) if verdicts else None,
        statements=statements,
        plain=plain,
        notes=picture.notes,
    )


def _note_text(text: str, statements: Sequence[str], encoder: Encoder, prompt: Prompt) -> list[str]:
    """Return what of the whole text the model does not read, and what of the statements it does not see."""
    notes = [note for one in statements for note in note_caption(one, encoder, prompt)]
    return list(dict.fromkeys([*notes, *note_truncation(text, encoder, prompt)]))
