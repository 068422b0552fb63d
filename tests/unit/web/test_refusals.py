"""How errors go out: a sentence and a code to programs, text to the page, an object to agents, little to the log."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr
import pytest
from gradio.context import LocalContext
from starlette.requests import Request

from clipsim.errors import CaptionError, ClipsimError
from clipsim.web.refusals import MOST_QUOTED, Refusal, refusals, refuse


@contextmanager
def asked_by(user: str) -> Iterator[None]:
    scope = {"type": "http", "path": "/", "headers": [(b"x-gradio-user", user.encode())]}
    token = LocalContext.request.set(gr.Request(Request(scope)))
    try:
        yield
    finally:
        LocalContext.request.reset(token)


ERROR = CaptionError("<b> is empty.", code="no_caption")


def test_a_program_gets_the_sentence_and_the_code_as_the_title() -> None:
    with asked_by("api"):
        refusal = refuse(ERROR)
    assert (refusal.message, refusal.title, str(refusal)) == ("<b> is empty.", "no_caption", "<b> is empty.")
    assert not refusal.print_exception


def test_the_page_gets_text_and_a_title_for_people() -> None:
    with asked_by("app"):
        refusal = refuse(ERROR)
    assert (refusal.message, refusal.title) == ("&lt;b&gt; is empty.", "Not scored")


def test_an_agent_gets_an_object() -> None:
    with asked_by("mcp"):
        told = json.loads(str(refuse(ERROR)))
    assert (told["error"], told["code"], told["api_version"]) == ("<b> is empty.", "no_caption", "1")
    assert len(told["request_id"]) == 32


def test_half_a_character_that_was_sent_does_not_keep_the_sentence_from_being_sent() -> None:
    refuse(ClipsimError("\ud800 is not there.")).message.encode()


def raised(error: BaseException) -> Refusal:
    with pytest.raises(Refusal) as refused, refusals():
        raise error
    return refused.value


def test_what_nobody_foresaw_is_told_without_what_was_sent_and_logged_by_kind_and_place(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR):
        refusal = raised(ValueError("a visitor's secret"))
    assert refusal.title == "internal" and "secret" not in refusal.message
    (line,) = caplog.messages
    assert line.startswith("ValueError at ") and "test_refusals.py:" in line and "secret" not in caplog.text


def test_values_that_are_nested_too_deeply_are_in_the_wrong_form() -> None:
    assert raised(RecursionError()).title == "bad_value"


def test_errors_of_gradios_own_are_cut_and_not_logged() -> None:
    refusal = raised(gr.Error("x" * 100_000))
    assert refusal.title == "bad_value" and len(refusal.message) == MOST_QUOTED and not refusal.print_exception


def test_a_refusal_goes_out_as_it_is() -> None:
    first = refuse(ERROR)
    assert raised(first) is first
