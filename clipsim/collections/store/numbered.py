"""Numbered manifests as files: sealed, so that damage is found, and each number written by one writer only.

`manifest-7.json` is created on the condition that there is none, which every disk and object store can tell: of several
writers one has made state 7, and the others go on from that. `manifest.json` says which the newest one is, so that one
that is missing is noticed, and for what cannot list a folder, such as a web server.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clipsim.images import Location, storage

POINTER = "manifest.json"  # in formats 1 and 2 the only manifest
KEPT = 3  # newest manifests that are kept, with all files that they name
_NUMBERED = re.compile(r"manifest-(\d{1,18})\.json")
_SEAL = "sha256"  # the last entry: of the JSON text without it


def name_manifest(number: int) -> str:
    """Return the name of the manifest with a number."""
    return f"manifest-{number}.json"


def seal(plain: Mapping[str, Any]) -> bytes:
    """Return entries as JSON text with their SHA-256 as the last one."""
    digest = hashlib.sha256(_dump(plain)).hexdigest()
    return _dump({**plain, _SEAL: digest})


def unseal(data: bytes) -> dict[str, Any]:
    """Return the entries of sealed text; a `ValueError` if a byte of it has changed."""
    plain = json.loads(data)
    entries = {key: value for key, value in plain.items() if key != _SEAL} if isinstance(plain, dict) else {}
    if seal(entries) != data:
        raise ValueError("it is not as it was written")
    return entries


def _dump(plain: Mapping[str, Any]) -> bytes:
    return json.dumps(plain, indent=1).encode()


def list_numbers(folder: Location) -> list[int]:
    """Return the numbers of the manifests in a folder, the newest first; none where it cannot be listed."""
    try:
        found = map(_NUMBERED.fullmatch, storage.list_names(folder))
    except OSError:
        return []
    return sorted((int(match[1]) for match in found if match), reverse=True)


def probe_numbers(folder: Location, start: int) -> list[int]:
    """Return the numbers of the manifests from `start` on, the newest first, in a folder that cannot be listed."""
    number = start
    while storage.exists(folder / name_manifest(number)):
        number += 1
    return list(range(number - 1, start - 1, -1))


def create(folder: Location, number: int, data: bytes) -> bool:
    """Write a manifest, and return whether it is this one's: False if another writer was first.

    Raises:
        OSError: it cannot be written.
    """
    path = folder / name_manifest(number)
    try:
        storage.create(path, data)
        if isinstance(path, Path):
            return True
        # some stores look whether there is one and write it later: then the last of two that are quick has its way
    except OSError as error:  # stores say in several ways that there is one, or that another is writing it
        taken = isinstance(error, FileExistsError) or "conflict" in str(error).lower()
        if not taken and not storage.exists(path):
            raise
    try:
        # and what a store took while its answer was lost on the way is refused when it is sent again
        return storage.read(path) == data
    except FileNotFoundError:
        return False  # others have pruned it


def prune(folder: Location) -> None:
    """Remove all but the last manifests, the oldest first, which `Writer` relies on.

    Raises:
        OSError: one cannot be removed.
    """
    for number in reversed(list_numbers(folder)[KEPT:]):
        storage.remove(folder / name_manifest(number))
