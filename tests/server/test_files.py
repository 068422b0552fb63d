"""Files of a server: nothing that a visitor sent, or that was made of it, outlives the promised time."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from support import EXAMPLES, ROOT, Server, call, serving
from support.hostile import small_picture

KEPT_SECONDS = 3
CAPTION = "a golden retriever"


@contextmanager
def serving_for_seconds(
    folders: pytest.TempPathFactory, uploads: Path, settings: dict[str, str] | None = None
) -> Iterator[Server]:
    """A server that keeps files for seconds, in a folder that may hold some already; it ends without warning."""
    environment = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]), "GRADIO_TEMP_DIR": str(uploads)}
    command: list[str | Path] = [sys.executable, "-m", "support.swept_page", str(KEPT_SECONDS)]
    with serving(folders, environment | (settings or {}), command) as server:
        yield Server(server.url, uploads)


def list_files(uploads: Path) -> list[Path]:
    """What is in the folder but the page's own pictures."""
    return [path for path in uploads.rglob("*") if path.relative_to(uploads).parts[0] != "examples"]


def wait_for_none(uploads: Path) -> list[Path]:
    until = time.monotonic() + 10 * KEPT_SECONDS
    while (left := list_files(uploads)) and time.monotonic() < until:
        time.sleep(0.2)
    return left


def send_all_kinds(url: str) -> None:
    """An upload, one under another field name, one that is aborted, and an answer for which files are made."""
    with httpx.Client(base_url=f"{url}/gradio_api", timeout=60, trust_env=False) as http:
        (path,) = http.post("/upload", files=[("files", ("one.png", small_picture(1)))]).json()
        http.post("/upload", files=[("other", ("two.png", small_picture(2)))])
        http.post("/upload", files=[("files", ("../.hidden", EXAMPLES[0].read_bytes()))])
    head = (
        "POST /gradio_api/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
        'Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\nContent-Disposition: form-data; name="files"; '
        'filename="half.jpg"\r\n\r\n'
    )
    address = urlsplit(url)
    with socket.create_connection((str(address.hostname), address.port or 80)) as connection:
        connection.sendall(head.encode() + bytes(500_000))
        time.sleep(0.5)
    server = Server(url, Path())
    picture = {"image": {"path": path, "meta": {"_type": "gradio.FileData"}}, "caption": None}
    assert "event: complete" in call(server, "score", [[picture], "caption", CAPTION, [], "auto"])


def test_nothing_is_left_after_the_promised_time_whoever_wrote_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    uploads = tmp_path_factory.mktemp("kept")
    with serving_for_seconds(tmp_path_factory, uploads) as server:
        send_all_kinds(server.url)
        assert len([path for path in list_files(uploads) if path.is_file()]) >= 6
        assert wait_for_none(uploads) == []
        send_all_kinds(server.url)
    assert list_files(uploads), "the server ended before it could sweep"
    with serving_for_seconds(tmp_path_factory, uploads):
        assert wait_for_none(uploads) == []


def test_a_full_folder_refuses_uploads_with_a_sentence_until_there_is_room(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    uploads = tmp_path_factory.mktemp("kept")
    files = [("files", ("half.bin", bytes(600_000)))]
    with serving_for_seconds(tmp_path_factory, uploads, {"CLIPSIM_DISK_BYTES": "1000000"}) as server:
        address = f"{server.url}/gradio_api/upload"
        assert httpx.post(address, files=files, trust_env=False).status_code == 200
        other = [("files", ("other.bin", b"x" * 600_000))]
        refusal = httpx.post(address, files=other, trust_env=False)
        assert refusal.status_code == 507 and refusal.headers["retry-after"] == str(KEPT_SECONDS)
        assert "no room for more files: ask again in 3 s" in refusal.text
        until = time.monotonic() + 10 * KEPT_SECONDS
        while httpx.post(address, files=other, trust_env=False).status_code != 200:
            assert time.monotonic() < until
            time.sleep(0.5)
