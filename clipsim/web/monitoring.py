"""What those who run a server see of it: figures for Prometheus, a line of JSON for each request, its health.

Nothing that a visitor sent is in any of it: endpoints, stages, codes and models are names of our own.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import uuid4

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from clipsim.errors import STATUSES, ClipsimError, Code, UsageError
from clipsim.images import Children, Decoder, Source
from clipsim.images.decoding import T, Work

PORT, HOST, LOG = "CLIPSIM_METRICS_PORT", "CLIPSIM_METRICS_HOST", "CLIPSIM_LOG"
SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)  # the buckets of all durations

Stage = Literal["queue", "load", "decode", "encode", "score", "judge", "total"]

_LOGGER = logging.getLogger("clipsim.requests")


@dataclass
class Request:
    """What is noted of one request while it is answered.

    Attributes:
        endpoint: its name.
        request_id: the name of this request, which is in its answer too.
        began: when it came, by the monotonic clock.
        pictures: how many there are.
        model: by which they are scored.
        code: what is wrong with it; None while nothing is.
        aside: whether it is one of the page's small events, which have no line in the log.
        seconds: what its stages took.
    """

    endpoint: str
    request_id: str = field(default_factory=lambda: uuid4().hex)
    began: float = field(default_factory=time.monotonic)
    pictures: int = 0
    model: str = ""
    code: Code | None = None
    aside: bool = False
    seconds: dict[Stage, float] = field(default_factory=dict)


_current: ContextVar[Request | None] = ContextVar("request", default=None)


def current_request() -> Request | None:
    """Return what is noted of the request that is being answered, if it is one of a server."""
    return _current.get()


def note_error(error: ClipsimError) -> None:
    """Note what is wrong with the request that is being answered."""
    if request := _current.get():
        request.code = error.code


class Metrics:
    """The figures of one server, in a registry of their own."""

    def __init__(self) -> None:
        """Count nothing yet."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        named: dict[str, Any] = {"registry": self.registry}
        self._requests = Counter("clipsim_requests", "Requests that were answered", ["endpoint", "outcome"], **named)
        self._refusals = Counter("clipsim_refusals", "Requests that were refused or failed", ["code"], **named)
        self._http = Counter("clipsim_http_errors", "HTTP answers from 400 on", ["route", "status"], **named)
        self._pictures = Counter("clipsim_pictures", "Pictures that were to be scored", **named)
        self._seconds = Histogram("clipsim_stage_seconds", "What stages take", ["stage"], buckets=SECONDS, **named)
        self._state = _State()
        self.registry.register(self._state)

    def watch(self, name: str, what: str, read: Callable[[], float], counts: bool = False) -> None:
        """Ask `read` whenever the figures are asked for; it `counts` if it only grows."""
        self._state.watched.append((name, what, read, counts))

    def observe(self, stage: Stage, seconds: float) -> None:
        """Take in what a stage took."""
        self._seconds.labels(stage).observe(seconds)
        if request := _current.get():
            request.seconds[stage] = request.seconds.get(stage, 0.0) + seconds

    @contextmanager
    def measure(self, stage: Stage) -> Iterator[None]:
        """Take in what a stage takes."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.observe(stage, time.monotonic() - began)

    def note(self, pictures: int, model: str) -> None:
        """Note how many pictures the request that is being answered has, and the name of their model."""
        if request := _current.get():
            request.pictures, request.model = pictures, model

    @contextmanager
    def request(self, request: Request) -> Iterator[Request]:
        """Take in one request, and write its line; what it raises goes on."""
        with self.part(request):
            yield request
        self.end(request)

    @contextmanager
    def part(self, request: Request) -> Iterator[None]:
        """Answer a part of a request; it ends with what it raises, else with `end`."""
        token = _current.set(request)
        try:
            yield
        except BaseException as error:
            request.code = request.code or (error.code if isinstance(error, ClipsimError) else "internal")
            self.end(request)
            raise
        finally:
            _current.reset(token)

    def end(self, request: Request) -> None:
        """Count a request that was answered, and write its line."""
        total = time.monotonic() - request.began
        self._seconds.labels("total").observe(total)
        status = STATUSES.get(request.code, 400) if request.code else 200
        outcome = "answered" if status == 200 else "refused" if status < 500 else "failed"
        self._requests.labels(request.endpoint, outcome).inc()
        self._pictures.inc(request.pictures)
        if request.code:
            self._refusals.labels(request.code).inc()
        if request.aside and not request.code:
            return
        line = {"request_id": request.request_id, "endpoint": request.endpoint, "outcome": outcome, "status": status}
        line |= {"code": request.code, "model": request.model or None, "pictures": request.pictures}
        write_line("request", **line, seconds=round(total, 3), stages=_round(request.seconds))

    def count_http(self, route: str, status: int) -> None:
        """Count an answer that says no before an endpoint is reached, and write its line."""
        self._http.labels(route, str(status)).inc()
        write_line("http_error", route=route, status=status)


@dataclass(frozen=True)
class TimedDecoder:
    """A `Decoder` that tells `metrics` what each picture takes, with what it waits for."""

    decode: Decoder
    metrics: Metrics

    def __call__(self, work: Work[T], source: Source, name: str, owner: object = None, /) -> T:
        """Return what the work makes of a picture, as `Decoder` says."""
        with self.metrics.measure("decode"):
            return self.decode(work, source, name, owner)

    @property
    def running(self) -> int:
        """How many processes there are for it."""
        return len(self.decode.running) if isinstance(self.decode, Children) else 0


class _State(Collector):
    """Figures that are read when they are asked for."""

    def __init__(self) -> None:
        """Watch nothing yet."""
        self.watched: list[tuple[str, str, Callable[[], float], bool]] = []

    def collect(self) -> Iterable[GaugeMetricFamily | CounterMetricFamily]:
        """Read all of them."""
        for name, what, read, counts in self.watched:
            yield (CounterMetricFamily if counts else GaugeMetricFamily)(name, what, value=read())


def _round(seconds: dict[Stage, float]) -> dict[str, float]:
    return {stage: round(value, 3) for stage, value in seconds.items()}


def write_line(event: str, **values: Any) -> None:
    """Write a line of JSON; whatever is in it, it stays one line."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    _LOGGER.info(json.dumps({"time": now, "event": event} | values))


def start_log() -> None:
    """Let lines go to the standard error stream, unless `CLIPSIM_LOG` is "off".

    Raises:
        UsageError: it is something else than "json" or "off".
    """
    chosen = os.environ.get(LOG, "").strip() or "json"
    if chosen not in ("json", "off"):
        raise UsageError(f'{LOG} is {chosen!r}: set it to "json" or "off"')
    _LOGGER.propagate, _LOGGER.handlers = False, [logging.NullHandler()]
    if chosen == "json":
        _LOGGER.setLevel(logging.INFO)
        _LOGGER.handlers = [logging.StreamHandler(sys.stderr)]


def serve_metrics(metrics: Metrics) -> None:
    """Serve the figures on the port in `CLIPSIM_METRICS_PORT`, to this machine unless `CLIPSIM_METRICS_HOST` says else.

    Raises:
        UsageError: there is no such port, or it is taken.
    """
    port = os.environ.get(PORT, "").strip()
    if not port:
        return
    try:
        start_http_server(int(port), os.environ.get(HOST, "").strip() or "127.0.0.1", metrics.registry)
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(f"{PORT} is {port!r}, where nothing can be served: set it to a port that is free") from error
