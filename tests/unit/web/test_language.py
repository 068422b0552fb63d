"""The language of the page: of its components, and of what the server renders."""

import gradio as gr
import pytest
from gradio.context import LocalContext
from starlette.requests import Request

from clipsim import ClipsimError
from clipsim.web.guard import sentences
from clipsim.web.language import current, in_english, translated, translations


def test_components_are_translated_in_the_browser_and_described_in_english() -> None:
    known = translations().translations
    assert known["en"]["page.score"] == "Score" and known["de"]["page.score"] != "Score"
    assert not any(key.startswith("answer.") for key in known["en"])
    label = translated("score")
    assert in_english({"label": label, "all": [f"{label}", "as it is", 3]}) == {
        "label": "Score",
        "all": ["Score", "as it is", 3],
    }


def test_a_toast_on_the_page_is_text_and_programs_get_the_sentence_as_it_is() -> None:
    for user, told in (("app", "&lt;img&gt; is not there."), ("api", "<img> is not there.")):
        headers = [(b"x-gradio-user", user.encode())]
        token = LocalContext.request.set(gr.Request(Request({"type": "http", "path": "/", "headers": headers})))
        try:
            with pytest.raises(gr.Error) as error, sentences():
                raise ClipsimError("<img> is not there.")
            assert error.value.message == told
        finally:
            LocalContext.request.reset(token)


def test_what_the_server_renders_is_in_the_language_of_a_visitor_and_in_english_for_programs() -> None:
    assert current().language == "en"
    for user, language in (("app", "fr"), ("api", "en")):
        headers = [(b"accept-language", b"fr-FR"), (b"x-gradio-user", user.encode())]
        token = LocalContext.request.set(gr.Request(Request({"type": "http", "headers": headers})))
        try:
            assert current().language == language
        finally:
            LocalContext.request.reset(token)
