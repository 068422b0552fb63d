"""How well a model finds pictures by their captions and captions by their pictures: retrieval metrics on a collection.

The protocol is that of the COCO and Flickr30K tables (Karpathy and Fei-Fei 2015, arXiv:1412.2306, section 4.2): every
caption is a query among all pictures; every picture is a query among all captions, and its rank is that of the best of
its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

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
DRAWN_AT_ONCE = 2_000_000  # values of resamples that are held at once: 16 MB, and as much for their numbers
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
    texts = _encode([caption for caption, _ in kept], encoder, prompt, progress)
    own = np.array([place for _, place in kept])
    of_captions, of_pictures = compute_ranks(texts, collection.vectors(), own)
    return Evaluation(
        model=encoder.name,
        prompt=prompt,
        text_to_image=summarize_ranks(of_captions, len(paths)),
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


def _encode(captions: list[str], encoder: Encoder, prompt: Prompt, progress: Progress | None) -> np.ndarray:
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


def summarize_ranks(ranks: np.ndarray, among: int) -> Retrieval:
    """Compute the metrics of ranks from 1, shape (q,), with 95 % confidence intervals.

    Recalls have Wilson's score interval, median rank and mean reciprocal rank the percentile interval of a bootstrap
    over queries with a fixed seed. Queries count as independent: where a picture has several captions, the intervals of
    text to image are somewhat too narrow.
    """
    return Retrieval(
        queries=len(ranks),
        among=among,
        recall={k: wilson(int((ranks <= k).sum()), len(ranks)) for k in CUTOFFS},
        median_rank=bootstrap(ranks, np.median),
        mean_reciprocal_rank=bootstrap(1 / ranks, np.mean),
    )


def wilson(successes: int, trials: int) -> Estimate:
    """A share and its score interval at 95 % (Wilson 1927, J. Am. Stat. Assoc. 22, 209-212); `trials` at least 1."""
    ends = scipy.stats.binomtest(successes, trials).proportion_ci(method="wilson")
    return Estimate(successes / trials, float(ends.low), float(ends.high))


def bootstrap(values: np.ndarray, statistic: Any) -> Estimate:
    """Estimate a statistic of values and its percentile interval at 95 % (Efron 1979, Ann. Stat. 7, 1-26).

    There is at least one value, of which alone the ends are the value itself; `statistic` is called as `numpy.mean`.
    """
    value = float(statistic(values, axis=0))
    if len(values) < 2:
        return Estimate(value, value, value)
    at_once = max(1, DRAWN_AT_ONCE // len(values))
    drawn = scipy.stats.bootstrap(
        (values,), statistic, n_resamples=RESAMPLES, batch=at_once, vectorized=True, method="percentile", rng=SEED
    )
    ends = drawn.confidence_interval
    return Estimate(value, float(ends.low), float(ends.high))
