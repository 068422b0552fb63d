"""Requests as gradio answers them, some in parts, each counted once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gradio.block_function import BlockFunction
from gradio.queueing import Event

from clipsim.web.monitoring import Metrics, Request

MOST_IN_PARTS = 100  # requests that are answered in parts at a time


@dataclass
class Part:
    """A part of an answer; `is_last` says whether it ends the request."""

    is_last: bool = True


class RequestCounts:
    """Counts the requests of a page in `metrics`."""

    def __init__(self, metrics: Metrics) -> None:
        """Count nothing yet."""
        self._metrics = metrics
        self._in_parts: dict[str, Request] = {}

    @contextmanager
    def part(self, function: BlockFunction, event: Event | None) -> Iterator[Part]:
        """Take in a part of an answer, which `event` had to wait for if the request was queued."""
        request = (self._in_parts.pop(event._id, None) if event else None) or self._begin(function, event)
        part = Part()
        with self._metrics.part(request):
            yield part
        if part.is_last or event is None:
            return self._metrics.end(request)
        self._in_parts[event._id] = request
        while len(self._in_parts) > MOST_IN_PARTS:
            abandoned = self._in_parts.pop(next(iter(self._in_parts)))
            abandoned.code = "cancelled"  # its client went away meanwhile
            self._metrics.end(abandoned)

    def _begin(self, function: BlockFunction, event: Event | None) -> Request:
        public = function.api_visibility == "public"
        name = str(function.api_name) if public else f"page/{_name(function)}"
        request = Request(name, aside=not public and not function.queue)
        if event:
            request.request_id, request.began = event._id, event.enqueue_time
            request.seconds["queue"] = time.monotonic() - event.enqueue_time
            self._metrics.observe("queue", request.seconds["queue"])
        return request


def _name(function: BlockFunction) -> str:
    """Return what a function of the page is called in the code."""
    return getattr(function.fn, "__name__", "event").strip("_<>")
