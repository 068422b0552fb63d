"""Is Ray as fast as processes started by hand?

`python -m benchmarks.performance.engines PHOTOS [--model NAME] [--workers N]`

A folder of photographs is indexed by N processes, each with its share of the pictures and of the cores, and by
`--engine ray --workers N`; each at two sizes, so that what both cost to start shows apart from what a picture costs.
Every process is started anew. Copies of a photograph differ in a byte behind its end, so that none is known already.
Printed are seconds in all and pictures a second between the two sizes, each for Ray against the processes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from clipsim.collections.ray import count_cores
from clipsim.images import SUFFIXES
from clipsim.report import TextTable


def copied(photos: list[Path], folders: list[Path], count: int) -> None:
    """Write so many pictures, each folder its share of them."""
    for i in range(count):
        photo = photos[i % len(photos)]
        folder = folders[i % len(folders)]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{i:06}-{photo.name}").write_bytes(photo.read_bytes() + i.to_bytes(4, "big"))


def timed(commands: list[list[str]], threads: int | None) -> float:
    """Seconds until all of them, started at once, are done."""
    environment = os.environ | ({"OMP_NUM_THREADS": str(threads)} if threads else {})
    start = time.perf_counter()
    quiet = subprocess.DEVNULL
    running = [subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet) for command in commands]
    if any(process.wait() for process in running):
        raise SystemExit("A run failed: try `python -m clipsim index` by itself.")
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--model", default="stand-in")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--sizes", type=int, nargs=2, default=[400, 1600], metavar=("FEW", "MANY"))
    options = parser.parse_args()
    photos = sorted(path for path in options.photos.iterdir() if path.suffix.lower() in SUFFIXES)
    seconds: dict[str, list[float]] = {"processes": [], "ray": []}
    index = [sys.executable, "-m", "clipsim", "index"]
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as place:
            pictures = Path(place) / "pictures"
            parts = [pictures / str(i) for i in range(options.workers)]
            copied(photos, parts, size)
            made = ["--model", options.model, "--to"]
            shares = [[*index, str(part), *made, f"{place}/{part.name}"] for part in parts]
            seconds["processes"].append(timed(shares, max(count_cores() // options.workers, 1)))
            ray = ["--engine", "ray", "--workers", str(options.workers)]
            seconds["ray"].append(timed([[*index, str(pictures), *made, f"{place}/ray", *ray]], None))
    few, many = options.sizes
    table = [["", f"{few:,} pictures", f"{many:,} pictures", "pictures/s between"]]
    rates = {name: (many - few) / (long - short) for name, (short, long) in seconds.items()}
    for name, (short, long) in seconds.items():
        table.append([name, f"{short:.1f} s", f"{long:.1f} s", f"{rates[name]:.1f}"])
    speeds = [one / other for one, other in zip(seconds["processes"], seconds["ray"], strict=True)]
    table.append(["ray / processes", *(f"{speed:.2f}" for speed in speeds), f"{rates['ray'] / rates['processes']:.2f}"])
    print(f"{options.workers} workers on {count_cores()} cores, {options.model}\n")
    print(TextTable(table[0], table[1:], "<>>>"))


if __name__ == "__main__":
    main()
