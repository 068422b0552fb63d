"""A collection that is read: searched, compared, verified.

The newest manifest says which files of its folder count (docs/collections.md). All of them are written before it and
never changed, and it is made at once: a reader sees one state or the next, and a process may be killed at any moment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Unpack

import numpy as np
import pyarrow as pa

from clipsim.collections.filters import Filters
from clipsim.collections.models import find_first, locate_model
from clipsim.collections.reopening import retry_once
from clipsim.collections.searching import Hit, Pictures, Wanted, search_caption, search_vector
from clipsim.collections.store.checking import find_problems
from clipsim.collections.store.lists import read_failed, read_removed
from clipsim.collections.store.manifest import Manifest
from clipsim.collections.store.segments import FOLDER, SCHEMA, GoneError, Segment
from clipsim.embedding import NEAR, Item, Rejected, embed, group_duplicates, group_equal
from clipsim.encoders import Encoder
from clipsim.errors import ImageError, UsageError
from clipsim.images import Location, locate, storage
from clipsim.options import Prompt
from clipsim.scoring import clean_caption


class Collection:
    """A collection as it was when it was opened: what `manifest` says. May be shared between threads."""

    def __init__(self, folder: Location, manifest: Manifest) -> None:
        """Use `Collection.open`."""
        self.folder, self.manifest = folder, manifest
        width = manifest.embedding.width
        self._segments = [Segment(folder, name, width) for name, _ in manifest.segments]
        self._ends = np.cumsum([0, *(rows for _, rows in manifest.segments)])
        self._live = np.ones(self._ends[-1], bool)  # by place: the number of a row, all segments in order
        starts = {segment.name: start for segment, start in zip(self._segments, self._ends, strict=False)}
        for name, rows in read_removed(folder, manifest).items():
            self._live[starts[name] + rows] = False

    @classmethod
    def open(cls, folder: str | Location, model: str | None = None) -> Collection:
        """Open the collection in a folder, here or at an address, to read it.

        `model` says whose vectors where it has those of several, as `clipsim.load` takes it; None for the first.

        Raises:
            UsageError: it has no vectors of that model.
            ClipsimError: there is none, or it is damaged.
        """
        folder = locate_model(locate(folder), model)
        try:
            collection = cls(folder, Manifest.read(folder))
        except GoneError:  # others have swept it meanwhile
            collection = cls(folder, Manifest.read(folder))
        names = {name.rpartition("/")[2] for name in collection.manifest.files()}
        for inside in (folder, folder / FOLDER):
            storage.forget_copies(inside, names)
        return collection

    def __len__(self) -> int:
        """Return the number of pictures."""
        return int(np.count_nonzero(self._live))

    def __contains__(self, path: object) -> bool:
        """Return whether there is a picture of that path."""
        return isinstance(path, str) and self._pictures.columns.find(path, self._live) is not None

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
        return self._pictures.read_vectors(np.flatnonzero(self._live))

    @cached_property
    def _pictures(self) -> Pictures:
        return Pictures(self.folder, self.manifest, self._segments, self._live, self._borrow_thumbnail)

    @cached_property
    def _first(self) -> Collection | None:
        """The collection of the first model, where this is of a further one."""
        place = find_first(self.folder)
        return Collection.open(place) if place else None

    def _borrow_thumbnail(self, path: str) -> bytes:
        """Return the thumbnail that the collection of the first model has of a picture; b"" where there is none."""
        if self._first is None or (place := self._first._pictures.columns.find(path, self._first._live)) is None:
            return b""
        (row,) = self._first._pictures.read_rows(np.array([place]), thumbnails=True)
        thumbnail: bytes = row["thumbnail"]
        return thumbnail

    @retry_once
    def search(
        self,
        query: str | np.ndarray,
        encoder: Encoder | None = None,
        top: int = 10,
        *,
        exact: bool = False,
        prompt: Prompt = "as-written",
        thumbnails: bool = False,
        also: Sequence[Collection] = (),
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
            also: further collections, which are searched too: there is one ranking, as of one gallery of them all.
            filters: which pictures may be found.

        Raises:
            CaptionError: the caption is empty or not valid text.
            UsageError: a date cannot be read, the model is another one, the vector has another width, or
                the vectors of another collection cannot be compared with these.
            ClipsimError: the collection is damaged.
        """
        also = [self, *also]
        self._check_alike(also)
        sought = [(one._pictures, one._pictures.columns.apply(filters, one._live)) for one in also]
        wanted = Wanted(max(top, 1), exact, thumbnails)
        if isinstance(query, str):
            caption = clean_caption(query)
            encoder = encoder or self.manifest.embedding.load()
            self.manifest.embedding.check(encoder)
            return search_caption(sought, caption, encoder, prompt, wanted)
        return search_vector(sought, self._normalize(query), wanted)

    def _check_alike(self, others: Sequence[Collection]) -> None:
        """Raise a `UsageError` unless the vectors of all can be compared."""
        ours = self.manifest.embedding.facts()
        for other in others:
            if differences := _name_differences(ours, other.manifest.embedding.facts()):
                raise UsageError(
                    f"{self.folder} and {other.folder} cannot be ranked together, as their vectors were made with "
                    f"{differences}: search each by itself."
                )

    def _normalize(self, query: np.ndarray) -> np.ndarray:
        target = np.asarray(query, np.float32).reshape(1, -1)
        length = float(np.linalg.norm(target))
        width = self.manifest.embedding.width
        if (own := target.shape[1]) != width or not np.isfinite(length) or not length:
            raise UsageError(f"A vector to search with has {width} finite numbers, not all zero: this one has {own}.")
        return target / length if abs(length - 1) > 1e-5 else target

    @retry_once
    def similar(
        self,
        path: str,
        /,
        top: int = 10,
        *,
        thumbnails: bool = False,
        also: Sequence[Collection] = (),
        **filters: Unpack[Filters],
    ) -> list[Hit]:
        """Find more like one of its pictures, that one left out; `thumbnails`, `also` and `filters` as for `search`.

        Raises:
            UsageError: there is no such path.
        """
        if (place := self._pictures.columns.find(path, self._live)) is None:
            sentence = f"{path} is not in the collection: use a path as its results give them."
            raise UsageError(sentence, code="unknown_picture")
        own = self._pictures.read_vectors(np.array([place]))[0]
        hits = self.search(own, None, top + 1, thumbnails=thumbnails, also=also, **filters)
        others = [hit for hit in hits if (hit.path, hit.collection) != (path, str(self.folder))][:top]
        return [replace(hit, rank=rank) for rank, hit in enumerate(others, 1)]

    def vector_of(self, picture: Item, encoder: Encoder | None = None) -> np.ndarray:
        """Encode a picture from outside, treated as the collection's were, to `search` with: shape (width,).

        Raises:
            ImageError: it cannot be read.
        """
        config = self.manifest.embedding
        config.check_preparation()
        encoder = encoder or config.load()
        config.check(encoder)
        gallery = embed([picture], encoder, config.options)
        for rejected in gallery.rejected:
            raise ImageError(rejected.name, rejected.reason)
        return gallery.vectors.reshape(-1)

    @retry_once
    def duplicates(self, threshold: float = NEAR, *, exact: bool = False) -> list[list[str]]:
        """Find groups of near duplicates, the largest first: a chain of likeness joins them.

        Two pictures are alike if the cosine of their vectors is `threshold` or more, or if their thumbnails have nearly
        the same perceptual hash, as resized and re-encoded copies have. Every pair is compared, a block at a time:
        10,000 pictures take seconds, 100,000 some minutes. With `exact` only files are joined that are equal to the
        byte; this compares digests, which takes a second for a million.
        """
        places = np.flatnonzero(self._live)
        if exact:
            groups = group_equal(self._pictures.columns.number_digests()[places])
        else:
            hashes = self._hash_pictures(places)
            read = self._pictures.read_vectors
            groups = group_duplicates(len(places), lambda rows: read(places[rows]), threshold, hashes=hashes)
        named = (self._pictures.columns.paths(places[group]) for group in groups)
        return sorted(named, key=lambda one: (-len(one), one))

    def _hash_pictures(self, places: np.ndarray) -> np.ndarray:
        """Return the perceptual hashes of pictures, shape (n, 256), by the thumbnails, which the first model has."""
        found: np.ndarray
        if self._first is None:
            found = self._pictures.hash_thumbnails()[places]
            return found
        theirs, pictures = np.flatnonzero(self._first._live), self._first._pictures
        where = dict(zip(pictures.columns.paths(theirs), theirs.tolist(), strict=True))
        known = pictures.hash_thumbnails()
        hashes = np.concatenate([known, np.zeros_like(known[:1])])  # the last one for what the first does not have
        found = hashes.take([where.get(path, -1) for path in self._pictures.columns.paths(places)], axis=0)
        return found

    def verify(self) -> list[str]:
        """Read everything, and return what is wrong with the collection, a sentence each."""
        problems = [*find_problems(self.folder, self.manifest)]
        if self.manifest.rows != len(self):
            problems.append(f"The manifest counts {self.manifest.rows} pictures, and there are {len(self)}.")
        if not problems:
            paths = self.table(["path"])["path"]
            if (twice := len(paths) - len(paths.unique())) > 0:
                problems.append(f"{twice} pictures are in the collection twice.")
        return problems


def _name_differences(ours: Mapping[str, object], theirs: Mapping[str, object]) -> str:
    return ", ".join(f"{what} {value} and {theirs[what]}" for what, value in ours.items() if value != theirs[what])
