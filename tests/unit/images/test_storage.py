"""Collections at an address: the same as on a disk, whatever is interrupted, and sentences for what goes wrong."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from support import paint
from support.collections import fill, random_vectors
from upath import UPath

from clipsim import ClipsimError, Collection, Encoder, index_folder
from clipsim.collections.store import PQ, Writer
from clipsim.images import locate, storage


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    """Nothing at any address in memory, before and after."""
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]
    yield
    MemoryFileSystem.store.clear()


@pytest.fixture
def source() -> UPath:
    """Six pictures at an address, one further down, and one that is damaged."""
    folder = UPath("memory://bucket/pictures")
    for seed in range(6):
        put(folder / ("a/März #1.png" if seed == 5 else f"{seed}.png"), seed)
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> UPath:
    return UPath(f"memory://{tmp_path.name}")  # of its own, for what this machine keeps of it


def put(path: UPath, seed: int) -> None:
    """A picture, written as a whole."""
    with path.open("wb") as file:
        paint(48, 40, seed).save(file, "PNG")


def test_an_address_gives_the_collection_that_a_folder_gives(
    source: UPath, folder: UPath, tmp_path: Path, clip: Encoder
) -> None:
    for path in source.rglob("*"):
        if path.is_file():
            copy = tmp_path / "pictures" / path.path.removeprefix(f"{source.path}/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    far = index_folder(str(source), str(folder), clip)
    near = index_folder(tmp_path / "pictures", tmp_path / "near", clip)
    assert far.added == near.added == 6 and far.rejected == near.rejected
    ours, theirs = Collection.open(str(folder)), Collection.open(tmp_path / "near")
    columns = [name for name in ours.table().column_names if name != "mtime_ns"]
    assert ours.table(columns).equals(theirs.table(columns))
    assert np.array_equal(ours.vectors(), theirs.vectors())
    assert ours.verify() == []
    for query in ("a cat", theirs.vector_of(tmp_path / "pictures" / "0.png", clip)):
        far_hits, near_hits = (
            [(hit.path, hit.cosine, hit.thumbnail) for hit in collection.search(query, clip, 3, thumbnails=True)]
            for collection in (ours, theirs)
        )
        assert far_hits == near_hits


def test_only_what_is_new_or_changed_is_fetched(
    source: UPath, folder: UPath, clip: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    index_folder(source, folder, clip)
    fetched: list[str] = []
    whole = MemoryFileSystem.cat_file

    def cat_file(self: MemoryFileSystem, path: str, *rest: Any, **more: Any) -> Any:
        fetched.append(path)
        return whole(self, path, *rest, **more)

    put(source / "1.png", 70)
    put(source / "new.png", 71)
    (source / "2.png").unlink()
    monkeypatch.setattr(MemoryFileSystem, "cat_file", cat_file)
    report = index_folder(source, folder, clip)
    assert (report.added, report.changed, report.removed, report.unchanged) == (1, 1, 1, 4)
    pictures = {path.rpartition("/")[2] for path in fetched if path.startswith(source.path)}
    assert pictures == {"1.png", "new.png"}


def test_without_times_files_are_compared_by_digest(
    source: UPath, folder: UPath, clip: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "_WRITTEN", ())
    index_folder(source, folder, clip)
    same = index_folder(source, folder, clip)
    assert (same.unchanged, same.changed) == (6, 0)
    first, second = (source / "0.png").read_bytes(), (source / "1.png").read_bytes()
    size = max(len(first), len(second))  # two pictures of one size
    (source / "0.png").write_bytes(first.ljust(size, b"\0"))
    index_folder(source, folder, clip)
    (source / "0.png").write_bytes(second.ljust(size, b"\0"))
    report = index_folder(source, folder, clip)
    assert (report.changed, report.unchanged) == (1, 5)


def test_what_cannot_be_fetched_is_kept_and_tried_again(
    source: UPath, folder: UPath, clip: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    index_folder(source, folder, clip)
    put(source / "1.png", 70)
    whole = MemoryFileSystem.cat_file

    def cat_file(self: MemoryFileSystem, path: str, *rest: Any, **more: Any) -> Any:
        if path.endswith("1.png"):
            raise RuntimeError("the line is dead")
        return whole(self, path, *rest, **more)

    with monkeypatch.context() as patched:
        patched.setattr(MemoryFileSystem, "cat_file", cat_file)
        report = index_folder(source, folder, clip)
    assert "1.png" in {bad.name for bad in report.rejected if "the line is dead" in bad.reason}
    assert report.removed == 0 and len(Collection.open(folder)) == 6
    report = index_folder(source, folder, clip)
    assert (report.changed, [bad.name for bad in report.rejected]) == (1, ["broken.jpg"])


@pytest.mark.parametrize("step", range(8))
def test_a_crash_at_any_write_leaves_a_sound_collection(
    source: UPath, folder: UPath, clip: Encoder, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    index_folder(source, folder, clip)
    put(source / "1.png", 70)
    put(source / "new.png", 71)
    (source / "2.png").unlink()
    count, pipe = 0, MemoryFileSystem.pipe_file

    def crash(self: MemoryFileSystem, path: str, value: bytes, **more: Any) -> None:
        nonlocal count
        count += 1
        if count > step:
            raise KeyboardInterrupt
        pipe(self, path, value, **more)

    with monkeypatch.context() as patched:
        patched.setattr(MemoryFileSystem, "pipe_file", crash)
        with suppress(KeyboardInterrupt):
            index_folder(source, folder, clip)
    assert Collection.open(folder).verify() == []
    index_folder(source, folder, clip)
    collection = Collection.open(folder)
    assert collection.verify() == [] and len(collection) == 6


def test_vectors_are_copied_once_and_forgotten_when_they_no_longer_count(folder: UPath) -> None:
    vectors = random_vectors(60, 16)
    fill(folder, vectors, segments=3, index=PQ)
    for _ in range(2):
        assert Collection.open(folder).search(vectors[7], top=1)[0].path == "7.jpg"
    kept = sorted(path.name for path in storage.find_local_folder(folder / "segments").iterdir())
    assert len(kept) == 3 and len(list(storage.find_local_folder(folder).glob("index-*.faiss"))) == 2
    with Writer(folder) as writer:
        writer.merge()
        writer.build_index("exact")
    assert Collection.open(folder).search(vectors[7], top=1)[0].path == "7.jpg"
    now = {path.name for path in storage.find_local_folder(folder / "segments").iterdir()}
    assert len(now) == 1 and not now & set(kept)
    assert not list(storage.find_local_folder(folder).glob("index-*.faiss"))


def test_damage_at_an_address_is_found_behind_a_sound_copy(folder: UPath) -> None:
    collection = fill(folder, random_vectors(20, 8), segments=1)
    collection.search(random_vectors(1, 8)[0])
    vectors = next((folder / "segments").glob("*.npy"))
    content = bytearray(vectors.read_bytes())
    content[-3] ^= 1
    vectors.write_bytes(bytes(content))
    (problem,) = Collection.open(folder).verify()
    assert "is not as it was written" in problem


def test_addresses_that_cannot_be_used_are_sentences(folder: UPath, tmp_path: Path) -> None:
    assert locate("file:///a/b") == Path("/a/b")
    with pytest.raises(ClipsimError, match="There is no collection in memory://"):
        Collection.open(str(folder))
    with pytest.raises(ClipsimError, match="nope://x is no address that can be used"):
        Collection.open("nope://x")
    (folder / "other.txt").write_text("mine")
    with pytest.raises(ClipsimError, match="holds other files"):
        fill(folder, random_vectors(4, 8))
    with pytest.raises(ClipsimError, match="There are no pictures in memory://"):
        index_folder("memory://nowhere", tmp_path / "x")


@pytest.mark.skipif(importlib.util.find_spec("gcsfs") is not None, reason="gcsfs is installed")
def test_a_package_that_is_missing_is_named() -> None:
    with pytest.raises(ClipsimError, match=r"gs:// need another package .*gcsfs.*: install it"):
        locate("gs://bucket/collection")
