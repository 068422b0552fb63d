"""Collections that were written in format 1, with their vectors in flat indexes of FAISS, go on being of use."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from upath import UPath

from clipsim import ClipsimError, Collection, Encoder
from clipsim.collections import Manifest
from clipsim.collections.store import SCHEMA, Writer
from clipsim.images import Location, storage

HERE = Path(__file__).parent
# of "a golden retriever standing in the snow", by the encoder that the collection was made with
QUERY = np.load(HERE / "format-1-query.npy")
SEARCH = """
import sys
import numpy as np
from clipsim import Collection
Collection.open(sys.argv[1]).search(np.ones(384), exact=True)
print("faiss" in sys.modules)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the collection, which has two segments, a removed row, and an index over the first segment."""
    return Path(shutil.copytree(HERE / "format-1", tmp_path / "collection"))


def cosines(folder: Location, *, exact: bool) -> dict[str, float]:
    hits = Collection.open(folder).search(QUERY, top=20, exact=exact)
    return {hit.path: hit.cosine for hit in hits}


def expected() -> dict[str, float]:
    hits = json.loads((HERE / "format-1-hits.json").read_text(encoding="utf-8"))
    return {hit["path"]: hit["cosine"] for hit in hits}


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def added(folder: Location) -> np.ndarray:
    """Add one picture, and return its vector."""
    vector = np.zeros((1, 384), np.float32)
    vector[0, 7] = 1
    row = {"path": "new.jpg", "size": 1, "mtime_ns": 1, "digest": "", "width": 1, "height": 1, "notes": []}
    with Writer(folder) as writer:
        writer.add(pa.Table.from_pylist([row | {"seen": 1.0, "thumbnail": b""}], SCHEMA), vector)
    return vector.reshape(-1)


@pytest.mark.parametrize("exact", [True, False])
def test_it_is_searched_with_the_same_hits_and_left_as_it_was(folder: Path, exact: bool) -> None:
    before = {name: (folder / name).read_bytes() for name in files(folder)}
    found = cosines(folder, exact=exact)
    assert list(found) == list(expected())
    assert found == pytest.approx(expected(), abs=2e-5)
    assert len(Collection.open(folder)) == 17
    assert {name: (folder / name).read_bytes() for name in files(folder)} == before


def test_of_an_encoder_whose_weights_have_changed_it_is_told(folder: Path, stand_in: Encoder) -> None:
    with pytest.raises(ClipsimError, match="weights of stand-in have changed since the collection was made"):
        Collection.open(folder).search("a dog", stand_in)


def test_exact_search_needs_no_faiss(folder: Path) -> None:
    done = subprocess.run([sys.executable, "-c", SEARCH, str(folder)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_it_is_sound_and_damage_is_found(folder: Path) -> None:
    assert Collection.open(folder).verify() == []
    path = max((folder / "segments").glob("*.faiss"), key=lambda path: path.stat().st_size)
    whole = path.read_bytes()
    path.write_bytes(whole[:-4] + bytes([whole[-4] ^ 1]) + whole[-3:])
    (problem,) = Collection.open(folder).verify()
    assert problem == f"{path.name} is not as it was written."
    for damaged in (whole[:-4], whole[:20], b""):
        path.write_bytes(damaged)
        assert f"{path.name} is damaged" in Collection.open(folder).verify()[0]
        with pytest.raises(ClipsimError, match=r"faiss is damaged"):
            Collection.open(folder).search(np.ones(384), exact=True)
    path.unlink()
    with pytest.raises(ClipsimError, match="is gone"):
        Collection.open(folder).search(np.ones(384), exact=True)


def test_pictures_are_added_in_the_new_format_beside_the_old_ones(folder: Path) -> None:
    assert Manifest.read(folder).format == 1
    vector = added(folder)
    assert Manifest.read(folder).format == 3
    assert len(list((folder / "segments").glob("*.npy"))) == 1
    assert len(list((folder / "segments").glob("*.faiss"))) == 2
    collection = Collection.open(folder)
    assert collection.verify() == []
    assert [hit.path for hit in collection.search(vector, top=1)] == ["new.jpg"]
    found = cosines(folder, exact=True)
    assert {path: found[path] for path in expected()} == pytest.approx(expected(), abs=2e-5)


def test_a_merge_writes_old_vectors_anew(folder: Path) -> None:
    with Writer(folder) as writer:
        writer.merge()
        writer.build_index("exact")
    with Writer(folder):  # sweeps what no longer counts
        pass
    assert sorted(name.rpartition(".")[2] for name in files(folder) if "segments/" in name) == ["npy", "parquet"]
    assert Collection.open(folder).verify() == []
    assert cosines(folder, exact=True) == pytest.approx(expected(), abs=2e-5)


def test_its_vectors_are_copied_from_an_address(folder: Path, tmp_path: Path) -> None:
    there = UPath(f"memory://{tmp_path.name}")  # of its own, for what this machine keeps of it
    for name in files(folder):
        (there / name).write_bytes((folder / name).read_bytes())
    assert Collection.open(there).verify() == []
    added(there)
    found = cosines(there, exact=True)
    assert {path: found[path] for path in expected()} == pytest.approx(expected(), abs=2e-5)
    copies = storage.find_local_folder(there / "segments")
    assert sorted(path.suffix for path in copies.iterdir()) == [".faiss", ".faiss", ".npy"]
    with Writer(there) as writer:
        writer.merge()
    Collection.open(there).search(np.ones(384), exact=True)
    assert [path.suffix for path in copies.iterdir()] == [".npy"]
