"""Decoding in processes of its own, so that a stranger's picture costs a server no more than it is allowed to.

Nothing large crosses the border: a child opens the picture, does the work on it, and hands back what that made.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

from clipsim.errors import ClipsimError, ImageError
from clipsim.images.decoding import Decoder, Here, T, Work
from clipsim.images.jobs import ALL, READY, Job, Reply, pack
from clipsim.images.reading import Source

START_SECONDS = 60.0  # until a child is there, on the busiest machine
SHARED = 6  # times the processor time that a picture may take on a clock, where others have the processor too
# One thread and one heap, and large blocks go back to the system at once: what is left of a picture is little.
SMALL = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "16000000",
    "MALLOC_TRIM_THRESHOLD_": "32000000",
}


def make_decoder(seconds: int, most_bytes: int) -> Decoder:
    """Return `Children` of that time and memory where the system can hold them to it, else `Here`."""
    return Children(seconds, most_bytes) if os.name == "posix" else Here()


@dataclass(eq=False)
class _Claim:
    """Somebody who waits for a child and so many bytes."""

    owner: int
    size: int


class Children:
    """A `Decoder` whose pictures are decoded by child processes, which are started when they are first needed.

    All of them together take no more than so many bytes beside what they take when they do nothing. Each picture begins
    with an even part of that; one that takes more waits until so much is free, and a child that takes too long or too
    much is ended and replaced. Whoever has the fewest bytes has the next child, and one request cannot have all.
    """

    def __init__(self, seconds: float, most_bytes: int, count: int = min(8, os.cpu_count() or 1) + 1) -> None:
        """Take `seconds` of processor time a picture at most, and `most_bytes` in `count` children together."""
        self._seconds, self._most, self._count = seconds, most_bytes, count
        self._part = most_bytes // count
        self._changed = threading.Condition()
        self._waiting: list[_Claim] = []
        self._held: Counter[int] = Counter()  # bytes, by owner
        self._turns: dict[int, int] = {}  # when an owner was last served, until it neither waits nor holds
        self._turn = self._working = 0
        self._idle: list[_Child] = []
        self._all: set[_Child] = set()
        self.close = weakref.finalize(self, _end_all, self._all)  # which an exit of Python calls too

    def __call__(self, work: Work[T], source: Source, name: str, owner: object = None, /) -> T:
        """Return what the work makes of a picture, as `Decoder` says."""
        owner = object() if owner is None else owner
        who = id(owner)  # not every object has a hash; this one lives until the call ends
        left, allowed = float(self._seconds), self._part
        while True:
            with self._child(who, allowed) as child:
                reply = child.ask(Job(work, source, name, left, allowed, self._most), SHARED * left)
            if reply.error:
                raise reply.error
            if not reply.needs:
                value: T = reply.value
                return value
            left -= reply.spent
            if left <= 0 or allowed == self._most or ALL > reply.needs > self._most:
                raise ImageError(
                    name, f"{self._explain(left, child)}: make it smaller first, or save it as JPEG or PNG"
                )
            allowed = min(self._most, max(reply.needs, 2 * allowed))

    def _explain(self, left: float, child: _Child) -> str:
        """Return why a picture is given up, with so many seconds left, after a last try by that child."""
        if left <= 0:
            return f"takes longer than {self._seconds:g} s to decode"
        if child in self._all:
            return f"takes more memory than {self._most / 1e6:.0f} MB to decode"
        return "breaks the program that decodes it"

    @property
    def running(self) -> list[int]:
        """Return the ids of the processes that there are now."""
        return [child.process.pid for child in list(self._all)]

    @contextmanager
    def _child(self, owner: int, size: int) -> Iterator[_Child]:
        """Wait for a child's turn to work on a picture of an owner, within so many bytes."""
        claim = _Claim(owner, size)
        with self._changed:
            self._waiting.append(claim)
            try:
                self._changed.wait_for(lambda: self._find_next() is claim)
            finally:
                self._waiting.remove(claim)
            self._turn += 1
            self._turns[owner] = self._turn
            self._held[owner] += size
            self._working += 1
            self._changed.notify_all()  # there may be room for another
        child = None
        try:
            child = self._take()
            yield child
        finally:
            with self._changed:
                if child in self._all:
                    self._idle.append(child)
                self._working -= 1
                self._held[owner] -= size
                if not self._held[owner]:
                    del self._held[owner]
                    if all(one.owner != owner for one in self._waiting):
                        del self._turns[owner]
                self._changed.notify_all()

    def _find_next(self) -> _Claim | None:
        """Return whose turn it is, unless there is no room for it yet; nobody overtakes it meanwhile."""
        spare = self._most - self._part
        ready = [one for one in self._waiting if (held := self._held[one.owner]) == 0 or held + one.size <= spare]
        first = min(ready, key=lambda one: (self._held[one.owner], self._turns.get(one.owner, 0)), default=None)
        free = self._most - self._held.total()
        return first if first and self._working < self._count and first.size <= free else None

    def _take(self) -> _Child:
        """Return a child that is ready: one that waits, or a new one in place of those that have ended."""
        while True:
            with self._changed:
                child = self._idle.pop() if self._idle else None
            fresh = child is None
            child = child or _Child(self._all)
            if child.wait_until_ready():
                return child
            if fresh:
                raise ClipsimError("The process that decodes pictures does not start: see the server's log.")


class _Child:
    """One process, used by one thread at a time; it is in `family` as long as it is there."""

    def __init__(self, family: set[_Child]) -> None:
        """Start it."""
        here, there = socket.socketpair()
        with here, there:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "clipsim.images.child", str(there.fileno())],
                pass_fds=[there.fileno()],
                stdin=subprocess.DEVNULL,
                # it finds what this process finds, from wherever that was started
                env=os.environ | SMALL | {"PYTHONPATH": os.pathsep.join(path or os.curdir for path in sys.path)},
            )
            self._connection = Connection(here.detach())
        self._family = family
        family.add(self)

    def wait_until_ready(self) -> bool:
        """Return whether it is ready for a job; if not, it has ended."""
        with suppress(EOFError, OSError):
            if self._connection.poll(START_SECONDS) and self._connection.recv_bytes() == READY:
                return True
        self.end()
        return False

    def ask(self, job: Job, seconds: float) -> Reply:
        """Return the reply to a job; if there is none within so many seconds, or ever, end the process."""
        late = False
        try:
            self._connection.send_bytes(pack(job))
            if self._connection.poll(seconds):
                reply: Reply = pickle.loads(self._connection.recv_bytes())
                return reply
            late = True
        except (EOFError, OSError):  # it has ended, by itself or by the system
            with suppress(subprocess.TimeoutExpired):
                late = self.process.wait(1) == -signal.SIGPROF
        self.end()
        return Reply(needs=ALL, spent=job.seconds if late else 0.0)

    def end(self) -> None:
        """End the process at once."""
        self.process.kill()
        self.process.wait()
        self._connection.close()
        self._family.discard(self)


def _end_all(family: set[_Child]) -> None:
    for child in list(family):
        child.end()
