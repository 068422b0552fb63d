"""The one that writes: alone, without disturbing readers, merging as it should."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.collections import fill, make_rows, random_vectors, read_by_path

from clipsim import Collection, Encoder, index_folder
from clipsim.collections.store import PQ, EmbeddingConfig, Writer
from clipsim.errors import UsageError


def test_a_reader_goes_on_while_the_collection_is_written_to(source: Path, folder: Path, clip: Encoder) -> None:
    index_folder(source, folder, clip)
    before = Collection.open(folder)
    (source / "00.png").unlink()
    index_folder(source, folder, clip)
    assert len(before.search("a cat", clip, top=50)) == 12
    assert len(Collection.open(folder).search("a cat", clip, top=50)) == 11


def test_rows_and_vectors_keep_one_order_through_merging(folder: Path) -> None:
    vectors = random_vectors(100, 16)
    before = read_by_path(fill(folder, vectors, segments=9))
    with Writer(folder) as writer:
        writer.commit(removed={writer.manifest.segments[4][0]: [0, 2]})
        writer.merge()
        assert len(writer.manifest.segments) == 1
    after = read_by_path(Collection.open(folder))
    assert len(after) == 98 and all(np.array_equal(after[path], before[path]) for path in after)


def test_segments_are_merged_up_to_a_size_and_large_ones_are_left(folder: Path) -> None:
    before = read_by_path(fill(folder, random_vectors(100, 16), segments=10))
    with Writer(folder, merged_rows=40) as writer:
        writer.merge()
        large = writer.manifest.segments
        writer.add(make_rows(5, 100), random_vectors(5, 16, seed=1))
        writer.merge()
    assert [rows for _, rows in large] == [40, 40, 20]
    assert writer.manifest.segments[:3] == large
    after = read_by_path(Collection.open(folder))
    assert len(after) == 105 and all(np.array_equal(after[path], before[path]) for path in before)


def test_an_index_is_built_again_once_it_lacks_many_pictures(folder: Path) -> None:
    fill(folder, random_vectors(300, 16), index=PQ)
    with Writer(folder) as writer:
        first = writer.manifest.index
        writer.add(make_rows(10, 300), random_vectors(10, 16, seed=1))
        writer.update_index(PQ)
        assert writer.manifest.index == first
        writer.add(make_rows(40, 310), random_vectors(40, 16, seed=2))
        writer.update_index(PQ)
        assert writer.manifest.index != first
        writer.update_index()  # a few pictures need none
        assert writer.manifest.index == ()


def test_a_folder_with_other_files_is_refused(folder: Path) -> None:
    folder.mkdir()
    (folder / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="holds other files"), Writer(folder, EmbeddingConfig("m", "", 4)):
        pass
    assert (folder / "letter.txt").exists()
