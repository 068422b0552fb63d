"""Tuned models that are a base model and a head: the folder that holds them, and the encoder that it becomes.

A tuned CLIP is not among them: its change goes into its own projection, so that it is a checkpoint as any other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from clipsim.encoders.base import Box, Encoder
from clipsim.encoders.residual import FLOOR, Residual, pack, unpack
from clipsim.errors import EncoderError
from clipsim.options import Prompt

MANIFEST = "clipsim-tuned.json"
HEAD = "model_head.safetensors"  # so named that `digest_checkpoint` counts it
FORMAT = 1


@dataclass(frozen=True)
class Base:
    """What a head was learned on.

    Attributes:
        name: "stand-in", a hub id, or the folder of a checkpoint.
        revision: of its weights, as `Encoder.revision` has it; of a hub's model the commit.
        digest: of a local checkpoint's content, by which it is known again elsewhere; else "".
        head_share: of the stand-in, how much its own learned head counts; None for that of the package.
    """

    name: str
    revision: str
    digest: str = ""
    head_share: float | None = None


def is_tuned(folder: Path) -> bool:
    """Return whether a folder holds a base model's name and a head."""
    return (folder / MANIFEST).is_file()


def write_tuned(folder: Path, base: Base, residuals: tuple[Residual, ...]) -> None:
    """Write the two files that `read_tuned` reads into a folder that is there."""
    save_file(pack(residuals), folder / HEAD)
    known = {"format": FORMAT, "base": asdict(base)}
    (folder / MANIFEST).write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")


def read_tuned(folder: Path, name: str) -> tuple[Base, tuple[Residual, ...]]:
    """Read what a head was learned on, and the head.

    Raises:
        EncoderError: the folder is damaged, or of a later version of clipsim.
    """
    try:
        known: Mapping[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        version, base = known["format"], Base(**known["base"])
        arrays = load_file(folder / HEAD)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise EncoderError(f"{name} cannot be read ({error}): tune it again") from error
    if version != FORMAT:
        raise EncoderError(f"{name} is of another version of clipsim: tune it again, or use that version")
    return base, unpack(arrays, name)


class TunedEncoder(Encoder):
    """A model and what was added to it; all but pictures' vectors is the model's own."""

    def __init__(self, name: str, base: Encoder, residuals: tuple[Residual, ...], folder: Path) -> None:
        """Wrap a model; its weights are read as late as without.

        Raises:
            EncoderError: the head does not fit the model.
        """
        self.name, self.base, self.residuals, self.folder = name, base, residuals, folder
        self.device, self.precision, self.family = base.device, base.precision, base.family
        self.notes, self.batch, self.reads_ahead = base.notes, base.batch, base.reads_ahead
        self.map_method = base.map_method
        digests = "-".join(one.digest for one in residuals)
        self.revision = f"{base.revision}-{digests}" if base.revision else ""

    @cached_property
    def width(self) -> int:
        """Length of every vector.

        Raises:
            EncoderError: the head is of another width.
        """
        width = self.base.width
        if any(one.weights.shape[1] != width for one in self.residuals):
            raise EncoderError(f"{self.name} does not fit {self.base.name}: tune it again")
        return width

    @property
    def logit_scale(self) -> float:  # type: ignore[override]
        """The scale of the model that was tuned."""
        return self.base.logit_scale

    @property
    def input_size(self) -> tuple[int, int]:  # type: ignore[override]
        """Width and height, in pixels, of what the network looks at."""
        return self.base.input_size

    @property
    def english_only(self) -> bool:  # type: ignore[override]
        """Whether the model understands English only."""
        return self.base.english_only

    @property
    def ready(self) -> bool:  # type: ignore[override]
        """Whether the weights are in memory."""
        return self.base.ready

    def ensure_loaded(self, *, words: bool = True) -> None:
        """Read the weights if nobody has yet."""
        self.base.ensure_loaded(words=words)

    def crop_box(self, size: tuple[int, int]) -> Box:
        """Return what the model keeps of a picture."""
        return self.base.crop_box(size)

    def view(self, image: Image.Image) -> Image.Image:
        """Frame a picture in the model's own way."""
        return self.base.view(image)

    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        """Encode upright RGB images into unit-length float32 vectors, shape (n, width)."""
        return self.encode_views([self.view(image) for image in images])

    def encode_views(self, views: list[Image.Image]) -> np.ndarray:
        """Encode framed pictures into unit-length float32 vectors, shape (n, width)."""
        return self.project(self.encode_features(views))[0]

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        """Encode captions as the model does, which was tuned towards them."""
        return self.base.encode_texts(texts)

    def encode_features(self, views: list[Image.Image]) -> np.ndarray:
        """Encode framed pictures into what `project` takes."""
        return self.base.encode_features(views)

    def project(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the tuned vectors of features, and what a further head is learned from."""
        vectors, inputs = self.base.project(features)
        for one in self.residuals:
            vectors = one.add(vectors, inputs)
        return vectors, inputs

    def maps(self, views: list[Image.Image], target: np.ndarray) -> np.ndarray:
        """Return as `Encoder.maps` where each view supports `target`.

        A residual is linear in the model's own vector but for its length, so that the model's map of another target
        is the map of this one: with r the residual, `(v + r) @ t = v @ (t + W t) + b @ t`.
        """
        grids = []
        for view in views:
            inputs = self.base.project(self.base.encode_features([view]))[1]
            wanted = np.array(target, np.float64)
            for one in reversed(self.residuals):
                added = float(np.linalg.norm(inputs @ one.weights + one.bias)) if one.unit else 1.0
                wanted = wanted + one.strength / max(added, FLOOR) * (one.weights @ wanted)
            grids.append(self.base.maps([view], (wanted / np.linalg.norm(wanted)).astype(np.float32)))
        return np.concatenate(grids) if grids else self.base.maps([], target)

    def truncated_text(self, caption: str) -> str:
        """Return the end of `caption` that the model does not read."""
        return self.base.truncated_text(caption)

    def count_tokens(self, words: list[str]) -> list[int]:
        """Return in how many pieces the model reads each word."""
        return self.base.count_tokens(words)

    def background(self, prompt: Prompt) -> np.ndarray | None:
        """Return the background captions' vectors if they come with the model."""
        return self.base.background(prompt)
