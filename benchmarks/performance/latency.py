"""How long does an answer take?

`python -m benchmarks.performance.latency PHOTOS [--rounds 5] [--model clip-vit-b-32] [--json]`

Milliseconds, median and range, of a request with 4, 16 and 64 pictures: in Python, and as a client of `app.py` sees it,
uploads included. Cold means pictures that were never seen; repeated means the same pictures with another caption, which
come from the cache. Then seconds from the start of a process to its first score, files warm. The checkpoint has random
weights (`benchmarks/performance/checkpoint.py`), the caption's background is encoded before. Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.performance import checkpoint
from benchmarks.performance.load import Caller, serving

SIZES = (4, 16, 64)
Files = list[tuple[str, bytes]]


@dataclass(frozen=True)
class Reading:
    """What was timed, with how many pictures: milliseconds in each round."""

    what: str
    pictures: int
    milliseconds: list[float]


def fresh(photos: list[Path], count: int) -> Files:
    """The first pictures under names and bytes that nobody has seen: what stands behind a JPEG's end is not read."""
    return [(path.name, path.read_bytes() + os.urandom(8)) for path in photos[:count]]


def timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - start)


def in_python(photos: list[Path], rounds: int, model: str) -> list[Reading]:
    import clipsim

    encoder = clipsim.load(model)
    clipsim.score_images(photos[:1], "a warm start", encoder)
    readings = []
    for count in SIZES:
        clipsim.score_images(photos[:count], "files that are known", encoder)
        cold, repeated, files = [], [], []
        for number in range(rounds):
            pictures = [(data, name) for name, data in fresh(photos, count)]
            cold.append(timed(lambda: clipsim.score_images(pictures, f"cold {count} {number}", encoder)))  # noqa: B023
            repeated.append(timed(lambda: clipsim.score_images(pictures, f"repeated {count} {number}", encoder)))  # noqa: B023
            asked = f"files {count} {number}"
            files.append(timed(lambda: clipsim.score_images(photos[:count], asked, encoder)))  # noqa: B023
        readings += [Reading("Python, cold", count, cold), Reading("Python, repeated", count, repeated)]
        readings.append(Reading("Python, repeated, files on disk", count, files))
    return readings


def by_client(photos: list[Path], rounds: int, caller: Caller) -> list[Reading]:
    caller.similarity(caller.upload(fresh(photos, 1)), "a warm start")
    readings = []
    for count in SIZES:
        cold, again, repeated = [], [], []
        for number in range(rounds):
            files = fresh(photos, count)
            cold.append(timed(lambda: caller.similarity(caller.upload(files), f"cold {count} {number}")))  # noqa: B023
            again.append(timed(lambda: caller.similarity(caller.upload(files), f"again {count} {number}")))  # noqa: B023
            sent = caller.upload(files)
            repeated.append(timed(lambda: caller.similarity(sent, f"repeated {count} {number}")))  # noqa: B023
        readings.append(Reading("client, cold", count, cold))
        readings.append(Reading("client, repeated, uploaded again", count, again))
        readings.append(Reading("client, repeated", count, repeated))
    return readings


def first_score(photos: list[Path], rounds: int, model: str) -> Reading:
    command = [sys.executable, "-m", "clipsim", "score", "a dog", str(photos[0]), "--model", model]
    run = [timed(lambda: subprocess.run(command, check=True, capture_output=True)) for _ in range(rounds + 1)]
    return Reading("process start to first score", 1, run[1:])


def table(readings: list[Reading]) -> str:
    lines = ["| milliseconds | pictures | median | range |", "| --- | ---: | ---: | ---: |"]
    for one in readings:
        low, high = min(one.milliseconds), max(one.milliseconds)
        median = statistics.median(one.milliseconds)
        lines.append(f"| {one.what} | {one.pictures} | {median:.0f} | {low:.0f} to {high:.0f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help=f"folder with {max(SIZES)} JPEGs or more")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", default="clip-vit-b-32", choices=checkpoint.SHAPES)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    photos = sorted(options.photos.glob("*.jpg"))
    if len(photos) < max(SIZES):
        parser.error(f"{options.photos} has {len(photos)} .jpg files, and {max(SIZES)} are needed")
    with tempfile.TemporaryDirectory() as folder:
        # before huggingface_hub is imported; the weights are where the default model's would be
        os.environ |= {"HF_HUB_CACHE": f"{folder}/hub", "HF_ASSETS_CACHE": f"{folder}/assets", "HF_HUB_OFFLINE": "1"}
        from clipsim.encoders import DEFAULT

        checkpoint.in_hub_cache(Path(folder) / "hub", DEFAULT.hub_id, DEFAULT.revision, options.model)
        readings = in_python(photos, options.rounds, DEFAULT.name)
        with serving(Path(folder)) as served:
            readings += by_client(photos, options.rounds, Caller(served.url))
        readings.append(first_score(photos, options.rounds, DEFAULT.name))
    print(json.dumps([asdict(one) for one in readings], indent=2) if options.json else table(readings))


if __name__ == "__main__":
    main()
