"""How well a model finds pictures by their captions and captions by their pictures: retrieval metrics on a collection.

The protocol is that of the COCO and Flickr30K tables (Karpathy and Fei-Fei 2015, arXiv:1412.2306, section 4.2): every
caption is a query among all pictures; every picture is a query among all captions, and its rank is that of the best of
its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import scipy  # its parts load when they are used

from clipsim.embedding import Progress, encode_captions
from clipsim.encoders import Encoder
from clipsim.errors import CaptionError
from clipsim.evaluation.caption_files import Captioned, read_captions
from clipsim.images import abbreviate
from clipsim.options import Options, Prompt

if TYPE_CHECKING:
    from clipsim.collections import Collection

CUTOFFS = (1, 5, 10)
BLOCK = (1_024, 4_096)  # captions, pictures: a block of cosines takes 32 MB in double and 16 MB in single
RESAMPLES, SEED = 1_000, 0
DRAWN_AT_ONCE = 1_000_000  # values of resamples that are held at once: 8 MB each time that they are
Statistic: TypeAlias = Callable[[np.ndarray, np.ndarray], np.ndarray]
ENCODED_AT_ONCE = 256  # captions between two steps of the progress bar


@dataclass(frozen=True)
class Estimate:
    """A figure and the ends of its 95 % confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Retrieval:
    """How well `queries` captions, or pictures, find the right one `among` others; the best rank is 1.

    `recall` holds, for each k of `CUTOFFS`, the share of the queries whose right one was among the k best, 0 to 1.
    """

    queries: int
    among: int
    recall: dict[int, Estimate]
    median_rank: Estimate
    mean_reciprocal_rank: Estimate


@dataclass(frozen=True)
class Evaluation:
    """The metrics both ways, and what they were measured on."""

    model: str
    prompt: str
    text_to_image: Retrieval
    image_to_text: Retrieval
    missing: tuple[str, ...] = ()  # files with captions that are none, or several, of the collection's pictures
    left_out: int = 0  # captions of these files, which are not in the metrics
    blank: int = 0  # captions without a word, which are not in the metrics either
    without: int = 0  # pictures of the collection without a caption: captions have to find theirs among them too

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain dicts, lists, strings and numbers."""
        return asdict(self)


def evaluate(
    captions: str | Path | Sequence[Captioned],
    collection: Collection,
    encoder: Encoder | None = None,
    *,
    prompt: Prompt = "as-written",
    progress: Progress | None = None,
) -> Evaluation:
    """Measure a collection's model on captions of its pictures.

    Args:
        captions: a file as `read_captions` reads it, or its content.
        collection: of the pictures; it may have others too.
        encoder: the collection's model; None loads it.
        prompt: as for `clipsim.score_images`.
        progress: called with (captions encoded, captions in all).

    Raises:
        CaptionError: the file cannot be read, or none of its pictures is in the collection.
        ClipsimError: the encoder is not the collection's, or the prompt is not known.
    """
    Options(prompt=prompt)  # which checks it
    given = read_captions(captions) if isinstance(captions, str | Path) else list(captions)
    paths: list[str] = collection.table(["path"])["path"].to_pylist()
    written = [one for one in given if one.caption]
    places = match_paths([one.file for one in written], paths)
    missing = list(dict.fromkeys(one.file for one, place in zip(written, places, strict=True) if place < 0))
    kept = [(one.caption, place) for one, place in zip(written, places, strict=True) if place >= 0]
    if not kept:
        raise CaptionError(
            f"None of the captioned pictures ({abbreviate([one.file for one in given])}) is in the collection: its "
            f"paths are like {abbreviate(paths, 2) or 'none, since it is empty'}."
        )
    encoder = encoder or collection.manifest.embedding.load()
    collection.manifest.embedding.check(encoder)
    texts = encode_in_parts([caption for caption, _ in kept], encoder, prompt, progress)
    own = np.array([place for _, place in kept])
    of_captions, of_pictures = compute_ranks(texts, collection.vectors(), own)
    return Evaluation(
        model=encoder.name,
        prompt=prompt,
        text_to_image=summarize_ranks(of_captions, len(paths), own),
        image_to_text=summarize_ranks(of_pictures, len(kept)),
        missing=tuple(missing),
        left_out=len(written) - len(kept),
        blank=len(given) - len(written),
        without=len(paths) - len(of_pictures),
    )


def match_paths(names: Sequence[str], paths: Sequence[str]) -> list[int]:
    """Return each name's place in `paths`: the path itself, else the only one with the same last part; -1 for none."""
    whole = {path: place for place, path in enumerate(paths)}
    last: dict[str, int] = {}
    for place, path in enumerate(paths):
        part = PurePosixPath(path).name
        last[part] = -1 if part in last else place
    return [whole.get(name, last.get(PurePosixPath(name.replace("\\", "/")).name, -1)) for name in names]


def encode_in_parts(captions: list[str], encoder: Encoder, prompt: Prompt, progress: Progress | None) -> np.ndarray:
    """Encode captions into unit vectors, shape (k, d), and call `progress` with (captions encoded, captions in all)."""
    vectors = np.empty((len(captions), encoder.width), np.float32)
    for part in _split(len(captions), ENCODED_AT_ONCE):
        vectors[part] = encode_captions(captions[part], encoder, prompt)
        if progress:
            progress(part.stop, len(captions))
    return vectors


def compute_ranks(
    texts: np.ndarray, images: np.ndarray, own: np.ndarray, block_size: tuple[int, int] = BLOCK
) -> tuple[np.ndarray, np.ndarray]:
    """Rank the right picture for each caption, and its best caption for each picture that has one.

    Ties count against the model: what has the same cosine as the right one stands before it. A model that gives one
    vector to everything then ranks last and not first, and ranks stay whole, so that recall at k needs no convention.
    Identical captions of different pictures are such ties. The matrix is computed in blocks, never held.

    Args:
        texts: unit vectors, shape (m, d).
        images: unit vectors, shape (n, d).
        own: for each caption the row of its picture in `images`, shape (m,).
        block_size: captions and pictures of a block.

    Returns:
        Ranks from 1, shape (m,); and of pictures in the order of `images`, those without a caption left out.
    """
    text_parts = _split(len(texts), block_size[0])
    # in double and then rounded: else equal vectors could get different cosines in blocks of different sizes
    cosine = np.empty(len(texts), np.float32)
    for part in text_parts:
        cosine[part] = np.einsum("ij,ij->i", texts[part], images[own[part]], dtype=np.float64)
    best = np.full(len(images), np.inf, np.float32)  # nothing stands before a picture that is no query
    queries = np.unique(own)
    best[queries] = -np.inf
    np.maximum.at(best, own, cosine)
    before_image, before_text = np.zeros(len(texts), np.int64), np.zeros(len(images), np.int64)
    for columns in _split(len(images), block_size[1]):
        pictures = images[columns].astype(np.float64)
        for rows in text_parts:
            block = (texts[rows].astype(np.float64) @ pictures.T).astype(np.float32)
            place = own[rows] - columns.start
            here = np.flatnonzero((place >= 0) & (place < len(pictures)))
            block[here, place[here]] = -np.inf  # nothing stands before itself
            before_image[rows] += (block >= cosine[rows, None]).sum(axis=1)
            before_text[columns] += (block >= best[None, columns]).sum(axis=0)
    return before_image + 1, before_text[queries] + 1


def _split(length: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]


def summarize_ranks(ranks: np.ndarray, among: int, pictures: np.ndarray | None = None) -> Retrieval:
    """Compute the metrics of ranks from 1, shape (q,), with 95 % confidence intervals over pictures.

    Captions of one picture are found or missed together, so that five of them say less than five pictures would.
    Recalls have Wilson's score interval with as many trials as the captions are worth, median rank and mean reciprocal
    rank the percentile interval of a bootstrap over pictures with a fixed seed.

    Args:
        ranks: of the queries, shape (q,).
        among: how many each was ranked among.
        pictures: of which picture each query is, shape (q,); None where each is of another.
    """
    pictures = np.arange(len(ranks)) if pictures is None else np.unique(pictures, return_inverse=True)[1]
    return Retrieval(
        queries=len(ranks),
        among=among,
        recall={k: wilson(float((ranks <= k).mean()), count_independent(ranks <= k, pictures)) for k in CUTOFFS},
        median_rank=bootstrap(ranks, pictures, weighted_median),
        mean_reciprocal_rank=bootstrap(1 / ranks, pictures, weighted_mean),
    )


def wilson(share: float, trials: float) -> Estimate:
    """Return a share, 0 to 1, and its score interval at 95 % (Wilson 1927, J. Am. Stat. Assoc. 22, 209-212)."""
    z = float(scipy.special.ndtri(0.975))
    centre = share + z**2 / (2 * trials)
    reach = z * (share * (1 - share) / trials + (z / (2 * trials)) ** 2) ** 0.5
    low, high = ((centre + sign * reach) / (1 + z**2 / trials) for sign in (-1, 1))
    return Estimate(share, max(low, 0.0), min(high, 1.0))


def count_independent(successes: np.ndarray, pictures: np.ndarray) -> float:
    """Return how many independent queries tell as much about their share of successes (Kish 1965, Survey Sampling).

    That is its variance if queries were independent, for one query, over its variance between pictures. Never more than
    there are queries, nor fewer than pictures; where all succeed or fail, and nothing tells, as many as pictures.

    Args:
        successes: of the queries, shape (q,), bool.
        pictures: of which picture each is, 0 to n - 1, shape (q,).
    """
    share, count = successes.mean(), int(pictures.max()) + 1
    deviation = np.bincount(pictures, successes - share)
    variance = float((deviation**2).sum()) / len(successes) ** 2
    if not 0 < share < 1 or not variance:
        return float(count)
    return float(np.clip(share * (1 - share) / variance, min(count, len(successes)), len(successes)))


def weighted_mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean of values, shape (q,), by each row of weights, shape (b, q)."""
    means: np.ndarray = weights @ values / weights.sum(axis=1)
    return means


def weighted_median(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the median of values, shape (q,), each repeated as a row of weights says, shape (b, q) and whole."""
    order = np.argsort(values)
    before = weights[:, order].cumsum(axis=1)  # and with it
    total = before[:, -1:]
    lower, upper = ((before <= middle).sum(axis=1) for middle in ((total - 1) // 2, total // 2))
    medians: np.ndarray = (values[order[lower]] + values[order[upper]]) / 2
    return medians


def bootstrap(values: np.ndarray, pictures: np.ndarray, statistic: Statistic) -> Estimate:
    """Estimate a statistic of values and its percentile interval at 95 % (Efron 1979, Ann. Stat. 7, 1-26).

    Pictures are drawn, each with all its values (Davison and Hinkley 1997, Bootstrap Methods, section 3.8).

    Args:
        values: at least one, shape (q,).
        pictures: of which picture each is, 0 to n - 1, shape (q,).
        statistic: of values by how often each is there, shape (b, q): `weighted_mean` or `weighted_median`.
    """
    draw, count = np.random.default_rng(SEED), int(pictures.max()) + 1
    drawn = []
    for part in _split(RESAMPLES, max(1, DRAWN_AT_ONCE // len(values))):
        times = [np.bincount(draw.integers(count, size=count), minlength=count) for _ in range(part.start, part.stop)]
        drawn.append(statistic(values, np.stack(times)[:, pictures]))
    low, high = np.percentile(np.concatenate(drawn), (2.5, 97.5))
    whole = statistic(values, np.ones((1, len(values)), np.int64))
    return Estimate(float(whole[0]), float(low), float(high))
