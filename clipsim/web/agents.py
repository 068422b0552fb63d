"""What agents are offered by MCP: gradio's tools, with the schema of what they answer, and errors with their codes."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from inspect import getdoc, signature
from typing import Any
from uuid import uuid4

import gradio as gr
from mcp import types

from clipsim.errors import Code
from clipsim.web.records import ErrorAnswer
from clipsim.web.schema import ANSWERS, describe_answer

Handler = Callable[[Any], Awaitable[types.ServerResult]]

_FILE = "Gradio File Input"  # how the format begins that gradio gives to a picture, and asks for a web address
_PICTURE = {
    "type": "string",
    "description": (
        "A data:image/jpeg;base64,... address, or the path that an upload gave: POST the file to /gradio_api/upload as "
        'the form field "files". Web addresses are not fetched, nor are files that were not uploaded.'
    ),
}
_READ_ONLY = types.ToolAnnotations(readOnlyHint=True, destructiveHint=False, idempotentHint=True, openWorldHint=False)


def refine_tools(page: gr.Blocks) -> None:
    """Offer to agents the endpoints for programs and no others, of a page that is being served."""
    gradios: Any = page.mcp_server_obj
    named = {tool: endpoint.lstrip("/") for tool, endpoint in gradios.tool_to_endpoint.items()}
    endpoints = {tool: endpoint for tool, endpoint in named.items() if endpoint in ANSWERS}
    # what is not in it is neither listed nor called
    gradios.tool_to_endpoint = {tool: f"/{endpoint}" for tool, endpoint in endpoints.items()}
    functions: dict[Any, Any] = {fn.api_name: fn.fn for fn in page.fns.values() if fn.api_name in ANSWERS}
    handlers: dict[type, Handler] = gradios.mcp_server.request_handlers
    list_tools, call_tool = handlers[types.ListToolsRequest], handlers[types.CallToolRequest]

    async def list_refined(request: types.ListToolsRequest) -> types.ServerResult:
        listed = (await list_tools(request)).root
        if not isinstance(listed, types.ListToolsResult):
            return types.ServerResult(listed)
        refined = []
        for tool in listed.tools:
            refined.append(_refine(tool, endpoints[tool.name], getdoc(functions[endpoints[tool.name]]) or ""))
            tool.inputSchema = {"type": "object"}  # by which mcp would check: our own sentences have codes
        return types.ServerResult(types.ListToolsResult(tools=refined))

    async def call_refined(request: types.CallToolRequest) -> types.ServerResult:
        if request.params.name not in endpoints:  # mcp would log the name
            return _refuse(f"There is no such tool: use {', '.join(endpoints)}.", "not_found")
        if told := _find_misnamed(functions[endpoints[request.params.name]], request.params.arguments or {}):
            return _refuse(told, "bad_value")
        answer = (await call_tool(request)).root
        return types.ServerResult(_structure(answer) if isinstance(answer, types.CallToolResult) else answer)

    handlers[types.ListToolsRequest], handlers[types.CallToolRequest] = list_refined, call_refined


def _refine(tool: types.Tool, endpoint: str, document: str) -> types.Tool:
    """Return a tool that says what it takes, what it answers, and that it changes nothing."""
    description = " ".join(re.split(r"\n\n(?:Parameters|Returns):", document)[0].split())
    return tool.model_copy(
        update={
            "description": description,
            "inputSchema": _name_pictures(tool.inputSchema),
            "outputSchema": describe_answer(endpoint),
            "annotations": _READ_ONLY,
        }
    )


def _name_pictures(schema: Any) -> Any:
    """Return a schema in which a picture is a string that says what is accepted."""
    if isinstance(schema, list):
        return [_name_pictures(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if str(schema.get("format", "")).startswith(_FILE):
        return _PICTURE
    return {name: _name_pictures(one) for name, one in schema.items()}


def _find_misnamed(function: Callable[..., Any], arguments: Mapping[str, Any]) -> str:
    """Return a sentence if an argument is missing or there is one that the tool does not take; "" if not."""
    parameters = signature(function).parameters
    needed = [name for name, one in parameters.items() if one.default is one.empty]
    if set(needed) <= set(arguments) <= set(parameters):
        return ""
    return f"This tool takes {', '.join(parameters) or 'nothing'}, and needs {', '.join(needed) or 'none'}."


def _refuse(sentence: str, code: Code) -> types.ServerResult:
    return types.ServerResult(_answer(ErrorAnswer(sentence, code, uuid4().hex).to_dict(), is_error=True))


def _structure(answer: types.CallToolResult) -> types.CallToolResult:
    """Return an answer as an object and as its JSON; what gradio or mcp refuses is given a code."""
    text = "".join(part.text for part in answer.content if isinstance(part, types.TextContent))
    try:
        plain = json.loads(text)
    except ValueError:
        plain = None
    if not isinstance(plain, dict):
        plain = ErrorAnswer(text, "bad_value", uuid4().hex).to_dict()
    return _answer(plain, answer.isError)


def _answer(plain: dict[str, Any], is_error: bool) -> types.CallToolResult:
    content = types.TextContent(type="text", text=json.dumps(plain, ensure_ascii=False))
    return types.CallToolResult(content=[content], structuredContent=plain, isError=is_error)
