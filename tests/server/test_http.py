"""The server's addresses as an attacker tries them: what is open, what is fetched, what is told, what is logged."""

from __future__ import annotations

import http.client
import json
import math
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from support.hostile import CAPTION, is_a_sentence, small_picture

from benchmarks.performance.load import Caller, Served
from clipsim.settings import Limits

API = "/gradio_api"
MARK = {"meta": {"_type": "gradio.FileData"}}
LIMITS = Limits()


@pytest.fixture
def http_client(served: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, timeout=30, trust_env=False) as client:
        yield client


def log_of(served: Served) -> str:
    return served.log.read_text()


# Fetching


class Listener:
    """A server of somebody else's, on this machine, that remembers who came.

    Attributes:
        address: under which it is reached.
        visits: how many connections there were.
    """

    def __init__(self) -> None:
        self.visits = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"

    def listen(self) -> None:
        with suppress(OSError):  # it was closed
            while True:
                connection, _ = self._socket.accept()
                self.visits += 1
                connection.close()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    one = Listener()
    threading.Thread(target=one.listen, daemon=True).start()
    yield one
    one.close()


def nested(place: str) -> list[Any]:
    """Values with an address or a path in them, as deep and as well hidden as gradio looks for it."""
    file: dict[str, Any] = {"path": place, **MARK}
    with_url = {"path": "x", "url": place, **MARK}
    return [
        file,
        with_url,
        {"url": place, **MARK},
        {"path": "x", "inner": file},
        {"path": "x", "inner": {"path": "x", "inner": [file, with_url]}},
        {"path": place, "meta": {"_type": "gradio.FileData", "inner": file}},
        {"image": file, "caption": None},
        {"image": {"path": "x", "inner": file, **MARK}, "caption": None},
        {"value": file, "__type__": "update"},
        [[[file]]],
        json.dumps(file),
        json.dumps([{"image": file}]),
        place,
    ]


def test_nothing_is_fetched_whatever_hides_an_address(http_client: httpx.Client, listener: Listener) -> None:
    addresses = [f"http://{listener.address}/x.jpg", f"HTTP://{listener.address}/x.jpg", f"//{listener.address}/x"]
    pages = http_client.get("/config").json()["dependencies"]
    for value in [value for address in addresses for value in nested(address)]:
        for name in ("similarity", "captions", "score"):
            _call(http_client, f"{API}/call/{name}", {"data": [value, CAPTION, value, "auto"]})
            _call(http_client, f"{API}/call/v2/{name}", {"pictures": [value], "caption": CAPTION, "reference": value})
        for name in ("search", "models"):
            _call(http_client, f"{API}/run/{name}", {"data": [value, value, value, 3, value]})
    for dependency in pages:  # everything that the page itself calls
        for value in nested(addresses[0])[3:9]:
            data = {"data": [value] * len(dependency["inputs"]), "fn_index": dependency["id"], "session_hash": "s"}
            http_client.post(f"{API}/queue/join", json=data | {"event_data": value, "trigger_id": 1})
    for address in addresses:
        for path in ("file=", "proxy=", "file/", "stream/"):
            http_client.get(f"{API}/{path}{address}")
        form = {"files": address, "url": address, "path": address}
        http_client.post(f"{API}/upload", files={"files": (address, b"x")}, data=form)
        for path in ("component_server", "stream/x", "reset", "process_recording"):
            http_client.post(f"{API}/{path}", json={"data": nested(address), "session_hash": "s", "event_id": address})
    time.sleep(1)
    assert listener.visits == 0


def _call(client: httpx.Client, path: str, body: dict[str, Any]) -> str:
    """What a call is answered, whether it is refused at once or waits."""
    posted = client.post(path, content=json.dumps(body), headers={"Content-Type": "application/json"})
    if "event_id" not in posted.text:
        return posted.text
    return client.get(f"{path.replace('/v2', '')}/{posted.json()['event_id']}").text


def test_a_picture_that_was_not_uploaded_is_not_read_at_any_depth(http_client: httpx.Client, tmp_path: Any) -> None:
    path = tmp_path / "private.png"
    path.write_bytes(small_picture(3))
    for value in nested(str(path)):
        text = _call(http_client, f"{API}/call/similarity", {"data": [[value], CAPTION, None, "auto"]})
        assert "cosine" not in text and ("event: error" in text or '"error"' in text), (value, text)


def test_tools_for_agents_read_no_file_that_was_not_uploaded(http_client: httpx.Client, tmp_path: Any) -> None:
    path = tmp_path / "private.png"
    path.write_bytes(small_picture(3))
    arguments = {"pictures": [], "caption": CAPTION, "extra": {"path": str(path), **MARK}}
    answer = _tool(http_client, "similarity", arguments)
    assert answer.status_code == httpx.codes.BAD_REQUEST and "was not uploaded" in answer.json()["error"]


def _tool(client: httpx.Client, name: str, arguments: dict[str, Any]) -> httpx.Response:
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
    return client.post(f"{API}/mcp/", json=call, headers={"Accept": "application/json, text/event-stream"})


# What is not a call

BROKEN: dict[str, bytes] = {
    "900 deep": b'{"data": ' + b"[" * 900 + b"]" * 900 + b"}",
    "100,000 deep": b'{"data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "objects 900 deep": b'{"data": [' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"]}",
    "many values": b'{"data": [' + b"0," * 200_000 + b"0]}",
    "too long a number": b'{"data": [' + b"9" * 5000 + b"]}",
    "an object for the list": b'{"data": {}}',
    "null": b"null",
    "a list": b"[]",
    "no keys": b"{}",
    "null for the list": b'{"data": null}',
    "no text": b'{"data": ["\xff\xfe"]}',
    "nothing": b"",
    "half": b'{"data": [',
}


@pytest.mark.parametrize("path", ["call/similarity", "call/models", "run/models", "queue/join", "cancel", "mcp/"])
@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_what_is_not_a_call_is_refused_in_a_sentence(
    served: Served, http_client: httpx.Client, path: str, body: bytes
) -> None:
    before = len(log_of(served))
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    answer = http_client.post(f"{API}/{path}", content=body, headers=headers)
    assert 400 <= answer.status_code < 500, answer.text
    error = answer.json()["error"]
    assert is_a_sentence(error if isinstance(error, str) else error["message"])
    assert "Traceback" not in log_of(served)[before:]


ODD_VALUES: list[Any] = [
    math.nan,
    math.inf,
    10**400,
    None,
    True,
    -1,
    10**15,
    1e300,
    "",
    "x",
    [],
    {},
    [None],
    {"path": None},
    {"meta": 3, "path": "x"},
]


@pytest.mark.parametrize(
    "name", ["similarity", "captions", "check", "compare", "pairs", "search", "models", "collections", "score"]
)
def test_values_of_any_kind_are_answered_in_sentences(served: Served, http_client: httpx.Client, name: str) -> None:
    before = len(log_of(served))
    for value in ODD_VALUES:
        for count in (0, 1, 4, 30):
            text = _call(http_client, f"{API}/call/{name}", {"data": [value] * count})
            assert '"error": null' not in text and "went wrong on the server" not in text, (value, count, text)
    assert "Traceback" not in log_of(served)[before:]


def test_who_does_not_know_the_endpoint_is_told_so(http_client: httpx.Client) -> None:
    unknown: list[tuple[str, dict[str, Any]]] = [
        (path, {}) for path in ("call/nosuch", "call/v2/nosuch", "run/nosuch", "api/nosuch")
    ]
    unknown += [("queue/join", {"fn_index": number, "session_hash": "s"}) for number in (9999, -1)]
    for path, more in unknown:
        answer = http_client.post(f"{API}/{path}", json={"data": []} | more)
        assert answer.status_code == httpx.codes.NOT_FOUND and is_a_sentence(answer.json()["error"])


# Answers


def test_an_answer_is_fetched_once_and_then_said_to_be_gone(caller: Caller) -> None:
    address = caller.begin([[], CAPTION, None, "auto"])
    event = address.rpartition("/")[2]
    assert caller.http.get(f"/call/compare/{event}").status_code == httpx.codes.GONE, "it is another endpoint's"
    assert "event: error" in caller.http.get(address).text
    for gone in (address, f"/call/v2/similarity/{event}", "/call/similarity/nosuch"):
        answer = caller.http.get(gone, timeout=5)
        assert answer.status_code == httpx.codes.GONE and is_a_sentence(answer.json()["error"])


def test_of_two_who_fetch_one_answer_none_waits_for_ever(caller: Caller, served: Served) -> None:
    many = caller.upload([(f"{i}.png", small_picture(i)) for i in range(60)])
    address = caller.begin([many, CAPTION, None, "auto"])
    statuses: list[int] = []
    readers = [threading.Thread(target=lambda: statuses.append(Caller(served.url).http.get(address).status_code))]
    readers += [threading.Thread(target=lambda: statuses.append(Caller(served.url).http.get(address).status_code))]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(60)
    assert sorted(statuses) == [httpx.codes.OK, httpx.codes.GONE]


# Names


@pytest.mark.parametrize("header", ["Host", "X-Forwarded-Host", "X-Forwarded-Server", "X-Gradio-Server"])
def test_no_request_names_the_server_for_another(served: Served, http_client: httpx.Client, header: str) -> None:
    name = "evil.example" if header != "X-Gradio-Server" else "http://evil.example"
    for path in (f"{API}/info", f"{API}/info?all_endpoints=true", "/", "/config"):
        poisoned = http_client.get(path, headers={header: name})
        assert poisoned.is_success and (header == "Host" or "evil.example" not in poisoned.text)
        assert "evil.example" not in http_client.get(path).text
    http_client.post(f"{API}/call/v2/models", json={}, headers={header: name})
    snippets = http_client.get(f"{API}/info").json()["named_endpoints"]["/similarity"]["code_snippets"]
    assert served.url in snippets["python"] and "evil.example" not in json.dumps(snippets)


def test_a_host_that_is_none_is_refused(http_client: httpx.Client) -> None:
    for name in ("a<script>", 'a"b', "a b", "a/../b", "a@b"):
        answer = http_client.get("/", headers={"Host": name})
        assert answer.status_code == httpx.codes.BAD_REQUEST, name


# Doors

CLOSED = """
/openapi.json /docs /redoc /monitoring /monitoring/summary /monitoring/x /login /logout /pwa_icon/9999 /x
/gradio_api/openapi.json /gradio_api/runs /gradio_api/runs/ /gradio_api/token /gradio_api/user /gradio_api/login_check
/gradio_api/dev/reload /gradio_api/deep_link?session_hash=x /gradio_api/queue/status /gradio_api/proxy=http://x
/gradio_api/file/x /gradio_api/vibe-code /gradio_api/run-history/buckets /gradio_api/custom_component/a/client/b/c
/gradio_api/stream/a/b/1/playlist.m3u8 /gradio_api/profiling/traces /%00 // /..%2f /%2e%2e/x /gradio_api/file=%00
"""
CLOSED_TO_POST = "process_recording component_server stream/x stream/x/close vibe-edit vibe-code undo-vibe-edit login"


def test_what_is_of_no_use_is_closed(served: Served, http_client: httpx.Client) -> None:
    before = len(log_of(served))
    for path in CLOSED.split():
        assert _raw(served, "GET", path).status == httpx.codes.NOT_FOUND, path
    for path in CLOSED_TO_POST.split():
        answer = http_client.post(f"{API}/{path}", json={})
        assert answer.status_code == httpx.codes.NOT_FOUND and is_a_sentence(answer.json()["error"])
    for method in ("TRACE", "PUT", "PATCH", "CONNECT"):
        assert _raw(served, method, "/").status == httpx.codes.NOT_FOUND
    logged = log_of(served)[before:]
    assert "ERROR" not in logged and "monitoring" not in logged and "/" not in logged, logged


def _raw(served: Served, method: str, path: str) -> http.client.HTTPResponse:
    """Ask for a path as it stands."""
    url = httpx.URL(served.url)
    connection = http.client.HTTPConnection(url.host, url.port, timeout=20)
    connection.request(method, path)
    return connection.getresponse()


def test_odd_questions_to_the_page_change_nothing(http_client: httpx.Client) -> None:
    plain = http_client.get("/").text
    for query in ("page=x", "page=../x&deep_link=../../x", "__theme=dark&view=api", "&".join(["a=b"] * 5000)):
        answer = http_client.get(f"/?{query}")
        assert answer.status_code == httpx.codes.OK and answer.text == plain


def test_lines_and_control_characters_do_not_reach_the_log(served: Served, http_client: httpx.Client) -> None:
    before = len(log_of(served))
    odd = "forged%0a2026-01-01%20ERROR%20%1b[31m"
    for path in (f"/{odd}", f"{API}/custom_component/{odd}/client/b/c", f"{API}/file={odd}", f"{API}/call/{odd}/{odd}"):
        http_client.get(path)
    _call(http_client, f"{API}/call/similarity", {"data": [["x\nforged"], "a\nforged\x1b[31m", None, "auto\nforged"]})
    http_client.post(f"{API}/queue/join", json={"data": ["\nforged"], "fn_index": 1, "session_hash": "\nforged"})
    http_client.post(f"{API}/upload", files=[("files", ("a\nforged.png", b"x"))])
    assert "forged" not in log_of(served)[before:] and "\x1b" not in log_of(served)[before:]


def test_a_file_in_an_event_that_was_not_uploaded_is_refused_without_a_trace(
    served: Served, http_client: httpx.Client
) -> None:
    before = len(log_of(served))
    for dependency in http_client.get("/config").json()["dependencies"]:
        body = {"data": [], "fn_index": dependency["id"], "event_data": {"path": "/etc/forged", "a": ["forged"]}}
        answer = http_client.post(f"{API}/run/predict", json=body | {"session_hash": "s"})
        assert "/etc/forged" not in answer.text or is_a_sentence(answer.json()["error"])
    logged = log_of(served)[before:]
    assert "Traceback" not in logged and "forged" not in logged


def test_what_agents_send_in_another_form_is_refused_and_not_logged(served: Served, http_client: httpx.Client) -> None:
    before = len(log_of(served))
    for call in (
        {"jsonrpc": 1, "id": ["forged"]},
        {"jsonrpc": "2.0", "id": 1, "method": "forged", "params": ["forged"]},
    ):
        accept = {"Accept": "application/json, text/event-stream"}
        assert http_client.post(f"{API}/mcp/", json=call, headers=accept).status_code < 500
    params = {"name": {"forged": 1}, "arguments": "forged"}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    http_client.post(f"{API}/mcp/", json=call, headers={"Accept": "application/json, text/event-stream"})
    assert "forged" not in log_of(served)[before:]


# Headers


def test_every_response_says_what_it_may_do(http_client: httpx.Client, caller: Caller) -> None:
    markup = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    files = [("a.svg", markup), ("a.html", markup), ("a.xml", markup), ("a.jpg", markup), ("a", markup), ("a.js", b"1")]
    served_files = [f"{API}/file={file['path']}" for file in caller.upload(files)]
    for path in ("/", "/config", f"{API}/info", "/nosuch", "/theme.css", "/favicon.ico", *served_files):
        headers = http_client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff", path
        policy = headers["content-security-policy"]
        assert "object-src 'none'" in policy or "default-src 'none'" in policy
        assert headers["referrer-policy"] == "same-origin" and "camera=(self)" in headers["permissions-policy"]
        if path in served_files:
            assert "sandbox" in policy
            kind = headers["content-type"]
            assert headers["content-disposition"].startswith("attachment") or kind.startswith("image/jpeg")
        else:
            assert "sandbox" not in policy and "frame-ancestors *" in policy, "other pages embed it"


# Bodies


def test_the_limit_of_a_call_holds_for_every_address(http_client: httpx.Client) -> None:
    large = b'{"data": ["' + bytes(LIMITS.body_bytes) + b'"]}'
    for path in ("call/upload", "call/similarity", "queue/join", "run/x/upload", "mcp/upload"):
        with suppress(httpx.WriteError, httpx.ReadError):  # it may not wait for the rest
            answer = http_client.post(f"{API}/{path}", content=large, headers={"Content-Type": "application/json"})
            assert answer.status_code in (httpx.codes.REQUEST_ENTITY_TOO_LARGE, httpx.codes.NOT_FOUND)


def test_an_upload_of_many_files_is_refused_and_leaves_none(served: Served, http_client: httpx.Client) -> None:
    before = {path for path in served.uploads.rglob("*") if path.is_file()}
    files = [("files", (f"{i}.png", b"x%d" % i)) for i in range(2 * LIMITS.images + 5)]
    answer = http_client.post(f"{API}/upload", files=files)
    assert answer.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE and "pictures" in answer.text
    assert {path for path in served.uploads.rglob("*") if path.is_file()} == before


def test_an_upload_that_is_broken_off_leaves_no_file(served: Served) -> None:
    before = {path for path in served.uploads.rglob("*") if path.is_file()}
    url = httpx.URL(served.url)
    head = (
        f"POST {API}/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nContent-Type: multipart/form-data; "
        'boundary=b\r\n\r\n--b\r\nContent-Disposition: form-data; name="files"; filename="half.jpg"\r\n\r\n'
    )
    with socket.create_connection((url.host, url.port or 80)) as connection:
        connection.sendall(head.encode() + bytes(500_000))
        time.sleep(0.5)
    until = time.monotonic() + 10
    while time.monotonic() < until and {path for path in served.uploads.rglob("*") if path.is_file()} != before:
        time.sleep(0.1)
    assert {path for path in served.uploads.rglob("*") if path.is_file()} == before


def test_names_of_files_stay_below_their_folder_and_are_plain(served: Served, http_client: httpx.Client) -> None:
    names = [
        "../../../x.png",
        "/etc/x.png",
        "..\\..\\x.png",
        "a\x00b.png",
        "<img src=x>.png",
        "." * 300,
        "",
        "x" * 9000,
    ]
    for name in names:
        answer = http_client.post(f"{API}/upload", files=[("files", (name, small_picture(1)))])
        assert answer.status_code < 500, name
        if answer.is_success:
            for path in answer.json():
                assert re.fullmatch(rf"{re.escape(str(served.uploads))}/[0-9a-f]{{64}}/[^/\n\0<>]+", path), path


def test_a_compressed_body_is_refused_in_a_sentence(http_client: httpx.Client) -> None:
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    answer = http_client.post(f"{API}/call/similarity", content=b"\x1f\x8b", headers=headers)
    assert answer.status_code == httpx.codes.BAD_REQUEST and is_a_sentence(answer.json()["error"])
