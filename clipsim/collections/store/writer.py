"""What changes a collection: segments are committed, rows removed, small segments merged. Several may at once."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from clipsim.collections.store.checking import find_problems
from clipsim.collections.store.lists import FailedFile, Removed, append_failed, append_removed, read_removed
from clipsim.collections.store.manifest import (
    EXACT,
    FORMAT,
    KINDS,
    EmbeddingConfig,
    IndexPart,
    Manifest,
    find_newest,
    write_pointer,
)
from clipsim.collections.store.moves import Moves
from clipsim.collections.store.numbered import create, list_numbers, name_manifest, prune
from clipsim.collections.store.runs import get_mark, note_committed
from clipsim.collections.store.segments import GoneError, Segment, read_rows, write_segment
from clipsim.collections.store.sweeping import check_names, find_cut, is_old_name, sweep
from clipsim.errors import ClipsimError, UsageError
from clipsim.images import Location, locate, storage

MERGED_ROWS = 65_536  # rows that small segments are merged to: 128 MB of vectors of width 512
MAX_REMOVED = 0.05  # share of a large segment's rows that may be removed before it is written anew
STALE = 0.1  # share of the pictures that an approximate index may lack, which are compared one by one
TRIES = 50  # of a change, while others write all the time
WAIT = 0.02  # seconds before the second try, at most; before each later one twice as many, up to 64 times
State = tuple[Manifest, Mapping[str, np.ndarray]]  # a state of the collection, with its removed rows


class Writer:
    """Changes a collection, made if it is missing: a context. Several may at once, also on several machines.

    Each change is made to what the collection is at that moment, so that none is lost. `manifest` is the state after
    the last change, in which what others wrote until then is contained, and `notes` what was wrong with the manifests.
    """

    def __init__(
        self,
        folder: str | Location,
        config: EmbeddingConfig | None = None,
        source: str | None = None,
        *,
        merged_rows: int = MERGED_ROWS,
        check: bool = False,
    ) -> None:
        """Take what the context will open: a folder, here or at an address.

        `config` is how what is added was made; None for that of the collection, which must exist then. `source` is
        where the pictures lie; None leaves what the manifest says. Segments are merged to at most `merged_rows` rows;
        those of less than half as many count as small. All files are looked at for their size, and read for changed
        bytes if `check`.
        """
        self.folder = locate(folder)
        self._config, self._source, self._merged_rows, self._check = config, source, merged_rows, check
        self._moves = Moves(self.folder)
        self._last: tuple[Callable[[], State | None], Manifest] | None = None  # the last change, and what it wrote
        self._own: set[str] = set()  # files of states that this one has seen, or that it wrote: it knows their use

    def __enter__(self) -> Writer:
        """Open the collection, and remove what nobody needs.

        Raises:
            UsageError: the folder holds other files, or the collection was made by another config.
            ClipsimError: the folder is no collection, files of it are gone or damaged, or it cannot be written to.
        """
        check_names(self.folder)
        self._open()
        while problem := next(self._find_problems(), ""):
            if not self._is_behind():
                raise ClipsimError(f"{problem.removesuffix('.')}: run index with --repair.")
            self._open()  # others have swept files meanwhile
        self._previous = self.manifest.files()
        self.notes = self.manifest.notes
        self._lost = bool(self.notes)
        if self._lost:
            self._write(lambda: (self.manifest, self._dead))  # so that what is used now is the newest again
        self._sweep()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what no longer counts."""
        if self._is_overwritten():
            self._follow()
        self._previous = set()  # readers that had these open when this began may go on till now
        self._sweep()

    def _find_problems(self) -> Iterator[str]:
        return (find_problems if self._check else find_cut)(self.folder, self.manifest)

    def _open(self) -> None:
        if self._config is None:
            self._take(Manifest.read(self.folder))
        elif (found := Manifest.find(self.folder)) is None:
            self.manifest, self._numbered = Manifest(self._config), -1
            if self._put((self.manifest, {})):
                return
            self._take(Manifest.read(self.folder))  # another writer made it just now
        else:
            self._take(found)
        if self._config:
            self.manifest.embedding.check_facts(self._config.facts())
            self.manifest.embedding.check_preparation()

    def _take(self, manifest: Manifest) -> None:
        """Go on from a state that was read."""
        self._dead = read_removed(self.folder, manifest)
        self._numbered = manifest.newest  # and not what is the newest by now, which is then to be followed first
        self.manifest = manifest
        self._own |= manifest.files()

    def _follow(self) -> None:
        """Go on from what others have made of the collection."""
        before, overwritten = self.manifest, self._is_overwritten()
        for left in reversed(range(TRIES)):
            newest = Manifest.read(self.folder)
            try:
                self._take(newest)
                self._moves.follow(before, self.manifest, self._dead)
                break
            except GoneError:
                if not left or not self._is_behind():
                    raise
        if overwritten and self._last:
            self._write(self._last[0])

    def _is_overwritten(self) -> bool:
        """Whether another has written a manifest over the last one of this writer.

        Stores let that happen that look first and write later: of two at the same moment the later one stays.
        """
        if isinstance(self.folder, Path) or not self._last:
            return False
        with suppress(FileNotFoundError):  # pruned, in its turn
            written = self._last[1]
            return storage.read(self.folder / name_manifest(written.generation)) != written.to_bytes()
        return False

    def _is_behind(self) -> bool:
        """Whether others have written since: then files of `manifest` may be gone."""
        return find_newest(self.folder) > self._numbered

    def _write(self, change: Callable[[], State | None]) -> bool:
        """Make what `change` makes of `manifest` the next state, again if others were quicker; it may give up.

        Raises:
            ClipsimError: it cannot be written.
        """
        for attempt in range(TRIES):
            if (state := change()) is None:
                return False
            if self._put(state):
                self._last = change, self.manifest
                return True
            self._follow()
            time.sleep(random.uniform(0, WAIT * 2 ** min(attempt, 6)))
        raise ClipsimError(f"Others write to {self.folder} all the time: let fewer write, and run this again.")

    def _put(self, state: State) -> bool:
        """Write a state, and return whether it is the next one: False if others were quicker."""
        manifest, dead = state
        source = manifest.source if self._source is None else self._source
        rows = sum(rows for _, rows in manifest.segments) - sum(map(len, dead.values()))
        number = self._numbered + 1
        manifest = replace(manifest, source=source, rows=rows, generation=number, format=FORMAT, notes=())
        note_committed(name for name, _ in set(manifest.segments) - set(self.manifest.segments))
        try:
            manifest = replace(manifest, sizes=self._measure(manifest))
            if not create(self.folder, number, manifest.to_bytes()) or not self._is_next(number):
                return False
        except OSError as error:
            raise self._explain(error) from error
        self.manifest, self._dead, self._numbered = manifest, {**dead}, number
        self._own |= manifest.files()
        try:
            write_pointer(self.folder, manifest)
            prune(self.folder)
        except OSError:
            pass  # the change is made: what these would have told is found by looking
        return True

    def _is_next(self, number: int) -> bool:
        """Whether the manifest that was just written follows on `manifest`; if not it is removed.

        A slow writer may have written one whose number others have had and pruned. They prune the oldest first: if
        the manifest before is there, it has not happened. Where this is not sure the change is made once more, which
        does nothing if it was made already.
        """
        before = self.folder / name_manifest(self.manifest.generation)
        with suppress(FileNotFoundError):
            if number > 0 and self.manifest.format == FORMAT and storage.read(before) == self.manifest.to_bytes():
                return True
        if list_numbers(self.folder) == [number]:
            return True  # the first one
        storage.remove(self.folder / name_manifest(number))
        return False

    def _measure(self, manifest: Manifest) -> dict[str, int]:
        """Return the bytes of the manifest's files, by path, but for those that an older format did not measure."""
        files = manifest.files()
        new = (file for file in files - self.manifest.files() if not is_old_name(file))
        known = {file: size for file, size in manifest.sizes.items() if file in files}
        return known | {file: storage.get_size(self.folder / file) for file in sorted(new)}

    def _explain(self, error: OSError) -> ClipsimError:
        return ClipsimError(f"{self.folder} cannot be written to ({error.strerror or error}): make room there.")

    def write(self, table: pa.Table, vectors: np.ndarray) -> str:
        """Write a segment that is to be committed, as `write_segment` does, with how its vectors were made."""
        return write_segment(self.folder, table, vectors, self.manifest.embedding.to_json(), get_mark())

    def add(self, table: pa.Table, vectors: np.ndarray) -> None:
        """Add pictures: `write` and `commit`. Once this returns they are there whatever happens."""
        self.commit(self.write(table, vectors))

    def commit(
        self,
        *segments: str,
        removed: Mapping[str, Iterable[int]] | None = None,
        failed: Sequence[FailedFile] | None = None,
        more_failed: Sequence[FailedFile] = (),
    ) -> None:
        """Make segments that were written part of the collection, and rows of older ones no longer part of it, at once.

        Where others have written meanwhile, their rows of the same pictures are replaced.

        Args:
            segments: ids from `write_segment`.
            removed: rows by the segment's id, counted from 0, of any state since the context was entered: they are
                found where merges have taken them.
            failed: all pictures that could not be read, instead of those listed so far; None leaves these.
            more_failed: those that are listed beside them, or are `forget` to be listed no longer.

        Raises:
            UsageError: vectors have another width than those of the collection.
            ClipsimError: a segment is not there, or it cannot be written.
        """
        added = tuple((name, self._check_segment(name)) for name in segments)
        gone = {name: list(rows) for name, rows in (removed or {}).items()}

        def change() -> State:
            now, dead = self.manifest, self._dead
            there = dict(now.segments)
            added_now = tuple(one for one in added if one[0] not in there)
            new = self._find_new(gone, self._moves.find_replaced(name for name, _ in added_now))
            parts = () if failed is not None else now.rejected
            manifest = replace(
                now,
                segments=(*now.segments, *added_now),
                removed=append_removed(self.folder, now.removed, new),
                rejected=append_failed(self.folder, parts, [*(failed or ()), *more_failed]),
            )
            return manifest, _unite(dead, new)

        self._write(change)

    def _check_segment(self, name: str) -> int:
        """Return the number of rows of a segment that was written."""
        segment, width = Segment(self.folder, name), self.manifest.embedding.width
        if segment.width != width:
            raise UsageError(f"Segment {name} has vectors of width {segment.width}: the collection's have {width}.")
        return len(segment)

    def _find_new(self, *removed: Mapping[str, Iterable[int]]) -> dict[str, np.ndarray]:
        """Return which of these rows are not among the removed ones yet, where they are now."""
        there = dict(self.manifest.segments)
        found: Removed = {}
        for rows in removed:
            found = _unite(found, self._moves.locate(rows, there))
        none = np.zeros(0, np.int64)
        new = {name: np.setdiff1d(rows, self._dead.get(name, none)) for name, rows in found.items()}
        return {name: rows for name, rows in new.items() if len(rows)}

    def merge(self) -> None:
        """Write small segments, and those with many removed rows, anew as few large ones without them."""
        before = self._dead
        rows = dict(self.manifest.segments)
        old = {
            name: np.delete(np.arange(count), before.get(name, []))
            for name, count in rows.items()
            if count < self._merged_rows // 2 or len(before.get(name, ())) > MAX_REMOVED * count
        }
        if len(old) < 2 and not old.keys() & before.keys():
            return
        groups = [group for group in self._group(old) if sum(map(len, group.values()))]
        try:
            new = [(self.write(*read_rows(self.folder, group)), sum(map(len, group.values()))) for group in groups]
        except GoneError:
            if self._is_behind():
                return  # others have merged it
            raise
        moves = Moves(self.folder)
        for group, (name, _) in zip(groups, new, strict=True):
            moves.merge(group, rows, name)

        def change() -> State | None:
            now = dict(self.manifest.segments)
            if not now.keys() >= old.keys():
                return None  # others have merged some of them
            kept = tuple((name, count) for name, count in now.items() if name not in old)
            late = {name: np.setdiff1d(self._dead[name], before.get(name, [])) for name in old if name in self._dead}
            dead = {name: places for name, places in self._dead.items() if name not in old}
            dead = _unite(dead, moves.locate(late, dict(new)))
            manifest = replace(self.manifest, segments=(*kept, *new), removed=append_removed(self.folder, (), dead))
            return manifest, dead

        if self._write(change):
            self._moves.absorb(moves)
        else:
            self._own |= replace(self.manifest, segments=tuple(new)).files()  # which nobody needs
        self._sweep()

    def _group(self, live: Mapping[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
        """Share out segments, given by id and the rows of them that count, among larger ones."""
        groups: list[dict[str, np.ndarray]] = [{}]
        for name, rows in live.items():
            if sum(map(len, groups[-1].values())) + len(rows) > self._merged_rows:
                groups.append({})
            groups[-1][name] = rows
        return groups

    def build_index(self, kind: str) -> None:
        """Build an approximate index of a kind, a key of `KINDS`, over all segments; `EXACT` takes it away."""
        parts: tuple[IndexPart, ...] = ()
        if kind != EXACT:
            from clipsim.collections.store.ann import build_index  # loads FAISS, which exact search does without

            while True:
                try:
                    width = self.manifest.embedding.width
                    parts = build_index(self.folder, self.manifest.segments, width, KINDS[kind])
                    break
                except GoneError:
                    if not self._is_behind():
                        raise
                    self._follow()  # others have merged segments
        self._write(lambda: (replace(self.manifest, index=parts), self._dead))

    def update_index(self, kind: str | None = None) -> None:
        """Build the index unless the one that is there covers nearly all pictures; None chooses what suits the size."""
        kind = kind or next(name for name, one in KINDS.items() if self.manifest.rows <= one.up_to)
        names = {name for part in self.manifest.index for name in part.segments}
        covered = sum(rows for name, rows in self.manifest.segments if name in names)
        stale = covered < (1 - STALE) * self.manifest.rows
        if self.manifest.index if kind == EXACT else stale:
            self.build_index(kind)

    def _sweep(self) -> None:
        """Remove files that do not count, of which it is known or that are old, unless states are missing."""
        try:
            kept = self._previous | self.manifest.files()
            self._own = sweep(self.folder, kept, self._own, lost=self._lost)
        except OSError as error:
            raise ClipsimError(f"{self.folder} cannot be cleaned up ({error}): see that it can be reached.") from error


def _unite(ours: Removed, theirs: Removed) -> dict[str, np.ndarray]:
    """Return the rows of both."""
    both = {name: np.union1d(ours[name], theirs[name]) for name in ours.keys() & theirs.keys()}
    return {**ours, **theirs, **both}
