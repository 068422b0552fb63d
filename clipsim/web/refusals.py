"""How what went wrong goes out: as its sentence, and for programs with its code."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape

import gradio as gr

from clipsim.errors import ClipsimError, UsageError
from clipsim.web.language import is_from_page
from clipsim.web.monitoring import note_error
from clipsim.web.records import ErrorAnswer
from clipsim.web.requests import current_request_id, is_from_agent

TOAST_SECONDS = 10  # for which a sentence that has no field of its own stands on the page
WRONG_FORM = "The values are not in the form that the endpoint takes: see its API page."
MOST_QUOTED = 1000  # characters of a sentence of gradio's, which may quote a value
UNFORESEEN = "Something went wrong on the server that nobody foresaw: try it another way, and tell who runs it."


class Refusal(gr.Error):
    """An error as gradio sends it to whoever asked; for programs its `title` is the code.

    The title, as gradio's Python client takes no field beside those of a `gr.Error`.
    """

    def __str__(self) -> str:
        """Return the sentence as it is, and not quoted."""
        return str(self.message)


def refuse(error: ClipsimError) -> Refusal:
    """Return an error in the form in which whoever asked takes it: the page, an agent or another program."""
    note_error(error)
    # which may quote half a character of what was sent, and JSON cannot express that
    sentence, title = str(error).encode(errors="replace").decode(), str(error.code)
    if is_from_page():
        sentence, title = escape(sentence, quote=False), "Not scored"  # a toast on the page is HTML
    elif is_from_agent():  # to whom gradio gives the sentence alone
        sentence = json.dumps(ErrorAnswer(sentence, error.code, current_request_id()).to_dict(), ensure_ascii=False)
        title = ""
    return Refusal(sentence, duration=TOAST_SECONDS, title=title, print_exception=False)


@contextmanager
def refusals() -> Iterator[None]:
    """Send every error to whoever asked; of one that nobody foresaw the log keeps the kind and the place.

    No traceback: it may quote what strangers sent.
    """
    try:
        yield
    except Refusal:
        raise
    except gr.Error as error:  # gradio's own, of which it would log what was sent
        raise refuse(UsageError(str(error.message)[:MOST_QUOTED])) from None
    except ClipsimError as error:
        raise refuse(error) from error
    except RecursionError:  # lists in lists, deeper than Python goes
        raise refuse(UsageError(WRONG_FORM)) from None
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        logging.getLogger(__name__).error("%s at %s:%s", type(error).__name__, place.filename, place.lineno)
        raise refuse(ClipsimError(UNFORESEEN, code="internal")) from None
