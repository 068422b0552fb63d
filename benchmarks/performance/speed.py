"""How fast are pictures scored, beside others?

`python -m benchmarks.performance.speed PHOTOS [--only NAME ...] [--json]`

Each contestant is a process of its own that reads the same files, from disk to scores. They take turns, one at a time,
round after round, so that a machine whose speed drifts treats all alike. Printed are images a second (median and
range), the ratio to clipsim in the same round (median), peak memory, and the largest change of a cosine against plain
transformers on the same crop. Contestants whose package is not installed are left out. Linux, for its /proc.

The checkpoint is CLIP ViT-B/32 with random weights unless `--checkpoint` names a folder. clipsim's own vectors are
forgotten before each round.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import multiprocessing
import platform
import shutil
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.performance import checkpoint
from clipsim.options import Precision

CAPTION = "a golden retriever standing in the snow"
OTHER = "a street at night"
BATCH = 32
Run = Callable[[list[Path]], np.ndarray | None]  # cosines, or None where it gives none
Prepare = Callable[[Path, list[Path], str], Run]  # of the checkpoint's folder, all pictures and the device


def clipsim_by(precision: Precision) -> Prepare:
    def prepare(folder: Path, _: list[Path], device: str) -> Run:
        import clipsim
        from clipsim.embedding import VectorCache, use_cache

        encoder = clipsim.load(str(folder), device, precision)

        def run(paths: list[Path]) -> np.ndarray:
            use_cache(encoder, VectorCache(100_000_000))
            scores = clipsim.score_images([(path, str(path)) for path in paths], CAPTION, encoder).scores
            cosine = {score.name: score.cosine for score in scores}
            return np.array([cosine[str(path)] for path in paths])

        return run

    return prepare


def _model(folder: Path, device: str) -> tuple[Any, Any]:
    import transformers

    model = transformers.CLIPModel.from_pretrained(folder).eval().to(device)
    return model, transformers.CLIPProcessor(
        image_processor=transformers.CLIPImageProcessorPil.from_pretrained(folder),
        tokenizer=transformers.AutoTokenizer.from_pretrained(folder),
    )


def _unit(vectors: Any) -> Any:
    return vectors / vectors.norm(dim=-1, keepdim=True)


def _caption(model: Any, processor: Any) -> Any:
    tokens = processor(text=[CAPTION], return_tensors="pt").to(model.device)
    return _unit(model.get_text_features(**tokens).pooler_output)[0]


def _batches(items: Any, size: int = BATCH) -> Iterator[Any]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _view(path: Path) -> np.ndarray:
    """The picture as clipsim shows it to ViT-B/32, as bytes of shape (224, 224, 3)."""
    from clipsim.encoders.preprocessing import crop_centre
    from clipsim.images import read

    return np.asarray(crop_centre(read(path, path.name).image, 224, (224, 224)))


def _pixels(views: list[np.ndarray]) -> np.ndarray:
    """Normalised as CLIP's processor does: float32 of shape (n, 3, 224, 224)."""
    from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

    values = (np.stack(views).astype(np.float32) / 255 - np.array(OPENAI_CLIP_MEAN)) / np.array(OPENAI_CLIP_STD)
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2), np.float32)


def forward_alone(folder: Path, paths: list[Path], device: str) -> Run:
    import torch

    model, processor = _model(folder, device)
    ready = {path: torch.from_numpy(_pixels([_view(path)])[0]) for path in paths}

    @torch.inference_mode()
    def run(paths: list[Path]) -> np.ndarray:
        caption = _caption(model, processor)
        tensors = (torch.stack([ready[path] for path in some]).to(device) for some in _batches(paths))
        cosines = [_unit(model.get_image_features(some).pooler_output) @ caption for some in tensors]
        return torch.cat(cosines).cpu().numpy()

    return run


def in_batches(folder: Path, _: list[Path], device: str) -> Run:
    import torch

    model, processor = _model(folder, device)

    @torch.inference_mode()
    def run(paths: list[Path]) -> np.ndarray:
        caption = _caption(model, processor)
        cosines = []
        for some in _batches(paths):
            inputs = processor(images=[Image.open(path).convert("RGB") for path in some], return_tensors="pt")
            cosines.append(_unit(model.get_image_features(**inputs.to(device)).pooler_output) @ caption)
        return torch.cat(cosines).cpu().numpy()

    return run


def pipeline(folder: Path, _: list[Path], device: str) -> Run:
    import transformers

    model, processor = _model(folder, device)
    classify = transformers.pipeline(
        "zero-shot-image-classification",
        model=model,
        tokenizer=processor.tokenizer,
        image_processor=processor.image_processor,
    )

    def run(paths: list[Path]) -> None:  # it gives a softmax, no cosine
        for path in paths:
            classify(Image.open(path), candidate_labels=[CAPTION, OTHER])

    return run


def sentence_transformers(folder: Path, _: list[Path], device: str) -> Run:
    from sentence_transformers import SentenceTransformer, util

    model = SentenceTransformer(str(folder), device=device)

    def run(paths: list[Path]) -> np.ndarray:
        vectors = model.encode([Image.open(path) for path in paths], batch_size=BATCH, show_progress_bar=False)
        cosines: np.ndarray = util.cos_sim(vectors, model.encode([CAPTION])).numpy()[:, 0]
        return cosines

    return run


def torchmetrics(folder: Path, _: list[Path], device: str) -> Run:
    import torch
    from torchmetrics.multimodal import CLIPScore

    # it takes known names only, or a function that loads
    metric = CLIPScore(lambda: _model(folder, "cpu")).to(device)

    @torch.inference_mode()
    def run(paths: list[Path]) -> None:  # it gives one mean, cut off at 0
        for some in _batches(paths):
            pictures = [torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1) for path in some]
            metric.update(pictures, [CAPTION] * len(some))
        metric.compute()
        metric.reset()

    return run


def open_clip(_: Path, __: list[Path], device: str) -> Run:
    import open_clip
    import torch

    model, _, transform = open_clip.create_model_and_transforms("ViT-B-32-quickgelu", device=device)
    tokens = open_clip.get_tokenizer("ViT-B-32-quickgelu")([CAPTION]).to(device)
    model.eval()

    @torch.inference_mode()
    def run(paths: list[Path]) -> None:  # random weights of its own: no cosine to compare
        caption = _unit(model.encode_text(tokens))[0]
        for some in _batches(paths):
            batch = torch.stack([transform(Image.open(path)) for path in some]).to(device)
            (_unit(model.encode_image(batch)) @ caption).cpu()

    return run


def _exported(folder: Path) -> tuple[Path, np.ndarray]:
    """The picture tower as an ONNX file, with unit vectors as its output, and the caption's unit vector."""
    import torch

    model, processor = _model(folder, "cpu")

    class Tower(torch.nn.Module):
        def forward(self, pixel_values: torch.Tensor) -> Any:
            return _unit(model.get_image_features(pixel_values).pooler_output)

    tower = Tower()
    tower.model = model
    file = Path(tempfile.mkdtemp(dir=folder)) / "tower.onnx"
    with torch.inference_mode():
        caption = _caption(model, processor).numpy()
        torch.onnx.export(
            tower,
            (torch.zeros(2, 3, 224, 224),),
            str(file),
            input_names=["input"],
            output_names=["output"],
            dynamic_axes={"input": {0: "n"}, "output": {0: "n"}},
            dynamo=False,
            opset_version=17,
        )
    return file, caption


def _engine(compute: Callable[[np.ndarray], np.ndarray], caption: np.ndarray) -> Run:
    """Put clipsim's own reading in two threads before somebody else's engine, in clipsim's batches."""

    def run(paths: list[Path]) -> np.ndarray:
        with ThreadPoolExecutor(2) as pool:
            batches = (_pixels(list(pool.map(_view, some))) for some in _batches(paths, 16))
            return np.asarray(np.concatenate([compute(batch) for batch in batches]) @ caption)

    return run


def onnxruntime_by(kind: str) -> Prepare:
    def prepare(folder: Path, _: list[Path], __: str) -> Run:
        import onnxruntime
        from onnxruntime.quantization import quantize_dynamic

        file, caption = _exported(folder)
        if kind == "int8":
            quantize_dynamic(file, file.with_name("int8.onnx"))
            file = file.with_name("int8.onnx")
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        return _engine(lambda batch: session.run(None, {"input": batch})[0], caption)

    return prepare


def openvino_by(kind: str) -> Prepare:
    def prepare(folder: Path, _: list[Path], __: str) -> Run:
        import openvino

        file, caption = _exported(folder)
        network = openvino.Core().compile_model(str(file), "CPU", {"INFERENCE_PRECISION_HINT": kind})
        return _engine(lambda batch: network(batch)[0], caption)

    return prepare


def rclip(folder: Path, _: list[Path], __: str) -> Run:
    import onnxruntime
    from rclip.model import Model
    from rclip.utils import preprocess
    from rclip.utils.helpers import read_image

    file, caption = _exported(folder)
    model = Model()
    # its own weights come from the hub and look at 256 pixels; the same network as the others' is put in their place
    preprocess.IMAGE_SIZE = 224
    model._session_visual_var = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])

    def run(paths: list[Path]) -> np.ndarray:
        pictures = ([read_image(str(path)) for path in some] for some in _batches(paths, 8))  # its own batch size
        return np.asarray(np.concatenate([model.compute_image_features(some) for some in pictures]) @ caption)

    return run


CONTESTANTS: dict[str, tuple[str, Prepare]] = {  # by name: the package it needs, and how it is made ready
    "clipsim full": ("clipsim", clipsim_by("full")),
    "clipsim half": ("clipsim", clipsim_by("half")),
    "transformers, forward alone": ("transformers", forward_alone),
    "transformers, batches of 32": ("transformers", in_batches),
    "transformers pipeline": ("transformers", pipeline),
    "sentence-transformers": ("sentence_transformers", sentence_transformers),
    "torchmetrics CLIPScore": ("torchmetrics", torchmetrics),
    "open_clip": ("open_clip", open_clip),
    "rclip": ("rclip", rclip),
    "ONNX Runtime float32": ("onnxruntime", onnxruntime_by("float32")),
    "ONNX Runtime int8": ("onnxruntime", onnxruntime_by("int8")),
    "OpenVINO float32": ("openvino", openvino_by("f32")),
    "OpenVINO bfloat16": ("openvino", openvino_by("bf16")),
}
OURS, PLAIN = "clipsim full", "transformers, forward alone"


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


def _serve(pipe: Connection, name: str, folder: Path, paths: list[Path], device: str) -> None:
    """A contestant's process: ready, then a run for each request, then its peak memory."""
    warnings.simplefilter("ignore")  # of what others' exports cannot trace
    try:
        run = CONTESTANTS[name][1](folder, paths, device)
        run(paths[:BATCH])
    except Exception as error:  # others' packages fail in their own ways; the table goes on without them
        pipe.send(f"{type(error).__name__}: {error}".splitlines()[0])
        return
    pipe.send("")
    while pipe.recv():
        start = time.perf_counter()
        cosines = run(paths)
        pipe.send((time.perf_counter() - start, cosines))
    status = Path("/proc/self/status").read_text(encoding="ascii")
    pipe.send(int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1000)


@contextmanager
def _started(names: list[str], folder: Path, paths: list[Path], device: str) -> Iterator[dict[str, Connection]]:
    """The contestants that could be made ready, each in a process of its own."""
    context = multiprocessing.get_context("spawn")
    pipes, processes = {}, []
    for name in names:
        ours, theirs = context.Pipe()
        processes.append(context.Process(target=_serve, args=(theirs, name, folder, paths, device), daemon=True))
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


def measure(names: list[str], folder: Path, paths: list[Path], rounds: int, device: str) -> list[Row]:
    """A row for each contestant that could be made ready."""
    seconds: dict[str, list[float]] = {name: [] for name in names}
    cosines: dict[str, np.ndarray | None] = {}
    peaks = {}
    with _started(names, folder, paths, device) as pipes:
        for _ in range(rounds):
            for name, pipe in pipes.items():
                pipe.send(True)
                took, cosines[name] = pipe.recv()
                seconds[name].append(took)
        for name, pipe in pipes.items():
            pipe.send(False)
            peaks[name] = pipe.recv()
    return [_row(name, len(paths), seconds, cosines, peaks[name]) for name in peaks]


def _row(
    name: str, count: int, seconds: dict[str, list[float]], cosines: dict[str, np.ndarray | None], peak: float
) -> Row:
    speeds = [count / took for took in seconds[name]]
    ratios = [took / ours for took, ours in zip(seconds[name], seconds.get(OURS) or seconds[name], strict=True)]
    ours, plain = cosines[name], cosines.get(PLAIN)
    change = swapped = None
    if ours is not None and plain is not None:
        change = float(np.abs(ours - plain).max())
        pairs = np.triu_indices(count, 1)
        before, after = (np.sign(some[:, None] - some[None, :])[pairs] for some in (plain, ours))
        swapped = float(100 * (before * after < 0).mean())
    return Row(name, speeds, statistics.median(speeds), statistics.median(ratios), peak, change, swapped)


def enlarged(paths: list[Path], megapixels: float, folder: Path) -> list[Path]:
    """The pictures as JPEGs of about that many megapixels."""
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="folder with JPEGs")
    parser.add_argument("--pictures", type=int, default=128, help="how many of them (default 128)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megapixels", type=float, help="enlarge the pictures to that size first")
    parser.add_argument("--model", default="clip-vit-b-32", choices=checkpoint.SHAPES, help="shape of random weights")
    parser.add_argument("--checkpoint", type=Path, help="folder of a checkpoint to take instead")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, metavar="NAME", help=", ".join(CONTESTANTS))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    installed = [name for name, (package, _) in CONTESTANTS.items() if importlib.util.find_spec(package)]
    names = options.only or installed
    paths = sorted(options.photos.glob("*.jpg"))[: options.pictures]
    if not paths:
        parser.error(f"{options.photos} has no .jpg files")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.checkpoint or checkpoint.save(Path(temporary) / "checkpoint", options.model)
        if options.checkpoint:  # ONNX files are written beside it
            folder = Path(shutil.copytree(options.checkpoint, Path(temporary) / "checkpoint"))
        if options.megapixels:
            (Path(temporary) / "large").mkdir()
            paths = enlarged(paths, options.megapixels, Path(temporary) / "large")
        rows = measure(names, folder, paths, options.rounds, options.device)
    if options.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        print(f"{len(paths)} pictures, {options.rounds} rounds, {options.model} on {options.device}, {_machine()}\n")
        print(table(rows))


def _machine() -> str:
    """The processor and how many of it."""
    import torch

    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{name}, {torch.get_num_threads()} threads"


if __name__ == "__main__":
    main()
