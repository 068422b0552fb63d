"""What is done of a list, in one file beside the output: a run that was killed goes on where it stopped.

SQLite keeps rows and vectors of a block together or not at all. Vectors are kept because a picture that went through
the model with others has other last digits: whoever goes on would write figures that differ by 1e-7.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from filelock import FileLock, Timeout

from clipsim.embedding import VectorCache
from clipsim.errors import ClipsimError
from clipsim.pairs.results import PairScore

MOST_BYTES = 20_000_000_000  # of vectors, beyond which the oldest make room
ENDINGS = ("", "-wal", "-shm")  # of the files that SQLite keeps
_TABLES = """
CREATE TABLE IF NOT EXISTS about (text TEXT);
CREATE TABLE IF NOT EXISTS blocks (number INTEGER PRIMARY KEY, count INTEGER, rows BLOB);
"""
Lookup: TypeAlias = Callable[[bytes], "tuple[np.ndarray, Any] | None"]


def find_nothing(key: bytes) -> None:  # a place where there is nothing to find
    """Find nothing."""


class Progress(VectorCache):
    """Scored blocks, and a cache of vectors that changes only together with them."""

    def __init__(self, path: Path | str, task: str, further: Lookup = find_nothing) -> None:
        """Open the file of a task, whose description is `task`; what another task left there is dropped.

        What is not among its vectors is looked for by `further`.
        """
        super().__init__(MOST_BYTES, path)
        self._further = further
        self._rows.executescript(_TABLES)
        known = self._rows.execute("SELECT text FROM about").fetchone()
        self.is_new = known is None
        self.dropped = known is not None and known[0] != task
        if self.dropped:
            self._rows.executescript("DELETE FROM about; DELETE FROM blocks; DELETE FROM vectors;")
        if self.is_new or self.dropped:
            self._rows.execute("INSERT INTO about VALUES (?)", (task,))

    def get(self, key: bytes) -> tuple[np.ndarray, Any] | None:
        """Return what is known under a key, here or further on."""
        return super().get(key) or self._further(key)

    @property
    def done(self) -> tuple[int, int]:
        """How many blocks are done, and of how many rows."""
        count, rows = self._rows.execute("SELECT COUNT(*), COALESCE(SUM(count), 0) FROM blocks").fetchone()
        return int(count), int(rows)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Keep everything that is put while this lasts, or nothing."""
        with self._lock:
            self._rows.execute("BEGIN")
        try:
            yield
        except BaseException:
            with self._lock:
                self._rows.execute("ROLLBACK")
            raise
        with self._lock:
            self._rows.execute("COMMIT")

    def add(self, number: int, scores: Sequence[PairScore]) -> None:
        """Keep the scores of a block."""
        rows = zlib.compress(json.dumps([astuple(one) for one in scores]).encode("utf-8", "surrogatepass"), 1)
        with self._lock:
            self._rows.execute("INSERT INTO blocks VALUES (?, ?, ?)", (number, len(scores), rows))

    def scores(self) -> Iterator[PairScore]:
        """Return all scores, in the order of the list; one block is held at a time."""
        number = 0
        while row := self._rows.execute("SELECT rows FROM blocks WHERE number = ?", (number,)).fetchone():
            yield from (PairScore(*one) for one in json.loads(zlib.decompress(row[0])))
            number += 1


@contextmanager
def open_progress(path: Path | None, task: str, further: Lookup = find_nothing) -> Iterator[Progress]:
    """Open the progress of a task, which is removed when all is done and stays after an error; None keeps nothing.

    Raises:
        ClipsimError: another process works on the same output.
    """
    if path is None:
        work = Progress("", task, further)  # SQLite's own temporary file
        try:
            yield work
        finally:
            work.close()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(f"{path.name}.lock"), timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise ClipsimError(f"Another process writes what {path} belongs to: wait for it.") from error
    try:
        work = Progress(path, task, further)
        try:
            yield work
        finally:
            work.close()
        for ending in ENDINGS:
            path.with_name(path.name + ending).unlink(missing_ok=True)
    finally:
        lock.release()
        path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
