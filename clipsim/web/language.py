"""The language of the page, which is that of the visitor's browser.

Components are translated in the browser, by gradio's I18n; what the server renders is in the language that the request
asks for. Programs are answered in English.
"""

from __future__ import annotations

import json
import re
from typing import Any

import gradio as gr
from gradio.context import LocalContext
from gradio.i18n import I18nData

from clipsim.report import Texts, choose_texts, english, read_texts

COMPONENT = "page."  # how keys of components begin; those that gradio's own components use are known by its names
_OWN = ("upload_text.", "common.")
_MARK = re.compile(r"__i18n__(\{.*?\})")


def translated(key: str) -> Any:
    """Return the text of a component, which the browser puts into the visitor's language."""
    return I18nData(COMPONENT + key)


def translations() -> gr.I18n:
    """Return the texts of components in all languages, as gradio takes them."""
    begins = (COMPONENT, *_OWN)
    return gr.I18n(
        **{
            language: {key: text for key, text in texts.sentences.items() if key.startswith(begins)}
            for language, texts in read_texts().items()
        }
    )


def is_from_page() -> bool:
    """Return whether the request that is being answered comes from the page itself, as its script says."""
    request = LocalContext.request.get(None)
    return request is not None and request.headers.get("x-gradio-user") == "app"


def current() -> Texts:
    """Return the texts in the language of the request that is being answered; English for programs."""
    request = LocalContext.request.get(None)
    return choose_texts(request.headers.get("accept-language", "")) if request and is_from_page() else english()


def in_english(described: Any) -> Any:
    """Return what describes the endpoints to programs with the English text of every component."""
    if isinstance(described, dict):
        return {key: in_english(one) for key, one in described.items()}
    if isinstance(described, list):
        return [in_english(one) for one in described]
    if isinstance(described, I18nData):
        return english()(described.key)
    return (
        _MARK.sub(lambda mark: english()(json.loads(mark[1])["key"]), described)
        if isinstance(described, str)
        else described
    )
