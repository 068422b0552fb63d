"""What a visitor asked before: kept in the visitor's browser alone, one click to go back."""

from __future__ import annotations

from typing import Any

import gradio as gr

from clipsim import report
from clipsim.web import render
from clipsim.web.kept import Answer
from clipsim.web.language import current

MOST_REMEMBERED = 20  # answers; the oldest go first
STORAGE = "clipsim-history"  # under which the browser keeps them

Entry = dict[str, str]  # "key" of a kept answer, what was "asked", and the "answer" in words


class History:
    """The fold with the earlier answers; `kept` is the browser's list of them, `shown` what of it is on the page."""

    def __init__(self) -> None:
        """Lay it out; to be called where it is to stand."""
        click = render.static("history.js").read_text(encoding="utf-8")
        self.kept = gr.BrowserState([], storage_key=STORAGE)
        self.shown = gr.HTML(label="Earlier answers", elem_id="history", padding=False, js_on_load=click)

    def remember(self, entries: Any, key: str, answer: Answer) -> dict[Any, Any]:
        """Return both components with one more answer; `entries` is what the browser had."""
        result, say = answer.result, current()
        asked = f"“{result.caption}”" if result.reference is None else say("history.like", name=result.reference)
        entry = {"key": key, "asked": asked, "answer": report.answer(result, say)}
        entries = [entry, *(entries if isinstance(entries, list) else [])][:MOST_REMEMBERED]
        return {self.kept: entries, self.shown: show_history(entries[1:])}


def show_history(entries: Any) -> str:
    """Show earlier answers, as a browser kept them, the latest first; "" where there are none."""
    known = [entry for entry in (entries if isinstance(entries, list) else []) if _is_entry(entry)]
    return render.fill("history.html", entries=known)


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, dict) and all(isinstance(entry.get(name), str) for name in ("key", "asked", "answer"))
