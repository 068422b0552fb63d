"""Who takes part in `benchmarks.performance.speed`: each a function that is made ready once and then runs on files.

All are given the same checkpoint. ONNX Runtime, OpenVINO, fastembed and rclip are given the network of it that looks at
pictures as an ONNX file, which `export` writes in a process of its own, so that their memory is theirs alone.
"""

from __future__ import annotations

import importlib.util
import shutil
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from clipsim.options import Precision

CAPTION = "a golden retriever standing in the snow"
OTHER = "a street at night"
BATCH = 32
Run = Callable[[list[Path]], np.ndarray | None]  # cosines, or None where it gives none


@dataclass(frozen=True)
class Given:
    """What each contestant is given.

    Attributes:
        model: a checkpoint's folder, or "stand-in".
        paths: all pictures.
        device: as torch names it.
        threads: how many a forward pass may take.
        exported: the folder with what `export` wrote.
    """

    model: str
    paths: list[Path]
    device: str
    threads: int
    exported: Path

    @cached_property
    def processor(self) -> Any:
        """The checkpoint's processor of pictures, as transformers has it."""
        from clipsim.encoders.checkpoint import FAMILIES, read_family

        folder = Path(self.model)
        return FAMILIES[read_family(folder, self.model)].processor.from_pretrained(folder)

    def load(self) -> tuple[Any, np.ndarray]:
        """Return the model, as transformers has it, and the caption's unit vector, shape (width,)."""
        import torch
        import transformers

        from clipsim.encoders.checkpoint import FAMILIES, read_family

        family = FAMILIES[read_family(Path(self.model), self.model)]
        model = family.model.from_pretrained(self.model).eval().to(self.device)
        tokenizer = transformers.AutoTokenizer.from_pretrained(self.model)
        how = {"padding": "max_length" if family.pad_fully else False, "truncation": True, "return_tensors": "pt"}
        most = model.config.text_config.max_position_embeddings
        tokens = tokenizer([family.clean(CAPTION)], max_length=most, **how)
        with torch.inference_mode():
            vector = unit(model.get_text_features(input_ids=tokens["input_ids"].to(self.device)).pooler_output)[0]
        return model, vector.cpu().numpy()

    def view(self, path: Path) -> np.ndarray:
        """The picture as clipsim shows it to the model, as bytes of shape (side, side, 3)."""
        from clipsim.encoders.preprocessing import Preprocessing
        from clipsim.images import read

        known = self.processor
        edge, made = (known.size.shortest_edge, known.crop_size) if known.do_center_crop else (None, known.size)
        framing = Preprocessing((made.width, made.height), edge, int(known.resample))
        return np.asarray(framing.view(read(path, path.name).image))

    def scale(self, views: list[np.ndarray]) -> np.ndarray:
        """Return views as the processor scales them: float32 of shape (n, 3, side, side)."""
        mean, deviation = np.array(self.processor.image_mean), np.array(self.processor.image_std)
        values = (np.stack(views).astype(np.float32) / 255 - mean) / deviation
        return np.ascontiguousarray(values.transpose(0, 3, 1, 2), np.float32)


Prepare = Callable[[Given], Run]


def unit(vectors: Any) -> Any:
    """Return torch's vectors with length 1."""
    return vectors / vectors.norm(dim=-1, keepdim=True)


def export(given: Given) -> None:
    """Write the network for pictures as model.onnx and int8.onnx, and the caption's vector, into `given.exported`."""
    import torch

    warnings.simplefilter("ignore")  # of what the export cannot trace
    model, caption = given.load()
    side = given.view(given.paths[0]).shape[0]

    class Tower(torch.nn.Module):
        def forward(self, pixel_values: torch.Tensor) -> Any:
            return unit(model.get_image_features(pixel_values).pooler_output)

    tower = Tower()
    tower.model = model
    file = given.exported / "model.onnx"
    with torch.inference_mode():
        torch.onnx.export(
            tower,
            (torch.zeros(2, 3, side, side),),
            str(file),
            input_names=["input"],
            output_names=["output"],
            dynamic_axes={"input": {0: "n"}, "output": {0: "n"}},
            dynamo=False,
            opset_version=17,
        )
    np.save(given.exported / "caption.npy", caption)
    shutil.copy(Path(given.model) / "preprocessor_config.json", given.exported)
    if importlib.util.find_spec("onnxruntime"):
        from onnxruntime.quantization import quantize_dynamic

        quantize_dynamic(file, file.with_name("int8.onnx"))


def clipsim_by(precision: Precision) -> Prepare:
    def prepare(given: Given) -> Run:
        import clipsim
        from clipsim.embedding import VectorCache, use_cache

        encoder = clipsim.load(given.model, given.device, precision)
        if encoder.precision != precision:
            raise RuntimeError(" ".join(encoder.notes))

        def run(paths: list[Path]) -> np.ndarray:
            use_cache(encoder, VectorCache(100_000_000))
            scores = clipsim.score_images([(path, str(path)) for path in paths], CAPTION, encoder).scores
            cosine = {score.name: score.cosine for score in scores}
            return np.array([cosine[str(path)] for path in paths])

        return run

    return prepare


def _batches(items: Any, size: int = BATCH) -> Iterator[Any]:
    return (items[start : start + size] for start in range(0, len(items), size))


def forward_alone(given: Given) -> Run:
    import torch

    model, caption = given.load()
    ready = {path: torch.from_numpy(given.scale([given.view(path)])[0]) for path in given.paths}

    @torch.inference_mode()
    def run(paths: list[Path]) -> np.ndarray:
        tensors = (torch.stack([ready[path] for path in some]).to(given.device) for some in _batches(paths))
        vectors = [unit(model.get_image_features(some).pooler_output).cpu().numpy() for some in tensors]
        return np.asarray(np.concatenate(vectors) @ caption)

    return run


def in_batches(given: Given) -> Run:
    import torch

    model, caption = given.load()

    @torch.inference_mode()
    def run(paths: list[Path]) -> np.ndarray:
        vectors = []
        for some in _batches(paths):
            pictures = [Image.open(path).convert("RGB") for path in some]
            inputs = given.processor(images=pictures, return_tensors="pt").to(given.device)
            vectors.append(unit(model.get_image_features(**inputs).pooler_output).cpu().numpy())
        return np.asarray(np.concatenate(vectors) @ caption)

    return run


def pipeline(given: Given) -> Run:
    import transformers

    classify = transformers.pipeline(
        "zero-shot-image-classification",
        model=given.load()[0],
        tokenizer=transformers.AutoTokenizer.from_pretrained(given.model),
        image_processor=given.processor,
    )

    def run(paths: list[Path]) -> None:  # it gives a softmax, no cosine
        for path in paths:
            classify(Image.open(path), candidate_labels=[CAPTION, OTHER])

    return run


def sentence_transformers(given: Given) -> Run:
    from sentence_transformers import SentenceTransformer, util

    model = SentenceTransformer(given.model, device=given.device)

    def run(paths: list[Path]) -> np.ndarray:
        vectors = model.encode([Image.open(path) for path in paths], batch_size=BATCH, show_progress_bar=False)
        cosines: np.ndarray = util.cos_sim(vectors, model.encode([CAPTION])).numpy()[:, 0]
        return cosines

    return run


def torchmetrics(given: Given) -> Run:
    import torch
    import transformers
    from torchmetrics.multimodal import CLIPScore

    def load() -> tuple[Any, Any]:  # it takes known names only, or a function that loads
        tokenizer = transformers.AutoTokenizer.from_pretrained(given.model)
        return given.load()[0].cpu(), transformers.CLIPProcessor(given.processor, tokenizer)

    metric = CLIPScore(load).to(given.device)

    @torch.inference_mode()
    def run(paths: list[Path]) -> None:  # it gives one mean, cut off at 0
        for some in _batches(paths):
            pictures = [torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1) for path in some]
            metric.update(pictures, [CAPTION] * len(some))
        metric.compute()
        metric.reset()

    return run


def open_clip(given: Given) -> Run:
    import open_clip
    import torch

    model, _, transform = open_clip.create_model_and_transforms("ViT-B-32-quickgelu", device=given.device)
    tokens = open_clip.get_tokenizer("ViT-B-32-quickgelu")([CAPTION]).to(given.device)
    model.eval()

    @torch.inference_mode()
    def run(paths: list[Path]) -> None:  # random weights of its own: no cosine to compare
        caption = unit(model.encode_text(tokens))[0]
        for some in _batches(paths):
            batch = torch.stack([transform(Image.open(path)) for path in some]).to(given.device)
            (unit(model.encode_image(batch)) @ caption).cpu()

    return run


def _engine(compute: Callable[[np.ndarray], np.ndarray], given: Given) -> Run:
    """Put clipsim's own reading in two threads before somebody else's engine, in clipsim's batches."""
    caption = np.load(given.exported / "caption.npy")

    def run(paths: list[Path]) -> np.ndarray:
        with ThreadPoolExecutor(2) as pool:
            batches = (given.scale(list(pool.map(given.view, some))) for some in _batches(paths, 16))
            return np.asarray(np.concatenate([compute(batch) for batch in batches]) @ caption)

    return run


def _open_session(file: Path, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def onnxruntime_by(file: str) -> Prepare:
    def prepare(given: Given) -> Run:
        session = _open_session(given.exported / file, given.threads)
        return _engine(lambda batch: session.run(None, {"input": batch})[0], given)

    return prepare


def openvino_by(kind: str) -> Prepare:
    def prepare(given: Given) -> Run:
        import openvino

        chosen = {"INFERENCE_PRECISION_HINT": kind, "INFERENCE_NUM_THREADS": given.threads}
        network = openvino.Core().compile_model(str(given.exported / "model.onnx"), "CPU", chosen)
        return _engine(lambda batch: network(batch)[0], given)

    return prepare


def fastembed(given: Given) -> Run:
    from fastembed import ImageEmbedding

    # the name chooses how it treats the output; its own weights come from the hub, the same network stands in for them
    model = ImageEmbedding(
        "Qdrant/clip-ViT-B-32-vision", specific_model_path=str(given.exported), threads=given.threads, cuda=False
    )
    caption = np.load(given.exported / "caption.npy")

    def run(paths: list[Path]) -> np.ndarray:
        return np.asarray(np.stack(list(model.embed([str(path) for path in paths]))) @ caption)

    return run


def rclip(given: Given) -> Run:
    from rclip.model import Model
    from rclip.utils import preprocess
    from rclip.utils.helpers import read_image

    caption, model = np.load(given.exported / "caption.npy"), Model()
    # its own weights come from the hub and look at 256 pixels; the same network as the others' is put in their place
    preprocess.IMAGE_SIZE = 224
    model._session_visual_var = _open_session(given.exported / "model.onnx", given.threads)

    def run(paths: list[Path]) -> np.ndarray:
        pictures = ([read_image(str(path)) for path in some] for some in _batches(paths, 8))  # its own batch size
        return np.asarray(np.concatenate([model.compute_image_features(some) for some in pictures]) @ caption)

    return run


@dataclass(frozen=True)
class Contestant:
    """Someone who takes part: the package it needs, how it is made ready, and whether from the exported network."""

    package: str
    prepare: Prepare
    exported: bool = False


CONTESTANTS = {
    "clipsim full": Contestant("clipsim", clipsim_by("full")),
    "clipsim half": Contestant("clipsim", clipsim_by("half")),
    "clipsim int8": Contestant("clipsim", clipsim_by("int8")),
    "transformers, forward alone": Contestant("transformers", forward_alone),
    "transformers, batches of 32": Contestant("transformers", in_batches),
    "transformers pipeline": Contestant("transformers", pipeline),
    "sentence-transformers": Contestant("sentence_transformers", sentence_transformers),
    "torchmetrics CLIPScore": Contestant("torchmetrics", torchmetrics),
    "open_clip": Contestant("open_clip", open_clip),
    "fastembed": Contestant("fastembed", fastembed, exported=True),
    "rclip": Contestant("rclip", rclip, exported=True),
    "ONNX Runtime float32": Contestant("onnxruntime", onnxruntime_by("model.onnx"), exported=True),
    "ONNX Runtime int8": Contestant("onnxruntime", onnxruntime_by("int8.onnx"), exported=True),
    "OpenVINO float32": Contestant("openvino", openvino_by("f32"), exported=True),
    "OpenVINO bfloat16": Contestant("openvino", openvino_by("bf16"), exported=True),
}
OURS, PLAIN = "clipsim full", "transformers, forward alone"
