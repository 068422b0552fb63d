"""How do time and memory grow with the pictures?

`python -m benchmarks.performance.growth [--pictures 10000] [--model NAME]`

Paints as many different pictures of 500 x 400 as JPEGs, one by one as they are asked for, and scores them in one call.
Painting is not counted. Linux, for its /proc.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

import clipsim

SIZE = (500, 400)
READINGS = (1, 10, 100, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)


def paint(seed: int) -> bytes:
    """A JPEG of soft colours that no other seed gives."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 10, 3), dtype=np.uint8)
    data = io.BytesIO()
    Image.fromarray(coarse).resize(SIZE, Image.Resampling.BICUBIC).save(data, "JPEG", quality=90)
    return data.getvalue()


def resident() -> float:
    """Megabytes of memory that this process has now."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1000


def measure(pictures: int, model: str) -> list[dict[str, float]]:
    """A reading after each count of `READINGS`: milliseconds a picture since the one before, memory; then the end."""
    encoder = clipsim.load(model)
    clipsim.score_images(paint(pictures), "a dog in the snow", encoder)  # the weights are read now
    painting, readings, mark, before = 0.0, [], time.perf_counter(), 0

    def painted() -> Iterator[tuple[bytes, str]]:
        nonlocal painting
        for seed in range(pictures):
            start = time.perf_counter()
            picture = paint(seed)
            painting += time.perf_counter() - start
            yield picture, f"{seed}.jpg"

    def read(done: int) -> None:
        nonlocal painting, mark, before
        now = time.perf_counter()
        readings.append(
            {"pictures": done, "ms_each": 1000 * (now - mark - painting) / (done - before), "megabytes": resident()}
        )
        painting, mark, before = 0.0, now, done

    def counted(done: int, _: int) -> None:
        if any(before < reading <= done for reading in READINGS):
            read(done)

    result = clipsim.score_images(painted(), "a dog in the snow", encoder, progress=counted)
    if len(result.scores) != pictures:
        raise SystemExit(f"Only {len(result.scores)} of {pictures} pictures were scored.")
    last = {"pictures": pictures, "ms_each": 1000 * result.seconds / pictures, "megabytes": resident()}
    return [*readings, last]  # ranked, and with the painting


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--model", default="auto")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    readings = measure(options.pictures, options.model)
    if options.json:
        print(json.dumps(readings, indent=2))
        return
    print(f"{'pictures':>9}  {'ms each':>8}  {'memory MB':>9}")
    for reading in readings:
        print(f"{reading['pictures']:>9}  {reading['ms_each']:>8.1f}  {reading['megabytes']:>9.0f}")


if __name__ == "__main__":
    main()
