"""Calls that gradio does not take, before it asks an endpoint: answered in JSON, with a sentence and a code."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import uuid4

from fastapi.exceptions import RequestValidationError
from gradio.route_utils import API_PREFIX, FnIndexInferError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from clipsim.errors import ClipsimError, Code, UsageError
from clipsim.web.bodies import is_upload
from clipsim.web.records import ErrorAnswer
from clipsim.web.refusals import UNFORESEEN, WRONG_FORM

_CALLS = ("/call/", "/api/", "/run/", "/queue/join")  # what of gradio's routes calls an endpoint
_CODES: Mapping[int, Code] = {  # of what gradio refuses, by HTTP status
    404: "not_found",
    429: "busy",
    503: "busy",
    500: "internal",
}


def handlers() -> dict[Any, Callable[[Request, Any], Awaitable[Response]]]:
    """Return what answers each kind of error that a route raises, as FastAPI takes it."""
    known = dict.fromkeys((KeyError, TypeError, FnIndexInferError), _answer_call)
    return {RequestValidationError: _answer_form, HTTPException: _answer_status, Exception: _answer_any, **known}


async def _answer_status(request: Request, error: HTTPException) -> Response:
    """Answer with the status that was raised; `detail` is for gradio's own clients, which look for it."""
    sentence = error.detail if isinstance(error.detail, str) else WRONG_FORM
    too_large: Code = "file_too_large" if is_upload(request.scope) else "body_too_large"
    code = too_large if error.status_code == 413 else _CODES.get(error.status_code, "bad_value")
    return _answer(sentence, code, error.status_code, error.detail, error.headers)


async def _answer_form(_: Request, error: RequestValidationError) -> Response:
    """Answer a body of another form, without what was sent: it can be long, and what JSON does not express."""
    detail = [{name: flaw[name] for name in ("type", "loc", "msg")} for flaw in error.errors()]
    return _answer(WRONG_FORM, "bad_value", 422, detail)


async def _answer_call(request: Request, error: Exception) -> Response:
    """Answer the call of an endpoint that is not there, or by parameters that it does not have."""
    path = request.url.path.removeprefix(request.scope.get("root_path", "")).removeprefix(API_PREFIX)
    if request.method != "POST" or not path.startswith(_CALLS):
        raise error
    endpoints = request.app.get_blocks().get_api_info()["named_endpoints"]
    name = "/" + path.rstrip("/").rpartition("/")[2]
    refused: ClipsimError
    if name in endpoints:
        takes = [one["parameter_name"] for one in endpoints[name]["parameters"]]
        needed = [one["parameter_name"] for one in endpoints[name]["parameters"] if not one["parameter_has_default"]]
        refused = UsageError(f"{name} takes {', '.join(takes) or 'nothing'}, and needs {', '.join(needed) or 'none'}.")
    else:
        refused = UsageError(f"There is no such endpoint: use {', '.join(endpoints)}.", code="not_found")
    return _answer(str(refused), refused.code, refused.http_status)


async def _answer_any(_: Request, __: Exception) -> Response:
    return _answer(UNFORESEEN, "internal", 500)


def _answer(
    sentence: str, code: Code, status: int, detail: Any = None, headers: Mapping[str, str] | None = None
) -> Response:
    told = ErrorAnswer(sentence, code, uuid4().hex).to_dict()
    return JSONResponse({"detail": detail or sentence, **told}, status, headers)
