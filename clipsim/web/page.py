"""The page: three tabs and the endpoints for programs, laid out and served."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# read when gradio is imported; a folder of its own, for gradio's is shared by all that runs gradio
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ["GRADIO_TEMP_DIR"] = os.environ.get("GRADIO_TEMP_DIR") or str(Path(tempfile.gettempdir()) / "clipsim")

import gradio as gr

from clipsim.errors import ClipsimError
from clipsim.images import make_decoder
from clipsim.report import english
from clipsim.settings import Limits
from clipsim.web import render
from clipsim.web.agents import refine_tools
from clipsim.web.api import Api
from clipsim.web.guard import Checked, keep_quiet
from clipsim.web.health import health_routes
from clipsim.web.language import current, translated, translations
from clipsim.web.list_tab import LIST, ListTab
from clipsim.web.menu import show_menu
from clipsim.web.middleware import middlewares
from clipsim.web.monitoring import serve_metrics, start_log
from clipsim.web.queueing import FairQueue
from clipsim.web.rest import Rest
from clipsim.web.score_tab import ScoreTab
from clipsim.web.search_tab import ASIDE, SEARCH, SearchTab, Update, list_own
from clipsim.web.server_collections import VARIABLE, ServerCollections, folders_from_environment
from clipsim.web.service import Service
from clipsim.web.sessions import LightSessions
from clipsim.web.shown import ShownPictures
from clipsim.web.wrong_calls import handlers

FONT = ["Inter", "ui-sans-serif", "system-ui", "sans-serif"]  # what the visitor's machine has; nothing is fetched
MOST_SESSIONS = 2000  # of which gradio keeps what a visitor chose
ACCENT = ("*primary_700", "*primary_400")
COLOURS = {  # in light and dark
    "button_primary_background_fill": ACCENT,
    "button_primary_background_fill_hover": ("*primary_800", "*primary_300"),
    "button_primary_text_color": ("white", "*neutral_950"),
    "body_text_color_subdued": ("*neutral_500", "*neutral_400"),  # AA on the background, unlike the theme's own grey
    "input_placeholder_color": ("*neutral_600", "*neutral_300"),
    "input_border_color_focus": ACCENT,
    **dict.fromkeys([f"link_text_color{state}" for state in ("", "_active", "_hover", "_visited")], ACCENT),
}
MONO = ["ui-monospace", "Consolas", "monospace"]
THEME = gr.themes.Base(primary_hue="amber", neutral_hue="stone", font=FONT, font_mono=MONO).set(
    color_accent=ACCENT[0],
    **{name: light for name, (light, _) in COLOURS.items()},
    **{f"{name}_dark": dark for name, (_, dark) in COLOURS.items()},
)


def build(service: Service | None = None) -> Checked:
    """Lay the page out, ready for `launch`; without a service, limits and upload folder come from the environment.

    Raises:
        ClipsimError: a limit makes no sense, or a collection of the server cannot be opened.
    """
    service = service or _make_service()
    os.environ["GRADIO_TEMP_DIR"] = str(service.uploads)  # from where alone gradio takes it
    collections = ServerCollections(service, folders_from_environment())
    collections.check()
    queued: dict[str, Any] = {"concurrency_limit": service.limits.concurrent, "concurrency_id": "model"}
    page = Checked(service, "clipsim")
    with page:
        header = gr.HTML(render.fill("header.html"))
        script = render.static("address.js").read_text(encoding="utf-8")
        address = gr.HTML(label="Address note", elem_id="address", padding=False, js_on_load=script)
        banner = gr.HTML(label="Model note", elem_id="banner", padding=False)
        own = list_own()
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab(translated("tab.score"), id="score"):
                scoring = ScoreTab(service, banner, queued)
            with gr.Tab(translated("tab.search"), id=SEARCH):
                searching = SearchTab(collections, tabs, own, queued, ShownPictures(service.files))
            with gr.Tab(translated("tab.list"), id=LIST):
                listing = ListTab(service, queued, ShownPictures(service.files))
        scoring.keep_in(searching)
        menu = _lay_out_reading()

        def open_address(event: gr.EventData) -> Update:
            asked = event._data if isinstance(event._data, dict) else {}
            told: Update = {}
            if current() is not english():
                told = {header: render.fill("header.html"), menu: show_menu()}
                told |= scoring.translate() | listing.translate()
            filled, note = _fill_in(asked, scoring, searching)
            return told | filled | ({} if asked.get("first") else {address: render.fill("banner.html", note=note)})

        opened = address.submit(
            open_address,
            None,
            [header, menu, *scoring.opened, address, *searching.filled, *listing.translated],
            **ASIDE,
        )
        scoring.answer_after(opened)
        searching.search_after(opened)
        searching.find_own_after(opened)
        page.load(
            lambda: {banner: _show_first_note(service)} | scoring.mark_models(),
            None,
            [banner, *scoring.models],
            **ASIDE,
        )
        api = Api(service, collections)
        api.add_to(page, queued)
        Rest(service, api).add_to(page, queued)
    page.kept = scoring.kept
    page.queue(api_open=False)  # or `/run/...` would pass the queue by
    page._queue = queue = FairQueue(page, service.limits)  # gradio has no door for a queue of another class
    service.files.after_sweep.append(queue.unfetched.drop)
    return page


def _lay_out_reading() -> gr.HTML:
    """Lay out what there is to read below the tabs, and return the table of models."""
    with gr.Accordion(translated("reading"), open=False, elem_id="reading"):
        gr.Markdown(translated("reading.text"))
        sorting = render.static("menu.js").read_text(encoding="utf-8")
        return gr.HTML(show_menu(), label="Models", elem_id="menu", padding=False, js_on_load=sorting)


def launch(
    page: Checked | None = None, host: str | None = None, port: int | None = None, in_browser: bool = False
) -> None:
    """Serve a page, which is built unless it is given, until it is interrupted.

    It listens on the address `host`, by default `GRADIO_SERVER_NAME` or 127.0.0.1, and on `port`, by default
    `GRADIO_SERVER_PORT` or the first that is free from 7860 on; `in_browser` opens it in the browser of this machine.
    """
    page = page or build()
    service = page.service
    keep_quiet()
    os.environ.setdefault("FORWARDED_ALLOW_IPS", "")  # else uvicorn believes X-Forwarded-For of whoever is on loopback
    start_log()
    serve_metrics(service.metrics)
    _watch(page)
    service.files.start()
    routes = [*health_routes(page.why_not_ready), *page.routes]
    page.launch(
        prevent_thread_lock=True,
        server_name=host,
        server_port=port,
        inbrowser=in_browser,
        theme=THEME,
        css_paths=[render.static("page.css")],
        favicon_path=str(render.static("favicon.svg")),
        footer_links=["api"],
        ssr_mode=False,
        enable_monitoring=False,
        run_history=False,
        share=False,
        max_file_size=service.limits.file_bytes,
        state_session_capacity=MOST_SESSIONS,
        mcp_server=True,
        quiet=True,
        i18n=translations(),
        app_kwargs={
            "exception_handlers": handlers(),
            "middleware": middlewares(service, routes),
            "routes": routes,
        },
    )
    refine_tools(page)
    LightSessions(page)
    if not folders_from_environment():
        print(f"There is no collection to search: {VARIABLE} names some. See docs/collections.md.")
    print(f"clipsim is at {page.local_url}", flush=True)
    if page.kept:
        page.kept.start()  # not before the page is up, which on a busy machine would take too long for gradio
    page.block_thread()
    page.delete_files()


def _make_service() -> Service:
    limits = Limits.from_environment()
    decode = make_decoder(limits.decode_seconds, limits.decode_bytes)
    return Service(limits, Path(os.environ["GRADIO_TEMP_DIR"]), decode=decode)


def _fill_in(asked: Mapping[str, Any], scoring: ScoreTab, searching: SearchTab) -> tuple[Update, str]:
    """Fill in what the page's address asks for, as address.js reads it, and return a note on what is not known."""
    if asked.get("first"):
        return scoring.open_example(), ""
    if not (asked.get("collection") and isinstance(asked["collection"], str)):
        return scoring.open_address(asked)
    try:
        filled = searching.fill_in(asked["collection"], asked.get("caption"), asked.get("like"))
    except ClipsimError as error:
        return scoring.open(), str(error)
    return scoring.open() | filled, ""


def _watch(page: Checked) -> None:
    """Let the figures of the server tell how it stands, whenever somebody asks for them."""
    service, metrics = page.service, page.service.metrics
    metrics.watch("clipsim_queue_length", "Requests that wait", lambda: len(page._queue))
    metrics.watch("clipsim_models_loaded", "Models in memory", lambda: len(service.models.loaded()))
    metrics.watch("clipsim_files", "Files below the upload folder", lambda: service.files.size[0])
    metrics.watch("clipsim_files_bytes", "Bytes that they take", lambda: service.files.size[1])
    metrics.watch("clipsim_decoders", "Processes that decode pictures", lambda: service.decode.running)
    cache = service.models.cache
    metrics.watch("clipsim_cache_bytes", "Bytes of vectors that are kept", lambda: cache.bytes)
    metrics.watch("clipsim_cache_hits", "Vectors that were found", lambda: cache.hits, counts=True)
    metrics.watch("clipsim_cache_misses", "Vectors that were not", lambda: cache.misses, counts=True)


def _show_first_note(service: Service) -> str:
    """Show what a visitor should know of the model from the start; "" if there is nothing."""
    try:
        note = next(iter(service.encoder("auto").notes), "")
    except ClipsimError as error:
        note = str(error)
    return render.fill("banner.html", note=note)
