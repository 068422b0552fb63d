"""What does it cost that a server decodes in processes of their own?

`python -m benchmarks.performance.decoding PICTURES [--count 48] [--rounds 6] [--model stand-in] [--json]`

Scores the same photographs again and again, with nothing kept between: decoded by threads of this process and by child
processes in turn, so that what else the machine does meets both alike. It says how much longer child processes take, by
the clock and in processor time of all processes together, and holds their vectors to those of the threads. Linux, for
its /proc.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import clipsim
from clipsim.embedding import VectorCache, embed, use_cache, use_decoder
from clipsim.images import Children, Decoder, Here
from clipsim.settings import Limits

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Round:
    """What it took to score the pictures: seconds by the clock, and of processor time; and what came of it."""

    clock: float
    processor: float
    vectors: np.ndarray


def measure(pictures: list[Path], encoder: clipsim.Encoder, decode: Decoder) -> Round:
    """Score the pictures with nothing kept from before."""
    use_cache(encoder, VectorCache(1))
    use_decoder(encoder, decode)
    began, spent = time.perf_counter(), processor_seconds(decode)
    vectors = embed(pictures, encoder).vectors
    return Round(time.perf_counter() - began, processor_seconds(decode) - spent, vectors)


def processor_seconds(decode: Decoder) -> float:
    """Return the processor time that this process and the running children have taken so far."""
    total = time.process_time()
    for pid in decode.running if isinstance(decode, Children) else ():
        after_name = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
        total += (int(after_name[11]) + int(after_name[12])) / TICKS
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, help="a folder of photographs")
    parser.add_argument("--count", type=int, default=48, help="of them (default 48)")
    parser.add_argument("--rounds", type=int, default=6, help="of both in turn (default 6)")
    parser.add_argument("--model", default="stand-in", help="that scores (default stand-in)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    chosen = parser.parse_args()
    pictures = sorted(path for path in chosen.pictures.iterdir() if path.suffix.lower() == ".jpg")[: chosen.count]
    encoder, limits = clipsim.load(chosen.model), Limits()
    threads, children = Here(), Children(limits.decode_seconds, limits.decode_bytes)
    for decode in (threads, children):  # weights are read, and children are there
        measure(pictures, encoder, decode)
    clock, processor = [], []
    for _ in range(chosen.rounds):
        here, there = (measure(pictures, encoder, decode) for decode in (threads, children))
        clock.append(there.clock / here.clock)
        processor.append(there.processor / here.processor)
        if not np.array_equal(here.vectors, there.vectors):
            raise SystemExit("The vectors differ.")
    children.close()
    figures = {
        "pictures": len(pictures),
        "model": encoder.name,
        "seconds_in_threads": round(here.clock, 3),
        "clock_ratio": round(statistics.median(clock), 3),
        "processor_ratio": round(statistics.median(processor), 3),
    }
    print(json.dumps(figures) if chosen.json else "\n".join(f"{name:>20}  {one}" for name, one in figures.items()))


if __name__ == "__main__":
    main()
