"""What can be learned of a model at first use, from pictures that nobody has labelled.

The views are crops of the photographs that come with the installed packages. These are few, and models see first of all
where a picture is light, dark and of which colour: each view is given a layout drawn from the spread that photographs
have (`tools/layouts.py`), the crop gives the details. A caption's t (see `clipsim.scoring.calibration`) with all views
is then what chance alone gives this caption, whatever the form of its sentence. How many true pairs the cut-offs miss
cannot be known from that.
"""

from __future__ import annotations

import hashlib
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
    VIEWS_TAIL,
    BackgroundCaptions,
    Calibration,
    CommonPart,
    Cutoffs,
    compute_rarity,
    compute_strengths,
    encode_background,
    load_or_encode,
)
from clipsim.scoring.keeping import find_own_calibration, find_shipped_calibration
from clipsim.scoring.null_distribution import NullDistribution

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
VIEWS = 240  # with 120 false alarms differ a fifth more between forms of sentences, with 480 as much
CROP = (0.6, 1.0)  # of the shorter side
CELLS = 8  # of a layout, a side
DRAWING = "2"  # of how views are drawn: a change of it needs another one
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
    known = find_shipped_calibration(encoder)
    if known:
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
    known = replace(known, common=CommonPart.learn(background, known))
    return replace(known, null=_learn_rarity(cosines, background, known))


def _learn_rarity(cosines: np.ndarray, background: BackgroundCaptions, known: Calibration) -> NullDistribution:
    """Learn how rare t are by chance with pictures that a caption's own null has not seen.

    The views of each photograph in turn are placed among those of the others.
    """
    _, t = compute_strengths(cosines[:, :0], background.vectors[:0], cosines, background, known)
    source = np.arange(len(t)) % max(len(find_photographs()), 2)
    parts = [compute_rarity(t[source == i], t[source != i]).ravel() for i in range(source.max() + 1)]
    return NullDistribution.fit(np.concatenate(parts), VIEWS_TAIL)


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
    mean, directions = _read_layouts()
    chance = np.random.default_rng(seed)
    views = []
    for i in range(VIEWS if pictures else 0):
        picture = pictures[i % len(pictures)]
        length = chance.uniform(*CROP) * min(picture.size)
        left, top = chance.uniform(0, picture.width - length), chance.uniform(0, picture.height - length)
        box = left, top, left + length, top + length
        view = picture.resize((side, side), Image.Resampling.BICUBIC, box)
        views.append(lay_out(view, mean + chance.standard_normal(len(directions)) @ directions))
    return views


def describe_layout(image: Image.Image) -> np.ndarray:
    """Return a square picture's layout: 3 * `CELLS`² + 6 numbers.

    The means of red, green and blue in each cell, in [0, 1], row by row, and what is left of the picture without them:
    the Cholesky factor of its covariance. The factor's diagonal comes as its logarithm, so that all real numbers are
    layouts.
    """
    cells, details = _part(image)
    factor = _factor_of(details)
    return np.concatenate([cells.ravel(), np.log(np.diag(factor)), factor[np.tril_indices(3, -1)]])


def lay_out(image: Image.Image, layout: np.ndarray) -> Image.Image:
    """Give a square picture another layout (see `describe_layout`), but for what black and white cut off."""
    _, details = _part(image)
    factor = np.diag(np.exp(layout[-6:-3]))
    factor[np.tril_indices(3, -1)] = layout[-3:]
    cells = layout[:-6].reshape(CELLS, CELLS, 3)
    made = _resize(cells, image.width, Image.Resampling.BICUBIC)
    made += details @ np.linalg.inv(_factor_of(details)).T @ factor.T
    return Image.fromarray((255 * made.clip(0, 1)).round().astype(np.uint8))


def _part(image: Image.Image) -> tuple[np.ndarray, np.ndarray]:
    """Part a square picture into its cells, shape (c, c, 3), and what these smoothed out leave, shape (h, h, 3)."""
    pixels = np.asarray(image, np.float64) / 255
    cells = _resize(pixels, CELLS, Image.Resampling.BOX)
    return cells, pixels - _resize(cells, image.width, Image.Resampling.BICUBIC)


def _resize(pixels: np.ndarray, side: int, filtered: Image.Resampling) -> np.ndarray:
    channels = [Image.fromarray(channel.astype(np.float32)) for channel in np.moveaxis(pixels, -1, 0)]
    return np.stack([np.asarray(one.resize((side, side), filtered), np.float64) for one in channels], axis=-1)


def _factor_of(details: np.ndarray) -> np.ndarray:
    factor: np.ndarray = np.linalg.cholesky(np.cov(details.reshape(-1, 3).T) + 1e-5 * np.eye(3))
    return factor


@cache
def _read_layouts() -> tuple[np.ndarray, np.ndarray]:
    """Read the mean of photographs' layouts, shape (c,), and their principal directions, shape (r, c).

    Each direction is as long as its standard deviation.
    """
    with files("clipsim.data").joinpath("layouts.npz").open("rb") as file, np.load(file) as known:
        return known["mean"].astype(np.float64), known["directions"].astype(np.float64)
