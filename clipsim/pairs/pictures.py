"""The pictures of a block of rows: each is read and encoded once, whatever the number of its captions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
from PIL import Image

from clipsim.embedding import Gallery, PictureInfo, Rejected, stream
from clipsim.encoders import Encoder
from clipsim.images import File, Source, compute_digest, read_contents, resolve_entry
from clipsim.options import Options
from clipsim.pairs.pair import Pair

DIGEST = 32  # hexadecimal digits of a picture's digest that are kept


@dataclass
class BlockPictures:
    """Different pictures of a block.

    Attributes:
        gallery: those that could be read.
        places: for each row the place of its picture in the gallery; -1 where it could not be read.
        digests: for each row what its picture holds.
        problems: for each row why its picture could not be read; "" if it was.
    """

    gallery: Gallery
    places: np.ndarray
    digests: list[str]
    problems: list[str]


@dataclass
class _Known:
    """What was found out of the different sources: their digests, problems, and which of them holds the same."""

    digest: dict[int, str] = field(default_factory=dict)
    problem: dict[int, str] = field(default_factory=dict)
    first: dict[str, int] = field(default_factory=dict)


def encode_pictures(pairs: Sequence[Pair], encoder: Encoder, options: Options) -> BlockPictures:
    """Encode the pictures of rows that have no problem yet, as `clipsim.score_images` does.

    What comes twice, under one name or several, is encoded once. Which pictures go through the model together depends
    on nothing but the rows and the cache, so that a run that was killed gives the same figures when it goes on.
    """
    sources: dict[object, int] = {}
    which = [
        -1 if pair.picture is None or pair.problem else sources.setdefault(_identify(pair.picture), len(sources))
        for pair in pairs
    ]
    distinct = [pair.picture for pair, one in _first_of_each(pairs, which)]
    known = _Known()
    ahead = _read(distinct, known)
    infos: list[PictureInfo] = []
    vectors: list[np.ndarray] = []
    place: dict[str, int] = {}
    first = next(ahead, None)  # `stream` takes no empty gallery
    for one in stream(chain([first], ahead), encoder, options) if first else ():
        if isinstance(one, Rejected):
            known.problem[int(one.name)] = one.reason
        else:
            place[known.digest[int(one.info.name)]] = len(infos)
            infos.append(one.info)
            vectors.append(one.vectors)
    for number, digest in known.digest.items():  # copies share the fate of the one that was read
        if digest not in place and number not in known.problem:
            known.problem[number] = known.problem.get(known.first[digest], "cannot be read")
    starts = np.cumsum([0, *map(len, vectors)])[:-1]
    together = np.concatenate(vectors) if vectors else np.zeros((0, encoder.width), np.float32)
    return BlockPictures(
        Gallery(tuple(infos), together, starts, ()),
        np.array([place.get(known.digest.get(one, ""), -1) for one in which], np.int64),
        ["" if one in known.problem else known.digest.get(one, "")[:DIGEST] for one in which],
        [known.problem.get(one, "") for one in which],
    )


def _identify(picture: Source) -> object:
    if isinstance(picture, bytes):
        return compute_digest(picture)
    return id(picture) if isinstance(picture, Image.Image) else str(picture)


def _first_of_each(pairs: Sequence[Pair], which: Sequence[int]) -> Iterator[tuple[Pair, int]]:
    """Yield the first pair of each number from 0 on, in this order."""
    upcoming = 0
    for pair, one in zip(pairs, which, strict=True):
        if one == upcoming:
            yield pair, one
            upcoming += 1


def _read(sources: Sequence[Source | None], known: _Known) -> Iterator[tuple[Source, str]]:
    """Yield what is to be encoded, each content once, named by its number; fill in what is known of all."""
    files = [(i, resolve_entry(Path(), str(one))) for i, one in enumerate(sources) if isinstance(one, str | Path)]
    contents = read_contents(file for _, file in files if not file.problem)
    problems: dict[int, File] = dict(files)
    read: Source
    for number, source in enumerate(sources):
        if isinstance(source, bytes):
            read, digest = source, compute_digest(source).hex()
        elif isinstance(source, Image.Image):
            read, digest = source, hashlib.sha256(repr(source.size).encode() + source.tobytes()).hexdigest()
        elif problems[number].problem:
            known.problem[number] = problems[number].problem
            continue
        else:
            content = next(contents)
            if content.problem:
                known.problem[number] = content.problem
                continue
            read, digest = content.source, content.digest
        known.digest[number] = digest
        if digest not in known.first:
            known.first[digest] = number
            yield read, str(number)
