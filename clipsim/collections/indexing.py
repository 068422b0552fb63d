"""A folder of pictures into a collection: what is new or changed is encoded, what is gone is removed."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Unpack

import pyarrow as pa

from clipsim.collections.encoding import Engine, encode_files
from clipsim.collections.store.manifest import EmbeddingConfig, FailedFile, Manifest, read_failed, read_removed
from clipsim.collections.store.segments import SCHEMA, Segment, read_rows, write_segment
from clipsim.collections.store.writer import Writer
from clipsim.embedding import Progress, Rejected
from clipsim.encoders import Encoder, load
from clipsim.errors import ClipsimError, UsageError
from clipsim.images import UNKNOWN, File, Location, list_files, locate, read_contents
from clipsim.options import Choices, Options

MERGE_EVERY = 256  # commits after which segments are merged while a run goes on, since each writes the list of all
REFRESHED = 4_096  # rows of touched files that are written together


@dataclass(frozen=True)
class Report:
    """What a run of `index_folder` did, in numbers of pictures."""

    added: int
    changed: int
    removed: int  # those that can no longer be read among them
    unchanged: int  # those whose files were only touched among them
    rejected: tuple[Rejected, ...]  # those that cannot be read, found this time or before
    seconds: float = 0.0  # that it took


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
        source: the folder, or a list of pictures, as `clipsim.images.list_files` takes it; here or at an address.
        folder: of the collection, here or at an address; made if it is missing.
        encoder: from `clipsim.load()`, or a name as that takes it and `device`; None for the collection's model, for a
            new one "auto". A name is loaded only if there is something to encode.
        device: where the model calculates.
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
    config, known = None, Manifest.find(folder)
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
        engine = engine or partial(encode_files, encoder=encoder)
        report = update(writer, files, engine, device, progress=progress)
        writer.merge()
        writer.update_index(index)
    return replace(report, seconds=time.perf_counter() - start)


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
    """What is to be done."""

    encode: list[File] = field(default_factory=list)  # new or changed
    touched: list[File] = field(default_factory=list)  # written to, and the same as before
    gone: list[IndexedFile] = field(default_factory=list)  # whose files are gone
    failed: list[FailedFile] = field(default_factory=list)  # which cannot be read, and are not to be tried again
    unchanged: int = 0  # number of the others


def update(
    writer: Writer,
    files: Mapping[str, File],
    engine: Engine,
    device: str = "auto",
    *,
    progress: Progress | None = None,
    merge_every: int = MERGE_EVERY,
) -> Report:
    """Bring the collection of an open `Writer` up to date with files, and return what was done.

    `files` are all that there should be, by name; small segments are merged after `merge_every` commits; `device` and
    `progress` are as for `index_folder`.
    """
    rows, before = _read_rows(writer), read_failed(writer.folder, writer.manifest)
    plan = make_plan(files, rows, {file.name: file for file in before})
    old = [*plan.gone, *(rows[file.name] for file in plan.touched)]
    if old or plan.failed != before:
        chunks = [plan.touched[start : start + REFRESHED] for start in range(0, len(plan.touched), REFRESHED)]
        refreshed = [_refresh(writer, rows, chunk) for chunk in chunks]
        writer.commit(*refreshed, removed=_group_by_segment(old), failed=plan.failed)
    failed, done = plan.failed, len(files) - len(plan.encode)
    added = changed = lost = 0
    if progress:
        progress(done, len(files))
    parts = engine(plan.encode, writer.folder, writer.manifest.embedding, device) if plan.encode else ()
    for count, part in enumerate(parts, 1):
        failed = [*failed, *part.failed]
        replaced = [rows[path] for path in part.paths if path in rows]
        unreadable = [rows[file.name] for file in part.failed if file.name in rows and file.size != UNKNOWN]
        segments, removed = [part.segment] if part.segment else [], _group_by_segment(replaced + unreadable)
        writer.commit(*segments, removed=removed, failed=failed if part.failed else None)
        changed += len(replaced)
        added += len(part.paths) - len(replaced)
        lost += len(unreadable)
        done += len(part.paths) + len(part.failed)
        if progress:
            progress(done, len(files))
        if count % merge_every == 0:
            writer.merge()
            rows = _read_rows(writer)  # which lie in other segments now
    rejected = tuple(Rejected(file.name, file.reason) for file in failed)
    return Report(added, changed, len(plan.gone) + lost, plan.unchanged + len(plan.touched), rejected)


def _refresh(writer: Writer, rows: Mapping[str, IndexedFile], touched: Sequence[File]) -> str:
    """Write the rows of touched files with their new times, and their vectors, and return the segment's id."""
    table, vectors = read_rows(writer.folder, _group_by_segment(rows[file.name] for file in touched))
    times = {file.name: file.times[0] for file in touched}
    column = SCHEMA.get_field_index("mtime_ns")
    new = pa.array([times[path] for path in table["path"].to_pylist()], pa.int64())
    return write_segment(writer.folder, table.set_column(column, SCHEMA.field(column), new), vectors)


def make_plan(files: Mapping[str, File], rows: Mapping[str, IndexedFile], tried: Mapping[str, FailedFile]) -> IndexPlan:
    """Compare files with the collection: by size and time, and where these differ by digest.

    All are given by name: the files that there are, what the collection has, and what could not be read before.
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
        dead = set(removed.get(name, ()))
        for place, (path, size, mtime, digest) in enumerate(zip(*table.to_pydict().values(), strict=True)):
            if place not in dead:
                rows[path] = IndexedFile(size, mtime, digest, name, place)
    return rows


def _group_by_segment(rows: Iterable[IndexedFile]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        places[row.segment].append(row.place)
    return places
