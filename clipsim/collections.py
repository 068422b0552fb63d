"""Collections: pictures as vectors on disk, embedded once, asked for ever, with the scores that a gallery would show.

A collection is a folder, here or at an address (docs/collections.md). `manifest.json` says which files count; all
others are written before it and only removed after it, and it is replaced at once, so that a reader sees one state or
the next and a process may be killed at any moment. One process writes at a time.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clipsim import ann, storage
from clipsim.calibration import calibration
from clipsim.encoders import Encoder
from clipsim.errors import ClipsimError
from clipsim.framing import check_treatment
from clipsim.gallery import Gallery, Rejected, Seen
from clipsim.prompting import encode_captions
from clipsim.scoring import clean_caption, precision, strength
from clipsim.segments import FOLDER, LIGHT, Segment, write_segment
from clipsim.storage import UNKNOWN, Location, located

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 2  # in 1, which is still read, vectors lay in flat indexes of FAISS
MANIFEST, LOCK = "manifest.json", "lock"
MERGED = 65_536  # rows that small segments are merged to: 128 MB of vectors of width 512
SMALL = MERGED // 2  # rows below which a segment is merged with others
FEW_REMOVED = 0.05  # share of a large segment's rows that may be removed before it is written anew
SPARE = 32  # hits beyond those asked for that are re-scored: single precision may order the last ones otherwise
NEAR = 0.97  # cosine from which pictures count as near duplicates
BLOCK = 4_096  # vectors a side of the products in which near duplicates are looked for
_NAMELESS = Seen("", (), (0, 0), 1.0)  # a gallery calculates without names
_LATER = "written by a later version of clipsim"
When = str | date | datetime


@dataclass(frozen=True)
class Recipe:
    """How the vectors of a collection came about; those of another recipe have no place in it.

    Attributes:
        model: name of the encoder.
        revision: of its weights; "" where it has none.
        precision: "full" or "half", as `clipsim.load` explains them.
        width: length of a vector.
        origin: what `clipsim.load` takes to load the model again; "" for an encoder of the caller's own.
        framing, contrast: as `clipsim.score_images` takes them.
    """

    model: str
    revision: str
    precision: str
    width: int
    origin: str = ""
    framing: str = "crop"
    contrast: str = "as-is"

    @classmethod
    def of(cls, encoder: Encoder, framing: str = "crop", contrast: str = "as-is") -> Recipe:
        """That of an encoder; its weights are loaded.

        Raises:
            ClipsimError: the framing gives several vectors a picture, or a choice is not known.
            EncoderError: the model cannot be loaded.
        """
        check_treatment(framing, contrast)
        if framing == "tiles-best":
            raise ClipsimError(
                "A collection holds one vector a picture, and framing tiles-best makes several: use crop, pad or "
                "tiles-mean."
            )
        revision = str(getattr(encoder, "revision", "") or "")
        return cls(encoder.name, revision, precision(encoder), encoder.width, _origin(encoder), framing, contrast)

    def load(self, device: str = "auto") -> Encoder:
        """The encoder again.

        Raises:
            EncoderError: it cannot be had.
            ClipsimError: it is not what it was, or was the caller's own.
        """
        from clipsim.models import load

        if not self.origin:
            raise ClipsimError(f"The collection's model {self.model} is not one that can be loaded: pass the encoder.")
        encoder = load(self.origin, device, self.precision)
        self.check(encoder)
        return encoder

    def check(self, encoder: Encoder) -> None:
        """Raise a `ClipsimError` unless the encoder's captions can be compared with these vectors."""
        if encoder.name != self.model:
            raise ClipsimError(
                f"The collection was made with {self.model}, not with {encoder.name}: use that model, or make another "
                "collection."
            )
        revision = str(getattr(encoder, "revision", "") or "")
        if revision != self.revision:
            raise ClipsimError(
                f"The weights of {self.model} have changed since the collection was made (revision "
                f"{self.revision or 'unknown'}, now {revision or 'unknown'}): make another collection."
            )

    def check_same(self, other: Recipe) -> None:
        """Raise a `ClipsimError` that names both unless vectors of the other recipe may be added."""
        for what in ("model", "revision", "precision", "framing", "contrast", "width"):
            self.check_choice(what, getattr(other, what))

    def check_choice(self, what: str, choice: Any) -> None:
        """Raise a `ClipsimError` that names both where another choice was made; None is no choice."""
        ours = getattr(self, what)
        if choice is not None and choice != ours:
            raise ClipsimError(
                f"The collection was made with {what} {ours}, not {choice}: use that one, or make another collection."
            )


def _origin(encoder: Encoder) -> str:
    from clipsim.models import MODELS

    folder = getattr(encoder, "folder", None)
    if any(encoder.name == model.name for model in MODELS) or "/" in encoder.name:
        return encoder.name
    return str(Path(folder).resolve()) if folder else ""


@dataclass(frozen=True)
class Manifest:
    """What a collection consists of.

    Attributes:
        recipe: how its vectors came about.
        source: where the pictures lie; "" where that is not one folder.
        segments: id and number of rows of each, in the collection's order.
        removed: name of the file that says which of these rows are removed; "" if none are.
        rejected: name of the file with the pictures that could not be read; "" if there are none.
        index: files of the approximate index, each with the segments that it covers.
        rows: pictures in the collection.
        generation: how often it was written to.
        format: version of all this.
    """

    recipe: Recipe
    source: str = ""
    segments: tuple[tuple[str, int], ...] = ()
    removed: str = ""
    rejected: str = ""
    index: tuple[ann.Part, ...] = ()
    rows: int = 0
    generation: int = 0
    format: int = FORMAT

    @classmethod
    def read(cls, folder: Location) -> Manifest:
        """That of a folder.

        Raises:
            ClipsimError: there is none, or it is damaged, or of a later version.
        """
        try:
            plain = json.loads(storage.read(folder / MANIFEST))
            if plain["format"] > FORMAT:
                raise ClipsimError(f"The collection in {folder} was {_LATER}: update this one.")
            return cls(
                **plain
                | {
                    "recipe": Recipe(**plain["recipe"]),
                    "segments": tuple((str(name), int(rows)) for name, rows in plain["segments"]),
                    "index": tuple(ann.Part(part["file"], tuple(part["segments"])) for part in plain["index"]),
                }
            )
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ClipsimError(f"There is no collection in {folder}: make one with index.") from error
        except OSError as error:
            raise ClipsimError(f"{folder / MANIFEST} cannot be read ({error}): see that it can be reached.") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ClipsimError(
                f"{folder / MANIFEST} is damaged ({error}): index the pictures anew into an empty folder."
            ) from error

    def write(self, folder: Location) -> None:
        """Make this the state of the collection, at once."""
        storage.write(folder / MANIFEST, json.dumps(asdict(self), indent=1).encode())
        storage.synced(folder)

    def files(self) -> set[str]:
        """Every file that counts, by its path in the collection: vectors by both names that they may have."""
        segments = {f"{FOLDER}/{name}.{end}" for name, _ in self.segments for end in ("npy", "faiss", "parquet")}
        return {name for name in (self.removed, self.rejected) if name} | {part.file for part in self.index} | segments


@dataclass(frozen=True)
class Bad:
    """A picture that could not be read; while size and times are the same it is not tried again.

    Attributes:
        name, reason: as `clipsim.gallery.Rejected`.
        size: bytes.
        times: when its content, and when its content or rights were last changed, nanoseconds since 1970.
    """

    name: str
    reason: str
    size: int = UNKNOWN
    times: tuple[int, int] = (-1, -1)

    @property
    def rejected(self) -> Rejected:
        """What a person is told of it."""
        return Rejected(self.name, self.reason)


class Writer:
    """The one that may change a collection, made if it is missing: a context, in which other writers are refused."""

    def __init__(self, folder: str | Location, recipe: Recipe | None = None, source: str | None = None) -> None:
        """
        Args:
            folder: of the collection, here or at an address.
            recipe: how what is added was made; None for that of the collection, which there must be then.
            source: where the pictures lie; None leaves what the manifest says.
        """
        self.folder = located(folder)
        self._recipe, self._source = recipe, source

    def __enter__(self) -> Writer:
        """
        Raises:
            ClipsimError: another process writes, the folder is no collection or cannot be written, or it was made by
                another recipe.
        """
        self._claim()
        try:
            self.manifest = self._opened()
            self._before = self.manifest.files()
            self._sweep(set())
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._sweep(self._before)  # whoever read these when this began may go on
        finally:
            self._lock.release()

    def _claim(self) -> None:
        from filelock import FileLock, Timeout

        try:
            storage.make(self.folder)
            if not storage.exists(self.folder / MANIFEST) and _foreign(self.folder):
                raise ClipsimError(f"{self.folder} holds other files: give the collection an empty folder.")
            self._lock = FileLock(storage.own_folder(self.folder) / LOCK, timeout=0)
            self._lock.acquire()
        except Timeout as error:
            raise ClipsimError(f"Another process writes to {self.folder}: wait until it is done.") from error
        except (OSError, NotImplementedError) as error:
            raise ClipsimError(f"{self.folder} cannot be written to ({error}): give another folder.") from error

    def _opened(self) -> Manifest:
        exists = storage.exists(self.folder / MANIFEST)
        if exists or self._recipe is None:
            manifest = Manifest.read(self.folder)
            if self._recipe is not None:
                manifest.recipe.check_same(self._recipe)
        else:
            manifest = Manifest(self._recipe)
        if self._source is not None:
            manifest = replace(manifest, source=self._source)
        if not exists:
            self._put(manifest)
        return manifest

    def _write(self, manifest: Manifest) -> None:
        if self._overtaken():
            raise ClipsimError(
                f"Another machine has written to {self.folder} meanwhile: let one of them write, and run this again."
            )
        self._put(manifest)

    def _overtaken(self) -> bool:
        """Whether another machine has written to an address, for which a lock holds on one machine only."""
        return not storage.here(self.folder) and Manifest.read(self.folder).generation != self.manifest.generation

    def _put(self, manifest: Manifest) -> None:
        manifest = replace(manifest, format=FORMAT)
        try:
            manifest.write(self.folder)
        except OSError as error:
            raise ClipsimError(f"{self.folder} cannot be written to ({error}): make room there.") from error
        self.manifest = manifest

    def add(self, table: pa.Table, vectors: np.ndarray) -> str:
        """Add pictures: `write_segment` and `commit`. Once this returns they are there whatever happens."""
        name = write_segment(self.folder, table, vectors)
        self.commit(name)
        return name

    def commit(
        self,
        *segments: str,
        removed: Mapping[str, Iterable[int]] | None = None,
        rejected: Sequence[Bad] | None = None,
    ) -> None:
        """Make segments that were written part of the collection, and rows of older ones no longer part of it, at once.

        Args:
            segments: ids from `write_segment`.
            removed: rows to remove by the segment's id, counted from 0.
            rejected: all pictures that could not be read, instead of those listed so far; None leaves these.
        """
        manifest = replace(self.manifest, generation=self.manifest.generation + 1)
        added = tuple((name, len(Segment(self.folder, name))) for name in segments)
        manifest = replace(
            manifest, segments=manifest.segments + added, rows=manifest.rows + sum(rows for _, rows in added)
        )
        if removed:
            gone = {name: set(rows.tolist()) for name, rows in read_removed(self.folder, self.manifest).items()}
            for name, rows in removed.items():
                gone[name] = gone.get(name, set()) | {int(row) for row in rows}
            manifest = self._with_removed(manifest, gone)
        if rejected is not None:
            file = f"rejected-{manifest.generation}.json" if rejected else ""
            if file:
                storage.write(self.folder / file, json.dumps([asdict(bad) for bad in rejected]).encode())
            manifest = replace(manifest, rejected=file)
        self._write(manifest)

    def _with_removed(self, manifest: Manifest, gone: Mapping[str, set[int]]) -> Manifest:
        gone = {name: rows for name, rows in gone.items() if rows}
        file = f"removed-{manifest.generation}.json" if gone else ""
        if file:
            plain = {name: sorted(rows) for name, rows in gone.items()}
            storage.write(self.folder / file, json.dumps(plain).encode())
        total = sum(rows for _, rows in manifest.segments) - sum(map(len, gone.values()))
        return replace(manifest, removed=file, rows=total)

    def merge(self) -> None:
        """Write small segments, and those with many removed rows, anew as few large ones without them."""
        gone = read_removed(self.folder, self.manifest)
        old = [
            (name, rows)
            for name, rows in self.manifest.segments
            if rows < SMALL or len(gone.get(name, ())) > FEW_REMOVED * rows
        ]
        if len(old) < 2 and not any(name in gone for name, _ in old):
            return
        new = list(self._merged(old, gone))
        left = {name for name, _ in old}
        kept = tuple(segment for segment in self.manifest.segments if segment[0] not in left)
        manifest = replace(self.manifest, segments=kept + tuple(new), generation=self.manifest.generation + 1)
        self._write(
            self._with_removed(manifest, {name: set(rows.tolist()) for name, rows in gone.items() if name not in left})
        )

    def _merged(self, old: list[tuple[str, int]], gone: Mapping[str, np.ndarray]) -> Iterator[tuple[str, int]]:
        """Segments of up to `MERGED` rows; about two of them are held at once."""
        import pyarrow as pa

        tables: list[pa.Table] = []
        vectors: list[np.ndarray] = []
        for name, rows in old:
            segment = Segment(self.folder, name)
            live = np.delete(np.arange(rows), gone.get(name, []))
            if sum(map(len, vectors)) + len(live) > MERGED and vectors:
                yield self._joined(tables, vectors)
                tables, vectors = [], []
            if len(live):
                tables.append(segment.table().take(pa.array(live)))
                vectors.append(segment.vectors[live])
        if vectors:
            yield self._joined(tables, vectors)

    def _joined(self, tables: list[pa.Table], vectors: list[np.ndarray]) -> tuple[str, int]:
        import pyarrow as pa

        together = np.concatenate(vectors)
        return write_segment(self.folder, pa.concat_tables(tables), together), len(together)

    def build_index(self, kind: str | None = None) -> None:
        """Build an approximate index over all segments, or take it away where the size needs none.

        Args:
            kind: a key of `clipsim.ann.KINDS`, or None for what suits the size.
        """
        kind = kind or ann.suitable(self.manifest.rows)
        parts: tuple[ann.Part, ...] = ()
        if kind != ann.EXACT:
            parts = ann.build(self.folder, self.manifest.segments, self.manifest.recipe.width, kind)
        self._write(replace(self.manifest, index=parts, generation=self.manifest.generation + 1))

    def _sweep(self, kept: set[str]) -> None:
        """Remove files that do not count: what a killed process left, what was merged or replaced."""
        if self._overtaken():  # what this one does not know of may count
            return
        kept = kept | self.manifest.files() | {MANIFEST, LOCK}
        for inside in ("", FOLDER):
            folder = self.folder / inside if inside else self.folder
            for name in storage.names(folder):
                if f"{inside}/{name}".lstrip("/") not in kept and _ours(name):
                    storage.remove(folder / name)


_OURS = re.compile(
    r"(removed|rejected)-\d+\.json|index-([0-9a-f]{32}|\d+-\d+)\.faiss|[0-9a-f]{32}\.(npy|faiss|parquet)|manifest\.json"
)


def _ours(name: str) -> bool:
    return bool(_OURS.fullmatch(name.removesuffix(".partial")))


def _foreign(folder: Location) -> bool:
    """Whether the folder holds what no collection left there."""
    return any(name not in (LOCK, FOLDER) and not _ours(name) for name in storage.names(folder))


def read_removed(folder: Location, manifest: Manifest) -> dict[str, np.ndarray]:
    """Removed rows, rising, by the segment's id."""
    plain = _json(folder, manifest.removed) or {}
    return {name: np.array(rows, np.int64) for name, rows in plain.items()}


def read_rejected(folder: Location, manifest: Manifest) -> list[Bad]:
    """Pictures that could not be read."""
    return [
        Bad(bad["name"], bad["reason"], bad["size"], tuple(bad["times"]))
        for bad in _json(folder, manifest.rejected) or []
    ]


def _json(folder: Location, name: str) -> Any:
    if not name:
        return None
    try:
        return json.loads(storage.read(folder / name))
    except (OSError, ValueError) as error:
        raise ClipsimError(
            f"{folder / name} cannot be read ({error}): open the collection again, or see verify."
        ) from error


@dataclass(frozen=True)
class Hit:
    """One picture that was found.

    Attributes:
        path: in the collection.
        rank: 1 is the best.
        cosine: as `clipsim.Score`, as are percentile, verdict, notes and seen.
        percentile, verdict: None where a picture or a vector was asked for.
        notes: what was done to the picture before the model saw it.
        seen: how much of it the model saw, 0 to 1.
        size: width and height, in pixels.
        file_size: bytes of the file.
        mtime: when the file was last written, seconds since 1970.
        thumbnail: a JPEG; b"" if none was wanted.
    """

    path: str
    rank: int
    cosine: float
    percentile: float | None = None
    verdict: str | None = None
    notes: tuple[str, ...] = ()
    seen: float = 1.0
    size: tuple[int, int] = (0, 0)
    file_size: int = 0
    mtime: float = 0.0
    thumbnail: bytes = field(default=b"", repr=False)


class Collection:
    """A collection as it was when it was opened. May be shared between threads."""

    def __init__(self, folder: Location, manifest: Manifest) -> None:
        """Use `Collection.open`."""
        self.folder, self.manifest = folder, manifest
        self._segments = [Segment(folder, name) for name, _ in manifest.segments]
        self._ends = np.cumsum([0, *(rows for _, rows in manifest.segments)])
        self._live = np.ones(self._ends[-1], bool)
        starts = {name: start for (name, _), start in zip(manifest.segments, self._ends, strict=False)}
        for name, rows in read_removed(folder, manifest).items():
            self._live[starts[name] + rows] = False

    @classmethod
    def open(cls, folder: str | Location) -> Collection:
        """The collection in a folder, here or at an address, to be read.

        Raises:
            ClipsimError: there is none, or it is damaged.
        """
        folder = located(folder)
        manifest = Manifest.read(folder)
        _forget_copies(folder, manifest)
        try:
            return cls(folder, manifest)
        except (KeyError, IndexError, ValueError, AttributeError) as error:
            raise ClipsimError(f"{folder / manifest.removed} is damaged: see verify.") from error

    def __len__(self) -> int:
        return int(np.count_nonzero(self._live))

    @property
    def rejected(self) -> tuple[Rejected, ...]:
        """The pictures that could not be read."""
        return tuple(bad.rejected for bad in read_rejected(self.folder, self.manifest))

    def table(self, columns: list[str] | None = None) -> pa.Table:
        """Rows of the pictures, with the columns of `clipsim.segments.schema`, in the order of `vectors`."""
        import pyarrow as pa

        from clipsim.segments import schema

        if not self._segments:
            return schema().empty_table().select(columns or schema().names)
        tables = [segment.table(columns).replace_schema_metadata() for segment in self._segments]
        return pa.concat_tables(tables).filter(pa.array(self._live))

    def vectors(self) -> np.ndarray:
        """Unit-length float32, shape (n, width): in memory, or mapped from the file where that is one."""
        if len(self._segments) == 1 and self._live.all():
            return self._segments[0].vectors
        blocks = [np.zeros((0, self.manifest.recipe.width), np.float32)]
        return np.concatenate([*blocks, *(segment.vectors[live] for segment, live, _ in self._parts(self._live))])

    def _parts(self, chosen: np.ndarray) -> Iterator[tuple[Segment, np.ndarray, int]]:
        """Each segment with its part of a mask over all places, and its first place."""
        for segment, start, end in zip(self._segments, self._ends, self._ends[1:], strict=False):
            yield segment, chosen[start:end], int(start)

    @cached_property
    def _filters(self) -> tuple[list[str], np.ndarray]:
        """Path and time of every place, removed ones included."""
        tables = [segment.table(["path", "mtime_ns"]) for segment in self._segments]
        paths = [path for table in tables for path in table["path"].to_pylist()]
        times = [table["mtime_ns"].to_numpy() for table in tables]
        return paths, np.concatenate([np.zeros(0, np.int64), *times])

    def _chosen(self, path: str | None, after: When | None, before: When | None) -> np.ndarray:
        """A mask of the places that may be found."""
        chosen = self._live
        if path is None and after is None and before is None:
            return chosen
        paths, times = self._filters
        if after is not None:
            chosen = chosen & (times >= _nanoseconds(after))
        if before is not None:
            chosen = chosen & (times < _nanoseconds(before))
        if path is not None:
            fits = re.compile(fnmatch.translate(path)).match
            chosen = chosen & np.fromiter((fits(one) is not None for one in paths), bool, len(paths))
        return chosen

    def search(
        self,
        query: str | np.ndarray,
        encoder: Encoder | None = None,
        top: int = 10,
        *,
        path: str | None = None,
        after: When | None = None,
        before: When | None = None,
        exact: bool = False,
        prompt: str = "as-written",
        thumbnails: bool = False,
    ) -> list[Hit]:
        """The pictures that fit best, best first, with the figures that `clipsim.score_images` would give them.

        Args:
            query: a caption, or a vector of shape (width,), such as `vector_of` gives.
            encoder: the collection's model; None loads it, and a vector needs none.
            top: how many.
            path: a pattern that the whole path must fit: * and ? as in a shell, * also for several folders.
            after, before: only files last written then or later, and only such as were before: a date, a datetime or
                either in ISO 8601, local time where there is no zone.
            exact: whether to compare with every vector even where there is an approximate index.
            prompt: as for `clipsim.score_images`.
            thumbnails: whether `Hit.thumbnail` is wanted.

        Raises:
            CaptionError: the caption is empty or not valid text.
            ClipsimError: a date cannot be read, the model is another one, the vector has another width, or the
                collection is damaged.
        """
        chosen = self._chosen(path, after, before)
        if isinstance(query, str):
            caption = clean_caption(query)
            encoder = encoder or self.manifest.recipe.load()
            self.manifest.recipe.check(encoder)
            target = encode_captions([caption], encoder, prompt)
        else:
            target, encoder = self._unit(query), None
        places, cosines, vectors = self._best(target, max(top, 1), chosen, exact)
        rows = [self._row(place, [*LIGHT, *(["thumbnail"] if thumbnails else [])]) for place in places]
        percents, verdicts = self._strength(
            rows, vectors, cosines, target, encoder, prompt, int(np.count_nonzero(chosen))
        )
        found = zip(rows, cosines.tolist(), percents, verdicts, strict=True)
        return [_hit(row, rank, *figures) for rank, (row, *figures) in enumerate(found, 1)]

    def _unit(self, query: np.ndarray) -> np.ndarray:
        target = np.asarray(query, np.float32).reshape(1, -1)
        length = float(np.linalg.norm(target))
        if target.shape[1] != self.manifest.recipe.width or not np.isfinite(length) or not length:
            raise ClipsimError(
                f"A vector to search with has {self.manifest.recipe.width} finite numbers, not all zero: this one has "
                f"{target.shape[1]}."
            )
        return target / length if abs(length - 1) > 1e-5 else target

    def _best(
        self, target: np.ndarray, top: int, chosen: np.ndarray, exact: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Places, cosines and vectors of the best, re-scored as a gallery scores them."""
        wanted = ann.Wanted(target, top + SPARE, chosen)
        places = self._searcher.candidates(wanted, exact=exact)
        vectors = self._gathered(places)
        gallery = Gallery((_NAMELESS,) * len(places), vectors, np.arange(len(places)), ())
        cosines = gallery.cosines(target)[:, 0]
        order = np.lexsort((places, -cosines))[:top]
        return places[order], cosines[order], vectors[order]

    @cached_property
    def _searcher(self) -> ann.Searcher:
        return ann.Searcher(self.folder, self._segments, self._ends, self.manifest.index)

    def _gathered(self, places: np.ndarray) -> np.ndarray:
        """The vectors at places, shape (n, width)."""
        vectors = np.empty((len(places), self.manifest.recipe.width), np.float32)
        owners = np.searchsorted(self._ends, places, "right") - 1
        for owner in np.unique(owners):
            of_it = owners == owner
            vectors[of_it] = self._segments[owner].vectors[places[of_it] - self._ends[owner]]
        return vectors

    def _row(self, place: int, columns: list[str]) -> dict[str, Any]:
        owner = int(np.searchsorted(self._ends, place, "right")) - 1
        return self._segments[owner].row(int(place - self._ends[owner]), columns)

    def _strength(
        self,
        rows: list[dict[str, Any]],
        vectors: np.ndarray,
        cosines: np.ndarray,
        target: np.ndarray,
        encoder: Encoder | None,
        prompt: str,
        among: int,
    ) -> tuple[Sequence[float | None], Sequence[str | None]]:
        """Percentiles and verdicts of what was found among so many."""
        nothing: list[None] = [None] * len(rows)
        if encoder is None or not rows:
            return nothing, nothing
        gallery = Gallery((_NAMELESS,) * len(rows), vectors, np.arange(len(rows)), ())
        percents = strength(gallery, cosines[:, None], target, encoder, prompt)[0][:, 0]
        known = calibration(encoder)
        return percents.tolist(), known.cutoffs.verdicts(percents, among)[1] if known else nothing

    def similar(self, path: str, /, top: int = 10, **filters: Any) -> list[Hit]:
        """More like one of its pictures, that one left out; `filters` as for `search`.

        Raises:
            ClipsimError: there is no such path.
        """
        paths, _ = self._filters
        place = next((i for i, one in enumerate(paths) if one == path and self._live[i]), None)
        if place is None:
            raise ClipsimError(f"{path} is not in the collection: use a path as its results give them.")
        hits = self.search(self._gathered(np.array([place]))[0], None, top + 1, **filters)
        others = [hit for hit in hits if hit.path != path][:top]
        return [replace(hit, rank=rank) for rank, hit in enumerate(others, 1)]

    def vector_of(self, picture: Any, encoder: Encoder | None = None) -> np.ndarray:
        """A picture from outside as a vector, shape (width,), to `search` with; treated as the collection's were.

        Raises:
            ImageError: it cannot be read.
        """
        from clipsim.gallery import embed

        recipe = self.manifest.recipe
        encoder = encoder or recipe.load()
        recipe.check(encoder)
        gallery = embed([picture], encoder, framing=recipe.framing, contrast=recipe.contrast)
        for rejected in gallery.rejected:
            from clipsim.errors import ImageError

            raise ImageError(rejected.name, rejected.reason)
        vector: np.ndarray = gallery.vectors[0]
        return vector

    def duplicates(self, threshold: float = NEAR) -> list[list[str]]:
        """Groups of near duplicates, the largest first: pictures that a chain of cosines of `threshold` or more joins.

        Every pair is compared, a block at a time: 10,000 pictures take seconds, 100,000 some minutes.
        """
        places = np.flatnonzero(self._live)
        groups = Groups(len(places))
        for i in range(0, len(places), BLOCK):
            ours = self._gathered(places[i : i + BLOCK])
            for j in range(i, len(places), BLOCK):
                theirs = ours if i == j else self._gathered(places[j : j + BLOCK])
                groups.join(
                    *(
                        side + start
                        for side, start in zip(np.nonzero(ours @ theirs.T >= threshold), (i, j), strict=True)
                    )
                )
        paths = self._filters[0]
        found = [[paths[places[member]] for member in members] for members in groups.several()]
        return sorted(found, key=lambda group: (-len(group), group))

    def verify(self) -> list[str]:
        """What is wrong with the collection, a sentence each; everything is read."""
        problems = [
            problem
            for segment, (_, rows) in zip(self._segments, self.manifest.segments, strict=True)
            for problem in segment.problems(self.manifest.recipe.width, rows)
        ]
        if self.manifest.rows != len(self):
            problems.append(f"The manifest counts {self.manifest.rows} pictures, and there are {len(self)}.")
        if not problems:
            paths = self.table(["path"])["path"]
            if (twice := len(paths) - len(paths.unique())) > 0:
                problems.append(f"{twice} pictures are in the collection twice.")
        for check in (lambda: read_rejected(self.folder, self.manifest), self._searcher.check):
            try:
                check()
            except ClipsimError as error:
                problems.append(str(error))
        return problems


def _forget_copies(folder: Location, manifest: Manifest) -> None:
    names = {name.rpartition("/")[2] for name in manifest.files()}
    for inside in (folder, folder / FOLDER):
        storage.forget_copies(inside, names)


class Groups:
    """Numbers in groups that are joined pair by pair."""

    def __init__(self, size: int) -> None:
        """Each of 0 to size - 1 by itself."""
        self._group = np.arange(size)

    def join(self, left: np.ndarray, right: np.ndarray) -> None:
        """Put each number of `left` into one group with that of `right`."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        size = len(self._group)
        pairs = coo_array((np.ones(len(left), bool), (self._group[left], self._group[right])), (size, size))
        self._group = connected_components(pairs, directed=False)[1][self._group]

    def several(self) -> list[np.ndarray]:
        """The groups of two and more."""
        order = np.argsort(self._group, kind="stable")
        parts = np.split(order, np.flatnonzero(np.diff(self._group[order])) + 1)
        return [part for part in parts if len(part) > 1]


def _hit(row: Mapping[str, Any], rank: int, cosine: float, percentile: float | None, verdict: str | None) -> Hit:
    return Hit(
        path=row["path"],
        rank=rank,
        cosine=cosine,
        percentile=percentile,
        verdict=verdict,
        notes=tuple(row["notes"]),
        seen=row["seen"],
        size=(row["width"], row["height"]),
        file_size=row["size"],
        mtime=row["mtime_ns"] / 1e9,
        thumbnail=row.get("thumbnail", b""),
    )


def _nanoseconds(when: When) -> int:
    try:
        moment = datetime.fromisoformat(when if isinstance(when, str) else when.isoformat())
        return int(moment.timestamp() * 1e6) * 1000
    except (ValueError, OverflowError, OSError) as error:
        raise ClipsimError(f"{when!r} is not a date that can be read: write it as 2026-03-31.") from error
