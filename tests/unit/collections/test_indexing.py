"""Folders into collections: nothing lost to kill -9, no work twice, and what is wrong said."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import Counting, paint
from support.collections import read_by_path

import clipsim
from clipsim import ClipsimError, Collection, Encoder, index_folder
from clipsim.collections import Manifest
from clipsim.collections.catalog import Catalog
from clipsim.collections.encoding import encode_files
from clipsim.collections.store import Writer
from clipsim.collections.updating import Rules, update
from clipsim.embedding import VectorCache, use_cache
from clipsim.errors import UsageError
from clipsim.images import list_files
from clipsim.options import Framing


@pytest.mark.parametrize("framing", ["crop", "pad", "tiles-mean"])
def test_every_framing_of_one_vector_is_kept(source: Path, folder: Path, clip: Encoder, framing: Framing) -> None:
    index_folder(source, folder, clip, framing=framing)
    collection = Collection.open(folder)
    hits = collection.search("the snow", clip, top=1, thumbnails=True)
    score = clipsim.score_images(source / hits[0].path, "the snow", clip, framing=framing).scores[0]
    assert hits[0].cosine == pytest.approx(score.cosine, abs=1e-6)
    width, height = Image.open(BytesIO(hits[0].thumbnail)).size
    assert (width, height) == (40, 40) if framing == "crop" else (48, 40)  # no larger than the picture


def test_a_framing_of_several_vectors_is_refused(source: Path, folder: Path, clip: Encoder) -> None:
    with pytest.raises(UsageError, match="tiles-best makes several"):
        index_folder(source, folder, clip, framing="tiles-best")


def test_vectors_of_two_precisions_are_not_mixed(source: Path, folder: Path, clip: Encoder) -> None:
    narrow = Counting(clip)
    narrow.precision = "int8"
    index_folder(source, folder, narrow)
    assert Collection.open(folder).manifest.embedding.options.precision == "int8"
    paint(48, 40, 50).save(source / "new.png")
    with pytest.raises(UsageError, match="made with precision int8, not full"):
        index_folder(source, folder, clip)
    assert index_folder(source, folder, narrow).added == 1


def test_what_was_added_changed_and_removed_is_found(source: Path, folder: Path, clip: Encoder) -> None:
    encoder = Counting(clip)
    first = index_folder(source, folder, encoder)
    assert (first.added, encoder.pictures, [bad.name for bad in first.rejected]) == (12, 12, ["broken.jpg"])
    paint(48, 40, 50).save(source / "new.png")
    paint(48, 40, 51).save(source / "03.png")
    (source / "04.png").unlink()
    os.utime(source / "05.png", (1, 1))
    use_cache(encoder, VectorCache(100_000_000))
    report = index_folder(source, folder, encoder)
    assert (report.added, report.changed, report.removed, report.unchanged) == (1, 1, 1, 10)
    assert encoder.pictures == 14
    collection = Collection.open(folder)
    assert collection.verify() == []
    assert len(collection) == collection.manifest.rows == 12
    assert collection.manifest.removed == () and len(collection.manifest.segments) == 1
    table = dict(zip(*collection.table(["path", "mtime_ns"]).to_pydict().values(), strict=True))
    assert table["05.png"] == 10**9 and "04.png" not in table
    index_folder(source, fresh := folder.with_name("fresh"), clip)
    old, new = read_by_path(collection), read_by_path(Collection.open(fresh))
    assert old.keys() == new.keys() and all(np.array_equal(old[path], new[path]) for path in old)


def test_an_unchanged_folder_costs_no_decoding_and_no_model(
    source: Path, folder: Path, tiny_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index_folder(source, folder, str(tiny_clip))
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("a picture was opened"))
    before = Manifest.read(folder)
    code = "import sys, clipsim; clipsim.index_folder(*sys.argv[1:]); print('torch' in sys.modules)"
    report = index_folder(source, folder, str(tiny_clip))
    assert (report.unchanged, len(report.rejected)) == (12, 1)
    assert Manifest.read(folder) == before
    done = subprocess.run([sys.executable, "-c", code, source, folder], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_picture_that_can_no_longer_be_read_is_listed_and_tried_again_once_mended(
    source: Path, folder: Path, clip: Encoder
) -> None:
    index_folder(source, folder, clip)
    (source / "00.png").write_bytes(b"")
    report = index_folder(source, folder, clip)
    assert (report.removed, report.unchanged) == (1, 11)
    assert [bad.name for bad in report.rejected] == ["broken.jpg", "00.png"]
    paint(40, 40, 9).save(source / "00.png")
    report = index_folder(source, folder, clip)
    assert (report.added, [bad.name for bad in report.rejected]) == (1, ["broken.jpg"])


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such a name")
def test_a_name_that_is_no_text_is_listed(source: Path, folder: Path, clip: Encoder) -> None:
    shutil.copy(os.fsencode(source / "00.png"), os.fsencode(source) + b"/\xff.png")
    report = index_folder(source, folder, clip)
    assert report.rejected[-1].name == "\\udcff.png" or "\\udcff.png" in [bad.name for bad in report.rejected]
    assert index_folder(source, folder, clip).unchanged == 12


@pytest.mark.parametrize("step", range(12))
def test_a_crash_between_any_two_writes_leaves_a_sound_collection(
    source: Path, folder: Path, clip: Encoder, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Each rename, and each second name, is a write; a process that ends at one of them leaves the state before it."""
    index_folder(source, folder, clip)
    paint(48, 40, 60).save(source / "new.png")
    paint(48, 40, 61).save(source / "01.png")
    (source / "02.png").unlink()
    count = 0

    def crash_in(write: Callable[[Path, Path], object]) -> Callable[[Path, Path], object]:
        def crash(self: Path, target: Path) -> object:
            nonlocal count
            count += 1
            if count > step:
                raise KeyboardInterrupt
            return write(self, target)

        return crash

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", crash_in(Path.replace))
        patched.setattr(Path, "hardlink_to", crash_in(Path.hardlink_to))
        with suppress(KeyboardInterrupt):
            index_folder(source, folder, clip)
    assert Collection.open(folder).verify() == []
    index_folder(source, folder, clip)
    collection = Collection.open(folder)
    assert collection.verify() == [] and len(collection) == 12


def test_another_framing_or_folder_is_refused_by_both_names(
    source: Path, folder: Path, clip: Encoder, siglip: Encoder, tmp_path: Path
) -> None:
    index_folder(source, folder, clip)
    with pytest.raises(UsageError, match=r"model tiny-clip, not tiny-siglip"):
        Collection.open(folder).search("a cat", siglip)
    with pytest.raises(UsageError, match=r"framing crop, not pad"):
        index_folder(source, folder, clip, framing="pad")
    other = source.rename(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="were moved"):
        index_folder(other, folder, clip)
    assert index_folder(other, folder, clip, moved=True).unchanged == 12


def test_changed_weights_are_refused(source: Path, folder: Path, clip: Encoder) -> None:
    index_folder(source, folder, clip)
    changed = Counting(clip, revision="another")
    with pytest.raises(ClipsimError, match="have changed since"):
        index_folder(source, folder, changed)
    with pytest.raises(ClipsimError, match="have changed since"):
        Collection.open(folder).search("a cat", changed)


def test_a_long_run_merges_as_it_goes(source: Path, folder: Path, clip: Encoder) -> None:
    index_folder(source, folder, clip)
    for name in ("01.png", "08.png"):
        paint(48, 40, 70).save(source / name)
    for seed in range(20):
        paint(48, 40, 100 + seed).save(source / f"05-{seed:02}.png")
    most = 0

    def look(*_: int) -> None:
        nonlocal most
        most = max(most, len(Collection.open(folder).manifest.segments))

    with Catalog(source) as catalog, Writer(folder) as writer:
        catalog.add_files(list_files(source))
        engine = partial(encode_files, encoder=clip, part=2)
        report = update(writer, catalog, engine, progress=look, rules=Rules(merge_every=3))
        writer.merge()
    assert (report.added, report.changed, report.unchanged) == (20, 2, 10)
    assert most <= 4  # what is there, and three new ones
    collection = Collection.open(folder)
    assert collection.verify() == [] and len(collection) == 32
    index_folder(source, clean := folder.parent / "clean", clip)
    ours, theirs = read_by_path(collection), read_by_path(Collection.open(clean))
    assert ours.keys() == theirs.keys() and all(np.array_equal(ours[path], theirs[path]) for path in ours)


def test_an_empty_source_never_empties_a_collection(source: Path, folder: Path, clip: Encoder) -> None:
    index_folder(source, folder, clip)
    shutil.rmtree(source)
    with pytest.raises(ClipsimError, match="cannot be listed"):
        index_folder(source, folder, clip)
    source.mkdir()
    with pytest.raises(ClipsimError, match="no pictures"):
        index_folder(source, folder, clip)
    assert len(Collection.open(folder)) == 12
