"""The table of models that can be chosen by a short name, and the way from a name to an encoder."""

from __future__ import annotations

import fnmatch
import re
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from clipsim.encoders.base import Encoder
from clipsim.encoders.conse import ConseEncoder
from clipsim.encoders.torch_encoder import (
    TransformersEncoder,
    check_device_name,
    missing_part,
    resolve_device,
)
from clipsim.errors import ChoiceError, EncoderError
from clipsim.options import Options, Precision

PROBE_SECONDS = 0.8  # for the hub's first answer when the choice is automatic: without a network nobody should wait
HUB_SECONDS = 10.0  # and when a model was asked for by name
_ONLY_FULL = "The stand-in has no half precision: it calculates in full."
_NOT_CLIP = "The stand-in model is in use: it is small, and it is not CLIP."
T = TypeVar("T")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class Model:
    """One row of the table.

    Attributes:
        name: short name, as `load` takes it.
        hub_id: repository on the Hugging Face hub; "" for what installs with the requirements.
        family: "clip", "siglip" or "stand-in".
        licence: of the weights, as an SPDX identifier.
        width: length of an embedding.
        imagenet: published zero-shot top-1 accuracy on ImageNet-1k, percent; None where there is none.
        coco: published text-to-image recall at 1 on COCO, percent; None where there is none.
    """

    name: str
    hub_id: str
    family: str
    licence: str
    width: int
    imagenet: float | None = None
    coco: float | None = None


# Accuracies: SigLIP 2 (Tschannen et al. 2025, arXiv:2502.14786), table 1, and the authors' own tables.
MODELS = (
    Model("clip-vit-b-32", "openai/clip-vit-base-patch32", "clip", "MIT", 512, 63.3, 30.4),
    Model("clip-vit-b-16", "openai/clip-vit-base-patch16", "clip", "MIT", 512, 68.3, 33.1),
    Model("clip-vit-l-14", "openai/clip-vit-large-patch14", "clip", "MIT", 768, 75.5, 36.5),
    Model("laion2b-vit-b-32", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "clip", "MIT", 512, 66.6, 39.3),
    Model("siglip2-b-16-224", "google/siglip2-base-patch16-224", "siglip", "Apache-2.0", 768, 78.2, 52.1),
    Model("stand-in", "", "stand-in", "Apache-2.0", 384),
)
DEFAULT, STAND_IN = MODELS[0], MODELS[-1]


def load(name: str = "auto", device: str = "auto", precision: Precision = "auto") -> Encoder:
    """An encoder that is ready to be used; its weights are read at the first call.

    Args:
        name: "auto", a short name from `MODELS`, any hub id ("owner/name"), or a folder with a checkpoint. "auto" is
            the default CLIP where its files are on disk or can be had, else the stand-in, with the reason in `notes`.
        device: "auto" (CUDA, else Apple MPS, else CPU), "cpu", "cuda", "cuda:N" or "mps".
        precision: "full" is float32, and a picture's vector has the same bits whatever else is scored with it. "half"
            is float16 on a GPU, and on a CPU bfloat16 where it calculates in that (AMX, AVX512-BF16), for the network
            that looks at pictures; large JPEGs are decoded at a smaller size. "auto" is half on CUDA, else full.

    Raises:
        ChoiceError: the name, device or precision is not known.
        EncoderError: the model was asked for by name and cannot be had, or the device is not on this machine.
    """
    check_name(name)
    check_device_name(device)
    Options(precision=precision)  # which checks it
    if device not in ("auto", "cpu"):
        resolve_device(device)
    if name == "auto":
        return _auto(device, precision)
    model = next((model for model in MODELS if name in (model.name, model.hub_id)), None)
    if model is STAND_IN:
        return _stand_in(_NOT_CLIP, device, precision)
    if model is None and _is_folder(name):
        return TransformersEncoder(Path(name).resolve().name, Path(name), device, precision=precision)
    hub_id = model.hub_id if model else name
    folder = fetch(hub_id, HUB_SECONDS)
    return TransformersEncoder(model.name if model else name, folder, device, precision=precision)


def check_name(name: str) -> None:
    """Raise a `ChoiceError` that lists the known names unless `name` can be one of a model; nothing is loaded."""
    known = ["auto", *(model.name for model in MODELS)]
    if name not in known and not _is_folder(name) and not _HUB_ID.fullmatch(name):
        raise ChoiceError("model", name, [*known, "a hub id (owner/name) or a local folder"])


def _is_folder(name: str) -> bool:
    try:
        return bool(name) and Path(name).is_dir()
    except (OSError, ValueError):  # too long for a path, or with a zero byte in it
        return False


def fetch(hub_id: str, patience: float) -> Path:
    """The folder with a hub repository's files: from the local cache, else downloaded.

    Args:
        hub_id: "owner/name".
        patience: seconds to wait for the hub's first answer. A download that has begun takes as long as it takes.

    Raises:
        EncoderError: neither the cache nor the hub has the files; the message says what was tried.
    """
    from huggingface_hub import HfApi, snapshot_download

    cached = _cached(hub_id)
    if cached:
        return cached
    try:
        info = _within(patience, lambda: HfApi().model_info(hub_id))
        files = {sibling.rfilename for sibling in info.siblings or []}
        # one copy of the weights: repositories also carry them for other libraries
        weights = "model*.safetensors" if fnmatch.filter(files, "model*.safetensors") else "pytorch_model*"
        wanted = ["*.json", "*.txt", "*.model", weights]
        return Path(snapshot_download(hub_id, revision=info.sha, allow_patterns=wanted))
    except Exception as error:  # no network, no such repository, a gate, a full disk: one sentence for all, cause kept
        raise EncoderError(
            f"{hub_id} is not on this machine and could not be had from the model hub ({_why(error)}): "
            "check the name and the network, give the folder of a checkpoint, or use stand-in"
        ) from error


def _within(seconds: float, ask: Callable[[], T]) -> T:
    """What `ask` returns, if in time; a library's own time-outs bound each step of each try, not the whole."""
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=run, daemon=True).start()  # a thread of a pool would keep the process from ending
    try:
        return answer.result(seconds)
    except TimeoutError:
        raise TimeoutError(f"no answer within {seconds:g} s") from None


def _cached(hub_id: str) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(hub_id, local_files_only=True))
    except (LocalEntryNotFoundError, ValueError):
        return None
    return None if missing_part(folder) else folder  # a download that was broken off leaves a folder that lacks some


def _auto(device: str, precision: str) -> Encoder:
    try:
        folder = fetch(DEFAULT.hub_id, PROBE_SECONDS)
        return TransformersEncoder(DEFAULT.name, folder, device, precision=precision)
    except EncoderError as error:
        why = _why(error.__cause__ or error)
        note = f"{_NOT_CLIP} {DEFAULT.hub_id} is not on this machine and could not be had from the model hub ({why})."
        return _stand_in(note, device, precision)


def _stand_in(note: str, device: str, precision: str) -> Encoder:
    return ConseEncoder(STAND_IN.name, device, (note, _ONLY_FULL) if precision == "half" else (note,))


def _why(error: BaseException) -> str:
    """The first sentence of what a library says went wrong."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set"
    return (str(error).strip() or type(error).__name__).splitlines()[0].split(". ")[0].rstrip(".")
