"""What is known of the request that is being answered."""

from __future__ import annotations

from uuid import uuid4

from gradio.context import LocalContext
from gradio.route_utils import API_PREFIX

from clipsim.web.monitoring import current_request


def current_request_id() -> str:
    """Return the name of the request that is being answered: gradio's event id if it was queued, else a new one."""
    request = current_request()
    return LocalContext.event_id.get(None) or (request.request_id if request else uuid4().hex)


def is_from_agent() -> bool:
    """Return whether the request that is being answered is the call of a tool by MCP."""
    request = LocalContext.request.get(None)
    return request is not None and (
        request.headers.get("x-gradio-user") == "mcp"  # a queued call, which gradio's MCP server makes as a client
        or f"{API_PREFIX}/mcp" in request.url.path  # one past the queue
    )
