"""How fast are pictures scored, beside others?

`python -m benchmarks.performance.speed PHOTOS [--only NAME ...] [--outliers] [--json FILE]`

Each contestant is a process of its own that reads the same files, from disk to scores. They take turns, one at a time,
round after round, so that a machine whose speed drifts treats all alike. Printed are images a second (median and
range), the ratio to clipsim in the same round (median), peak memory, and the largest change of a cosine and the pairs
of pictures that change their order against plain transformers on the same crop, of the stand-in against `full`.
Contestants whose package is not installed are left out. Linux, for its /proc.

With `--threads 1` a forward pass has one thread, and images a second are those of the processor's time, which what else
runs on the machine disturbs little; else all cores, by the clock.

The checkpoint is CLIP ViT-B/32 with random weights unless `--checkpoint` names a folder. `--outliers` gives the random
weights what trained ones have: in every layer that looks at pictures, 4 channels of both layer norms' gains and 4 rows
of fc1 and v_proj are 20 times as large (`benchmarks.performance.checkpoint.spread_outliers`). clipsim's own vectors are
forgotten before each round; what it does once for a new model, to encode pictures and captions of the background, is
done before the first. `--json` writes what `benchmarks.performance.tables` puts into the documentation.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import multiprocessing
import os
import platform
import shlex
import shutil
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.performance import checkpoint, shapes
from benchmarks.performance.contestants import BATCH, CONTESTANTS, OURS, PLAIN, Given, export

STAND_IN = "stand-in"
MODELS = (*checkpoint.SHAPES, *shapes.SIGLIP, STAND_IN)


@dataclass(frozen=True)
class Row:
    """What was measured of a contestant.

    Attributes:
        name: the contestant.
        images_per_second: in each round.
        median: of these.
        clipsim_is_faster: ratio of clipsim's images a second to these in the same round, median.
        peak_megabytes: of memory.
        change: the largest of a cosine.
        swapped: in how many of the pictures' pairs the order changed, in percent.
    """

    name: str
    images_per_second: list[float]
    median: float
    clipsim_is_faster: float
    peak_megabytes: float
    change: float | None
    swapped: float | None


@dataclass(frozen=True)
class Measured:
    """A run, as a file keeps it.

    Attributes:
        command: what was run.
        machine: its processor, and what that calculates in.
        model: the shape of the weights, or where they came from.
        threads: of a forward pass.
        pictures: how many.
        rounds: how many.
        by: "clock" or "processor": what a second is one of.
        rows: of the contestants.
    """

    command: str
    machine: str
    model: str
    threads: int
    pictures: int
    rounds: int
    by: str
    rows: list[Row]


def _serve(pipe: Connection, name: str, given: Given) -> None:
    """A contestant's process: ready, then a run for each request, then its peak memory."""
    warnings.simplefilter("ignore")  # of what others' exports cannot trace
    import torch

    torch.set_num_threads(given.threads)
    clock = time.process_time if given.threads == 1 else time.perf_counter
    try:
        run = CONTESTANTS[name].prepare(given)
        run(given.paths[:BATCH])
    except Exception as error:  # others' packages fail in their own ways; the table goes on without them
        pipe.send((f"{type(error).__name__}: {error}".splitlines() or [""])[0])
        return
    pipe.send("")
    while pipe.recv():
        start = clock()
        cosines = run(given.paths)
        pipe.send((clock() - start, cosines))
    status = Path("/proc/self/status").read_text(encoding="ascii")
    pipe.send(int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1000)


@contextmanager
def _started(names: list[str], given: Given) -> Iterator[dict[str, Connection]]:
    """The contestants that could be made ready, each in a process of its own."""
    context = multiprocessing.get_context("spawn")
    if any(CONTESTANTS[name].exported for name in names):
        exporting = context.Process(target=export, args=(given,))
        exporting.start()
        exporting.join()
    pipes, processes = {}, []
    for name in names:
        ours, theirs = context.Pipe()
        processes.append(context.Process(target=_serve, args=(theirs, name, given), daemon=True))
        processes[-1].start()
        theirs.close()
        try:
            problem = ours.recv()  # one after the other: they share the cores
        except EOFError:
            problem = "its process ended"
        if problem:
            print(f"{name} is left out: {problem}", file=sys.stderr)
        else:
            pipes[name] = ours
    yield pipes
    for process in processes:
        process.join(10)


def measure(names: list[str], given: Given, rounds: int) -> list[Row]:
    """A row for each contestant that could be made ready."""
    seconds: dict[str, list[float]] = {name: [] for name in names}
    cosines: dict[str, np.ndarray | None] = {}
    peaks = {}
    with _started(names, given) as pipes:
        for _ in range(rounds):
            for name, pipe in pipes.items():
                pipe.send(True)
                took, cosines[name] = pipe.recv()
                seconds[name].append(took)
        for name, pipe in pipes.items():
            pipe.send(False)
            peaks[name] = pipe.recv()
    return [_row(name, len(given.paths), seconds, cosines, peaks[name]) for name in peaks]


def _row(
    name: str, count: int, seconds: dict[str, list[float]], cosines: dict[str, np.ndarray | None], peak: float
) -> Row:
    speeds = [count / took for took in seconds[name]]
    ratios = [took / ours for took, ours in zip(seconds[name], seconds.get(OURS) or seconds[name], strict=True)]
    ours, plain = cosines[name], cosines.get(PLAIN, cosines.get(OURS))
    change = swapped = None
    if ours is not None and plain is not None:
        change, swapped = compare(plain, ours)
    return Row(name, speeds, statistics.median(speeds), statistics.median(ratios), peak, change, swapped)


def compare(plain: np.ndarray, ours: np.ndarray) -> tuple[float, float]:
    """Return the largest change of a cosine, and in how many percent of the pairs the order changed."""
    pairs = np.triu_indices(len(plain), 1)
    before, after = (np.sign(some[:, None] - some[None, :])[pairs] for some in (plain, ours))
    return float(np.abs(ours - plain).max()), float(100 * (before * after < 0).mean())


def enlarged(paths: list[Path], megapixels: float, folder: Path) -> list[Path]:
    """The pictures as JPEGs of about that many megapixels."""
    folder.mkdir()
    files = []
    for path in paths:
        image = Image.open(path).convert("RGB")
        scale = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
        size = (round(image.width * scale), round(image.height * scale))
        files.append(folder / f"{path.stem}.jpg")
        image.resize(size, Image.Resampling.BICUBIC).save(files[-1], quality=90)
    return files


def table(rows: list[Row]) -> str:
    """Fastest first."""
    lines = [
        "| | images/s | range | clipsim full is faster by | peak MB | change of a cosine | pairs swapped |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in sorted(rows, key=lambda row: -row.median):
        change = "-" if row.change is None else f"{row.change:.1e}"
        swapped = "-" if row.swapped is None else f"{row.swapped:.1f} %"
        spread = f"{min(row.images_per_second):.1f} to {max(row.images_per_second):.1f}"
        cells = [row.name, f"{row.median:.1f}", spread, f"{row.clipsim_is_faster:.2f} ×", f"{row.peak_megabytes:.0f}"]
        lines.append(f"| {' | '.join([*cells, change, swapped])} |")
    return "\n".join(lines)


def _find_model(chosen: argparse.Namespace, folder: Path) -> str:
    """Return what `clipsim.load` takes, with weights in `folder` where there are any."""
    if chosen.checkpoint:
        return str(shutil.copytree(chosen.checkpoint, folder))
    if chosen.model == STAND_IN:
        return STAND_IN
    import torch

    torch.manual_seed(1)
    (checkpoint.save if chosen.model in checkpoint.SHAPES else shapes.save)(folder, chosen.model)
    if chosen.outliers:
        from clipsim.encoders.checkpoint import FAMILIES, read_family

        model = FAMILIES[read_family(folder, chosen.model)].model.from_pretrained(folder)
        checkpoint.spread_outliers(model)
        model.save_pretrained(folder)
    return str(folder)


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="folder with JPEGs")
    parser.add_argument("--pictures", type=int, default=64, help="how many of them (default 64)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of a forward pass (default: all)")
    parser.add_argument("--megapixels", type=float, help="enlarge the pictures to that size first")
    parser.add_argument("--model", default="clip-vit-b-32", choices=MODELS, help="shape of random weights")
    parser.add_argument("--checkpoint", type=Path, help="folder of a checkpoint to take instead")
    parser.add_argument("--outliers", action="store_true", help="random weights with channels 20 times as large")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, metavar="NAME", help=", ".join(CONTESTANTS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write there what was measured")
    chosen = parser.parse_args()
    chosen.paths = sorted(chosen.photos.glob("*.jpg"))[: chosen.pictures]
    if not chosen.paths:
        parser.error(f"{chosen.photos} has no .jpg files")
    return chosen


def main() -> None:
    chosen = _read_arguments()
    names = chosen.only or [name for name, one in CONTESTANTS.items() if importlib.util.find_spec(one.package)]
    if chosen.model == STAND_IN and not chosen.checkpoint:
        names = [name for name in names if name.startswith("clipsim")]
    with tempfile.TemporaryDirectory() as temporary:
        folder, paths = Path(temporary), chosen.paths
        if chosen.megapixels:
            paths = enlarged(paths, chosen.megapixels, folder / "large")
        model, exported = _find_model(chosen, folder / "checkpoint"), folder / "exported"
        exported.mkdir()
        rows = measure(names, Given(model, paths, chosen.device, chosen.threads, exported), chosen.rounds)
    words = ["PHOTOS" if word == str(chosen.photos) else word for word in sys.argv[1:]]
    if chosen.json:
        words = [word for word in words if word not in ("--json", str(chosen.json))]
    command = f"python -m {__spec__.name} {shlex.join(words)}"
    model = str(chosen.checkpoint or chosen.model)
    by = "processor" if chosen.threads == 1 else "clock"
    done = Measured(command, find_machine(), model, chosen.threads, len(paths), chosen.rounds, by, rows)
    print(f"{len(paths)} pictures, {chosen.rounds} rounds, {model} on {chosen.device}, {done.machine}\n")
    print(table(rows))
    if chosen.json:
        chosen.json.write_text(json.dumps(asdict(done), indent=1) + "\n", encoding="utf-8")


def find_machine() -> str:
    """Return the processor, how many of it, what it calculates in of narrow numbers, and torch's version."""
    import torch

    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    known = [flag for flag in ("avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimddp") if flag in flags]
    return f"{os.cpu_count()} cores of {name} ({', '.join(known)}), torch {torch.__version__.partition('+')[0]}"


if __name__ == "__main__":
    main()
