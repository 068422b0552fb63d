"""The description of the REST door as OpenAPI, made from the endpoints' own parameters, docstrings and records."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin, get_type_hints

from gradio.utils import get_function_description

from clipsim import __version__
from clipsim.errors import CODES, STATUSES
from clipsim.judges import list_judges
from clipsim.web.bodies import FORM, REST
from clipsim.web.records import API_VERSION
from clipsim.web.schema import describe_answers

REFERENCE = "#/components/schemas/{model}"
_ERROR = {
    "type": "object",
    "description": "What went wrong.",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "code": {"type": "string", "enum": list(CODES)},
                "message": {"type": "string", "description": "a sentence: what was wrong, and what to do"},
            },
            "required": ["code", "message"],
        },
        "request_id": {"type": "string"},
        "api_version": {"type": "string", "const": API_VERSION},
    },
    "required": ["error", "request_id", "api_version"],
}


def describe(endpoints: Mapping[str, Callable[..., Any]], models: Sequence[str] = ()) -> dict[str, Any]:
    """Return the description of all endpoints; where a model is named it is one of `models`."""
    schemas = describe_answers(REFERENCE)
    schemas.pop("ErrorAnswer", None)
    return {
        "openapi": "3.1.0",
        "info": {"title": "clipsim", "version": __version__},
        "servers": [{"url": REST}],
        "paths": {f"/{name}": _describe_path(name, method, models) for name, method in endpoints.items()},
        "components": {"schemas": schemas | {"Error": _ERROR}},
    }


def _describe_path(name: str, method: Callable[..., Any], models: Sequence[str]) -> dict[str, Any]:
    text, told, _ = get_function_description(method)
    parameters = inspect.signature(method).parameters
    hints = get_type_hints(method)
    required = [key for key, one in parameters.items() if one.default is one.empty]

    def describe_values(as_form: bool) -> dict[str, Any]:
        return {
            key: _describe_value(key, hints[key], models, as_form)
            | {"description": told.get(key, "")}
            | ({} if one.default in (one.empty, None) else {"default": one.default})
            for key, one in parameters.items()
        }

    def describe_body(as_form: bool) -> dict[str, Any]:
        return {"schema": {"type": "object", "properties": describe_values(as_form), "required": required}}

    shared = {"summary": text, "responses": _describe_responses(name)}
    if not parameters:
        return {"get": {**shared, "operationId": name}}
    content = {"application/json": describe_body(as_form=False), FORM: describe_body(as_form=True)}
    post = {**shared, "operationId": name, "requestBody": {"required": True, "content": content}}
    if name != "search":
        return {"post": post}
    query = [
        {"name": key, "in": "query", "required": key in required, "schema": schema}
        for key, schema in describe_values(as_form=True).items()
    ]
    return {"post": post, "get": {**shared, "operationId": f"{name}_by_address", "parameters": query}}


def _describe_value(name: str, hint: Any, models: Sequence[str], as_form: bool) -> dict[str, Any]:
    file = {"type": "string", "format": "binary"} if as_form else {"type": "string", "format": "uri"}
    if name == "pictures":
        return {"type": "array", "items": file}
    if name == "reference":
        return file
    named = {"model": models, "other": models, "second_opinion": ["", *(row.name for row in list_judges())]}
    if enum := named.get(name) or (get_args(hint) if get_origin(hint) is Literal else ()):
        return {"type": "string", "enum": list(enum)}
    if get_origin(hint) is list:
        return {"type": "array", "items": {"type": "string"}}
    return {"type": {bool: "boolean", int: "integer"}.get(hint, "string")}


def _describe_responses(name: str) -> dict[str, Any]:
    def refer(schema: str) -> dict[str, Any]:
        return {"application/json": {"schema": {"$ref": REFERENCE.format(model=schema)}}}

    failed = {"content": refer("Error")}
    statuses = sorted({400, *STATUSES.values()} - {499})
    return {"200": {"description": "The answer.", "content": refer(f"{name.capitalize()}Answer")}} | {
        str(status): {"description": ", ".join(code for code in CODES if STATUSES.get(code, 400) == status), **failed}
        for status in statuses
    }
