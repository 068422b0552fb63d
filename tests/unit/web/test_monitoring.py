"""Figures, lines of the log and health of a server: each request once, nothing that was sent in any of them."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Iterator

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Message, Scope

from clipsim.errors import BusyError, ClipsimError, UsageError
from clipsim.web.health import CountErrors, health_routes
from clipsim.web.monitoring import (
    HOST,
    LOG,
    PORT,
    Metrics,
    Request,
    current_request,
    note_error,
    serve_metrics,
    start_log,
    write_line,
)


def figures(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Every figure by its name and the values of its labels."""
    families = text_string_to_metric_families(generate_latest(metrics.registry).decode())
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What is written to the log meanwhile."""
    written: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(record.getMessage())

    logger, handler = logging.getLogger("clipsim.requests"), Keep()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield written
    logger.removeHandler(handler)


def test_an_answered_request_is_counted_once_with_what_its_stages_took(lines: list[str]) -> None:
    metrics = Metrics()
    with metrics.request(Request("similarity")) as request:
        metrics.note(pictures=3, model="stand-in")
        with metrics.measure("score"):
            time.sleep(0.02)
        metrics.observe("score", 1.0)
    got = figures(metrics)
    assert got["clipsim_requests_total", "similarity", "answered"] == 1
    assert got["clipsim_pictures_total",] == 3
    assert got["clipsim_stage_seconds_count", "score"] == 2 and got["clipsim_stage_seconds_sum", "score"] > 1.02
    assert got["clipsim_stage_seconds_count", "total"] == 1
    (line,) = map(json.loads, lines)
    told = ("event", "request_id", "endpoint", "outcome", "status", "code", "model", "pictures")
    expected = ["request", request.request_id, "similarity", "answered", 200, None, "stand-in", 3]
    assert [line[name] for name in told] == expected
    assert line["stages"]["score"] == pytest.approx(1.02, abs=0.01)


@pytest.mark.parametrize(
    ("error", "outcome", "code"),
    [
        (BusyError(3), "refused", "busy"),
        (ClipsimError("It broke."), "failed", "failed"),
        (RuntimeError("secret"), "failed", "internal"),
    ],
)
def test_what_goes_wrong_is_counted_by_its_code_and_goes_on(
    lines: list[str], error: Exception, outcome: str, code: str
) -> None:
    metrics = Metrics()
    with pytest.raises(type(error)), metrics.request(Request("similarity")):
        raise error
    got = figures(metrics)
    assert got["clipsim_requests_total", "similarity", outcome] == 1 and got["clipsim_refusals_total", code] == 1
    assert json.loads(lines[0])["code"] == code and "secret" not in lines[0]


def test_what_is_told_on_the_page_is_noted_as_the_requests_code() -> None:
    metrics = Metrics()
    note_error(BusyError(3))  # outside of any request, as in a thread of its own
    with metrics.request(Request("page/score")) as request:
        assert current_request() is request
        note_error(BusyError(3))
    assert current_request() is None
    assert figures(metrics)["clipsim_requests_total", "page/score", "refused"] == 1


def test_small_events_of_the_page_have_no_line_unless_they_go_wrong(lines: list[str]) -> None:
    metrics = Metrics()
    with metrics.request(Request("page/check", aside=True)):
        pass
    assert lines == [] and figures(metrics)["clipsim_requests_total", "page/check", "answered"] == 1
    with metrics.request(Request("page/check", aside=True)):
        note_error(BusyError(3))
    assert len(lines) == 1


def test_nothing_makes_two_lines_of_one(lines: list[str]) -> None:
    write_line("request", endpoint='a\nb\r\u2028c"}')
    assert len(lines) == 1 and lines[0].isprintable() and lines[0].isascii()


def test_what_is_watched_is_read_when_it_is_asked_for() -> None:
    metrics, queue = Metrics(), [1, 2]
    metrics.watch("clipsim_queue_length", "Requests that wait", lambda: len(queue))
    metrics.watch("clipsim_cache_hits", "Vectors that were found", lambda: 7, counts=True)
    assert figures(metrics)["clipsim_queue_length",] == 2
    queue.clear()
    got = figures(metrics)
    assert got["clipsim_queue_length",] == 0 and got["clipsim_cache_hits_total",] == 7
    assert got["process_resident_memory_bytes",] > 1e6


def test_the_log_is_switched_off_by_the_environment_and_nothing_else_is_taken(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for chosen, count in (("", 1), ("json", 1), ("off", 0)):
        monkeypatch.setenv(LOG, chosen)
        start_log()
        write_line("request")
        assert capfd.readouterr().err.count("\n") == count
    monkeypatch.setenv(LOG, "xml")
    with pytest.raises(UsageError, match='CLIPSIM_LOG is \'xml\': set it to "json" or "off"'):
        start_log()


@pytest.mark.parametrize("port", ["http", "-1", "99999999"])
def test_a_port_that_there_is_not_is_refused(monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    monkeypatch.setenv(PORT, port)
    monkeypatch.delenv(HOST, raising=False)
    with pytest.raises(UsageError, match=r"CLIPSIM_METRICS_PORT is .*: set it to a port that is free"):
        serve_metrics(Metrics())


async def _refuse(_: HttpRequest) -> PlainTextResponse:
    return PlainTextResponse("no", 429)


def _get(app: Starlette | CountErrors, path: str) -> tuple[int, bytes]:
    scope: Scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], b"".join(one.get("body", b"") for one in sent)


def test_http_answers_that_say_no_are_counted_by_names_of_our_own(lines: list[str]) -> None:
    metrics = Metrics()
    app = CountErrors(Starlette(routes=[Route("/gradio_api/call/{name}", _refuse)]), metrics)
    for path in ("/gradio_api/call/secret", "/secret", "/gradio_api/secret", "/v1/secret"):
        assert _get(app, path)[0] >= 400
    got = figures(metrics)
    assert got["clipsim_http_errors_total", "call", "429"] == 1
    assert got["clipsim_http_errors_total", "other", "404"] == 2
    assert got["clipsim_http_errors_total", "v1", "404"] == 1
    assert len(lines) == 4 and "secret" not in "".join(lines)


def test_a_server_is_up_at_once_and_ready_when_nothing_is_waited_for() -> None:
    reasons = ["The default model is being loaded.", ""]
    app = Starlette(routes=[*health_routes(lambda: reasons.pop(0))])
    assert _get(app, "/healthz") == (200, b'{"status":"ok"}')
    assert _get(app, "/readyz") == (503, b'{"status":"not ready","reason":"The default model is being loaded."}')
    assert _get(app, "/readyz") == (200, b'{"status":"ready"}')
