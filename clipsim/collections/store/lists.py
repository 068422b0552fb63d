"""The lists of a collection, of removed rows and of pictures that cannot be read, which grow by parts.

A part is a file that never changes. A new one takes in those before it that are no larger, so that there are few parts
(their number grows as the logarithm of the entries), and each entry is written but a few times.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from clipsim.collections.store.manifest import ListPart, Manifest
from clipsim.collections.store.segments import GoneError
from clipsim.embedding import Rejected
from clipsim.errors import ClipsimError
from clipsim.images import UNKNOWN, Location, storage

REMOVED, REJECTED = "removed", "rejected"  # kinds of lists
_NAMED = re.compile(r"[a-z]+-([0-9a-f]{64})\.json")
Removed = Mapping[str, np.ndarray]  # removed rows, rising, by the segment's id


@dataclass(frozen=True)
class FailedFile(Rejected):
    """A picture that could not be read; it is not tried again while its size and times, as of `File`, are the same."""

    size: int = UNKNOWN
    times: tuple[int, int] = (-1, -1)


def read_removed(folder: Location, manifest: Manifest) -> dict[str, np.ndarray]:
    """Return the removed rows, rising, by the segment's id, of segments that are part of the collection."""
    rows = dict(manifest.segments)
    found: dict[str, list[np.ndarray]] = {}
    for part in manifest.removed:
        entries = _read_part(folder, part.file)
        try:
            for name, places in entries.items() if isinstance(entries, dict) else entries:  # as of formats 1 and 2
                if name in rows:
                    found.setdefault(name, []).append(_check_places(places, rows[name]))
        except (ValueError, TypeError, OverflowError) as error:
            raise _explain(folder, part.file, error) from error
    return {name: np.unique(np.concatenate(places)) for name, places in found.items()}


def _check_places(places: Sequence[int], rows: int) -> np.ndarray:
    found = np.array(places, np.int64).reshape(-1)
    if len(found) and not 0 <= found.min() <= found.max() < rows:
        raise ValueError(f"it lists rows beyond the {rows} of a segment")
    return found


def read_failed(folder: Location, manifest: Manifest) -> list[FailedFile]:
    """Return the pictures that could not be read, in the order in which they were first listed."""
    found: dict[str, FailedFile] = {}
    for part in manifest.rejected:
        entries = _read_part(folder, part.file)
        try:
            failed = [FailedFile(**plain | {"times": tuple(plain["times"])}) for plain in entries]
            found |= {file.name: file for file in failed}
        except (KeyError, TypeError, ValueError) as error:
            raise _explain(folder, part.file, error) from error
    return [file for file in found.values() if file.reason]


def forget(name: str) -> FailedFile:
    """Return the entry that takes a picture off the list of those that cannot be read."""
    return FailedFile(name, "")


def append_removed(folder: Location, parts: tuple[ListPart, ...], removed: Removed) -> tuple[ListPart, ...]:
    """Write a part with removed rows, and return the parts with it."""
    return _append(folder, REMOVED, parts, [[name, rows.tolist()] for name, rows in removed.items() if len(rows)])


def append_failed(folder: Location, parts: tuple[ListPart, ...], failed: Sequence[FailedFile]) -> tuple[ListPart, ...]:
    """Write a part with pictures that cannot be read, or that are to be forgotten, and return the parts with it."""
    return _append(folder, REJECTED, parts, [asdict(file) for file in failed])


def _append(folder: Location, kind: str, parts: tuple[ListPart, ...], entries: list[Any]) -> tuple[ListPart, ...]:
    if not entries:
        return parts
    while parts and parts[-1].entries <= len(entries):
        before = _read_part(folder, parts[-1].file)
        entries = [*(map(list, before.items()) if isinstance(before, dict) else before), *entries]
        parts = parts[:-1]
    data = json.dumps(entries).encode()
    try:
        name = storage.write_by_digest(folder, f"{kind}-{{}}.json", lambda file: file.write(data))
    except OSError as error:
        raise ClipsimError(f"{folder} cannot be written to ({error.strerror or error}): make room there.") from error
    return (*parts, ListPart(name, len(entries)))


def check_part(folder: Location, name: str) -> None:
    """Raise a `ClipsimError` unless a part is as it was written."""
    _read_part(folder, name)


def _read_part(folder: Location, name: str) -> Any:
    try:
        data = storage.read(folder / name)
        named = _NAMED.fullmatch(name)
        if named and hashlib.sha256(data).hexdigest() != named[1]:
            raise ValueError("it is not as it was written")
        return json.loads(data)
    except (OSError, ValueError) as error:
        raise _explain(folder, name, error) from error


def _explain(folder: Location, name: str, error: Exception) -> ClipsimError:
    if isinstance(error, FileNotFoundError):
        return GoneError(f"{folder / name} is gone: open the collection again, or run index with --repair.")
    if isinstance(error, OSError):
        return ClipsimError(f"{folder / name} cannot be read ({error}): see that it can be reached.")
    return ClipsimError(f"{folder / name} is damaged ({error}): run index with --repair.")
