"""Is this checkout faster than another one?

`python -m benchmarks.performance.beside PHOTOS [--other CHECKOUT] [--model stand-in] [--pictures 48] [--rounds 5]`

Of both, in turns and each time in a process of its own: `clipsim score` with four photographs, from the start of the
process to its end, and the other photographs from disk to vectors in `full` and in `half`, weights read before.
Seconds are medians, of the clock and of the processor; on a machine with other work only those of the processor hold.
Ratios, of these, are medians of the rounds' own. Threads are as OMP_NUM_THREADS has them. Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

FIRST = 4  # photographs of the first score
PRECISIONS = ("full", "half")
RATE = """
import sys, time, clipsim
from clipsim.embedding import embed
model, precision, *photos = sys.argv[1:]
encoder = clipsim.load(model, "cpu", precision)
embed(photos[:4], encoder)
clock, processor = time.perf_counter(), time.process_time()
embed(photos[4:], encoder)
print(time.perf_counter() - clock, time.process_time() - processor)
"""


@dataclass(frozen=True)
class Reading:
    """What one process took: seconds of the clock and of the processor, and megabytes at its peak."""

    clock: float
    processor: float
    memory: float


def run(checkout: Path, *words: str) -> tuple[str, Reading]:
    """Run Python in a checkout; what it printed, and what it took."""
    begin, (reading, writing) = time.perf_counter(), os.pipe()
    actions = [(os.POSIX_SPAWN_DUP2, writing, 1), (os.POSIX_SPAWN_CLOSE, reading)]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    child = os.posix_spawn(sys.executable, [sys.executable, *words], environment, file_actions=actions)
    os.close(writing)
    with os.fdopen(reading) as output:
        printed = output.read()
    _, status, used = os.wait4(child, 0)
    if status:
        raise SystemExit(f"{checkout} failed: its words are above")
    return printed, Reading(time.perf_counter() - begin, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def measure(checkout: Path, photos: list[str], model: str) -> dict[str, Reading]:
    """Run everything once."""
    chosen = ["--model", model, "--device", "cpu", "--format", "json"]
    _, first = run(checkout, "-m", "clipsim", "score", "a dog in the snow", *photos[:FIRST], *chosen)
    found = {f"first score of {FIRST}": first}
    for precision in PRECISIONS:
        printed, whole = run(checkout, "-c", RATE, model, precision, *photos)
        clock, processor = map(float, printed.split()[-2:])
        found[f"{len(photos) - 4} in {precision}"] = Reading(clock, processor, whole.memory)
    return found


def table(rounds: list[dict[str, dict[str, Reading]]]) -> str:
    """Return Markdown; of each round the readings by checkout, this one first, and by what was measured."""
    lines = ["| | checkout | seconds | of the processor | range | MB | × of the first |"]
    lines.append("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    names = list(rounds[0])
    for what in rounds[0][names[0]]:
        for name in names:
            own = [one[name][what] for one in rounds]
            spent = [one.processor for one in own]
            ratio = statistics.median(one[name][what].processor / one[names[0]][what].processor for one in rounds)
            clock, memory = (
                statistics.median(values) for values in zip(*((o.clock, o.memory) for o in own), strict=True)
            )
            middle = f"{statistics.median(spent):.2f} | {min(spent):.2f} to {max(spent):.2f}"
            lines.append(f"| {what} | {name} | {clock:.2f} | {middle} | {memory:.0f} | {ratio:.2f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="folder with JPEGs")
    parser.add_argument("--other", type=Path, help="a checkout of another version")
    parser.add_argument("--model", default="stand-in", help="as clipsim.load takes it (%(default)s)")
    parser.add_argument("--pictures", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    photos = [str(path.resolve()) for path in sorted(options.photos.glob("*.jpg"))[: options.pictures]]
    here = Path(__file__).parents[2]
    checkouts = {"this": here} | ({"other": options.other.resolve()} if options.other else {})
    rounds = []
    for number in range(options.rounds + 1):
        found = {name: measure(checkout, photos, options.model) for name, checkout in checkouts.items()}
        rounds += [found] if number else []  # the first fills the caches of files
    if options.json:
        print(json.dumps([{n: {w: vars(r) for w, r in o.items()} for n, o in one.items()} for one in rounds], indent=2))
    else:
        print(table(rounds))


if __name__ == "__main__":
    main()
