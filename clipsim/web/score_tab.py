"""The page's first tab: pictures, a caption or a reference image, and how well they fit."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd

from clipsim import report
from clipsim.embedding import Item
from clipsim.encoders import MODELS, STAND_IN
from clipsim.errors import ClipsimError
from clipsim.images import read
from clipsim.options import CONTRASTS, FRAMINGS, PRECISIONS, PROMPTS, Options
from clipsim.scoring import Result, find_calibration, overlay
from clipsim.web import render
from clipsim.web.examples import CAPTION, REFERENCE, read_examples
from clipsim.web.guard import sentences
from clipsim.web.search_tab import ASIDE, EXAMPLE, SHOWN, SearchTab, Update
from clipsim.web.service import Question, Service

SHOWN_BY_BROWSERS = {".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif", ".bmp"}
FIRST_SHOWN, PATIENCE = 16, 1.0  # pictures, and seconds of work, after which the best so far are shown

Uploads = list[tuple[str | None, str | None]] | None  # what gr.Gallery hands over: (path, caption) pairs


class ScoreTab:
    """The tab's components, and what happens when they are used; an address fills in `caption` and `model`."""

    def __init__(self, service: Service, banner: gr.HTML, queued: dict[str, Any]) -> None:
        """Lay the tab out; to be called inside it. What runs a model waits in the queue `queued`."""
        self._service, self._banner, self._queued = service, banner, queued
        asked, titles, self._published = read_examples()
        with gr.Row(equal_height=False):
            with gr.Column(scale=2, min_width=300, elem_id="asking"):
                self._lay_out_question()
                filled = [self._pictures, self._compare, self.caption, self._reference]
                look: dict[str, Any] = {"label": "Examples: one click scores them", "elem_id": "examples"}
                self._examples = gr.Examples(asked, filled, cache_examples=False, example_labels=titles, **look)
            with gr.Column(scale=3, min_width=300, elem_id="answer"):
                self._lay_out_answer()
        self._connect()

    def _lay_out_question(self) -> None:
        # for a single picture too: gr.Image decodes any path before it can be checked
        upload: dict[str, Any] = {"type": "filepath", "sources": ["upload", "clipboard"], "interactive": True}
        several: dict[str, Any] = {"columns": 3, "height": 260, "object_fit": "cover", "buttons": [], **upload}
        single: dict[str, Any] = {"columns": 1, "height": 220, "object_fit": "contain", "buttons": [], **upload}
        self._pictures = gr.Gallery(label="Pictures", elem_id="pictures", **several)
        self._compare = gr.Radio([CAPTION, REFERENCE], value=CAPTION, label="Compare with", elem_id="compare")
        self.caption = gr.Textbox(label="Caption", placeholder=EXAMPLE, lines=1, max_lines=1, elem_id="caption")
        self._reference = gr.Gallery(label="Reference image", elem_id="reference", visible=False, **single)
        self.model = gr.Dropdown(model_choices(), value="auto", label="Model", elem_id="model")
        self._button = gr.Button("Score", variant="primary", elem_id="score")
        prompts = {name: _describe(templates) for name, templates in PROMPTS.items()}
        with gr.Accordion("More ways to look", open=False, elem_id="more"):
            label, info = "Other captions, one a line", "Scored beside the first: captions by pictures, as a table"
            self._others = gr.Textbox("", label=label, info=info, lines=2, max_lines=6, elem_id="others")
            models = [("none", ""), *model_choices()[1:]]
            self._second = gr.Dropdown(models, value="", label="Second model", elem_id="second")
            treatment = [_choose("Framing", FRAMINGS), _choose("Contrast", CONTRASTS), _choose("Prompt", prompts)]
            self._where = gr.Checkbox(label="Show where in the picture", elem_id="show-where")
            self._options = [*treatment, _choose("Precision", PRECISIONS)]  # the fields of `Options`

    def _lay_out_answer(self) -> None:
        empty, script = render.fill("empty.html"), render.static("accessibility.js").read_text(encoding="utf-8")
        self._status = gr.HTML(empty, label="Status", elem_id="status", padding=False, js_on_load=script)
        self._ranked = gr.Gallery(label="Ranked pictures", columns=2, elem_id="ranked", **SHOWN)
        look: dict[str, Any] = {"height": 300, "x_label_angle": -20, "label": "Cosine similarity", "show_label": True}
        self._bars = gr.BarPlot(x="picture", y="cosine", tooltip=["figures"], elem_id="bars", **look)
        self._table = gr.HTML(label="Scores", elem_id="table", padding=False)
        self._remarks = gr.HTML(label="Notes", elem_id="remarks", padding=False)
        self._several = gr.HTML(label="Several captions", elem_id="several", padding=False)
        self._models = gr.HTML(label="Two models", elem_id="models", padding=False)
        self._maps = gr.Gallery(label="Where in the picture", columns=2, visible=False, elem_id="maps", **SHOWN)
        with gr.Accordion("Which words carry it?", open=False, elem_id="which-words"):
            self._words = gr.HTML(label="Words", elem_id="words", padding=False)
        with gr.Accordion("What did the model see?", open=False, elem_id="what-seen"):
            self._views = gr.HTML(label="What the model saw", elem_id="seen", padding=False)
        with gr.Row(elem_id="downloads"):
            self._csv = gr.DownloadButton("Download CSV", size="sm")
            self._json = gr.DownloadButton("Download JSON", size="sm")
            self._keep_button = gr.Button("Keep as a collection", size="sm", elem_id="keep")
        self._compared = gr.HTML(label="Published figures", elem_id="published", padding=False)

    def _connect(self) -> None:
        question = [self._pictures, self._compare, self.caption, self._reference, self.model]
        *treatment, self._precision = self._options
        more = [self._others, self._second, *treatment, self._where, self._precision]
        self._inputs: list[Any] = [*question, *more]  # the parameters of `score`
        answer = [self._status, self._ranked, self._bars, self._table, self._csv, self._json, self._remarks]
        unfolding = [self._words, self._maps, self._views, self._several, self._models]
        outputs = [*answer, self._compared, self._banner, *unfolding]  # in the order in which clients get them
        run: dict[str, Any] = {"outputs": outputs, "show_progress_on": [self._ranked, self._status], **self._queued}
        # programs get one answer, which clients of a function that answers in parts would not wait for
        gr.Button("Score", visible=False).click(self.score, self._inputs, api_name="score", **run)
        live: dict[str, Any] = {"fn": self._score_live, "inputs": set(self._inputs), "api_visibility": "private"} | run
        gr.on([self._button.click, self.caption.submit], **live)
        self._examples.load_input_event.success(**live)
        self._compare.change(self._switch, self._compare, [self.caption, self._reference], **ASIDE)

    def keep_in(self, tab: SearchTab) -> None:
        """Let a click make a collection of the pictures, and choose it in `tab`."""

        def keep(data: dict[Any, Any]) -> Update:
            with sentences():
                return tab.keep(self._receive(data[self._pictures]), data[self.model], data[self._precision])

        inputs: set[Any] = {self._pictures, self.model, self._precision}
        shown: dict[str, Any] = {"show_progress_on": [self._keep_button], "api_visibility": "private"}
        self._keep_button.click(keep, inputs, tab.filled, **shown, **self._queued)

    def fill_in(self, caption: Any, model: Any) -> tuple[Update, str]:
        """Return the tab filled in with what the page's address asks for, and a note if the model is not known."""
        update: Update = {self.caption: caption} if isinstance(caption, str) else {}
        if not isinstance(model, str) or not model:
            return update, ""
        if model in dict(model_choices()).values():
            return update | {self.model: model}, ""
        return update, f"The address asks for the model “{model[:60]}”, which is not on the list: auto is kept."

    def score(
        self,
        pictures: Uploads,
        compare: str,
        caption: str,
        reference: Uploads,
        model: str,
        others: str = "",
        second: str = "",
        framing: str = "crop",
        contrast: str = "as-is",
        prompt: str = "as-written",
        where: bool = False,
        precision: str = "auto",
        progress: gr.Progress = gr.Progress(),  # noqa: B008  # this is how gradio hands one over
    ) -> Update:
        """Score pictures against a caption, or against a reference image, and rank them."""
        with sentences():
            question = self._ask(pictures, compare, caption, reference, model, framing, contrast, prompt, precision)
            question = replace(question, words=True, heatmap=where, thumbnails=True)
            lines = [line for line in (others or "").splitlines() if line.strip() and not question.reference]
            progress(0, desc="Loading the model")
            counted = partial(_count, progress, None)
            comparison = self._service.answer_models(question, second, counted) if second else None
            result = comparison.results[0] if comparison else self._service.answer(question, counted)
            table = self._service.answer_captions(question, [caption, *lines], counted) if lines else None
            encoder = self._service.encoder(model, question.options.precision)
            known = find_calibration(encoder, result.options.prompt) if result.reference is None else None
            maps = _overlay_heatmaps(result)
            return {
                self._status: render.status(result),
                self._ranked: _rank(result),
                self._bars: _draw_bars(result),
                self._table: render.scores(result, known),
                **self._write_files(result),
                self._remarks: render.remarks(result),
                self._compared: render.published(result, self._published),
                self._banner: render.fill("banner.html", note=render.stand_in_note(result)),
                self._words: render.words(result),
                self._maps: gr.Gallery(maps, visible=bool(maps)),
                self._views: render.views(result),
                self._several: render.several(table) if table else "",
                self._models: render.models(comparison) if comparison else "",
            }

    def _score_live(self, data: dict[Any, Any], progress: gr.Progress = gr.Progress()) -> Iterator[Update]:  # noqa: B008
        """Score as `score` does; before it, show the best so far of a gallery that takes long."""
        pictures: list[Any] = data[self._pictures] or []
        total, count, since = len(pictures), FIRST_SHOWN, time.monotonic()
        while count < total <= self._service.limits.images:
            with sentences():
                asked = (self._compare, self.caption, self._reference, self.model, *self._options)
                question = self._ask(pictures[:count], *(data[one] for one in asked))
                result = self._service.answer(question, partial(_count, progress, total), may_be_empty=True)
            if result.scores and time.monotonic() - since > PATIENCE:
                yield {self._status: render.status_so_far(count, total), self._ranked: _rank(result)}
                since = time.monotonic()
            count *= 2
        # what was encoded so far comes from the cache
        yield self.score(*[*(data[one] for one in self._inputs), progress])

    def _ask(
        self, pictures: Uploads, compare: str, caption: str, reference: Uploads, model: str, *choices: Any
    ) -> Question:
        """Check what was uploaded and chosen, and which of caption and reference image counts."""
        received, options = self._receive(pictures), Options(*choices)
        if compare != REFERENCE:
            return Question(received, caption, None, model, options)
        if not reference:
            raise ClipsimError("There is no reference image: add one, or compare with a caption.")
        if len(reference) > 1:
            raise ClipsimError(f"There are {len(reference)} reference images: keep one.")
        return Question(received, "", self._service.receive(reference[0][0]), model, options)

    def _receive(self, pictures: Uploads) -> list[Item]:
        return [self._service.receive(path) for path, _ in pictures or []]

    def _write_files(self, result: Result) -> Update:
        """Write CSV and JSON to download; the JSON without thumbnails, which are for the page."""
        folder = self._service.uploads / secrets.token_hex(16)  # below it, so that it is cleared away like an upload
        folder.mkdir(parents=True)
        csv, json = folder / "clipsim.csv", folder / "clipsim.json"
        plain = replace(result, scores=tuple(replace(score, thumbnail=None) for score in result.scores))
        csv.write_text(report.to_csv(plain), encoding="utf-8", errors="replace")
        json.write_text(report.to_json(plain), encoding="utf-8", errors="replace")
        return {self._csv: str(csv), self._json: str(json)}

    def _switch(self, compare: str) -> Update:
        by_caption = compare == CAPTION
        return {self.caption: gr.Textbox(visible=by_caption), self._reference: gr.Gallery(visible=not by_caption)}


def model_choices() -> list[tuple[str, str]]:
    """Return title and name of every model that a visitor may choose."""
    titles = {model.name: f"{model.name} · {model.imagenet} % ImageNet" for model in MODELS if model.imagenet}
    titles[STAND_IN.name] = "stand-in · small, offline, not CLIP"
    return [("auto · CLIP, else the stand-in", "auto"), *((title, name) for name, title in titles.items())]


def _choose(label: str, meanings: Mapping[Any, str]) -> gr.Dropdown:
    """Return a dropdown of an option's choices, each with the first clause of what it means."""
    name = label.lower()
    choices = [(f"{choice} · {meaning.partition(':')[0]}", choice) for choice, meaning in meanings.items()]
    return gr.Dropdown(choices, value=Options().to_dict()[name], label=label, elem_id=name)


def _describe(templates: Sequence[str]) -> str:
    if len(templates) > 1:
        return f"the mean of {len(templates)} sentences, for labels"
    return "the caption itself" if templates[0] == "{}" else f"“{templates[0].format('…')}”"


def _count(progress: gr.Progress, of: int | None, done: int, total: int) -> None:
    """Count scored pictures on the page, where there are others to come of `of` in all."""
    progress((done, of or total), desc="Scoring", unit="pictures")


def _rank(result: Result) -> list[tuple[Any, str]]:
    """Return files, or decoded pictures where browsers do not show their format, and labels, best first."""
    ranked: list[tuple[Any, str]] = []
    for score, label in zip(result.scores, report.labels(result), strict=True):
        source = result.pictures[score.name]
        shown = isinstance(source, Path) and source.suffix.lower() in SHOWN_BY_BROWSERS
        ranked.append((str(source) if shown else read(source, score.name).image, label))
    return ranked


def _overlay_heatmaps(result: Result) -> list[tuple[Any, str]]:
    """Return the pictures with their heatmaps laid over them, and their labels."""
    overlaid: list[tuple[Any, str]] = []
    for score, label in zip(result.scores, report.labels(result), strict=True):
        if score.heatmap:
            picture = overlay(read(result.pictures[score.name], score.name).image, score.heatmap)
            overlaid.append((picture, f"{label} · {score.verdict}" if score.verdict else label))
    return overlaid


def _draw_bars(result: Result) -> gr.BarPlot:
    names = [f"{score.rank} · {title}" for score, title in report.titled(result)]
    cosines = [round(score.cosine, 3) for score in result.scores]
    figures = [report.figures(score) for score in result.scores]
    reach: list[float | None] = [min(cosines[-1] * 1.1, 0), max(cosines[0] * 1.1, 0.05)]  # from zero
    return gr.BarPlot(pd.DataFrame({"picture": names, "cosine": cosines, "figures": figures}), sort=names, y_lim=reach)
