"""What a tuned model may lose: how it does on general pictures, which it was not tuned for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from clipsim.embedding import encode_captions
from clipsim.encoders import Encoder
from clipsim.errors import CaptionError
from clipsim.images import Source
from clipsim.scoring import encode_background
from clipsim.scoring.first_use import draw_views, find_photographs
from clipsim.tuning.data import LEAST, Material, read_material
from clipsim.tuning.features import look_at
from clipsim.tuning.head import Seen
from clipsim.tuning.measures import Measures, Texts, measure, measure_agreement


@dataclass(frozen=True)
class Elsewhere:
    """General pictures.

    Attributes:
        origin: what they are, in words.
        pictures: files or images with names, as a gallery takes them.
        seen: as the base sees them.
        before: unit vectors by the model that people have now, shape (n, d): the base, but for what it leaves out.
        given: their captions or labels; None where their order of background captions should stay.
        names: of those that could be read.
        texts: what is given, by the base; else None.
        background: the background captions' unit vectors by the base, shape (m, d).
        source: a number for each picture; those of one are views of one photograph.
    """

    origin: str
    pictures: list[tuple[Source, str]]
    seen: Seen
    before: np.ndarray
    given: Material | None
    names: list[str]
    texts: Texts | None
    background: np.ndarray
    source: np.ndarray

    def measure(self, vectors: np.ndarray) -> Measures:
        """Measure vectors of the pictures, shape (n, d), made by a model whose captions are those of the base."""
        if self.texts:
            return measure(vectors, self.texts)
        return measure_agreement(self.before @ self.background.T, vectors @ self.background.T)

    def measure_model(self, encoder: Encoder) -> Measures:
        """Measure a model whose captions are its own."""
        vectors = look_at(self.pictures, encoder)[1].vectors
        if self.given:
            return measure(vectors, encode_material(self.given, self.names, encoder)[0])
        return measure_agreement(self.before @ self.background.T, vectors @ encode_background(encoder).vectors.T)

    def count_lost(self, vectors: np.ndarray) -> float:
        """Return how many points the pictures lose by other vectors, shape (n, d)."""
        return 100 * (self.measure(self.before).headline - self.measure(vectors).headline)

    def halve(self) -> tuple[np.ndarray, Elsewhere]:
        """Return inputs of half of the photographs, shape (m, k), to learn from, and the others, to measure on."""
        kept = np.flatnonzero(self.source % 2 == 1)
        half = replace(
            self,
            origin=f"the other half of {self.origin}, one of which the head was held to",
            pictures=[self.pictures[row] for row in kept],
            names=[self.names[row] for row in kept],
            seen=self.seen.take(kept),
            before=self.before[kept],
            texts=self.texts and self.texts.take(kept),
            source=self.source[kept],
        )
        return self.seen.inputs[self.source % 2 == 0], half


def find_elsewhere(base: Encoder, now: Encoder, keep_general: str | None) -> Elsewhere:
    """Return the pictures of a file that people keep for this, else what the installed packages carry.

    Args:
        base: what a head is added to.
        now: the model that people have, which makes its vectors of the same features.
        keep_general: that file.

    Raises:
        CaptionError: the file cannot be read, or its pictures; or there are no pictures at all.
    """
    background = encode_background(base).vectors
    if keep_general is not None:
        return _read(base, now, read_material(keep_general), keep_general, background)
    photographs = find_photographs()
    views = draw_views(photographs, max(base.input_size))
    if not views:
        raise CaptionError("There are no general pictures on this machine: give some with captions to --keep-general.")
    pictures: list[tuple[Source, str]] = [(view, f"view {number}") for number, view in enumerate(views)]
    gallery, seen = look_at(pictures, base)
    return Elsewhere(
        origin=f"{len(views)} views of photographs that come with the installed packages",
        pictures=pictures,
        seen=seen,
        before=now.project(gallery.vectors)[0],
        given=None,
        names=[name for _, name in pictures],
        texts=None,
        background=background,
        source=np.arange(len(views)) % len(photographs),
    )


def _read(base: Encoder, now: Encoder, given: Material, file: str, background: np.ndarray) -> Elsewhere:
    gallery, seen = look_at([(path, name) for name, path in given.files.items()], base)
    names = [info.name for info in gallery.pictures]
    if len(names) < LEAST:
        raise CaptionError(f"{len(names)} pictures of {file} can be read, and {LEAST} are needed: see where they are.")
    return Elsewhere(
        origin=f"{len(names)} pictures of {Path(file).name}",
        pictures=[(given.files[name], name) for name in names],
        seen=seen,
        before=now.project(gallery.vectors)[0],
        given=given,
        names=names,
        texts=encode_material(given, names, base)[0],
        background=background,
        source=np.arange(len(names)),
    )


def encode_material(given: Material, names: list[str], encoder: Encoder) -> tuple[Texts, Texts]:
    """Encode the captions or labels of pictures, as people write them; and as they are learned.

    Labels are learned as the mean of themselves and of the prompt templates, so that they are found by either.
    """
    if given.labelled:
        labels = sorted({given.texts[name][0] for name in names})
        place = {label: row for row, label in enumerate(labels)}
        owner = np.array([place[given.texts[name][0]] for name in names])
        plain = encode_captions(labels, encoder)
        mixed = plain + encode_captions(labels, encoder, "ensemble")
        mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
        return Texts(plain, owner, True), Texts(mixed, owner, True)
    pairs = [(row, text) for row, name in enumerate(names) for text in given.texts[name]]
    texts = Texts(encode_captions([text for _, text in pairs], encoder), np.array([row for row, _ in pairs]), False)
    return texts, texts
