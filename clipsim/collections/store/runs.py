"""Which run wrote a file: a mark by which others on this machine see that a run is over, and what it left.

A run holds a lock for as long as its process lives, however that ends, and the lock's name is its mark. Beside it lies
a list of the segments that were about to be committed, which are not to be removed so soon: a manifest that names them
may have been lost. What else bears the mark of a run that is over nobody will commit.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

import huggingface_hub
from filelock import FileLock, Timeout

KEPT = 2 * 86_400.0  # seconds after which the lock of a run that is over is removed: none of its files is left then


@cache
def get_mark() -> str:
    """Return the mark of this process, which is taken at the first call; "" where no lock can be kept."""
    return _hold_lock()[0]


@cache
def _hold_lock() -> tuple[str, FileLock | None]:
    mark = uuid.uuid4().hex
    try:
        _remove_old(_find_folder())
        lock = FileLock(_find_folder() / mark)
        lock.acquire()
    except OSError:
        return "", None
    return mark, lock


def _forget(mark: str) -> None:
    for path in (_find_folder() / mark, _name_list(mark)):
        with suppress(OSError):
            path.unlink(missing_ok=True)


def note_committed(segments: Iterable[str]) -> None:
    """Note which segments this process is about to commit."""
    if not (mark := get_mark()):
        return
    try:
        with _name_list(mark).open("a", encoding="utf-8") as file:
            file.writelines(f"{name}\n" for name in segments)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        _forget(mark)  # without the list nothing may be removed


def is_left_over(segment: str, mark: str) -> bool:
    """Return whether a segment with a run's mark is of no use: the run was on this machine, and ended without it."""
    path = _find_folder() / mark
    if not mark.isalnum() or mark == get_mark() or not path.exists() or not _is_free(path):
        return False
    try:
        return segment not in _name_list(mark).read_text("utf-8").split()
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _is_free(path: Path) -> bool:
    try:
        with FileLock(path, timeout=0):
            return True
    except (OSError, Timeout):
        return False


def _find_folder() -> Path:
    return Path(huggingface_hub.cached_assets_path("clipsim", "runs", "locks"))


def _name_list(mark: str) -> Path:
    return _find_folder() / f"{mark}.committed"


def _remove_old(folder: Path) -> None:
    for path in folder.iterdir():
        with suppress(OSError):
            if not path.suffix and path.stat().st_mtime < time.time() - KEPT and _is_free(path):
                _forget(path.name)
