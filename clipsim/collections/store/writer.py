"""The one that may change a collection: segments are committed, rows removed, small segments merged."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np
import pyarrow as pa

from clipsim.collections.store import ann
from clipsim.collections.store.manifest import FORMAT, MANIFEST, EmbeddingConfig, FailedFile, Manifest, read_removed
from clipsim.collections.store.segments import FOLDER, Segment, write_segment
from clipsim.errors import ClipsimError
from clipsim.images import storage
from clipsim.images.storage import Location, locate

LOCK = "lock"
MERGED = 65_536  # rows that small segments are merged to: 128 MB of vectors of width 512
SMALL = MERGED // 2  # rows below which a segment is merged with others
FEW_REMOVED = 0.05  # share of a large segment's rows that may be removed before it is written anew
_OURS = re.compile(
    r"(removed|rejected)-\d+\.json|index-([0-9a-f]{32}|\d+-\d+)\.faiss|[0-9a-f]{32}\.(npy|faiss|parquet)|manifest\.json"
)


class Writer:
    """The one that may change a collection, made if it is missing: a context, in which other writers are refused."""

    def __init__(
        self, folder: str | Location, config: EmbeddingConfig | None = None, source: str | None = None
    ) -> None:
        """
        Args:
            folder: of the collection, here or at an address.
            config: how what is added was made; None for that of the collection, which there must be then.
            source: where the pictures lie; None leaves what the manifest says.
        """
        self.folder = locate(folder)
        self._config, self._source = config, source

    def __enter__(self) -> Writer:
        """
        Raises:
            ClipsimError: another process writes, the folder is no collection or cannot be written, or it was made by
                another config.
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
            storage.make_folder(self.folder)
            if not storage.exists(self.folder / MANIFEST) and _foreign(self.folder):
                raise ClipsimError(f"{self.folder} holds other files: give the collection an empty folder.")
            self._lock = FileLock(storage.find_local_folder(self.folder) / LOCK, timeout=0)
            self._lock.acquire()
        except Timeout as error:
            raise ClipsimError(f"Another process writes to {self.folder}: wait until it is done.") from error
        except (OSError, NotImplementedError) as error:
            raise ClipsimError(f"{self.folder} cannot be written to ({error}): give another folder.") from error

    def _opened(self) -> Manifest:
        exists = storage.exists(self.folder / MANIFEST)
        if exists or self._config is None:
            manifest = Manifest.read(self.folder)
            if self._config is not None:
                manifest.embedding.check_same(self._config)
        else:
            manifest = Manifest(self._config)
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
        return not storage.is_local(self.folder) and Manifest.read(self.folder).generation != self.manifest.generation

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
        rejected: Sequence[FailedFile] | None = None,
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
        together = np.concatenate(vectors)
        return write_segment(self.folder, pa.concat_tables(tables), together), len(together)

    def build_index(self, kind: str | None = None) -> None:
        """Build an approximate index over all segments, or take it away where the size needs none.

        Args:
            kind: a key of `clipsim.collections.store.ann.KINDS`, or None for what suits the size.
        """
        kind = kind or ann.suitable_kind(self.manifest.rows)
        parts: tuple[ann.Part, ...] = ()
        if kind != ann.EXACT:
            parts = ann.build(self.folder, self.manifest.segments, self.manifest.embedding.width, kind)
        self._write(replace(self.manifest, index=parts, generation=self.manifest.generation + 1))

    def _sweep(self, kept: set[str]) -> None:
        """Remove files that do not count: what a killed process left, what was merged or replaced."""
        if self._overtaken():  # what this one does not know of may count
            return
        kept = kept | self.manifest.files() | {MANIFEST, LOCK}
        for inside in ("", FOLDER):
            folder = self.folder / inside if inside else self.folder
            for name in storage.list_names(folder):
                if f"{inside}/{name}".lstrip("/") not in kept and _ours(name):
                    storage.remove(folder / name)


def _ours(name: str) -> bool:
    return bool(_OURS.fullmatch(name.removesuffix(".partial")))


def _foreign(folder: Location) -> bool:
    """Whether the folder holds what no collection left there."""
    return any(name not in (LOCK, FOLDER) and not _ours(name) for name in storage.list_names(folder))
