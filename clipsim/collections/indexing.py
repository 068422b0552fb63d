"""A folder of pictures into a collection: what is new or changed is encoded, what is gone is removed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import pyarrow as pa

from clipsim.collections.store import (
    EXACT,
    MANIFEST,
    EmbeddingConfig,
    FailedFile,
    Manifest,
    Segment,
    Writer,
    read_rejected,
    read_removed,
    schema,
    suitable_kind,
    write_segment,
)
from clipsim.embedding import Embedded, Progress, Rejected, join_views, stream
from clipsim.encoders.base import Encoder
from clipsim.errors import ClipsimError
from clipsim.images import storage
from clipsim.images.sources import File, list_files, read_contents
from clipsim.images.storage import UNKNOWN, Location, locate
from clipsim.options import Choices, Options

AT_ONCE = 256  # pictures that are written together
SECONDS = 30.0  # after which fewer are, so that a slow model loses no more than this
MANY_SEGMENTS = 256  # new ones that are merged while a run goes on, since every commit writes the list of all
THUMBNAIL = 160  # pixels along the longer side
STALE = 0.1  # share of the pictures that an approximate index may lack: they are compared one by one


@dataclass(frozen=True)
class Report:
    """What a run of `index_folder` did.

    Attributes:
        added, changed, removed, unchanged: numbers of pictures. One whose file was only touched is unchanged, one that
            can no longer be read is removed.
        rejected: those that cannot be read, found this time or before.
        seconds: that it took.
    """

    added: int
    changed: int
    removed: int
    unchanged: int
    rejected: tuple[Rejected, ...]
    seconds: float


@dataclass(frozen=True)
class IndexedFile:
    """What the collection has of a picture, and where."""

    size: int
    mtime: int
    digest: str
    segment: str
    place: int


@dataclass
class IndexPlan:
    """What there is to be done."""

    encode: list[File] = field(default_factory=list)
    touched: list[File] = field(default_factory=list)  # written to, and the same as before
    gone: list[IndexedFile] = field(default_factory=list)
    bad: list[FailedFile] = field(default_factory=list)  # not to be tried again
    unchanged: int = 0


def index_folder(
    source: str | Location,
    folder: str | Location,
    encoder: Encoder | str | None = None,
    *,
    device: str = "auto",
    column: str | None = None,
    moved: bool = False,
    index: str | None = None,
    engine: Engine | None = None,
    progress: Progress | None = None,
    **choices: Unpack[Choices],
) -> Report:
    """Bring a collection up to date with a folder of pictures; a run that was killed goes on where it stopped.

    Args:
        source: the folder, or a list of pictures, as `clipsim.images.sources.list_files` takes them; here or at an
            address.
        folder: of the collection, here or at an address; made if it is missing.
        encoder: from `clipsim.load()`, or a name as that takes it; None for the collection's model, for a new one
            "auto". A name is loaded only if there is something to encode.
        device: as `clipsim.load` takes it, where encoder is a name.
        column: that names the pictures where the source is a Parquet file.
        moved: whether the pictures of the collection lie here now, which else is an error.
        index: a key of `clipsim.collections.store.KINDS`; None for what suits the size.
        engine: what encodes and writes segments, such as `clipsim.collections.ray.Ray`; None for this process.
        progress: called with (pictures done, pictures in all), done being those that are safe on the disk.
        choices: framing (but for tiles-best), contrast and precision, of a new collection; what is left out is that of
            the collection, for a new one the default.

    Raises:
        ClipsimError: there are no pictures, the folder is no collection, another process writes to it, or it was made
            in another way.
        EncoderError: the model cannot be loaded.
    """
    start = time.perf_counter()
    source, folder = locate(source), locate(folder)
    files = {file.name: file for file in list_files(source, column)}
    if not files:
        raise ClipsimError(f"There are no pictures in {source}: name a folder with pictures.")
    name = str(source.resolve() if isinstance(source, Path) else source).rstrip("/")
    asked = _Asked(encoder, device, choices)
    if _there(folder):
        known = Manifest.read(folder)
        _check_source(known.source, name, moved)
        asked.check(known.embedding)
        config = None
    else:
        config = asked.config()
    with Writer(folder, config, name) as writer:
        run = _Run(writer, files, progress)
        run.prepare()
        run.encode(asked, engine)
        run.tidy(index)
    return run.report(time.perf_counter() - start)


def _there(folder: Location) -> bool:
    try:
        return storage.exists(folder / MANIFEST)
    except OSError as error:
        raise ClipsimError(f"{folder} cannot be reached ({error}): see that it is right.") from error


def _check_source(before: str, now: str, moved: bool) -> None:
    if before not in ("", now) and not moved:
        raise ClipsimError(
            f"The collection is of {before}, not of {now}: give that folder or another collection, or say that the "
            "pictures were moved."
        )


@dataclass
class _Asked:
    """The model and treatment that were asked for; the model is loaded when it is needed."""

    given: Encoder | str | None
    device: str
    choices: Choices

    def config(self) -> EmbeddingConfig:
        """Of a new collection."""
        return EmbeddingConfig.of(self._loaded(), Options(**self.choices))

    def _loaded(self) -> Encoder:
        from clipsim.encoders.registry import load

        if self.given is None or isinstance(self.given, str):
            self.given = load(self.given or "auto", self.device, self.choices.get("precision", "auto"))
        return self.given

    def check(self, config: EmbeddingConfig) -> None:
        """Raise a `ClipsimError` that names both where a collection was made in another way; weights are not loaded."""
        asked = self.choices.copy()
        if asked.get("precision") == "auto":
            del asked["precision"]
        config.check_options(**asked)
        if self.given not in (None, "auto", config.model, config.origin):
            config.check(self._loaded())

    def encoder(self, config: EmbeddingConfig) -> Encoder:
        """What adds to a collection."""
        if self.given is None or isinstance(self.given, str):
            self.given = config.load(self.device)
        config.check_same(EmbeddingConfig.of(self.given, config.options))
        return self.given


@dataclass(frozen=True)
class Part:
    """Pictures that were encoded together.

    Attributes:
        segment: id of that which was written; "" where none of them could be read.
        paths: those in the segment, in its order.
        failed: those that could not be read.
    """

    segment: str
    paths: tuple[str, ...]
    failed: tuple[FailedFile, ...]


Engine = Callable[[list[File], Location, EmbeddingConfig], Iterator[Part]]


def encoded(files: list[File], folder: Location, config: EmbeddingConfig, encoder: Encoder) -> Iterator[Part]:
    """Encode files and write them as segments that are still to be committed, in the order of `files`."""
    read: dict[str, tuple[File, int, str]] = {}
    failed: list[FailedFile] = []
    sources = _sources(files, read, failed)
    found: Iterator[Embedded | Rejected] = iter(())
    for first in sources:
        every = chain([first], sources)
        found = stream(every, encoder, config.options, keep_views=True)
        break
    rows: list[dict[str, Any]] = []
    vectors: list[np.ndarray] = []
    last = time.monotonic()
    for one in found:
        if isinstance(one, Rejected):
            file, _, _ = read.pop(one.name)
            failed.append(FailedFile(one.name, one.reason, file.size, file.times))
        else:
            rows.append(_row(one, *read.pop(one.info.name)))
            vectors.append(one.vectors)
        if len(rows) + len(failed) >= AT_ONCE or time.monotonic() - last > SECONDS:
            yield _written(folder, rows, vectors, failed)
            failed.clear()
            rows, vectors, last = [], [], time.monotonic()
    if rows or failed:
        yield _written(folder, rows, vectors, failed)


def _sources(
    files: list[File], read: dict[str, tuple[File, int, str]], failed: list[FailedFile]
) -> Iterator[tuple[Path | bytes, str]]:
    """What a gallery reads, with names. Puts each file's size and digest into `read`, and those that cannot be had into
    `failed`, as if nothing were known of them: so that they are tried again."""
    for content in read_contents(files):
        name = content.file.name
        if content.problem:
            failed.append(FailedFile(name, content.problem))
        else:
            read[name] = content.file, content.size, content.digest
            yield content.source, name


def _written(folder: Location, rows: list[dict[str, Any]], vectors: list[np.ndarray], failed: list[FailedFile]) -> Part:
    segment = ""
    if rows:
        segment = write_segment(folder, pa.Table.from_pylist(rows, schema()), np.concatenate(vectors))
    return Part(segment, tuple(row["path"] for row in rows), tuple(failed))


class _Run:
    """One run over a folder."""

    def __init__(self, writer: Writer, files: dict[str, File], progress: Progress | None) -> None:
        self.writer, self.files, self.progress = writer, files, progress
        self.rows = _rows(writer)
        self.done = self.added = self.changed = self.lost = self.new = 0

    def prepare(self) -> None:
        """Find what is to be done, and do all that needs no model."""
        tried = {bad.name: bad for bad in read_rejected(self.writer.folder, self.writer.manifest)}
        self.work = work = _compared(self.files, self.rows, tried)
        self.bad = work.bad
        old = [*work.gone, *(self.rows[file.name] for file in work.touched)]
        if old or self.bad != list(tried.values()):
            new = [self._refreshed(part) for part in _parts(work.touched, 16 * AT_ONCE)]
            self.writer.commit(*new, removed=_by_segment(old), rejected=self.bad)
        self._advance(len(self.files) - len(work.encode))

    def _advance(self, done: int) -> None:
        self.done += done
        if self.progress:
            self.progress(self.done, len(self.files))

    def _refreshed(self, files: list[File]) -> str:
        """A segment with the rows of files that were touched, as they are now, and their vectors."""
        tables, vectors = [], []
        for name, places in _by_segment([self.rows[file.name] for file in files]).items():
            segment = Segment(self.writer.folder, name)
            tables.append(segment.table().take(pa.array(places)))
            vectors.append(segment.vectors[places])
        table = pa.concat_tables(tables)
        now = [self.files[path].times[0] for path in table["path"].to_pylist()]
        at = schema().get_field_index("mtime_ns")
        table = table.set_column(at, schema().field(at), pa.array(now, pa.int64()))
        return write_segment(self.writer.folder, table, np.concatenate(vectors))

    def encode(self, asked: _Asked, engine: Engine | None = None) -> None:
        """Encode what is new or changed, and commit it a part at a time."""
        if not self.work.encode:
            return
        manifest = self.writer.manifest
        if engine is None:
            encoder = asked.encoder(manifest.embedding)
            parts = encoded(self.work.encode, self.writer.folder, manifest.embedding, encoder)
        else:
            parts = engine(self.work.encode, self.writer.folder, manifest.embedding)
        for part in parts:
            self._commit(part)

    def _commit(self, part: Part) -> None:
        self.bad = self.bad + list(part.failed)
        changed = [self.rows[path] for path in part.paths if path in self.rows]
        lost = [self.rows[bad.name] for bad in part.failed if bad.name in self.rows and bad.size != UNKNOWN]
        new = [part.segment] if part.segment else []
        self.writer.commit(*new, removed=_by_segment(changed + lost), rejected=self.bad if part.failed else None)
        self.changed += len(changed)
        self.added += len(part.paths) - len(changed)
        self.lost += len(lost)
        self._advance(len(part.paths) + len(part.failed))
        self.new += 1
        if self.new % MANY_SEGMENTS == 0:
            self.writer.merge()
            self.rows = _rows(self.writer)  # which lie in other segments now

    def tidy(self, index: str | None) -> None:
        """Merge small segments, and see that there is the index that is wanted."""
        self.writer.merge()
        manifest = self.writer.manifest
        kind = index or suitable_kind(manifest.rows)
        there = {name for part in manifest.index for name in part.segments}
        covered = sum(rows for name, rows in manifest.segments if name in there)
        if (kind == EXACT and manifest.index) or (kind != EXACT and covered < (1 - STALE) * manifest.rows):
            self.writer.build_index(kind)

    def report(self, seconds: float) -> Report:
        """What was done."""
        return Report(
            added=self.added,
            changed=self.changed,
            removed=len(self.work.gone) + self.lost,
            unchanged=self.work.unchanged + len(self.work.touched),
            rejected=tuple(bad.rejected for bad in self.bad),
            seconds=seconds,
        )


def _rows(writer: Writer) -> dict[str, IndexedFile]:
    """What the collection has, by path."""
    gone = read_removed(writer.folder, writer.manifest)
    rows: dict[str, IndexedFile] = {}
    for name, _ in writer.manifest.segments:
        table = Segment(writer.folder, name).table(["path", "size", "mtime_ns", "digest"])
        dead = set(gone.get(name, np.zeros(0, int)).tolist())
        columns = (table[column].to_pylist() for column in table.column_names)
        for place, (path, size, mtime, content) in enumerate(zip(*columns, strict=True)):
            if place not in dead:
                rows[path] = IndexedFile(size, mtime, content, name, place)
    return rows


def _compared(files: Mapping[str, File], rows: Mapping[str, IndexedFile], tried: Mapping[str, FailedFile]) -> IndexPlan:
    """The folder as it is against the collection: by size and time, and where these differ by digest."""
    work = IndexPlan(gone=[row for path, row in rows.items() if path not in files or files[path].problem])
    unsure, new = [], set()
    for name, file in files.items():
        row, bad = rows.get(name), tried.get(name)
        if file.problem:
            work.bad.append(FailedFile(name, file.problem, file.size, file.times))
        elif row and (file.size == UNKNOWN or (row.size, row.mtime) == (file.size, file.times[0] or None)):
            work.unchanged += 1
        elif row and row.size == file.size:
            unsure.append(file)
        elif bad and file.size != UNKNOWN and (bad.size, bad.times) == (file.size, file.times):
            work.bad.append(bad)
        else:
            new.add(name)
    for content in read_contents(unsure):
        file = content.file
        if content.digest != rows[file.name].digest:
            new.add(file.name)
        elif rows[file.name].mtime == file.times[0]:  # there is no time
            work.unchanged += 1
        else:
            work.touched.append(file)
    work.encode = [file for name, file in files.items() if name in new]
    return work


def _row(found: Embedded, file: File, size: int, content: str) -> dict[str, Any]:
    seen = found.info
    return {
        "path": seen.name,
        "size": size,
        "mtime_ns": file.times[0],
        "digest": content,
        "width": seen.size[0],
        "height": seen.size[1],
        "notes": list(seen.notes),
        "seen": seen.coverage,
        "thumbnail": thumbnail(found),
    }


def thumbnail(found: Embedded) -> bytes:
    """What the model saw of a picture, `THUMBNAIL` pixels along the longer side: a JPEG."""
    data = BytesIO()
    join_views(found.info.views, found.info.size, THUMBNAIL).save(data, "JPEG", quality=80)
    return data.getvalue()


def _by_segment(rows: list[IndexedFile]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for row in rows:
        places.setdefault(row.segment, []).append(row.place)
    return places


def _parts(files: list[File], size: int) -> Iterator[list[File]]:
    for start in range(0, len(files), size):
        yield files[start : start + size]
