"""Bodies of requests: bounded in bytes, values, depth and time before anything reads them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from gradio.route_utils import API_PREFIX
from gradio_client.utils import is_file_obj_with_meta
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clipsim.errors import ClipsimError, LimitError, UsageError
from clipsim.settings import Limits
from clipsim.web.records import ErrorAnswer
from clipsim.web.refusals import WRONG_FORM

DEEPEST = 64  # levels of lists and objects in a call; the page's own have nine
MOST_VALUES = 100_000  # in a call; the page's own have a few thousand
PATIENCE = 60  # seconds for the next piece of a body
REST, FORM = "/v1", "multipart/form-data"
NO_FILE = "What is named files in an upload is no file: send it with a file name."
_AGENTS = f"{API_PREFIX}/mcp"
WITH_BODY = {"POST", "PUT", "PATCH", "DELETE"}


def route_path(scope: Scope) -> str:
    """Return the path of a request below the address at which the server is mounted."""
    return str(scope["path"]).removeprefix(scope.get("root_path", "").rstrip("/"))


def is_upload(scope: Scope) -> bool:
    """Return whether a request uploads files."""
    return scope["method"] == "POST" and route_path(scope) == f"{API_PREFIX}/upload"


def is_rest(scope: Scope) -> bool:
    """Return whether a call goes to the REST door, which reads bodies within limits itself."""
    return route_path(scope).startswith(f"{REST}/")


def is_form(scope: Scope) -> bool:
    """Return whether a call to the REST door sends files."""
    kind = Headers(scope=scope).get("content-type", "")
    return is_rest(scope) and scope["method"] == "POST" and kind.lower().startswith(FORM)


def refusal(error: ClipsimError) -> Response:
    """Return what a client is told instead of an answer; gradio's own look for the sentence in `detail`."""
    told = ErrorAnswer(str(error), error.code, uuid4().hex).to_dict()
    return JSONResponse({"detail": str(error), **told}, error.http_status)


def read_call(body: bytes) -> Any:
    """Return the JSON of a call.

    Raises:
        UsageError: it is not a JSON object, or holds what no client sends: too many values, or too deep.
    """
    if sum(body.count(mark) for mark in (b",", b"[", b"{")) > MOST_VALUES:
        raise UsageError(f"The call has more than {MOST_VALUES:,} values: send less at once.")
    try:
        call = json.loads(body)
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:  # bytes that are no text, and numbers of thousands of digits, among them
        raise UsageError("The call is not JSON: send an object in UTF-8.") from error
    if not isinstance(call, dict):
        raise UsageError("The call is not a JSON object: send one, as the API page shows.")
    level: list[Any] = [call]
    for _ in range(DEEPEST):
        level = [inner for value in level for inner in _inside(value)]
    if level:
        raise _too_deep()
    return call


def _too_deep() -> UsageError:
    return UsageError(f"The call is nested more than {DEEPEST} deep: send plain values.")


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


class Body:
    """The body of one request as it arrives, no more of it and no slower than may be.

    Attributes:
        refused: why the rest of it is not read.
    """

    def __init__(self, receive: Receive, headers: Headers, limits: Limits, upload: bool) -> None:
        """Take the pieces from `receive`; an upload may have all the files of a request, in twice as many parts."""
        self._receive, self._limits, self._upload = receive, limits, upload
        self._most = limits.images * limits.file_bytes if upload else limits.body_bytes
        _, options = parse_options_header(headers.get("content-type", ""))
        self._mark = b"--" + options.get(b"boundary", b"")
        self._tail = b""
        self._arrived = self._parts = 0
        self._complete = False
        self.refused: ClipsimError | None = None
        if headers.get("content-encoding", "identity") != "identity":
            self.refused = UsageError("A compressed body is not read: send it as it is.")
        announced = headers.get("content-length", "")
        if announced.isdecimal() and len(announced) < 20:
            self._count(int(announced))

    async def receive(self) -> Message:
        """Receive the next piece, as in ASGI.

        Raises:
            MultiPartException: the body is refused, or the client has gone; parsers of forms then clear up.
        """
        if self._complete:
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), PATIENCE)
        except TimeoutError:
            self.refused = ClipsimError(f"Nothing of the body came for {PATIENCE} s: send it again.", code="too_slow")
            raise MultiPartException(str(self.refused)) from None
        if message["type"] == "http.disconnect":
            raise MultiPartException("The client has gone.")
        piece = message.get("body", b"")
        self._arrived += len(piece)
        self._count(self._arrived)
        if self._upload:
            self._count_parts(piece)
        if self.refused:
            raise MultiPartException(str(self.refused))
        self._complete = not message.get("more_body", False)
        return message

    async def read(self) -> bytes:
        """Read the whole body."""
        pieces: list[bytes] = []
        while not self._complete:
            pieces.append((await self.receive()).get("body", b""))
        return b"".join(pieces)

    def _count(self, size: int) -> None:
        if size <= self._most:
            return
        if self._upload:
            sentence = f"The upload is longer than {self._most / 1e6:g} MB, the limit: upload fewer files at once."
            self.refused = UsageError(sentence, code="body_too_large")
        else:
            self.refused = LimitError("body_bytes", size, self._most)

    def _count_parts(self, piece: bytes) -> None:
        window = self._tail + piece  # a mark may be cut in two
        self._parts += window.count(self._mark)
        self._tail = window[len(window) - len(self._mark) + 1 :]
        if self._parts > 2 * self._limits.images:
            self.refused = LimitError("images", self._parts, self._limits.images)


@dataclass
class Bodies:
    """ASGI middleware: refuses a body before it is read into memory or onto the disk.

    Attributes:
        limits: how large a call, an upload and a file may be.
        uploads: the folder of the files that a call may name.
    """

    app: ASGIApp
    limits: Limits
    uploads: Path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] not in WITH_BODY or is_rest(scope):
            await self.app(scope, receive, send)
            return
        path, headers, upload = route_path(scope), Headers(scope=scope), is_upload(scope)
        body = Body(receive, headers, self.limits, upload)
        begun = False

        async def send_unless_refused(message: Message) -> None:
            nonlocal begun
            if begun or not body.refused:
                begun = True
                await send(message)

        is_call = not upload and (path.startswith(f"{API_PREFIX}/") or "json" in headers.get("content-type", ""))
        try:
            if not body.refused:
                source = await self._check(body, path) if is_call else body.receive
                await self.app(scope, source, send_unless_refused)
        except UsageError as error:
            body.refused = body.refused or error
        except (TypeError, AttributeError, ValueError):  # of gradio's and of MCP's, for values of another kind
            if begun or not (upload or path.startswith(_AGENTS)):
                raise
            body.refused = UsageError(NO_FILE if upload else WRONG_FORM)
        except MultiPartException:
            pass  # why is in `refused`, or else the client has gone
        if body.refused and not begun:
            text = PlainTextResponse(str(body.refused), body.refused.http_status)  # which the page shows
            await (text if upload else refusal(body.refused))(scope, receive, send)

    async def _check(self, body: Body, path: str) -> Receive:
        """Read and check a call, and return what gives it again; raise a `UsageError` for one that no client sends."""
        read = await body.read()
        if read:
            call = read_call(read)
            if path.startswith(_AGENTS):
                self._check_files(call)
        given: list[Message] = [{"type": "http.request", "body": read, "more_body": False}]

        async def give() -> Message:
            return given.pop() if given else await body.receive()

        return give

    def _check_files(self, call: Any) -> None:
        """Refuse files that were not uploaded: gradio's MCP tools would read them and upload them themselves."""
        values, root = [call], self.uploads.resolve()
        while values:
            value = values.pop()
            if is_file_obj_with_meta(value) and not Path(value["path"]).resolve().is_relative_to(root):
                raise UsageError("A file was not uploaded: upload it first, then score it.", code="not_uploaded")
            values += _inside(value)
