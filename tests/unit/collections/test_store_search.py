"""Search, exact and by approximate indexes: filters first, true cosines, nothing left out."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from support.collections import fill, make_rows, random_vectors

from clipsim import Collection
from clipsim.collections.store import PQ, Writer, write_segment


def test_filters_come_before_the_cut(folder: Path) -> None:
    vectors = random_vectors(3000, 16)
    for kind in (None, PQ):
        shutil.rmtree(folder, ignore_errors=True)
        collection = fill(folder, vectors, index=kind)
        query = vectors[7]
        order = np.argsort(-(vectors @ query))
        tens = [f"{i}.jpg" for i in order if str(i).endswith("0")]
        assert [hit.path for hit in collection.search(query, top=5, path="*0.jpg")] == tens[:5]
        rare = [hit.path for hit in collection.search(query, top=5, path="299?.jpg")]
        assert rare == [f"{i}.jpg" for i in order if 2990 <= i <= 2999][:5]
        late = collection.search(query, top=5, after="1970-01-01T00:40:00+00:00", before="1970-01-01T00:45:00+00:00")
        assert [hit.path for hit in late] == [f"{i}.jpg" for i in order if 2400 <= i < 2700][:5]


@pytest.mark.parametrize(("kind", "least"), [(PQ, 190), ("ivf-pq", 190)])  # random vectors get no lists
def test_an_approximate_index_gives_true_cosines_of_nearly_the_same_pictures(
    folder: Path, kind: str, least: int
) -> None:
    vectors = random_vectors(6000, 64)
    collection = fill(folder, vectors, index=kind)
    found = 0
    for query in random_vectors(20, 64, seed=1):
        exact = collection.search(query, exact=True)
        hits = collection.search(query)
        for hit in hits:
            true = float(np.clip(vectors[int(hit.path[:-4])].astype(np.float64) @ query.astype(np.float64), -1, 1))
            assert hit.cosine == pytest.approx(true, abs=1e-6)
        found += len({hit.path for hit in exact} & {hit.path for hit in hits})
    assert found >= least
    assert collection.verify() == []


def test_what_an_index_does_not_cover_is_found_and_what_was_removed_is_not(folder: Path) -> None:
    vectors = random_vectors(600, 16)
    fill(folder, vectors, index=PQ)
    with Writer(folder) as writer:
        name = writer.manifest.segments[0][0]
        new = random_vectors(5, 16, seed=2)
        segment = write_segment(folder, make_rows(5, 600), new)
        writer.commit(segment, removed={name: [3]})
    collection = Collection.open(folder)
    assert collection.search(new[2])[0].path == "602.jpg"
    assert collection.search(vectors[3])[0].path != "3.jpg"
    assert len(collection) == 604 and collection.verify() == []
