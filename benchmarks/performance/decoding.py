"""What does it cost that a server decodes in processes of their own?

`python -m benchmarks.performance.decoding PICTURES [--count 48] [--rounds 6] [--model stand-in] [--json]`

Scores the same photographs again and again, with nothing kept between: decoded by threads of this process and by child
processes in turn, so that what else the machine does meets both alike. It says how much longer child processes take,
by the clock and in processor time of all processes together, and holds their vectors to those of the threads.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from pathlib import Path

import numpy as np

import clipsim
from clipsim.embedding import VectorCache, embed, use_cache, use_decoder
from clipsim.images import Children, Decoder, Here
from clipsim.settings import Limits


def measure(pictures: list[Path], encoder: clipsim.Encoder, decode: Decoder) -> tuple[float, np.ndarray]:
    """Return the seconds that it takes to score the pictures with an empty cache, and their vectors."""
    use_cache(encoder, VectorCache(1))
    use_decoder(encoder, decode)
    began = time.perf_counter()
    vectors = embed(pictures, encoder).vectors
    return time.perf_counter() - began, vectors


def spent() -> float:
    """Return the seconds of processor time of this process and of the children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def processor_seconds(pictures: list[Path], encoder: clipsim.Encoder, rounds: int, decode: Decoder) -> float:
    """Return the processor time of a round, children and their start in it."""
    before = spent()
    for _ in range(rounds):
        measure(pictures, encoder, decode)
    if isinstance(decode, Children):
        decode.close()  # whose time counts once they have ended
    return (spent() - before) / rounds


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
    ratios = []
    for _ in range(chosen.rounds):
        here, expected = measure(pictures, encoder, threads)
        there, vectors = measure(pictures, encoder, children)
        ratios.append(there / here)
        if not np.array_equal(vectors, expected):
            raise SystemExit("The vectors differ.")
    children.close()
    fresh = Children(limits.decode_seconds, limits.decode_bytes)
    work = [processor_seconds(pictures, encoder, chosen.rounds, decode) for decode in (threads, fresh)]
    figures = {
        "pictures": len(pictures),
        "model": encoder.name,
        "seconds_in_threads": round(here, 3),
        "clock_ratio": round(statistics.median(ratios), 3),
        "processor_ratio": round(work[1] / work[0], 3),
    }
    print(json.dumps(figures) if chosen.json else "\n".join(f"{name:>20}  {one}" for name, one in figures.items()))


if __name__ == "__main__":
    main()
