"""The page's second tab: a collection, a caption, and what of it fits best."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import gradio as gr
from PIL import Image

from clipsim import report
from clipsim.embedding import Item
from clipsim.options import Precision
from clipsim.web import render
from clipsim.web.guard import sentences
from clipsim.web.server_collections import MOST, VARIABLE, ServerCollections

SEARCH = "search"  # the tab's id
ASIDE: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}  # of small events
# of galleries that grow with their pictures
SHOWN: dict[str, Any] = {"object_fit": "contain", "interactive": False, "buttons": ["fullscreen"], "height": "auto"}
EXAMPLE = "a golden retriever standing in the snow"  # in an empty caption

Update = dict[Any, Any]  # new values by component; what is not in it stays as it is


class SearchTab:
    """The tab's components, and what happens when they are used; `filled` are those that an address fills in."""

    def __init__(self, collections: ServerCollections, tabs: gr.Tabs, queued: dict[str, Any]) -> None:
        """Lay the tab out; to be called inside it. Searches wait in the queue `queued`."""
        self._collections, self._tabs = collections, tabs
        names = [*collections.folders]
        first, ready = (names[0], "search_ready.html") if names else (None, "search_empty.html")
        with gr.Row(equal_height=False):
            with gr.Column(scale=2, min_width=300, elem_id="searching"):
                self._collection = gr.Dropdown(names, value=first, label="Collection", elem_id="collection")
                self._caption = gr.Textbox(label="Caption", placeholder=EXAMPLE, lines=1, elem_id="search-caption")
                self._button = gr.Button("Search", variant="primary", elem_id="search")
                with gr.Accordion("Narrow it down", open=False, elem_id="narrow"):
                    self._filters = _lay_out_filters()
            with gr.Column(scale=3, min_width=300, elem_id="found"):
                text = render.fill(ready, variable=VARIABLE)
                self._status = gr.HTML(text, label="Status", elem_id="search-status", padding=False)
                self._like_button = gr.Button("More like this", visible=False, size="sm", elem_id="more-like")
                self._pictures = gr.Gallery(label="Found pictures", columns=3, elem_id="hits", **SHOWN)
                self._table = gr.HTML(label="Results", elem_id="hits-table", padding=False)
        # not gr.State, for which clients keep a connection open that lets no script end
        self._paths, self._like = gr.JSON(value=[], visible=False), gr.Textbox(visible=False)
        self.filled = [tabs, self._collection, self._caption, self._like, self._status]
        self._search: dict[str, Any] = {
            "inputs": {self._collection, self._caption, self._like, *self._filters.values()},
            "outputs": [self._status, self._pictures, self._table, self._paths, self._like_button],
            "show_progress_on": [self._status],
            "api_visibility": "private",
            **queued,
        }

        by_caption = [self._button.click, self._caption.submit]
        gr.on(by_caption, lambda data: self._answer(data, data[self._caption], None), **self._search)
        self._pictures.select(self._select, self._paths, [self._like, self._like_button], **ASIDE)
        self._like_button.click(lambda data: self._answer(data, None, data[self._like]), **self._search)

    def search_after(self, event: Any) -> None:
        """Search once an event that calls `fill_in` has succeeded, if that filled in what to search for."""
        event.success(self._follow, **self._search)

    def fill_in(self, collection: str, caption: Any, like: Any) -> Update:
        """Return the tab filled in with what the page's address asks for; raise as `ServerCollections.open`."""
        texts = [text if isinstance(text, str) else "" for text in (caption, like)]
        return self._choose(collection) | dict(zip((self._caption, self._like), texts, strict=True))

    def keep(self, pictures: Sequence[Item], model: str, precision: Precision) -> Update:
        """Make a collection of the visitor's pictures, and return the tab with it chosen."""
        name = self._collections.keep(pictures, model, precision)
        return self._choose(name) | {self._status: render.fill("search_ready.html")}

    def _choose(self, name: str) -> Update:
        size, given = len(self._collections.open(name)), [*self._collections.folders]
        own = [] if name in given else [(f"your {size} pictures, for this session", name)]
        return {self._tabs: gr.Tabs(selected=SEARCH), self._collection: gr.Dropdown([*given, *own], value=name)}

    def _follow(self, data: dict[Any, Any]) -> Update:
        """Search for what the page's address filled in, if it is enough."""
        like, caption = data[self._like], data[self._caption]
        if not data[self._collection] or not (like or (caption or "").strip()):
            return {self._status: gr.skip()}
        return self._answer(data, None if like else caption, like or None)

    def _answer(self, data: dict[Any, Any], caption: str | None, like: str | None) -> Update:
        with sentences():
            filters: Any = {name: data[one] for name, one in self._filters.items()}
            found = self._collections.search(data[self._collection] or "", caption, like, **filters)
        titles = report.titles([hit.path for hit in found.hits])
        labels = [report.label(hit.rank, title, hit.cosine) for hit, title in zip(found.hits, titles, strict=True)]
        pictures = [Image.open(BytesIO(hit.thumbnail)) for hit in found.hits]
        return {
            self._status: render.fill("found.html", answer=found),
            self._pictures: gr.Gallery(list(zip(pictures, labels, strict=True)), selected_index=None),
            self._table: render.hits(found),
            self._paths: [hit.path for hit in found.hits],
            self._like_button: gr.Button(visible=False),
        }

    def _select(self, paths: list[str], event: gr.SelectData) -> Update:
        path = paths[event.index]
        return {self._like: path, self._like_button: gr.Button(f"More like {path.rpartition('/')[2]}", visible=True)}


def _lay_out_filters() -> dict[str, Any]:
    return {
        "top": gr.Slider(1, MOST, value=20, step=1, label="Results", elem_id="top"),
        "path": gr.Textbox(label="Path", info="* and ? as in a shell: 2026/*.jpg", elem_id="path"),
        "after": gr.Textbox(label="Written on or after", info="a date, such as 2026-03-31", elem_id="after"),
        "before": gr.Textbox(label="Written before", info="a date", elem_id="before"),
    }
