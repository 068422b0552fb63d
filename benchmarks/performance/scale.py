"""What do so many pictures cost? Collections of made-up rows are made and brought up to date with nothing new.

`python -m benchmarks.performance.scale [--pictures 100000 1000000] [--kind files] [--width 512] [--thumbnail 6900]`
makes each in a folder of its own, lists and compares it in a process of its own, and prints time, processor time and
memory of that, and the bytes on disk; with several numbers of pictures the law by which each grows.

The kind "files" lists empty files, one for each row, which are made; "addresses" a Parquet file of addresses.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clipsim import index_folder
from clipsim.collections.store import SCHEMA, EmbeddingConfig, Writer

SEGMENT = 65_536  # rows that are made together
WRITTEN = 1_700_000_000_000_000_000  # when all files were, nanoseconds since 1970
FIGURES = ("seconds", "processor seconds", "MB of memory", "GB on disk")


def name_files(first: int, count: int, kind: str) -> list[str]:
    """Return names, a thousand in each folder."""
    start = "https://pictures.example/" if kind == "addresses" else ""
    return [f"{start}2026/{i // 1000:06}/picture-{i:09}.jpg" for i in range(first, first + count)]


def make(folder: Path, pictures: int, kind: str, width: int, thumbnail: int) -> Path:
    """Make a source and its collection, and return the source."""
    random, source = np.random.default_rng(0), folder / "pictures"
    source.mkdir()
    config = EmbeddingConfig("made-up", "", width)
    place = source / "list.parquet" if kind == "addresses" else source
    schema = pa.schema([("url", pa.string())])
    with (
        Writer(folder / "collection", config, str(place)) as writer,
        pq.ParquetWriter(folder / "list.parquet", schema) as urls,
    ):
        for first in range(0, pictures, SEGMENT):
            count = min(SEGMENT, pictures - first)
            names = name_files(first, count, kind)
            vectors = random.standard_normal((count, width), np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            writer.add(make_rows(names, random, thumbnail), vectors)
            urls.write_table(pa.table({"url": names}, schema))
            for name in names if kind == "files" else ():
                path = os.path.join(source, name)  # noqa: PTH118  # a million times
                if name.endswith("000.jpg"):
                    os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
                handle = os.open(path, os.O_CREAT | os.O_WRONLY)
                os.utime(handle, ns=(WRITTEN, WRITTEN))
                os.close(handle)
    (folder / "list.parquet").rename(source / "list.parquet")
    return place


def make_rows(names: Sequence[str], random: np.random.Generator, thumbnail: int) -> pa.Table:
    """Return rows with digests and thumbnails that cannot be compressed."""
    count = len(names)
    digests, thumbnails = random.bytes(32 * count), random.bytes(thumbnail * count)
    columns: tuple[Any, ...] = (
        names,
        np.zeros(count, np.int64),
        np.full(count, WRITTEN),
        [digests[32 * i : 32 * (i + 1)].hex() for i in range(count)],
        np.full(count, 640, np.int32),
        np.full(count, 480, np.int32),
        [[]] * count,
        np.ones(count),
        [thumbnails[thumbnail * i : thumbnail * (i + 1)] for i in range(count)],
    )
    return pa.table([pa.array(column, kind.type) for column, kind in zip(columns, SCHEMA, strict=True)], SCHEMA)


def bring_up_to_date(source: str, folder: str) -> dict[str, float]:
    """Index with nothing new, in this process, and return what it took."""
    start, spent = time.perf_counter(), time.process_time()
    report = index_folder(source, folder, index="exact")
    figures = (
        time.perf_counter() - start,
        time.process_time() - spent,
        read_peak(),
        sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file()) / 1e9,
    )
    if report.added or report.changed or report.removed or report.rejected:
        raise SystemExit(f"Nothing was new, and yet: {report}")
    return dict(zip(FIGURES, figures, strict=True))


def read_peak() -> float:
    """Return the most memory that this process had, in MB; of Linux's other way to ask, the parent's is part."""
    if (status := Path("/proc/self/status")).exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def measure(pictures: int, kind: str, width: int, thumbnail: int, below: str | None) -> dict[str, float]:
    """Make a collection, bring it up to date in a process of its own, and return what that took."""
    with tempfile.TemporaryDirectory(dir=below) as folder:
        source = make(Path(folder), pictures, kind, width, thumbnail)
        command = [sys.executable, "-m", "benchmarks.performance.scale", "--run", str(source), f"{folder}/collection"]
        found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        return found


def fit(pictures: Sequence[int], figures: Sequence[float]) -> str:
    """Return the law a * n^b that fits best, by least squares of the logarithms, for n in millions."""
    power, log = np.polyfit(np.log(np.array(pictures) / 1e6), np.log(figures), 1)
    return f"{math.exp(log):.3g} x n^{power:.2f}"


def main() -> None:
    """Print a line for each number of pictures, and one for the law."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--kind", choices=["files", "addresses"], default="files")
    parser.add_argument("--width", type=int, default=512, help="of the vectors")
    parser.add_argument("--thumbnail", type=int, default=6_900, help="bytes of each")
    parser.add_argument("--below", help="folder on the disk to use")
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        print(json.dumps(bring_up_to_date(*options.run)))
        return
    print("| pictures |", " | ".join(FIGURES), "|\n|" + " --- |" * (len(FIGURES) + 1))
    found = []
    for pictures in options.pictures:
        found.append(measure(pictures, options.kind, options.width, options.thumbnail, options.below))
        print(f"| {pictures:,} |", " | ".join(f"{found[-1][figure]:,.2f}" for figure in FIGURES), "|", flush=True)
    if len(found) > 1:
        laws = [fit(options.pictures, [one[figure] for one in found]) for figure in FIGURES]
        print("| n million |", " | ".join(laws), "|")


if __name__ == "__main__":
    main()
