"""Second opinions on a server: by its own judges alone, in turn, in time, and never at the cost of the scores."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image
from support import ByMean, paint
from support.judges import Counting

from clipsim import ChoiceError, Encoder, EncoderError, Judge, UsageError
from clipsim.embedding import cache_of
from clipsim.images import decode_here, to_address
from clipsim.images.reading import encode_jpeg
from clipsim.settings import Limits
from clipsim.web import render
from clipsim.web.api import Api
from clipsim.web.form import QuestionForm
from clipsim.web.language import translations
from clipsim.web.runs import CancelledError
from clipsim.web.server_collections import ServerCollections
from clipsim.web.service import Question, Service

Loader = Callable[..., Judge]


class Lazy(Counting):
    """Reads its weights when it is told to, and keeps whose turn it was when it was asked."""

    ready = False

    def ensure_loaded(self) -> None:
        self.ready = True

    def rate(self, views: list[Image.Image], captions: list[str]) -> np.ndarray:
        with self.turn:
            return super().rate(views, captions)


def load_lazily(name: str, *, precision: str, progress: Callable[[int, int], None]) -> Judge:
    assert (name, precision) == ("blip-itm", "auto")
    progress(9, 900)
    return Lazy()


def serve(folder: Path, load_judge: Loader = load_lazily, limits: Limits = Limits()) -> Service:  # noqa: B008
    def load(*_: Any, **__: Any) -> Encoder:
        return ByMean()

    return Service(limits, folder, load, load_judge=load_judge)


def ask(count: int = 3, **more: Any) -> Question:
    pictures = [(paint(20, 20, seed=i), f"{i}.png") for i in range(count)]
    return Question(pictures, "a cat", **({"second_opinion": "blip-itm"} | more))


def test_who_waits_is_told_of_the_download_the_reading_and_each_opinion(tmp_path: Path) -> None:
    service, told, question = serve(tmp_path), list[Any](), ask()
    result = service.ask_again(question, service.answer(question), lambda *what: told.append(what))
    assert result.judge == "counting" and all(score.second_opinion is not None for score in result)
    loading = [("loading", "blip-itm", 0, 0), ("downloading", "blip-itm", 9, 900), ("reading", "counting", 0, 0)]
    assert told == [*loading, *(("judging", "blip-itm", i, 3) for i in range(4))]


def test_a_question_without_one_gets_none(tmp_path: Path) -> None:
    service, question = serve(tmp_path), ask(second_opinion="")
    result = service.answer(question)
    assert service.ask_again(question, result) is result


def test_the_judge_is_loaded_once_for_all_and_shares_cache_decoder_and_turns_with_encoders(tmp_path: Path) -> None:
    loaded: list[Judge] = []

    def load(*_: Any, **__: Any) -> Judge:
        loaded.append(Lazy())
        return loaded[-1]

    service, question = serve(tmp_path, load), ask()
    result = service.answer(question)
    threads = [threading.Thread(target=service.ask_again, args=(question, result)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    (judge,) = loaded
    assert cache_of(judge) is service.models.cache and judge.derived["decoder"] is service.decode
    assert judge.turn is service.encoder("auto").turn


def test_a_folder_that_a_stranger_names_is_no_judge_of_the_server(tmp_path: Path, tiny_blip: Path) -> None:
    service, question = serve(tmp_path), ask(second_opinion=str(tiny_blip))
    with pytest.raises(ChoiceError, match=r"use blip-itm, vqascore$"):
        service.ask_again(question, service.answer(question))


def test_the_scores_stay_where_the_judge_cannot_be_had(tmp_path: Path) -> None:
    def fail(*_: Any, **__: Any) -> Judge:
        raise EncoderError("It is not here: fetch it")

    service, question = serve(tmp_path, fail), ask()
    result = service.answer(question)
    after = service.ask_again(question, result)
    assert after.scores == result.scores and after.notes[-1] == "Second opinion: none. It is not here: fetch it."


def test_what_is_too_slow_is_ended_with_what_was_had_until_then(tmp_path: Path) -> None:
    class Slow(Lazy):
        def rate(self, views: list[Image.Image], captions: list[str]) -> np.ndarray:
            if self.asked:
                threading.Event().wait(1.2)
            return super().rate(views, captions)

    service, question = serve(tmp_path, lambda *_, **__: Slow(), Limits(seconds=1)), ask()
    after = service.ask_again(question, service.answer(question))
    assert [score.second_opinion is None for score in after] == [False, False, True]
    assert after.notes[-1].startswith("Second opinion: only on 2 of 3 pictures. After 1 s only 2 of 3 second opinions")


def test_who_cancels_keeps_the_scores(tmp_path: Path) -> None:
    def end(step: str, *_: Any) -> None:
        if step == "judging":
            raise CancelledError("Cancelled.")

    service, question = serve(tmp_path), ask()
    after = service.ask_again(question, service.answer(question), end)
    assert len(after.scores) == 3 and after.notes[-1] == "Second opinion: none. Cancelled."


@pytest.fixture
def api(tmp_path: Path) -> Api:
    service = serve(tmp_path)
    return Api(service, ServerCollections(service, {}))


def send(seed: int) -> Any:
    return to_address(encode_jpeg(paint(48, 40, seed)))


def test_the_api_answers_with_as_many_opinions_as_were_asked_for(api: Api) -> None:
    result = api.similarity([send(0), send(1)], "a cat", second_opinion="blip-itm", opinions=1)
    assert result.judge == "counting" and [score.second_opinion is None for score in result] == [False, True]


@pytest.mark.parametrize(
    ("values", "kind", "sentence"),
    [
        ({"second_opinion": "nonsense"}, ChoiceError, "use blip-itm, vqascore"),
        ({"second_opinion": "/etc"}, ChoiceError, "use blip-itm, vqascore"),
        ({"second_opinion": "blip-itm", "opinions": 0}, UsageError, "ask for 1 to 100"),
        ({"second_opinion": "blip-itm", "opinions": 101}, UsageError, "ask for 1 to 100"),
        ({"second_opinion": "blip-itm", "caption": "", "reference": send(2)}, UsageError, "leave second_opinion out"),
    ],
)
def test_the_api_refuses_what_makes_no_sense(api: Api, values: dict[str, Any], kind: type, sentence: str) -> None:
    with pytest.raises(kind, match=sentence):
        api.similarity([send(0)], **({"caption": "a cat"} | values))


def test_the_models_of_a_server_include_its_judges(api: Api, tiny_blip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPSIM_JUDGES", str(tiny_blip))
    assert [row.name for row in api.models().judges] == ["blip-itm", "vqascore", "tiny-blip"]


def test_the_page_shows_it_beside_the_percentile_and_marks_what_contradicts(tmp_path: Path) -> None:
    service, question = serve(tmp_path), ask()
    result = service.ask_again(question, service.answer(question))
    plain, grid, table = service.answer(question), render.grid(result, decode_here), render.scores(result, None)
    assert "cs-opinion" not in render.grid(plain, decode_here) and "opinion" not in render.scores(plain, None)
    assert grid.count("cs-opinion") >= 3 and "second opinion" in table.lower()
    assert "counting was asked for a second opinion on the best 3." in render.status(result)


def test_the_form_asks_for_one_only_with_a_caption(tmp_path: Path) -> None:
    with gr.Blocks():
        form = QuestionForm(serve(tmp_path))
    (chosen,) = (one for one in form.inputs if one.elem_id == "opinion")
    assert [value for _, value in chosen.choices] == ["", "blip-itm", "vqascore"]
    data: dict[Any, Any] = {one: getattr(one, "value", None) for one in form.inputs}
    assert form.ask(data | {chosen: "blip-itm"}).second_opinion == "blip-itm"
    filled = form.fill_in(ask())
    assert filled[chosen] == "blip-itm"
    update, note = form.fill_in_address({"opinion": "vqascore"})
    assert update[chosen] == "vqascore" and note == ""
    assert translations().translations["de"]["page.opinion"].startswith("Zweitmeinung")
