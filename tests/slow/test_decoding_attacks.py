"""Files that are made to cost much: a child process refuses or reads each within its time and memory."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from support.attacks import ATTACKS, saved

from clipsim import ImageError
from clipsim.images import Children, reduce
from clipsim.settings import Limits

LIMITS = Limits()
TICKS = os.sysconf("SC_CLK_TCK")


class Watched:
    """Children, with the most memory that they have had, and the most processor time that one of them has."""

    def __init__(self) -> None:
        self.children = Children(LIMITS.decode_seconds, LIMITS.decode_bytes)
        self.most_bytes = 0
        self.spent: dict[int, float] = {}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._done.wait(0.02):
            states = [state for pid in self.children.running if (state := self._measure(pid))]
            self.most_bytes = max(self.most_bytes, sum(size for size, _ in states))

    def _measure(self, pid: int) -> tuple[int, float] | None:
        try:
            after_name = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
        except OSError:  # it has ended
            return None
        self.spent[pid] = (int(after_name[11]) + int(after_name[12])) / TICKS
        return int(after_name[21]) * os.sysconf("SC_PAGESIZE"), self.spent[pid]

    def stop(self) -> None:
        self._done.set()
        self._thread.join()
        self.children.close()


@pytest.fixture
def watched() -> Iterator[Watched]:
    watched = Watched()
    yield watched
    watched.stop()


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_costs_no_more_than_is_allowed(watched: Watched, name: str) -> None:
    data = ATTACKS[name]()
    assert len(data) <= LIMITS.file_bytes
    try:
        small = watched.children(partial(reduce, side=100), data, name)
    except ImageError as error:
        assert error.name == name
    else:
        assert max(small.size) <= 100
    assert watched.most_bytes < 1_000_000_000
    assert max(watched.spent.values(), default=0) < LIMITS.decode_seconds + 2  # for its start
    assert watched.children(partial(reduce, side=9), saved("PNG"), "plain").size == (9, 7)
