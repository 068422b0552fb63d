"""Runs over a source that changed: nothing encoded twice, nothing lost without a reason, nothing listed all over."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from support import Counting, paint
from support.collections import read_by_path

from clipsim import ClipsimError, Collection, Encoder, index_folder
from clipsim.collections.catalog import Catalog
from clipsim.collections.encoding import encode_files
from clipsim.collections.store import EmbeddingConfig, Writer
from clipsim.collections.updating import Rules, update
from clipsim.images import list_files


def test_what_was_renamed_moved_or_copied_keeps_its_vector(source: Path, folder: Path, clip: Encoder) -> None:
    encoder = Counting(clip)
    index_folder(source, folder, encoder)
    before, encoded = read_by_path(Collection.open(folder)), encoder.pictures
    (source / "00.png").rename(source / "renamed.png")
    (source / "2026").rename(source / "2027")
    (source / "01.png").replace(source / "02.png")  # over another one
    shutil.copy(source / "03.png", source / "copied.png")
    (source / "03.png").rename(source / "moved.png")
    report = index_folder(source, folder, encoder)
    assert encoder.pictures == encoded
    # 02.png is gone as it was, and one of the two copies of 03.png is new
    assert (report.added, report.changed, report.removed, report.unchanged, report.moved) == (1, 0, 1, 11, 5)
    collection = Collection.open(folder)
    assert collection.verify() == []
    after = read_by_path(collection)
    now = {
        "00.png": "renamed.png",
        "01.png": "02.png",
        "03.png": "moved.png",
        "2026/a'b\"c, d.png": "2027/a'b\"c, d.png",
    }
    assert all(np.array_equal(before[old], after[new]) for old, new in now.items())
    assert np.array_equal(before["03.png"], after["copied.png"]) and len(after) == 12
    assert index_folder(source, folder, encoder).unchanged == 12


def test_a_new_picture_of_the_size_of_one_that_is_gone_is_encoded(source: Path, folder: Path, clip: Encoder) -> None:
    size = 10_000
    for name in ("00.png", "01.png"):
        (source / name).write_bytes((source / name).read_bytes().ljust(size, b"\0"))
    other = (source / "01.png").read_bytes()
    (source / "01.png").unlink()
    index_folder(source, folder, clip)
    (source / "00.png").unlink()
    (source / "other.png").write_bytes(other)
    report = index_folder(source, folder, clip)
    assert (report.added, report.removed, report.moved) == (1, 1, 0)


def test_more_than_half_is_removed_only_if_it_is_allowed(source: Path, folder: Path, clip: Encoder) -> None:
    index_folder(source, folder, clip)
    for i in range(7):
        (source / f"{i:02}.png").unlink()
    with pytest.raises(ClipsimError, match=r"^7 of the 12 pictures of the collection are gone .*--allow-removals"):
        index_folder(source, folder, clip)
    assert len(Collection.open(folder)) == 12
    assert index_folder(source, folder, clip, allow_removals=True).removed == 7
    assert len(Collection.open(folder)) == 5


def test_a_list_on_a_disk_that_is_not_mounted_removes_nothing(
    source: Path, folder: Path, tmp_path: Path, clip: Encoder
) -> None:
    disk = source / "2026"
    entries = [file.name for file in list_files(source) if file.name != "broken.jpg"]
    (source / "list.txt").write_text("\n".join(entries))
    index_folder(source / "list.txt", folder, clip)
    for emptied in (False, True):
        shutil.move(disk, tmp_path / "unmounted")
        if emptied:
            disk.mkdir()  # a mount point stays behind
        with pytest.raises(ClipsimError, match=r"2026(/März)? is not there or empty.*mounted"):
            index_folder(source / "list.txt", folder, clip)
        assert len(Collection.open(folder)) == 12
        shutil.rmtree(disk, ignore_errors=True)
        shutil.move(tmp_path / "unmounted", disk)
    (source / "00.png").unlink()
    report = index_folder(source / "list.txt", folder, clip)
    assert (report.removed, report.unchanged, report.unreached) == (1, 11, 1)
    shutil.rmtree(disk)
    assert index_folder(source / "list.txt", folder, clip, allow_removals=True).removed == 2


@pytest.mark.skipif(sys.platform != "linux", reason="no such file elsewhere")
def test_what_cannot_be_read_for_the_moment_keeps_its_vector(
    source: Path, folder: Path, tmp_path: Path, clip: Encoder
) -> None:
    index_folder(source, folder, clip)
    before = read_by_path(Collection.open(folder))
    (source / "00.png").rename(tmp_path / "00.png")
    (source / "00.png").symlink_to("/proc/self/mem")  # an error to read, also for an administrator
    (source / "2026").rename(tmp_path / "2026")
    (source / "2026").symlink_to(source / "2026")
    for _ in range(2):
        report = index_folder(source, folder, clip)
        assert (report.removed, report.unchanged, report.unreached, report.pictures) == (0, 9, 2, 12)
        assert {bad.name for bad in report.rejected} == {"broken.jpg", "00.png", "2026"}
        assert read_by_path(Collection.open(folder)).keys() == before.keys()
    for name in ("00.png", "2026"):
        (source / name).unlink()
        (tmp_path / name).rename(source / name)
    report = index_folder(source, folder, clip)
    assert (report.unchanged, [bad.name for bad in report.rejected]) == (12, ["broken.jpg"])


def test_a_link_that_is_no_longer_followed_or_leads_nowhere_costs_no_vector(
    source: Path, folder: Path, tmp_path: Path, clip: Encoder
) -> None:
    (source / "2026").rename(tmp_path / "disk")
    (source / "2026").symlink_to(tmp_path / "disk")
    assert index_folder(source, folder, clip).added == 10
    assert index_folder(source, folder, clip, follow_links=True).added == 2
    report = index_folder(source, folder, clip)
    assert (report.removed, report.unreached) == (0, 0)
    assert "2026 is a link to a folder" in " ".join(f"{bad.name} {bad.reason}" for bad in report.rejected)
    (tmp_path / "disk").rename(tmp_path / "unmounted")
    report = index_folder(source, folder, clip, follow_links=True)
    assert (report.removed, report.unreached) == (0, 1)
    assert len(Collection.open(folder)) == 12


def test_pictures_that_all_turn_out_to_be_none_are_not_removed(source: Path, folder: Path, clip: Encoder) -> None:
    index_folder(source, folder, clip)
    kept = {path: path.read_bytes() for path in sorted(source.glob("0[0-7].png"))}
    for path, content in kept.items():
        path.write_bytes(b"\0" * len(content))
    for _ in range(2):
        with pytest.raises(ClipsimError, match=r"^8 of the 12 pictures .* can no longer be read"):
            index_folder(source, folder, clip)
        assert len(Collection.open(folder)) == 12
    for path, content in kept.items():
        path.write_bytes(content)
    assert index_folder(source, folder, clip).unchanged == 12


def test_a_name_that_a_list_has_twice_is_one_picture(source: Path, folder: Path, clip: Encoder) -> None:
    (source / "list.txt").write_text("00.png\n01.png\n00.png\n")
    report = index_folder(source / "list.txt", folder, clip)
    assert report.added == 2 and Collection.open(folder).verify() == []


def test_a_failure_is_listed_once_and_no_longer_when_it_is_mended(source: Path, folder: Path, clip: Encoder) -> None:
    for i in range(30):
        (source / f"bad-{i:02}.png").write_bytes(b"none")
    with Catalog(source) as catalog, Writer(folder, EmbeddingConfig.from_encoder(clip)) as writer:
        catalog.add_files(list_files(source))
        engine = partial(encode_files, encoder=clip, part=1)
        update(writer, catalog, engine, rules=Rules(merge_every=4))
        assert len(writer.manifest.rejected) <= 5  # files, of 31 failures in as many commits
    assert len(Collection.open(folder).rejected) == 31
    paint(40, 40, 3).save(source / "bad-07.png")
    report = index_folder(source, folder, clip)
    assert (report.added, len(report.rejected)) == (1, 30)
    assert len(Collection.open(folder).rejected) == 30


def test_a_merge_while_a_run_goes_on_does_not_read_the_rows_again(
    source: Path, folder: Path, clip: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    index_folder(source, folder, clip)
    for i in range(10):
        paint(48, 40, 80 + i).save(source / f"{i:02}.png")
    loads = 0
    add = Catalog.add_rows

    def count(self: Catalog, segment: str, rows: Iterable[tuple[int, str, int, int]]) -> None:
        nonlocal loads
        loads += 1
        add(self, segment, rows)

    monkeypatch.setattr(Catalog, "add_rows", count)
    with Catalog(source) as catalog, Writer(folder) as writer:
        catalog.add_files(list_files(source))
        report = update(writer, catalog, partial(encode_files, encoder=clip, part=1), rules=Rules(merge_every=2))
    assert (report.changed, report.unchanged, loads) == (10, 2, 1)
    assert Collection.open(folder).verify() == []


def test_after_any_changes_the_collection_is_that_of_a_fresh_run(source: Path, folder: Path, clip: Encoder) -> None:
    random = np.random.default_rng(5)
    index_folder(source, folder, clip)
    for turn in range(8):
        paths = [path for path in sorted(source.rglob("*.png")) if path.name != ".hidden.png"]
        for path in random.permutation(np.array(paths, object))[:6]:
            target = source / f"{turn}" / f"{random.integers(1_000_000)}.png"
            target.parent.mkdir(exist_ok=True)
            match random.integers(7):
                case 0:
                    path.rename(target)
                case 1:
                    path.replace(paths[random.integers(len(paths))])
                case 2:
                    shutil.copy(path, target)
                case 3:
                    os.utime(path, (turn, turn))
                case 4:
                    paint(48, 40, 1_000 + int(random.integers(1_000_000))).save(path)
                case 5:
                    path.unlink(missing_ok=True)
                case _:
                    paint(48, 40, 1_000 + int(random.integers(1_000_000))).save(target)
            paths = [path for path in paths if path.exists()]
        index_folder(source, folder, clip, allow_removals=True)
    collection = Collection.open(folder)
    assert collection.verify() == []
    index_folder(source, fresh := folder.with_name("fresh"), clip)
    ours, theirs = read_by_path(collection), read_by_path(Collection.open(fresh))
    assert ours.keys() == theirs.keys() and all(np.array_equal(ours[path], theirs[path]) for path in ours)
    columns = ["path", "size", "mtime_ns", "digest"]
    rows, fresh_rows = (one.table(columns).sort_by("path") for one in (collection, Collection.open(fresh)))
    assert rows.equals(fresh_rows)


def test_rows_that_a_picture_has_twice_become_one(source: Path, folder: Path, clip: Encoder) -> None:
    index_folder(source, folder, clip)
    collection = Collection.open(folder)
    with Writer(folder) as writer:
        writer.add(collection.table(), collection.vectors())
    assert Collection.open(folder).verify() == ["12 pictures are in the collection twice."]
    report = index_folder(source, folder, clip)
    assert (report.removed, report.unchanged) == (0, 12)
    assert Collection.open(folder).verify() == [] and len(Collection.open(folder)) == 12
