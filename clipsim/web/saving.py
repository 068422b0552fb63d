"""The row below an answer that saves it: CSV and JSON are written with the answer, PNG and HTML when wanted."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from clipsim import report
from clipsim.errors import ClipsimError
from clipsim.images import Decoder
from clipsim.scoring import Result
from clipsim.web import render
from clipsim.web.kept import RecentAnswers
from clipsim.web.language import current, translated
from clipsim.web.monitoring import note_error
from clipsim.web.search_tab import Update

MADE = (".png", ".html")  # when they are wanted


class SaveRow:
    """The buttons, and what happens when they are pressed.

    Attributes:
        outputs: the components that an answer changes.
        fault: says below the row why an answer cannot be saved.
    """

    def __init__(self, uploads: Path, recent: RecentAnswers, decode: Decoder) -> None:
        """Lay the buttons out; to be called inside the row. Files go below `uploads`, answers come from `recent`.

        Pictures are opened by `decode`.
        """
        self._uploads, self._recent, self._decode = uploads, recent, decode
        gr.HTML(translated("save.as"), label="Save as", elem_id="save-as", padding=False)
        self._buttons = {
            ending: gr.Button(title, size="sm", elem_id=f"save-{ending[1:]}")
            for ending, title in zip(MADE, ("PNG", translated("save.html")), strict=True)
        }
        self._csv = gr.DownloadButton("CSV", size="sm", elem_id="save-csv")
        self._json = gr.DownloadButton("JSON", size="sm", elem_id="save-json")

    def connect(self, key: gr.Textbox) -> None:
        """Let the buttons save the answer whose key is in `key`; to be called below the row."""
        self.fault = gr.HTML("", label="What is wrong with saving", elem_id="save-fault", padding=False)
        script = render.static("save.js").read_text(encoding="utf-8")
        for ending, button in self._buttons.items():
            made = gr.DownloadButton(visible=False)
            queued: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "saving", "show_progress": "hidden"}
            private: dict[str, Any] = {"api_visibility": "private"}
            click = button.click(partial(self._make, ending), key, [button, made, self.fault], **queued, **private)
            click.success(None, made, None, js=script, **private)

    @property
    def outputs(self) -> list[Any]:
        """The components that an answer changes."""
        return [self._csv, self._json, self.fault]

    def show(self, result: Result) -> Update:
        """Return the row for an answer."""
        csv, json = self.write(result, report.name_file(result))
        return {self._csv: csv, self._json: json, self.fault: ""}

    def write(self, result: Result, name: str) -> tuple[str, str]:
        """Write CSV and JSON of that name, and return their paths; without thumbnails, which are for the page."""
        plain = replace(result, scores=tuple(replace(score, thumbnail=None) for score in result.scores))
        csv, json = (self._make_folder() / f"{name}{ending}" for ending in (".csv", ".json"))
        csv.write_text(report.to_csv(plain), encoding="utf-8", errors="replace")
        json.write_text(report.to_json(plain), encoding="utf-8", errors="replace")
        return str(csv), str(json)

    def _make(self, ending: str, key: str) -> Iterator[tuple[str, str | None, str]]:
        """Say on the button that it works; then the path of the answer as a file with that ending, or what is wrong."""
        title = "PNG" if ending == ".png" else current()("page.save.html")
        yield f"{title} …", None, ""
        try:
            answer = self._recent.find(key)
            path = self._make_folder() / f"{report.name_file(answer.result)}{ending}"
            report.save_result(answer.result, answer.result.pictures, path, answer.calibration, self._decode)
        except ClipsimError as error:
            note_error(error)
            yield title, None, render.fill("fault.html", sentence=str(error))
        else:
            yield title, str(path), ""

    def _make_folder(self) -> Path:
        """Make a folder below that of uploads, so that what is in it is cleared away like an upload."""
        folder = self._uploads / secrets.token_hex(16)
        folder.mkdir(parents=True)
        return folder
