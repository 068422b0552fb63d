"""Pairs into scores, a block of rows at a time: `score_pairs`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np

from clipsim.embedding import Gallery, Progress, encode_captions
from clipsim.encoders import Encoder
from clipsim.errors import CaptionError, UsageError
from clipsim.options import PROMPTS, Choices, Options, Prompt
from clipsim.pairs.judging import Others, compare_with_others, judge_pairs, measure_cosines
from clipsim.pairs.pair import Pair, PairInput, PairList, PairsInMemory, to_pair
from clipsim.pairs.pictures import encode_pictures
from clipsim.pairs.pool import Pool, sample_captions
from clipsim.pairs.results import PairScore
from clipsim.scoring import clean_caption
from clipsim.scoring.clipscore import PREFIX, clipscore, combine

NO_PICTURE = "has no picture: name one"
NO_CAPTION = "has no caption: write what it shows"
BROKEN = "has a caption with a broken character: type it anew"


@dataclass(frozen=True)
class PairSettings:
    """How a list is gone through.

    Attributes:
        negatives: captions of the list that a row's own is ranked among: those most like it.
        pool: captions of the list from which these, and a better one, are taken; a uniform sample of a longer list.
        block: rows that are scored together; what is done of them is safe together.
        block_bytes: of pictures in memory, beyond which a block has fewer rows.
    """

    negatives: int = 100
    pool: int = 2_000
    block: int = 1_024
    block_bytes: int = 64_000_000


def score_pairs(
    pairs: Iterable[PairInput] | PairList,
    encoder: Encoder,
    options: Options = Options(),
    *,
    settings: PairSettings = PairSettings(),
    progress: Progress | None = None,
    **choices: Unpack[Choices],
) -> Iterator[PairScore]:
    """Score every picture with its own caption, in the order of the list; one block of rows is held at a time.

    Args:
        pairs: tuples of a picture, as `clipsim.score_images` takes one, and its caption, or `Pair`s; or a list that
            `clipsim.pairs.open_pairs` opened. Of an iterator, which is read once, the other captions that each row is
            compared with are those of its own block; else those of the whole list.
        encoder: from `clipsim.load()`.
        options: how pictures and captions are put to the model.
        settings: how the list is gone through.
        progress: called with the number of rows done, twice.
        choices: fields of `options`, which they replace: framing, contrast, prompt.

    Yields:
        A `PairScore` for each row, with the figures that `clipsim.score_images` gives for that picture and caption
        alone. Of a row that cannot be scored it says why.

    Raises:
        UsageError: a choice is not known, what is given are no pairs, or the encoder is none.
        EncoderError: the model cannot be loaded.
    """
    options = options.replace(**choices)
    if not isinstance(encoder, Encoder):
        raise UsageError(f"The encoder is {encoder!r}: pass what clipsim.load returns.")
    if not isinstance(pairs, PairList) and iter(pairs) is not pairs:
        pairs = PairsInMemory(pairs)
    whole = None
    if isinstance(pairs, PairList):
        whole = sample_captions(pairs.captions(), settings.pool).encode(encoder, options.prompt)
    done = 0
    for block in split_blocks(pairs, settings):
        own = ((one.key, one.caption) for one in block if not one.problem)
        pool = whole or sample_captions(own, settings.pool).encode(encoder, options.prompt)
        yield from Scorer(encoder, options, settings, pool).score(block, done)
        done += len(block)
        if progress:
            progress(done, done)


def split_blocks(pairs: Iterable[PairInput], settings: PairSettings) -> Iterator[list[Pair]]:
    """Split rows into blocks of `settings.block` at most, fewer where their pictures are in memory and large."""
    block: list[Pair] = []
    size = 0
    for one in pairs:
        pair = to_pair(one)
        if block and (len(block) >= settings.block or size + pair.size > settings.block_bytes):
            yield block
            block, size = [], 0
        block.append(pair)
        size += pair.size
    if block:
        yield block


@dataclass(frozen=True)
class Scorer:
    """What scores one block of rows after the other, whose captions are compared with those of a pool."""

    encoder: Encoder
    options: Options
    settings: PairSettings
    pool: Pool

    def score(self, block: Sequence[Pair], before: int) -> list[PairScore]:
        """Score the rows of a block that comes after `before` others."""
        captions, problems = _clean_captions(block)
        readable = [pair if not problem else Pair(None, "") for pair, problem in zip(block, problems, strict=True)]
        pictures = encode_pictures(readable, self.encoder, self.options)
        problems = [own or of_picture for own, of_picture in zip(problems, pictures.problems, strict=True)]
        good = [i for i, problem in enumerate(problems) if not problem]
        rows = [block[i] for i in good]
        figures = self._measure(rows, [captions[i] for i in good], pictures.gallery, pictures.places[good])
        known = dict(zip(good, figures, strict=True))
        return [
            PairScore(
                row=before + i + 1,
                name=pair.name or (pair.key if pair.picture else "") or f"row {before + i + 1}",
                caption=captions[i],
                picture=pictures.digests[i],
                **known.get(i, {"rejected": problems[i]}),
            )
            for i, pair in enumerate(block)
        ]

    def _measure(
        self, rows: Sequence[Pair], captions: Sequence[str], gallery: Gallery, places: np.ndarray
    ) -> list[dict[str, Any]]:
        """Return the figures of rows that can be scored, by the names of `PairScore`."""
        if not rows:
            return []
        encoder, prompt, pool = self.encoder, self.options.prompt, self.pool
        texts, which = _number(captions)
        vectors = encode_captions(texts, encoder, prompt)
        own = judge_pairs(gallery, places, texts, which, vectors, encoder, prompt)
        most = self.settings.negatives
        others = compare_with_others(gallery, places, rows, captions, vectors[which], pool, most, encoder, prompt)
        better = self._judge_better(gallery, places, others, own.percentiles)
        published = _measure_clipscores(gallery, places, captions, rows, encoder)
        unread = {text: self.encoder.truncated_text(_longest(prompt).replace("{}", text)) for text in texts}
        return [
            {
                "cosine": float(own.cosines[i]),
                "percentile": float(own.percentiles[i]),
                "verdict": own.verdicts[i],
                "rank": int(others.ranks[i]) if others.among[i] else None,
                "among": int(others.among[i]),
                "unread": unread[captions[i]],
                **published[i],
                **better.get(i, {}),
            }
            for i in range(len(rows))
        ]

    def _judge_better(
        self, gallery: Gallery, places: np.ndarray, others: Others, percentiles: np.ndarray
    ) -> dict[int, dict[str, Any]]:
        """Return the better caption of each row that has one, with its percentile as the best of many."""
        rows = np.flatnonzero(others.best >= 0)
        if not len(rows):
            return {}
        pool, best = self.pool, others.best[rows]
        judged = judge_pairs(gallery, places[rows], pool.texts, best, pool.vectors, self.encoder, self.options.prompt)
        by_chance = 100 * (judged.percentiles / 100) ** others.of[rows]
        return {
            int(row): {"better_caption": pool.texts[one], "better_percentile": float(percentile)}
            for row, one, percentile in zip(rows, best, by_chance, strict=True)
            if percentile > percentiles[row]
        }


def _clean_captions(block: Sequence[Pair]) -> tuple[list[str], list[str]]:
    """Return the captions without white space around them, and for each row why it cannot be scored, "" if it can."""
    captions, problems = [], []
    for pair in block:
        caption, problem = pair.caption.strip(), pair.problem
        if not problem:
            problem = NO_PICTURE if pair.picture is None else "" if caption else NO_CAPTION
        if not problem:
            try:
                clean_caption(caption)
            except CaptionError:
                caption, problem = caption.encode("utf-8", "replace").decode(), BROKEN
        captions.append(caption)
        problems.append(problem)
    return captions, problems


def _number(texts: Iterable[str]) -> tuple[list[str], np.ndarray]:
    """Return the different texts in their order, and for each text which of them it is."""
    numbers: dict[str, int] = {}
    which = [numbers.setdefault(text, len(numbers)) for text in texts]
    return list(numbers), np.array(which, np.int64)


def _longest(prompt: Prompt) -> str:
    return max(PROMPTS[prompt], key=len)


def _measure_clipscores(
    gallery: Gallery, places: np.ndarray, captions: Sequence[str], rows: Sequence[Pair], encoder: Encoder
) -> list[dict[str, float]]:
    """Return CLIPScore of each row, and RefCLIPScore of those with references; neither outside the CLIP family."""
    if encoder.family != "clip":
        return [{} for _ in rows]
    references = [[one.strip() for one in row.references if one.strip()] for row in rows]
    written = [*captions, *(one for own in references for one in own)]
    texts, which = _number(written)
    vectors = encode_captions([PREFIX + text for text in texts], encoder)
    cosines = measure_cosines(gallery, places, vectors[which[: len(rows)]])
    scores: list[dict[str, float]] = []
    following = len(rows)
    for i, own in enumerate(references):
        score = {"clipscore": clipscore(float(cosines[i]))}
        if own:
            others = vectors[which[following : following + len(own)]]
            nearest = max(0.0, float((others @ vectors[which[i]]).max()))
            score["refclipscore"] = combine(score["clipscore"], nearest)
            following += len(own)
        scores.append(score)
    return scores
