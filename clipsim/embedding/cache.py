"""Vectors that were computed once: kept by what they were made of, bounded in bytes, least recently used first out.

Only vectors and a few words about them are kept, never a picture or a caption: a key is a digest of these.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from clipsim.embedding.framing import PREPARATION
from clipsim.errors import UsageError
from clipsim.settings import Limits

OVERHEAD = 200  # bytes of an entry beside its own: the key, the index
FREED = 0.1  # share of the cache that is freed at once when it is full
SCHEMA = """
PRAGMA journal_mode=WAL;
PRAGMA synchronous=OFF;  -- what a power cut takes is computed anew
CREATE TABLE IF NOT EXISTS vectors
    (key BLOB PRIMARY KEY, used INTEGER, size INTEGER, width INTEGER, vectors BLOB, about TEXT);
CREATE INDEX IF NOT EXISTS by_use ON vectors (used);
"""


class Cached(Protocol):
    """A model whose answers are kept: an encoder's vectors, a judge's probabilities; see `Encoder` for the fields."""

    name: str
    device: str
    precision: str
    revision: str

    @property
    def derived(self) -> dict[Any, Any]:
        """Where its cache is."""


class VectorCache:
    """Arrays by key, in memory or in a file. One instance may be shared between threads, a file between processes."""

    def __init__(self, max_bytes: int, path: Path | str = ":memory:") -> None:
        """Open the file, or create it if it is missing; a `UsageError` if it is no such cache, or cannot be written."""
        self.max_bytes = max_bytes
        self._lock = threading.Lock()
        try:
            self._rows = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
            self._rows.executescript(SCHEMA)
            (self._clock,) = self._rows.execute("SELECT COALESCE(MAX(used), 0) FROM vectors").fetchone()
            self.bytes = self._sum_sizes()
            self.hits = self.misses = 0  # of what was looked for
        except sqlite3.Error as error:
            raise UsageError(f"{path} cannot be used to keep vectors ({error}): name another file.") from error

    def get(self, key: bytes) -> tuple[np.ndarray, Any] | None:
        """Return the array, float32 of shape (n, width), and what was put beside it; None if there is no such key."""
        with self._lock:
            row = self._rows.execute("SELECT width, vectors, about FROM vectors WHERE key = ?", (key,)).fetchone()
            self.hits, self.misses = self.hits + bool(row), self.misses + (not row)
            if row:
                self._clock += 1
                self._rows.execute("UPDATE vectors SET used = ? WHERE key = ?", (self._clock, key))
        return (np.frombuffer(row[1], np.float32).reshape(-1, row[0]), json.loads(row[2])) if row else None

    def put(self, key: bytes, vectors: np.ndarray, about: Any = None) -> None:
        """Keep an array of shape (n, width) and something that JSON can hold."""
        data, text = np.ascontiguousarray(vectors, np.float32).tobytes(), json.dumps(about)
        size = len(data) + len(text) + OVERHEAD
        if size > self.max_bytes:
            return
        with self._lock:
            self._clock += 1
            row = (key, self._clock, size, vectors.shape[1], data, text)
            added = self._rows.execute("INSERT OR IGNORE INTO vectors VALUES (?, ?, ?, ?, ?, ?)", row).rowcount
            self.bytes += size if added else 0
            if self.bytes > self.max_bytes:
                self._make_room()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._rows.close()

    def _make_room(self) -> None:
        surplus = self._sum_sizes() - (1 - FREED) * self.max_bytes
        self._rows.execute(
            "DELETE FROM vectors WHERE key IN (SELECT key FROM "
            "(SELECT key, SUM(size) OVER (ORDER BY used, key) - size AS older FROM vectors) WHERE older < ?)",
            (surplus,),
        )
        self.bytes = self._sum_sizes()

    def _sum_sizes(self) -> int:
        # other processes may have written to the file too
        return int(self._rows.execute("SELECT COALESCE(SUM(size), 0) FROM vectors").fetchone()[0])


def cache_of(encoder: Cached) -> VectorCache:
    """Return the cache of a model's vectors: the one that `use_cache` gave it, else one in memory of its own."""
    if "cache" not in encoder.derived:
        use_cache(encoder, VectorCache(Limits.from_environment().cache_bytes))
    cache: VectorCache = encoder.derived["cache"]
    return cache


def use_cache(encoder: Cached, cache: VectorCache) -> None:
    """Keep a model's vectors in `cache` from now on; several models may share one."""
    encoder.derived["cache"] = cache


def vector_key(encoder: Cached, parts: Iterable[str | bytes]) -> bytes:
    """Return what vectors are kept under: a digest of the encoder, and of the parts that it read.

    Encoders that give the same vectors count as the same, by their weights where these are known.
    """
    kind = encoder.device.partition(":")[0]
    known = f"{PREPARATION} {encoder.name} {encoder.revision} {kind} {encoder.precision}"
    model = known if encoder.revision else str(encoder.derived.setdefault("serial", uuid.uuid4().hex))
    digest = hashlib.sha256()
    for part in (model, *parts):
        data = part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.digest()
