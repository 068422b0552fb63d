"""What those who run a server see of it, of a process of its own: health, figures, lines of the log."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import support
from prometheus_client.parser import text_string_to_metric_families
from support import ROOT
from support.hostile import small_picture

from benchmarks.performance.load import Caller, ServerError, serving
from clipsim.settings import Limits

SECRET = "xyzzy-secret"


def get(url: str) -> httpx.Response:
    return httpx.get(url, trust_env=False, timeout=30)


def scrape(port: int) -> dict[tuple[str, ...], float]:
    """Every figure by its name and the values of its labels."""
    families = text_string_to_metric_families(get(f"http://127.0.0.1:{port}/metrics").text)
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


def wait_until_ready(url: str) -> None:
    until = time.monotonic() + 120
    while (answer := get(f"{url}/readyz")).status_code != 200:
        assert answer.status_code == 503 and answer.json()["reason"].endswith(".")
        assert time.monotonic() < until
        time.sleep(0.2)


def test_figures_and_lines_tell_what_was_asked_and_nothing_that_was_sent(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"CLIPSIM_METRICS_PORT": str(port), "CLIPSIM_DISK_BYTES": "2000000"}
    with serving(tmp_path, HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path), **settings) as served:
        wait_until_ready(served.url)
        assert get(f"{served.url}/healthz").json() == {"status": "ok"}
        before, logged = scrape(port), len(served.log.read_text())
        caller = Caller(served.url)
        uploaded = caller.upload([(f"{SECRET}{number}.png", small_picture(number)) for number in range(3)])
        answer = caller.similarity(uploaded, SECRET)
        caller.similarity(uploaded, SECRET)
        with pytest.raises(ServerError):
            caller.similarity(uploaded, SECRET * Limits().caption)
        with pytest.raises(httpx.HTTPStatusError, match="507"):
            caller.upload([(SECRET, bytes(3_000_000))])
        assert caller.http.get(f"/{SECRET}").status_code == 404
        after, lines = scrape(port), [json.loads(one) for one in served.log.read_text()[logged:].splitlines()]

    def grown(*figure: str) -> float:
        return after[figure] - before.get(figure, 0)

    assert grown("clipsim_requests_total", "similarity", "answered") == 2
    assert grown("clipsim_requests_total", "similarity", "refused") == 1
    assert grown("clipsim_refusals_total", "caption_too_long") == 1
    assert grown("clipsim_http_errors_total", "upload", "507") == 1
    assert grown("clipsim_pictures_total") == 6
    assert grown("clipsim_stage_seconds_count", "score") == 2 and grown("clipsim_stage_seconds_count", "queue") == 3
    assert grown("clipsim_stage_seconds_count", "total") == 3
    assert grown("clipsim_stage_seconds_count", "decode") >= 3 and grown("clipsim_stage_seconds_count", "encode") >= 1
    assert 1 <= after["clipsim_decoders",] <= 9
    assert grown("clipsim_cache_hits_total") >= 3 and grown("clipsim_cache_misses_total") >= 3
    assert after["clipsim_queue_length",] == 0 and after["clipsim_models_loaded",] == 1
    assert after["process_resident_memory_bytes",] > 1e8 and after["clipsim_files_bytes",] > 0
    requests = [line for line in lines if line["event"] == "request"]
    expected: list[tuple[Any, ...]] = [(200, None, 3, "stand-in")] * 2 + [(413, "caption_too_long", 0, None)]
    assert [(one["status"], one["code"], one["pictures"], one["model"]) for one in requests] == expected
    assert answer["request_id"] == requests[0]["request_id"]
    assert [(line["route"], line["status"]) for line in lines if line["event"] == "http_error"] == [
        ("upload", 507),
        ("other", 404),
    ]
    assert SECRET not in json.dumps(lines)


def test_health_is_told_at_once_while_a_model_works(tmp_path_factory: pytest.TempPathFactory) -> None:
    gate = tmp_path_factory.mktemp("gate")
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    command: list[str | Path] = [sys.executable, "-m", "support.held_page", gate]
    with support.serving(tmp_path_factory, {"PYTHONPATH": paths}, command) as server:
        wait_until_ready(server.url)
        caller = Caller(server.url)
        caller.begin([caller.upload([("one.png", small_picture(0))]), "a cat", None, "auto"])
        until = time.monotonic() + 60
        while not (gate / "held").exists():
            assert time.monotonic() < until
            time.sleep(0.05)
        began = time.monotonic()
        assert get(f"{server.url}/healthz").status_code == 200 and get(f"{server.url}/readyz").status_code == 200
        assert time.monotonic() - began < 5
        (gate / "released").touch()
