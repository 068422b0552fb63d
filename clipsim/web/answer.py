"""The right-hand side of the first tab: what an answer looks like, and what programs get of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import gradio as gr
import pandas as pd

from clipsim import report
from clipsim.images import Decoder, reduce, shrink
from clipsim.scoring import OVERLAID, STRENGTHS, Result, find_scale, overlay
from clipsim.web import render
from clipsim.web.checked import show_checklist
from clipsim.web.kept import Answer, RecentAnswers
from clipsim.web.language import current, translated
from clipsim.web.lightbox import Lightbox, show_legend
from clipsim.web.saving import SaveRow
from clipsim.web.search_tab import SHOWN, Update
from clipsim.web.shown import ShownPictures
from clipsim.web.sweeper import UploadFolder

RANKED_SIDE = 2048  # pixels along the longer side of what programs get of a picture that browsers do not show


class AnswerView:
    """The components of an answer: those of the page, and those that only programs get."""

    def __init__(
        self, files: UploadFolder, published: Mapping[str, float], recent: RecentAnswers, decode: Decoder
    ) -> None:
        """Lay them out; to be called inside the column. Pictures that are shown, and downloads, go into `files`.

        What is shown is kept in `recent`, under the key in the component `key`; pictures are opened by `decode`.
        """
        self._published, self._recent, self._decode = published, recent, decode
        self._shown = ShownPictures(files)
        self.key = gr.Textbox(visible=False)
        script = render.static("accessibility.js").read_text(encoding="utf-8")
        self.progress = gr.HTML("", label="Progress", elem_id="progress", padding=False)
        self._older = gr.HTML("", label="Earlier answer", elem_id="older", padding=False)
        look: dict[str, Any] = {"elem_id": "status", "padding": False, "js_on_load": script}
        self.status = gr.HTML(render.fill("skeleton.html"), label="Status", **look)
        script = render.static("answer.js").read_text(encoding="utf-8")
        self._grid = gr.HTML(label="Pictures, best first", elem_id="ranked", padding=False, js_on_load=script)
        self.lightbox = Lightbox(recent, self._shown)
        with gr.Tabs(elem_id="details") as self._tabs:
            self._lay_out_details()
        self._remarks = gr.HTML(label="Notes", elem_id="remarks", padding=False)
        with gr.Row(elem_id="downloads"):
            self._save = SaveRow(files.folder, recent, decode)
            self.keep = gr.Button(translated("keep"), size="sm", elem_id="keep")
        self._save.connect(self.key)
        self._compared = gr.HTML(label="Published figures", elem_id="published", padding=False)
        # what programs get in place of the grid, of the bars and of the buttons
        self._ranked = gr.Gallery(label="Ranked pictures", columns=2, visible=False, **SHOWN)
        look = {"label": "Cosine similarity", "tooltip": ["figures"], "visible": False}
        self._bars = gr.BarPlot(x="picture", y="cosine", **look)
        self._csv = gr.DownloadButton("Download CSV", visible=False)
        self._json = gr.DownloadButton("Download JSON", visible=False)

    def _lay_out_details(self) -> None:
        with gr.Tab(translated("tab.plot"), id="plot"):
            self._plot = gr.HTML(label="Plot", elem_id="bars", padding=False)
        with gr.Tab(translated("tab.table"), id="table"):
            self._table = gr.HTML(label="Scores", elem_id="table", padding=False)
        with gr.Tab(translated("tab.words"), id="words") as self._words_tab:
            self._words = gr.HTML(label="Words", elem_id="words", padding=False)
        with gr.Tab(translated("tab.where"), id="where", visible=False) as self._where_tab:
            self._legend = gr.HTML(label="What the colours mean", elem_id="maps-legend", padding=False)
            self._maps = gr.Gallery(label="Where in the picture", columns=2, visible=False, elem_id="maps", **SHOWN)
        with gr.Tab(translated("tab.several"), id="several", visible=False) as self._several_tab:
            self._several = gr.HTML(label="Several captions", elem_id="several", padding=False)
        with gr.Tab(translated("tab.check"), id="check", visible=False) as self._check_tab:
            self._check = gr.HTML(label="Check list", elem_id="check", padding=False)
        with gr.Tab(translated("tab.models"), id="models", visible=False) as self._models_tab:
            self._models = gr.HTML(label="Two models", elem_id="models", padding=False)
        with gr.Tab(translated("tab.seen"), id="seen"):
            self._views = gr.HTML(label="What the model saw", elem_id="seen", padding=False)

    def outputs_for_programs(self, banner: gr.HTML) -> list[Any]:
        """Return what programs get, in the order in which they get it."""
        answer = [self.status, self._ranked, self._bars, self._table, self._csv, self._json, self._remarks]
        return [*answer, self._compared, banner, self._words, self._maps, self._views, self._several, self._models]

    @property
    def outputs(self) -> list[Any]:
        """The components that an answer changes on the page."""
        tabs = [self._tabs, self._words_tab, self._where_tab, self._several_tab, self._models_tab]
        checked = [self._check, self._check_tab]
        shown = [self._older, self.status, self._grid, self._plot, self._table, self._remarks]
        return [
            self.key,
            *shown,
            *self._save.outputs,
            self._compared,
            self._words,
            self._legend,
            self._maps,
            self._views,
            self._several,
            self._models,
            *tabs,
            *checked,
        ]

    def show(self, answer: Answer, link: str) -> Update:
        """Return the page with an answer; `link` is the query of an address that asks the same."""
        result = answer.result
        maps = _overlay_heatmaps(result, render.list_labels(result), self._decode)
        asked: dict[str, Any] = {"where": any(score.heatmap for score in result), "several": answer.table}
        asked |= {"models": answer.comparison, "check": answer.checklist}
        first = next((name for name, one in asked.items() if one), "plot")  # what was asked for lies open
        update = {
            **self._show_everywhere(answer),
            self.status: render.status(result, answer.kept, link),
            self._maps: gr.Gallery(maps, visible=bool(maps)),
            self.key: self._recent.keep(answer),
            self._older: "",
            self._grid: render.grid(result, self._decode),
            self._plot: render.bars(result),
            **self._save.show(result),
            self._legend: show_legend(result),
            self._tabs: gr.Tabs(selected=first),
            self._words_tab: gr.Tab(visible=bool(result.words)),
            self._where_tab: gr.Tab(visible=bool(asked["where"])),
            self._several_tab: gr.Tab(visible=bool(answer.table)),
            self._models_tab: gr.Tab(visible=bool(answer.comparison)),
            self._check: show_checklist(answer.checklist) if answer.checklist else "",
            self._check_tab: gr.Tab(visible=bool(answer.checklist)),
        }
        return self._shown.name_all(update)

    def show_so_far(self, result: Result, count: int, total: int) -> Update:
        """Return the page with the best of the first `count` pictures."""
        status = render.status_so_far(count, total)
        grid = self._shown.name(render.grid(result, self._decode, whole=False))
        return {self.key: "", self.status: status, self._grid: grid, self._older: ""}

    def mark_older(self, why: str = "") -> Update:
        """Return the page with what it shows marked as the answer to an earlier question, and `why` it still stands."""
        return {self._older: render.fill("older.html", text=f"{why} {current()('older')}", old=True)}

    def mark_partial(self, text: str) -> Update:
        """Return the page with a remark above what it shows."""
        return {self._older: render.fill("older.html", text=text, old=False)}

    def give(self, answer: Answer, banner: gr.HTML) -> Update:
        """Return what programs get."""
        maps = _overlay_heatmaps(answer.result, _label_maps(answer.result), self._decode)
        given = self._show_everywhere(answer) | {self._maps: gr.Gallery(maps, visible=bool(maps))}
        given |= {self._ranked: _rank(answer.result, self._decode), self._bars: _plot(answer.result)}
        given[self._csv], given[self._json] = self._save.write(answer.result, "clipsim")
        return given | {banner: render.fill("banner.html", note=render.stand_in_note(answer.result))}

    def _show_everywhere(self, answer: Answer) -> Update:
        result = answer.result
        return {
            self.status: render.status(result, answer.kept),
            self._table: render.scores(result, answer.calibration),
            self._remarks: render.remarks(result),
            self._compared: render.published(result, self._published),
            self._words: render.words(result),
            self._views: render.views(result),
            self._several: render.several(answer.table) if answer.table else "",
            self._models: render.models(answer.comparison) if answer.comparison else "",
        }


def _rank(result: Result, decode: Decoder) -> list[tuple[Any, str]]:
    """Return files, or decoded pictures where browsers do not show their format, and labels, best first."""
    show = partial(reduce, side=RANKED_SIDE)
    ranked: list[tuple[Any, str]] = []
    for score, label in zip(result.scores, report.labels(result), strict=True):
        source = result.pictures[score.name]
        ranked.append((render.find_file(result, score) or decode(show, source, score.name, ranked), label))
    return ranked


def _label_maps(result: Result) -> list[str]:
    """Return the labels that programs know pictures by, with the verdict."""
    labels = zip(result.scores, report.labels(result), strict=True)
    return [f"{label} · {score.verdict}" if score.verdict else label for score, label in labels]


def _overlay_heatmaps(result: Result, labels: Sequence[str], decode: Decoder) -> list[tuple[Any, str]]:
    """Return the pictures with their heatmaps laid over them, on one scale and dimmed by verdict, and their labels."""
    overlaid: list[tuple[Any, str]] = []
    scale = find_scale(score.heatmap for score in result if score.heatmap)
    for score, label in zip(result.scores, labels, strict=True):
        if score.heatmap:
            image = decode(partial(shrink, side=OVERLAID), result.pictures[score.name], score.name, overlaid)
            strength = STRENGTHS[score.verdict]
            overlaid.append((overlay(image, score.heatmap, OVERLAID, scale=scale, strength=strength), label))
    return overlaid


def _plot(result: Result) -> gr.BarPlot:
    drawn = render.list_bars(result)
    names = [bar.picture for bar in drawn]
    columns = {"picture": names, "cosine": [bar.cosine for bar in drawn], "figures": [bar.figures for bar in drawn]}
    return gr.BarPlot(pd.DataFrame(columns), sort=names, y_lim=[*render.find_reach(drawn)])
