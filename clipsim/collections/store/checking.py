"""Whether the files of a collection are as they were written, but for its segments, which tell of themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from clipsim.collections.store.lists import read_failed, read_removed
from clipsim.collections.store.manifest import Manifest, check_pointer
from clipsim.collections.store.numbered import KEPT, list_numbers, name_manifest
from clipsim.collections.store.segments import Segment
from clipsim.collections.store.sweeping import find_cut
from clipsim.errors import ClipsimError
from clipsim.images import Location


def find_damaged_lists(folder: Location, manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Yield the name of each list's part that is damaged, with what is wrong with it, a sentence."""
    alone = [(part, replace(manifest, removed=(part,), rejected=())) for part in manifest.removed]
    alone += [(part, replace(manifest, removed=(), rejected=(part,))) for part in manifest.rejected]
    for part, one in alone:
        try:
            read_removed(folder, one)
            read_failed(folder, one)
        except ClipsimError as error:
            yield part.file, str(error)


def find_damaged_index(folder: Location, manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Yield the name of each file of the index that is damaged, with what is wrong with it, a sentence."""
    if not manifest.index:
        return
    from clipsim.collections.store.ann import check_part  # loads FAISS

    rows = dict(manifest.segments)
    for part in manifest.index:
        covered = sum(rows[name] for name in part.segments if name in rows)
        if rows.keys() >= set(part.segments) and (problem := check_part(folder / part.file, covered)):
            yield part.file, problem


def find_damaged_manifests(folder: Location) -> Iterator[str]:
    """Yield what is wrong with the manifests that are kept, and with what says which the newest is, a sentence each."""
    if problem := check_pointer(folder):
        yield f"{problem}."
    for number in list_numbers(folder)[:KEPT]:
        if Manifest.load(folder, number) is None:
            yield f"{folder / name_manifest(number)} is damaged."


def find_damaged_segments(folder: Location, manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Read all segments, and yield the id of each that is damaged, with what is wrong with it, a sentence."""
    width = manifest.embedding.width
    for name, rows in manifest.segments:
        for problem in Segment(folder, name).find_problems(width, rows):
            yield name, problem


def find_problems(folder: Location, manifest: Manifest) -> Iterator[str]:
    """Read everything, and yield what is wrong, a sentence each."""
    yield from manifest.notes
    yield from find_damaged_manifests(folder)
    for found in (find_damaged_lists, find_damaged_segments, find_damaged_index):
        for _, problem in found(folder, manifest):
            yield problem
    for problem in find_cut(folder, manifest):
        yield f"{problem}."
