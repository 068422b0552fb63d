"""Where calibrations are kept that users made themselves, and which of them is of a model's weights.

That of a checkpoint in a folder lies in that folder and goes where it goes. That of any other model, or of a folder
that cannot be written, lies in huggingface_hub's cache of assets, under the model's name and the revision of its
weights. A calibration of other weights is never used; only a model that knows no revision is taken at its name.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from huggingface_hub import cached_assets_path

from clipsim.encoders import OWN_FILES, Encoder, digest_checkpoint
from clipsim.errors import ClipsimError
from clipsim.options import Prompt
from clipsim.scoring.calibration import Calibration, read_calibration

Stamp = tuple[int, ...]


@dataclass(frozen=True)
class Place:
    """Two files, `calibration-MODEL.json` and `.npz`, in a folder; `inside` if that is the checkpoint's own."""

    folder: Path
    model: str
    inside: bool = False

    @property
    def path(self) -> Path:
        """The JSON file, which is written last."""
        return self.folder / f"calibration-{self.model}.json"

    def stamp(self) -> Stamp:
        """Return what changes when the calibration is written anew; () if there is none."""
        try:
            state = self.path.stat()
        except OSError:
            return ()
        return state.st_mtime_ns, state.st_size, state.st_ino

    def remove(self) -> None:
        """Remove both files, where they are there and can be removed."""
        for path in (self.path, self.path.with_suffix(".npz")):
            with suppress(OSError):
                path.unlink()


def find_shipped_calibration(encoder: Encoder) -> Calibration | None:
    """Return the calibration that comes with the package; None if the encoder's model has none."""
    known = _read_shipped(encoder.name)
    return known if known and known.mean.shape == (encoder.width,) else None  # a folder may bear any model's name


@cache
def _read_shipped(model: str) -> Calibration | None:
    return read_calibration(model)


def find_own_calibration(encoder: Encoder, prompt: Prompt = "as-written") -> Calibration | None:
    """Return what the user's own pictures taught of these weights and this prompt; None if nothing.

    Files are read again when they have changed.
    """
    if ("places", prompt) not in encoder.derived:
        encoder.derived["places", prompt] = find_places(encoder, prompt)
    places: list[Place] = encoder.derived["places", prompt]
    stamps = [place.stamp() for place in places]
    if not any(stamps):
        return None
    known, learned = encoder.derived.get(("own calibration", prompt), (None, None))
    if known != stamps:
        found = (_read(place, encoder) for place, stamp in zip(places, stamps, strict=True) if stamp)
        learned = next((one for one in found if one), None)
        encoder.derived["own calibration", prompt] = stamps, learned
    own: Calibration | None = learned
    return own


def find_places(encoder: Encoder, prompt: Prompt) -> list[Place]:
    """Return where a calibration of the encoder may lie, in the order in which they count.

    The cache comes first: a folder's calibration is there only if the folder could not be written any more.
    """
    end = "" if prompt == "as-written" else f"-{prompt}"
    places = []
    with suppress(OSError):  # a home that cannot be written has no cache
        weights = hashlib.sha256(f"{encoder.name}\n{encoder.revision}".encode()).hexdigest()[:12]
        name = re.sub(r"[^\w.-]+", "_", encoder.name)
        places = [Place(Path(cached_assets_path("clipsim", "calibration")), f"{name}-{weights}{end}")]
    if encoder.folder and encoder.folder.parent.name != "snapshots":  # which are the hub's
        places.append(Place(encoder.folder, OWN_FILES.removeprefix("calibration-") + end, inside=True))
    return places


def _read(place: Place, encoder: Encoder) -> Calibration | None:
    """Read a calibration if it is of the encoder's weights; one that is damaged counts as none."""

    def accept(known: Mapping[str, Any]) -> bool:
        if known["revision"] == encoder.revision:
            return True
        return place.inside and known["weights"] == digest_checkpoint(place.folder)  # a folder that was moved

    with suppress(OSError, ValueError, KeyError, TypeError):
        found = read_calibration(place.model, place.folder, accept)
        if found and found.mean.shape == (encoder.width,):
            return found
    return None


def keep_calibration(encoder: Encoder, prompt: Prompt, learned: Calibration, about: Mapping[str, Any]) -> Path:
    """Keep a calibration where `find_own_calibration` looks, and return its JSON file.

    Args:
        encoder: the model that it is of.
        prompt: how the model read the captions.
        learned: what is kept.
        about: what else is put into the JSON file.

    Raises:
        ClipsimError: it can be written nowhere.
    """
    known = {"model": encoder.name, "revision": encoder.revision, "prompt": prompt, **about}
    places, problem = find_places(encoder, prompt), "there is no folder for it"
    for place in reversed(places):
        weights = {"weights": digest_checkpoint(place.folder)} if place.inside else {}
        try:
            write_calibration(place.folder, place.model, learned, known | weights)
        except OSError as error:
            problem = f"{place.folder}: {error.strerror or error}"
            continue
        if place.inside:  # what was kept elsewhere is outdated
            for other in places:
                if not other.inside:
                    other.remove()
        return place.path
    raise ClipsimError(f"The calibration of {encoder.name} cannot be kept ({problem}): make that folder writable.")


def write_calibration(folder: Path, model: str, learned: Calibration, about: Mapping[str, Any]) -> None:
    """Write the two files that `read_calibration` reads, each at once, whole or not at all.

    Args:
        folder: must be there.
        model: which stands in the files' names.
        learned: what is written, but for views of unlabelled pictures.
        about: what else is put into the JSON file.
    """
    names, null = learned.names, learned.null
    arrays = {"mean": learned.mean.astype(np.float32), "directions": learned.directions.astype(np.float32)}
    arrays |= {"null_t": null.t, "null_below": null.below}
    if names:
        arrays |= {"names_null_t": names.null.t, "names_null_below": names.null.below}
    buffer = BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    content = buffer.getvalue()
    known = {
        **about,
        **_describe(learned),
        "rest": learned.rest,
        "usual": learned.usual,
        "arrays": hashlib.sha256(content).hexdigest(),
        **({"names": _describe(names)} if names else {}),
    }
    _replace(folder / f"calibration-{model}.npz", content)
    _replace(folder / f"calibration-{model}.json", (json.dumps(known, indent=2) + "\n").encode())


def _describe(learned: Calibration) -> dict[str, Any]:
    """Return what JSON holds of a calibration, or of that of names in it."""
    known = {"origin": learned.origin, **asdict(learned.cutoffs), "excess": learned.null.excess}
    return known | {"rates": learned.rates}


def _replace(path: Path, content: bytes) -> None:
    fresh = path.with_name(f"{OWN_FILES}-{uuid.uuid4().hex}.part")
    try:
        fresh.write_bytes(content)
        os.replace(fresh, path)  # noqa: PTH105  # both names are known; this replaces on every system
    finally:
        fresh.unlink(missing_ok=True)
