"""Which words of a caption carry its score, and whether their order matters."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np

from clipsim.embedding import Gallery, encode_captions
from clipsim.encoders import Encoder
from clipsim.options import Prompt
from clipsim.scoring.judge import Judgement
from clipsim.scoring.results import Score

SHUFFLES = 4  # orders of the same words that are tried
# A model ignores the order where shuffling moves a score by less than this share of what it stands out by.
IGNORED = 0.1
FITS = 95.0  # percentile from which a caption stands out at all; below, every order scores the same nothing
MAX_WORDS = 60  # each is one more caption to encode
ORDER_IGNORED = (
    "In another order the same words score almost the same here: the model reads them as a bag of words, and does not "
    "know who does what to whom."
)
# Blocks of Chinese with its punctuation, Japanese kana, Thai, and full-width forms: written without spaces.
_UNSPACED = ((0x3000, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0x0E00, 0x0E7F), (0xFF00, 0xFFEF))


def measure_words(
    scores: list[Score], caption: str, gallery: Gallery, judged: Judgement, encoder: Encoder, prompt: Prompt
) -> tuple[list[Score], tuple[str, ...] | None, tuple[str, ...]]:
    """Score the caption without each of its words, and with its words in other orders.

    Args:
        scores: of the gallery's pictures, in its order.
        caption: what they were scored against; of more than `MAX_WORDS` only a note says so.
        gallery: n pictures.
        judged: what they come to.
        encoder: the model that made both.
        prompt: how it reads captions.

    Returns:
        The scores with `words` and `shuffled`, the caption's words, and notes.
    """
    words = split_words(caption)
    if len(words) > MAX_WORDS:
        return scores, None, (f"The caption has {len(words)} words; what each adds is said up to {MAX_WORDS}.",)
    others = shuffle_words(words)
    cosines = np.array([score.cosine for score in scores], np.float32)
    parts = gallery.cosines(encode_captions([*leave_one_out(words), *others], encoder, prompt))
    added, of_shuffled = cosines[:, None] - parts[:, : len(words)], parts[:, len(words) :]
    means = of_shuffled.mean(axis=1).tolist() if others else [None] * len(scores)
    ignored = bool(others) and ignores_order(cosines, of_shuffled, judged.typical, judged.percentiles[:, 0])
    measured = [
        replace(score, words=tuple(row), shuffled=mean)
        for score, row, mean in zip(scores, added.tolist(), means, strict=True)
    ]
    return measured, tuple(words), (ORDER_IGNORED,) if ignored else ()


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


def ignores_order(cosine: np.ndarray, of_shuffled: np.ndarray, typical: np.ndarray, percentile: np.ndarray) -> bool:
    """Tell whether the model hardly reads the order, by the pictures that the caption fits.

    `cosine`, shape (n,), and `of_shuffled`, shape (n, k), are those of each picture with the caption and with its
    shuffled forms; `typical` and `percentile`, shape (n,), are those of `Judgement`.
    """
    fits = (percentile >= FITS) & (cosine > typical)
    if not fits.any():
        return False
    moved = np.abs(of_shuffled - cosine[:, None]).mean(axis=1)
    return bool(np.median(moved[fits] / (cosine - typical)[fits]) <= IGNORED)


def _is_unspaced(text: str) -> bool:
    return bool(text) and all(any(low <= ord(letter) <= high for low, high in _UNSPACED) for letter in text)
