"""Answers that wait to be fetched, as gradio's queue keeps them: within a time, and within a number of bytes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from gradio.utils import LRUCache

from clipsim.web.sizes import measure

MOST_SESSIONS = 2000  # whose messages are kept, as in gradio
MOST_BYTES = 64_000_000  # of answers that nobody has fetched yet: 25 of a hundred pictures, at least
MOST_SECONDS = 600.0  # for which somebody who asked may take to fetch the answer
READING_SECONDS = 2.0  # after a message, for which somebody counts as connected who does not wait for the next one yet


class Messages(asyncio.Queue[Any]):
    """The messages to one session.

    Attributes:
        size: about how many bytes the answers among them take.
        since: since when there are any, or none was fetched.
    """

    def __init__(self, grown: Callable[[], None] = lambda: None) -> None:
        """Begin with none, and call `grown` when there is one more."""
        super().__init__()
        self._grown = grown
        self.size, self.since = 0, time.monotonic()
        self._readers, self._read = 0, -READING_SECONDS

    def is_read(self) -> bool:
        """Return whether someone waits for a message, or did a moment ago."""
        return self._readers > 0 or time.monotonic() - self._read < READING_SECONDS

    async def get(self) -> Any:
        """Wait for the next message."""
        self._readers += 1
        try:
            return await super().get()
        finally:
            self._readers -= 1
            self._read = time.monotonic()

    # the next two are there for those who extend the queue, as its source says

    def _put(self, item: Any) -> None:
        super()._put(item)
        if size := _measure(item):
            self.since = self.since if self.size else time.monotonic()
            self.size += size
            self._grown()

    def _get(self) -> Any:
        item = super()._get()
        self.size -= _measure(item)
        self.since = time.monotonic()
        return item


class Unfetched(LRUCache[str, Any]):
    """Takes the place of gradio's messages by session, of which it keeps two thousand however large they are."""

    def __init__(
        self,
        forget: Callable[[str], object] = lambda _: None,
        most_bytes: int = MOST_BYTES,
        most_seconds: float = MOST_SECONDS,
    ) -> None:
        """Keep answers of so many bytes, each so long; what else is known of their sessions is left to `forget`."""
        super().__init__(MOST_SESSIONS)
        self._forget, self._most_bytes, self._most_seconds = forget, most_bytes, most_seconds

    def __setitem__(self, session: str, _: Any) -> None:
        """Begin to keep the messages to a session."""
        super().__setitem__(session, Messages(self.drop))

    def __missing__(self, session: str) -> Messages:
        """Return what takes the messages to a session that is no longer kept, for nobody."""
        return Messages()

    def popitem(self, last: bool = True) -> tuple[str, Any]:
        """Drop a session, the oldest unless it is the `last`."""
        session, messages = super().popitem(last)
        self._forget(session)
        return session, messages

    def drop(self) -> None:
        """Drop answers that nobody has fetched for too long, and the oldest where all together are too large."""
        waiting = sorted((one.since, session) for session, one in list(self.items()) if one.size)
        total = sum(self[session].size for _, session in waiting)
        for since, session in waiting:
            if since < time.monotonic() - self._most_seconds or total > self._most_bytes:
                total -= self.pop(session, Messages()).size
                self._forget(session)


def _measure(message: Any) -> int:
    output = getattr(message, "output", None)
    return measure(output) if output else 0
