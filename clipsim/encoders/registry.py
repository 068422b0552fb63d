"""The table of models that can be chosen by a short name, and the way from a name to an encoder."""

from __future__ import annotations

import importlib.util
import json
import os
import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from clipsim.encoders.base import Encoder
from clipsim.encoders.hub import MAIN, Progress, check_open_clip, digest_checkpoint, explain_failure, fetch, is_cached
from clipsim.encoders.tuned import TunedEncoder, is_tuned, read_tuned
from clipsim.errors import ChoiceError, EncoderError, UsageError
from clipsim.options import Options, Precision

PROBE_SECONDS = 0.8  # for the hub's first answer when the choice is automatic: without a network nobody should wait
HUB_SECONDS = 10.0  # and when a model was asked for by name
DEVICES = ("auto", "cpu", "cuda", "cuda:N", "mps")
_NOT_CLIP = "The stand-in model is in use: it is small, and it is not CLIP."
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class Model:
    """One row of the table.

    Published figures are in percent, and None where there are none; measured ones are of random weights of the same
    shape, by `python -m benchmarks.performance.menu`, and None where they were not measured.

    Attributes:
        name: short name, as `load` takes it.
        hub_id: repository on the Hugging Face hub; "" for what installs with the requirements.
        family: "clip", "siglip", "siglip2" (NaFlex), "metaclip_2", "tipsv2", "open_clip" (needs the extra `open-clip`)
            or "stand-in".
        licence: of the weights, as an SPDX identifier, or as the hub has it.
        width: length of an embedding.
        imagenet: published zero-shot top-1 accuracy on ImageNet-1k.
        coco: published text-to-image recall at 1 on COCO.
        revision: commit of that repository: what its owner changes later is not taken. "" for what installs, and for
            those whose commit is that of the first download, which is kept.
        terms: what the licence or the model card allows no more than: "research only", "non-commercial"; else "".
        resolution: pixels along each side of what the model looks at, or how many patches.
        text_length: tokens that it reads of a caption.
        languages: that it was trained on.
        use: when to take it.
        source: where the published figures come from.
        download_mb: millions of bytes of its weights in float32; measured.
        memory_mb: of memory that scoring a few pictures on a CPU takes at most, in millions of bytes, without what is
            never touched of the file of weights; measured.
        relative_time: what a picture takes on a CPU, in that of the default model; measured.
        pickled: whether the weights are there in the older form only, which torch reads without running code in it.
        earlier: a commit with the same weights, which is used on where it is on disk already.
    """

    name: str
    hub_id: str
    family: str
    licence: str
    width: int
    imagenet: float | None = None
    coco: float | None = None
    revision: str = ""
    terms: str = ""
    resolution: str = ""
    text_length: int | None = None
    languages: str = ""
    use: str = ""
    source: str = ""
    download_mb: int | None = None
    memory_mb: int | None = None
    relative_time: float | None = None
    pickled: bool = False
    earlier: str = ""


def read_models() -> tuple[Model, ...]:
    """Read the table, `clipsim/data/models.json`; `benchmarks.performance.menu` writes what is measured into it."""
    text = files("clipsim.data").joinpath("models.json").read_text(encoding="utf-8")
    return tuple(Model(**row) for row in json.loads(text))


MODELS = read_models()
DEFAULT, STAND_IN = MODELS[0], MODELS[-1]


def load(
    name: str = "auto", device: str = "auto", precision: Precision = "auto", *, progress: Progress | None = None
) -> Encoder:
    """Return an encoder; its weights are read at the first call.

    Args:
        name: "auto", a short name from `MODELS`, any hub id ("owner/name"), or a folder with a checkpoint. "auto" is
            the default CLIP where its files are on disk or can be had, else the stand-in, with the reason in `notes`.
        device: "auto" (CUDA, else Apple MPS, else CPU), "cpu", "cuda", "cuda:N" or "mps".
        precision: "full" is float32: what else is scored with a picture changes its vector by rounding at most. "half"
            is float16 on a GPU, and on a CPU bfloat16 where it calculates in that (AMX, AVX512-BF16), for the network
            that looks at pictures; large JPEGs are decoded at a smaller size. "int8" is whole numbers of 8 bits in its
            layers on a CPU that has them; else full, on a GPU half, with a note. "auto" is half on CUDA, else full.
        progress: called with the bytes that are downloaded and in all, if there is something to download.

    Raises:
        ChoiceError: the name, device or precision is not known.
        EncoderError: the model was asked for by name and cannot be had, or the device is not on this machine.
    """
    check_name(name)
    check_device(device)
    Options(precision=precision)  # which checks it
    if device not in ("auto", "cpu"):  # before anything is downloaded
        from clipsim.encoders.devices import resolve_device

        resolve_device(device)
    served = find_served().get(name)
    if served:
        name = str(served)
    model = DEFAULT if name == "auto" else next((model for model in MODELS if name in (model.name, model.hub_id)), None)
    note = _NOT_CLIP
    if model is None and _is_folder(name) and is_tuned(Path(name)):
        return _load_tuned(Path(name), device, precision, progress)
    if model is not STAND_IN:
        try:
            if model is None and _is_folder(name):
                name, folder = Path(name).resolve().name, Path(name)
            else:  # which comes before torch is imported
                patience = PROBE_SECONDS if name == "auto" else HUB_SECONDS
                folder = _fetch_row(model, patience, progress) if model else fetch(name, patience, progress)
            from clipsim.encoders.families import open_checkpoint

            return open_checkpoint(model.name if model else name, folder, device, precision)
        except EncoderError as error:
            if name != "auto":
                raise
            why = explain_failure(error.__cause__ or error)
            note += f" {DEFAULT.hub_id} is not on this machine and could not be had from the model hub ({why})."
    from clipsim.encoders.conse import ConseEncoder

    return ConseEncoder(STAND_IN.name, device, (note,), precision)


def _fetch_row(model: Model, patience: float, progress: Progress | None) -> Path:
    """Return the folder with a model of the table.

    Raises:
        EncoderError: it cannot be had, or it needs a library that is not installed.
    """
    if model.family == "open_clip":
        check_open_clip(model.name)
    if _has_earlier(model):
        return fetch(model.hub_id, patience, progress, model.earlier, pickled=True)
    return fetch(model.hub_id, patience, progress, model.revision or MAIN, pickled=model.pickled)


def _has_earlier(model: Model) -> bool:
    """Return whether only the earlier commit of a model is on this machine."""
    return (
        bool(model.earlier) and not is_cached(model.hub_id, model.revision) and is_cached(model.hub_id, model.earlier)
    )


def find_served() -> dict[str, Path]:
    """Return the folders of further models that `CLIPSIM_MODELS` names, separated as in PATH, by their last part.

    Raises:
        UsageError: one is no model's folder, or is called as another model is.
    """
    found: dict[str, Path] = {}
    for entry in filter(None, os.environ.get("CLIPSIM_MODELS", "").split(os.pathsep)):
        folder = Path(entry).resolve()
        if not is_tuned(folder) and not (folder / "config.json").is_file():
            raise UsageError(f"CLIPSIM_MODELS names {entry}, which is no model's folder: correct or remove it.")
        if folder.name in found or folder.name in ("auto", *(model.name for model in MODELS)):
            raise UsageError(f"CLIPSIM_MODELS names two models {folder.name}: rename a folder.")
        found[folder.name] = folder
    return found


def list_models() -> tuple[Model, ...]:
    """Return `MODELS` and, behind them, what `CLIPSIM_MODELS` names."""
    return MODELS + tuple(_describe_folder(folder) for folder in find_served().values())


def _describe_folder(folder: Path) -> Model:
    """Return a row for a model in a folder, whose licence is that of what it was made from."""
    if is_tuned(folder):
        base, residuals = read_tuned(folder, folder.name)
        known = (model.family for model in MODELS if base.name in (model.name, model.hub_id))
        family = next(known, "siglip")  # a CLIP takes its head in
        return Model(folder.name, "", family, "as its base", residuals[-1].weights.shape[1])
    known = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    width = known.get("projection_dim") or known.get("vision_config", {}).get("hidden_size") or 0
    return Model(folder.name, "", str(known.get("model_type", "")), "as its base", int(width))


def _load_tuned(folder: Path, device: str, precision: Precision, progress: Progress | None) -> Encoder:
    """Return the model that `clipsim tune` wrote into a folder, on the base of which it says the name and revision."""
    folder = folder.resolve()
    name = folder.name
    base, residuals = read_tuned(folder, name)
    if base.name == STAND_IN.name:
        from clipsim.encoders.conse import HEAD_SHARE, ConseEncoder

        share = HEAD_SHARE if base.head_share is None else base.head_share
        notes = (f"{name} is the stand-in, tuned: it is small, and it is not CLIP.",)
        tuned = ConseEncoder(name, device, notes, precision, head_share=share, residuals=residuals)
        tuned.folder = folder
        if not tuned.revision.startswith(base.revision):
            raise EncoderError(f"{name} was tuned on another version of the stand-in: tune it again")
        return tuned
    from clipsim.encoders.families import open_checkpoint

    if _is_folder(base.name):
        place = Path(base.name)
        if digest_checkpoint(place) != base.digest:
            raise EncoderError(f"{name} was tuned on other weights than {base.name} has now: tune it again")
    elif base.digest:
        raise EncoderError(
            f"{name} was tuned on {base.name}, which is not there: put that checkpoint back, or tune again"
        )
    else:
        place = fetch(base.name, HUB_SECONDS, progress, base.revision, pickled=True)
    return TunedEncoder(name, open_checkpoint(base.name, place, device, precision), residuals, folder)


def list_absent() -> frozenset[str]:
    """Return the names in `MODELS` whose files are not on this machine; the network is not asked."""
    return frozenset(model.name for model in MODELS if model.hub_id and not _is_here(model))


def _is_here(model: Model) -> bool:
    if model.family == "open_clip" and importlib.util.find_spec("open_clip") is None:
        return False
    return is_cached(model.hub_id, model.revision or MAIN) or _has_earlier(model)


def check_name(name: str) -> None:
    """Raise a `ChoiceError` that lists the known names unless `name` can be one of a model; nothing is loaded."""
    known = ["auto", *(model.name for model in MODELS), *find_served()]
    if name not in known and not _is_folder(name) and not _HUB_ID.fullmatch(name):
        raise ChoiceError("model", name, [*known, "a hub id (owner/name) or a local folder"])


def check_device(name: str) -> None:
    """Raise a `ChoiceError` that lists `DEVICES` unless `name` is one; whether this machine has it is not checked."""
    kind, colon, index = name.partition(":")
    if name not in {"auto", "cpu", "cuda", "mps"} and not (kind == "cuda" and colon and index.isdecimal()):
        raise ChoiceError("device", name, DEVICES)


def _is_folder(name: str) -> bool:
    try:
        return bool(name) and Path(name).is_dir()
    except (OSError, ValueError):  # too long for a path, or with a zero byte in it
        return False
