"""The table of models on the page, which a click on a heading sorts in the browser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clipsim.encoders import MODELS, Model
from clipsim.web import render
from clipsim.web.language import current

FIGURES = ("imagenet", "coco", "relative_time", "memory_mb", "download_mb", "resolution", "text_length")
COLUMNS = ("name", *FIGURES, "languages", "licence", "use")


def show_menu() -> str:
    """Show what can be chosen, and what one chooses by, with headings in the language of the request."""
    say = current()
    heads = [{"title": say(f"menu.{name}"), "name": name} for name in COLUMNS]
    rows = [[_cell(model, name) for name in COLUMNS] for model in MODELS]
    return render.fill("menu.html", title=say("menu.title"), heads=heads, rows=rows)


def _cell(model: Model, name: str) -> Mapping[str, Any]:
    """Return what stands in a cell, by what it is sorted (None is last), and whether it is a figure."""
    value = getattr(model, name)
    text = "-" if value is None else f"{value:.1f}" if isinstance(value, float) else str(value)
    if name == "licence" and model.terms:
        text += f" · {model.terms}"
    order = int(value.split()[0]) if name == "resolution" else value
    return {"text": text, "order": order, "figure": name in FIGURES}
