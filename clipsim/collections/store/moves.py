"""Where rows have gone that a writer knew: into its own merges, and into those of others that wrote meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from clipsim.collections.store.lists import Removed
from clipsim.collections.store.manifest import Manifest
from clipsim.collections.store.segments import GoneError, Segment
from clipsim.images import Location


@dataclass(frozen=True)
class _Move:
    """Where the rows of a segment are now: element i of `places` is a row of segment `names[owners[i]]`, or -1."""

    names: tuple[str, ...]
    owners: np.ndarray
    places: np.ndarray


class Moves:
    """What a writer must know to remove rows that it found in an earlier state of a collection."""

    def __init__(self, folder: Location) -> None:
        """Take the collection's folder."""
        self._folder = folder
        self._moves: dict[str, _Move] = {}
        self._theirs: dict[str, tuple[str, int]] = {}  # segment and place by path, of what others wrote meanwhile

    def merge(self, group: Mapping[str, np.ndarray], rows: Mapping[str, int], name: str) -> None:
        """Note that the rows of a group of segments, given by id, have become segment `name`, in this order."""
        start = 0
        for old, live in group.items():
            places = np.full(rows[old], -1, np.int32)
            places[live] = np.arange(start, start + len(live))
            self._moves[old] = _Move((name,), np.zeros(1, np.int32), places)
            start += len(live)

    def absorb(self, later: Moves) -> None:
        """Note what another one notes that came after this."""
        self._moves |= later._moves

    def follow(self, before: Manifest, after: Manifest, dead: Removed) -> None:
        """Note what others made of the collection: `after` with its removed rows."""
        old, new = dict(before.segments), dict(after.segments)
        for name in new.keys() - old.keys():
            gone = set(dead.get(name, np.zeros(0, int)).tolist())
            paths = self._read_paths(name)
            self._theirs |= {path: (name, place) for place, path in enumerate(paths) if place not in gone}
        for name in old.keys() - new.keys():
            try:
                found = [self._theirs.get(path, ("", -1)) for path in self._read_paths(name)]
            except GoneError:  # rows of it can be removed no more
                continue
            names = tuple({target for target, _ in found})
            owners = np.array([names.index(target) for target, _ in found], np.int32)
            self._moves[name] = _Move(names, owners, np.array([place for _, place in found], np.int32))

    def _read_paths(self, name: str) -> list[str]:
        paths: list[str] = Segment(self._folder, name).read_table(["path"])["path"].to_pylist()
        return paths

    def locate(self, rows: Mapping[str, Iterable[int]], now: Mapping[str, int]) -> dict[str, np.ndarray]:
        """Return where rows are among the segments of `now`: rising, by the segment's id.

        Raises:
            GoneError: a segment is neither there nor known to have moved.
        """
        found: dict[str, list[np.ndarray]] = {}
        todo = [(name, np.fromiter(places, np.int64)) for name, places in rows.items()]
        while todo:
            name, places = todo.pop()
            if name in now:
                found.setdefault(name, []).append(places)
                continue
            if name not in self._moves:
                raise GoneError(f"Segment {name} is gone, since others write to {self._folder} too: run this again.")
            move = self._moves[name]
            owners = move.owners[places] if len(move.owners) == len(move.places) else np.zeros(len(places), np.int32)
            places = move.places[places]
            moved = ((target, places[(owners == i) & (places >= 0)]) for i, target in enumerate(move.names))
            todo += [(target, there) for target, there in moved if len(there)]
        return {name: np.unique(np.concatenate(places)) for name, places in found.items() if sum(map(len, places))}

    def find_replaced(self, segments: Iterable[str]) -> dict[str, list[int]]:
        """Return the rows that others wrote meanwhile of pictures in these segments, which now replace them."""
        found: dict[str, list[int]] = {}
        for name in segments if self._theirs else ():
            for path in self._read_paths(name):
                if path in self._theirs:
                    segment, place = self._theirs[path]
                    found.setdefault(segment, []).append(place)
        return found
