"""Mending a collection: what is damaged is dropped, what is sound is kept, and lost manifests are made anew."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from clipsim.collections.store.checking import (
    find_damaged_index,
    find_damaged_lists,
    find_damaged_manifests,
    find_damaged_segments,
)
from clipsim.collections.store.lists import append_removed, read_removed
from clipsim.collections.store.manifest import (
    EXACT,
    KINDS,
    EmbeddingConfig,
    LostError,
    Manifest,
    find_newest,
    read_pointer,
    write_pointer,
)
from clipsim.collections.store.numbered import create, list_numbers, name_manifest
from clipsim.collections.store.salvaging import salvage
from clipsim.collections.store.segments import FOLDER, Segment, write_segment
from clipsim.collections.store.sweeping import check_names
from clipsim.collections.store.writer import Writer
from clipsim.errors import ClipsimError
from clipsim.images import Location, storage


@dataclass
class _Mended:
    """A state that is being mended."""

    manifest: Manifest
    dead: dict[str, np.ndarray] = field(default_factory=dict)  # removed rows
    notes: list[str] = field(default_factory=list)  # what was found and done, a sentence each
    changed: bool = False


def repair(folder: Location) -> list[str]:
    """Read all of a collection, drop what is damaged, and return what was found and done, a sentence each.

    Of a damaged segment the groups of rows that are sound are kept. What is missing then is encoded when the pictures
    are indexed again. An index is built anew from the vectors. Where manifests are lost, whole segments that none
    names become part of the collection again. A folder without a collection is left as it is.

    Raises:
        ClipsimError: all manifests are lost, and no segment says how it was made; or it cannot be written.
    """
    check_names(folder)
    try:
        manifest = Manifest.find(folder)
        if manifest is None:
            return []
        state = _Mended(manifest, notes=[*manifest.notes], changed=bool(manifest.notes))
    except LostError as error:
        state = _Mended(_restore(folder), notes=[str(error)], changed=True)
    lost = state.changed
    state.notes += find_damaged_manifests(folder)
    rebuild = _mend_lists_and_index(folder, state)
    _mend_segments(folder, state)
    if lost:
        _adopt(folder, state)
    if state.changed:
        _drop_twice(folder, state)
        _write(folder, state)
    for number in list_numbers(folder):
        if Manifest.load(folder, number) is None:
            storage.remove(folder / name_manifest(number))
    write_pointer(folder, Manifest.read(folder))
    if rebuild:
        with Writer(folder) as writer:
            rows = writer.manifest.rows
            writer.build_index(next(kind for kind, one in KINDS.items() if kind != EXACT and rows <= one.up_to))
    return state.notes


def _restore(folder: Location) -> Manifest:
    """Return a state without segments for a collection that lost its manifests; `_adopt` finds what is there."""
    pointer = read_pointer(folder) or {}
    if "embedding" in pointer:
        return Manifest(EmbeddingConfig.from_dict(pointer["embedding"]), pointer.get("source", ""))
    found = Counter(about for name in _list_segments(folder) if (about := _read_about(folder, name)))
    if not found:
        raise ClipsimError(
            f"{folder} has lost its manifests, and nothing in it says how its vectors were made: index the pictures "
            "anew into an empty folder."
        )
    return Manifest(EmbeddingConfig.from_dict(json.loads(found.most_common(1)[0][0])))


def _read_about(folder: Location, name: str) -> str:
    try:
        return Segment(folder, name).about
    except (ClipsimError, ValueError):
        return ""


def _list_segments(folder: Location) -> list[str]:
    """Return the ids of the segments that lie there, the last written last."""
    inside = folder / FOLDER
    names = [name for name in storage.list_names(inside) if name.endswith(".parquet")]
    return [name.removesuffix(".parquet") for name in sorted(names, key=lambda name: storage.get_time(inside / name))]


def _mend_lists_and_index(folder: Location, state: _Mended) -> bool:
    """Drop parts of lists and of the index that are damaged, and return whether an index is to be built anew."""
    manifest = state.manifest
    bad = dict(find_damaged_lists(folder, manifest))
    removed, rejected = (
        tuple(part for part in parts if part.file not in bad) for parts in (manifest.removed, manifest.rejected)
    )
    damaged = dict(find_damaged_index(folder, manifest))
    index = () if damaged else manifest.index
    state.notes += [*bad.values(), *damaged.values()]
    state.changed = state.changed or bool(bad or damaged)
    state.manifest = replace(manifest, removed=removed, rejected=rejected, index=index)
    state.dead = read_removed(folder, state.manifest)
    return bool(damaged)


def _mend_segments(folder: Location, state: _Mended) -> None:
    """Replace damaged segments by what is sound of them."""
    problems: dict[str, list[str]] = {}
    for name, problem in find_damaged_segments(folder, state.manifest):
        problems.setdefault(name, []).append(problem)
    segments: list[tuple[str, int]] = []
    for name, rows in state.manifest.segments:
        if name not in problems:
            segments.append((name, rows))
            continue
        places, table, vectors = salvage(folder, name, state.manifest.embedding.width)
        live = ~np.isin(places, state.dead.pop(name, []))
        table, vectors = table.filter(live), vectors[live]
        if len(table):
            new = write_segment(folder, table, vectors, state.manifest.embedding.to_json())
            segments.append((new, len(table)))
        state.notes += [*problems[name], f"{len(table)} of the {rows} pictures of segment {name} are sound and kept."]
        state.changed = True
    state.manifest = replace(state.manifest, segments=tuple(segments))


def _adopt(folder: Location, state: _Mended) -> None:
    """Add the pictures of whole segments that no manifest names, the last written first, unless they are there."""
    width, about = state.manifest.embedding.width, state.manifest.embedding.to_json()
    known = {name for name, _ in state.manifest.segments}
    named = {name for number in list_numbers(folder) for name in _read_names(folder, number)}
    paths = {path for name in known for path in _read_live_paths(folder, name, state.dead)}
    for name in reversed(_list_segments(folder)):
        if name in known or name in named:
            continue
        try:
            segment = Segment(folder, name)
            rows = len(segment)
            sound = segment.about in ("", about) and not any(segment.find_problems(width, rows))
            own: list[str] = segment.read_table(["path"])["path"].to_pylist() if sound else []
        except (ClipsimError, ValueError):
            continue
        new = [path not in paths for path in own]
        if any(new):
            state.manifest = replace(state.manifest, segments=(*state.manifest.segments, (name, rows)))
            state.dead[name] = np.flatnonzero(~np.array(new))
            paths |= {*own}
            state.notes.append(f"{sum(new)} pictures of segment {name}, which no manifest names, are found again.")


def _read_names(folder: Location, number: int) -> Iterable[str]:
    manifest = Manifest.load(folder, number)
    return [name for name, _ in manifest.segments] if manifest else []


def _read_live_paths(folder: Location, name: str, dead: Mapping[str, np.ndarray]) -> list[str]:
    table = Segment(folder, name).read_table(["path"])
    live = np.ones(len(table), bool)
    live[dead.get(name, [])] = False
    paths: list[str] = table.filter(live)["path"].to_pylist()
    return paths


def _drop_twice(folder: Location, state: _Mended) -> None:
    """Remove all rows of a picture but the last, where a list of removed rows is lost."""
    seen: set[str] = set()
    for name, _ in reversed(state.manifest.segments):
        table = Segment(folder, name).read_table(["path"])["path"].to_pylist()
        gone = set(state.dead.get(name, np.zeros(0, int)).tolist())
        twice = []
        for place in reversed(range(len(table))):
            if place not in gone and table[place] in seen:
                twice.append(place)
            elif place not in gone:
                seen.add(table[place])
        if twice:
            state.dead[name] = np.union1d(np.array(twice), state.dead.get(name, np.zeros(0, int)))


def _write(folder: Location, state: _Mended) -> None:
    """Make the mended state the newest."""
    names = {name for name, _ in state.manifest.segments}
    dead = {name: rows for name, rows in state.dead.items() if name in names}
    total = sum(rows for _, rows in state.manifest.segments) - sum(map(len, dead.values()))
    number = max([find_newest(folder), *list_numbers(folder)]) + 1
    manifest = replace(
        state.manifest, removed=append_removed(folder, (), dead), rows=total, generation=number, sizes={}, notes=()
    )
    files, sizes = manifest.files(), storage.list_sizes(folder)
    manifest = replace(manifest, sizes={file: size for file, size in sorted(sizes.items()) if file in files})
    if not create(folder, number, manifest.to_bytes()):
        raise ClipsimError(f"Another process writes to {folder}: wait until it is done, and run this again.")
    write_pointer(folder, manifest)
