"""Which words of a caption carry its score, and whether the model reads who does what to whom."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from clipsim.embedding import Gallery, encode_captions
from clipsim.encoders import Encoder
from clipsim.options import Prompt
from clipsim.scoring.combining import Parts, encode_part
from clipsim.scoring.judge import Judgement
from clipsim.scoring.results import Score
from clipsim.scoring.roles import RoleSwap, swap_roles

SHUFFLES = 4  # orders of the same words that are tried
# A model ignores roles where swapping them takes no more from a score than this share of what it stands out by.
IGNORED = 0.1
FITS = 95.0  # percentile from which a caption stands out at all; below, either way round scores the same nothing
MAX_WORDS = 60  # each is one more caption to encode
# Blocks of Chinese with its punctuation, Japanese kana, Thai, and full-width forms: written without spaces.
_UNSPACED = ((0x3000, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0x0E00, 0x0E7F), (0xFF00, 0xFFEF))


class WordScores(NamedTuple):
    """Scores with `words` and `shuffled`, and `Result.words`, `Result.swapped` and `Result.notes` to go with them."""

    scores: list[Score]
    words: tuple[str, ...] | None = None
    swapped: str | None = None
    notes: tuple[str, ...] = ()


def measure_words(
    scores: list[Score], caption: str, gallery: Gallery, judged: Judgement, encoder: Encoder, prompt: Prompt
) -> WordScores:
    """Score the caption without each of its words, with its words in other orders, and with its two things swapped.

    Args:
        scores: of the gallery's pictures, in its order.
        caption: what they were scored against; of more than `MAX_WORDS` only a note says so.
        gallery: n pictures.
        judged: what they come to.
        encoder: the model that made both.
        prompt: how it reads captions.
    """
    words = split_words(caption)
    if len(words) > MAX_WORDS:
        note = f"The caption has {len(words)} words; what each adds is said up to {MAX_WORDS}."
        return WordScores(scores, notes=(note,))
    others, swap = shuffle_words(words), swap_roles(caption)
    altered = [*leave_one_out(words), *others, *([swap.caption] if swap else [])]
    cosines = np.array([score.cosine for score in scores], np.float32)
    parts = gallery.cosines(encode_captions(altered, encoder, prompt))
    added, of_shuffled = cosines[:, None] - parts[:, : len(words)], parts[:, len(words) :][:, : len(others)]
    means = of_shuffled.mean(axis=1).tolist() if others else [None] * len(scores)
    measured = [
        replace(score, words=tuple(row), shuffled=mean)
        for score, row, mean in zip(scores, added.tolist(), means, strict=True)
    ]
    ignored = swap and ignores_roles(cosines, parts[:, -1], judged.typical, judged.percentiles[:, 0])
    return WordScores(measured, tuple(words), note_roles(swap) if swap and ignored else None)


def measure_words_of_parts(
    scores: list[Score], parts: Parts, gallery: Gallery, encoder: Encoder, prompt: Prompt
) -> WordScores:
    """Score a caption in parts without each of its words, in the order of the parts; a part without words counts for 0.

    The arguments are those of `measure_words`. Orders of words and things that are swapped are not tried.
    """
    words = [word for part in parts.parts for word in split_words(part.text)]
    if len(words) > MAX_WORDS:
        note = f"The caption has {len(words)} words; what each adds is said up to {MAX_WORDS}."
        return WordScores(scores, notes=(note,))
    added = add_up_parts(parts, gallery, encoder, prompt)
    measured = [replace(score, words=tuple(row)) for score, row in zip(scores, added.tolist(), strict=True)]
    return WordScores(measured, tuple(words))


def add_up_parts(parts: Parts, gallery: Gallery, encoder: Encoder, prompt: Prompt) -> np.ndarray:
    """Return what each word of a caption in parts adds to its cosine with picture i, shape (n, words)."""
    cosines, without = gallery.cosines(parts.vectors), []
    for i, part in enumerate(parts.parts):
        for rest in leave_one_out(split_words(part.text)):
            vectors, altered = parts.vectors.copy(), cosines.copy()
            vectors[i] = encode_part(replace(part, text=rest), encoder, prompt) if rest else 0
            altered[:, i] = gallery.cosines(vectors[i : i + 1])[:, 0]
            without.append(replace(parts, vectors=vectors).combine(altered))
    added: np.ndarray = parts.combine(cosines)[:, None] - np.stack(without, axis=1)
    return added


def split_words(caption: str) -> list[str]:
    """Split a caption at white space; in scripts without spaces, into characters."""
    words = caption.split()
    return list(caption) if len(words) == 1 and _is_unspaced(caption) else words


def join_words(words: list[str]) -> str:
    """Join words into a caption again."""
    return ("" if _is_unspaced("".join(words)) else " ").join(words)


def leave_one_out(words: list[str]) -> list[str]:
    """Return the caption without word 1, without word 2, and so on."""
    return [join_words([*words[:i], *words[i + 1 :]]) for i in range(len(words))]


def shuffle_words(words: list[str]) -> list[str]:
    """Return up to `SHUFFLES` other orders of the words, the same ones each time; none of fewer than three words."""
    if len(set(words)) < 3:
        return []
    chance = random.Random(0)
    orders: dict[str, None] = {}
    for _ in range(10 * SHUFFLES):
        order = words.copy()
        chance.shuffle(order)
        if order != words:
            orders[join_words(order)] = None
        if len(orders) == SHUFFLES:
            break
    return list(orders)


def ignores_roles(cosine: np.ndarray, swapped: np.ndarray, typical: np.ndarray, percentile: np.ndarray) -> bool:
    """Tell whether the caption with its things swapped fits as well, by the pictures that the caption fits.

    `cosine` and `swapped` are those of each picture with the caption and with its swapped form, `typical` and
    `percentile` those of `Judgement`; each of shape (n,).
    """
    fits = (percentile >= FITS) & (cosine > typical)
    if not fits.any():
        return False
    return bool(np.median((cosine - swapped)[fits] / (cosine - typical)[fits]) <= IGNORED)


def note_roles(swap: RoleSwap) -> str:
    """Say that the model does not tell the two ways round apart."""
    return (
        f"“{swap.second} {swap.relation} {swap.first}” fits as well, says the model: it does not read who does what to "
        "whom."
    )


def _is_unspaced(text: str) -> bool:
    return bool(text) and all(any(low <= ord(letter) <= high for low, high in _UNSPACED) for letter in text)
