"""Folders of painted pictures, and collections of made-up vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from clipsim import Collection
from clipsim.collections import Manifest
from clipsim.collections.store import SCHEMA, EmbeddingConfig, Writer
from clipsim.collections.store.numbered import name_manifest
from clipsim.images import Location
from support import paint, unit


def paint_folder(folder: Path) -> Path:
    """Paint twelve pictures, two of them further down, a damaged one and one that is hidden."""
    (folder / "2026" / "März").mkdir(parents=True)
    names = [*(f"{i:02}.png" for i in range(10)), "2026/März/Straße 雪.png", "2026/a'b\"c, d.png"]
    for seed, name in enumerate(names):
        paint(48, 40, seed).save(folder / name)
    paint(8, 8).save(folder / ".hidden.png")
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


def make_rows(count: int, first: int = 0) -> pa.Table:
    """Return rows named by their numbers, each written a second after the one before."""
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
        SCHEMA,
    )


def random_vectors(count: int, width: int, seed: int = 0) -> np.ndarray:
    """Return unit-length vectors, evenly spread."""
    return unit(np.random.default_rng(seed).standard_normal((count, width), np.float32)).reshape(-1, width)


def fill(folder: Location, vectors: np.ndarray, segments: int = 3, index: str | None = None) -> Collection:
    """Write vectors as a collection."""
    with Writer(folder, EmbeddingConfig("made-up", "", vectors.shape[1])) as writer:
        first = 0
        for part in np.array_split(vectors, segments):
            writer.add(make_rows(len(part), first), part)
            first += len(part)
        if index:
            writer.build_index(index)
    return Collection.open(folder)


def find_manifest(folder: Location) -> Location:
    """Return the file of the newest manifest."""
    return folder / name_manifest(Manifest.read(folder).generation)


def read_by_path(collection: Collection) -> dict[str, np.ndarray]:
    """Return every picture's vector."""
    return dict(zip(collection.table(["path"])["path"].to_pylist(), np.array(collection.vectors()), strict=True))
