"""A folder of pictures into a collection: what is new or changed is encoded, what is gone is removed."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Unpack

import numpy as np
import pyarrow as pa

from clipsim.collections.encoding import EncodedPart, Engine, encode_files
from clipsim.collections.store import (
    MANIFEST,
    SCHEMA,
    EmbeddingConfig,
    FailedFile,
    Manifest,
    Segment,
    Writer,
    read_failed,
    read_removed,
    write_segment,
)
from clipsim.embedding import Progress, Rejected
from clipsim.encoders import Encoder, load
from clipsim.errors import ClipsimError, UsageError
from clipsim.images import UNKNOWN, File, Location, list_files, locate, read_contents, storage
from clipsim.options import Choices, Options

MERGE_EVERY = 256  # commits after which segments are merged while a run goes on, since each writes the list of all
REFRESHED = 4_096  # rows of touched files that are written together


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
    seconds: float = 0.0


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
        source: the folder, or a list of pictures, as `clipsim.images.list_files` takes them; here or at an address.
        folder: of the collection, here or at an address; made if it is missing.
        encoder: from `clipsim.load()`, or a name as that takes it; None for the collection's model, for a new one
            "auto". A name is loaded only if there is something to encode.
        device: as `clipsim.load` takes it, where encoder is a name.
        column: that names the pictures where the source is a Parquet file.
        moved: whether the pictures of the collection lie here now, which else is an error.
        index: a key of `clipsim.collections.KINDS`; None for what suits the size.
        engine: what encodes and writes segments, such as `clipsim.collections.ray.Ray`; None for this process.
        progress: called with (pictures done, pictures in all), done being those that are safe on the disk.
        choices: framing (but for tiles-best), contrast and precision, of a new collection; what is left out is that of
            the collection, for a new one the default.

    Raises:
        UsageError: the collection is of another folder, or was made in another way.
        ClipsimError: there are no pictures, the folder is no collection, or another process writes to it.
        EncoderError: the model cannot be loaded.
    """
    start = time.perf_counter()
    source, folder = locate(source), locate(folder)
    files = {file.name: file for file in list_files(source, column)}
    if not files:
        raise ClipsimError(f"There are no pictures in {source}: name a folder with pictures.")
    name = str(source.resolve() if isinstance(source, Path) else source).rstrip("/")
    config, known = None, _read_manifest(folder)
    if known is None:
        if encoder is None or isinstance(encoder, str):
            encoder = load(encoder or "auto", device, choices.get("precision", "auto"))
        config = EmbeddingConfig.from_encoder(encoder, Options(**choices))
    else:
        if known.source not in ("", name) and not moved:
            raise UsageError(
                f"The collection is of {known.source}, not of {name}: give that folder or another collection, or say "
                "that the pictures were moved."
            )
        encoder = _check(known.embedding, encoder, device, choices)
    with Writer(folder, config, name) as writer:
        report = Indexer(writer, files, progress=progress).run(engine or partial(encode_files, encoder=encoder), device)
        writer.merge()
        writer.update_index(index)
    return replace(report, seconds=time.perf_counter() - start)


def _read_manifest(folder: Location) -> Manifest | None:
    """Return the manifest of the collection in a folder, or None if there is no collection yet."""
    try:
        return Manifest.read(folder) if storage.exists(folder / MANIFEST) else None
    except OSError as error:
        raise ClipsimError(f"{folder} cannot be reached ({error}): see that it is right.") from error


def _check(config: EmbeddingConfig, encoder: Encoder | str | None, device: str, choices: Choices) -> Encoder | None:
    """Check that the collection was made as the caller wants it, and return the encoder if one was loaded already."""
    config.check_facts({what: choice for what, choice in choices.items() if (what, choice) != ("precision", "auto")})
    if encoder is None or encoder in ("auto", config.model, config.origin):
        return None  # loaded only if there is something to encode
    if isinstance(encoder, str):
        encoder = load(encoder, device, config.options.precision)
    config.check(encoder)
    return encoder


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
    """What is to be done.

    Attributes:
        encode: files that are new or changed.
        touched: files that were written to, and are the same as before.
        gone: pictures whose files are gone.
        failed: files that cannot be read, and are not to be tried again.
        unchanged: number of the others.
    """

    encode: list[File] = field(default_factory=list)
    touched: list[File] = field(default_factory=list)
    gone: list[IndexedFile] = field(default_factory=list)
    failed: list[FailedFile] = field(default_factory=list)
    unchanged: int = 0


class Indexer:
    """Brings the collection of a `Writer` up to date with files."""

    def __init__(
        self,
        writer: Writer,
        files: Mapping[str, File],
        *,
        progress: Progress | None = None,
        merge_every: int = MERGE_EVERY,
    ) -> None:
        """Read what the collection has.

        Args:
            writer: of the collection, open.
            files: all that there should be, by name.
            progress: as for `index_folder`.
            merge_every: commits after which small segments are merged.
        """
        self._writer, self._files, self._progress, self._merge_every = writer, files, progress, merge_every
        self._rows = _read_rows(writer)
        self._done = self._added = self._changed = self._lost = 0

    def run(self, engine: Engine, device: str = "auto") -> Report:
        """Do what is to be done, and return what that was."""
        writer = self._writer
        before = read_failed(writer.folder, writer.manifest)
        plan = make_plan(self._files, self._rows, {file.name: file for file in before})
        self._failed = plan.failed
        old = [*plan.gone, *(self._rows[file.name] for file in plan.touched)]
        if old or self._failed != before:
            chunks = [plan.touched[start : start + REFRESHED] for start in range(0, len(plan.touched), REFRESHED)]
            writer.commit(*map(self._refresh, chunks), removed=_group_by_segment(old), failed=self._failed)
        self._advance(len(self._files) - len(plan.encode))
        if plan.encode:
            parts = engine(plan.encode, writer.folder, writer.manifest.embedding, device)
            for count, part in enumerate(parts, 1):
                self._commit(part)
                if count % self._merge_every == 0:
                    writer.merge()
                    self._rows = _read_rows(writer)  # which lie in other segments now
        return Report(
            added=self._added,
            changed=self._changed,
            removed=len(plan.gone) + self._lost,
            unchanged=plan.unchanged + len(plan.touched),
            rejected=tuple(Rejected(file.name, file.reason) for file in self._failed),
        )

    def _advance(self, count: int) -> None:
        self._done += count
        if self._progress:
            self._progress(self._done, len(self._files))

    def _refresh(self, files: list[File]) -> str:
        """Write the rows of touched files with their new times, and their vectors, and return the segment's id."""
        tables, vectors = [], []
        for name, places in _group_by_segment(self._rows[file.name] for file in files).items():
            segment = Segment(self._writer.folder, name)
            tables.append(segment.read_table().take(pa.array(places)))
            vectors.append(segment.vectors[places])
        table = pa.concat_tables(tables)
        times = [self._files[path].times[0] for path in table["path"].to_pylist()]
        column = SCHEMA.get_field_index("mtime_ns")
        table = table.set_column(column, SCHEMA.field(column), pa.array(times, pa.int64()))
        return write_segment(self._writer.folder, table, np.concatenate(vectors))

    def _commit(self, part: EncodedPart) -> None:
        self._failed = self._failed + list(part.failed)
        changed = [self._rows[path] for path in part.paths if path in self._rows]
        lost = [self._rows[file.name] for file in part.failed if file.name in self._rows and file.size != UNKNOWN]
        self._writer.commit(
            *filter(None, [part.segment]),
            removed=_group_by_segment(changed + lost),
            failed=self._failed if part.failed else None,
        )
        self._changed += len(changed)
        self._added += len(part.paths) - len(changed)
        self._lost += len(lost)
        self._advance(len(part.paths) + len(part.failed))


def make_plan(files: Mapping[str, File], rows: Mapping[str, IndexedFile], tried: Mapping[str, FailedFile]) -> IndexPlan:
    """Compare files with the collection: by size and time, and where these differ by digest.

    Args:
        files: those that there are, by name, as are the others.
        rows: what the collection has.
        tried: files that could not be read before.
    """
    plan = IndexPlan(gone=[row for path, row in rows.items() if path not in files or files[path].problem])
    unsure, new = [], set()
    for name, file in files.items():
        row, failed = rows.get(name), tried.get(name)
        if file.problem:
            plan.failed.append(FailedFile(name, file.problem, file.size, file.times))
        elif row and (file.size == UNKNOWN or (row.size, row.mtime) == (file.size, file.times[0] or None)):
            plan.unchanged += 1
        elif row and row.size == file.size:
            unsure.append(file)
        elif failed and file.size != UNKNOWN and (failed.size, failed.times) == (file.size, file.times):
            plan.failed.append(failed)
        else:
            new.add(name)
    for content in read_contents(unsure):
        file = content.file
        if content.digest != rows[file.name].digest:
            new.add(file.name)
        elif rows[file.name].mtime == file.times[0]:  # the store tells no time
            plan.unchanged += 1
        else:
            plan.touched.append(file)
    plan.encode = [file for name, file in files.items() if name in new]
    return plan


def _read_rows(writer: Writer) -> dict[str, IndexedFile]:
    """Return what the collection has, by path."""
    removed = read_removed(writer.folder, writer.manifest)
    rows: dict[str, IndexedFile] = {}
    for name, _ in writer.manifest.segments:
        table = Segment(writer.folder, name).read_table(["path", "size", "mtime_ns", "digest"])
        dead = set(removed[name].tolist()) if name in removed else ()
        for place, (path, size, mtime, digest) in enumerate(zip(*table.to_pydict().values(), strict=True)):
            if place not in dead:
                rows[path] = IndexedFile(size, mtime, digest, name, place)
    return rows


def _group_by_segment(rows: Iterable[IndexedFile]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        places[row.segment].append(row.place)
    return places
