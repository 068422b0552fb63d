"""A collection that is read: searched, compared, verified.

`manifest.json` says which files of its folder count (docs/collections.md). All others are written before it and removed
after it, and it is replaced at once: a reader sees one state or the next, and a process may be killed at any moment.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property
from typing import Any, NamedTuple, TypedDict, Unpack

import numpy as np
import pyarrow as pa

from clipsim.collections.store.manifest import Manifest, read_failed, read_removed
from clipsim.collections.store.search import Searcher
from clipsim.collections.store.segments import FOLDER, SCHEMA, Segment
from clipsim.embedding import NEAR, Gallery, Item, PictureInfo, Rejected, embed, encode_captions, group_duplicates
from clipsim.encoders import Encoder
from clipsim.errors import ClipsimError, ImageError, UsageError
from clipsim.images import Location, locate, storage
from clipsim.options import Prompt
from clipsim.scoring import Parts, PartScore, clean_caption, encode_parts, judge, judge_parts

IN_PARTS = 1000  # candidates of a caption in parts, by its cosine, which are then ranked by its parts
SPARE = 32  # hits beyond those wanted that are re-scored: single precision may order the last ones otherwise
_NAMELESS = PictureInfo("", (), (0, 0), 1.0)  # a gallery calculates without names
When = str | date | datetime


class Filters(TypedDict, total=False):
    """Which pictures of a collection may be found. Times without a zone are local."""

    path: str | None  # a pattern that the whole path must fit: * and ? as in a shell, * also for several folders
    after: When | None  # only files last written then or later: a date, a datetime or either in ISO 8601
    before: When | None  # only files last written earlier


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


class _Figures(NamedTuple):
    """What a picture comes to, and its place in the collection."""

    place: int
    cosine: float
    percentile: float | None = None
    verdict: str | None = None
    parts: tuple[PartScore, ...] | None = None


class Collection:
    """A collection as it was when it was opened: what `manifest` says. May be shared between threads."""

    def __init__(self, folder: Location, manifest: Manifest) -> None:
        """Use `Collection.open`."""
        self.folder, self.manifest = folder, manifest
        self._segments = [Segment(folder, name) for name, _ in manifest.segments]
        self._ends = np.cumsum([0, *(rows for _, rows in manifest.segments)])
        self._live = np.ones(self._ends[-1], bool)  # by place: the number of a row, all segments in order
        starts = {segment.name: start for segment, start in zip(self._segments, self._ends, strict=False)}
        for name, rows in read_removed(folder, manifest).items():
            self._live[starts[name] + np.array(rows, np.int64)] = False

    @classmethod
    def open(cls, folder: str | Location) -> Collection:
        """Open the collection in a folder, here or at an address, to read it.

        Raises:
            ClipsimError: there is none, or it is damaged.
        """
        folder = locate(folder)
        manifest = Manifest.read(folder)
        names = {name.rpartition("/")[2] for name in manifest.files()}
        for inside in (folder, folder / FOLDER):
            storage.forget_copies(inside, names)
        try:
            return cls(folder, manifest)
        except (KeyError, IndexError, ValueError, AttributeError) as error:
            raise ClipsimError(f"{folder / manifest.removed} is damaged: see verify.") from error

    def __len__(self) -> int:
        """Return the number of pictures."""
        return int(np.count_nonzero(self._live))

    @property
    def rejected(self) -> tuple[Rejected, ...]:
        """The pictures that could not be read."""
        return tuple(Rejected(file.name, file.reason) for file in read_failed(self.folder, self.manifest))

    def table(self, columns: list[str] | None = None) -> pa.Table:
        """Return a row for each picture, with the columns of `SCHEMA`, in the order of `vectors`."""
        return self._read_rows(columns).filter(pa.array(self._live))

    def _read_rows(self, columns: list[str] | None) -> pa.Table:
        """Return the rows of all places, removed ones included."""
        columns = columns or SCHEMA.names
        tables = [segment.read_table(columns).select(columns) for segment in self._segments]
        return pa.concat_tables([SCHEMA.empty_table().select(columns), *tables])

    def vectors(self) -> np.ndarray:
        """Return unit-length float32, shape (n, width): in memory, or mapped from the file where that is one."""
        if len(self._segments) == 1 and self._live.all():
            return self._segments[0].vectors
        return self._read_vectors(np.flatnonzero(self._live))

    @cached_property
    def _paths_and_times(self) -> tuple[list[str], np.ndarray]:
        """Path and time of every place."""
        table = self._read_rows(["path", "mtime_ns"])
        return table["path"].to_pylist(), table["mtime_ns"].to_numpy()

    def _apply(self, filters: Filters) -> np.ndarray:
        """Return a mask of the places that may be found."""
        allowed = self._live
        if (after := filters.get("after")) is not None:
            allowed = allowed & (self._paths_and_times[1] >= _to_nanoseconds(after))
        if (before := filters.get("before")) is not None:
            allowed = allowed & (self._paths_and_times[1] < _to_nanoseconds(before))
        if (path := filters.get("path")) is not None:
            fits, paths = re.compile(fnmatch.translate(path)).match, self._paths_and_times[0]
            allowed = allowed & np.fromiter((fits(one) is not None for one in paths), bool, len(paths))
        return allowed

    def search(
        self,
        query: str | np.ndarray,
        encoder: Encoder | None = None,
        top: int = 10,
        *,
        exact: bool = False,
        prompt: Prompt = "as-written",
        thumbnails: bool = False,
        **filters: Unpack[Filters],
    ) -> list[Hit]:
        """Find the pictures that fit best, best first, with the figures that `clipsim.score_images` would give them.

        Args:
            query: a caption, or a vector of shape (width,), such as `vector_of` gives.
            encoder: the collection's model; None loads it, and a vector needs none.
            top: how many.
            exact: whether to compare with every vector even where there is an approximate index.
            prompt: as for `clipsim.score_images`.
            thumbnails: whether `Hit.thumbnail` is wanted.
            filters: which pictures may be found.

        Raises:
            CaptionError: the caption is empty or not valid text.
            UsageError: a date cannot be read, the model is another one, or the vector has another width.
            ClipsimError: the collection is damaged.
        """
        allowed, top = self._apply(filters), max(top, 1)
        among = int(np.count_nonzero(allowed))
        if isinstance(query, str):
            caption = clean_caption(query)
            encoder = encoder or self.manifest.embedding.load()
            self.manifest.embedding.check(encoder)
            if parts := encode_parts(caption, encoder, prompt):
                places = self._searcher.find_candidates(parts.target, max(top + SPARE, IN_PARTS), allowed, exact=exact)
                figures = self._judge_in_parts(places, parts, encoder, prompt, among)[:top]
                return self._make_hits(figures, thumbnails)
            target = encode_captions([caption], encoder, prompt)
        else:
            target, encoder = self._normalize(query), None
        places = self._searcher.find_candidates(target, top + SPARE, allowed, exact=exact)
        vectors = self._read_vectors(places)
        cosines = _make_gallery(vectors).cosines(target)[:, 0]
        best = np.lexsort((places, -cosines))[:top]
        cosines, vectors = cosines[best], vectors[best]
        percents: Sequence[float | None] = [None] * len(best)
        verdicts: Sequence[str | None] = [None] * len(best)
        if encoder is not None and len(best):
            judged = judge(_make_gallery(vectors), cosines[:, None], [caption], target, encoder, prompt, among=among)
            percents, verdicts = judged.percentiles[:, 0].tolist(), judged.verdicts[0] if judged.verdicts else verdicts
        columns = (places[best].tolist(), cosines.tolist(), percents, verdicts)
        return self._make_hits([_Figures(*row) for row in zip(*columns, strict=True)], thumbnails)

    def _judge_in_parts(
        self, places: np.ndarray, parts: Parts, encoder: Encoder, prompt: Prompt, among: int
    ) -> list[_Figures]:
        """Return the figures of the pictures at places for a caption in parts, best first."""
        found = judge_parts(_make_gallery(self._read_vectors(places)), parts, encoder, prompt, among=among)
        percentiles = found.judged.percentiles[:, 0]
        verdicts = found.judged.verdicts[0] if found.judged.verdicts else [None] * len(places)
        columns = (places.tolist(), found.cosines.tolist(), percentiles.tolist(), verdicts, found.scores)
        figures = [_Figures(*row) for row in zip(*columns, strict=True)]
        return [figures[i] for i in np.lexsort((places, -found.cosines, -percentiles))]

    def _make_hits(self, figures: Sequence[_Figures], thumbnails: bool) -> list[Hit]:
        owners, rows = self._find_rows(np.array([one.place for one in figures], np.int64))
        read = [
            self._segments[owner].read_row(int(row), thumbnail=thumbnails)
            for owner, row in zip(owners, rows, strict=True)
        ]
        return [_make_hit(row, rank, one) for rank, (row, one) in enumerate(zip(read, figures, strict=True), 1)]

    def _normalize(self, query: np.ndarray) -> np.ndarray:
        target = np.asarray(query, np.float32).reshape(1, -1)
        length = float(np.linalg.norm(target))
        width = self.manifest.embedding.width
        if (own := target.shape[1]) != width or not np.isfinite(length) or not length:
            raise UsageError(f"A vector to search with has {width} finite numbers, not all zero: this one has {own}.")
        return target / length if abs(length - 1) > 1e-5 else target

    @cached_property
    def _searcher(self) -> Searcher:
        return Searcher(self.folder, self._segments, self._ends, self.manifest.index)

    def _find_rows(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which segment each place lies in, and which of its rows it is."""
        owners = np.searchsorted(self._ends, places, "right") - 1
        return owners, places - self._ends[owners]

    def _read_vectors(self, places: np.ndarray) -> np.ndarray:
        """Return the vectors at places, shape (n, width)."""
        vectors = np.empty((len(places), self.manifest.embedding.width), np.float32)
        owners, rows = self._find_rows(places)
        for owner in np.unique(owners):
            own = owners == owner
            vectors[own] = self._segments[owner].vectors[rows[own]]
        return vectors

    def similar(
        self, path: str, /, top: int = 10, *, thumbnails: bool = False, **filters: Unpack[Filters]
    ) -> list[Hit]:
        """Find more like one of its pictures, that one left out; `thumbnails` and `filters` as for `search`.

        Raises:
            UsageError: there is no such path.
        """
        paths, _ = self._paths_and_times
        place = next((i for i, one in enumerate(paths) if one == path and self._live[i]), None)
        if place is None:
            sentence = f"{path} is not in the collection: use a path as its results give them."
            raise UsageError(sentence, code="unknown_picture")
        hits = self.search(self._read_vectors(np.array([place]))[0], None, top + 1, thumbnails=thumbnails, **filters)
        others = [hit for hit in hits if hit.path != path][:top]
        return [replace(hit, rank=rank) for rank, hit in enumerate(others, 1)]

    def vector_of(self, picture: Item, encoder: Encoder | None = None) -> np.ndarray:
        """Encode a picture from outside, treated as the collection's were, to `search` with: shape (width,).

        Raises:
            ImageError: it cannot be read.
        """
        config = self.manifest.embedding
        encoder = encoder or config.load()
        config.check(encoder)
        gallery = embed([picture], encoder, config.options)
        for rejected in gallery.rejected:
            raise ImageError(rejected.name, rejected.reason)
        return gallery.vectors.reshape(-1)

    def duplicates(self, threshold: float = NEAR) -> list[list[str]]:
        """Find groups of near duplicates, the largest first: a chain of cosines of `threshold` or more joins them.

        Every pair is compared, a block at a time: 10,000 pictures take seconds, 100,000 some minutes.
        """
        places, (paths, _) = np.flatnonzero(self._live), self._paths_and_times
        groups = group_duplicates(len(places), lambda rows: self._read_vectors(places[rows]), threshold)
        return sorted(([paths[place] for place in places[group]] for group in groups), key=lambda one: (-len(one), one))

    def verify(self) -> list[str]:
        """Read everything, and return what is wrong with the collection, a sentence each."""
        problems = [
            problem
            for segment, (_, rows) in zip(self._segments, self.manifest.segments, strict=True)
            for problem in segment.find_problems(self.manifest.embedding.width, rows)
        ]
        if self.manifest.rows != len(self):
            problems.append(f"The manifest counts {self.manifest.rows} pictures, and there are {len(self)}.")
        if not problems:
            paths = self.table(["path"])["path"]
            if (twice := len(paths) - len(paths.unique())) > 0:
                problems.append(f"{twice} pictures are in the collection twice.")
        for check in (lambda: read_failed(self.folder, self.manifest), self._searcher.check):
            try:
                check()
            except ClipsimError as error:
                problems.append(str(error))
        return problems


def _make_gallery(vectors: np.ndarray) -> Gallery:
    """Return a gallery of these vectors, which calculates without names."""
    return Gallery((_NAMELESS,) * len(vectors), vectors, np.arange(len(vectors)), ())


def _make_hit(row: Mapping[str, Any], rank: int, figures: _Figures) -> Hit:
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
    )


def _to_nanoseconds(when: When) -> int:
    """Return a moment as nanoseconds since 1970."""
    try:
        moment = datetime.fromisoformat(when if isinstance(when, str) else when.isoformat())
        return int(moment.timestamp() * 1e6) * 1000
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(f"{when!r} is not a date that can be read: write it as 2026-03-31.") from error
