"""Pictures as they come to the page: refused at once if they cannot be read, previewed if browsers do not show them."""

from __future__ import annotations

import json
import time
from functools import partial
from typing import Any

import gradio as gr

from clipsim.embedding import name_sources
from clipsim.errors import ImageError
from clipsim.images import preview, to_address
from clipsim.web import render
from clipsim.web.search_tab import ASIDE
from clipsim.web.service import Service

Uploads = list[tuple[str | None, str | None]] | None  # what gr.Gallery hands over: (path, caption) pairs

ACCEPTED: list[str] = []  # anything: browsers do not know HEIC as a picture, and gradio's own refusal is a toast
SHOWN_FORMATS = frozenset(("JPEG", "MPO", "PNG", "WEBP", "AVIF", "GIF", "BMP", "ICO"))  # by browsers
PREVIEW_SIDE = 240  # pixels; phones put a thumbnail of 320 x 240 into a HEIC
PREVIEW_SECONDS = 1.0  # for all of them: a HEIC without a thumbnail is decoded as a whole

NAMED = {**ASIDE, "api_name": "check_uploads"}  # or gradio would number the endpoint /check


class UploadCheck:
    """Opens what is added to a gallery, takes out what cannot be read, and says beside the gallery why."""

    def __init__(self, service: Service, gallery: gr.Gallery, fault: gr.HTML) -> None:
        """Check what is uploaded to `gallery`, and tell it in `fault`."""
        self._service, self._gallery, self._fault = service, gallery, fault
        self._found = gr.Textbox(visible=False)
        self._change(gallery.upload(self.check, gallery, [self._found, fault], **NAMED))

    def check_after(self, event: Any, missed: gr.Textbox) -> None:
        """Check what an event added that is not an upload; what it `missed` is told too."""
        self._change(event.success(self.check, [self._gallery, missed], [self._found, self._fault], **NAMED))

    def _change(self, event: Any) -> None:
        # in the browser, on what is in the gallery by then: an answer of the server's could undo what came meanwhile
        change = render.static("uploads.js").read_text(encoding="utf-8")
        event.success(None, [self._found, self._gallery], self._gallery, js=change, **ASIDE)

    def check(self, uploads: Uploads, missed: str = "") -> tuple[str, str]:
        """Return as JSON which files are refused and what others look like, by path, and what is to be told."""
        found: dict[str, str | None] = {}
        errors: list[ImageError] = []
        owner = object()  # stands for these uploads, where pictures of several visitors are decoded
        until = time.monotonic() + PREVIEW_SECONDS
        for path, _ in reversed(uploads or []):  # the last that came are the last of the gallery
            try:
                small = self._open(path, time.monotonic() < until, owner)
            except ImageError as error:
                found[str(path)] = None
                errors.insert(0, error)
            else:
                found |= {str(path): small} if small else {}
        return json.dumps(found), render.missed(missed) + render.refused(errors)

    def _open(self, path: str | None, may_decode: bool, owner: object) -> str:
        """Open a picture as far as its header, and return as an address what it looks like if browsers do not know."""
        ((source, name),) = name_sources([self._service.receive(path)])
        work = partial(preview, side=PREVIEW_SIDE if may_decode else 0, shown=SHOWN_FORMATS)
        small = self._service.decode(work, source, name, owner)
        return to_address(small) if small else ""
