"""The page's first tab: pictures, a caption or a reference image, and how well they fit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from dataclasses import replace
from typing import Any

import gradio as gr

from clipsim.errors import ClipsimError
from clipsim.scoring import Result, count_sentences, find_calibration
from clipsim.web import render
from clipsim.web.answer import AnswerView
from clipsim.web.examples import place, read_examples
from clipsim.web.form import QuestionForm
from clipsim.web.guard import sentences
from clipsim.web.history import History, show_history
from clipsim.web.kept import Answer, KeptAnswer, RecentAnswers
from clipsim.web.language import current
from clipsim.web.lightbox import read_event
from clipsim.web.loading import Step
from clipsim.web.monitoring import note_error
from clipsim.web.runs import CancelledError, Runs
from clipsim.web.search_tab import ASIDE, SearchTab, Update
from clipsim.web.service import Question, Service
from clipsim.web.uploads import Uploads

FIRST_SHOWN, PATIENCE = 16, 1.0  # pictures, and seconds of work, after which the best so far are shown


class ScoreTab:
    """The tab's components, and what happens when they are used.

    Attributes:
        kept: the answer to the first example.
    """

    def __init__(self, service: Service, banner: gr.HTML, queued: dict[str, Any]) -> None:
        """Lay the tab out; to be called inside it. What runs a model waits in the queue `queued`."""
        self._service, self._banner, self._queued = service, banner, queued
        self._examples, published = read_examples()
        self.kept, self._recent = KeptAnswer(service, self._ask_first_example), RecentAnswers()
        self._runs = Runs()
        click = render.static("examples.js").read_text(encoding="utf-8")
        look: dict[str, Any] = {"elem_id": "examples", "padding": False, "js_on_load": click}
        self._strip = gr.HTML(render.strip(self._examples), label="Examples", **look)
        with gr.Row(equal_height=False):
            with gr.Column(scale=2, min_width=300, elem_id="asking"):
                self._form = QuestionForm(service)
                self._history = History()
            with gr.Column(scale=3, min_width=300, elem_id="answer"):
                self._view = AnswerView(service.files, published, self._recent, service.decode)
        self._asked = gr.Textbox(visible="hidden")  # what is to be scored as the page opens
        self._connect()

    def _connect(self) -> None:
        form, view = self._form, self._view
        # programs get one answer, which clients of a function that answers in parts would not wait for
        button, outputs = gr.Button("Score", visible=False), view.outputs_for_programs(self._banner)
        button.click(self.score, form.inputs, outputs, api_name="score", **self._queued)
        kept = [self._history.kept, self._history.shown]
        self._outputs = [*view.outputs, self._banner, *form.faults.values(), *kept]
        inputs = {*form.inputs, view.key, self._history.kept}
        live: dict[str, Any] = {"fn": self._score_live, "inputs": inputs, "api_visibility": "private"}
        live |= {"outputs": [view.progress, *self._outputs], "show_progress_on": [view.progress]}
        gr.on([form.button.click, form.caption.submit, self._asked.change], **live, **self._queued)
        self._strip.click(self._fill_in_example, None, form.inputs, **ASIDE).success(**live, **self._queued)
        like = view.lightbox.component.like(self._fill_in_like, view.key, form.inputs, **ASIDE)
        like.success(**live, **self._queued)
        view.lightbox.connect(self._service, view.key, self._queued)
        form.cancel.click(self._cancel, None, None, **ASIDE)  # not gradio's own, which would lose what was scored
        self._history.shown.click(self._go_back, None, [*form.inputs, *self._outputs], **ASIDE)

    @property
    def opened(self) -> list[Any]:
        """The components that `open`, `open_example`, `open_address` and `translate` may change."""
        return [*self._form.inputs, self._asked, self._strip, *self._outputs]

    def open(self) -> Update:
        """Return the tab as it is without the first example's answer."""
        return {self._view.status: render.fill("empty.html")}

    def open_example(self) -> Update:
        """Return the tab with the first example filled in; with its answer too, if that is had."""
        example, answer = place(self._examples[0], self._service.uploads), self.kept.start()
        return self._form.fill_in_example(example) | (self._show_kept(answer) if answer.done() else {})

    def open_address(self, asked: Mapping[str, Any]) -> tuple[Update, str]:
        """Return the tab as the page's address asks for it, and a note on what in it is not known.

        An example is scored; without one there are no pictures yet.
        """
        example = next((one for one in self._examples if one.title == asked.get("example")), None)
        update, note = self._form.fill_in_address(asked)
        if example is None:
            return self.open() | update, note
        placed = self._form.fill_in_example(place(example, self._service.uploads))
        return self.open() | placed | update | {self._asked: example.title}, note

    def mark_models(self) -> Update:
        """Return the lists of models with a mark at those that cannot be had here."""
        return self._form.mark_models()

    @property
    def models(self) -> list[Any]:
        """The components that `mark_models` changes."""
        return list(self._form.models)

    def translate(self) -> Update:
        """Return the tab with what the browser does not translate in the language of the request."""
        return self._form.translate() | {self._strip: render.strip(self._examples)}

    def answer_after(self, event: Any) -> None:
        """Show the first example's answer once it is had, after an event that calls `open_example`."""
        shown: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": None}
        event.success(self._wait_for_example, self._view.status, self._outputs, **shown)
        event.success(show_history, self._history.kept, self._history.shown, **ASIDE)

    async def _wait_for_example(self, status: str) -> Update:
        """Return the tab with the first example's answer once it is had, where `status` is still the skeleton."""
        if "cs-skeleton" not in status:
            return {self._view.status: gr.skip()}
        answer = self.kept.start()
        with suppress(Exception):  # which is shown by the next line
            await asyncio.wrap_future(answer)
        return self._show_kept(answer)

    def _show_kept(self, answer: Future[Result]) -> Update:
        try:
            result = answer.result()
            return self._show(replace(self._complete(self._ask_first_example(), result), kept=True, key=self.kept.key))
        except ClipsimError as error:
            return self._show_fault(error) | self.open()

    def _ask_first_example(self) -> Question:
        example = place(self._examples[0], self._service.uploads)
        pictures = [(path, path.name) for path in example.pictures]
        return Question(pictures, example.caption, words=True, thumbnails=True)

    def _fill_in_example(self, event: gr.EventData) -> Update:
        return self._form.fill_in_example(place(self._examples[int(event._data["example"])], self._service.uploads))

    def _fill_in_like(self, key: str, event: gr.EventData) -> Update:
        """Compare a picture of the answer with the others, and with the reference image they were compared with."""
        name, _ = read_event(event)
        with sentences():
            answer = self._recent.find(key)
            others = {score.name: answer.result.pictures[score.name] for score in answer.result}
            chosen = others.pop(name, None)
            if chosen is None:
                sentence = "This picture is not among those that were scored: score it first."
                raise ClipsimError(sentence, code="unknown_picture")
            earlier = answer.question.reference
            again = [earlier] if isinstance(earlier, tuple) and earlier[0] not in {chosen, *others.values()} else []
            pictures = [*((source, name) for name, source in others.items()), *again]
            question = replace(answer.question, pictures=pictures, caption=None, reference=(chosen, name))
            return self._form.fill_in(question)

    def keep_in(self, tab: SearchTab) -> None:
        """Let a click make a collection of the pictures, and choose it in `tab`."""

        def keep(data: dict[Any, Any]) -> Update:
            with sentences():
                return tab.keep(self._form.receive(data), *self._form.which_model(data), data[tab.own])

        shown: dict[str, Any] = {"show_progress_on": [self._view.keep], "api_visibility": "private"}
        inputs, outputs = {*self._form.inputs, tab.own}, [*tab.filled, tab.own]
        self._view.keep.click(keep, inputs, outputs, **shown, **self._queued)

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
        checks: bool = False,
        second_opinion: str = "",
        progress: gr.Progress = gr.Progress(),  # noqa: B008  # this is how gradio hands one over
    ) -> Update:
        """Score pictures against a caption, or against a reference image, and rank them."""
        values = [pictures, compare, caption, reference, model, others, second, framing, contrast, prompt, where]
        data = dict(zip(self._form.inputs, [*values, precision, checks, second_opinion], strict=True))
        with sentences():
            return self._view.give(self._answer(data, _Count(progress)), self._banner)

    def _answer(self, data: Mapping[Any, Any], count: _Count) -> Answer:
        """Answer the question in the values of the form."""
        question = replace(self._form.ask(data), words=True, thumbnails=True)
        second, others = self._form.second_model(data), self._form.list_others(data)
        self._service.make_ready(question, second, count.wait)
        comparison = self._service.answer_models(question, second, count) if second else None
        result = comparison.results[0] if comparison else self._service.answer(question, count)
        result = self._service.ask_again(question, result, count.wait)
        captions = [question.caption or "", *others]
        table = self._service.answer_captions(question, captions, count) if others else None
        return replace(self._complete(question, result), table=table, comparison=comparison)

    def _add_checklist(self, answer: Answer) -> Answer:
        """Return the answer with a check list, if the caption has several sentences."""
        if count_sentences(answer.result.caption or "") < 2:
            return answer
        return replace(answer, checklist=self._service.check_text(answer.question))

    def _complete(self, question: Question, result: Result) -> Answer:
        """Return the answer with the cut-offs of its model."""
        if result.reference is not None:
            return Answer(question, result)
        encoder = self._service.encoder(question.model, result.options.precision)
        return Answer(question, result, find_calibration(encoder, result.options.prompt))

    def _score_live(
        self,
        data: dict[Any, Any],
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Iterator[Update]:
        """Score as `score` does; before it, show the best so far of a gallery that takes long.

        What goes wrong is a sentence beside the field at fault, and what was shown before stays. What is cancelled ends
        with the answer for the pictures that were scored.
        """
        shown = 0  # pictures in the answer so far
        with self._runs.begin(str(request.session_hash)) as run:
            began, count = time.monotonic(), _Count(progress, self._form.count(data), run.check)
            try:
                try:
                    for size, update in self._score_in_steps(data, count):
                        shown = size
                        yield update
                    answer = self._add_checklist(self._answer(data, count))
                    yield self._remember(data, replace(answer, result=replace(answer.result, seconds=_since(began))))
                except CancelledError as error:
                    note_error(error)
                    yield self._show_cancelled(data, shown)
            except ClipsimError as error:
                yield (self._show_last(data) if shown else {}) | self._show_fault(error)

    def _score_in_steps(self, data: dict[Any, Any], count: _Count) -> Iterator[tuple[int, Update]]:
        """Score more and more of the pictures; what was encoded so far comes from the cache."""
        since, total, size = time.monotonic(), self._form.count(data), FIRST_SHOWN
        count(0, total)
        while size < total <= self._service.limits.images:
            question = replace(self._form.ask(data, size), heatmap=False, checks=False, second_opinion="")
            self._service.make_ready(question, "", count.wait)
            result = self._service.answer(question, count, may_be_empty=True)
            if result.scores and _since(since) > PATIENCE:
                yield size, self._view.show_so_far(result, size, total) | self._form.clear_faults()
                since = time.monotonic()
            size *= 2

    def _remember(self, data: Mapping[Any, Any], answer: Answer) -> Update:
        """Return the tab with an answer, which is among the earlier ones from now on."""
        update = self._show(answer)
        return update | self._history.remember(data[self._history.kept], update[self._view.key], answer)

    def _show(self, answer: Answer) -> Update:
        link = render.link_to(answer, self._examples)
        note = render.fill("banner.html", note=render.stand_in_note(answer.result))
        return self._view.show(answer, link) | self._form.clear_faults() | {self._banner: note}

    def _show_fault(self, error: ClipsimError) -> Update:
        return self._form.show_fault(error) | self._view.mark_older()

    def _show_last(self, data: Mapping[Any, Any]) -> Update:
        """Return the tab with the answer before this question, in place of a part of the answer to this."""
        try:
            return self._show(self._recent.find(data[self._view.key] or ""))
        except ClipsimError:
            return self.open()

    def _show_cancelled(self, data: Mapping[Any, Any], shown: int) -> Update:
        """Return the tab with the answer for the pictures that were shown until it was cancelled, if any were."""
        if not shown:
            return self._form.clear_faults() | self._view.mark_older(current()("cancelled"))
        question = self._form.ask(data, shown)
        # what takes long is left out
        question = replace(question, words=True, heatmap=False, thumbnails=True, checks=False)
        answer = self._complete(question, self._service.answer(question))
        text = current()("cancelled.part", count=shown, total=self._form.count(data))
        return self._remember(data, answer) | self._view.mark_partial(text)

    def _cancel(self, request: gr.Request) -> None:
        self._runs.end(str(request.session_hash))

    def _go_back(self, event: gr.EventData) -> Update:
        """Return the tab with an earlier answer and its question."""
        try:
            answer = self._recent.find(str(event._data["key"]))
        except ClipsimError as error:
            return self._show_fault(error)
        return self._form.fill_in(answer.question) | self._show(answer)


def _since(moment: float) -> float:
    return time.monotonic() - moment


class _Count:
    """Counts scored pictures on the page, of a gallery that may be scored in several goes: it only grows."""

    def __init__(
        self, progress: gr.Progress | None = None, total: int = 0, check: Callable[[], None] = lambda: None
    ) -> None:
        """Count up to `total`, or to what each call says; `check` raises where the visitor ended it."""
        self._progress, self._total, self._check, self._most = progress, total, check, 0
        self._context = copy_context()  # in which gradio finds the request, on whichever thread

    def __call__(self, done: int, total: int) -> None:
        """Count `done` pictures of the `total` of one go."""
        self._check()
        self._most = max(self._most, done)
        total = max(total, self._total)
        if self._progress is not None:
            self._progress(
                (self._most, total), desc=current()("progress.pictures", done=self._most, total=total), unit="pictures"
            )

    def wait(self, step: Step, model: str, done: int, total: int) -> None:
        """Tell what is waited for: of a download how many bytes of the `total`, of a judge how many opinions."""
        self._check()
        if self._progress is not None:
            self._context.copy().run(self._tell, self._progress, step, model, done, total)

    @staticmethod
    def _tell(progress: gr.Progress, step: Step, model: str, done: int, total: int) -> None:
        unit = 1 if step == "judging" else 1e6  # else it is bytes of a download
        text = current()(f"progress.{step}", model=model, done=round(done / unit), total=round(total / unit))
        progress((done, total or 1), desc=text, unit="bytes")  # without a share gradio shows no text
