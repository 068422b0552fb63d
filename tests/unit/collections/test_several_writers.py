"""Several writers of one collection, here or at an address: each change is made to what the others have made."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from support.collections import fill, make_rows, random_vectors, read_by_path
from support.s3 import serve_s3

from clipsim import ClipsimError, Collection
from clipsim.collections.store import PQ, EmbeddingConfig, Writer, write_segment
from clipsim.collections.store.lists import FailedFile, forget, read_failed
from clipsim.collections.store.numbered import KEPT, list_numbers, name_manifest
from clipsim.errors import UsageError
from clipsim.images import Location, locate

CONFIG = EmbeddingConfig("made-up", "", 8)


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, str]]:
    with serve_s3() as environment:
        yield environment


@pytest.fixture(params=["disk", "s3"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, server: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Location:
    """A folder on this disk, and one in a bucket."""
    for name, value in server.items():
        monkeypatch.setenv(name, value)
    return tmp_path / "collection" if request.param == "disk" else locate(f"s3://bucket/{tmp_path.name}")


def names(folder: Location) -> list[str]:
    return sorted(read_by_path(Collection.open(folder)), key=lambda name: int(name[:-4]))


def numbered(*numbers: int) -> list[str]:
    return [f"{number}.jpg" for number in numbers]


def test_what_two_add_in_turns_is_all_there(place: Location) -> None:
    with Writer(place, CONFIG) as ours, Writer(place, CONFIG) as theirs:
        for turn in range(4):
            for writer, first in ((ours, 10 * turn), (theirs, 10 * turn + 5)):
                writer.add(make_rows(5, first), random_vectors(5, 8, seed=first))
    collection = Collection.open(place)
    assert names(place) == numbered(*range(40)) and collection.verify() == []
    for first, vectors in ((0, random_vectors(5, 8, seed=0)), (35, random_vectors(5, 8, seed=35))):
        found = read_by_path(collection)
        assert all(np.array_equal(found[f"{first + i}.jpg"], vectors[i]) for i in range(5))


def test_three_that_write_at_once_lose_nothing(place: Location) -> None:
    def write(number: int) -> None:
        with Writer(place, CONFIG, merged_rows=30) as writer:
            for turn in range(5):
                first = 1000 * number + 2 * turn
                writer.add(make_rows(2, first), random_vectors(2, 8, seed=first))
                if turn % 2:
                    writer.merge()

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(write, range(3)))
    expected = [1000 * number + i for number in range(3) for i in range(10)]
    assert names(place) == numbered(*expected) and Collection.open(place).verify() == []


@pytest.mark.parametrize("again", [True, False])
def test_a_state_that_another_has_written_over_is_made_once_more(tmp_path: Path, again: bool) -> None:
    """As stores let happen that look whether there is one, and write it later."""
    place = locate(f"memory://{tmp_path.name}")
    fill(place, random_vectors(4, 8), segments=1)
    with Writer(place) as ours, Writer(place) as theirs:
        ours.add(make_rows(4, 4), random_vectors(4, 8, seed=1))
        (place / name_manifest(ours.manifest.generation)).unlink()
        theirs.add(make_rows(4, 8), random_vectors(4, 8, seed=2))
        assert ours.manifest.generation == theirs.manifest.generation
        if again:
            ours.add(make_rows(4, 12), random_vectors(4, 8, seed=3))
    assert names(place) == numbered(*range(16 if again else 12)) and Collection.open(place).verify() == []


def test_a_row_is_removed_wherever_merges_have_taken_it(place: Location) -> None:
    fill(place, random_vectors(30, 8), segments=6)
    with Writer(place) as ours, Writer(place) as theirs:
        old = [name for name, _ in ours.manifest.segments]
        theirs.commit(removed={old[0]: [0]})
        theirs.merge()
        ours.commit(removed={old[0]: [0, 1], old[5]: [4]})
        ours.merge()
        ours.commit(removed={old[3]: [2]})
    assert names(place) == numbered(*(i for i in range(30) if i not in (0, 1, 17, 29)))
    assert Collection.open(place).verify() == []


def test_a_merge_takes_over_what_was_removed_meanwhile_and_gives_way_to_another_merge(place: Location) -> None:
    fill(place, random_vectors(30, 8), segments=6)
    with Writer(place) as ours, Writer(place) as theirs:
        theirs.commit(removed={theirs.manifest.segments[1][0]: [1]})
        theirs.add(make_rows(2, 30), random_vectors(2, 8, seed=1))
        ours.merge()
        assert [rows for _, rows in ours.manifest.segments] == [2, 30]
        ours.add(make_rows(2, 32), random_vectors(2, 8, seed=2))
        theirs.merge()  # of a state whose segments are gone
    assert names(place) == numbered(*(i for i in range(34) if i != 6)) and Collection.open(place).verify() == []


def test_the_later_of_two_rows_of_a_picture_replaces_the_other(place: Location) -> None:
    with Writer(place, CONFIG) as ours, Writer(place, CONFIG) as theirs:
        theirs.add(make_rows(4), random_vectors(4, 8))
        ours.add(make_rows(3, 2), last := random_vectors(3, 8, seed=1))
    assert names(place) == numbered(*range(5)) and Collection.open(place).verify() == []
    assert np.array_equal(read_by_path(Collection.open(place))["2.jpg"], last[0])


def test_an_index_is_built_while_others_write(place: Location) -> None:
    fill(place, random_vectors(60, 8))
    with Writer(place) as ours, Writer(place) as theirs:
        theirs.add(make_rows(5, 60), new := random_vectors(5, 8, seed=1))
        ours.build_index(PQ)
    collection = Collection.open(place)
    assert collection.manifest.index and collection.verify() == []
    assert collection.search(new[3], top=1)[0].path == "63.jpg"


def test_lists_of_both_are_kept(place: Location) -> None:
    with Writer(place, CONFIG) as ours, Writer(place, CONFIG) as theirs:
        theirs.commit(more_failed=[FailedFile("a.jpg", "is broken"), FailedFile("b.jpg", "is broken")])
        ours.commit(more_failed=[FailedFile("c.jpg", "is broken"), forget("a.jpg")])
        assert [file.name for file in read_failed(place, ours.manifest)] == ["b.jpg", "c.jpg"]


def test_lists_grow_by_few_parts_that_are_written_few_times(folder: Path) -> None:
    written = 0
    with Writer(folder, CONFIG) as writer:
        known: set[str] = set()
        for i in range(100):
            writer.commit(more_failed=[FailedFile(f"{i}.jpg", "is broken")])
            parts = {part.file: part.entries for part in writer.manifest.rejected}
            written += sum(parts[file] for file in parts.keys() - known)
            known |= parts.keys()
            assert len(parts) <= 8
        assert len(read_failed(folder, writer.manifest)) == 100
    assert written < 800  # whole lists would be 5050


def test_what_another_is_about_to_commit_is_not_swept_until_it_is_a_day_old(folder: Path) -> None:
    fill(folder, random_vectors(10, 8))
    young, old = (write_segment(folder, make_rows(2, 10), random_vectors(2, 8, seed=1)) for _ in range(2))
    for end in ("npy", "parquet"):
        os.utime(folder / "segments" / f"{old}.{end}", (0, 10**9))
    with Writer(folder) as writer:
        there = {path.stem for path in (folder / "segments").iterdir()}
        assert young in there and old not in there
        writer.commit(young)
    assert names(folder) == numbered(*range(12))


def test_the_last_states_are_kept_with_all_their_files(folder: Path) -> None:
    fill(folder, random_vectors(40, 8), segments=8)
    with Writer(folder) as writer:
        writer.merge()
    assert len(list_numbers(folder)) == KEPT
    newest = max(folder.glob("manifest-*.json"), key=lambda path: path.stat().st_mtime_ns)
    newest.unlink()
    before = Collection.open(folder)
    assert "is gone or damaged, and the one before it is used" in before.manifest.notes[0]
    assert len(before.manifest.segments) == 8 and names(folder) == numbered(*range(40))
    assert before.verify() == [*before.manifest.notes]
    with Writer(folder) as writer:
        assert len(writer.manifest.segments) == 8
    assert Collection.open(folder).verify() == []


def test_a_state_that_is_damaged_is_passed_over_and_nothing_is_swept(folder: Path) -> None:
    fill(folder, random_vectors(40, 8), segments=8)
    newest = folder / f"manifest-{list_numbers(folder)[0]}.json"
    whole = newest.read_bytes()
    newest.write_bytes(whole.replace(b'"rows": 40', b'"rows": 41'))
    files = {*folder.glob("segments/*")}
    with Writer(folder) as writer:
        assert writer.manifest.rows == 35
        writer.add(make_rows(1, 90), random_vectors(1, 8))
    assert names(folder) == numbered(*range(35), 90)
    assert files < {*folder.glob("segments/*")}


def test_a_collection_without_manifests_is_not_made_anew(folder: Path) -> None:
    fill(folder, random_vectors(10, 8))
    for manifest in folder.glob("manifest*"):
        manifest.unlink()
    files = sorted(folder.rglob("*"))
    with pytest.raises(ClipsimError, match="has lost its manifests"), Writer(folder, CONFIG):
        pass
    with pytest.raises(ClipsimError, match="has lost its manifests"):
        Collection.open(folder)
    assert sorted(folder.rglob("*")) == files


def test_segments_of_another_width_are_refused(folder: Path) -> None:
    fill(folder, random_vectors(10, 8))
    with Writer(folder) as writer, pytest.raises(UsageError, match="width 4: the collection's have 8"):
        writer.add(make_rows(2, 10), random_vectors(2, 4))
    assert Collection.open(folder).verify() == []


@pytest.mark.parametrize("end", ["npy", "parquet"])
def test_a_file_that_was_cut_is_noticed_at_once(place: Location, end: str) -> None:
    fill(place, random_vectors(10, 8))
    path = next(path for path in (place / "segments").iterdir() if path.name.endswith(end))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ClipsimError, match=r"bytes and not .*--repair"), Writer(place):
        pass
    path.unlink()
    with pytest.raises(ClipsimError, match=r"is gone: run index with --repair"), Writer(place):
        pass
