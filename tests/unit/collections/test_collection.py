"""Collections that are read: the scores of a gallery, one order, and damage found and said."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from support.collections import fill, make_rows, random_vectors

import clipsim
from clipsim import ClipsimError, Collection, Encoder, index_folder
from clipsim.collections.store import Writer, write_segment
from clipsim.collections.store.manifest import ListPart
from clipsim.collections.store.numbered import POINTER
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


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 1}', '{"format": 3}', '{"format": 1, "config": 3}'])
def test_damaged_manifests_are_one_sentence(folder: Path, text: str) -> None:
    fill(folder, random_vectors(3, 4), segments=1)
    for manifest in folder.glob("manifest*.json"):
        manifest.write_text(text)
    with pytest.raises(ClipsimError, match=r"manifest(-\d)?\.json is damaged .*--repair\.$"):
        Collection.open(folder)


def test_a_later_format_and_a_missing_collection_are_said(folder: Path, tmp_path: Path) -> None:
    fill(folder, random_vectors(3, 4), segments=1)
    plain = json.loads((folder / POINTER).read_text())
    (folder / POINTER).write_text(json.dumps(plain | {"format": 99}))
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


def test_a_reader_that_was_overtaken_asks_once_more(folder: Path) -> None:
    vectors = random_vectors(30, 8)
    before = fill(folder, vectors, segments=3)
    with Writer(folder) as writer:
        writer.merge()
    for _ in range(3):  # until nothing explains what was merged
        with Writer(folder) as writer:
            writer.commit()
    assert len(list((folder / "segments").iterdir())) == 2
    assert before.search(vectors[7], top=1)[0].path == "7.jpg"
    assert before.similar("7.jpg", top=1)[0].rank == 1 and before.duplicates() == []
    with pytest.raises(ClipsimError, match="is gone: others wrote to the collection"):
        before.table()
    for path in (folder / "segments").iterdir():
        path.unlink()
    with pytest.raises(ClipsimError, match="is gone"):
        Collection.open(folder).search(vectors[7])


def test_lists_and_vectors_that_do_not_fit_are_sentences(folder: Path) -> None:
    """As a program of one's own, or a damage that nobody foresaw, may leave them."""
    collection = fill(folder, random_vectors(30, 8), segments=1)
    name = collection.manifest.segments[0][0]
    (folder / "rejected-9.json").write_text('[{"name": 3}, null]')
    (folder / "removed-9.json").write_text(json.dumps({name: [99]}))
    (folder / "manifest-9.json").write_bytes(
        replace(collection.manifest, generation=9, rejected=(ListPart("rejected-9.json", 1),)).to_bytes()
    )
    with pytest.raises(ClipsimError, match=r"rejected-9\.json is damaged .*--repair"):
        print(Collection.open(folder).rejected)
    (folder / "manifest-9.json").write_bytes(
        replace(collection.manifest, generation=9, removed=(ListPart("removed-9.json", 1),)).to_bytes()
    )
    with pytest.raises(ClipsimError, match=r"removed-9\.json is damaged .*rows beyond the 30"):
        Collection.open(folder)
    embedding = replace(collection.manifest.embedding, width=9)
    (folder / "manifest-9.json").write_bytes(replace(collection.manifest, generation=9, embedding=embedding).to_bytes())
    with pytest.raises(ClipsimError, match=r"npy is damaged"):
        Collection.open(folder).search(np.ones(9))


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such limit")
@pytest.mark.parametrize("call", ["removed={name: [1]}", "failed=[FailedFile(str(i), 'r') for i in range(9000)]"])
def test_a_disk_that_is_full_is_a_sentence_and_loses_nothing(folder: Path, call: str) -> None:
    fill(folder, random_vectors(3000, 8), segments=30)
    code = (
        "import resource, signal, sys; from clipsim.collections.store import Writer; "
        "from clipsim.collections.store.lists import FailedFile; from clipsim.errors import ClipsimError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "with Writer(sys.argv[1]) as writer:\n"
        "    name = writer.manifest.segments[0][0]\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))\n"
        f"    try: writer.commit({call})\n"
        "    except ClipsimError as error: sys.exit(str(error))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=False)
    assert done.stderr.endswith("make room there.\n") and "cannot be written to (File too large)" in done.stderr
    collection = Collection.open(folder)
    assert len(collection) == 3000 and collection.verify() == [] and not list(folder.rglob("*.partial"))
