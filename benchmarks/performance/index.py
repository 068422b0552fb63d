"""Which index for which size?

`python -m benchmarks.performance.index [--rows N] [--width D] [--json]`

Unit vectors, random (the worst case: no vector is much nearer than the others) and clustered (a mixture, which real
embeddings resemble), are searched one query at a time on all cores: exactly, by NumPy in blocks as a collection does,
and by every approximate index of FAISS that is in question, sharded, with candidates re-scored from the vectors.
Printed are the seconds to build it, the median of the milliseconds a query takes from vector to re-scored hits, recall
at 10 against the exact answer, and the bytes that the index keeps of a vector in memory.
`clipsim.collections.store.KINDS` follows from it.

At the end the random vectors are written as a collection, and a process of its own asks it, as any program would, by
`Collection.search`: milliseconds from vector to hits with their rows, recall, and the memory of that process.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow as pa

from clipsim.collections import Collection, EmbeddingConfig
from clipsim.collections.store import PQ, SCHEMA, Writer
from clipsim.collections.store.ann import TRAINING
from clipsim.collections.store.search import BLOCK, THREADS
from clipsim.collections.store.writer import MERGED_ROWS
from clipsim.report import TextTable

QUERIES = 60
SEED = 0
METRIC = faiss.METRIC_INNER_PRODUCT
COLUMNS = ("vectors", "index", "candidates", "build s", "ms a query", "recall@10", "bytes a vector")
POOL = ThreadPoolExecutor(THREADS, initializer=faiss.omp_set_num_threads, initargs=(1,))


def random(rows: int, width: int, seed: int) -> np.ndarray:
    """Unit vectors, float32 of shape (rows, width), evenly spread."""
    generator = np.random.default_rng(seed)
    vectors = np.empty((rows, width), np.float32)
    for start in range(0, rows, MERGED_ROWS):
        part = vectors[start : start + MERGED_ROWS]
        generator.standard_normal(part.shape, np.float32, out=part)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return vectors


def clustered(rows: int, width: int, seed: int) -> np.ndarray:
    """Unit vectors around a thousand centres, with which they have a cosine of about 0.7."""
    vectors, centres = random(rows, width, seed), random(1000, width, 99)
    owners = np.random.default_rng(seed + 1).integers(0, len(centres), rows)
    for start in range(0, rows, MERGED_ROWS):
        part = vectors[start : start + MERGED_ROWS]
        part += centres[owners[start : start + MERGED_ROWS]]
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return vectors


def indexes(rows: int, width: int) -> Iterator[tuple[str, Callable[[], Any], list[int], dict[str, int]]]:
    """Name, maker, candidates to try and settings of each index in question."""
    yield "PQ fast scan, 2 numbers a code", lambda: faiss.IndexPQFastScan(width, width // 2, 4, METRIC), [150, 300], {}
    yield "PQ fast scan, 4 numbers a code", lambda: faiss.IndexPQFastScan(width, width // 4, 4, METRIC), [8000], {}
    lists = min(1024, rows // 100)
    for probes in (16, 64):
        yield (
            f"IVF {lists} x PQ fast scan, {probes} probes",
            lambda: faiss.IndexIVFPQFastScan(faiss.IndexFlatIP(width), width, lists, width // 2, 4, METRIC),
            [300],
            {"nprobe": probes},
        )
    yield (
        "HNSW 16, 8 bits a number",
        lambda: faiss.IndexHNSWSQ(width, faiss.ScalarQuantizer.QT_8bit, 16, METRIC),
        [300],
        {"efSearch": 300},
    )


def built(make: Callable[[], Any], vectors: np.ndarray, shards: int) -> list[tuple[int, Any]]:
    """The index in so many shards, each with its first vector."""
    empty = make()
    empty.train(vectors[:TRAINING])
    plain = faiss.serialize_index(empty)
    ends = np.linspace(0, len(vectors), shards + 1).astype(int)
    found = []
    for start, end in pairwise(ends):
        index = faiss.deserialize_index(plain)
        for first in range(start, end, MERGED_ROWS):
            index.add(vectors[first : min(first + MERGED_ROWS, end)])
        found.append((int(start), index))
    return found


def search(shards: list[tuple[int, Any]], vectors: np.ndarray, query: np.ndarray, candidates: int) -> np.ndarray:
    """The ten best of the candidates, re-scored."""

    def one(shard: tuple[int, Any]) -> tuple[np.ndarray, np.ndarray]:
        scores, places = shard[1].search(query[None], candidates)
        there = places[0] >= 0
        return scores[0][there], places[0][there] + shard[0]

    scores, places = (np.concatenate(column) for column in zip(*POOL.map(one, shards), strict=True))
    if len(places) > candidates:
        places = places[np.argpartition(-scores, candidates)[:candidates]]
    places.sort()
    best: np.ndarray = places[np.argsort(-(vectors[places] @ query))[:10]]
    return best


def measured(find: Callable[[np.ndarray], np.ndarray], queries: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Median milliseconds, and recall at 10."""
    find(queries[0])
    seconds, right = [], 0
    for query, true in zip(queries, truth, strict=True):
        start = time.perf_counter()
        found = find(query)
        seconds.append(time.perf_counter() - start)
        right += len(set(found.tolist()) & set(true.tolist()))
    return 1e3 * float(np.median(seconds)), right / truth.size


class Exact:
    """Vectors that are all compared by NumPy, asked as an index of FAISS is."""

    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors = vectors

    def search(self, query: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Scores and places of the best, in no order, each of shape (1, count) or less."""
        scores = np.vecdot(self.vectors, query[0])
        best = np.argpartition(scores, -count)[-count:] if count < len(scores) else np.arange(len(scores))
        return scores[best][None], best[None]


def exact(name: str, vectors: np.ndarray, queries: np.ndarray) -> tuple[dict[str, Any], np.ndarray]:
    """The row of exact search, and the ten best for each query."""
    blocks = [(start, Exact(vectors[start : start + BLOCK])) for start in range(0, len(vectors), BLOCK)]
    truth = np.array([search(blocks, vectors, query, 42) for query in queries])
    cost, recall = measured(lambda query: search(blocks, vectors, query, 42), queries, truth)
    return _row(name, "exact", 42, 0.0, cost, recall, 4 * vectors.shape[1]), truth


def rows_of(name: str, vectors: np.ndarray, queries: np.ndarray, only: str) -> Iterator[dict[str, Any]]:
    """A row of the table for exact search and for each index."""
    row, truth = exact(name, vectors, queries)
    yield row
    for index, make, tried, settings in indexes(*vectors.shape):
        if only not in index:
            continue
        start = time.perf_counter()
        shards = built(make, vectors, THREADS)
        seconds = time.perf_counter() - start
        size = sum(len(faiss.serialize_index(shard)) for _, shard in shards) / len(vectors)
        for _, shard in shards:
            for setting, value in settings.items():
                setattr(shard if setting == "nprobe" else shard.hnsw, setting, value)
        for count in tried:
            cost, recall = measured(partial(search, shards, vectors, candidates=count), queries, truth)
            yield _row(name, index, count, seconds, cost, recall, size)


def written(vectors: np.ndarray, folder: Path) -> None:
    """A collection with these vectors and an approximate index."""
    with Writer(folder, EmbeddingConfig("random", "", vectors.shape[1])) as writer:
        for start in range(0, len(vectors), MERGED_ROWS):
            part = vectors[start : start + MERGED_ROWS]
            rows = [
                {
                    "path": f"{i // 1000}/{i}.jpg",
                    "size": i,
                    "mtime_ns": i,
                    "digest": f"{i:064x}",
                    "width": 640,
                    "height": 480,
                    "notes": [],
                    "seen": 1.0,
                    "thumbnail": b"",
                }
                for i in range(start, start + len(part))
            ]
            writer.add(pa.Table.from_pylist(rows, SCHEMA), part)
        writer.build_index(PQ)


def asked(folder: Path, queries: np.ndarray) -> tuple[dict[str, tuple[float, float]], dict[str, float]]:
    """Median milliseconds and recall at 10 of exact and of approximate search, and this process's memory in MB."""
    collection = Collection.open(folder)

    def find(query: np.ndarray, exact: bool) -> np.ndarray:
        return np.array([hit.file_size for hit in collection.search(query, top=10, exact=exact)])

    memory = {"opened": _memory()}
    approximate = [find(query, False) for query in queries]  # before the vectors are all mapped
    memory["approximate"] = _memory()
    truth = np.array([find(query, True) for query in queries])
    memory["exact"] = _memory()
    right = sum(len(set(found) & set(true)) for found, true in zip(approximate, truth, strict=True)) / truth.size
    cost = {
        name: measured(partial(find, exact=exact), queries, truth) for name, exact in (("exact", True), (PQ, False))
    }
    return {"exact": cost["exact"], PQ: (cost[PQ][0], right)}, memory


def _memory() -> float:
    """Resident megabytes of this process that are not files mapped into memory; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return sum(float(line.split()[1]) for line in lines if line.startswith("RssAnon:")) / 1e3


def through_a_collection(vectors: np.ndarray, queries: np.ndarray) -> str:
    """What `asked` measured, in words."""
    with tempfile.TemporaryDirectory() as place:
        written(vectors, Path(place) / "collection")
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            cost, memory = pool.apply(asked, (Path(place) / "collection", queries))
    said = [f"{name} {milliseconds:.1f} ms, recall@10 {recall:.3f}" for name, (milliseconds, recall) in cost.items()]
    kept = [f"{name} {megabytes:.0f} MB" for name, megabytes in memory.items()]
    return f"Collection.search, rows included: {'; '.join(said)}. Memory beside mapped files: {', '.join(kept)}."


def _row(*values: Any) -> dict[str, Any]:
    return dict(zip(COLUMNS, values, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--sets", nargs="+", default=["random", "clustered"], choices=["random", "clustered"])
    parser.add_argument("--only", default="", help="indexes whose name holds this")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    table = [["", *COLUMNS[1:]]]
    for name in options.sets:
        make = {"random": random, "clustered": clustered}[name]
        vectors, queries = make(options.rows, options.width, SEED), make(QUERIES, options.width, SEED + 7)
        for row in rows_of(name, vectors, queries, options.only):
            if options.json:
                print(json.dumps(row), flush=True)
                continue
            figures = [f"{row['build s']:.0f}", f"{row['ms a query']:.1f}", f"{row['recall@10']:.3f}"]
            table.append([name, row["index"], str(row["candidates"]), *figures, f"{row['bytes a vector']:.0f}"])
        if name == "random":
            said = through_a_collection(vectors, queries)
            print(json.dumps(said) if options.json else f"{said}\n", flush=True)
        del vectors
    if not options.json:
        print(f"{options.rows:,} vectors of width {options.width}, {THREADS} threads\n")
        print(TextTable(table[0], table[1:], "<<>>>>>"))


if __name__ == "__main__":
    main()
