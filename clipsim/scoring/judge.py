"""From cosines to percentiles and verdicts: the one place where a score is judged."""

from __future__ import annotations

from collections.abc import Sequence
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
        verdicts: for each caption "match", "weak", "not recognised" or "no match" of each picture; None where the model
            has no cut-offs.
        answers: for each caption "match", "not sure" or "nothing here matches"; None where the model has no cut-offs.
    """

    percentiles: np.ndarray
    typical: np.ndarray
    verdicts: tuple[tuple[str, ...], ...] | None = None
    answers: tuple[str, ...] | None = None


def judge(
    gallery: Gallery,
    cosines: np.ndarray,
    captions: Sequence[str],
    vectors: np.ndarray,
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
        captions: k of them. How long one is says which cut-offs are its own.
        vectors: their unit vectors, shape (k, d).
        encoder: the model that made both.
        prompt: how it read the captions.
        among: of how many pictures these are the best, where they are not all; of many some look good by chance. None
            judges each picture by itself, for a stream that has no end: there are verdicts, but no answers.
        pictures_at_once: whose cosines with all background captions are held, however many pictures there are.
    """
    percentiles, typical = np.zeros(cosines.shape), np.zeros(len(cosines))
    background, known = encode_background(encoder, prompt), find_calibration(encoder, prompt)
    own = [known.of(caption) if known else None for caption in captions]
    with one_thread():
        for part, rows in gallery.parts(pictures_at_once):
            unrelated = part.cosines(background.vectors)
            for form in {id(one): one for one in own}.values():
                columns = [j for j, one in enumerate(own) if one is form]
                percentiles[rows, columns] = compute_percentiles(
                    cosines[rows][:, columns], vectors[columns], unrelated, background, form
                )
            typical[rows] = unrelated.mean(axis=1)
    cutoffs = [one.cutoffs for one in own if one]
    if not cutoffs or not len(cosines):
        return Judgement(percentiles, typical)
    pairs = list(zip(cutoffs, percentiles.T, strict=True))
    if among is None:
        return Judgement(percentiles, typical, tuple(tuple(map(one.verdict, column)) for one, column in pairs))
    judged = [one.verdicts(column, among) for one, column in pairs]
    return Judgement(
        percentiles, typical, tuple(tuple(each) for _, each in judged), tuple(whole for whole, _ in judged)
    )
