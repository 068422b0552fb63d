"""The left-hand side of the first tab: pictures, what they are compared with, and in which ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from clipsim.embedding import Item, name_sources
from clipsim.encoders import MODELS, STAND_IN, list_models
from clipsim.errors import CaptionError, ClipsimError, EncoderError, LimitError, UsageError
from clipsim.judges import list_judges
from clipsim.options import CONTRASTS, FRAMINGS, PRECISIONS, PROMPTS, Options, Precision
from clipsim.web import render
from clipsim.web.examples import CAPTION, REFERENCE, Example
from clipsim.web.language import current, translated
from clipsim.web.monitoring import note_error
from clipsim.web.search_tab import ASIDE, Update
from clipsim.web.service import Question, Service
from clipsim.web.uploads import ACCEPTED, UploadCheck, Uploads


class FieldError(UsageError):
    """A field of the page is not filled in as it has to be.

    Attributes:
        field: which, as `QuestionForm` calls it.
    """

    def __init__(self, field: str, sentence: str) -> None:
        """Say which field it is, and what to do."""
        self.field = field
        super().__init__(sentence)


class QuestionForm:
    """The components of a question, and what is wrong with them.

    Attributes:
        caption: the field for it.
        button: what scores.
        cancel: what ends that; shown only while it runs.
        inputs: the components whose values make a question, in the order of the parameters of `/score`.
        faults: what says what is wrong with which field.
    """

    def __init__(self, service: Service) -> None:
        """Lay it out; to be called inside its column."""
        self._service = service
        self.faults: dict[str, gr.HTML] = {}
        self._lay_out_pictures()
        self._compare = gr.Radio([CAPTION, REFERENCE], value=CAPTION, label=translated("compare"), elem_id="compare")
        self.caption = gr.Textbox(
            label=translated("caption"), placeholder=translated("example"), lines=1, max_lines=1, elem_id="caption"
        )
        self._add_fault("caption")
        self._reference = gr.Gallery(label=translated("reference"), elem_id="reference", visible=False, **_upload(1))
        self._add_fault("reference")
        UploadCheck(service, self._reference, self.faults["reference"])
        self.model = gr.Dropdown(
            model_choices(self._find_marks()), value="auto", label=translated("model"), elem_id="model"
        )
        self._add_fault("model")
        with gr.Row(elem_id="run"):
            self.button = gr.Button(translated("score"), variant="primary", elem_id="score", scale=3)
            self.cancel = gr.Button(translated("cancel"), elem_id="cancel", scale=1)
        with gr.Accordion(translated("more"), open=False, elem_id="more"):
            self._lay_out_more()
        question = [self._pictures, self._compare, self.caption, self._reference, self.model]
        *treatment, precision = self._options
        more = [self._others, self._second, *treatment, self._where, precision, self._checks, self._opinion]
        self.inputs: list[Any] = [*question, *more]
        self._compare.change(self._switch, self._compare, [self.caption, self._reference], **ASIDE)

    def _lay_out_pictures(self) -> None:
        self._pictures = gr.Gallery(label=translated("pictures"), elem_id="pictures", **_upload(4))
        look: dict[str, Any] = {"show_label": False, "container": False, "lines": 1, "max_lines": 1}
        self._addresses = gr.Textbox(
            label=translated("addresses"), placeholder=translated("addresses.hint"), elem_id="addresses", **look
        )
        self._missed = gr.Textbox(visible=False)
        self._add_fault("pictures")
        fetch = render.static("fetch.js").read_text(encoding="utf-8")
        fetched = [self._pictures, self._addresses, self._missed]
        sent = self._addresses.submit(None, [self._addresses, self._pictures], fetched, js=fetch, **ASIDE)
        UploadCheck(self._service, self._pictures, self.faults["pictures"]).check_after(sent, self._missed)

    def _lay_out_more(self) -> None:
        self._others = gr.Textbox(
            "", label=translated("others"), info=translated("others.info"), lines=2, max_lines=6, elem_id="others"
        )
        self._add_fault("others")
        self._second = gr.Dropdown(
            second_choices(self._find_marks()), value="", label=translated("second"), elem_id="second"
        )
        self._opinion = gr.Dropdown(
            judge_choices(self._find_judge_marks()), value="", label=translated("opinion"), elem_id="opinion"
        )
        prompts = {name: _describe(templates) for name, templates in PROMPTS.items()}
        treatment = [_choose("framing", FRAMINGS), _choose("contrast", CONTRASTS), _choose("prompt", prompts)]
        self._where = gr.Checkbox(label=translated("where"), elem_id="show-where")
        self._checks = gr.Checkbox(label=translated("checks"), elem_id="checks")
        self._options = [*treatment, _choose("precision", PRECISIONS)]  # the fields of `Options`

    @property
    def models(self) -> list[gr.Dropdown]:
        """The lists of models."""
        return [self.model, self._second, self._opinion]

    def mark_models(self) -> Update:
        """Return the lists of models with a mark at those that cannot be had here."""
        marks = self._find_marks()
        return {
            self.model: gr.Dropdown(model_choices(marks)),
            self._second: gr.Dropdown(second_choices(marks)),
            self._opinion: gr.Dropdown(judge_choices(self._find_judge_marks())),
        }

    def _find_judge_marks(self) -> dict[str, str]:
        return dict.fromkeys(self._service.models.list_unavailable_judges(), current()("model.needs_hub"))

    def _find_marks(self) -> dict[str, str]:
        return dict.fromkeys(self._service.models.list_unavailable(), current()("model.needs_hub"))

    def _add_fault(self, field: str) -> None:
        look: dict[str, Any] = {"elem_id": f"{field}-fault", "elem_classes": ["cs-faults"], "padding": False}
        self.faults[field] = gr.HTML("", label=f"What is wrong with {field}", **look)

    def ask(self, data: Mapping[Any, Any], first: int | None = None) -> Question:
        """Return the question in the values of `inputs`, about all pictures or the `first` so many.

        Raises:
            ClipsimError: a field is not filled in as it has to be, which `find_field` knows.
        """
        received = self.receive(data, first)
        options = Options(*(data[one] for one in self._options))
        question = Question(
            received, data[self.caption], None, data[self.model] or "auto", options, heatmap=data[self._where]
        )
        question = replace(question, checks=bool(data[self._checks]))
        if data[self._compare] != REFERENCE:
            return replace(question, second_opinion=data[self._opinion] or "")
        reference: Uploads = data[self._reference]
        if not reference:
            raise FieldError("reference", "There is no reference image: add one, or compare with a caption.")
        if len(reference) > 1:
            raise FieldError("reference", f"There are {len(reference)} reference images: keep one.")
        return replace(question, caption="", reference=self._service.receive(reference[0][0]))

    def receive(self, data: Mapping[Any, Any], first: int | None = None) -> list[Item]:
        """Return the pictures in the values of `inputs`, checked: all of them, or the `first` so many."""
        return [self._service.receive(path) for path, _ in (data[self._pictures] or [])[:first]]

    def count(self, data: Mapping[Any, Any]) -> int:
        """Return how many pictures there are."""
        return len(data[self._pictures] or [])

    def list_others(self, data: Mapping[Any, Any]) -> list[str]:
        """Return the further captions; none where pictures are compared with a picture."""
        lines = (data[self._others] or "").splitlines()
        return [line for line in lines if line.strip() and data[self._compare] != REFERENCE]

    def which_model(self, data: Mapping[Any, Any]) -> tuple[str, Precision]:
        """Return the model's name and its precision."""
        return data[self.model], data[self._options[-1]]

    def second_model(self, data: Mapping[Any, Any]) -> str:
        """Return the name of the second model; "" where there is to be none."""
        return data[self._second] or ""

    def translate(self) -> Update:
        """Return the form with what the browser does not translate in the language of the request."""
        return {self._compare: _choose_compare()}

    def fill_in_example(self, example: Example) -> Update:
        """Return the form filled in with an example."""
        return {
            self._pictures: [str(path) for path in example.pictures],
            self._compare: _choose_compare(example.compare),
            self.caption: example.caption,
            self._reference: [str(example.reference)] if example.reference else None,
        }

    def fill_in(self, question: Question) -> Update:
        """Return the form filled in with a question that was asked."""
        update: Update = {
            self._pictures: _list_files(question.pictures),
            self._compare: _choose_compare(REFERENCE if question.reference else CAPTION),
            self._reference: _list_files([question.reference]) if question.reference else None,
            self.model: question.model,
            self._where: question.heatmap,
            self._checks: question.checks,
            self._opinion: question.second_opinion,
            **dict(zip(self._options, question.options.to_dict().values(), strict=True)),
        }
        return update if question.reference else update | {self.caption: question.caption}

    def fill_in_address(self, asked: Mapping[str, Any]) -> tuple[Update, str]:
        """Return the form filled in with what the page's address asks for, and a note on what is not known."""
        update: Update = {self.caption: asked["caption"]} if isinstance(asked.get("caption"), str) else {}
        choices = {"model": (self.model, [name for _, name in model_choices()])}
        choices["opinion"] = (self._opinion, [name for _, name in judge_choices()])
        for component, choice in zip(self._options, Options().to_dict(), strict=True):
            choices[choice] = (component, [str(name) for _, name in component.choices])
        unknown = []
        for name, (component, known) in choices.items():
            value = asked.get(name)
            if value in known:
                update[component] = value
            elif value and isinstance(value, str):
                unknown.append(f"{current()(f'page.{name}')} “{value[:60]}”")
        note = current()("address.unknown", what=", ".join(unknown)) if unknown else ""
        return update, note

    def clear_faults(self) -> Update:
        """Return the form without any fault."""
        return dict.fromkeys(self.faults.values(), "")

    def show_fault(self, error: ClipsimError) -> Update:
        """Return the form with a sentence beside the field that an error is about."""
        note_error(error)
        fault = render.fill("fault.html", sentence=str(error))
        return self.clear_faults() | {self.faults[find_field(error)]: fault}

    def _switch(self, compare: str) -> Update:
        by_caption = compare == CAPTION
        return {self.caption: gr.Textbox(visible=by_caption), self._reference: gr.Gallery(visible=not by_caption)}


def _choose_compare(value: str = CAPTION) -> gr.Radio:
    """Return the choice between caption and reference image in the language of the request."""
    return gr.Radio([(current()(f"page.compare.{name}"), name) for name in (CAPTION, REFERENCE)], value=value)


def _upload(columns: int) -> dict[str, Any]:
    """Return how pictures are uploaded; one too, as gr.Image decodes any path before it can be checked."""
    fit = "contain" if columns == 1 else "cover"
    look: dict[str, Any] = {"columns": columns, "height": 150, "object_fit": fit, "buttons": []}
    return look | {"type": "filepath", "sources": ["upload", "clipboard"], "interactive": True, "file_types": ACCEPTED}


def _list_files(pictures: Sequence[Item]) -> list[str]:
    """Return the pictures that are still where they were uploaded."""
    sources = [source for source, _ in name_sources(list(pictures))]
    return [str(source) for source in sources if isinstance(source, Path) and source.is_file()]


def model_choices(marks: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
    """Return title and name of every model that a visitor may choose, some with a mark at their title."""
    figures = {model.name: f"{model.imagenet} % ImageNet" if model.imagenet else model.languages for model in MODELS}
    figures |= {model.name: f"{figures[model.name]}, {model.terms}" for model in MODELS if model.terms}
    titles = {name: f"{name} · {figure}" for name, figure in figures.items()}
    titles[STAND_IN.name] = "stand-in · small, offline, not CLIP"
    titles |= {model.name: f"{model.name} · tuned" for model in list_models()[len(MODELS) :]}
    titles |= {name: f"{titles[name]} · {mark}" for name, mark in (marks or {}).items()}
    return [("auto · CLIP, else the stand-in", "auto"), *((title, name) for name, title in titles.items())]


def second_choices(marks: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return as `model_choices` what the second model may be."""
    return [("none", ""), *model_choices(marks)[1:]]


def judge_choices(marks: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
    """Return title and name of every judge that a visitor may ask, some with a mark at their title."""
    titles = {row.name: row.name + (" · GPU" if row.needs_gpu else "") for row in list_judges()}
    titles |= {name: f"{titles[name]} · {mark}" for name, mark in (marks or {}).items()}
    return [("none", ""), *((title, name) for name, title in titles.items())]


def _choose(name: str, meanings: Mapping[Any, str]) -> gr.Dropdown:
    """Return a dropdown of an option's choices, each with the first clause of what it means."""
    choices = [(f"{choice} · {meaning.partition(':')[0]}", choice) for choice, meaning in meanings.items()]
    return gr.Dropdown(choices, value=Options().to_dict()[name], label=translated(name), elem_id=name)


def _describe(templates: Sequence[str]) -> str:
    if len(templates) > 1:
        return f"the mean of {len(templates)} sentences, for labels"
    return "the caption itself" if templates[0] == "{}" else f"“{templates[0].format('…')}”"


def find_field(error: ClipsimError) -> str:
    """Return which field of the page an error is about."""
    if isinstance(error, FieldError):
        return error.field
    if isinstance(error, CaptionError):
        return "caption"
    if isinstance(error, LimitError):
        return {"caption": "caption", "captions": "others"}.get(error.what, "pictures")
    return "model" if isinstance(error, UsageError | EncoderError) else "pictures"
