"""Damage of every kind of file: it is found, and mended by encoding no more again than was damaged."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from support import Counting, paint
from support.collections import fill, random_vectors, read_by_path

from clipsim import ClipsimError, Collection, Encoder, index_folder
from clipsim.collections import Manifest
from clipsim.collections.store import PQ, Writer
from clipsim.collections.store.lists import FailedFile
from clipsim.collections.store.numbered import POINTER, list_numbers, name_manifest
from clipsim.collections.store.repair import repair
from clipsim.collections.store.segments import GROUP


def flip(path: Path, seed: int = 0) -> None:
    """Change one bit of a file."""
    data, places = bytearray(path.read_bytes()), random.Random(seed)
    data[places.randrange(len(data))] ^= 1 << places.randrange(8)
    path.write_bytes(data)


@pytest.fixture
def made(folder: Path) -> Path:
    """A collection that has every kind of file: removed rows, pictures that cannot be read, an index."""
    fill(folder, random_vectors(1200, 16), segments=2, index=PQ)
    with Writer(folder) as writer:
        name = writer.manifest.segments[0][0]
        writer.commit(removed={name: [3, 140]}, failed=[FailedFile("broken.jpg", "is broken", 7, (8, 9))])
    return folder


def find(folder: Path, kind: str) -> Path:
    """Return a file of a kind."""
    manifest = Manifest.read(folder)
    names = {
        "manifest": name_manifest(manifest.generation),
        "older manifest": name_manifest(list_numbers(folder)[-1]),
        "pointer": POINTER,
        "vectors": f"segments/{manifest.segments[0][0]}.npy",
        "rows": f"segments/{manifest.segments[0][0]}.parquet",
        "index": manifest.index[0].file,
        "removed": manifest.removed[0].file,
        "rejected": manifest.rejected[0].file,
    }
    return folder / names[kind]


KINDS = ("manifest", "older manifest", "pointer", "vectors", "rows", "index", "removed", "rejected")


def damage(path: Path, how: str, seed: int) -> None:
    if how == "flipped":
        flip(path, seed)
    elif how == "cut":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        path.unlink()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["flipped", "cut", "gone"])
def test_damage_of_every_kind_of_file_is_found_and_mended(made: Path, tmp_path: Path, kind: str, how: str) -> None:
    whole = read_by_path(Collection.open(made))
    for seed in range(8 if how == "flipped" else 1):
        folder = shutil.copytree(made, tmp_path / f"damaged-{seed}")
        damage(find(folder, kind), how, seed)
        if (kind, how) not in (("older manifest", "gone"), ("pointer", "gone")):  # of these nothing is missed
            try:
                assert Collection.open(folder).verify()
            except ClipsimError as error:
                assert "--repair" in str(error)
            with pytest.raises(ClipsimError, match="--repair"), Writer(folder, check=True):
                pass
        repair(folder)
        collection = Collection.open(folder)
        assert collection.verify() == [] and collection.manifest.index
        found = read_by_path(collection)
        assert all(np.array_equal(found[name], whole[name]) for name in found.keys() & whole.keys())
        lost = whole.keys() - found.keys()
        cut = 600 - GROUP if (kind, how) == ("vectors", "cut") else 598
        assert len(lost) <= (GROUP if (kind, how) == ("vectors", "flipped") else cut) * (kind in ("vectors", "rows"))
        back = found.keys() - whole.keys()  # those whose removal is lost; indexing removes them again
        assert back == ({"3.jpg", "140.jpg"} if kind in ("removed", "manifest") else set())


@pytest.mark.parametrize("kind", ["vectors", "rows"])
def test_only_what_is_damaged_is_encoded_again(source: Path, folder: Path, clip: Encoder, kind: str) -> None:
    for seed in range(150):
        paint(12, 12, seed).save(source / f"small-{seed:03}.png")
    encoder = Counting(clip)
    index_folder(source, folder, encoder)
    whole = read_by_path(Collection.open(folder))
    path = next((folder / "segments").glob(f"*.{'npy' if kind == 'vectors' else 'parquet'}"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    assert index_folder(source, folder, encoder).unchanged == 162  # bytes are not read in every run
    with pytest.raises(ClipsimError, match=r"is not as it was written|is damaged.*--repair"):
        index_folder(source, folder, encoder, check=True)
    before = encoder.pictures
    report = index_folder(source, folder, encoder, repair=True)
    assert report.notes and 0 < report.added <= GROUP and encoder.pictures <= before + GROUP
    collection = Collection.open(folder)
    found = read_by_path(collection)
    assert collection.verify() == [] and len(collection) == collection.manifest.rows == 162
    assert found.keys() == whole.keys() and all(np.array_equal(found[name], whole[name]) for name in found)
    assert index_folder(source, folder, encoder, check=True, repair=True).notes == ()


def test_lost_manifests_are_made_again_from_the_segments(source: Path, folder: Path, clip: Encoder) -> None:
    encoder = Counting(clip)
    index_folder(source, folder, encoder)
    (source / "00.png").unlink()
    index_folder(source, folder, encoder)
    whole, before = read_by_path(Collection.open(folder)), encoder.pictures
    for manifest in folder.glob("manifest*"):
        manifest.unlink()
    with pytest.raises(ClipsimError, match="has lost its manifests: run index with --repair"):
        index_folder(source, folder, encoder)
    report = index_folder(source, folder, encoder, repair=True)
    assert (report.added, report.unchanged, encoder.pictures) == (0, 11, before)
    found = read_by_path(Collection.open(folder))
    assert found.keys() == whole.keys() and all(np.array_equal(found[name], whole[name]) for name in found)
    assert Collection.open(folder).verify() == [] and Manifest.read(folder).source == str(source)


def test_what_only_a_lost_manifest_named_is_found_again(source: Path, folder: Path, clip: Encoder) -> None:
    encoder = Counting(clip)
    index_folder(source, folder, encoder)
    paint(48, 40, 77).save(source / "new.png")
    index_folder(source, folder, encoder)
    before = encoder.pictures
    for number in list_numbers(folder)[: len(list_numbers(folder)) - 1]:
        (folder / name_manifest(number)).unlink()
    report = index_folder(source, folder, encoder, repair=True)
    assert (report.added, encoder.pictures) == (0, before)
    assert Collection.open(folder).verify() == [] and len(Collection.open(folder)) == 13


def test_a_folder_without_a_collection_is_not_mended(folder: Path, tmp_path: Path) -> None:
    assert repair(folder) == [] and not folder.exists()
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(ClipsimError, match="holds other files"):
        repair(tmp_path)
