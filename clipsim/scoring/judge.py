"""From cosines to percentiles and verdicts: the one place where a score is judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clipsim.embedding import Gallery, one_thread
from clipsim.encoders import Encoder
from clipsim.options import Prompt
from clipsim.scoring.calibration import compute_percentiles, encode_background
from clipsim.scoring.first_use import find_calibration


@dataclass(frozen=True)
class Judgement:
    """What pictures and captions come to: picture i, caption j.

    Attributes:
        percentiles: of how many unrelated captions in a hundred this one fits better, 0 to 100, shape (n, k).
        typical: mean cosine of each picture with unrelated captions, shape (n,).
        verdicts: for each caption "match", "weak" or "no match" of each picture; None where the model has no cut-offs.
        answers: for each caption "match", "not sure" or "nothing here matches"; None where the model has no cut-offs.
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
    among: int | None = 0,
    pictures_at_once: int = 500,
) -> Judgement:
    """Judge every caption with every picture of one gallery.

    Args:
        gallery: n pictures.
        cosines: of picture i and caption j, shape (n, k).
        captions: their unit vectors, shape (k, d).
        encoder: the model that made both.
        prompt: how it read the captions.
        among: of how many pictures these are the best, where they are not all; of many some look good by chance. None
            judges each picture by itself, for a stream that has no end: there are verdicts, but no answers.
        pictures_at_once: whose cosines with all background captions are held, however many pictures there are.
    """
    percentiles, typical = np.zeros(cosines.shape), np.zeros(len(cosines))
    background, known = encode_background(encoder, prompt), find_calibration(encoder, prompt)
    with one_thread():
        for part, rows in gallery.parts(pictures_at_once):
            unrelated = part.cosines(background.vectors)
            percentiles[rows] = compute_percentiles(cosines[rows], captions, unrelated, background, known)
            typical[rows] = unrelated.mean(axis=1)
    if known is None or not len(cosines):
        return Judgement(percentiles, typical)
    if among is None:
        return Judgement(percentiles, typical, tuple(tuple(map(known.cutoffs.verdict, one)) for one in percentiles.T))
    judged = [known.cutoffs.verdicts(column, among) for column in percentiles.T]
    return Judgement(
        percentiles, typical, tuple(tuple(each) for _, each in judged), tuple(whole for whole, _ in judged)
    )
