"""How strong is a score? Its percentile among unrelated captions, and a verdict where a model's cut-offs are known.

A cosine is high for a caption that fits everything and for a picture that everything fits. Both are corrected:

1. The caption: its cosine becomes `x = (cosine - mean) / spread`, where mean and spread (standard deviation) are those
   of that caption over background pictures, known from their moments if the model is calibrated.
2. The picture: `t = (x - m) / s`, m and s being mean and spread of x over the background captions, for that picture.
   The captions are weighted so that their mean vector is as short as it can be. A plain mean would hold the subjects
   that are common among them against the pictures that show them. Where the calibration's pictures are known, only
   what is more than they commonly have counts: of m what is beyond `USUAL` standard deviations, and of s what is above
   1, about its mean. Below that, both are what a picture shows. Where only unlabelled pictures are known, m is
   what ridge regression on the captions' vectors predicts from the background captions' x for this picture, and s the
   spread of what it leaves.
3. The percentile is the share of unrelated pairs whose t is lower: pairs of the calibration's pictures and background
   captions where the model is calibrated with captioned pictures; this caption with views of unrelated pictures where
   that was learned at first use; else the background captions with this picture. Beyond the upper tenth,
   where single captions would count, the tail is exponential with the mean excess seen there (after Knijnenburg et
   al. 2009, doi:10.1093/bioinformatics/btp211, who fit the generalised Pareto distribution; this is its case of
   shape 0).
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import scipy  # its parts load when they are used
from huggingface_hub import cached_assets_path

from clipsim.embedding import VectorCache, encode_captions, vector_key
from clipsim.encoders import Encoder
from clipsim.errors import ClipsimError
from clipsim.options import PROMPTS, Prompt
from clipsim.scoring.null_distribution import NullDistribution

VERDICTS = MATCH, WEAK, NOT_RECOGNISED, NO_MATCH = "match", "weak", "not recognised", "no match"  # best first
ANSWERS = MATCH, NOT_SURE, NOTHING = "match", "not sure", "nothing here matches"  # on a gallery, best first
NAME_WORDS = 3  # a caption of so many at most names a thing, "a golden retriever"; more make a sentence
RIDGE = 0.01  # keeps the captions' weights unique; 1 and more bring the common subjects back
USUAL = 1.5  # standard deviations of m; with 1.5 to 3 wrong captions are told from right ones alike, with 0 less well
MIN_SPREAD = 0.6  # of a picture's plain spread
VIEWS_TAIL = 0.05  # the same of views: a caption's t with them falls off faster than exponentially before
VIEWS_RIDGE = 0.001  # of the variance of background captions: what they have in common is held against a picture
DISK_BYTES = 200_000_000  # of background captions' vectors: 480 of width 512 take 1 MB


@dataclass(frozen=True)
class BackgroundCaptions:
    """Unit vectors of the background captions, shape (m, d), and weights, shape (m,): not negative, adding up to 1."""

    vectors: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class CommonPart:
    """What background captions' x with a picture say of any caption's, by ridge regression on the captions' vectors.

    With `VIEWS_RIDGE` it tells of the directions in which captions differ most, which are forms of sentences where a
    model knows little else; what single captions mean stays.

    Attributes:
        mean: of the background captions' vectors, each divided by its spread over pictures, shape (d,).
        scaled: these vectors less their mean, shape (m, d).
        kernel: their products, shape (m, m).
        solver: inverse of the kernel with the ridge on its diagonal, shape (m, m).
    """

    mean: np.ndarray
    scaled: np.ndarray
    kernel: np.ndarray
    solver: np.ndarray

    @classmethod
    def learn(cls, background: BackgroundCaptions, known: Calibration) -> CommonPart:
        """Prepare the regression, once for a model and prompt: `known` has the moments of pictures."""
        scaled = background.vectors / _compute_spread(background.vectors, known)[:, None]
        mean = scaled.mean(axis=0)
        scaled = scaled - mean
        kernel = scaled @ scaled.T
        ridge = max(VIEWS_RIDGE * np.trace(kernel), 1e-12) * np.eye(len(kernel))
        return cls(mean, scaled, kernel, np.linalg.inv(kernel + ridge))


@dataclass(frozen=True)
class Cutoffs:
    """Where a verdict turns into the next.

    Attributes:
        match: percentile from which a picture is called a match.
        weak: percentile from which it is called weak.
        gallery: the best picture counts if an unrelated caption finds one as good with this chance at most, 0 to 1.
        unsure: and up to this chance, `gallery` or more, it may be one: a caption that people write fits a picture of
            several in so many ways that two answers would often be wrong.
        no_match: percentile from which a picture that is not even weak is called "not recognised" instead of "no
            match": pictures that do fit come that low too often.
    """

    match: float
    weak: float
    gallery: float
    unsure: float
    no_match: float = 100.0

    def verdict(self, percentile: float) -> str:
        """Return one of `VERDICTS`."""
        bounds = (self.match, MATCH), (self.weak, WEAK), (self.no_match, NOT_RECOGNISED)
        return next((verdict for bound, verdict in bounds if percentile >= bound), NO_MATCH)

    def verdicts(self, percentiles: np.ndarray, among: int = 0) -> tuple[str, list[str]]:
        """Return the verdict on one caption with a gallery, of `ANSWERS`, and that on each picture.

        Of many pictures some look good by chance, so that the best has to be better (Šidák's correction); where it is
        not, none is called a match, and the chance of an unrelated caption's best decides between the other answers. If
        these are the best of more pictures, `among` says of how many.
        """
        each = [self.verdict(float(one)) for one in percentiles]
        by_chance = 1 - (float(max(percentiles)) / 100) ** max(len(percentiles), among)
        if MATCH in each and by_chance <= self.gallery:
            return MATCH, each
        each = [WEAK if one == MATCH else one for one in each]
        return NOT_SURE if WEAK in each and by_chance <= self.unsure else NOTHING, each


@dataclass(frozen=True)
class Calibration:
    """What is known of a model: by `clipsim.tuning` from captioned pictures, or from unlabelled ones at first use.

    Attributes:
        cutoffs: of its verdicts.
        rates: for framing, contrast and prompt, joined by spaces, how often these cut-offs were right and wrong on
            pictures that they were not learned from.
        origin: on which pictures and captions.
        null: distribution of t over unrelated pairs, with `views` of its rarity.
        mean: mean vector of the pictures, shape (d,).
        directions: their principal directions, each as long as its standard deviation, shape (r, d).
        rest: variance along every other direction.
        usual: `USUAL` where the moments are those of captioned pictures; 0, so that all of m and s count, otherwise, as
            in what earlier versions learned.
        views: unit vectors of unlabelled pictures, shape (v, d), where the model was not calibrated with labelled ones
            (see `clipsim.scoring.first_use`): each caption's t with these is its null distribution.
        common: what is held against a picture in step 2, with `views`.
        names: what holds instead for captions that name a thing in `NAME_WORDS` words or fewer, where that was learned.
            "A person" fits so many pictures that to fit more than usual is rare.
    """

    cutoffs: Cutoffs
    rates: dict[str, dict[str, float]]
    origin: str
    null: NullDistribution
    mean: np.ndarray
    directions: np.ndarray
    rest: float
    usual: float = 0.0
    views: np.ndarray | None = None
    common: CommonPart | None = None
    names: Calibration | None = None

    def unscaled(self) -> Calibration:
        """Return it without step 1: captions are compared as they are."""
        width = len(self.mean)
        return replace(self, mean=np.zeros(width), directions=np.zeros((0, width)), rest=1.0, usual=0.0)

    def of(self, caption: str) -> Calibration:
        """Return what holds for captions of this form: that of names, or itself."""
        return self.names if self.names and len(caption.split()) <= NAME_WORDS else self


@cache
def read_background_captions() -> tuple[str, ...]:
    """Read the background captions."""
    lines = files("clipsim.data").joinpath("background_captions.txt").read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if line and not line.startswith("#"))


def encode_background(encoder: Encoder, prompt: Prompt = "as-written") -> BackgroundCaptions:
    """Encode the background captions once for each encoder and prompt; those of hub models are kept on disk too."""
    if ("background", prompt) not in encoder.derived:
        vectors = encoder.background(prompt)
        if vectors is None:
            captions = list(read_background_captions())
            parts = ["background", *PROMPTS[prompt], *captions]
            vectors = load_or_encode(encoder, parts, lambda: encode_captions(captions, encoder, prompt))
        encoder.derived["background", prompt] = BackgroundCaptions(vectors, neutral_weights(vectors))
    background: BackgroundCaptions = encoder.derived["background", prompt]
    return background


def load_or_encode(encoder: Encoder, parts: list[str], encode: Callable[[], np.ndarray]) -> np.ndarray:
    """Return the vectors of what `parts` names, shape (n, d): from the disk, else as `encode` makes them.

    They are kept on disk where the weights have a revision, without which those of others could be met.
    """
    vectors: np.ndarray | None = None
    if encoder.revision:
        with suppress(ClipsimError, OSError, sqlite3.Error):  # a disk that is full or read-only costs time, no more
            path = Path(cached_assets_path("clipsim", "background")) / "vectors.sqlite"
            key = vector_key(encoder, parts)
            with closing(VectorCache(DISK_BYTES, path)) as disk:
                entry = disk.get(key)
                vectors = entry[0] if entry else encode()
                if not entry:
                    disk.put(key, vectors)
    return encode() if vectors is None else vectors


def neutral_weights(vectors: np.ndarray) -> np.ndarray:
    """Weights that make the weighted mean of `vectors`, shape (m, d), short: not negative, adding up to 1.

    They minimise `|mean|² + RIDGE * |weights|²`.
    """
    count = len(vectors)
    # the last row asks for the sum; as a soft one it only scales the weights, which are scaled afterwards
    rows = np.concatenate([vectors.T, np.sqrt(RIDGE) * np.eye(count), np.ones((1, count))]).astype(np.float64)
    weights, _ = scipy.optimize.nnls(rows, np.append(np.zeros(len(rows) - 1), 1.0))
    share: np.ndarray = weights / weights.sum()
    return share


def compute_strengths(
    cosines: np.ndarray,
    vectors: np.ndarray,
    unrelated: np.ndarray,
    background: BackgroundCaptions,
    calibration: Calibration | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Compute t with every picture, steps 1 and 2: of captions, shape (n, k), and of the background, shape (n, m).

    `cosines`, shape (n, k), are those of pictures and captions, `vectors`, shape (k, d), the captions' own, and
    `unrelated`, shape (n, m), the cosines of pictures and background captions.
    """
    x = _standardize(cosines, vectors, calibration)
    of_background = _standardize(unrelated, background.vectors, calibration)
    if calibration is not None and calibration.common is not None:
        x, of_background = _subtract_common(x, vectors, of_background, calibration, calibration.common)
        spread = np.maximum(of_background.std(axis=1, keepdims=True), 1e-6)
        return x / spread, of_background / spread
    middle = (of_background @ background.weights)[:, None]
    spread = np.sqrt((of_background - middle) ** 2 @ background.weights)[:, None]
    # a picture that all captions fit alike has next to no weighted spread; others have 0.66 of the plain one or more
    spread = np.maximum(np.maximum(spread, MIN_SPREAD * of_background.std(axis=1, keepdims=True)), 1e-6)
    if calibration is not None and calibration.usual:
        middle, spread = _drop_usual(middle, background, calibration), np.maximum(spread, 1)
    return (x - middle) / spread, (of_background - middle) / spread


def _drop_usual(middle: np.ndarray, background: BackgroundCaptions, known: Calibration) -> np.ndarray:
    """Return what of pictures' m, shape (n, 1), is more than they commonly have: 0 for most.

    m is linear in a picture's vector, so that its standard deviation follows from the moments.
    """
    spread = _compute_spread(background.vectors.astype(np.float64), known)
    direction = (background.weights / spread) @ background.vectors
    usual = known.usual * _compute_spread(direction[None], known)
    unusual: np.ndarray = np.sign(middle) * np.maximum(np.abs(middle) - usual, 0)
    return unusual


def _standardize(cosines: np.ndarray, vectors: np.ndarray, calibration: Calibration | None) -> np.ndarray:
    cosines, vectors = cosines.astype(np.float64), vectors.astype(np.float64)
    if calibration is None:
        return cosines
    standard: np.ndarray = (cosines - vectors @ calibration.mean) / _compute_spread(vectors, calibration)
    return standard


def _compute_spread(vectors: np.ndarray, calibration: Calibration) -> np.ndarray:
    """Compute the standard deviation of captions' cosines over the calibration's pictures, shape (k,)."""
    variance = ((vectors @ calibration.directions.T) ** 2).sum(axis=1) + calibration.rest * (vectors**2).sum(axis=1)
    spread: np.ndarray = np.maximum(variance, 1e-12) ** 0.5
    return spread


def _subtract_common(
    x: np.ndarray, vectors: np.ndarray, of_background: np.ndarray, known: Calibration, common: CommonPart
) -> tuple[np.ndarray, np.ndarray]:
    middle = of_background.mean(axis=1, keepdims=True)
    shares = (of_background - middle) @ common.solver
    own = vectors / _compute_spread(vectors, known)[:, None] - common.mean
    of_captions, of_others = shares @ (own @ common.scaled.T).T, shares @ common.kernel
    return x - middle - of_captions, of_background - middle - of_others


def compute_percentiles(
    cosines: np.ndarray,
    vectors: np.ndarray,
    unrelated: np.ndarray,
    background: BackgroundCaptions,
    calibration: Calibration | None,
) -> np.ndarray:
    """Compute how many unrelated captions in a hundred each caption beats, shape (n, k).

    The arguments are those of `compute_strengths`.
    """
    t, of_background = compute_strengths(cosines, vectors, unrelated, background, calibration)
    if calibration is None:
        rows = [NullDistribution.fit(row).percentile(ours) for row, ours in zip(of_background, t, strict=True)]
        return np.array(rows).reshape(t.shape)
    if calibration.views is not None:
        views = calibration.views
        by_chance, _ = compute_strengths(
            views @ vectors.T, vectors, views @ background.vectors.T, background, calibration
        )
        t = compute_rarity(t, by_chance)
    return calibration.null.percentile(t)


def compute_rarity(t: np.ndarray, by_chance: np.ndarray) -> np.ndarray:
    """Compute how rare each caption's t are among its own by chance: minus the logarithm of the share above, >= 0.

    `t` is of shape (n, k), `by_chance` of shape (v, k).
    """
    columns = [NullDistribution.fit(null).percentile(ours) for null, ours in zip(by_chance.T, t.T, strict=True)]
    above = 1 - np.array(columns).reshape(t.shape[::-1]).T / 100
    rarity: np.ndarray = -np.log(np.maximum(above, 1e-15))
    return rarity


def accept_all(known: Mapping[str, Any]) -> bool:  # noqa: ARG001  # what a calibration says of itself
    """Take any calibration for the model's."""
    return True


def read_calibration(
    model: str, folder: Traversable | None = None, accept: Callable[[Mapping[str, Any]], bool] = accept_all
) -> Calibration | None:
    """Read what `clipsim.scoring.keeping` wrote of a model into a folder, the package's own by default.

    None if nothing is there, if `accept` does not take what its JSON says for that of the model, or if an interrupted
    write left two files that do not belong together.
    """
    folder = folder or files("clipsim.data")
    text, arrays = folder.joinpath(f"calibration-{model}.json"), folder.joinpath(f"calibration-{model}.npz")
    if not text.is_file() or not arrays.is_file():
        return None
    known, content = json.loads(text.read_text(encoding="utf-8")), arrays.read_bytes()
    if not accept(known) or known.get("arrays", digest := hashlib.sha256(content).hexdigest()) != digest:
        return None
    with np.load(BytesIO(content)) as loaded:
        moments = {key: loaded[key].astype(np.float64) for key in loaded}
    learned = Calibration(
        cutoffs=_read_cutoffs(known),
        rates=known["rates"],
        origin=known["origin"],
        null=NullDistribution(moments["null_t"], moments["null_below"], known["excess"]),
        mean=moments["mean"],
        directions=moments["directions"],
        rest=known["rest"],
        usual=known.get("usual", 0.0),
    )
    if names := known.get("names"):
        null = NullDistribution(moments["names_null_t"], moments["names_null_below"], names["excess"])
        learned = replace(
            learned,
            names=replace(
                learned.unscaled(),
                cutoffs=_read_cutoffs(names),
                rates=names["rates"],
                origin=names["origin"],
                null=null,
            ),
        )
    return learned


def _read_cutoffs(known: dict[str, Any]) -> Cutoffs:
    return Cutoffs(*(known[one.name] for one in fields(Cutoffs) if one.name in known))
