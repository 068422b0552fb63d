"""Does everybody get an answer while one client floods the server?

`python -m benchmarks.performance.crowd [--clients 16] [--requests 6] [--pictures 4] [--floods KIND ...] [--json]`

Starts app.py on a free port of this machine, and lets so many clients ask for /similarity, each as often as that and
its next time as soon as it has an answer: first by themselves, then once for each kind of flood. Prints how many were
answered and the longest times, against those without a flood. All clients are behind one address, but for the floods
that say otherwise.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import numpy as np

from benchmarks.performance.load import EXAMPLES, serving

CAPTION = "a golden retriever standing in the snow"
SECONDS = 300  # within which each request is answered
OTHER_ADDRESS = "127.0.0.2"


class Visitor:
    """One client: a connection, and the session that it names, if it names one.

    Attributes:
        statuses: how often each HTTP status came for what it asked.
    """

    def __init__(self, url: str, session: str | None = None, address: str | None = None) -> None:
        """Call from the local `address`, if it is given."""
        transport = httpx.HTTPTransport(local_address=address)
        self.http = httpx.Client(base_url=f"{url}/gradio_api", timeout=SECONDS, transport=transport)
        self.session = session
        self.statuses: Counter[int] = Counter()

    def upload(self, paths: Sequence[Path]) -> list[dict[str, str]]:
        """Return pictures in the form in which an endpoint takes them."""
        answer = self.http.post("/upload", files=[("files", (path.name, path.read_bytes())) for path in paths])
        answer.raise_for_status()
        return [{"path": path} for path in answer.json()]

    def begin(self, pictures: list[dict[str, str]]) -> httpx.Response:
        """Put a request into the queue."""
        body = {"data": [pictures, CAPTION]} | ({"session_hash": self.session} if self.session else {})
        posted = self.http.post("/call/similarity", json=body)
        self.statuses[posted.status_code] += 1
        return posted

    def ask(self, pictures: list[dict[str, str]]) -> bool:
        """Return whether a request was answered."""
        posted = self.begin(pictures)
        if posted.status_code != httpx.codes.OK:
            return False
        answer = self.http.get(f"/call/similarity/{posted.json()['event_id']}")
        return "event: complete" in answer.text


Flood = Callable[[str, list[dict[str, str]], threading.Event], Counter[int]]


def flood_by_one(session: str | None = None, address: str | None = None) -> Flood:
    """Return a client that sends requests as fast as it can, on one connection, and fetches no answer."""

    def flood(url: str, pictures: list[dict[str, str]], over: threading.Event) -> Counter[int]:
        visitor = Visitor(url, session, address)
        while not over.is_set():
            visitor.begin(pictures)
        return visitor.statuses

    return flood


def flood_by_many(connections: bool, waiting: int = 0) -> Flood:
    """Return one that has a new session each time, and a new connection too or the same one.

    With `waiting` there are so many of them at once, and each waits for its answer.
    """

    def flood(url: str, pictures: list[dict[str, str]], over: threading.Event) -> Counter[int]:
        statuses: Counter[int] = Counter()

        def run(_: int) -> None:
            visitor = Visitor(url)
            while not over.is_set():
                if connections:
                    visitor = Visitor(url)
                visitor.session = None if connections else uuid4().hex
                (visitor.ask if waiting else visitor.begin)(pictures)
                statuses.update(visitor.statuses)
                visitor.statuses.clear()

        with ThreadPoolExecutor(max(1, waiting)) as pool:
            list(pool.map(run, range(max(1, waiting))))
        return statuses

    return flood


FLOODS: dict[str, Flood] = {
    "one connection": flood_by_one(),
    "one session": flood_by_one("flood"),
    "new sessions": flood_by_many(connections=False),
    "new connections": flood_by_many(connections=True),
    "new sessions, each waits": flood_by_many(connections=False, waiting=24),
    "another address": flood_by_one(address=OTHER_ADDRESS),
}


@dataclass
class Report:
    """What came of the honest clients' requests; times in seconds.

    Attributes:
        flood: its kind, "" without one.
        asked: requests of the honest clients.
        served: those that were answered.
        fewest: those of the client that was answered least.
        p50: of the times from request to answer.
        p95: likewise.
        statuses: what the flood got, by HTTP status.
    """

    flood: str
    asked: int
    served: int
    fewest: int
    p50: float
    p95: float
    statuses: dict[int, int]


def drive(url: str, clients: int, requests: int, paths: Sequence[Path], kind: str = "") -> Report:
    """Let each of the clients ask so often, while a flood of that kind goes on if there is to be one."""
    over = threading.Event()
    times: list[float] = []
    served: Counter[int] = Counter()

    def run(client: int) -> None:
        visitor = Visitor(url, uuid4().hex if client % 2 else None)  # half of them name no session, as curl
        pictures = visitor.upload(paths)
        for _ in range(requests):
            began = time.monotonic()
            served[client] += visitor.ask(pictures)
            times.append(time.monotonic() - began)

    with ThreadPoolExecutor(clients + 1) as pool:
        flooded = None
        if kind:
            flooded = pool.submit(FLOODS[kind], url, Visitor(url).upload(paths), over)
            time.sleep(0.5)  # it is there first
        list(pool.map(run, range(clients)))
        over.set()
        statuses = flooded.result() if flooded else Counter[int]()
    p50, p95 = np.percentile(times, [50, 95])
    fewest = min(served[client] for client in range(clients))
    return Report(kind, clients * requests, served.total(), fewest, float(p50), float(p95), dict(statuses))


def measure(url: str, clients: int, requests: int, paths: Sequence[Path], floods: Sequence[str]) -> Iterator[Report]:
    """Yield what comes of the crowd by itself, and with each of the floods."""
    for kind in itertools.chain([""], floods):
        yield drive(url, clients, requests, paths, kind)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--requests", type=int, default=6)
    parser.add_argument("--pictures", type=int, default=4)
    parser.add_argument("--floods", nargs="*", choices=list(FLOODS), default=list(FLOODS))
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as served:
        paths = EXAMPLES[: given.pictures]
        drive(served.url, 2, 2, paths)  # warm
        reports: list[dict[str, Any]] = []
        for report in measure(served.url, given.clients, given.requests, paths, given.floods):
            reports.append(asdict(report))
            ratio = report.p95 / reports[0]["p95"]
            if not given.json:
                print(
                    f"{report.flood or 'no flood':24}  {report.served}/{report.asked} served (fewest {report.fewest})  "
                    f"p50 {report.p50:.2f} s  p95 {report.p95:.2f} s  x {ratio:.2f}  {report.statuses}",
                    flush=True,
                )
    if given.json:
        print(json.dumps(reports, indent=2))


if __name__ == "__main__":
    main()
