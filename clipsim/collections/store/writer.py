"""The one that may change a collection: segments are committed, rows removed, small segments merged."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from filelock import FileLock, Timeout

from clipsim.collections.store.manifest import (
    EXACT,
    FORMAT,
    KINDS,
    MANIFEST,
    EmbeddingConfig,
    FailedFile,
    IndexPart,
    Manifest,
    read_removed,
)
from clipsim.collections.store.segments import FOLDER, Segment, read_rows, write_segment
from clipsim.errors import ClipsimError, UsageError
from clipsim.images import Location, locate, storage

LOCK = "lock"
MERGED_ROWS = 65_536  # rows that small segments are merged to: 128 MB of vectors of width 512
MAX_REMOVED = 0.05  # share of a large segment's rows that may be removed before it is written anew
STALE = 0.1  # share of the pictures that an approximate index may lack, which are compared one by one
_OWN_FILES = re.compile(
    r"((removed|rejected)-\d+\.json|index-([0-9a-f]{32}|\d+-\d+)\.faiss|[0-9a-f]{32}\.(npy|faiss|parquet)"
    r"|manifest\.json)(\.partial)?"
)


class Writer:
    """The one that may change a collection, made if it is missing: a context, in which other writers are refused.

    `manifest` is the collection's state.
    """

    def __init__(
        self,
        folder: str | Location,
        config: EmbeddingConfig | None = None,
        source: str | None = None,
        *,
        merged_rows: int = MERGED_ROWS,
    ) -> None:
        """Take what the context will open: a folder, here or at an address.

        `config` is how what is added was made; None for that of the collection, which must exist then. `source` is
        where the pictures lie; None leaves what the manifest says. Segments are merged to at most `merged_rows` rows;
        those of less than half as many count as small.
        """
        self.folder = locate(folder)
        self._config, self._source, self._merged_rows = config, source, merged_rows

    def __enter__(self) -> Writer:
        """Lock the collection, and remove what a killed process left.

        Raises:
            UsageError: the folder holds other files, or the collection was made by another config.
            ClipsimError: another process writes, the folder is no collection or cannot be written to.
        """
        self._claim()
        try:
            self._open()
            self._previous = self.manifest.files()
            self._sweep(set())
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what no longer counts, and unlock the collection."""
        try:
            self._sweep(self._previous)  # readers that had these open when this began may go on
        finally:
            self._lock.release()

    def _claim(self) -> None:
        try:
            names = {*storage.list_names(self.folder)}
            if MANIFEST not in names and not all(map(_OWN_FILES.fullmatch, names - {LOCK, FOLDER})):
                raise UsageError(f"{self.folder} holds other files: give the collection an empty folder.")
            self._lock = FileLock(storage.find_local_folder(self.folder) / LOCK, timeout=0)
            self._lock.acquire()
        except Timeout as error:
            raise ClipsimError(f"Another process writes to {self.folder}: wait until it is done.") from error
        except (OSError, NotImplementedError) as error:
            raise ClipsimError(f"{self.folder} cannot be written to ({error}): give another folder.") from error

    def _open(self) -> None:
        if self._config is None:
            self.manifest = Manifest.read(self.folder)
        elif found := Manifest.find(self.folder):
            found.embedding.check_facts(self._config.facts())
            self.manifest = found
        else:
            self._put(Manifest(self._config, self._source or ""))
        if self._source is not None:
            self.manifest = replace(self.manifest, source=self._source)

    def _write(self, manifest: Manifest) -> None:
        """Make `manifest` the next state of the collection."""
        if self._is_overtaken():
            raise ClipsimError(
                f"Another machine has written to {self.folder} meanwhile: let one of them write, and run this again."
            )
        self._put(replace(manifest, generation=self.manifest.generation + 1))

    def _is_overtaken(self) -> bool:
        """Whether another machine has written to an address, for which a lock holds on one machine only."""
        return not isinstance(self.folder, Path) and Manifest.read(self.folder).generation != self.manifest.generation

    def _put(self, manifest: Manifest) -> None:
        manifest = replace(manifest, format=FORMAT)
        self._write_json(MANIFEST, asdict(manifest), indent=1)
        self.manifest = manifest

    def _write_json(self, name: str, content: object, indent: int | None = None) -> None:
        try:
            storage.write(self.folder / name, json.dumps(content, indent=indent).encode())
        except OSError as error:
            raise ClipsimError(f"{self.folder} cannot be written to ({error}): make room there.") from error

    def add(self, table: pa.Table, vectors: np.ndarray) -> None:
        """Add pictures: `write_segment` and `commit`. Once this returns they are there whatever happens."""
        self.commit(write_segment(self.folder, table, vectors))

    def commit(
        self,
        *segments: str,
        removed: Mapping[str, Iterable[int]] | None = None,
        failed: Sequence[FailedFile] | None = None,
    ) -> None:
        """Make segments that were written part of the collection, and rows of older ones no longer part of it, at once.

        `segments` are ids from `write_segment`, `removed` rows by the segment's id, counted from 0, `failed` all
        pictures that could not be read, instead of those listed so far; None leaves these.
        """
        added = [(name, len(Segment(self.folder, name))) for name in segments]
        total = self.manifest.rows + sum(rows for _, rows in added)
        manifest = replace(self.manifest, segments=(*self.manifest.segments, *added), rows=total)
        if removed:
            dead = read_removed(self.folder, self.manifest)
            for name, rows in removed.items():
                dead[name] = sorted({*dead.get(name, ()), *map(int, rows)})
            manifest = self._mark_removed(manifest, dead)
        if failed is not None:
            manifest = replace(manifest, rejected=self._write_list("rejected", [asdict(file) for file in failed]))
        self._write(manifest)

    def _mark_removed(self, manifest: Manifest, dead: Mapping[str, list[int]]) -> Manifest:
        lists = {name: rows for name, rows in dead.items() if rows}
        total = sum(rows for _, rows in manifest.segments) - sum(map(len, lists.values()))
        return replace(manifest, removed=self._write_list("removed", lists), rows=total)

    def _write_list(self, kind: str, content: Sequence[object] | Mapping[str, object]) -> str:
        """Write a list that goes with the next manifest, and return its name: "" where it is empty."""
        file = f"{kind}-{self.manifest.generation + 1}.json" if content else ""
        if file:
            self._write_json(file, content)
        return file

    def merge(self) -> None:
        """Write small segments, and those with many removed rows, anew as few large ones without them."""
        dead = read_removed(self.folder, self.manifest)
        old = {
            name: np.delete(np.arange(rows), dead.get(name, []))
            for name, rows in self.manifest.segments
            if rows < self._merged_rows // 2 or len(dead.get(name, ())) > MAX_REMOVED * rows
        }
        if len(old) < 2 and not old.keys() & dead.keys():
            return
        groups: list[dict[str, np.ndarray]] = [{}]
        for name, live in old.items():
            if sum(map(len, groups[-1].values())) + len(live) > self._merged_rows:
                groups.append({})
            groups[-1][name] = live
        new = [
            (write_segment(self.folder, *read_rows(self.folder, group)), total)
            for group in groups
            if (total := sum(map(len, group.values())))
        ]
        kept = [(name, rows) for name, rows in self.manifest.segments if name not in old]
        dead = {name: rows for name, rows in dead.items() if name not in old}
        self._write(self._mark_removed(replace(self.manifest, segments=(*kept, *new)), dead))

    def build_index(self, kind: str) -> None:
        """Build an approximate index of a kind, a key of `KINDS`, over all segments; `EXACT` takes it away."""
        parts: tuple[IndexPart, ...] = ()
        if kind != EXACT:
            from clipsim.collections.store.ann import build_index  # loads FAISS, which exact search does without

            parts = build_index(self.folder, self.manifest.segments, self.manifest.embedding.width, KINDS[kind])
        self._write(replace(self.manifest, index=parts))

    def update_index(self, kind: str | None = None) -> None:
        """Build the index unless the one that is there covers nearly all pictures; None chooses what suits the size."""
        kind = kind or next(name for name, one in KINDS.items() if self.manifest.rows <= one.up_to)
        names = {name for part in self.manifest.index for name in part.segments}
        covered = sum(rows for name, rows in self.manifest.segments if name in names)
        stale = covered < (1 - STALE) * self.manifest.rows
        if self.manifest.index if kind == EXACT else stale:
            self.build_index(kind)

    def _sweep(self, kept: set[str]) -> None:
        """Remove files that do not count: what a killed process left, what was merged or replaced."""
        if self._is_overtaken():  # what this one does not know of may count
            return
        kept = kept | self.manifest.files() | {MANIFEST, LOCK}
        for prefix, folder in (("", self.folder), (f"{FOLDER}/", self.folder / FOLDER)):
            for name in storage.list_names(folder):
                if prefix + name not in kept and _OWN_FILES.fullmatch(name):
                    storage.remove(folder / name)
