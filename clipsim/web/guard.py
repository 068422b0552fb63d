"""What stands between strangers and gradio: sizes and files are checked first, and errors go out as sentences."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.context import LocalContext
from starlette.routing import BaseRoute

from clipsim.errors import ClipsimError, UsageError
from clipsim.web.counting import RequestCounts
from clipsim.web.kept import KeptAnswer
from clipsim.web.language import in_english
from clipsim.web.refusals import MOST_QUOTED, WRONG_FORM, refusals, refuse
from clipsim.web.service import Service


@contextmanager
def sentences() -> Iterator[None]:
    """Send what went wrong to every client as its sentence, and nothing to the log."""
    try:
        yield
    except ClipsimError as error:
        raise refuse(error) from error


def keep_quiet() -> None:
    """Keep what strangers send out of the log: a traceback may quote it, so that only the kind of the error is kept."""

    def without_traceback(record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[0]:
            record.msg, record.args, record.exc_info = f"{record.exc_info[0].__name__} in a request", (), None
        return True

    logging.getLogger("uvicorn.error").addFilter(without_traceback)
    logging.basicConfig()  # by which libraries speak that have no log of their own; MCP's would begin one otherwise
    root = logging.getLogger()
    root.addFilter(lambda _: False)  # lines under no name, in which MCP's library quotes what it cannot read
    for handler in root.handlers:
        handler.addFilter(without_traceback)
    for name in ("PIL", "python_multipart", "mcp"):  # they say what is wrong with a picture, a form, a header
        logging.getLogger(name).setLevel(logging.CRITICAL)


class Checked(gr.Blocks):
    """Blocks that look at a request before gradio does: it would fetch web addresses, and log what it cannot read."""

    def __init__(self, service: Service, title: str) -> None:
        """Begin the layout of a page.

        `kept` is the answer that the page opens with, if it has one; `routes` are served beside it.
        """
        super().__init__(title=title, analytics_enabled=False)
        self.service = service
        service.files.after_sweep.append(self._forget_gone)
        self.kept: KeptAnswer | None = None
        self._counts = RequestCounts(service.metrics)
        self.routes: list[BaseRoute] = []

    def why_not_ready(self) -> str:
        """Say why requests cannot be taken now; "" if they can."""
        if len(self._queue) >= self.service.limits.queue:
            return "The queue is full."
        return self.kept.why_not_ready() if self.kept else ""

    def delete_files(self) -> None:
        """Delete the files that gradio knows of, as the server ends."""
        for file in {file for known in self.temp_file_sets for file in known}:
            Path(file).unlink(missing_ok=True)

    def _forget_gone(self) -> None:
        """Let gradio forget files that were swept: it keeps the path of each that it was sent, or made."""
        for known in self.temp_file_sets:
            known.difference_update([file for file in list(known) if not Path(file).exists()])

    def get_api_info(self, *choices: Any, **named: Any) -> Any:
        """Describe the endpoints to programs, with the labels of components in English."""
        return in_english(super().get_api_info(*choices, **named))

    async def process_api(self, block_fn: Any, *values: Any, **named: Any) -> Any:
        """Answer a call, or the next part of one, whichever way it came; it is counted, errors go out as sentences."""
        # as gradio sets them later, for what is refused before
        LocalContext.request.set(named.get("request"))
        LocalContext.event_id.set(named.get("event_id"))
        function = self.fns[block_fn] if isinstance(block_fn, int) else block_fn
        event = self._queue.event_ids_to_events.get(named.get("event_id") or "")
        with self._counts.part(function, event) as part, refusals():
            output = await super().process_api(block_fn, *values, **named)
            part.is_last = not output.get("is_generating")
            return output

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], *rest: Any, **named: Any) -> Any:
        """Check what a client sent, then let gradio read it."""
        with sentences():
            # values that a caller leaves out at the end are what the page shows at first
            inputs = [*inputs, *(component.value for component in block_fn.inputs[len(inputs) :])]
            inputs = [self._check(value, plain=not block_fn.preprocess) for value in inputs]
            try:
                return await super().preprocess_data(block_fn, inputs, *rest, **named)
            except gr.Error as error:
                raise UsageError(str(error.message)[:MOST_QUOTED]) from error
            except Exception as error:
                raise UsageError(WRONG_FORM) from error

    def _check(self, value: Any, plain: bool) -> Any:
        """Check the files in a value; or, where an endpoint does so itself, unmark them so that gradio lets them be."""
        if isinstance(value, list):
            return [self._check(one, plain) for one in value]
        if not isinstance(value, dict):
            return value
        if plain:  # gradio knows files by this mark, at any depth
            return {key: self._check(one, plain) for key, one in value.items() if key != "meta"}
        if "path" in value or "url" in value:
            self.service.receive(value)
        return {key: self._check(one, plain) for key, one in value.items()}
