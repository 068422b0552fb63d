"""Several models side by side in one collection: which there are, and where the vectors of each lie.

Those of the first lie in the collection's folder, with the thumbnails. Those of each further one lie below `models/`,
with rows of their own and no thumbnails, so that all that holds for a collection holds for each: several may write,
what is damaged is repaired, an index suits the size.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clipsim.collections.store.manifest import EmbeddingConfig, Manifest
from clipsim.encoders import Encoder, load
from clipsim.errors import ClipsimError, UsageError
from clipsim.images import Location, storage
from clipsim.options import Precision

FOLDER = "models"
_OTHERS = re.compile(r"[^\w.+-]+")  # what the name of a model has that the name of a folder should not


@dataclass(frozen=True)
class ModelPlan:
    """What is to be brought up to date: the collection's first model, and the further ones."""

    first: Encoder | str | None  # as it was named, if it was
    further: Mapping[Location, Encoder | None]  # where each lies; loaded, if it was
    named: Location | None = None  # where the model lies that was named; None for the first, as where none was


def find_models(folder: Location) -> dict[Location, EmbeddingConfig | None]:
    """Return where the vectors of each further model lie, and how they were made; None if that cannot be read."""
    found: dict[Location, EmbeddingConfig | None] = {}
    for name in storage.list_names(folder / FOLDER):
        place = folder / FOLDER / name
        try:
            if manifest := Manifest.find(place):
                found[place] = manifest.embedding
        except ClipsimError:
            found[place] = None
    return found


def plan_models(folder: Location, model: Encoder | str | None, device: str, precision: Precision) -> ModelPlan:
    """Return which models are brought up to date: all that there are, and the one that is named if it is a new one.

    Raises:
        EncoderError: a new one cannot be loaded.
    """
    there = find_models(folder)
    further: Mapping[Location, Encoder | None] = dict.fromkeys(there)
    try:
        first = Manifest.find(folder)
    except ClipsimError:  # whoever opens it says so, or mends it
        return ModelPlan(model, further)
    if first is None or model in (None, "auto") or _is(first.embedding, model):
        return ModelPlan(model, further)
    encoder = model if isinstance(model, Encoder) else None
    place = next((place for place, config in there.items() if config and _is(config, model)), None)
    if place is None:
        encoder = encoder or load(str(model), device, precision)
        if _is(first.embedding, encoder):  # by another name of it
            return ModelPlan(encoder, further)
        place = folder / FOLDER / (_OTHERS.sub("-", encoder.name).strip(".-") or "model")
    return ModelPlan(None, {**further, place: encoder}, place)


def locate_model(folder: Location, model: str | None) -> Location:
    """Return where the vectors of a model lie that is named as `clipsim.load` takes it; None for the first.

    Raises:
        UsageError: there are none of it.
        ClipsimError: there is no collection.
    """
    if model is None:
        return folder
    there = {folder: Manifest.read(folder).embedding, **find_models(folder)}
    for place, config in there.items():
        if config and _is(config, model):
            return place
    names = " and ".join(config.model for config in there.values() if config)
    raise UsageError(f"The collection in {folder} has vectors of {names}, none of {model}: add them by index --model.")


def find_first(folder: Location) -> Location | None:
    """Return the folder of the collection, where `folder` is that of a further model of one."""
    above = folder.parent.parent
    try:
        return above if folder.parent.name == FOLDER and Manifest.find(above) else None
    except ClipsimError:  # it is there, and damaged
        return above


def _is(config: EmbeddingConfig, model: Encoder | str | None) -> bool:
    """Whether vectors were made by a model: an encoder, or a name as `clipsim.load` takes it."""
    if not isinstance(model, str):
        return model is not None and model.name == config.model
    return model in (config.model, config.origin) or str(Path(model).resolve()) == config.origin
