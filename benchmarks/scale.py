"""What do so many pictures cost? `python -m benchmarks.scale [--rates 20 34]` prints docs/scale.md's table.

Nothing is measured here: time is pictures / (rate * machines), disk and memory are bytes a picture.
"""

from __future__ import annotations

import argparse

PICTURES = (1_000_000, 100_000_000, 5_000_000_000)
MACHINES = {1_000_000: 1, 100_000_000: 20, 5_000_000_000: 1_000}
WIDTH = 512  # of ViT-B/32
THUMBNAIL = 5_000  # bytes, about, with the row
CODE = 128  # bytes of a product quantiser's code: `clipsim.ann` keeps 2 numbers in 4 bits
HELD = 1_100  # bytes that `index` holds of a picture that it knows while it runs, by tracemalloc
LINKS = 32  # HNSW's M
# FAISS's wiki, "Guidelines to choose an index" and "Faiss indexes": bytes a vector
MEMORY = {"flat": 4 * WIDTH, "HNSW": 4 * WIDTH + LINKS * 2 * 4, "IVF-PQ": CODE + 8}


def days(pictures: int, rate: float, machines: int) -> float:
    """Of encoding, at `rate` pictures a second a machine."""
    return pictures / (rate * machines) / 86_400


def table(rates: list[float]) -> str:
    """The table in Markdown: a line for each number of pictures."""
    head = ["pictures", "machines", *(f"days at {rate:g}/s" for rate in rates), "vectors", "rows and thumbnails"]
    lines = [
        [*head, *(f"{kind} in memory" for kind in MEMORY), "memory of `index`, in all"],
        ["---"] * (len(head) + len(MEMORY) + 1),
    ]
    for pictures in PICTURES:
        machines = MACHINES[pictures]
        sizes = [4 * WIDTH, THUMBNAIL, *MEMORY.values(), HELD]
        spent = [f"{days(pictures, rate, machines):,.1f}" for rate in rates]
        lines.append(
            [f"{pictures:,}", f"{machines:,}", *spent, *(f"{pictures * size / 1e9:,.1f} GB" for size in sizes)]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rates", type=float, nargs="+", default=[20, 34], help="pictures a second a machine")
    print(table(parser.parse_args().rates))
