"""What can be learned of a model at first use, from pictures that nobody has labelled.

The views are crops of the photographs that come with the installed packages. These are few, and a model that looks at
colours would know but theirs: each view is given a mean and a covariance of its colours drawn from the spread that
photographs have (`tools/colours.py`). A caption's t (see `clipsim.scoring.calibration`) with all views is then what
chance alone gives this caption, whatever the form of its sentence. How many true pairs the cut-offs miss cannot be
known from that.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import replace
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from clipsim.encoders import Encoder
from clipsim.errors import ImageError
from clipsim.images import compute_digest, read
from clipsim.options import Prompt
from clipsim.scoring.calibration import (
    BackgroundCaptions,
    Calibration,
    Cutoffs,
    NullDistribution,
    compute_rarity,
    compute_strengths,
    encode_background,
    load_or_encode,
)
from clipsim.scoring.keeping import find_own_calibration, read_shipped_calibration

PHOTOGRAPHS = {  # by package
    "gradio": (
        "media_assets/images/cheetah.jpg",
        "media_assets/images/cheetah1.jpg",
        "media_assets/images/groot.jpeg",
        "media_assets/images/lion.jpg",
        "media_assets/images/tower.jpg",
        "test_data/cheetah2.jpg",
    ),
    "matplotlib": ("mpl-data/sample_data/grace_hopper.jpg",),
}
VIEWS = 120  # with 48 false alarms differ half as much again between forms of sentences
CROP = (0.6, 1.0)  # of the shorter side
DRAWING = "1"  # of how views are drawn: a change of it needs another one
MATCH_AT, WEAK_AT = 99.0, 95.0  # 1 and 5 false alarms in a hundred
FALSE_GALLERIES = 0.06  # share of galleries without a fitting picture in which something matches, at most
UNSURE_GALLERIES = 0.40  # share of them in which something matches or the answer is "not sure"
MIN_SPREAD = (
    1e-4  # of captions' vectors, and of their cosines with the views: a model that tells less apart stays as it is
)


def find_calibration(encoder: Encoder, prompt: Prompt = "as-written") -> Calibration | None:
    """Return what the user's own pictures taught of the model, else what is shipped, else what is learned at first use.

    None where nothing can be.
    """
    own = find_own_calibration(encoder, prompt)
    if own:
        return own
    known = read_shipped_calibration(encoder.name)
    if known and known.mean.shape == (encoder.width,):  # a folder may bear any model's name
        return known
    lock: threading.Lock = encoder.derived.setdefault("first use", threading.Lock())
    with lock:  # or every request that comes meanwhile would encode the views too
        if ("calibration", prompt) not in encoder.derived:
            encoder.derived["calibration", prompt] = learn_calibration(encoder, prompt)
    learned: Calibration | None = encoder.derived["calibration", prompt]
    return learned


def learn_calibration(encoder: Encoder, prompt: Prompt = "as-written") -> Calibration | None:
    """Learn cut-offs from views and background captions; None if no picture is found, or the model tells none apart."""
    background = encode_background(encoder, prompt)
    if not np.linalg.norm(background.vectors.std(axis=0)) > MIN_SPREAD:
        return None
    views = encode_views(encoder).astype(np.float64)
    if not len(views):
        return None
    cosines = views @ background.vectors.T.astype(np.float64)
    if not np.median(cosines.std(axis=0)) > MIN_SPREAD:
        return None
    mean = views.mean(axis=0)
    known = Calibration(
        cutoffs=Cutoffs(MATCH_AT, WEAK_AT, FALSE_GALLERIES, UNSURE_GALLERIES),
        rates={},
        origin=f"{len(views)} views of pictures that come with the installed packages",
        null=NullDistribution.fit(np.array([0.0, 1.0])),  # is yet to come
        mean=mean,
        directions=(views - mean) / np.sqrt(len(views)),
        rest=0.0,
        views=views,
    )
    return replace(known, null=_learn_rarity(cosines, background, known))


def _learn_rarity(cosines: np.ndarray, background: BackgroundCaptions, known: Calibration) -> NullDistribution:
    """Learn how rare t are by chance with pictures that a caption's own null has not seen.

    The views of each photograph in turn are placed among those of the others.
    """
    _, t = compute_strengths(cosines[:, :0], background.vectors[:0], cosines, background, known)
    source = np.arange(len(t)) % max(len(find_photographs()), 2)
    return NullDistribution.fit(
        np.concatenate([compute_rarity(t[source == i], t[source != i]).ravel() for i in range(source.max() + 1)])
    )


def encode_views(encoder: Encoder) -> np.ndarray:
    """Return the views' unit vectors, shape (v, d), which are kept as those of the background captions are."""
    photographs = find_photographs()
    if "views" not in encoder.derived:
        digests = b"".join(compute_digest(path) for path in photographs)

        def encode() -> np.ndarray:
            views = draw_views(photographs, max(encoder.input_size))
            parts = [views[start : start + encoder.batch] for start in range(0, len(views), encoder.batch)]
            return np.concatenate([np.zeros((0, encoder.width), np.float32), *map(encoder.encode_images, parts)])

        parts = ["views", DRAWING, str(VIEWS), hashlib.sha256(digests).hexdigest()]
        encoder.derived["views"] = load_or_encode(encoder, parts, encode)
    vectors: np.ndarray = encoder.derived["views"]
    return vectors


def find_photographs() -> list[Path]:
    """Find the photographs of the installed packages and the project's own examples; no package is imported."""
    package = Path(str(files("clipsim")))
    # inside the package where it is installed (see setup.py), beside it in the repository
    paths = sorted(path for home in (package, package.parent) for path in (home / "examples").glob("*.jpg"))
    for name, pictures in PHOTOGRAPHS.items():
        spec = find_spec(name)
        homes = spec.submodule_search_locations or () if spec else ()
        paths += [Path(home, picture) for home in homes for picture in pictures]
    return [path for path in paths if path.is_file()]


def draw_views(photographs: list[Path], side: int, seed: int = 0) -> list[Image.Image]:
    """Cut `VIEWS` squares of `side` pixels from the pictures in turn, the same for each seed; none without pictures."""
    pictures: list[Image.Image] = []
    for path in photographs:
        try:
            pictures.append(read(path, path.name).image)
        except ImageError:  # of a package that is damaged: the others serve
            continue
    mean, covariance = _read_colours()
    chance = np.random.default_rng(seed)
    views = []
    for i in range(VIEWS if pictures else 0):
        picture = pictures[i % len(pictures)]
        length = chance.uniform(*CROP) * min(picture.size)
        left, top = chance.uniform(0, picture.width - length), chance.uniform(0, picture.height - length)
        box = left, top, left + length, top + length
        view = picture.resize((side, side), Image.Resampling.BICUBIC, box)
        views.append(recolour(view, chance.multivariate_normal(mean, covariance)))
    return views


def describe_colours(image: Image.Image) -> np.ndarray:
    """Return 9 numbers: the mean of red, green and blue in [0, 1], and the Cholesky factor of their covariance.

    The factor's diagonal comes as its logarithm, so that all real numbers are colours.
    """
    pixels = np.asarray(image, np.float64).reshape(-1, 3) / 255
    factor = np.linalg.cholesky(np.cov(pixels.T) + 1e-5 * np.eye(3))
    return np.concatenate([pixels.mean(axis=0), np.log(np.diag(factor)), factor[np.tril_indices(3, -1)]])


def recolour(image: Image.Image, colours: np.ndarray) -> Image.Image:
    """Give a picture other colours, as `describe_colours` describes them, but for what black and white cut off."""
    has = describe_colours(image)
    pixels = np.asarray(image, np.float64).reshape(-1, 3) / 255
    plain = np.linalg.solve(_factor(has), (pixels - has[:3]).T)
    made = (_factor(colours) @ plain).T + colours[:3]
    return Image.fromarray((255 * made.clip(0, 1)).round().astype(np.uint8).reshape(image.height, image.width, 3))


def _factor(colours: np.ndarray) -> np.ndarray:
    factor = np.diag(np.exp(colours[3:6]))
    factor[np.tril_indices(3, -1)] = colours[6:]
    return factor


@cache
def _read_colours() -> tuple[np.ndarray, np.ndarray]:
    """Read mean, shape (9,), and covariance, shape (9, 9), of what `describe_colours` says of photographs."""
    known = json.loads(files("clipsim.data").joinpath("colours.json").read_text(encoding="utf-8"))
    return np.array(known["mean"]), np.array(known["covariance"])
