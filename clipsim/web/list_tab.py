"""The page's third tab: a list of pictures with captions, and which of them are in doubt."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from clipsim import report
from clipsim.errors import ClipsimError, ImageError
from clipsim.images import encode_jpeg, reduce, to_address
from clipsim.options import Options
from clipsim.pairs import COLUMNS, Pair, PairScore, find_worst, make_row, summarize
from clipsim.web import render
from clipsim.web.form import model_choices
from clipsim.web.language import translated
from clipsim.web.monitoring import note_error
from clipsim.web.pair_lists import read_pairs
from clipsim.web.search_tab import Update
from clipsim.web.service import Question, Service
from clipsim.web.shown import ShownPictures

LIST = "list"  # the tab's id
SIDE = 160  # pixels along the longer side of a thumbnail
PICTURED = 100  # rows that have one: the others are far from any doubt
MOST_TOLD = 10  # rows that could not be scored, which are told one by one


class ListTab:
    """The tab's components, and what happens when they are used."""

    def __init__(self, service: Service, queued: dict[str, Any], shown: ShownPictures) -> None:
        """Lay the tab out; to be called inside it. Lists wait in the queue `queued`; `shown` names pictures."""
        self._service, self._shown = service, shown
        with gr.Row(equal_height=True, elem_id="listing"):
            self._files = gr.File(
                label=translated("list.files"), file_count="multiple", elem_id="list-files", scale=4, height=140
            )
            with gr.Column(scale=1, min_width=180):
                self._model = gr.Dropdown(
                    model_choices(), value="auto", label=translated("model"), elem_id="list-model", min_width=160
                )
                button = gr.Button(translated("list.button"), variant="primary", elem_id="list-button")
        look: dict[str, Any] = {"elem_id": "list-fault", "elem_classes": ["cs-faults"], "padding": False}
        self._fault = gr.HTML("", label="What is wrong with the list", **look)
        script = render.static("list.js").read_text(encoding="utf-8")
        ready = render.fill("list_ready.html")
        self._found = gr.HTML(ready, label="Checked list", elem_id="list-found", padding=False, js_on_load=script)
        button.click(
            self.check_list,
            [self._files, self._model],
            [self._found, self._fault],
            show_progress_on=[self._found],
            api_visibility="private",
            **queued,
        )

    @property
    def translated(self) -> list[Any]:
        """The components that `translate` changes."""
        return [self._found]

    def translate(self) -> Update:
        """Return the tab with what the browser does not translate in the language of the request."""
        return {self._found: render.fill("list_ready.html")}

    def check_list(self, files: list[str] | None, model: str) -> Update:
        """Score the list that was sent, and return the tab with its rows by doubt, or with what is wrong."""
        try:
            pairs = read_pairs([(Path(file), Path(file).name) for file in files or ()], self._service.limits)
            pictures = {id(pair.picture): pair.picture for pair in pairs if pair.picture is not None}
            question = Question([*pictures.values()], None, None, model, Options())
            scores, encoder = self._service.answer_pairs(question, pairs)
        except ClipsimError as error:
            note_error(error)
            return {self._fault: render.fill("fault.html", sentence=str(error)), self._found: gr.skip()}
        html = render.fill("list.html", **self._describe(pairs, scores, encoder.name))
        return {self._found: self._shown.name(html), self._fault: ""}

    def _describe(self, pairs: Sequence[Pair], scores: Sequence[PairScore], model: str) -> dict[str, Any]:
        """Return what the template shows: the rows that could be scored, by doubt, and how to write each as CSV."""
        good = find_worst([one for one in scores if not one.rejected], len(scores))
        bad = [one for one in scores if one.rejected]
        columns = [*dict.fromkeys(name for pair in pairs for name in pair.fields if name not in COLUMNS), *COLUMNS]
        blank = dict.fromkeys(columns)
        lines = {one.row: self._write(columns, blank | make_row(pairs[one.row - 1].fields, one)) for one in good}
        owner = object()  # stands for this list, where pictures of several visitors are decoded
        drawn = {one.row: self._draw(pairs[one.row - 1], owner) for one in good[:PICTURED]}
        return {
            "rows": [{"score": one, "address": drawn.get(one.row, "")} for one in good],
            "summary": summarize(scores, model),
            "head": report.write_rows(columns, []),
            "percentiles": [[one.row, one.percentile, lines[one.row]] for one in sorted(good, key=lambda one: one.row)],
            "bad": bad[:MOST_TOLD],
            "more": max(len(bad) - MOST_TOLD, 0),
        }

    def _write(self, columns: Sequence[str], row: dict[str, Any]) -> str:
        """Return a row as a line of CSV."""
        return report.write_rows(columns, [row]).partition("\n")[2]

    def _draw(self, pair: Pair, owner: object) -> str:
        """Return a picture as a small one in a data: address; "" where it cannot be read any more."""
        if pair.picture is None:
            return ""
        try:
            small = self._service.decode(partial(reduce, side=SIDE, draft=True), pair.picture, pair.name, owner)
        except ImageError:
            return ""
        return to_address(encode_jpeg(small))
