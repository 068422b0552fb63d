"""Where does the time go?

`python -m benchmarks.performance.profile PHOTOS [--pictures 64] [--precision full]`

Milliseconds for each photograph, stage by stage (reading on one thread, the network on all), and the shares of the
network's operations, with random weights in the shape of CLIP ViT-B/32.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import clipsim
from benchmarks.performance import checkpoint
from clipsim.encoders.checkpoint import CheckpointEncoder
from clipsim.images import read

ROUNDS = 5
MOST = 8  # operations


def stages(encoder: CheckpointEncoder, paths: list[Path]) -> dict[str, float]:
    pictures = [read(path, path.name).image for path in paths]
    views = [encoder.view(picture) for picture in pictures]
    steps: dict[str, Callable[[], object]] = {
        "reading and decoding": lambda: [read(path, path.name) for path in paths],
        "cropping and resizing": lambda: [encoder.view(picture) for picture in pictures],
        "the network": lambda: encoder.encode_views(views),
    }
    return {name: _median(step) / len(paths) for name, step in steps.items()}


def _median(step: Callable[[], object]) -> float:
    """Milliseconds."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        step()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def operations(encoder: CheckpointEncoder, paths: list[Path]) -> dict[str, float]:
    """Share of the network's time by operation, percent, largest first."""
    from torch.profiler import profile

    views = [encoder.view(read(path, path.name).image) for path in paths]
    with profile() as profiled:
        encoder.encode_views(views)
    took = {event.key: event.self_cpu_time_total for event in profiled.key_averages()}
    whole = sum(took.values())
    return {name: 100 * took[name] / whole for name in sorted(took, key=lambda name: -took[name])[:MOST]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="folder with JPEGs")
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--precision", default="full", choices=["full", "half", "int8"])
    options = parser.parse_args()
    paths = sorted(options.photos.glob("*.jpg"))[: options.pictures]
    with tempfile.TemporaryDirectory() as folder:
        encoder = clipsim.load(str(checkpoint.save(Path(folder) / "checkpoint")), "cpu", options.precision)
        assert isinstance(encoder, CheckpointEncoder)
        encoder.ensure_loaded()
        print("| stage | ms a picture |\n| --- | ---: |")
        print("\n".join(f"| {name} | {took:.1f} |" for name, took in stages(encoder, paths).items()))
        print("\n| operation of the network | share |\n| --- | ---: |")
        print("\n".join(f"| `{name}` | {share:.0f} % |" for name, share in operations(encoder, paths).items()))


if __name__ == "__main__":
    main()
