"""Vectors that were computed once: kept by what they were made of, bounded in bytes, least recently used first out.

Only vectors and a few words about them are kept, never a picture or a caption: a key is a digest of these.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import sqlite3
import threading
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from clipsim.encoders import Encoder
from clipsim.errors import ClipsimError
from clipsim.limits import LIMITS

VERSION = 1  # of what a vector stands for: a change of how pictures are read or framed needs another one
FILE_BYTES = 2_000_000_000  # of a file that is kept
OVERHEAD = 200  # bytes of an entry beside its own: the key, the index
ROOM = 0.1  # share that is freed at once when the cache is full
_SERIALS: WeakKeyDictionary[Encoder, str] = WeakKeyDictionary()
_count = itertools.count()
_PROCESS = uuid.uuid4().hex


class Cache:
    """Arrays by key, in memory or in a file. One instance may be shared between threads, a file between processes."""

    def __init__(self, most_bytes: int, path: Path | str = ":memory:") -> None:
        """Open the file, made if it is missing.

        Raises:
            ClipsimError: the file is not such a cache, or cannot be written.
        """
        self.most_bytes = most_bytes
        self._lock = threading.Lock()
        try:
            self._rows = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
            self._rows.execute("PRAGMA journal_mode=WAL")
            self._rows.execute("PRAGMA synchronous=OFF")  # what a power cut takes is computed anew
            self._rows.execute(
                "CREATE TABLE IF NOT EXISTS vectors "
                "(key BLOB PRIMARY KEY, used INTEGER, size INTEGER, width INTEGER, vectors BLOB, about TEXT)"
            )
            self._rows.execute("CREATE INDEX IF NOT EXISTS by_use ON vectors (used)")
            self._clock, self.bytes = self._rows.execute(
                "SELECT COALESCE(MAX(used), 0), COALESCE(SUM(size), 0) FROM vectors"
            ).fetchone()
        except sqlite3.Error as error:
            raise ClipsimError(f"{path} cannot be used to keep vectors ({error}): name another file.") from error

    def get(self, key: bytes | None) -> tuple[np.ndarray, Any] | None:
        """The array, float32 of shape (n, width), and what was put beside it."""
        if key is None:
            return None
        with self._lock:
            found = self._rows.execute("SELECT width, vectors, about FROM vectors WHERE key = ?", (key,)).fetchone()
            if found:
                self._clock += 1
                self._rows.execute("UPDATE vectors SET used = ? WHERE key = ?", (self._clock, key))
        return (np.frombuffer(found[1], np.float32).reshape(-1, found[0]), json.loads(found[2])) if found else None

    def put(self, key: bytes | None, vectors: np.ndarray, about: Any = None) -> None:
        """Keep an array of shape (n, width) and something that JSON can hold."""
        if key is None:
            return
        data, text = np.ascontiguousarray(vectors, np.float32).tobytes(), json.dumps(about)
        size = len(data) + len(text) + OVERHEAD
        if size > self.most_bytes:
            return
        with self._lock:
            self._clock += 1
            row = (key, self._clock, size, vectors.shape[1], data, text)
            added = self._rows.execute("INSERT OR IGNORE INTO vectors VALUES (?, ?, ?, ?, ?, ?)", row).rowcount
            self.bytes += size if added else 0
            if self.bytes > self.most_bytes:
                self._make_room()

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._rows.execute("DELETE FROM vectors")
            self.bytes = 0

    def _make_room(self) -> None:
        # other processes may have written to the file too
        (self.bytes,) = self._rows.execute("SELECT COALESCE(SUM(size), 0) FROM vectors").fetchone()
        oldest = self._rows.execute("SELECT key, size FROM vectors ORDER BY used").fetchall()
        surplus = self.bytes - (1 - ROOM) * self.most_bytes
        for key, size in oldest:
            if surplus <= 0:
                break
            self._rows.execute("DELETE FROM vectors WHERE key = ?", (key,))
            self.bytes -= size
            surplus -= size


_current = Cache(LIMITS.cache_bytes)


def current() -> Cache:
    """The cache that all of this process shares."""
    return _current


def keep_in(path: Path) -> None:
    """Keep vectors in a file from now on, for later runs.

    Raises:
        ClipsimError: as `Cache`.
    """
    global _current  # noqa: PLW0603  # one cache for all is the point
    _current = Cache(FILE_BYTES, path)


def key(encoder: Encoder, parts: Iterable[str | bytes]) -> bytes | None:
    """What vectors are kept under: a digest of the encoder and of what it read. None for an encoder that is no key."""
    whose = _identity(encoder)
    if whose is None:
        return None
    digest = hashlib.sha256()
    for part in (whose, *parts):
        data = part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.digest()


def _identity(encoder: Encoder) -> str | None:
    """The same for encoders that give the same vectors: by their weights where these are known, else each its own."""
    revision = getattr(encoder, "revision", "")
    if revision:
        kind, precision = encoder.device.partition(":")[0], getattr(encoder, "precision", "full")
        return f"{VERSION} {encoder.name} {revision} {kind} {precision}"
    try:
        return _SERIALS.setdefault(encoder, f"{_PROCESS} {next(_count)}")
    except TypeError:  # not hashable, as a plain dataclass
        return None
