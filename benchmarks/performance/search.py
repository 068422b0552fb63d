"""How long does a search of a large collection take, and how many of the true ten does it find?

`python -m benchmarks.performance.search FOLDER [--rows N] [--vectors clustered|random] [--index KIND]` writes a
collection of made-up vectors into FOLDER, unless there is one, with the index of its size or of that kind, and asks it
by `Collection.search`, rows included, in three rounds. Printed are the milliseconds of the median and of the slowest
twentieth, the processor time of all threads, recall at 10 against every vector, and memory beside mapped files.
Clustered vectors are those of a mixture, as in `benchmarks.performance.index`; 10 million of width 512 take 22 GB.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from benchmarks.performance.filters import make_rows
from benchmarks.performance.index import QUERIES, SEED, _memory, clustered, random
from clipsim.collections import KINDS, Collection, EmbeddingConfig
from clipsim.collections.store import Writer
from clipsim.collections.store.probing import find_nearest
from clipsim.collections.store.segments import Segment
from clipsim.collections.store.writer import MERGED_ROWS

MAKE = {"random": random, "clustered": clustered}


def write(folder: Path, rows: int, width: int, vectors: str) -> None:
    """Write so many made-up pictures, a segment at a time."""
    with Writer(folder, EmbeddingConfig(vectors, "", width)) as writer:
        names = []
        for first in range(0, rows, MERGED_ROWS):
            part = MAKE[vectors](min(MERGED_ROWS, rows - first), width, SEED + 1000 + first)
            names.append(writer.write(make_rows(first, len(part)), part))
        writer.commit(*names)


def ask(collection: Collection, queries: np.ndarray) -> tuple[np.ndarray, list[set[int]]]:
    """Milliseconds, and the numbers of the pictures that were found, of each question."""
    took, found = [], []
    for query in queries:
        start = time.perf_counter()
        hits = collection.search(query, top=10)
        took.append((time.perf_counter() - start) * 1e3)
        found.append({int(hit.path.rpartition("-")[2].partition(".")[0]) for hit in hits})
    return np.array(took), found


def find_true(collection: Collection, queries: np.ndarray) -> np.ndarray:
    """The numbers of the ten nearest of each question: all vectors are read once."""
    segments = (Segment(collection.folder, name).vectors for name, _ in collection.manifest.segments)
    return find_nearest(segments, queries)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--vectors", choices=MAKE, default="clustered")
    parser.add_argument("--index", choices=KINDS)
    parser.add_argument("--questions", type=int, default=QUERIES)
    options = parser.parse_args()
    if not options.folder.exists():
        start = time.perf_counter()
        write(options.folder, options.rows, options.width, options.vectors)
        print(f"written in {time.perf_counter() - start:.0f} s", flush=True)
    with Writer(options.folder, Collection.open(options.folder).manifest.embedding) as writer:
        start = time.perf_counter()
        writer.update_index(options.index)
        print(f"index updated in {time.perf_counter() - start:.0f} s", flush=True)
    collection = Collection.open(options.folder)
    queries = MAKE[collection.manifest.embedding.model](options.questions, options.width, SEED + 7)
    start = time.perf_counter()
    collection.search(queries[0], top=10)
    print(f"the first question took {time.perf_counter() - start:.1f} s", flush=True)
    for again in range(3):
        processor = time.process_time()
        took, found = ask(collection, queries)
        processor = (time.process_time() - processor) * 1e3 / len(queries)
        print(f"{len(collection):,} pictures, round {again + 1}: median {np.median(took):.1f} ms, ", end="")
        print(f"a twentieth {np.quantile(took, 0.95):.1f} ms or more; of processor time {processor:.1f} ms", flush=True)
    print(f"{_memory():.0f} MB beside mapped files")
    right = sum(len(one & {*true}) for one, true in zip(found, find_true(collection, queries).tolist(), strict=True))
    print(f"recall at 10 {right / (10 * len(queries)):.3f}")


if __name__ == "__main__":
    main()
