"""What do so many pictures cost?

`python -m benchmarks.performance.scale [--rates 20 34]` prints the table in docs/performance.md.

Time is pictures / (rate * machines), disk and memory are bytes a picture. Only what `index` holds of a picture while it
runs is measured, by tracemalloc: the file that was listed, and the row that is there.
"""

from __future__ import annotations

import argparse
import tracemalloc
from pathlib import Path

from clipsim.collections.indexing import IndexedFile
from clipsim.images import File

PICTURES = (1_000_000, 100_000_000, 5_000_000_000)
MACHINES = {1_000_000: 1, 100_000_000: 20, 5_000_000_000: 1_000}
WIDTH = 512  # of ViT-B/32
THUMBNAIL = 20_000  # bytes, about, with the row
CODE = 128  # bytes of a product quantiser's code: `clipsim.collections.store.ann` keeps 2 numbers in 4 bits
MADE = 100_000  # files and rows that are made to see what one takes
LINKS = 32  # HNSW's M
# FAISS's wiki, "Guidelines to choose an index" and "Faiss indexes": bytes a vector
MEMORY = {"flat": 4 * WIDTH, "HNSW": 4 * WIDTH + LINKS * 2 * 4, "IVF-PQ": CODE + 8}


def days(pictures: int, rate: float, machines: int) -> float:
    """Of encoding, at `rate` pictures a second a machine."""
    return pictures / (rate * machines) / 86_400


def held() -> float:
    """Bytes that `index` holds of a picture."""
    names = [f"2026/{i // 1000}/picture-{i}.jpg" for i in range(MADE)]
    tracemalloc.start()
    files = {
        name: File(Path("/pictures", name), f"{name} ", 10**5 + i, (10**18 + i, 10**18 + i))
        for i, name in enumerate(names)
    }
    rows = {f" {name}": IndexedFile(10**5 + i, 10**18 + i, f"{i:064x}", "segment", i) for i, name in enumerate(names)}
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return taken / max(len(files), len(rows))


def table(rates: list[float]) -> str:
    """The table in Markdown: a line for each number of pictures."""
    head = ["pictures", "machines", *(f"days at {rate:g}/s" for rate in rates), "vectors", "rows and thumbnails"]
    lines = [
        [*head, *(f"{kind} in memory" for kind in MEMORY), "memory of `index`, in all"],
        ["---"] * (len(head) + len(MEMORY) + 1),
    ]
    of_index = held()
    for pictures in PICTURES:
        machines = MACHINES[pictures]
        sizes = [4 * WIDTH, THUMBNAIL, *MEMORY.values(), of_index]
        spent = [f"{days(pictures, rate, machines):,.1f}" for rate in rates]
        lines.append(
            [f"{pictures:,}", f"{machines:,}", *spent, *(f"{pictures * size / 1e9:,.1f} GB" for size in sizes)]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rates", type=float, nargs="+", default=[20, 34], help="pictures a second a machine")
    print(table(parser.parse_args().rates))
