"""What is being scored for whom, so that who asked for it can end it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from clipsim.errors import ClipsimError, Code

MOST_WAITING = 1000  # sessions whose end is remembered: more than a queue holds

# whether the client of the request that is being answered is still there to get the answer; always, where nobody says
still_wanted: ContextVar[Callable[[], bool]] = ContextVar("still_wanted", default=lambda: True)


class CancelledError(ClipsimError):
    """The visitor ended what was being scored."""

    code: Code = "cancelled"


class Run:
    """One request that is being scored."""

    def __init__(self) -> None:
        """Begin it."""
        self._ended = threading.Event()

    def end(self) -> None:
        """Let the next `check` raise."""
        self._ended.set()

    def check(self) -> None:
        """Raise a `CancelledError` if it was ended."""
        if self._ended.is_set():
            raise CancelledError("Cancelled.")


class Runs:
    """The requests that are being scored, each under the name of its visitor's session."""

    def __init__(self) -> None:
        """Begin with none."""
        self._running: dict[str, Run] = {}
        self._ended: dict[str, None] = {}  # sessions whose request still waits in the queue, the oldest first
        self._changing = threading.Lock()

    @contextmanager
    def begin(self, session: str) -> Iterator[Run]:
        """Begin a request of a session, which may have been ended while it waited; it is forgotten once it is done."""
        run = Run()
        with self._changing:
            self._running[session] = run
            if session in self._ended:
                del self._ended[session]
                run.end()
        try:
            yield run
        finally:
            with self._changing:
                if self._running.get(session) is run:
                    del self._running[session]

    def end(self, session: str) -> None:
        """End what the session has running, or else what it has waiting."""
        with self._changing:
            if session in self._running:
                self._running[session].end()
                return
            self._ended[session] = None
            while len(self._ended) > MOST_WAITING:
                del self._ended[next(iter(self._ended))]
