"""What is known of the request that is being answered."""

from __future__ import annotations

from uuid import uuid4

from gradio.context import LocalContext


def current_request_id() -> str:
    """Return the name of the request that is being answered: gradio's event id if it was queued, else a new one."""
    return LocalContext.event_id.get(None) or uuid4().hex
