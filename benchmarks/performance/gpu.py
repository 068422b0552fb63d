"""How fast do the networks look at pictures on a GPU?

`python -m benchmarks.performance.gpu [--device cuda] [--models NAME ...] [--batches N ...] [--json FILE]`

For CLIP ViT-B/32, ViT-L/14 and SigLIP so400m (patch 14, 384 pixels), with random weights, in float16 and bfloat16, by
clipsim's own pass and by transformers', which take turns: images a second (median of the rounds), the ratio in the same
round, and the largest change of a cosine against float32. Pixels lie on the device already: reading and copying are not
in it, `benchmarks.performance.speed --device cuda` has all.
"""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.performance import checkpoint, shapes
from benchmarks.performance.contestants import unit
from clipsim.encoders import vit
from clipsim.encoders.checkpoint import FAMILIES, read_family

MODELS = ("clip-vit-b-32", "clip-vit-l-14", "siglip-so400m-14-384")
BATCHES = (64, 128, 256, 512)
FORMATS = {"float16": torch.float16, "bfloat16": torch.bfloat16}
SAMPLE = 8  # pictures that are compared with float32


@dataclass(frozen=True)
class Pass:
    """What was measured of one model in one format and batch.

    Attributes:
        model: the shape of its weights.
        format: of its numbers.
        batch: pictures a pass.
        images_per_second: clipsim's, median.
        faster_than_transformers: ratio to transformers in the same round, median.
        change: the largest of a cosine of two pictures, against transformers in float32.
    """

    model: str
    format: str
    batch: int
    images_per_second: float
    faster_than_transformers: float
    change: float


def measure(folder: Path, name: str, format: str, batches: list[int], rounds: int, device: str) -> Iterator[Pass]:
    """Measure one model, of the checkpoint in `folder`, in one format, with one batch after the other."""
    family = FAMILIES[read_family(folder, name)]
    plain = family.model.from_pretrained(folder).eval().to(device)
    side = plain.config.vision_config.image_size
    pixels = torch.randn(max(SAMPLE, *batches), 3, side, side, generator=torch.Generator().manual_seed(1)).to(device)
    with torch.inference_mode():
        exact = _cosines(plain.get_image_features(pixels[:SAMPLE]).pooler_output)
    plain.vision_model.to(FORMATS[format])
    own = family.model.from_pretrained(folder).eval().requires_grad_(False)
    own.vision_model.to(FORMATS[format])
    own.to(device)
    vit.arrange(own)
    narrow = pixels.to(FORMATS[format])
    ours: Callable[[torch.Tensor], Any] = lambda some: family.image_vectors(own, some)  # noqa: E731
    theirs: Callable[[torch.Tensor], Any] = lambda some: plain.vision_model(some).pooler_output  # noqa: E731
    with torch.inference_mode():
        change = float((_cosines(ours(narrow[:SAMPLE])) - exact).abs().max())
    for batch in batches:
        speeds, ratios = [], []
        for turn in range(rounds + 1):
            took, other = (_time(run, narrow[:batch], device) for run in (ours, theirs))
            if turn:  # the first is the warm-up
                speeds.append(batch / took)
                ratios.append(other / took)
        yield Pass(name, format, batch, statistics.median(speeds), statistics.median(ratios), change)


def _cosines(vectors: torch.Tensor) -> torch.Tensor:
    units = unit(vectors.float())
    product: torch.Tensor = units @ units.T
    return product


def _time(run: Callable[[torch.Tensor], Any], pixels: torch.Tensor, device: str) -> float:
    """Return the seconds of a pass, until the device is done."""
    start = time.perf_counter()
    with torch.inference_mode():
        run(pixels)
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - start


def table(passes: list[Pass]) -> str:
    """In the order of measuring."""
    lines = [
        "| model | format | batch | images/s | faster than transformers by | change of a cosine |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for one in passes:
        figures = [f"{one.images_per_second:,.0f}", f"{one.faster_than_transformers:.2f} ×", f"{one.change:.1e}"]
        cells = [one.model, one.format, str(one.batch), *figures]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--models", nargs="+", default=MODELS, choices=(*checkpoint.SHAPES, *shapes.SIGLIP))
    parser.add_argument("--formats", nargs="+", default=list(FORMATS), choices=FORMATS)
    parser.add_argument("--batches", nargs="+", type=int, default=BATCHES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write there what was measured")
    chosen = parser.parse_args()
    if chosen.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error("there is no CUDA device on this machine: give --device cpu to try the command")
    machine = torch.cuda.get_device_name() if chosen.device.startswith("cuda") else chosen.device
    passes: list[Pass] = []
    for model in chosen.models:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            torch.manual_seed(1)
            (checkpoint.save if model in checkpoint.SHAPES else shapes.save)(folder, model)
            for format in chosen.formats:
                passes += measure(folder, model, format, list(chosen.batches), chosen.rounds, chosen.device)
    print(table(passes))
    if chosen.json:
        words = [word for word in sys.argv[1:] if word not in ("--json", str(chosen.json))]
        command = f"python -m {__spec__.name} {shlex.join(words)}".strip()
        whole = {"command": command, "machine": machine, "passes": [asdict(one) for one in passes]}
        chosen.json.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
