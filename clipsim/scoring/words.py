"""Which words of a caption carry its score, and whether their order matters."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np

from clipsim.embedding import Gallery, encode_captions
from clipsim.encoders import Encoder
from clipsim.options import Prompt
from clipsim.scoring.judge import Judgement

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


@dataclass(frozen=True)
class WordEffects:
    """What a caption's words and their order do to its cosine with n pictures.

    Attributes:
        words: the caption's.
        added: the cosine less that without word j, shape (n, words).
        shuffled: mean cosine of the same words in other orders, shape (n,); None for fewer than three different words.
        ignores_order: whether the model hardly reads the order.
    """

    words: tuple[str, ...]
    added: np.ndarray
    shuffled: np.ndarray | None
    ignores_order: bool


def measure_words(
    caption: str, gallery: Gallery, cosines: np.ndarray, judged: Judgement, encoder: Encoder, prompt: Prompt
) -> WordEffects:
    """Score the caption without each of its words, and with its words in other orders.

    Args:
        caption: of `MAX_WORDS` at most.
        gallery: n pictures.
        cosines: of each picture and the caption, shape (n,).
        judged: what they come to.
        encoder: the model that made both.
        prompt: how it reads captions.
    """
    words = split_words(caption)
    others = shuffle_words(words)
    parts = gallery.cosines(encode_captions([*leave_one_out(words), *others], encoder, prompt))
    added, of_shuffled = cosines[:, None] - parts[:, : len(words)], parts[:, len(words) :]
    if not others or not len(cosines):
        return WordEffects(tuple(words), added, None, False)
    ignored = ignores_order(cosines, of_shuffled, judged.typical, judged.percentiles[:, 0])
    return WordEffects(tuple(words), added, of_shuffled.mean(axis=1), ignored)


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

    Args:
        cosine: of each picture and the caption, shape (n,).
        of_shuffled: of each picture and each shuffled caption, shape (n, k).
        typical: mean cosine of each picture and unrelated captions, shape (n,).
        percentile: of each picture, 0 to 100, shape (n,).
    """
    fits = (percentile >= FITS) & (cosine > typical)
    if not fits.any():
        return False
    moved = np.abs(of_shuffled - cosine[:, None]).mean(axis=1)
    return bool(np.median(moved[fits] / (cosine - typical)[fits]) <= IGNORED)


def _is_unspaced(text: str) -> bool:
    return bool(text) and all(any(low <= ord(letter) <= high for low, high in _UNSPACED) for letter in text)
