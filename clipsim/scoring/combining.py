"""A caption in parts, scored: each part by itself, and all of them by one rule.

1. A wanted part has to fit, and is scored as it would be alone.
2. One that must not be there counts the other way round: its verdicts in turned order, “no match” best, and 100 less
   its percentile. A name of a thing is put into sentences for that, whose mean vector misses fewer pictures that show
   it than the bare name, and “people” are looked for as men, women and children too.
3. Together: the verdict is that of the worst part. The percentile, by which pictures are ranked, is by Fisher's method:
   that of several wanted parts by the sum of n rarities `-ln(1 - percentile / 100)`, against the gamma distribution of
   shape n; then that and every unwanted part by the other end, the product of the shares `percentile / 100` and `1 -
   percentile / 100`, of which `-ln` is so distributed too. So it stays a percentage of unrelated captions in as many
   parts. The cosine is that of the sum of the wanted vectors less the unwanted ones.

`benchmarks/quality/negation.py` measures it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import scipy  # its parts load when they are used

from clipsim.embedding import Gallery, encode_captions, unit_mean
from clipsim.encoders import Encoder
from clipsim.options import Prompt
from clipsim.scoring.calibration import MATCH, NAME_WORDS, NOT_SURE, NOTHING, VERDICTS, WEAK
from clipsim.scoring.first_use import find_calibration
from clipsim.scoring.judge import Judgement, judge
from clipsim.scoring.parts import Part, split_parts
from clipsim.scoring.results import PartScore

T = TypeVar("T")

SENTENCES = ("a photo of {}", "there is {} in the picture")  # for what must not be there
PEOPLE = ("a man", "a woman", "a child", "people")  # a word for all of them is rarely written of a picture
_ALL_PEOPLE = frozenset({"people", "a person", "persons", "humans", "a human", "anyone", "anybody"})
CERTAIN = 1e-12  # share of unrelated captions below which none is told apart
TINY = 1e-6  # length of a sum of vectors that cancel each other


@dataclass(frozen=True)
class Parts:
    """The parts of one caption as vectors.

    Attributes:
        parts: k of them.
        vectors: unit-length, shape (k, d).
    """

    parts: tuple[Part, ...]
    vectors: np.ndarray

    @property
    def signs(self) -> np.ndarray:
        """1 for each part that is wanted and -1 for the others, shape (k,)."""
        return np.array([1.0 if part.wanted else -1.0 for part in self.parts])

    @property
    def target(self) -> np.ndarray:
        """The wanted vectors less the unwanted ones, of unit length, shape (1, d); zero where they cancel out."""
        total = self.signs @ self.vectors
        length = float(np.linalg.norm(total))
        target: np.ndarray = (total / length if length > TINY else 0 * total)[None].astype(np.float32)
        return target

    def combine(self, cosines: np.ndarray) -> np.ndarray:
        """Return the cosines of pictures with `target`, shape (n,), of those with each part, shape (n, k).

        With several views of a picture each part has its best view, so that it does not matter where one lies.
        """
        length = float(np.linalg.norm(self.signs @ self.vectors))
        total = cosines.astype(np.float64) @ self.signs / max(length, TINY)
        combined: np.ndarray = np.clip(total if length > TINY else 0 * total, -1, 1).astype(np.float32)
        return combined


@dataclass(frozen=True)
class PartsJudgement:
    """What pictures and the parts of one caption come to.

    Attributes:
        cosines: of each picture and all parts together, shape (n,).
        judged: of all parts together, as of a single caption.
        scores: of each picture what each part comes to.
    """

    cosines: np.ndarray
    judged: Judgement
    scores: list[tuple[PartScore, ...]]


def encode_parts(caption: str, encoder: Encoder, prompt: Prompt = "as-written") -> Parts | None:
    """Take a caption apart and encode its parts; None if it is plain."""
    parts = split_parts(caption)
    return Parts(parts, np.stack([encode_part(part, encoder, prompt) for part in parts])) if parts else None


def note_parts(parts: Sequence[Part]) -> list[str]:
    """Return the sentence that says what of a caption is scored apart; nothing for a plain one."""
    wanted, unwanted = ([f"“{part.text}”" for part in parts if part.wanted is kind] for kind in (True, False))
    fits = [f"{' and '.join(wanted)} {'has' if len(wanted) == 1 else 'have'} to fit"] if wanted else []
    denied = [f"{' and '.join(unwanted)} must not be there"] if unwanted else []
    return [f"The caption is scored in parts: {', '.join([*fits, *denied])}."] if parts else []


def encode_target(caption: str, encoder: Encoder, prompt: Prompt = "as-written") -> np.ndarray:
    """Encode a caption into the vector that pictures are compared with, shape (1, d): that of its parts, if it has any.

    It is of unit length, or zero where parts cancel each other out.
    """
    parts = encode_parts(caption, encoder, prompt)
    return encode_captions([caption], encoder, prompt) if parts is None else parts.target


def encode_part(part: Part, encoder: Encoder, prompt: Prompt) -> np.ndarray:
    """Encode one part into a unit vector, shape (d,)."""
    if part.wanted or len(part.text.split()) > NAME_WORDS:
        vector: np.ndarray = encode_captions([part.text], encoder, prompt)[0]
        return vector
    names = PEOPLE if part.text.lower() in _ALL_PEOPLE else (part.text,)
    sentences = SENTENCES if prompt == "as-written" else ("{}",)
    texts = [sentence.replace("{}", name) for sentence in sentences for name in names]
    mean: np.ndarray = unit_mean(encode_captions(texts, encoder, prompt))
    return mean


def judge_parts(
    gallery: Gallery, parts: Parts, encoder: Encoder, prompt: Prompt = "as-written", *, among: int | None = 0
) -> PartsJudgement:
    """Judge every picture of a gallery by each part of a caption, and by all of them; the arguments are `judge`'s."""
    texts, cosines = [part.text for part in parts.parts], gallery.cosines(parts.vectors)
    each = judge(gallery, cosines, texts, parts.vectors, encoder, prompt, among=None)
    percentiles = combine_percentiles(parts.parts, each.percentiles)
    scores = [
        tuple(PartScore(*row) for row in zip(*rows, strict=True))
        for rows in zip(cosines.tolist(), each.percentiles.tolist(), _list_verdicts(each, cosines.shape), strict=True)
    ]
    together = Judgement(percentiles[:, None], each.typical)
    if each.verdicts:
        verdicts, answer = _combine_verdicts(parts.parts, each, encoder, prompt, among)
        together = replace(together, verdicts=(verdicts,), answers=None if among is None else (answer,))
    return PartsJudgement(parts.combine(cosines), together, scores)


def turn_verdict(verdict: str) -> str:
    """Return what a verdict says of the picture where the part must not be there: for “no match” it is a match."""
    return VERDICTS[len(VERDICTS) - 1 - VERDICTS.index(verdict)]


def replace_in_parts(
    gallery: Gallery,
    cosines: np.ndarray,
    judged: Judgement,
    captions: Sequence[str],
    encoder: Encoder,
    prompt: Prompt,
    *,
    among: int | None = 0,
) -> tuple[np.ndarray, Judgement]:
    """Return cosines, shape (n, k), and how captions are judged, with the columns of those that have parts replaced."""
    for place, caption in enumerate(captions):
        if (parts := encode_parts(caption, encoder, prompt)) is None:
            continue
        found = judge_parts(gallery, parts, encoder, prompt, among=among)
        cosines, percentiles = cosines.copy(), judged.percentiles.copy()
        cosines[:, place], percentiles[:, place] = found.cosines, found.judged.percentiles[:, 0]
        judged = replace(
            judged,
            percentiles=percentiles,
            verdicts=_replace_one(judged.verdicts, place, found.judged.verdicts),
            answers=_replace_one(judged.answers, place, found.judged.answers),
        )
    return cosines, judged


def _replace_one(values: tuple[T, ...] | None, place: int, by: tuple[T, ...] | None) -> tuple[T, ...] | None:
    return (*values[:place], *by, *values[place + 1 :]) if values and by else values


def combine_percentiles(parts: Sequence[Part], percentiles: np.ndarray) -> np.ndarray:
    """Return how well all parts fit, 0 to 100, shape (n,), by the percentiles of each, shape (n, k)."""
    wanted, unwanted = ([i for i, part in enumerate(parts) if part.wanted is kind] for kind in (True, False))
    shares = 1 - percentiles[:, unwanted] / 100
    if wanted:
        rarities = -np.log(np.maximum(1 - percentiles[:, wanted] / 100, CERTAIN)).sum(axis=1)
        shares = np.column_stack([scipy.special.gammainc(len(wanted), rarities), shares])
    if shares.shape[1] == 1:
        return 100 * shares[:, 0]
    rarities = -np.log(np.maximum(shares, CERTAIN)).sum(axis=1)
    combined: np.ndarray = 100 * scipy.special.gammaincc(shares.shape[1], rarities)
    return combined


def _list_verdicts(each: Judgement, shape: tuple[int, ...]) -> list[list[str | None]]:
    """Return the verdict of every picture on every part; None where the model has no cut-offs."""
    if each.verdicts is None:
        return [[None] * shape[1] for _ in range(shape[0])]
    return [list(row) for row in zip(*each.verdicts, strict=True)]


def _combine_verdicts(
    parts: Sequence[Part], each: Judgement, encoder: Encoder, prompt: Prompt, among: int | None
) -> tuple[tuple[str, ...], str]:
    """Return the verdict of every picture on all parts, and the answer on the gallery."""
    known = find_calibration(encoder, prompt)
    assert known is not None and each.verdicts is not None  # or there were no verdicts
    columns, answers = [], []
    for part, verdicts, percentiles in zip(parts, each.verdicts, each.percentiles.T, strict=True):
        if part.wanted and among is not None:
            answer, corrected = known.of(part.text).cutoffs.verdicts(percentiles, among)
            answers.append(answer)
            columns.append([VERDICTS.index(one) for one in corrected])
        elif part.wanted:
            columns.append([VERDICTS.index(one) for one in verdicts])
        else:
            columns.append([VERDICTS.index(turn_verdict(one)) for one in verdicts])
    worst = tuple(VERDICTS[max(row)] for row in zip(*columns, strict=True))
    if MATCH in worst and all(one == MATCH for one in answers):
        return worst, MATCH
    unsure = (MATCH in worst or WEAK in worst) and NOTHING not in answers
    return worst, NOT_SURE if unsure else NOTHING
