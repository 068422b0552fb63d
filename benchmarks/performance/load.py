"""What does the server bear?

`python -m benchmarks.performance.load [--clients 16] [--requests 200] [--pictures 4] [--json]`

Starts app.py on a free port of this machine, sends it a fixed count of requests to /similarity from that many clients
at once, each with its uploads, holds every answer to the scores that Python gives, and ends it. Linux, for its /proc.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np

import clipsim
from clipsim.settings import Limits

LIMITS = Limits()
ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.jpg"))
CAPTIONS = (
    "a golden retriever standing in the snow",
    "a cat looking out of a rucksack",
    "children playing outside",
    "雪の夜の通り",
    "an invoice",
)
WARM_UP = 4  # requests that are not counted
FIRST_READING = 50  # the answer after which memory is taken as level
TOLERANCE = 1e-5  # a cosine that is further off is wrong
START_SECONDS, REQUEST_SECONDS, ALL_SECONDS = 120, 180, 900


@dataclass(frozen=True)
class Served:
    """The app as a process of its own: `url` to call it, `uploads` where it keeps what it is sent, its `log`."""

    url: str
    uploads: Path
    log: Path
    process: subprocess.Popen[bytes]

    def resident(self) -> int:
        """Bytes of memory that the process and those it started have now."""
        return sum(_status(pid, "VmRSS") for pid in _family(self.process.pid))

    def peak(self) -> int:
        """Bytes of memory that the process had at its most."""
        return _status(self.process.pid, "VmHWM")


@contextmanager
def serving(folder: Path, **settings: str) -> Iterator[Served]:
    """`python app.py`, warm; its uploads and log are kept in `folder`, `settings` go into its environment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    uploads, log = folder / "uploads", folder / "app.log"
    uploads.mkdir(exist_ok=True)
    environment = os.environ | {"GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": str(uploads)} | settings
    with log.open("ab") as output:
        process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=output, stderr=output)
    try:
        served = Served(f"http://127.0.0.1:{port}", uploads, log, process)
        _until_it_answers(served)
        yield served
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class QueueFullError(Exception):
    """The queue is full, or this client's share of it, and says so."""


class ServerError(Exception):
    """The server answered with an error; the sentence that came with it, "" for an internal one."""


class Caller:
    """One client of a server: plain HTTP, no proxy."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=f"{url}/gradio_api", timeout=REQUEST_SECONDS, trust_env=False)

    def upload(self, files: list[tuple[str, bytes]]) -> list[dict[str, str]]:
        """The pictures (name and bytes) in the form in which an endpoint takes them."""
        answer = self.http.post("/upload", files=[("files", file) for file in files])
        answer.raise_for_status()
        return [{"path": path, "orig_name": name} for path, (name, _) in zip(answer.json(), files, strict=True)]

    def begin(self, data: list[Any], name: str = "similarity") -> str:
        """Put a request into the queue: the address of its answer.

        Raises:
            QueueFullError: there is no more room in the queue.
        """
        # ascii only, so that half a surrogate pair can be sent too
        posted = self.http.post(f"/call/{name}", content=json.dumps({"data": data}), headers=_JSON)
        if "retry-after" in posted.headers:
            raise QueueFullError(posted.json()["detail"])
        posted.raise_for_status()
        return f"/call/{name}/{posted.json()['event_id']}"

    def similarity(self, pictures: list[Any], caption: str = "", reference: Any = None) -> dict[str, Any]:
        """What /similarity gives.

        Raises:
            QueueFullError: there is no more room in the queue.
            ServerError: the server gave an error instead.
        """
        answer = self.http.get(self.begin([pictures, caption, reference, "auto"]))
        answer.raise_for_status()
        event, data = _last_event(answer.text)
        if event != "complete":
            raise ServerError(str((data or {}).get("error") or ""))
        return dict(data[0])


_JSON = {"Content-Type": "application/json"}


def _last_event(stream: str) -> tuple[str, Any]:
    """The name and data of the last server-sent event."""
    event, _, data = stream.strip().rpartition("event: ")[2].partition("\ndata: ")
    return event, json.loads(data or "null")


def _until_it_answers(served: Served) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            httpx.get(served.url, timeout=5, trust_env=False).raise_for_status()
            return
        except httpx.HTTPError as error:
            if served.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"app.py does not answer: {served.log.read_text()}") from error
            time.sleep(0.2)


def _family(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from _family(int(child))


def _status(pid: int, field: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:  # it has ended meanwhile
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:")), 0)


@dataclass(frozen=True)
class Question:
    """Pictures and a caption, and the cosines that Python gives them, by name."""

    files: tuple[tuple[str, bytes], ...]
    caption: str
    cosines: dict[str, float]


def questions(pictures: int) -> list[Question]:
    """Every caption with every choice of so many neighbours among the examples."""
    encoder = clipsim.load()
    files = [(path.name, path.read_bytes()) for path in EXAMPLES]
    asked = []
    for first, caption in itertools.product(range(len(files)), CAPTIONS):
        chosen = tuple(files[(first + i) % len(files)] for i in range(pictures))
        result = clipsim.score_images([(data, name) for name, data in chosen], caption, encoder)
        asked.append(Question(chosen, caption, {score.name: score.cosine for score in result.scores}))
    return asked


def ask(caller: Caller, question: Question) -> bool:
    """Whether the server gives what Python gives."""
    scores = caller.similarity(caller.upload(list(question.files)), question.caption)["scores"]
    cosines = {score["name"]: score["cosine"] for score in scores}
    return cosines.keys() == question.cosines.keys() and all(
        abs(cosines[name] - question.cosines[name]) <= TOLERANCE for name in cosines
    )


@dataclass
class Report:
    """What came of the requests; times in seconds, memory in megabytes."""

    clients: int
    requests: int
    pictures: int
    model: str
    served: int
    wrong: int
    refused: int
    lost: int
    p50: float
    p95: float
    p99: float
    seconds: float
    requests_per_second: float
    memory_idle: float
    memory_50th: float
    memory_last: float
    memory_peak: float
    growth_percent: float
    why_lost: dict[str, int]


def drive(served: Served, asked: list[Question], clients: int, requests: int) -> Report:
    """Send the requests, each client its next one as soon as it has an answer."""
    idle = served.resident()
    places = iter(range(requests))
    lock = threading.Lock()
    outcomes: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    latencies: list[float] = []
    memory: list[int] = []
    start = time.monotonic()

    def client() -> None:
        caller = Caller(served.url)
        while time.monotonic() - start < ALL_SECONDS:
            with lock:
                place = next(places, None)
            if place is None:
                return
            sent = time.monotonic()
            try:
                outcome = "served" if ask(caller, asked[place % len(asked)]) else "wrong"
            except QueueFullError:
                outcome = "refused"
            except Exception as error:  # every way to lose one counts
                outcome = "lost"
                with lock:
                    lost[f"{type(error).__name__}: {error}"] += 1
            with lock:
                outcomes[outcome] += 1
                memory.append(served.resident())
                if outcome in ("served", "wrong"):
                    latencies.append(time.monotonic() - sent)

    with _sampled(served.resident) as samples:
        threads = [threading.Thread(target=client, daemon=True) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(ALL_SECONDS + REQUEST_SECONDS)
    seconds = time.monotonic() - start
    unasked = requests - outcomes.total()
    if unasked:
        lost[f"no answer after {ALL_SECONDS} s"] = unasked
    first = memory[min(FIRST_READING, len(memory)) - 1]
    p50, p95, p99 = np.percentile(latencies or [float("nan")], [50, 95, 99])
    return Report(
        clients=clients,
        requests=requests,
        pictures=len(asked[0].files),
        model=Caller(served.url).similarity([Caller(served.url).upload([asked[0].files[0]])[0]], "a photo")["model"],
        served=outcomes["served"],
        wrong=outcomes["wrong"],
        refused=outcomes["refused"],
        lost=outcomes["lost"] + unasked,
        p50=round(float(p50), 2),
        p95=round(float(p95), 2),
        p99=round(float(p99), 2),
        seconds=round(seconds, 1),
        requests_per_second=round(len(latencies) / seconds, 2),
        memory_idle=_megabytes(idle),
        memory_50th=_megabytes(first),
        memory_last=_megabytes(memory[-1]),
        memory_peak=_megabytes(max(samples + memory)),
        growth_percent=round(100 * (memory[-1] / first - 1), 1),
        why_lost=dict(lost),
    )


@contextmanager
def _sampled(read: Callable[[], int], every: float = 0.1) -> Iterator[list[int]]:
    samples: list[int] = []
    done = threading.Event()

    def sample() -> None:
        while not done.wait(every):
            samples.append(read())

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        done.set()
        thread.join()


def _megabytes(size: int) -> float:
    return round(size / 1e6, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=16, help="that ask at the same time (default 16)")
    parser.add_argument("--requests", type=int, default=200, help="in all (default 200)")
    parser.add_argument("--pictures", type=int, default=4, help="in one request (default 4)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    chosen = parser.parse_args()
    if min(chosen.clients, chosen.requests, chosen.pictures) < 1 or chosen.pictures > Limits().images:
        parser.error(f"counts start at 1, and a request holds at most {Limits().images} pictures")
    asked = questions(chosen.pictures)
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as served:
        for question in asked[:WARM_UP]:
            ask(Caller(served.url), question)
        report = drive(served, asked, chosen.clients, chosen.requests)
    print(json.dumps(asdict(report), indent=2) if chosen.json else table(report))


def table(report: Report) -> str:
    lines = [f"{name.replace('_', ' '):20} {value}" for name, value in asdict(report).items() if name != "why_lost"]
    return "\n".join(lines + [f"lost {count:4}           {why}" for why, count in report.why_lost.items()])


if __name__ == "__main__":
    main()
