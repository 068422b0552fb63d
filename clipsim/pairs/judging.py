"""Pairs judged one by one as a gallery of one picture would be, and a picture's own caption among others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from clipsim.embedding import Gallery, one_thread
from clipsim.encoders import Encoder
from clipsim.options import Prompt
from clipsim.pairs.pair import Pair
from clipsim.pairs.pool import Pool
from clipsim.scoring import encode_background, encode_parts, find_calibration, judge, judge_parts
from clipsim.scoring.calibration import compute_strengths

CELLS = 4_096  # of pictures by captions that are judged together, of which a caption a picture needs the diagonal
PICTURES = 256  # that are held against all others captions at once: with 2,000 of them 4 MB an array


@dataclass(frozen=True)
class Judged:
    """Of each pair: cosine, -1 to 1, percentile, 0 to 100, and verdict, None where the model has no cut-offs."""

    cosines: np.ndarray
    percentiles: np.ndarray
    verdicts: list[str | None]


@dataclass(frozen=True)
class Others:
    """Of each row: its rank and among how many, and the best other caption of the pool, -1 for none, of how many."""

    ranks: np.ndarray
    among: np.ndarray
    best: np.ndarray
    of: np.ndarray


def judge_pairs(
    gallery: Gallery,
    places: np.ndarray,
    captions: Sequence[str],
    which: np.ndarray,
    vectors: np.ndarray,
    encoder: Encoder,
    prompt: Prompt,
) -> Judged:
    """Judge pair i, of the picture at `places[i]` and the caption `which[i]`, as one picture alone is judged.

    `captions` are k texts, `vectors` their unit vectors, shape (k, d).
    """
    cosines, percentiles = np.zeros(len(places), np.float32), np.zeros(len(places))
    known = find_calibration(encoder, prompt)
    for rows in _group(places, which):
        pictures, row_picture = np.unique(places[rows], return_inverse=True)
        texts, row_text = np.unique(which[rows], return_inverse=True)
        part, own = take_pictures(gallery, pictures), vectors[texts]
        grid = part.cosines(own)
        written = [captions[text] for text in texts]
        judged = judge(part, grid, written, own, encoder, prompt, among=None)
        cosines[rows] = grid[row_picture, row_text]
        percentiles[rows] = judged.percentiles[row_picture, row_text]
    verdicts: list[str | None] = [None] * len(places)
    if known:
        cutoffs = [known.of(captions[text]).cutoffs for text in which]
        verdicts = [own.verdicts(percentiles[i : i + 1])[1][0] for i, own in enumerate(cutoffs)]
    alone = Judged(cosines, percentiles, verdicts)
    _judge_in_parts(alone, gallery, places, captions, which, encoder, prompt)
    return alone


def _judge_in_parts(
    alone: Judged,
    gallery: Gallery,
    places: np.ndarray,
    captions: Sequence[str],
    which: np.ndarray,
    encoder: Encoder,
    prompt: Prompt,
) -> None:
    """Put in its place what a caption comes to that says what must not be there; the arguments are `judge_pairs`'s."""
    for text in np.unique(which):
        if (parts := encode_parts(captions[text], encoder, prompt)) is None:
            continue
        for row in np.flatnonzero(which == text):
            found = judge_parts(take_pictures(gallery, places[row : row + 1]), parts, encoder, prompt)
            alone.cosines[row], alone.percentiles[row] = found.cosines[0], found.judged.percentiles[0, 0]
            alone.verdicts[row] = found.judged.verdicts[0][0] if found.judged.verdicts else None


def measure_cosines(gallery: Gallery, places: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return the cosine of pair i, the picture at `places[i]` by its best view and unit vector i: shape (n,)."""
    ends = np.append(gallery.starts, len(gallery.vectors))
    counts = np.diff(ends)[places]
    views = np.concatenate([np.arange(ends[place], ends[place + 1]) for place in places])
    of_view = np.repeat(np.arange(len(places)), counts)
    # in double, as `Gallery.cosines` does
    each = np.einsum("ij,ij->i", gallery.vectors[views], vectors[of_view], dtype=np.float64)
    starts = np.cumsum(np.append(0, counts))[:-1]
    best: np.ndarray = np.maximum.reduceat(each.clip(-1, 1), starts).astype(np.float32)
    return best


def _group(places: np.ndarray, which: np.ndarray) -> Iterator[np.ndarray]:
    """Split pairs into groups whose different pictures, by their different captions, are `CELLS` at most."""
    order = np.argsort(places, kind="stable")
    group: list[int] = []
    pictures: set[int] = set()
    texts: set[int] = set()
    for row in order.tolist():
        picture, text = int(places[row]), int(which[row])
        cells = (len(pictures) + (picture not in pictures)) * (len(texts) + (text not in texts))
        if group and cells > CELLS:
            yield np.array(group)
            group, pictures, texts = [], set(), set()
        group.append(row)
        pictures.add(picture)
        texts.add(text)
    if group:
        yield np.array(group)


def take_pictures(gallery: Gallery, pictures: np.ndarray) -> Gallery:
    """Return a gallery of the pictures at these places, in this order."""
    ends = np.append(gallery.starts, len(gallery.vectors))
    views = [np.arange(ends[one], ends[one + 1]) for one in pictures]
    starts = np.cumsum([0, *map(len, views)])[:-1]
    infos = tuple(gallery.pictures[one] for one in pictures)
    return Gallery(infos, gallery.vectors[np.concatenate(views)], starts, ())


def compare_with_others(
    gallery: Gallery,
    places: np.ndarray,
    pairs: Sequence[Pair],
    captions: Sequence[str],
    vectors: np.ndarray,
    pool: Pool,
    most: int,
    encoder: Encoder,
    prompt: Prompt,
) -> Others:
    """Rank row i's caption, of vector i, among the `most` captions of the pool that are most like it.

    A caption of the same picture is none of them. `places` are those of the rows' pictures in the gallery; what
    compares captions with one picture is how much better they fit it than unrelated ones do.
    """
    count, size = len(places), len(pool.texts)
    others = Others(*(np.zeros(count, np.int64) for _ in range(4)))
    others.best[:] = -1
    order = np.argsort(places, kind="stable")
    for first in range(0, count if size else 0, PICTURES):
        rows = order[first : first + PICTURES]
        pictures, row_picture = np.unique(places[rows], return_inverse=True)
        part = take_pictures(gallery, pictures)
        texts = [captions[row] for row in rows]
        strength = _measure_strengths(part, pool.vectors, pool.texts, encoder, prompt)[row_picture]
        own = _measure_strengths(part, vectors[rows], texts, encoder, prompt)[row_picture, np.arange(len(rows))]
        with one_thread():
            alike = vectors[rows] @ pool.vectors.T
        for i, row in enumerate(rows):
            alike[i, pool.exclude(pairs[row].key, texts[i])] = -np.inf
        allowed = np.isfinite(alike)
        strength[~allowed] = -np.inf
        others.of[rows] = allowed.sum(axis=1)
        others.among[rows] = np.minimum(others.of[rows], most)
        if most < size:
            nearest = np.argpartition(-alike, most, axis=1)[:, :most]
            others.ranks[rows] = 1 + (np.take_along_axis(strength, nearest, axis=1) > own[:, None]).sum(axis=1)
        else:
            others.ranks[rows] = 1 + (strength > own[:, None]).sum(axis=1)
        best = strength.argmax(axis=1)
        better = strength[np.arange(len(rows)), best] > own
        others.best[rows] = np.where(better & (others.of[rows] > 0), best, -1)
    return others


def _measure_strengths(
    gallery: Gallery, vectors: np.ndarray, captions: Sequence[str], encoder: Encoder, prompt: Prompt
) -> np.ndarray:
    """Measure how well each caption fits each picture, comparable along a row: shape (n, k).

    It is the percentile, or what rises with it where that would have to be counted for each caption.
    """
    background, known = encode_background(encoder, prompt), find_calibration(encoder, prompt)
    forms = [known.of(caption) if known else None for caption in captions]
    with one_thread():
        cosines, unrelated = gallery.cosines(vectors), gallery.cosines(background.vectors)
        strengths = np.zeros(cosines.shape)
        for form in {id(one): one for one in forms}.values():
            columns = [j for j, one in enumerate(forms) if one is form]
            t, _ = compute_strengths(cosines[:, columns], vectors[columns], unrelated, background, form)
            strengths[:, columns] = t if form is None or form.views is not None else form.null.percentile(t)
    return strengths
