"""Did the model read letters? What it makes of the mirrored picture tells.

A dog is a dog in a mirror, and a picture of the word “dog” is none. So a caption that stands out, and does so much less
for the mirrored picture, was found in writing, or in what has a right and a left.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
from PIL import ImageOps

from clipsim.embedding import Gallery, pool
from clipsim.encoders import Encoder
from clipsim.options import Options
from clipsim.scoring.results import Score

FITS = 95.0  # percentile from which a caption stands out: below, there is nothing to lose
# Share of what a caption stands out by that a mirror may take: few pictures without writing lose as much
# (benchmarks/quality/mirrors.py).
LOST = 0.4
NOTE = "fits much less in a mirror: the model may have read writing in the picture"
_SIDES = re.compile(r"\b(?:left|right)\b", re.IGNORECASE)  # such a caption is another one in a mirror


def mirror(gallery: Gallery, encoder: Encoder, options: Options) -> Gallery:
    """Encode the pictures of a gallery anew, each mirrored; they were embedded with `keep_views`."""
    views = [ImageOps.mirror(view.image) for picture in gallery.pictures for view in picture.views]
    parts = [encoder.encode_views(views[i : i + encoder.batch]) for i in range(0, len(views), encoder.batch)]
    if not parts:
        return gallery
    ends = np.cumsum([len(picture.views) for picture in gallery.pictures])[:-1]
    pooled = [pool(some, options.framing) for some in np.split(np.concatenate(parts), ends)]
    return Gallery(gallery.pictures, np.concatenate(pooled), np.cumsum([0, *map(len, pooled)])[:-1], ())


def note_mirrored(
    scores: list[Score], mirrored: np.ndarray, typical: np.ndarray, caption: str, *, plain: bool
) -> list[Score]:
    """Return the scores with the cosine of each mirrored picture, and with a note where it is much lower.

    `mirrored` are these cosines and `typical` those of unrelated captions, shape (n,) each. A caption in parts, which
    is not `plain`, gets no note, nor does one that speaks of left or right.
    """
    done = []
    for score, cosine, usual in zip(scores, mirrored.tolist(), typical.tolist(), strict=True):
        stands_out = score.cosine - usual
        lost = (score.percentile or 0) >= FITS and stands_out > 0 and score.cosine - cosine > LOST * stands_out
        notes = (*score.notes, NOTE) if lost and plain and not _SIDES.search(caption) else score.notes
        done.append(replace(score, mirrored=cosine, notes=notes))
    return done
