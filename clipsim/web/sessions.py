"""What gradio keeps of each session: without a copy of every component, and of all values that came and went.

Gradio has these for deep links, which the page does not offer. To make one takes 30 ms for each session that is new,
as each call of a program is that names none; and an answer of megabytes would stay until 10,000 sessions were newer.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import gradio as gr
from gradio.state_holder import SessionState, StateHolder


class _LightSession(SessionState):
    """What is kept of one session."""

    def __init__(self, page: gr.Blocks) -> None:  # not gradio's own, which makes the copies
        self.blocks_config = copy(page.default_config)
        self.config_values: dict[int, Any] = {}
        self.state_data: dict[int, Any] = {}
        self._state_ttl: dict[int, Any] = {}
        self.is_closed = False
        self.STATE_TTL_WHEN_CLOSED = 3600

    def __setitem__(self, key: int, value: Any) -> None:
        super().__setitem__(key, value)
        self.config_values.clear()

    def _update_config(self, key: int) -> None:
        """Keep no copy of a component."""

    def _update_value_in_config(self, key: int, value: Any) -> None:
        """Keep no value."""


class LightSessions(StateHolder):
    """What is kept of all sessions of a page that is served."""

    def __init__(self, page: gr.Blocks) -> None:
        """Take the place of what gradio would keep."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.set_blocks(page)
        page.app.state_holder = self

    def __getitem__(self, session_id: str) -> SessionState:
        """Return what is kept of a session, from its first request on."""
        if session_id not in self.session_data:
            self.session_data[session_id] = _LightSession(self.blocks)
        return super().__getitem__(session_id)
