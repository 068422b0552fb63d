"""Collections that are read: the scores of a gallery, one order, and damage found and said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from support.collections import fill, make_rows, random_vectors

import clipsim
from clipsim import ClipsimError, Collection, Encoder, index_folder
from clipsim.collections.store import MANIFEST, write_segment
from clipsim.errors import UsageError


def test_the_scores_are_those_of_a_gallery(source: Path, folder: Path, stand_in: Encoder) -> None:
    index_folder(source, folder, stand_in)
    collection = Collection.open(folder)
    hits = collection.search("a dog", stand_in, top=100)
    pictures = [(source / hit.path, hit.path) for hit in sorted(hits, key=lambda hit: hit.path)]
    expected = clipsim.score_images(pictures, "a dog", stand_in).scores
    assert [hit.path for hit in hits] == [score.name for score in expected]
    for hit, score in zip(hits, expected, strict=True):
        assert hit.cosine == pytest.approx(score.cosine, abs=1e-6)
        assert hit.percentile == pytest.approx(score.percentile, abs=1e-4)
        assert (hit.verdict, hit.notes, hit.seen, hit.size) == (score.verdict, score.notes, score.seen, (48, 40))
    best = collection.search("a dog", stand_in, top=3)
    assert [(hit.path, hit.verdict) for hit in best] == [(hit.path, hit.verdict) for hit in hits[:3]]


def test_rows_are_the_same_however_often_they_are_asked_for(folder: Path) -> None:
    collection = fill(folder, vectors := random_vectors(40, 8))
    first = [collection.search(vector, top=3, thumbnails=True) for vector in vectors]
    assert [collection.search(vector, top=3, thumbnails=True) for vector in vectors] == first
    assert [hits[0].path for hits in first] == [f"{i}.jpg" for i in range(40)]


def test_rows_are_found_whatever_groups_a_file_keeps_them_in(folder: Path) -> None:
    fill(folder, vectors := random_vectors(300, 8), segments=1)
    (rows,) = (folder / "segments").glob("*.parquet")
    for size in (64, 256, 1000):
        pq.write_table(pq.read_table(rows), rows, row_group_size=size)
        hits = [Collection.open(folder).search(vectors[i], top=1, thumbnails=True)[0] for i in (0, 63, 64, 255, 299)]
        assert [hit.path for hit in hits] == ["0.jpg", "63.jpg", "64.jpg", "255.jpg", "299.jpg"]


def test_more_like_this_leaves_it_out(source: Path, folder: Path, clip: Encoder) -> None:
    shutil.copy(source / "03.png", source / "2026" / "copy.png")
    index_folder(source, folder, clip)
    collection = Collection.open(folder)
    hits = collection.similar("03.png", top=3)
    assert hits[0].path == "2026/copy.png" and hits[0].cosine == pytest.approx(1, abs=1e-6)
    assert hits[0].percentile is None and [hit.rank for hit in hits] == [1, 2, 3]
    assert collection.search(collection.vector_of(source / "03.png", clip), top=2)[0].cosine == pytest.approx(1)
    with pytest.raises(UsageError, match=r"99\.png is not in the collection"):
        collection.similar("99.png")


def test_bad_questions_are_sentences(folder: Path) -> None:
    collection = fill(folder, random_vectors(30, 16))
    with pytest.raises(UsageError, match="not a date"):
        collection.search(random_vectors(1, 16)[0], after="yesterday")
    for vector in (np.zeros(16), np.full(16, np.nan), np.ones(5)):
        with pytest.raises(UsageError, match="has 16 finite numbers"):
            collection.search(vector)
    with pytest.raises(UsageError, match="pass the encoder"):
        collection.search("a cat")
    assert collection.search(random_vectors(1, 16)[0], path="nothing/*") == []


@pytest.mark.parametrize("end", ["npy", "parquet"])
@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_damage_is_found_and_said(folder: Path, end: str, damage: str) -> None:
    collection = fill(folder, random_vectors(300, 16), segments=1)
    path = folder / "segments" / f"{collection.manifest.segments[0][0]}.{end}"
    data = bytearray(path.read_bytes())
    if damage == "flipped":
        data[len(data) // 3] ^= 0xFF
    path.unlink()
    if damage != "gone":
        path.write_bytes(data[: len(data) // 2] if damage == "cut" else data)
    problems = Collection.open(folder).verify()
    assert problems and all(problem.endswith(".") for problem in problems)
    if damage != "flipped":
        with pytest.raises(ClipsimError, match=r"damaged|gone"):
            Collection.open(folder).search(random_vectors(1, 16)[0])


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', '{"format": 1, "config": 3}'])
def test_a_damaged_manifest_is_one_sentence(folder: Path, text: str) -> None:
    fill(folder, random_vectors(3, 4), segments=1)
    (folder / MANIFEST).write_text(text)
    with pytest.raises(ClipsimError, match=r"manifest\.json is damaged"):
        Collection.open(folder)


def test_a_later_format_and_a_missing_collection_are_said(folder: Path, tmp_path: Path) -> None:
    fill(folder, random_vectors(3, 4), segments=1)
    plain = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(plain | {"format": 99}))
    with pytest.raises(ClipsimError, match="later version"):
        Collection.open(folder)
    with pytest.raises(ClipsimError, match="There is no collection"):
        Collection.open(tmp_path / "nothing")


def test_what_makes_no_segment_is_refused(folder: Path) -> None:
    for table, vectors in (
        (make_rows(2), random_vectors(3, 4)),
        (make_rows(0), random_vectors(0, 4)),
        (make_rows(2), 2 * random_vectors(2, 4)),
        (make_rows(2), np.full((2, 4), np.nan)),
        (make_rows(2).drop_columns(["digest"]), random_vectors(2, 4)),
    ):
        with pytest.raises(UsageError):
            write_segment(folder, table, vectors)
