"""A plain door for programs, below /v1: one call, one JSON answer, a status that says how it went.

The endpoints, their answers and their queue are those of gradio's door: who comes by this one waits with all others.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from typing import Any, get_type_hints
from uuid import uuid4

from anyio.to_thread import run_sync
from gradio.data_classes import PredictBodyInternal
from gradio.events import api as add_endpoint
from gradio.queueing import Event
from gradio.route_utils import API_PREFIX
from gradio.server_messages import ProcessCompletedMessage
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from clipsim.errors import BusyError, ClipsimError, DiskFullError, UsageError
from clipsim.web.api import Api, model_names
from clipsim.web.bodies import REST
from clipsim.web.forms import read_values
from clipsim.web.guard import Checked, sentences
from clipsim.web.openapi import describe
from clipsim.web.queueing import FairQueue
from clipsim.web.records import API_VERSION
from clipsim.web.refusals import UNFORESEEN
from clipsim.web.service import Service

GONE = 499  # as nginx calls it where the client has closed the connection

Work = Callable[[], dict[str, Any]]


class Rest:
    """The REST door of one server."""

    def __init__(self, service: Service, api: Api) -> None:
        """Answer by the endpoints of `api`."""
        self._service, self._api = service, api
        self._waiting: dict[str, tuple[Work, Future[dict[str, Any]]]] = {}
        self._description = describe(api.endpoints(), model_names())

    def add_to(self, page: Checked, queued: dict[str, Any]) -> None:
        """Open the door beside a page that is being laid out; what runs a model waits in the queue `queued`."""

        def run_rest(name: str) -> None:
            """Run the call of that name, which nobody knows who did not send it."""
            with sentences():
                if name not in self._waiting:
                    raise UsageError("There is no such call.")
            work, answer = self._waiting.pop(name)
            try:
                answer.set_result(work())
            except Exception as error:
                answer.set_exception(error)

        self._page = page
        self._queued_fn = add_endpoint(run_rest, api_name="rest", api_visibility="private", **queued)["id"]
        routes = [Route("/openapi.json", self._show_description)]
        for name, method in self._api.endpoints().items():
            sends = {"models": ["GET"], "collections": ["GET"], "search": ["GET", "POST"]}.get(name, ["POST"])
            routes.append(Route(f"/{name}", self._serve(name, method), methods=sends))
        handlers: Any = {HTTPException: _answer_status, Exception: _answer_unforeseen}
        page.routes.append(Mount(REST, Starlette(routes=routes, exception_handlers=handlers)))

    @property
    def _queue(self) -> FairQueue:
        queue = self._page._queue
        assert isinstance(queue, FairQueue)
        return queue

    async def _show_description(self, _: Request) -> Response:
        return JSONResponse(self._description)

    def _serve(self, name: str, method: Callable[..., Any]) -> Callable[[Request], Awaitable[Response]]:
        hints = {key: hint for key, hint in get_type_hints(method).items() if key != "return"}
        needed = [key for key, one in inspect.signature(method).parameters.items() if one.default is one.empty]

        async def answer(request: Request) -> Response:
            try:
                async with read_values(request, hints, self._service.limits, self._service.uploads) as values:
                    for missing in (key for key in needed if key not in values):
                        _raise_missing(missing)

                    def work() -> dict[str, Any]:
                        return self._api.answer(method, values)

                    if name in ("models", "collections"):
                        return JSONResponse(await run_sync(work))
                    found = await self._run_queued(request, work)
                    return Response(status_code=GONE) if found is None else JSONResponse(found)
            except ClipsimError as error:
                return _answer_error(error)

        return answer

    async def _run_queued(self, request: Request, work: Work) -> dict[str, Any] | None:
        """Return what a work gives once its turn has come; None if the client goes away before."""
        name, answer = uuid4().hex, Future[dict[str, Any]]()
        self._waiting[name] = work, answer
        body = PredictBodyInternal(data=[name], fn_index=self._queued_fn)
        event: Event | None = None
        try:
            event = await self._queue.begin(body, _as_queued(request))
            if not await self._wait(request, event):
                return None
            if answer.done():
                return answer.result()
            raise self._queue.why_put_out(event) or ClipsimError(UNFORESEEN, code="internal")
        finally:
            self._waiting.pop(name, None)
            if event:
                await self._queue.end(event)

    async def _wait(self, request: Request, event: Event) -> bool:
        """Return whether an event is over, once it is or the client has gone away."""
        messages = self._queue.unfetched[event.session_hash]

        async def be_over() -> None:
            while not isinstance(await messages.get(), ProcessCompletedMessage):
                pass

        async def go_away() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass

        over, gone = asyncio.create_task(be_over()), asyncio.create_task(go_away())
        try:
            await asyncio.wait((over, gone), return_when=asyncio.FIRST_COMPLETED)
            return over.done()
        finally:
            over.cancel()
            gone.cancel()


def _as_queued(request: Request) -> Request:
    """Return a request as gradio's queue takes it, by whose address it looks for the root of the page."""
    return Request({**request.scope, "path": f"{API_PREFIX}/queue/join", "root_path": ""}, request.receive)


def _raise_missing(name: str) -> None:
    if name == "pictures":
        raise ClipsimError("There are no pictures to score: add at least one.", code="no_pictures")
    raise UsageError(f"There is no {name}: send it.")


def _answer_error(error: ClipsimError) -> Response:
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, BusyError | DiskFullError) else {}
    return _refuse(str(error.code), str(error), error.http_status, headers)


async def _answer_status(_: Request, error: HTTPException) -> Response:
    code = {404: "not_found", 507: "disk_full"}.get(error.status_code, "bad_value")
    sentence = "There is nothing at this address: see /v1/openapi.json." if code == "not_found" else error.detail
    return _refuse(code, sentence, error.status_code, error.headers or {})


async def _answer_unforeseen(_: Request, error: Exception) -> Response:
    place = traceback.extract_tb(error.__traceback__)[-1]  # no more, as it may quote what strangers sent
    logging.getLogger(__name__).error("%s at %s:%s", type(error).__name__, place.filename, place.lineno)
    return _answer_error(ClipsimError(UNFORESEEN, code="internal"))


def _refuse(code: str, sentence: str, status: int, headers: Mapping[str, str]) -> Response:
    told = {"error": {"code": code, "message": sentence}, "request_id": uuid4().hex, "api_version": API_VERSION}
    return JSONResponse(told, status, headers)
