"""The folder of uploads: what is old goes, whoever wrote it; what is full makes room of the oldest, or says so."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Message, Scope

from clipsim.errors import DiskFullError
from clipsim.web.sweeper import BLOCK_BYTES, KEPT_SECONDS, YOUNG_SECONDS, Quota, UploadFolder

OWN = "own-" + "0" * 32


def write(file: Path, age: float = 0, size: int = 1) -> Path:
    """A file that was last written `age` seconds ago."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x" * size)
    then = time.time() - age
    os.utime(file, (then, then))
    os.utime(file.parent, (then, then))
    return file


@pytest.fixture
def folder(tmp_path: Path) -> UploadFolder:
    return UploadFolder(tmp_path / "uploads", 1_000_000)


def test_what_is_old_goes_whoever_wrote_it(folder: UploadFolder) -> None:
    old, young = KEPT_SECONDS + 1, KEPT_SECONDS - 10
    upload = write(folder.folder / "a" / "old.png", old)
    aborted = write(folder.folder / "tmp123", old)
    kept = write(folder.folder / "b" / "young.png", young)
    folder.sweep()
    folder.sweep()  # an emptied folder goes once nothing is put there any more
    assert not upload.exists() and not aborted.exists() and kept.exists()
    assert folder.size == (1, 1 + BLOCK_BYTES)


def test_emptied_folders_go_but_none_that_was_made_just_now(tmp_path: Path) -> None:
    folder = UploadFolder(tmp_path, 1_000_000, kept_seconds=0.1)
    write(tmp_path / "a" / "b" / "old.png", 10)
    folder.sweep()
    (tmp_path / "new").mkdir()
    folder.sweep()
    assert (tmp_path / "new").is_dir()
    time.sleep(0.2)
    for _ in range(3):
        folder.sweep()
        time.sleep(0.2)
    assert list(tmp_path.iterdir()) == []


def test_a_link_goes_and_what_it_leads_to_stays(folder: UploadFolder, tmp_path: Path) -> None:
    outside = write(tmp_path / "kept" / "old.png", KEPT_SECONDS * 9)
    folder.folder.mkdir()
    (folder.folder / "link").symlink_to(outside.parent)
    os.utime(folder.folder / "link", (0, 0), follow_symlinks=False)
    folder.sweep()
    assert outside.exists() and not (folder.folder / "link").is_symlink()


def test_a_visitors_collection_goes_as_a_whole_and_later(folder: UploadFolder) -> None:
    part = write(folder.folder / OWN / "collection" / "segment", KEPT_SECONDS * 9)
    os.utime(folder.folder / OWN, (time.time() - KEPT_SECONDS * 1.5,) * 2)
    folder.sweep()
    assert part.exists(), "its own time counts, not that of its files"
    os.utime(folder.folder / OWN, (time.time() - KEPT_SECONDS * 2.5,) * 2)
    folder.sweep()
    assert not (folder.folder / OWN).exists()


def test_the_pages_own_pictures_stay(folder: UploadFolder) -> None:
    picture = write(folder.folder / "examples" / "cat.jpg", KEPT_SECONDS * 9)
    hidden = write(folder.folder / "a" / "examples" / "cat.jpg", KEPT_SECONDS * 9)
    folder.sweep()
    assert picture.exists() and not hidden.exists()


def test_what_is_used_stays_as_if_it_had_just_come(folder: UploadFolder) -> None:
    used = write(folder.folder / "a" / "used.png", KEPT_SECONDS - 1)
    folder.use(used)
    assert time.time() - used.stat().st_mtime < 60
    young = write(folder.folder / "b" / "young.png", KEPT_SECONDS / 3)
    before = young.stat()
    folder.use(young)
    assert young.stat().st_ctime_ns == before.st_ctime_ns, "or its digest would be computed at every use"
    folder.use(folder.folder / "gone.png")


def test_room_is_made_of_the_oldest_but_not_of_young_files(tmp_path: Path) -> None:
    folder = UploadFolder(tmp_path, 28_000)  # with their blocks the files take 27,288
    oldest, old = (write(tmp_path / f"{age}", YOUNG_SECONDS + age, 5_000) for age in (90, 9))
    young = write(tmp_path / "young", 5, 5_000)
    folder.sweep()
    folder.check_room(500)
    assert oldest.exists()
    folder.check_room(2_000)
    assert not oldest.exists() and old.exists() and young.exists()
    with pytest.raises(DiskFullError, match=r"no room for more files: ask again in 600 s") as full:
        UploadFolder(tmp_path, 28_000).check_room(29_000)
    assert full.value.retry_after == YOUNG_SECONDS


def test_a_full_disk_is_told_whatever_the_limit_says(tmp_path: Path) -> None:
    with pytest.raises(DiskFullError):
        UploadFolder(tmp_path, 10**18).check_room(10**17)


def test_one_thread_sweeps_and_calls_those_who_want_to_know(tmp_path: Path) -> None:
    folder = UploadFolder(tmp_path / "new", 1_000_000, kept_seconds=0.3)
    swept = threading.Event()
    folder.after_sweep.append(swept.set)
    before = threading.active_count()
    folder.start()
    assert threading.active_count() == before + 1
    old = write(tmp_path / "new" / "old.png")
    assert folder.folder.stat().st_mode & 0o077 == 0
    until = time.monotonic() + 10
    while old.exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not old.exists() and swept.is_set()


async def _read(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


def _upload(folder: UploadFolder, chunks: list[bytes], announced: bool = True) -> tuple[int, dict[bytes, bytes], bytes]:
    """Status, headers and body of the answer to an upload that comes in these chunks."""
    app = Quota(Starlette(routes=[Route("/upload", _read, methods=["POST"])]), folder, bool)
    headers = [(b"content-length", str(sum(map(len, chunks))).encode())] if announced else []
    scope: Scope = {"type": "http", "method": "POST", "path": "/upload", "headers": headers, "query_string": b""}
    coming = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    coming.append({"type": "http.request", "body": b"", "more_body": False})
    sent: list[Message] = []

    async def receive() -> Message:
        return coming.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


@pytest.mark.parametrize("announced", [True, False])
def test_an_upload_that_there_is_no_room_for_is_refused_and_told_when_to_come_again(
    tmp_path: Path, announced: bool
) -> None:
    chunks = [b"x" * 3_000, b"x" * 3_000]
    assert _upload(UploadFolder(tmp_path, 10_000), chunks, announced)[0] == 200
    status, headers, body = _upload(UploadFolder(tmp_path, 5_000), chunks, announced)
    assert (status, headers[b"retry-after"]) == (507, b"600")
    assert body == b"There is no room for more files: ask again in 600 s."
