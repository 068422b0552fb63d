"""Captioned pictures as a model sees them: which pairs belong together, which are random, and which are neither."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clipsim.embedding import Gallery
from clipsim.evaluation import normalize_text
from clipsim.scoring.calibration import BackgroundCaptions

FOLDS = 10  # moments are of eight tenths, or nine
PARTS = 5  # two folds each: cut-offs are tried on one and learned from the others


@dataclass(frozen=True)
class Pairs:
    """Every picture with every caption: n pictures, k captions.

    A random pair is a picture with a caption of another one. Where both have the same caption it is none: it fits.

    Attributes:
        cosines: of picture i and caption j, shape (n, k).
        unrelated: of pictures and background captions, shape (n, m).
        background: those captions.
        pictures: unit vectors, of the first view of each, shape (n, d).
        captions: unit vectors, shape (k, d).
        owner: the row of each caption's picture, shape (k,).
        text: a number for each caption's text, 0 to the number of different texts - 1, shape (k,).
        true: whether caption j is of picture i, shape (n, k).
        random: whether the pair is random, shape (n, k).
        fold: of each picture, 0 to `FOLDS` - 1, shape (n,).
        part: of each picture, 0 to `PARTS` - 1, shape (n,).
        text_part: of each caption, which is that of the first picture with its text, shape (k,).
    """

    cosines: np.ndarray
    unrelated: np.ndarray
    background: BackgroundCaptions
    pictures: np.ndarray
    captions: np.ndarray
    owner: np.ndarray
    text: np.ndarray
    true: np.ndarray
    random: np.ndarray
    fold: np.ndarray
    part: np.ndarray
    text_part: np.ndarray


def make_pairs(
    gallery: Gallery, captions: Sequence[str], vectors: np.ndarray, owner: np.ndarray, background: BackgroundCaptions
) -> Pairs:
    """Pair pictures with captions.

    Args:
        gallery: n pictures.
        captions: k texts.
        vectors: their unit vectors, shape (k, d).
        owner: the row of each caption's picture, shape (k,).
        background: the background captions, as the model reads them with the same prompt.
    """
    count = len(gallery.pictures)
    numbers: dict[str, int] = {}
    text = np.array([numbers.setdefault(normalize_text(caption), len(numbers)) for caption in captions])
    true = owner[None, :] == np.arange(count)[:, None]
    has = np.zeros((count, len(numbers)), bool)
    has[owner, text] = True
    fold = np.random.default_rng(0).permutation(count) % FOLDS
    part = fold % PARTS
    _, first = np.unique(text, return_index=True)
    return Pairs(
        cosines=gallery.cosines(vectors).astype(np.float64),
        unrelated=gallery.cosines(background.vectors).astype(np.float64),
        background=background,
        pictures=gallery.vectors[gallery.starts].astype(np.float64),
        captions=vectors,
        owner=owner,
        text=text,
        true=true,
        random=~has[:, text],
        fold=fold,
        part=part,
        text_part=part[owner[first]][text],
    )
