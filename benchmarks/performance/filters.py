"""What does a filter cost?

`python -m benchmarks.performance.filters [--rows N]` prints the table in docs/collections.md: of a made-up collection
of N pictures, the milliseconds from a filter to the mask of what passes, the median of several, with the processor time
of all threads; and once how long the columns take to be read.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa

from clipsim.collections import EmbeddingConfig, Filters
from clipsim.collections.filters import Columns
from clipsim.collections.store import SCHEMA, Writer
from clipsim.collections.store.segments import Segment
from clipsim.collections.store.writer import MERGED_ROWS
from clipsim.report import TextTable

TIMES = 9
DAY = 86_400 * 10**9
FILTERS: list[Filters] = [
    {"path": "2005/*"},
    {"path": "*.jpg"},
    {"path": "*/0123/*"},
    {"path": "*3?.jpg"},
    {"path": "2*12*9.jpg"},
    {"path": "*[0-3]7.jpg"},
    {"after": "2026-03-31"},
    {"path": "2005/*", "after": "2020-01-01", "before": "2026-03-31"},
]


def make_rows(first: int, count: int) -> pa.Table:
    """Rows of pictures, four folders deep in time, a day for each hundred."""
    numbers = range(first, first + count)
    columns = {
        "path": [f"{2000 + i % 26}/{i // 1000:04}/picture-{i}.jpg" for i in numbers],
        "size": [1] * count,
        "mtime_ns": [20_000 * DAY + i // 100 % 10_000 * DAY for i in numbers],
        "digest": [f"{i:064x}" for i in numbers],
        "width": [640] * count,
        "height": [480] * count,
        "notes": [[]] * count,
        "seen": [0.75] * count,
        "thumbnail": [b""] * count,
    }
    return pa.table([pa.array(columns[name], SCHEMA.field(name).type) for name in SCHEMA.names], schema=SCHEMA)


def write(folder: Path, rows: int) -> list[Segment]:
    """Write so many pictures, with vectors of width 2, and return the segments."""
    with Writer(folder, EmbeddingConfig("made-up", "", 2)) as writer:
        for first in range(0, rows, MERGED_ROWS):
            part = make_rows(first, min(MERGED_ROWS, rows - first))
            writer.add(part, np.tile(np.array([1, 0], np.float32), (len(part), 1)))
        return [Segment(folder, name) for name, _ in writer.manifest.segments]


def clock(call: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds that a call takes, and of processors."""
    wall, processor = time.perf_counter(), time.process_time()
    call()
    return (time.perf_counter() - wall) * 1e3, (time.process_time() - processor) * 1e3


def main(rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        columns, live = Columns(write(Path(folder), rows)), np.ones(rows, bool)
        first, _ = clock(lambda: columns.apply({"path": "2005/*", "after": "2026-03-31"}, live))
        lines = []
        for filters in FILTERS:
            took = [clock(partial(columns.apply, filters, live)) for _ in range(TIMES)]
            passed = np.count_nonzero(columns.apply(filters, live)) / rows
            named = " ".join(f"--{name} {value}" for name, value in filters.items())
            lines.append([named, f"{passed:.1%}", *(f"{median(one):.1f}" for one in zip(*took, strict=True))])
        print(TextTable(("filter", "pass", "ms", "processor ms"), lines, "<>>>"))
        print(f"The columns of {rows:,} pictures were read in {first:,.0f} ms, once.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    main(parser.parse_args().rows)
