"""What stands between the network and gradio's routes: which of them are open, to whose name they answer, and how."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gradio.route_utils import API_PREFIX
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clipsim.errors import ClipsimError, UsageError
from clipsim.web.bodies import Bodies, is_form, is_upload, refusal, route_path
from clipsim.web.health import CountErrors
from clipsim.web.preview import LinkPreview
from clipsim.web.service import Service
from clipsim.web.sweeper import Quota

_LOOKED_AT = {"GET", "HEAD"}
# what the page, pages that embed it, and the clients of Python and JavaScript ask for; all else of gradio's is closed
OPEN = {
    "GET": re.compile(
        r"/?|/config/?|/theme\.css|/favicon\.ico|/robots\.txt|/manifest\.json|/pwa_icon|/preview\.jpg"
        r"|/(?:assets|static|svelte)/.+"
        rf"|{API_PREFIX}/(?:info/?|app_id/?|theme\.css|startup-events|upload_progress|queue/data)"
        rf"|{API_PREFIX}/(?:heartbeat/[^/]+|call/(?:v2/)?[^/]+/[^/]+|file=.+)"
        rf"|{API_PREFIX}/mcp(?:/.*)?",
    ),
    "POST": re.compile(
        rf"{API_PREFIX}/(?:upload|queue/join|cancel|reset/?|(?:call/v2|call|run|api)/[^/]+/?|mcp(?:/.*)?)"
    ),
    "DELETE": re.compile(rf"{API_PREFIX}/mcp(?:/.*)?"),
}
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._-]+)(?::[0-9]{1,5})?")
_FILE = f"{API_PREFIX}/file="
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|[/\\]{2}")  # of another host, or of a drive or share of Windows
_FORWARDED = {b"x-forwarded-host", b"x-forwarded-proto"}  # by which gradio makes its own address
_CALL = re.compile(rf"{API_PREFIX}/call/(?:v2/)?([^/]+)/([^/]+)")
_LOG = logging.getLogger(__name__)
_EVERY = re.compile(rb"(?:^|&)all_endpoints=[^&]")

# Gradio writes scripts into its page and makes functions of text (gr.HTML's js_on_load); the address field fetches
# pictures from any host, in the visitor's browser.
PAGE_POLICY = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src * data: blob:",
        "worker-src 'self' blob: data:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors *",
    ]
)
FILE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(self), geolocation=(), microphone=(), payment=(), usb=()",
}


def middlewares(service: Service, routes: Sequence[BaseRoute] = ()) -> list[Middleware]:
    """Return what every request passes, the outermost first; `routes` are those that are not gradio's."""
    return [
        Middleware(CountErrors, metrics=service.metrics),
        Middleware(SafeHeaders),
        Middleware(Doors, routes=routes, behind_proxy=service.limits.proxies > 0 or bool(os.environ.get("SPACE_ID"))),
        Middleware(Bodies, limits=service.limits, uploads=service.uploads),
        Middleware(Quota, folder=service.files, is_upload=lambda scope: is_upload(scope) or is_form(scope)),
        Middleware(LinkPreview),
        Middleware(Streams),
        Middleware(Answers),
    ]


@dataclass
class SafeHeaders:
    """ASGI middleware: tells browsers what a response may do."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        policy = FILE_POLICY if route_path(scope).startswith(_FILE) else PAGE_POLICY

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS | {"content-security-policy": policy})
            await send(message)

        await self.app(scope, receive, send_with_headers)


@dataclass
class Doors:
    """ASGI middleware: lets in what clients need, under a name that is one.

    Attributes:
        routes: those that are not gradio's.
        behind_proxy: whether a proxy, a Space's or the operator's own, says under which name the server was asked.
    """

    app: ASGIApp
    routes: Sequence[BaseRoute] = ()
    behind_proxy: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            self._check(scope)
        except ClipsimError as error:
            await refusal(error)(scope, receive, send)
            return
        if scope["method"] == "HEAD" and route_path(scope) in ("", "/"):  # for which gradio would make the whole page
            await Response(media_type="text/html")(scope, receive, send)
            return
        await self.app(self._tidy(scope), receive, send)

    def _check(self, scope: Scope) -> None:
        names = [value for name, value in scope["headers"] if name == b"host"]
        if not all(_HOST.fullmatch(name) for name in names):
            raise UsageError("The Host header is not the name of a host.")
        path, method = route_path(scope), scope["method"]
        allowed = OPEN.get("GET" if method in _LOOKED_AT else method)
        own = any(route.matches(scope)[0] != Match.NONE for route in self.routes)
        if not own and not (allowed and allowed.fullmatch(path)):
            raise UsageError("There is nothing at this address: see the API page.", code="not_found")
        if path.startswith(_FILE) and (_ADDRESS.match(path, len(_FILE)) or "\0" in path):
            raise UsageError("This is no file of the server, and addresses are not fetched.", code="not_found")

    def _tidy(self, scope: Scope) -> Scope:
        """Return a request without what gradio would believe of it, or remember of it for others."""
        path = route_path(scope)
        disbelieved = {b"x-gradio-server", *(() if self.behind_proxy else _FORWARDED)}
        changed: dict[str, Any] = {"headers": [pair for pair in scope["headers"] if pair[0] not in disbelieved]}
        if path in ("", "/") or path.startswith("/config"):
            changed["query_string"] = (
                b""  # `page` and `deep_link`, which the page has not; the rest is read in browsers
            )
        elif path.startswith(f"{API_PREFIX}/info"):
            # what is told of a page is made for each request; what is told without one, once for all
            every = _EVERY.search(scope["query_string"])
            changed["query_string"] = b"page=&all_endpoints=true" if every else b"page="
        return {**scope, **changed}


@dataclass
class Answers:
    """ASGI middleware: a call that is not there, or whose answer was fetched, is answered so; gradio would wait."""

    app: ASGIApp
    reading: set[str] = field(default_factory=set)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        fetched = _CALL.fullmatch(route_path(scope)) if scope["method"] == "GET" else None
        if not fetched:
            await self.app(scope, receive, send)
            return
        name, event = fetched.groups()
        if event in self.reading or not is_awaited(scope["app"].get_blocks()._queue, name, event):
            sentence = "There is no such call, or its answer was fetched already: call again."
            await refusal(UsageError(sentence, code="not_kept"))(scope, receive, send)
            return
        self.reading.add(event)
        try:
            await self.app(scope, receive, send)
        finally:
            self.reading.discard(event)


def is_awaited(queue: Any, name: str, event_id: str) -> bool:
    """Return whether gradio's queue has, or will have, an answer of the endpoint for who asks for this call."""
    if queue.event_analytics.get(event_id, {}).get("function", name) != name:
        return False
    sessions = [session for session, events in queue.pending_event_ids_session.items() if event_id in events]
    if sessions and (event := queue.event_ids_to_events.get(event_id)):
        return bool(event.alive)  # it is not, once who waited for it has gone
    messages = [queue.pending_messages_per_session.get(session) for session in sessions]
    return any(waiting is not None and not waiting.empty() for waiting in messages)


@dataclass
class Streams:
    """ASGI middleware: a stream that gradio fails in ends where it is; in the log is no more than the error's kind."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        begun = False

        async def note(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, note)
        except Exception as error:
            if not begun:
                raise
            _LOG.error("%s in a stream", type(error).__name__)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
