"""From cosines to percentiles and verdicts: the one place where a score is judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clipsim.embedding.pipeline import Gallery, one_thread
from clipsim.encoders.base import Encoder
from clipsim.options import Prompt
from clipsim.scoring.calibration import calibration, encode_background, percentiles

PICTURES_AT_ONCE = 500  # whose cosines with all background captions are held at once


@dataclass(frozen=True)
class Judgement:
    """What pictures and captions come to: picture i, caption j.

    Attributes:
        percentiles: of how many unrelated captions in a hundred this one fits better, 0 to 100, shape (n, k).
        typical: mean cosine of each picture with unrelated captions, shape (n,).
        verdicts: for each caption "match", "weak" or "no match" of each picture; None where the model has no cut-offs.
        answers: for each caption "match" or "nothing here matches"; None where the model has no cut-offs.
    """

    percentiles: np.ndarray
    typical: np.ndarray
    verdicts: tuple[tuple[str, ...], ...] | None = None
    answers: tuple[str, ...] | None = None


def judge(
    gallery: Gallery,
    cosines: np.ndarray,
    captions: np.ndarray,
    encoder: Encoder,
    prompt: Prompt = "as-written",
    *,
    among: int = 0,
) -> Judgement:
    """Judge every caption with every picture of one gallery.

    Args:
        gallery: n pictures.
        cosines: of picture i and caption j, shape (n, k).
        captions: their unit vectors, shape (k, d).
        encoder: the model that made both.
        prompt: how it read the captions.
        among: of how many pictures these are the best, where they are not all; of many some look good by chance.
    """
    percent, typical = _percentiles(gallery, cosines, captions, encoder, prompt)
    known = calibration(encoder)
    if known is None or not len(cosines):
        return Judgement(percent, typical)
    judged = [known.cutoffs.verdicts(column, among) for column in percent.T]
    return Judgement(percent, typical, tuple(tuple(each) for _, each in judged), tuple(whole for whole, _ in judged))


def judge_alone(
    gallery: Gallery, cosine: np.ndarray, caption: np.ndarray, encoder: Encoder, prompt: Prompt = "as-written"
) -> tuple[float, str | None]:
    """Judge one picture by itself, of a stream that has no end: its percentile, and its verdict uncorrected for chance.

    Args:
        gallery: the picture.
        cosine: with the caption, shape (1, 1).
        caption: its unit vector, shape (1, d).
        encoder, prompt: as for `judge`.
    """
    percent = float(_percentiles(gallery, cosine, caption, encoder, prompt)[0][0, 0])
    known = calibration(encoder)
    return percent, known.cutoffs.verdict(percent) if known else None


def _percentiles(
    gallery: Gallery, cosines: np.ndarray, captions: np.ndarray, encoder: Encoder, prompt: Prompt
) -> tuple[np.ndarray, np.ndarray]:
    """Return percentiles, shape (n, k), and each picture's mean cosine with unrelated captions, shape (n,)."""
    percent, typical = np.zeros(cosines.shape), np.zeros(len(cosines))
    background, known = encode_background(encoder, prompt), calibration(encoder)
    with one_thread():
        for part, rows in gallery.parts(PICTURES_AT_ONCE):  # bounded, however many pictures there are
            unrelated = part.cosines(background.vectors)
            percent[rows] = percentiles(cosines[rows], captions, unrelated, background, known)
            typical[rows] = unrelated.mean(axis=1)
    return percent, typical
