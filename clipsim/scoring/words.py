"""Which words of a caption carry its score, and whether their order matters."""

from __future__ import annotations

import random

import numpy as np

SHUFFLES = 4  # orders of the same words that are tried
# The order is hardly read where shuffling moves a score by less than this share of what it stands out by.
HARDLY = 0.1
FITS = 95.0  # percentile from which a caption stands out at all; below, every order scores the same nothing
MOST = 60  # words: each is one more caption to encode
UNREAD = (
    "In another order the same words score almost the same here: the model reads them as a bag of words, and does not "
    "know who does what to whom."
)


def split(caption: str) -> list[str]:
    """The words: what white space parts; in scripts without spaces, the characters."""
    words = caption.split()
    return list(caption) if len(words) == 1 and _without_spaces(caption) else words


def left_out(words: list[str]) -> list[str]:
    """The caption without word 1, without word 2, and so on."""
    return [joined([*words[:i], *words[i + 1 :]]) for i in range(len(words))]


def shuffled(words: list[str]) -> list[str]:
    """Up to `SHUFFLES` other orders of the words, the same ones each time; none of fewer than three words."""
    if len(set(words)) < 3:
        return []
    chance = random.Random(0)
    orders: dict[str, None] = {}
    for _ in range(10 * SHUFFLES):
        order = words.copy()
        chance.shuffle(order)
        if order != words:
            orders[joined(order)] = None
        if len(orders) == SHUFFLES:
            break
    return list(orders)


def joined(words: list[str]) -> str:
    """Words as a caption again."""
    return ("" if _without_spaces("".join(words)) else " ").join(words)


def bag_of_words(cosine: np.ndarray, of_shuffled: np.ndarray, unrelated: np.ndarray, percentile: np.ndarray) -> bool:
    """Whether the model hardly reads the order, by the pictures that the caption fits.

    Args:
        cosine: of each picture and the caption, shape (n,).
        of_shuffled: of each picture and each shuffled caption, shape (n, k).
        unrelated: mean cosine of each picture and unrelated captions, shape (n,).
        percentile: of each picture, 0 to 100, shape (n,).
    """
    fits = (percentile >= FITS) & (cosine > unrelated)
    if not fits.any():
        return False
    moved = np.abs(of_shuffled - cosine[:, None]).mean(axis=1)
    return bool(np.median(moved[fits] / (cosine - unrelated)[fits]) <= HARDLY)


def _without_spaces(text: str) -> bool:
    """Chinese, Japanese kana and Thai are written without spaces between words; with their punctuation."""
    scripts = ((0x3000, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0x0E00, 0x0E7F), (0xFF00, 0xFFEF))
    return bool(text) and all(any(low <= ord(c) <= high for low, high in scripts) for c in text)
