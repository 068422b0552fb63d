"""Whether a server is up, and whether it can take requests: what a balancer asks before it sends any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gradio.route_utils import API_PREFIX
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clipsim.web.monitoring import Metrics

READY = "readyz"
FRESH = {"cache-control": "no-store"}
ROUTES = ("upload", "call", "queue", "run", "file", "mcp", "info")  # of gradio, by the first part of their path


def health_routes(why_not_ready: Callable[[], str]) -> list[Route]:
    """Return the routes; `why_not_ready` says in a sentence what the server waits for, or "" if nothing."""

    async def is_up(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"}, headers=FRESH)

    async def is_ready(_: Request) -> JSONResponse:
        if reason := why_not_ready():
            return JSONResponse({"status": "not ready", "reason": reason}, 503, FRESH)
        return JSONResponse({"status": "ready"}, headers=FRESH)

    return [Route("/healthz", is_up), Route("/readyz", is_ready)]


@dataclass
class CountErrors:
    """ASGI middleware, to be the outermost: counts the answers that say no, by route and status."""

    app: ASGIApp
    metrics: Metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)

        async def count(message: Message) -> None:
            route = _name_route(scope)
            refused = message["type"] == "http.response.start" and message["status"] >= 400
            if refused and route != READY:  # which says no until the server is ready
                self.metrics.count_http(route, message["status"])
            await send(message)

        return await self.app(scope, receive, count)


def _name_route(scope: Scope) -> str:
    """Return a name of ours for what was called: the path itself is a stranger's."""
    path = str(scope["path"]).removeprefix(scope.get("root_path", ""))
    if path == "/readyz":
        return READY
    if path.startswith("/v1/"):
        return "v1"
    first = path.removeprefix(f"{API_PREFIX}/").split("/")[0].split("=")[0]
    return first if path.startswith(f"{API_PREFIX}/") and first in ROUTES else "other"
