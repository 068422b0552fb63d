"""Collections of made-up vectors, and an encoder that counts what it is given."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from PIL import Image

from clipsim import Collection, Encoder
from clipsim.collections.store import EmbeddingConfig, Writer, schema
from clipsim.images import Location


class Counting(Encoder):
    """An encoder that counts the pictures that it is given."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder, self.count = encoder, 0
        self.name, self.device, self.revision = encoder.name, encoder.device, encoder.revision
        self.logit_scale = encoder.logit_scale

    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        self.count += len(images)
        return self._encoder.encode_images(images)

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        return self._encoder.encode_texts(texts)


def rows(count: int, first: int = 0) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "path": f"{first + i}.jpg",
                "size": 1,
                "mtime_ns": (first + i) * 10**9,
                "digest": "",
                "width": 1,
                "height": 1,
                "notes": [],
                "seen": 1.0,
                "thumbnail": b"",
            }
            for i in range(count)
        ],
        schema(),
    )


def unit(count: int, width: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, width), np.float32)
    scaled: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled


def filled(folder: Location, vectors: np.ndarray, segments: int = 3, index: str | None = None) -> Collection:
    with Writer(folder, EmbeddingConfig("made-up", "", vectors.shape[1])) as writer:
        first = 0
        for part in np.array_split(vectors, segments):
            writer.add(rows(len(part), first), part)
            first += len(part)
        if index:
            writer.build_index(index)
    return Collection.open(folder)
