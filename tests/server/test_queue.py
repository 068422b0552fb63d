"""The queue as a crowd meets it, while one client floods it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest
import support
from gradio_client import Client
from gradio_client.exceptions import AppError
from support import EXAMPLES, ROOT, Server
from support.crowd_page import SECONDS

from benchmarks.performance.crowd import FLOODS, Report, Visitor, drive
from clipsim.settings import Limits

LIMITS = Limits()
CLIENTS, REQUESTS = 16, 3


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A page on which a picture takes 20 ms."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    command = [sys.executable, "-m", "support.crowd_page"]
    with support.serving(tmp_path_factory, {"PYTHONPATH": paths}, command) as server:
        yield server


@pytest.fixture(scope="module")
def by_itself(crowded: Server) -> Report:
    """What the crowd gets without a flood."""
    drive(crowded.url, 2, 2, EXAMPLES[:1])
    report = drive(crowded.url, CLIENTS, REQUESTS, EXAMPLES[:1])
    assert report.served == report.asked
    return report


@pytest.mark.parametrize("kind", [kind for kind in FLOODS if "each waits" not in kind])
def test_a_flood_keeps_nobody_from_being_served(crowded: Server, by_itself: Report, kind: str) -> None:
    report = drive(crowded.url, CLIENTS, REQUESTS, EXAMPLES[:1], kind)
    assert report.served == report.asked
    assert report.p95 <= 3 * by_itself.p95
    assert report.statuses, "there was a flood"


def fill(visitor: Visitor) -> httpx.Response:
    """Let a visitor ask until it is refused."""
    pictures = visitor.upload(EXAMPLES[:4])
    for _ in range(LIMITS.queue):
        answer = visitor.begin(pictures)
        if answer.status_code != httpx.codes.OK:
            return answer
    return pytest.fail("it is never refused")


def test_one_connection_is_refused_with_a_status_and_told_when_to_come_back(crowded: Server) -> None:
    refusal = fill(Visitor(crowded.url))
    assert refusal.status_code == httpx.codes.TOO_MANY_REQUESTS
    seconds = int(refusal.headers["retry-after"])
    assert seconds >= 1
    assert f"{LIMITS.per_session} requests of yours wait already" in refusal.json()["detail"]
    assert f"ask again in {seconds} s" in refusal.json()["detail"]


def test_one_session_is_refused_whichever_connections_it_uses(crowded: Server) -> None:
    session = uuid4().hex
    pictures = Visitor(crowded.url).upload(EXAMPLES[:4])
    statuses = [Visitor(crowded.url, session).begin(pictures).status_code for _ in range(2 * LIMITS.per_session)]
    assert httpx.codes.TOO_MANY_REQUESTS in statuses


def test_the_header_of_a_proxy_is_not_believed_where_there_is_none(crowded: Server) -> None:
    visitor = Visitor(crowded.url)
    pictures = visitor.upload(EXAMPLES[:4])
    statuses = []
    for i in range(2 * LIMITS.per_session):
        visitor.http.headers["X-Forwarded-For"] = f"10.0.0.{i}"
        statuses.append(visitor.begin(pictures).status_code)
    assert httpx.codes.TOO_MANY_REQUESTS in statuses


def test_the_python_client_shows_the_sentence(crowded: Server) -> None:
    client = Client(crowded.url, verbose=False)
    pictures = Visitor(crowded.url).upload(EXAMPLES[:4])
    sent = [{**picture, "meta": {"_type": "gradio.FileData"}} for picture in pictures]
    jobs = [client.submit(sent, "a dog", api_name="/similarity") for _ in range(3 * LIMITS.per_session)]
    errors = [job.exception(120) for job in jobs]
    refused = [error for error in errors if error]
    assert refused
    assert len(refused) < len(jobs)
    for error in refused:
        assert isinstance(error, AppError)
        assert "requests of yours wait already, the limit: ask again in" in str(error)


def test_who_goes_away_leaves_the_queue(crowded: Server) -> None:
    visitor = Visitor(crowded.url, uuid4().hex)
    pictures = visitor.upload(EXAMPLES) * 20
    refusal = None
    while not refusal:
        begun = visitor.begin(pictures)
        refusal = None if begun.status_code == httpx.codes.OK else begun
    with Visitor(crowded.url).http.stream("GET", f"/queue/data?session_hash={visitor.session}") as stream:
        assert next(stream.iter_bytes())
    until = time.monotonic() + SECONDS * len(pictures)  # before the first of those that run would be done
    while visitor.begin(pictures).status_code != httpx.codes.OK:
        assert time.monotonic() < until, "what nobody waits for is still in the queue"
        time.sleep(0.1)
