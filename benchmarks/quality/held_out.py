"""Captioned pictures as vectors, none of them by a head of the stand-in that was learned from it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import clipsim
from clipsim import Encoder
from clipsim.embedding import Gallery
from clipsim.encoders.conse import SEEN_BYTES, read_seen
from clipsim.images import compute_digest
from clipsim.options import Options, Precision
from tools.calibrate import captioned, embed_unseen, unseeing_encoders


@dataclass(frozen=True)
class HeldOut:
    """Captioned pictures.

    Attributes:
        encoder: the model; for captions.
        gallery: n pictures.
        captions: of each of them.
    """

    encoder: Encoder
    gallery: Gallery
    captions: list[list[str]]


def embed_held_out(folder: Path, model: str, precision: Precision = "auto") -> HeldOut:
    """Embed the pictures of a `captions.csv` (columns file, caption).

    Where the stand-in has seen one of them, each is encoded by a head that is learned from nine tenths of the others.
    """
    encoder = clipsim.load(model, precision=precision)
    files, captions, owner = captioned(folder)
    seen = any(compute_digest(file)[:SEEN_BYTES] in read_seen() for file in files)
    encoders = unseeing_encoders(encoder, files, captions, owner) if seen else [encoder] * len(files)
    by_picture: dict[int, list[str]] = defaultdict(list)
    for caption, picture in zip(captions, owner.tolist(), strict=True):
        by_picture[picture].append(caption)
    return HeldOut(encoder, embed_unseen(files, encoders, Options()), [by_picture[i] for i in range(len(files))])
