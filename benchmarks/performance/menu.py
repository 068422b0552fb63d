"""What does each model of the menu cost on this machine?

`python -m benchmarks.performance.menu PHOTOS [--only NAME ...] [--write] [--plot FILE]
[--document FILE]`

For each model of `clipsim models` a checkpoint with random weights of the same shape is saved, and a process of its own
scores `--pictures` photographs with it, twice, in float32 on one thread of the CPU. Printed are the millions of bytes
of the weights, the most memory that the process took, and the processor's seconds for a picture in the better round, in
those of the default model. Speed does not depend on what the weights are; processor seconds depend little on what else
runs. `--write` puts the figures into clipsim/data/models.json, which `clipsim models` and the page show, and `--plot`
draws published quality against time as it stands there, `--document` puts the table into a page. Linux, for its peak
memory.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from benchmarks.performance import shapes

CAPTION = "a golden retriever standing in the snow"
ROUNDS = 2
LINE = 1.1  # percent on the plot, from one label to the next
TABLE = Path(str(files("clipsim.data").joinpath("models.json")))


def measure_here(model: str, photos: Path, count: int) -> dict[str, float]:
    """Score pictures with a model in this process: its processor's seconds for a picture, and its peak memory."""
    import torch

    import clipsim
    from clipsim.embedding import VectorCache, use_cache

    torch.set_num_threads(1)
    encoder = clipsim.load(model, "cpu", "full")
    paths = sorted(path for path in photos.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))[:count]
    encoder.encode_texts([CAPTION])
    spent = []
    for _ in range(ROUNDS):
        use_cache(encoder, VectorCache(1_000_000))
        started = time.process_time()
        encoder.encode_images([_open(path) for path in paths])
        spent.append((time.process_time() - started) / len(paths))
    status = Path("/proc/self/status").read_text(encoding="utf-8")  # getrusage would tell of the parent too
    peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024
    return {"seconds": min(spent), "memory_mb": peak / 1e6}


def _open(path: Path) -> Any:
    from clipsim.images import read

    return read(path, path.name).image


def measure(name: str, photos: Path, count: int) -> dict[str, float]:
    """Save a model of the menu with random weights, and measure it in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        place = name if name == "stand-in" else str(shapes.save(Path(folder), name))
        size = sum(path.stat().st_size for path in Path(folder).glob("*.safetensors"))
        words = [sys.executable, "-m", __spec__.name, str(photos), "--pictures", str(count), "--here", place]
        done = subprocess.run(
            words, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=True
        )
    found: dict[str, float] = json.loads(done.stdout)
    return found | ({"download_mb": size / 1e6} if size else {})


def write(found: Mapping[str, Mapping[str, float]]) -> None:
    """Put what was measured into the table; time is told in that of the default model, which is its first row."""
    rows = json.loads(TABLE.read_text(encoding="utf-8"))
    unit = found[rows[0]["name"]]["seconds"]
    for row in rows:
        if own := found.get(row["name"]):
            row |= {name: round(own[name]) for name in ("download_mb", "memory_mb") if name in own}
            row["relative_time"] = round(own["seconds"] / unit, 2)
    TABLE.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def document(place: Path) -> None:
    """Put the table as it stands between the two markers of a page."""
    begin, end = "<!-- menu -->\n", "<!-- end of menu -->"
    lines = ["| name | time | memory, MB | download, MB | pixels | tokens | languages | terms | when to take it |"]
    lines.append("| --- " * lines[0].count(" | ") + "| --- |")
    for row in json.loads(TABLE.read_text(encoding="utf-8")):
        named = ("relative_time", "memory_mb", "download_mb", "resolution", "text_length", "languages", "terms", "use")
        cells = [str(row.get(name) or "-") for name in named]
        lines.append(f"| {' | '.join([row['name'], *cells])} |")
    before, _, rest = place.read_text(encoding="utf-8").partition(begin)
    place.write_text(before + begin + "\n".join(lines) + "\n" + end + rest.partition(end)[2], encoding="utf-8")


def plot(place: Path) -> None:
    """Draw published quality against time: those that nothing beats in both are joined."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), layout="constrained")
    FigureCanvasSVG(figure)
    rows = [row for row in json.loads(TABLE.read_text(encoding="utf-8")) if row.get("relative_time")]
    for axes, field, title in zip(
        figure.subplots(1, 2), ("imagenet", "coco"), ("ImageNet-1k, %", "COCO text-to-image R@1, %"), strict=True
    ):
        known = [row for row in rows if row.get(field)]
        best = find_front([(row["relative_time"], row[field]) for row in known])
        axes.plot(*zip(*best, strict=True), color="0.7", linewidth=1, zorder=0)
        above = float("-inf")  # where the label below ends
        for row in sorted(known, key=lambda row: row[field]):
            there = row["relative_time"], row[field]
            axes.scatter(*there, s=16, color="#b03a1f" if there in best else "#666")
            above = max(there[1] - LINE / 2, above + LINE)
            axes.text(there[0] * 1.15, above, row["name"], fontsize=7)
        axes.set(xscale="log", xlabel="time for a picture on a CPU, clip-vit-b-32 = 1", ylabel=title)
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.28)
    figure.savefig(place, metadata={"Date": None})


def find_front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points (time, quality) that no other beats in both, by time."""
    return sorted(one for one in points if not any(o[0] <= one[0] and o[1] >= one[1] and o != one for o in points))


def main() -> None:
    from clipsim.encoders import MODELS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="?")
    parser.add_argument("--pictures", type=int, default=4)
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[model.name for model in MODELS])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--document", type=Path)
    parser.add_argument("--here", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.here:
        print(json.dumps(measure_here(chosen.here, chosen.photos, chosen.pictures)))
        return
    found = {}
    for model in MODELS if chosen.photos else ():
        if model.name in (chosen.only or [model.name]) and shapes.can_save(model.name):
            found[model.name] = measure(model.name, chosen.photos, chosen.pictures)
            print(model.name, {name: round(value, 3) for name, value in found[model.name].items()}, flush=True)
    if chosen.write:
        write(found)
    if chosen.plot:
        plot(chosen.plot)
    if chosen.document:
        document(chosen.document)


if __name__ == "__main__":
    main()
