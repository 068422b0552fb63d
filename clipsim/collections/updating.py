"""What a run does: the new and changed is encoded, the moved and touched keeps its vector, what is gone is removed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from clipsim.collections.catalog import Catalog, Row, Task
from clipsim.collections.encoding import Engine
from clipsim.collections.store.lists import FailedFile, forget, read_failed, read_removed
from clipsim.collections.store.segments import SCHEMA, Segment, read_rows
from clipsim.collections.store.writer import Writer
from clipsim.embedding import Progress, Rejected
from clipsim.errors import ClipsimError
from clipsim.images import UNKNOWN, Content, read_contents

MERGE_EVERY = 256  # commits after which segments are merged while a run goes on, since each writes the list of all
TOGETHER = 4_096  # rows that are written anew together: with thumbnails tens of MB
REMOVED_TOGETHER = 262_144  # rows that are removed together
MOST_REMOVED = 0.5  # share of the pictures that is removed without being allowed
COLUMNS = ["path", "size", "mtime_ns"]  # that are read of every row


@dataclass(frozen=True)
class Report:
    """What a run of `index_folder` did, in numbers of pictures."""

    added: int
    changed: int
    removed: int  # those that can no longer be read among them
    unchanged: int  # those whose files were only touched or moved among them
    rejected: tuple[Rejected, ...]  # those that cannot be read, found this time or before
    seconds: float = 0.0  # that it took
    moved: int = 0  # of the unchanged: those that have another name now, and the vector that they had
    unreached: int = 0  # of the rejected: those that are not there or could not be had, and are tried again
    further: Mapping[str, Report] = field(default_factory=dict)  # for each further model of the collection, by its name
    pictures: int = 0  # that the collection has now, with those that could not be had
    notes: tuple[str, ...] = ()  # what was wrong with the collection, and what was done about it, a sentence each


@dataclass(frozen=True)
class Rules:
    """How a run goes about it."""

    allow_removals: bool = False  # of more than `MOST_REMOVED`, and of all of a folder that is not there
    merge_every: int = MERGE_EVERY  # commits


def update(
    writer: Writer,
    catalog: Catalog,
    engine: Engine,
    device: str = "auto",
    *,
    progress: Progress | None = None,
    rules: Rules = Rules(),
) -> Report:
    """Bring the collection of an open `Writer` up to date with the files of a catalog, and return what was done.

    `device` and `progress` are as for `index_folder`.

    Raises:
        ClipsimError: too much would be removed, or the collection cannot be read or written.
    """
    run = _Run(writer, catalog, rules, progress)
    run.load()
    run.find_moved()
    run.check_removals()
    run.begin()
    run.take_over()
    run.remove("gone")
    run.compare_contents()
    run.encode(engine, device)
    run.check_removals()
    run.remove("lost")
    return Report(
        run.added,
        run.changed,
        run.removed - run.moved,
        run.unchanged,
        tuple(Rejected(file.name, file.reason) for file in run.failed),
        moved=run.moved,
        unreached=catalog.count_unreached() + run.unreached,
        pictures=writer.manifest.rows,
    )


@dataclass
class _Run:
    """A run and what it has done so far."""

    writer: Writer
    catalog: Catalog
    rules: Rules
    progress: Progress | None
    added: int = 0
    changed: int = 0
    removed: int = 0  # the moved ones among them
    moved: int = 0
    unchanged: int = 0
    unreached: int = 0  # while it went on
    files: int = 0
    done: int = 0
    commits: int = 0
    failed: list[FailedFile] = field(default_factory=list)

    def load(self) -> None:
        """Put what the collection has into the catalog, and compare it with the files."""
        folder, manifest = self.writer.folder, self.writer.manifest
        removed = read_removed(folder, manifest)
        for name, count in manifest.segments:
            live = np.delete(np.arange(count), removed.get(name, []))
            columns = Segment(folder, name).read_table(COLUMNS).take(pa.array(live)).to_pydict().values()
            self.catalog.add_rows(name, zip(live.tolist(), *columns, strict=True))
        self.catalog.add_failed(read_failed(folder, manifest))
        self.catalog.compare()

    def find_moved(self) -> None:
        """Find files with the content of rows that are gone: they were renamed or moved."""
        rows, files = self.catalog.find_alike()
        while some := tuple(islice(rows, TOGETHER)):
            self.catalog.add_digests(zip(self._read_digests(some), some, strict=True))
        self.catalog.move((content.file, content.digest) for content in read_contents(files) if not content.problem)
        self.moved = self.catalog.count_moved()

    def _read_digests(self, rows: Sequence[Row]) -> Iterator[str]:
        """Yield the digests of rows, which are in the order of the collection."""
        for name, own in groupby(rows, lambda row: row.segment):
            digests = Segment(self.writer.folder, name).read_table(["digest"])["digest"]
            yield from digests.take(pa.array([row.place for row in own])).to_pylist()

    def check_removals(self) -> None:
        """Raise a `ClipsimError` if so much is to be removed that something else is likely to be wrong."""
        if self.rules.allow_removals:
            return
        for folder in sorted({path.parent for path in self.catalog.find_missing()}):
            if not _has_entries(folder):
                raise ClipsimError(
                    f"{folder} is not there or empty, and the collection has pictures of it that are still listed: "
                    "see that its disk is mounted, or allow it (--allow-removals)."
                )
        there = self.catalog.count("rows")
        removed = self.removed + self.catalog.count("gone") + self.catalog.count("lost") - self.moved
        if removed > MOST_REMOVED * there:
            raise ClipsimError(
                f"{removed:,} of the {there:,} pictures of the collection are gone or can no longer be read: see that "
                "it is the right folder or list and that its disk is sound, or allow it (--allow-removals)."
            )

    def begin(self) -> None:
        """Write which pictures are known not to be readable, and tell how much is done already."""
        self.failed, new = self.catalog.list_failed(), self.catalog.list_failed(new=True)
        outdated = self.catalog.list_outdated()
        if outdated and not self.failed:
            self.commit(failed=[])
        elif outdated or new:
            self.commit(more_failed=[*map(forget, outdated), *new])
        self.files = self.catalog.count("files")
        self.done = self.files - self.catalog.count_tasks("move", "compare", "encode")
        self.unchanged = self.done - len(self.failed)
        self._tell()

    def commit(self, *segments: str, **changes: Any) -> None:
        """Commit as `Writer.commit`, and merge after some commits."""
        self.writer.commit(*segments, **changes)
        self.commits += 1
        if self.commits % self.rules.merge_every == 0:
            self.writer.merge()

    def _tell(self, done: int = 0) -> None:
        self.done += done
        if self.progress:
            self.progress(self.done, self.files)

    def take_over(self) -> None:
        """Give files the rows of their contents, which were under other names."""
        self.unchanged += self.moved
        self.added -= self.moved  # what was copied too, and moved, is new
        while tasks := self.catalog.take_tasks("move", TOGETHER):
            replaced = self.catalog.find_rows(task.file.name for task in tasks)
            self.commit(self._renew(tasks), removed=_group_by_segment(replaced))
            self.added += len(tasks)
            self.removed += len(replaced)
            self.catalog.settle(tasks)
            self._tell(len(tasks))

    def _renew(self, tasks: Sequence[Task]) -> str:
        """Write rows with the names and times of the files, and their vectors, and return the segment's id."""
        table, vectors = read_rows(self.writer.folder, _group_by_segment(task.row for task in tasks))
        new = {"path": [task.file.name for task in tasks], "mtime_ns": [task.file.times[0] for task in tasks]}
        for name, values in new.items():
            place = SCHEMA.get_field_index(name)
            table = table.set_column(place, SCHEMA.field(place), pa.array(values, SCHEMA.field(place).type))
        return self.writer.write(table, vectors)

    def remove(self, table: Literal["gone", "lost"]) -> None:
        """Remove the rows of files that are gone, or can no longer be read."""
        while rows := self.catalog.take_rows(table, REMOVED_TOGETHER):
            self.commit(removed=_group_by_segment(rows))
            self.removed += sum(row.name is not None for row in rows)

    def compare_contents(self) -> None:
        """Tell files that were only touched from changed ones, which are to be encoded, by their digests."""
        while tasks := self.catalog.take_tasks("compare", TOGETHER):
            digests = self._read_digests([task.row for task in tasks])
            contents = read_contents(task.file for task in tasks)
            found = [*zip(tasks, digests, contents, strict=True)]
            unread = [_fail(content) for _, _, content in found if content.problem]
            changed = [task for task, digest, content in found if not content.problem and content.digest != digest]
            same = [task for task, digest, content in found if content.digest == digest]
            touched = [task for task in same if task.row.written != task.file.times[0]]  # else the store tells no time
            segments = [self._renew(touched)] if touched else []
            if segments or unread:
                self.commit(*segments, removed=_group_by_segment(task.row for task in touched), more_failed=unread)
            self._note_unread(unread)
            self.unchanged += len(same)
            self.catalog.settle(tasks)
            self.catalog.settle(changed, "encode")
            self._tell(len(tasks) - len(changed))

    def _note_unread(self, failed: Sequence[FailedFile]) -> None:
        self.failed += failed
        self.unreached += sum(file.size == UNKNOWN for file in failed)

    def encode(self, engine: Engine, device: str) -> None:
        """Encode what is new or changed."""
        files = self.catalog.list_encode()
        parts = engine(files, self.writer.folder, self.writer.manifest.embedding, device) if len(files) else ()
        for part in parts:
            replaced = self.catalog.find_rows(part.paths)
            segments = [part.segment] if part.segment else []
            self.commit(*segments, removed=_group_by_segment(replaced), more_failed=part.failed)
            # what could be had and is no picture any more loses its vector at the end, unless that is too much
            self.catalog.lose(self.catalog.find_rows(file.name for file in part.failed if file.size != UNKNOWN))
            self._note_unread(part.failed)
            self.changed += len(replaced)
            self.added += len(part.paths) - len(replaced)
            self._tell(len(part.paths) + len(part.failed))


def _fail(content: Content) -> FailedFile:
    """Describe what could not be had: without size and times, so that it is tried again."""
    return FailedFile(content.file.name, content.problem)


def _has_entries(folder: Path) -> bool:
    try:
        return any(True for _ in folder.iterdir())
    except OSError:
        return False


def _group_by_segment(rows: Iterable[Row]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        places[row.segment].append(row.place)
    return places
