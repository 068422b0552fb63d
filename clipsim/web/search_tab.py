"""The page's second tab: a collection, a caption, and what of it fits best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from clipsim.embedding import Item
from clipsim.errors import ClipsimError
from clipsim.options import Precision
from clipsim.web import render
from clipsim.web.language import current, translated
from clipsim.web.monitoring import note_error
from clipsim.web.server_collections import ALL, MOST, ServerCollections
from clipsim.web.shown import ShownPictures

SEARCH = "search"  # the tab's id
MOST_REMEMBERED = 10  # collections of one's own; the oldest go first
STORAGE = "clipsim-collections"  # under which the browser keeps their names
ASIDE: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}  # of small events
# of galleries that grow with their pictures
SHOWN: dict[str, Any] = {"object_fit": "contain", "interactive": False, "buttons": ["fullscreen"], "height": "auto"}

Update = dict[Any, Any]  # new values by component; what is not in it stays as it is


class SearchTab:
    """The tab's components, and what happens when they are used.

    Attributes:
        filled: the components that an address fills in.
        own: the browser's list of the collections that its visitor keeps, the last first.
    """

    def __init__(
        self,
        collections: ServerCollections,
        tabs: gr.Tabs,
        own: gr.BrowserState,
        queued: dict[str, Any],
        shown: ShownPictures,
    ) -> None:
        """Lay the tab out; to be called inside it. Searches wait in the queue `queued`; `shown` names pictures.

        `own` is what `list_own` gives.
        """
        self._collections, self._tabs, self.own, self._shown = collections, tabs, own, shown
        names = [*collections.folders]
        first, ready = (names[0], "search_ready.html") if names else (None, "search_empty.html")
        with gr.Row(equal_height=True, elem_id="searching"):
            self._collection = gr.Dropdown(
                self._list_choices({}),
                value=first,
                label=translated("search.collection"),
                elem_id="collection",
                scale=3,
            )
            look: dict[str, Any] = {
                "placeholder": translated("example"),
                "lines": 1,
                "max_lines": 1,
                "elem_id": "search-caption",
            }
            self._caption = gr.Textbox(label=translated("caption"), scale=4, min_width=260, **look)
            self._button = gr.Button(
                translated("search.button"), variant="primary", elem_id="search", scale=1, min_width=120
            )
        look = {"elem_id": "search-fault", "elem_classes": ["cs-faults"], "padding": False}
        self._fault = gr.HTML("", label="What is wrong with the search", **look)
        with gr.Accordion(translated("search.narrow"), open=False, elem_id="narrow"):
            self._filters = _lay_out_filters()
        with gr.Column(elem_id="found"):
            self._status = gr.HTML(render.fill(ready), label="Status", elem_id="search-status", padding=False)
            script = render.static("search.js").read_text(encoding="utf-8")
            self._hits = gr.HTML(label="Found pictures", elem_id="hits", padding=False, js_on_load=script)
        self._like = gr.Textbox(visible=False)
        self.filled = [tabs, self._collection, self._caption, self._like, self._status, self._hits, self._fault]
        self._search: dict[str, Any] = {
            "inputs": {self._collection, self._caption, self._like, *self._filters.values()},
            "outputs": [self._collection, self._status, self._hits, self._fault],
            "show_progress_on": [self._status],
            "api_visibility": "private",
            **queued,
        }

        by_caption = [self._button.click, self._caption.submit]
        gr.on(by_caption, lambda data: self._answer(data, data[self._caption], None), **self._search)
        self._hits.click(self._find_more, **self._search)

    def search_after(self, event: Any) -> None:
        """Search once an event that calls `fill_in` has succeeded, if that filled in what to search for."""
        event.success(self._follow, **self._search)

    def fill_in(self, collection: str, caption: Any, like: Any) -> Update:
        """Return the tab filled in with what the page's address asks for; raise as `ServerCollections.open`."""
        texts = [text if isinstance(text, str) else "" for text in (caption, like)]
        return self._choose(collection) | dict(zip((self._caption, self._like), texts, strict=True))

    def keep(self, pictures: Sequence[Item], model: str, precision: Precision, own: Any) -> Update:
        """Make a collection of the visitor's pictures, and return the tab with it chosen.

        `own` is what the browser has of `own`, to which it is added.
        """
        name = self._collections.keep(pictures, model, precision)
        own = [name, *(own if isinstance(own, list) else [])][:MOST_REMEMBERED]
        chosen = self._choose(name, own)
        return chosen | {self.own: own, self._status: render.fill("search_ready.html"), self._hits: ""}

    def find_own_after(self, event: Any) -> None:
        """Offer what this browser's visitor keeps once an event that may choose a collection is over."""
        event.then(self._find_own, [self.own, self._collection], [self._collection, self._status], **ASIDE)

    def _find_own(self, own: Any, chosen: str | None) -> Update:
        """Return the list of collections with one's own, of which the last is chosen where nothing else is."""
        kept = self._collections.count_kept([*(own if isinstance(own, list) else [])[:MOST_REMEMBERED], chosen])
        if chosen or not kept:
            return {self._collection: gr.Dropdown(self._list_choices(kept)), self._status: gr.skip()}
        first = gr.Dropdown(self._list_choices(kept), value=next(iter(kept)))
        return {self._collection: first, self._status: render.fill("search_ready.html")}

    def _choose(self, name: str, own: Sequence[str] = ()) -> Update:
        self._collections.check_name(name)
        choices = self._list_choices(self._collections.count_kept([*own, name]))
        chosen = gr.Dropdown(choices, value=name)
        return {self._tabs: gr.Tabs(selected=SEARCH), self._collection: chosen, self._fault: ""}

    def _list_choices(self, kept: Mapping[str, int]) -> list[tuple[str, str]]:
        """Return what can be searched, by what it is called: the server's collections, all of these, and one's own."""
        say, names = current(), [*self._collections.folders]
        several = [(say("search.all"), ALL)] if len(names) > 1 else []
        own = [(say("search.own", count=count), name) for name, count in kept.items()]
        return [*((name, name) for name in names), *several, *own]

    def _follow(self, data: dict[Any, Any]) -> Update:
        """Search for what the page's address filled in, if it is enough."""
        like, caption = data[self._like], data[self._caption]
        if not data[self._collection] or not (like or (caption or "").strip()):
            return {self._status: gr.skip()}
        return self._answer(data, None if like else caption, like or None)

    def _find_more(self, data: dict[Any, Any], event: gr.EventData) -> Update:
        """Find more like the picture that was clicked, in the collection in which it was found."""
        name, like = str(event._data["collection"]), str(event._data["like"])
        return {self._collection: name} | self._answer(data | {self._collection: name}, None, like)

    def _answer(self, data: dict[Any, Any], caption: str | None, like: str | None) -> Update:
        """Return the tab with what was found, or with what is wrong beside what was found before."""
        filters: Any = {name: data[one] for name, one in self._filters.items()}
        try:
            found = self._collections.search(data[self._collection] or "", caption, like, **filters)
        except ClipsimError as error:
            note_error(error)
            return {self._fault: render.fill("fault.html", sentence=str(error))}
        hits = self._shown.name(render.hits(found))
        return {self._status: render.fill("found.html", answer=found), self._hits: hits, self._fault: ""}


def list_own() -> gr.BrowserState:
    """Lay out the browser's list of the collections that its visitor keeps.

    It stands outside tabs, of which none has values before it was opened. Its secret is not one of this process, so
    that they are found after a restart too.
    """
    return gr.BrowserState([], storage_key=STORAGE, secret=STORAGE)


def _lay_out_filters() -> dict[str, Any]:
    date: dict[str, Any] = {"include_time": False, "type": "string"}
    filters: dict[str, Any] = {
        "top": gr.Slider(1, MOST, value=20, step=1, label=translated("search.top"), elem_id="top")
    }
    with gr.Row():
        hint = translated("search.path.hint")  # not as `info`, which is read as Markdown, without the stars
        filters["path"] = gr.Textbox(label=translated("search.path"), placeholder=hint, elem_id="path", min_width=240)
        filters["after"] = gr.DateTime(label=translated("search.after"), elem_id="after", **date)
        filters["before"] = gr.DateTime(label=translated("search.before"), elem_id="before", **date)
    return filters
