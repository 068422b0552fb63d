"""How many lists an index looks into: few where vectors lie in clusters, and no lists where they lie anywhere."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
from support import unit
from support.collections import fill, random_vectors

from clipsim import Collection
from clipsim.collections.store.ann import ApproximateIndex
from clipsim.collections.store.manifest import IVF_PQ, KINDS, PQ


def clustered(rows: int, width: int) -> np.ndarray:
    centres = random_vectors(20, width, seed=9)
    owners = np.random.default_rng(3).integers(0, len(centres), rows)
    return unit(centres[owners] + 0.7 * random_vectors(rows, width))


def read(collection: Collection) -> ApproximateIndex:
    return ApproximateIndex(collection.folder / collection.manifest.index[0].file, np.arange(len(collection)))


def test_clustered_vectors_are_found_in_few_lists(folder: Path) -> None:
    vectors = clustered(8000, 64)
    index = read(fill(folder, vectors, index=IVF_PQ))
    assert index.kind == KINDS[IVF_PQ]
    inverted = faiss.read_index(str(index.path))
    assert 1 <= inverted.nprobe <= inverted.nlist // 4


def test_vectors_that_lie_anywhere_get_an_index_without_lists_which_finds_them(folder: Path) -> None:
    vectors = random_vectors(8000, 64)
    collection = fill(folder, vectors, index=IVF_PQ)
    assert read(collection).kind == KINDS[PQ]
    found = [{hit.path for hit in collection.search(vectors[i])} for i in range(10)]
    true = [{hit.path for hit in collection.search(vectors[i], exact=True)} for i in range(10)]
    assert sum(len(one & other) for one, other in zip(found, true, strict=True)) >= 95
