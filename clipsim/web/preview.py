"""What a shared link to the page shows elsewhere: title, description and picture of clipsim instead of gradio's."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gradio.route_utils import get_request_origin
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clipsim.web import render

PICTURE = "/preview.jpg"
# gradio writes two sets of these into the page, its own first
_META = re.compile(rb'<meta\s+(?:property="og:|name="twitter:)[^>]*>\s*')


@dataclass
class LinkPreview:
    """ASGI middleware: rewrites the head of the page, and serves the picture that it names."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        path = scope["path"].removeprefix(scope.get("root_path", "")) if scope["type"] == "http" else None
        if path == PICTURE:
            return await FileResponse(render.static("preview.jpg"))(scope, receive, send)
        if path not in ("", "/") or scope["method"] != "GET":
            return await self.app(scope, receive, send)
        start: Message = {}
        page = b""

        async def rewrite(message: Message) -> None:
            nonlocal start, page
            if message["type"] == "http.response.start":
                start = message
                return
            page += message.get("body", b"")
            if message.get("more_body"):
                return
            if MutableHeaders(raw=start["headers"]).get("content-type", "").startswith("text/html"):
                page = describe_link(page, str(get_request_origin(Request(scope), "/")))
                MutableHeaders(raw=start["headers"])["content-length"] = str(len(page))
            await send(start)
            await send({"type": "http.response.body", "body": page})

        return await self.app(scope, receive, rewrite)


def describe_link(page: bytes, home: str) -> bytes:
    """Return a page whose head describes clipsim to those who preview links; `home` is the page's own address."""
    tags = render.fill("preview.html", home=home, picture=home + PICTURE).encode()
    return _META.sub(b"", page).replace(b"<head>", b"<head>\n" + tags, 1)
