"""The files in a collection's folder: whether they are its own, whether all are there, and which nobody needs."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Set
from contextlib import suppress

from clipsim.collections.store.manifest import Manifest
from clipsim.collections.store.numbered import KEPT, POINTER, list_numbers, name_manifest, prune
from clipsim.collections.store.runs import is_left_over
from clipsim.collections.store.segments import FOLDER, Segment
from clipsim.errors import ClipsimError, UsageError
from clipsim.images import Location, storage

DAY = 86_400.0  # seconds for which a file is left that no manifest names: another writer may be about to commit it
_HEX = "([0-9a-f]{32}|[0-9a-f]{64})"  # a UUID in formats 1 and 2, else a SHA-256
_OWN_FILES = re.compile(
    rf"((removed|rejected)-(\d+|{_HEX})\.json|index-({_HEX}|\d+-\d+)\.faiss|{_HEX}\.(npy|faiss|parquet)"
    rf"|manifest(-\d+)?\.json|new|lock)(\.[0-9a-f]{{32}})?(\.partial)?"
)
_MANIFEST = re.compile(r"manifest(-\d+)?\.json")


def check_names(folder: Location) -> None:
    """Raise a `UsageError` if a folder holds other files than those of a collection, and no collection."""
    try:
        names = {*storage.list_names(folder)} - {FOLDER, "models"}
    except OSError as error:
        raise ClipsimError(f"{folder} cannot be listed ({error}): give another folder.") from error
    if not any(map(_MANIFEST.fullmatch, names)) and not all(map(_OWN_FILES.fullmatch, names)):
        raise UsageError(f"{folder} holds other files: give the collection an empty folder.")


def find_cut(folder: Location, manifest: Manifest) -> Iterator[str]:
    """Yield what is wrong with the sizes of files, a clause each.

    Raises:
        ClipsimError: they cannot be listed.
    """
    try:
        found = storage.list_sizes(folder)
    except OSError as error:
        raise ClipsimError(f"{folder} cannot be listed ({error}): see that it can be reached.") from error
    for name, size in manifest.sizes.items():
        if name not in found:
            yield f"{folder / name} is gone"
        elif found[name] not in (size, storage.UNKNOWN):
            yield f"{folder / name} has {found[name]} bytes and not {size}"


def is_old_name(path: str) -> bool:
    """Whether a path is that of vectors as format 1 wrote them."""
    return path.startswith(f"{FOLDER}/") and path.endswith(".faiss")


def sweep(
    folder: Location, kept: Iterable[str], known: set[str], *, lost: bool = False, young: float = DAY
) -> set[str]:
    """Remove the files that no kept manifest names, and older manifests; return those that are known and left.

    Args:
        folder: of the collection.
        kept: paths in it that stay.
        known: paths of which the writer knows that they were named before: they go at once. Others, which another
            writer may be about to commit, go when they are older than `young` seconds, or at once if they are of a run
            on this machine that is over.
        lost: whether manifests are missing, so that none but known files may go.
        young: seconds.

    Raises:
        OSError: the folder cannot be listed, or a file not be removed.
    """
    numbers = list_numbers(folder)
    counted = {*kept, POINTER, *map(name_manifest, numbers[:KEPT])}
    for number in numbers[:KEPT]:
        manifest = Manifest.load(folder, number)
        if manifest is None:
            return known  # what it named is not known
        counted |= manifest.files()
    prune(folder)
    now, left = time.time(), set()
    for prefix, inside in (("", folder), (f"{FOLDER}/", folder / FOLDER)):
        for name in storage.list_names(inside):
            path = prefix + name
            left.add(path)
            if path in counted or not _OWN_FILES.fullmatch(name) or _MANIFEST.fullmatch(name):
                continue
            if path in known or (not lost and _is_older(inside / name, now - young)):
                storage.remove(inside / name)
                left.remove(path)
    for name in () if lost else _find_left_over(folder, left - counted):
        storage.remove(folder / name)
        left.remove(name)
    return (known | counted) & left


def _find_left_over(folder: Location, paths: Set[str]) -> list[str]:
    """Return which of these files are those of segments that a run wrote which ended without them."""
    found = []
    for path in sorted(paths):
        name = path.removeprefix(f"{FOLDER}/").removesuffix(".parquet")
        if path == f"{FOLDER}/{name}.parquet" and re.fullmatch(_HEX, name):
            with suppress(ClipsimError):  # it cannot be read
                if is_left_over(name, Segment(folder, name).mark):
                    found += [path, f"{FOLDER}/{name}.npy"]
    return [path for path in found if path in paths]


def _is_older(location: Location, moment: float) -> bool:
    """Whether a file was written before a moment, in seconds since 1970; one of which that is not known was not."""
    with suppress(OSError):
        return 0 < storage.get_time(location) < moment * 1e9
    return False
