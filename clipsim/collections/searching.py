"""Search the pictures of one collection, or of several in one ranking, with the figures of a gallery of them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from clipsim.collections.filters import Columns
from clipsim.collections.store.manifest import Manifest
from clipsim.collections.store.search import Searcher, map_on_cores
from clipsim.collections.store.segments import Segment
from clipsim.embedding import HASH_BITS, Gallery, PictureInfo, encode_captions, hash_picture
from clipsim.encoders import Encoder
from clipsim.images import Location
from clipsim.options import Prompt
from clipsim.scoring import Parts, PartScore, encode_parts, judge, judge_parts

IN_PARTS = 1000  # candidates of a caption in parts, by its cosine, which are then ranked by its parts
SPARE = 32  # hits beyond those wanted that are re-scored: single precision may order the last ones otherwise
_NAMELESS = PictureInfo("", (), (0, 0), 1.0)  # a gallery calculates without names


@dataclass(frozen=True)
class Hit:
    """One picture that was found; cosine, percentile, verdict, notes and seen are those of `clipsim.Score`."""

    path: str  # in the collection
    rank: int  # 1 is the best
    cosine: float
    percentile: float | None = None  # this and the verdict: None where the query was a picture or a vector
    verdict: str | None = None
    notes: tuple[str, ...] = ()  # what was done to the picture before the model saw it
    seen: float = 1.0  # how much of it the model saw, 0 to 1
    size: tuple[int, int] = (0, 0)  # width and height, in pixels
    file_size: int = 0  # bytes of the file
    mtime: float = 0.0  # when the file was last written, seconds since 1970
    thumbnail: bytes = field(default=b"", repr=False)  # a JPEG; b"" if none was wanted
    parts: tuple[PartScore, ...] | None = None  # of a caption in parts, as in `clipsim.Score`
    collection: str = ""  # folder or address of the collection


@dataclass(frozen=True)
class Wanted:
    """What a search is to give: how many hits, by which means, with what."""

    top: int
    exact: bool = False  # whether to compare with every vector even where there is an approximate index
    thumbnails: bool = False


class Pictures:
    """The pictures of a collection by their places: the number of a row, all segments in order.

    Attributes:
        folder: the collection's.
        live: a mask of the places, without those that were removed.
        columns: what filters look at.
    """

    def __init__(
        self,
        folder: Location,
        manifest: Manifest,
        segments: Sequence[Segment],
        live: np.ndarray,
        borrow: Callable[[str], bytes],
    ) -> None:
        """Take the collection's folder, its manifest and segments, and which places are `live`.

        `borrow` gives the thumbnails, by path, of pictures that have none here.
        """
        self.folder, self.live, self.columns = folder, live, Columns(segments)
        self._manifest, self._segments, self._borrow = manifest, segments, borrow
        self._ends = np.cumsum([0, *(rows for _, rows in manifest.segments)])

    @cached_property
    def searcher(self) -> Searcher:
        """What finds candidates."""
        return Searcher(self.folder, self._segments, self._ends, self._manifest.index)

    def _find_rows(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which segment each place lies in, and which of its rows it is."""
        owners = np.searchsorted(self._ends, places, "right") - 1
        return owners, places - self._ends[owners]

    def read_vectors(self, places: np.ndarray) -> np.ndarray:
        """Return the vectors at places, shape (n, width)."""
        vectors = np.empty((len(places), self._manifest.embedding.width), np.float32)
        owners, rows = self._find_rows(places)
        for owner in np.unique(owners):
            own = owners == owner
            vectors[own] = self._segments[owner].vectors[rows[own]]
        return vectors

    def read_rows(self, places: np.ndarray, *, thumbnails: bool) -> list[dict[str, Any]]:
        """Return the rows at places, as `Segment.read_row`; those of different segments are read beside each other."""
        owners, rows = self._find_rows(places)

        def read(owner: int) -> dict[int, dict[str, Any]]:
            own = np.flatnonzero(owners == owner)
            return {i: self._segments[owner].read_row(int(rows[i]), thumbnail=thumbnails) for i in own.tolist()}

        found: dict[int, dict[str, Any]] = {}
        for part in map_on_cores(read, np.unique(owners).tolist()):
            found |= part
        for row in found.values():
            if thumbnails and not row["thumbnail"]:
                row["thumbnail"] = self._borrow(row["path"])
        return [found[i] for i in range(len(places))]

    def hash_thumbnails(self) -> np.ndarray:
        """Return the perceptual hash of the thumbnail at every place, as `hash_picture`: shape (n, 256)."""
        hashes = np.zeros((self._ends[-1], HASH_BITS), np.int8)
        for segment, start, end in zip(self._segments, self._ends[:-1], self._ends[1:], strict=True):
            thumbnails = segment.read_table(["thumbnail"])["thumbnail"].combine_chunks()
            hashes[start:end] = map_on_cores(lambda one: hash_picture(one.as_py()), thumbnails)
        return hashes


Sought = Sequence[tuple[Pictures, np.ndarray]]  # what is searched, each with a mask of the places that may be found


class _Found(NamedTuple):
    """Candidates of all that was searched, in its order."""

    owners: np.ndarray  # which of what was searched each is in
    places: np.ndarray  # and where
    vectors: np.ndarray  # shape (n, width)


class _Figures(NamedTuple):
    """What a picture comes to, and its position among the candidates."""

    position: int
    cosine: float
    percentile: float | None = None
    verdict: str | None = None
    parts: tuple[PartScore, ...] | None = None


def search_vector(sought: Sought, target: np.ndarray, wanted: Wanted) -> list[Hit]:
    """Find what is nearest to a unit-length vector, float32 of shape (1, width), best first."""
    found = _find_candidates(sought, target, wanted.top + SPARE, exact=wanted.exact)
    best, cosines = _rank(found, target, wanted.top)
    return _make_hits(
        sought, found, [_Figures(*row) for row in zip(best.tolist(), cosines.tolist(), strict=True)], wanted
    )


def search_caption(sought: Sought, caption: str, encoder: Encoder, prompt: Prompt, wanted: Wanted) -> list[Hit]:
    """Find what fits a caption best, best first, with the figures of a gallery of all pictures that may be found."""
    among = sum(int(np.count_nonzero(allowed)) for _, allowed in sought)
    if parts := encode_parts(caption, encoder, prompt):
        found = _find_candidates(sought, parts.target, max(wanted.top + SPARE, IN_PARTS), exact=wanted.exact)
        figures = _judge_in_parts(found.vectors, parts, encoder, prompt, among)[: wanted.top]
        return _make_hits(sought, found, figures, wanted)
    target = encode_captions([caption], encoder, prompt)
    found = _find_candidates(sought, target, wanted.top + SPARE, exact=wanted.exact)
    best, cosines = _rank(found, target, wanted.top)
    if not len(best):
        return []
    gallery = _make_gallery(found.vectors[best])
    judged = judge(gallery, cosines[:, None], [caption], target, encoder, prompt, among=among)
    verdicts: Sequence[str | None] = judged.verdicts[0] if judged.verdicts else [None] * len(best)
    columns = (best.tolist(), cosines.tolist(), judged.percentiles[:, 0].tolist(), verdicts)
    return _make_hits(sought, found, [_Figures(*row) for row in zip(*columns, strict=True)], wanted)


def _find_candidates(sought: Sought, target: np.ndarray, count: int, *, exact: bool) -> _Found:
    """Return what may be among the best `count`."""
    places = [pictures.searcher.find_candidates(target, count, allowed, exact=exact) for pictures, allowed in sought]
    vectors = [pictures.read_vectors(own) for (pictures, _), own in zip(sought, places, strict=True)]
    owners = np.repeat(np.arange(len(places)), [len(own) for own in places])
    return _Found(owners, np.concatenate(places), np.concatenate(vectors))


def _rank(found: _Found, target: np.ndarray, top: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of the best, and their cosines, best first; the first of equals is the first in order."""
    cosines = _make_gallery(found.vectors).cosines(target)[:, 0]
    best = np.argsort(-cosines, kind="stable")[:top]
    return best, cosines[best]


def _judge_in_parts(vectors: np.ndarray, parts: Parts, encoder: Encoder, prompt: Prompt, among: int) -> list[_Figures]:
    """Return the figures of pictures for a caption in parts, best first."""
    found = judge_parts(_make_gallery(vectors), parts, encoder, prompt, among=among)
    percentiles = found.judged.percentiles[:, 0]
    verdicts = found.judged.verdicts[0] if found.judged.verdicts else [None] * len(vectors)
    columns = (range(len(vectors)), found.cosines.tolist(), percentiles.tolist(), verdicts, found.scores)
    figures = [_Figures(*row) for row in zip(*columns, strict=True)]
    return [figures[i] for i in np.lexsort((-found.cosines, -percentiles))]


def _make_hits(sought: Sought, found: _Found, figures: Sequence[_Figures], wanted: Wanted) -> list[Hit]:
    positions = np.array([one.position for one in figures], np.int64)
    hits: dict[int, Hit] = {}
    for owner, (pictures, _) in enumerate(sought):
        own = np.flatnonzero(found.owners[positions] == owner)
        rows = pictures.read_rows(found.places[positions[own]], thumbnails=wanted.thumbnails)
        for i, row in zip(own.tolist(), rows, strict=True):
            hits[i] = _make_hit(row, i + 1, figures[i], str(pictures.folder))
    return [hits[i] for i in range(len(figures))]


def _make_gallery(vectors: np.ndarray) -> Gallery:
    """Return a gallery of these vectors, which calculates without names."""
    return Gallery((_NAMELESS,) * len(vectors), vectors, np.arange(len(vectors)), ())


def _make_hit(row: Mapping[str, Any], rank: int, figures: _Figures, collection: str) -> Hit:
    return Hit(
        path=row["path"],
        rank=rank,
        cosine=figures.cosine,
        percentile=figures.percentile,
        verdict=figures.verdict,
        notes=tuple(row["notes"]),
        seen=row["seen"],
        size=(row["width"], row["height"]),
        file_size=row["size"],
        mtime=row["mtime_ns"] / 1e9,
        thumbnail=row.get("thumbnail", b""),
        parts=figures.parts,
        collection=collection,
    )
