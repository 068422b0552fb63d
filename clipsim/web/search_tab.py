"""The page's second tab: a collection, a caption, and what of it fits best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import gradio as gr
from PIL import Image

from clipsim import report
from clipsim.embedding import Item
from clipsim.errors import ClipsimError
from clipsim.options import Precision
from clipsim.web import render as markup
from clipsim.web import server_collections as shelf
from clipsim.web.api import sentences

SEARCH = "search"  # the tab's id
NONE_YET = (
    "No collection is on this server yet. Score some pictures and press “Keep as a collection”; whoever runs the "
    f"server names others in {shelf.VARIABLE}."
)
EMPTY = f'<div class="cs-empty"><p>{NONE_YET}</p></div>'
READY = '<div class="cs-empty"><p>Choose a collection, write a caption, press <b>Search</b>.</p></div>'


@dataclass(frozen=True)
class Tab:
    """What the rest of the page needs of it: the parts that the address fills in, and the event that then searches."""

    collection: gr.Dropdown
    caption: gr.Textbox
    like: gr.Textbox
    status: gr.HTML
    by_address: dict[str, Any]


def find(collection: str | None, caption: str, top: float, path: str, after: str, before: str) -> tuple[Any, ...]:
    """What the tab's outputs take: status, pictures, table, paths, and nothing selected."""
    return _shown(collection, caption, None, top, path, after, before)


def more(collection: str | None, like: str, top: float, path: str, after: str, before: str) -> tuple[Any, ...]:
    """The same for more like one of the pictures."""
    return _shown(collection, None, like, top, path, after, before)


def asked(collection: str | None, caption: str | None, like: str, *narrowed: Any) -> tuple[Any, ...]:
    """What the page's address asks for: a search, or where it asks for none nothing."""
    if not collection or not ((caption or "").strip() or like):
        return (gr.skip(),) * 5
    return _shown(collection, None if like else caption, like or None, *narrowed)


def choices(own: str = "", count: int = 0) -> list[tuple[str, str]]:
    """The collections that a visitor may choose: those of the server, and their own."""
    known = [(name, name) for name in shelf.folders()]
    return [*known, (f"your {count} pictures, for this session", own)] if own else known


def filled_in(collection: Any, caption: Any, like: Any) -> tuple[tuple[Any, ...], str]:
    """What the page's address asks of the tab: tabs, dropdown, caption and picture, and a sentence if it cannot be."""
    if not isinstance(collection, str) or not collection:
        return (gr.skip(),) * 4, ""
    try:
        size = len(shelf.opened(collection))
    except ClipsimError as error:
        return (gr.skip(),) * 4, str(error)
    own = "" if collection in shelf.folders() else collection
    dropdown = gr.Dropdown(choices(own, size), value=collection)
    texts = [text if isinstance(text, str) else "" for text in (caption, like)]
    return (gr.Tabs(selected=SEARCH), dropdown, *texts), ""


def kept(pictures: Sequence[Item], model: str, precision: Precision) -> tuple[Any, Any, Any]:
    """The visitor's pictures as a collection: the tabs, the dropdown and the status after it."""
    name = shelf.keep(pictures, model, precision)
    chosen = gr.Dropdown(choices(name, len(shelf.opened(name))), value=name)
    return gr.Tabs(selected=SEARCH), chosen, READY


def _shown(
    collection: str | None, caption: str | None, like: str | None, top: float, *narrowed: str
) -> tuple[Any, ...]:
    with sentences():
        found = shelf.search(collection or "", caption, like, int(top), *narrowed)
    names = report.titles([hit.path for hit in found.hits])
    labels = [report.label(hit.rank, name, hit.cosine) for hit, name in zip(found.hits, names, strict=True)]
    pictures = [Image.open(BytesIO(hit.thumbnail)) for hit in found.hits]
    return (
        markup.found(found),
        gr.Gallery(list(zip(pictures, labels, strict=True)), selected_index=None),
        markup.hits(found),
        [hit.path for hit in found.hits],
        gr.Button(visible=False),
    )


def _picked(paths: list[str], event: gr.SelectData) -> tuple[str, Any]:
    path = paths[event.index]
    return path, gr.Button(f"More like {path.rpartition('/')[2]}", visible=True)


def build(one_queue: dict[str, Any], aside: dict[str, Any]) -> Tab:
    """Lay the tab out; to be called inside it."""
    known = choices()
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=300, elem_id="searching"):
            collection = gr.Dropdown(
                known, value=known[0][1] if known else None, label="Collection", elem_id="collection"
            )
            caption = gr.Textbox(
                label="Caption",
                placeholder="a golden retriever standing in the snow",
                lines=1,
                elem_id="search-caption",
            )
            button = gr.Button("Search", variant="primary", elem_id="search")
            with gr.Accordion("Narrow it down", open=False, elem_id="narrow"):
                top = gr.Slider(1, shelf.MOST, value=20, step=1, label="Results", elem_id="top")
                path = gr.Textbox(label="Path", info="* and ? as in a shell: 2026/*.jpg", elem_id="path")
                after = gr.Textbox(label="Written on or after", info="a date, such as 2026-03-31", elem_id="after")
                before = gr.Textbox(label="Written before", info="a date", elem_id="before")
        with gr.Column(scale=3, min_width=300, elem_id="found"):
            status = gr.HTML(READY if known else EMPTY, label="Status", elem_id="search-status", padding=False)
            like_button = gr.Button("More like this", visible=False, size="sm", elem_id="more-like")
            pictures = gr.Gallery(
                label="Found pictures",
                columns=3,
                object_fit="contain",
                interactive=False,
                buttons=["fullscreen"],
                height="auto",
                elem_id="hits",
            )
            table = gr.HTML(label="Results", elem_id="hits-table", padding=False)
    # not gr.State, for which clients keep a connection open that lets no script end
    paths, like = gr.JSON(value=[], visible=False), gr.Textbox(visible=False)
    narrowed = [top, path, after, before]
    outputs = [status, pictures, table, paths, like_button]
    common: dict[str, Any] = {
        "outputs": outputs,
        "show_progress_on": [status],
        "api_visibility": "private",
        **one_queue,
    }
    gr.on([button.click, caption.submit], find, [collection, caption, *narrowed], **common)
    pictures.select(_picked, paths, [like, like_button], **aside)
    like_button.click(more, [collection, like, *narrowed], **common)
    by_address = {"fn": asked, "inputs": [collection, caption, like, *narrowed], **common}
    return Tab(collection, caption, like, status, by_address)
