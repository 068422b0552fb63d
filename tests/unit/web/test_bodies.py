"""What of a body is refused before it is read."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from clipsim.errors import UsageError
from clipsim.settings import Limits
from clipsim.web.bodies import DEEPEST, MOST_VALUES, Bodies, read_call


def test_a_call_as_clients_send_it_is_read() -> None:
    assert read_call(b'{"data": [[{"path": "x"}], "a cat", null, NaN]}')["data"][:2] == [[{"path": "x"}], "a cat"]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b'{"data": ' + b"[" * DEEPEST + b"]" * DEEPEST + b"}", "deep"),
        (b'{"data": ' + b"[" * 99_000 + b"]" * 99_000 + b"}", "deep"),
        (b'{"data": [' + b"0," * MOST_VALUES + b"0]}", "values"),
        (b'{"data": [' + b"1" * 5000 + b"]}", "not JSON"),
        (b"\xff{}", "not JSON"),
        (b"[]", "not a JSON object"),
    ],
    ids=["one too deep", "far too deep", "values", "digits", "no text", "a list"],
)
def test_what_no_client_sends_is_refused_with_the_reason(body: bytes, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        read_call(body)


def answer(limits: Limits, path: str, pieces: list[bytes], kind: str, announced: int = -1) -> tuple[int, bytes, int]:
    """Status and body of the answer to a body that comes in pieces, and how many of them were taken."""
    told: dict[str, Any] = {"status": 0, "body": b"", "taken": 0}

    async def echo(scope: Any, receive: Any, send: Any) -> None:
        assert scope["path"] == path
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"taken"})

    async def receive() -> dict[str, Any]:
        piece = pieces[told["taken"]]
        told["taken"] += 1
        return {"type": "http.request", "body": piece, "more_body": told["taken"] < len(pieces)}

    async def send(message: dict[str, Any]) -> None:
        told["status"] = message.get("status", told["status"])
        told["body"] += message.get("body", b"")

    headers = [(b"content-type", kind.encode())]
    headers += [(b"content-length", b"%d" % announced)] if announced >= 0 else []
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
    asyncio.run(Bodies(echo, limits, Path("/nowhere"))(scope, receive, send))  # type: ignore[arg-type]
    return told["status"], told["body"], told["taken"]


def test_a_body_that_is_announced_as_too_long_is_not_read() -> None:
    status, body, taken = answer(Limits(body_bytes=10), "/x", [b"1"], "text/plain", announced=11)
    assert status == 413 and b"limit" in body and taken == 0


def test_a_body_that_announces_nothing_is_read_up_to_the_limit() -> None:
    status, body, taken = answer(Limits(body_bytes=10), "/x", [b"12345"] * 9, "text/plain")
    assert status == 413 and b"limit" in body and taken == 3


def test_an_upload_has_as_many_parts_as_pictures_are_allowed_twice() -> None:
    part = b"--b\r\nContent-Disposition: form-data; name=files; filename=a\r\n\r\nx\r\n"
    upload = ("/gradio_api/upload", "multipart/form-data; boundary=b")
    few = [b"".join([part] * 3)[i : i + 5] for i in range(0, 3 * len(part), 5)]  # marks are cut in two
    assert answer(Limits(images=2), upload[0], [*few, b"--b--"], upload[1])[0] == 200
    status, body, _ = answer(Limits(images=2), upload[0], [*few, *few], upload[1])
    assert status == 413 and b"pictures" in body
