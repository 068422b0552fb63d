"""What do so many pictures cost? Computed, from the bytes and the rate of each picture.

`python -m benchmarks.performance.plan [--rates 20 34] [--thumbnails 6900 18700]` prints the table in
docs/performance.md. Time is pictures / (rate * machines), disk and memory to search are bytes a picture. What `index`
takes is measured, by `benchmarks.performance.scale`.
"""

from __future__ import annotations

import argparse

MACHINES = {1_000_000: 1, 100_000_000: 20, 5_000_000_000: 1_000}
WIDTH = 512  # of ViT-B/32
ROW = 130  # bytes of a row without its thumbnail, as `benchmarks.performance.scale --thumbnail 0` has them
CODE = 128  # bytes of a product quantiser's code: `clipsim.collections.store.ann` keeps 2 numbers in 4 bits
LINKS = 32  # HNSW's M
# FAISS's wiki, "Guidelines to choose an index" and "Faiss indexes": bytes a vector
MEMORY = {"flat": 4 * WIDTH, "HNSW": 4 * WIDTH + LINKS * 2 * 4, "IVF-PQ": CODE + 8}


def days(pictures: int, rate: float, machines: int) -> float:
    """Of encoding, at `rate` pictures a second a machine."""
    return pictures / (rate * machines) / 86_400


def table(rates: list[float], thumbnails: list[int]) -> str:
    """The table in Markdown: a line for each number of pictures."""
    head = ["pictures", "machines", *(f"days at {rate:g}/s" for rate in rates), "vectors"]
    head += [f"rows with thumbnails of {thumbnail / 1e3:g} kB" for thumbnail in thumbnails]
    head += [f"{kind} in memory" for kind in MEMORY]
    lines = [head, ["---"] * len(head)]
    for pictures, machines in MACHINES.items():
        sizes = [4 * WIDTH, *(ROW + thumbnail for thumbnail in thumbnails), *MEMORY.values()]
        spent = [f"{days(pictures, rate, machines):,.1f}" for rate in rates]
        gigabytes = [f"{pictures * size / 1e9:,.1f} GB" for size in sizes]
        lines.append([f"{pictures:,}", f"{machines:,}", *spent, *gigabytes])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rates", type=float, nargs="+", default=[20, 34], help="pictures a second a machine")
    parser.add_argument("--thumbnails", type=int, nargs="+", default=[6_900, 18_700], help="bytes of each")
    options = parser.parse_args()
    print(table(options.rates, options.thumbnails))
