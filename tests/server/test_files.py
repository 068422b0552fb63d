"""Files of a server: nothing that a visitor sent, or that was made of it, outlives the promised time."""

from __future__ import annotations

import os
import re
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
    folders: pytest.TempPathFactory,
    uploads: Path,
    settings: dict[str, str] | None = None,
    seconds: int = KEPT_SECONDS,
) -> Iterator[Server]:
    """A server that keeps files for seconds, in a folder that may hold some already; it ends without warning."""
    environment = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]), "GRADIO_TEMP_DIR": str(uploads)}
    command: list[str | Path] = [sys.executable, "-m", "support.swept_page", str(seconds)]
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
        assert len([path for path in list_files(uploads) if path.is_file()]) >= 5
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
    # long enough for two uploads on a busy machine
    with serving_for_seconds(tmp_path_factory, uploads, {"CLIPSIM_DISK_BYTES": "1000000"}, seconds=20) as server:
        address = f"{server.url}/gradio_api/upload"
        assert httpx.post(address, files=files, trust_env=False).status_code == 200
        other = [("files", ("other.bin", b"x" * 600_000))]
        refusal = httpx.post(address, files=other, trust_env=False)
        assert refusal.status_code == 507 and refusal.headers["retry-after"] == "20"
        assert "no room for more files: ask again in 20 s" in refusal.text
        until = time.monotonic() + 90
        while httpx.post(address, files=other, trust_env=False).status_code != 200:
            assert time.monotonic() < until
            time.sleep(0.5)


def ask_as_the_page(url: str, count: int, headers: dict[str, str]) -> str:
    """What the page is sent for a click on its button with `count` pictures: all messages, as text."""
    with httpx.Client(base_url=url, timeout=120, trust_env=False, headers=headers) as http:
        page = http.get("/config").json()
        components = {component["id"]: component["props"] for component in page["components"]}
        button, pictures = (
            next(number for number, props in components.items() if props.get("elem_id") == name)
            for name in ("score", "pictures")
        )
        click = next(one for one in page["dependencies"] if [button, "click"] in one["targets"])
        files = [("files", (f"{number}.jpg", small_picture(number))) for number in range(count)]
        paths = http.post("/gradio_api/upload", files=files).json()
        sent = [{"image": {"path": path, "meta": {"_type": "gradio.FileData"}}, "caption": None} for path in paths]
        values = [sent if number == pictures else components[number].get("value") for number in click["inputs"]]
        caption = next(number for number, props in components.items() if props.get("elem_id") == "caption")
        values[click["inputs"].index(caption)] = CAPTION
        asked = {"data": values, "fn_index": click["id"], "session_hash": "page", "trigger_id": button}
        http.post("/gradio_api/queue/join", json=asked).raise_for_status()
        return http.get("/gradio_api/queue/data", params={"session_hash": "page"}).text


def test_an_answer_names_its_pictures_where_the_visitor_finds_them(server: Server) -> None:
    sent = ask_as_the_page(server.url, 12, {})
    assert "process_completed" in sent and "data:image" not in sent and len(sent) < 200_000
    named = set(re.findall(rf"{server.url}/gradio_api/file=[^\"\\ ]+/shown/[0-9a-f]+\.jpeg", sent))
    assert len(named) >= 12
    for address in named:
        picture = httpx.get(address, trust_env=False)
        assert picture.status_code == 200 and picture.headers["content-type"] == "image/jpeg"


def test_behind_a_proxy_pictures_are_named_as_visitors_reach_them_and_nothing_gets_out_of_the_address(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with serving(tmp_path_factory, {"CLIPSIM_PROXIES": "1"}) as server:
        check_named_behind_a_proxy(server)


def check_named_behind_a_proxy(server: Server) -> None:
    sent = ask_as_the_page(server.url, 2, {"x-forwarded-host": "clipsim.example", "x-forwarded-proto": "https"})
    assert "https://clipsim.example/gradio_api/file=" in sent and "http://127" not in sent.replace(server.url, "")
    sent = ask_as_the_page(server.url, 2, {"x-forwarded-host": 'x"onerror="alert(1)'})
    assert r"src=\"http://x&quot;onerror=&quot;" in sent and r"src=\"http://x\"" not in sent
