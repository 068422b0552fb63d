"""The folder of what a server is sent and makes of it: every file goes after a while, and all of them have a limit."""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from anyio.to_thread import run_sync
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clipsim.errors import DiskFullError

KEPT_SECONDS = 3600.0  # for which a file is kept after it was last used; a visitor's collection twice as long
YOUNG_SECONDS = 600.0  # for which a file is safe from those that need its place: longer than a request takes
EXAMPLES = "examples"  # the subfolder of the page's own pictures, which are few and nobody's secret
OWN = re.compile(r"own-[0-9a-f]{32}")  # the name of a subfolder that is a visitor's collection, and goes as a whole
FREE_BYTES = 100_000_000  # of the disk, which are left to others
BLOCK_BYTES = 4096  # of the disk, that the smallest file takes
RECOUNT_SECONDS = 5.0  # between two looks through the folder for somebody who finds it full


@dataclass(frozen=True, order=True)
class _Kept:
    """A file, or a visitor's collection as a whole: when it was last used, in how many bytes, and where it is."""

    used: float
    size: int
    path: Path


class UploadFolder:
    """The folder below which all lies that a server is sent and makes; the one place that deletes from it.

    Attributes:
        folder: where it is.
        after_sweep: what is called when files have gone.
    """

    def __init__(self, folder: Path, limit: int, kept_seconds: float = KEPT_SECONDS) -> None:
        """Keep at most `limit` bytes in `folder`, each file for `kept_seconds`; touch nothing yet."""
        self.folder, self._limit, self._kept_seconds = folder, limit, kept_seconds
        self.after_sweep: list[Callable[[], None]] = []
        self._young_seconds = min(YOUNG_SECONDS, kept_seconds)
        self._retry_after = max(1, round(self._young_seconds))  # by then all that is here may make room
        self._bytes = self._files = 0
        self._looked = -RECOUNT_SECONDS
        self._sweeping = threading.Lock()

    @property
    def size(self) -> tuple[int, int]:
        """How many files there are, and how many bytes, as of the last look and what came since."""
        return self._files, self._bytes

    def start(self) -> None:
        """Sweep now and then for as long as the process lives, in one thread."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # what visitors sent is nobody else's
        threading.Thread(target=self._run, daemon=True, name="sweeper").start()

    def use(self, file: Path) -> None:
        """Keep a file for as long as one that has just come: who uses it may go on doing so."""
        with suppress(OSError):
            # not at every use: with the time a file's digest would be forgotten too
            if time.time() - file.stat().st_mtime > self._kept_seconds / 2:
                os.utime(file)

    def sweep(self) -> None:
        """Delete all that was not used for too long, whoever wrote it: an earlier run, a request that was ended."""
        with self._sweeping:
            now, left = time.time(), []
            for kept in self._list():
                seconds = self._kept_seconds * (2 if OWN.fullmatch(kept.path.name) else 1)
                if now - kept.used <= seconds or not _delete(kept.path):
                    left.append(kept)
            self._delete_empty_folders(now - self._young_seconds)
            self._count(left)
        for call in self.after_sweep:
            call()

    def limit_collections(self, most: int, most_bytes: int) -> None:
        """Delete the collections of visitors that were used longest ago, until these are few and small enough."""
        with self._sweeping:
            kept = sorted(_look_at(path) for path in self.folder.iterdir() if OWN.fullmatch(path.name))
            count, total = len(kept), sum(one.size for one in kept)
            for oldest in kept[:-1]:  # the last one was made just now
                if count <= most and total <= most_bytes:
                    break
                if _delete(oldest.path):
                    count, total = count - 1, total - oldest.size
        for call in self.after_sweep:
            call()

    def check_room(self, size: int = 0) -> None:
        """Make room for `size` bytes where there is none: the files that were used longest ago go, but no young ones.

        Raises:
            DiskFullError: there is none for now.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._is_full(size) and time.monotonic() - self._looked > RECOUNT_SECONDS:
            self._make_room(size)
        if self._is_full(size):
            raise DiskFullError(self._retry_after)

    def grow(self, size: int) -> None:
        """Count bytes that are being written; raise a `DiskFullError` if they are too many."""
        self._bytes += size
        if self._bytes > self._limit:
            raise DiskFullError(self._retry_after)

    def _is_full(self, size: int) -> bool:
        return self._bytes + size > self._limit or shutil.disk_usage(self.folder).free < size + FREE_BYTES

    def _run(self) -> None:
        while True:
            with suppress(OSError):
                self.sweep()
            time.sleep(self._kept_seconds / 6)

    def _make_room(self, size: int) -> None:
        with self._sweeping:
            left, now = sorted(self._list()), time.time()
            self._count(left)
            while left and self._is_full(size) and now - left[0].used > self._young_seconds:
                oldest = left.pop(0)
                if _delete(oldest.path):
                    self._bytes -= oldest.size
                    self._files -= 1
        self._looked = time.monotonic()

    def _count(self, kept: list[_Kept]) -> None:
        self._files, self._bytes = len(kept), sum(one.size for one in kept)

    def _list(self) -> Iterator[_Kept]:
        """Yield what there is, without following a link."""
        for place, folders, files in os.walk(self.folder):
            top = Path(place) == self.folder
            whole = [name for name in folders if (top and OWN.fullmatch(name)) or (Path(place) / name).is_symlink()]
            folders[:] = [name for name in folders if name not in whole and not (top and name == EXAMPLES)]
            for path in (Path(place) / name for name in [*files, *whole]):
                with suppress(OSError):  # gone meanwhile
                    yield _look_at(path)

    def _delete_empty_folders(self, until: float) -> None:
        """Delete folders in which nothing is, but not those that were made just now, for something to be put there."""
        for place, _, _ in os.walk(self.folder, topdown=False):
            with suppress(OSError):  # gone meanwhile, or not empty
                if Path(place) != self.folder and Path(place).lstat().st_mtime < until:
                    Path(place).rmdir()


def _look_at(path: Path) -> _Kept:
    return _Kept(path.lstat().st_mtime, _measure(path), path)


def _measure(path: Path) -> int:
    """Return the bytes that a file, or all in a folder, takes at least."""
    if path.is_dir() and not path.is_symlink():
        return sum(_measure(one) for one in path.iterdir())
    return path.lstat().st_size + BLOCK_BYTES


def _delete(path: Path) -> bool:
    """Delete a file or a whole folder, and return whether it is gone."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError:
        return False
    return True


@dataclass
class Quota:
    """ASGI middleware: an upload for which there is no room is refused before it is read, or where it passes the limit.

    Attributes:
        app: what answers.
        folder: where uploads go.
        is_upload: says which calls are uploads.
    """

    app: ASGIApp
    folder: UploadFolder
    is_upload: Callable[[Scope], bool]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        if scope["type"] != "http" or not self.is_upload(scope):
            return await self.app(scope, receive, send)
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        try:
            await run_sync(self.folder.check_room, int(announced) if announced.isdigit() else 0)
        except DiskFullError as error:
            headers = {"retry-after": str(error.retry_after)}
            return await PlainTextResponse(str(error), error.http_status, headers)(scope, receive, send)

        async def count() -> Message:
            message = await receive()
            try:
                self.folder.grow(len(message.get("body", b"")))
            except DiskFullError as error:
                headers = {"retry-after": str(error.retry_after)}
                raise HTTPException(error.http_status, str(error), headers) from error
            return message

        return await self.app(scope, count, send)
