"""The table of judges that can be chosen by a short name, and the way from a name to a judge."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clipsim.encoders import check_device, fetch, is_cached
from clipsim.errors import ChoiceError, EncoderError, UsageError
from clipsim.judges.base import Judge
from clipsim.options import Options, Precision

if TYPE_CHECKING:
    from clipsim.encoders import Download

HUB_SECONDS = 10.0  # for the hub's first answer
VARIABLE = "CLIPSIM_JUDGES"


@dataclass(frozen=True)
class JudgeModel:
    """One row of the table.

    Attributes:
        name: short name, as `load_judge` takes it.
        hub_id: repository on the Hugging Face hub; "" for a folder.
        revision: commit of that repository: what its owner changes later is not taken.
        licence: of the weights, as an SPDX identifier.
        size: megabytes that are downloaded.
        needs_gpu: whether it is too slow without one to be had by its name.
    """

    name: str
    hub_id: str
    revision: str
    licence: str
    size: int
    needs_gpu: bool = False


# BLIP's is the commit that adds the weights as safetensors to what is its main branch's; the size is that of the file.
# That of the reranker is of its weights, two billion numbers of 16 bits.
JUDGES = (
    JudgeModel(
        "blip-itm", "Salesforce/blip-itm-base-coco", "98cf803d8586e8e8b3ec527885ac50c422d514ae", "BSD-3-Clause", 895
    ),
    JudgeModel(
        "vqascore",
        "Qwen/Qwen3-VL-Reranker-2B",
        "4bd860ac4f15ad1897a214615cccc700f8f71818",
        "Apache-2.0",
        4300,
        needs_gpu=True,
    ),
)


def load_judge(
    name: str, device: str = "auto", precision: Precision = "auto", *, progress: Download | None = None
) -> Judge:
    """Return a judge; its weights are read at the first call.

    Args:
        name: a short name from `JUDGES`, a folder that `CLIPSIM_JUDGES` names, by its last part, or any folder with a
            checkpoint of one of these families: BLIP with a head for image-text matching, or Qwen3-VL.
        device: as for `clipsim.load`.
        precision: "full" is float32. "half" is 16 bits on CUDA, and as "full" elsewhere; "auto" is "half", and "int8"
            is "full".
        progress: called with the bytes that are downloaded and in all, if there is something to download.

    Raises:
        ChoiceError: the name, device or precision is not known.
        EncoderError: the judge cannot be had, or the device is not on this machine.
    """
    check_judge(name)
    check_device(device)
    Options(precision=precision)  # which checks it
    row = next((row for row in JUDGES if row.name == name), None)
    place = _find_served().get(name) or Path(name)
    if row is None:
        return _open(place.resolve().name, place, device, precision)
    try:
        if not is_cached(row.hub_id, row.revision):
            _check_gpu(row, device)  # before some gigabytes are downloaded
        folder = fetch(row.hub_id, HUB_SECONDS, progress, row.revision)
    except EncoderError as error:
        if error.__cause__ is None:
            raise
        reason = str(error).partition(": ")[0]
        what = "give the folder of a checkpoint of it, or leave the second opinion out"
        raise EncoderError(f"{reason}: {what}") from error
    _check_gpu(row, device)
    return _open(row.name, folder, device, precision)


def check_judge(name: str) -> None:
    """Raise a `ChoiceError` that lists what is known unless `name` can be one of a judge; nothing is loaded."""
    known = [row.name for row in list_judges()]
    if name not in known and not _is_folder(name):
        raise ChoiceError("second opinion", name, [*known, "a local folder"])


def list_judges() -> tuple[JudgeModel, ...]:
    """Return `JUDGES` and, behind them, what `CLIPSIM_JUDGES` names."""
    return JUDGES + tuple(JudgeModel(name, "", "", "its own", 0) for name in _find_served())


def list_absent_judges() -> frozenset[str]:
    """Return the names in `JUDGES` whose files are not on this machine; the network is not asked."""
    return frozenset(row.name for row in JUDGES if not is_cached(row.hub_id, row.revision))


def _find_served() -> dict[str, Path]:
    """Return the folders that `CLIPSIM_JUDGES` names, separated as in PATH, by their last part."""
    found: dict[str, Path] = {}
    for entry in filter(None, os.environ.get(VARIABLE, "").split(os.pathsep)):
        folder = Path(entry).resolve()
        if not (folder / "config.json").is_file():
            raise UsageError(f"{VARIABLE} names {entry}, which is no model's folder: correct or remove it.")
        if folder.name in found or folder.name in (row.name for row in JUDGES):
            raise UsageError(f"{VARIABLE} names two judges {folder.name}: rename a folder.")
        found[folder.name] = folder
    return found


def _check_gpu(row: JudgeModel, device: str) -> None:
    if not row.needs_gpu:
        return
    from clipsim.encoders.devices import resolve_device

    if resolve_device(device) == "cpu":
        raise EncoderError(f"{row.name} needs a GPU, and there is none in use here: take {JUDGES[0].name}")


def _open(name: str, folder: Path, device: str, precision: str) -> Judge:
    """Return the judge in a folder, by the family that its config.json names."""
    try:
        family = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError) as error:
        raise EncoderError(f"{name} is not a model: its folder has no readable config.json") from error
    if family == "blip":
        from clipsim.judges.blip import BlipJudge

        return BlipJudge(name, folder, device, precision)
    if family == "qwen3_vl":
        from clipsim.judges.vqa import VqaJudge

        return VqaJudge(name, folder, device, precision)
    raise EncoderError(f"{name} is of the family {family!r}: use one of blip, for image-text matching, or of qwen3_vl")


def _is_folder(name: str) -> bool:
    try:
        return bool(name) and Path(name).is_dir()
    except (OSError, ValueError):  # too long for a path, or with a zero byte in it
        return False
