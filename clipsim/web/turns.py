"""A lock for which nobody waits longer than those before them take."""

from __future__ import annotations

import threading
from collections import deque


class Turns:
    """A lock that goes to those who wait for it in the order in which they came: one of Python's goes to anybody.

    Who holds it for one piece of work after the other lets others have it in between.
    """

    def __init__(self) -> None:
        """Begin with nobody who waits."""
        self._waiting: deque[threading.Event] = deque()  # the first one holds it
        self._changing = threading.Lock()

    def __enter__(self) -> None:
        """Wait for one's turn."""
        mine = threading.Event()
        with self._changing:
            self._waiting.append(mine)
            if self._waiting[0] is mine:
                mine.set()
        mine.wait()

    def __exit__(self, *_: object) -> None:
        """Let the next one have it."""
        with self._changing:
            self._waiting.popleft()
            if self._waiting:
                self._waiting[0].set()
