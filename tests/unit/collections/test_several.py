"""Several collections searched at once: one ranking, as of one collection of all their pictures."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.collections import fill, random_vectors

from clipsim import Collection, Encoder, UsageError, index_folder
from clipsim.collections import Hit


def without_places(hits: list[Hit]) -> list[Hit]:
    return [replace(hit, path=hit.path.rpartition("/")[2], collection="") for hit in hits]


@pytest.fixture
def parted(source: Path, tmp_path: Path, stand_in: Encoder) -> tuple[Collection, Collection, Collection]:
    """One collection of all pictures, and two of which each has a part of them."""
    (source / "other").mkdir()
    for name in ("03.png", "04.png", "05.png"):
        shutil.move(source / name, source / "other" / name)
    index_folder(source, tmp_path / "all", stand_in)
    index_folder(source / "other", tmp_path / "one", stand_in)
    shutil.rmtree(source / "other")
    index_folder(source, tmp_path / "two", stand_in)
    return Collection.open(tmp_path / "all"), Collection.open(tmp_path / "one"), Collection.open(tmp_path / "two")


@pytest.mark.parametrize("caption", ["a dog in the snow", "a dog, no people"])
def test_there_is_one_ranking_with_the_figures_of_one_collection(
    parted: tuple[Collection, Collection, Collection], stand_in: Encoder, caption: str
) -> None:
    whole, one, two = parted
    expected = without_places(whole.search(caption, stand_in, top=100))
    hits = one.search(caption, stand_in, top=100, also=[two])
    assert without_places(hits) == expected and len(hits) == 12
    assert {hit.collection for hit in hits if hit.path in ("03.png", "04.png", "05.png")} == {str(one.folder)}
    best = without_places(whole.search(caption, stand_in, top=2))
    assert without_places(one.search(caption, stand_in, top=2, also=[two])) == best
    among = [hit.percentile for hit in one.search(caption, stand_in, top=2, also=[two], path="*0?.png")]
    # a product of another number of rows is summed in another order, and a percentile is a double
    expected_among = [hit.percentile for hit in whole.search(caption, stand_in, top=2, path="*0?.png")]
    assert among == pytest.approx(expected_among, rel=1e-12)


def test_more_like_a_picture_of_one_is_found_in_all(parted: tuple[Collection, Collection, Collection]) -> None:
    whole, one, two = parted
    hits = one.similar("03.png", 5, also=[two])
    assert without_places(hits) == without_places(whole.similar("other/03.png", 5))
    assert {hit.collection for hit in hits} == {str(one.folder), str(two.folder)}


def test_a_copy_in_another_collection_is_not_left_out(folder: Path, tmp_path: Path) -> None:
    one, two = fill(folder, random_vectors(10, 8)), fill(tmp_path / "two", random_vectors(10, 8), index="pq")
    hits = one.similar("3.jpg", 1, also=[two])
    assert (hits[0].path, hits[0].collection) == ("3.jpg", str(two.folder))


def test_collections_that_cannot_be_compared_are_named(folder: Path, tmp_path: Path) -> None:
    one, two = fill(folder, random_vectors(3, 8)), fill(tmp_path / "two", random_vectors(3, 4))
    with pytest.raises(UsageError, match=r"two cannot be ranked together.*made with width 8 and 4: search each"):
        one.search(np.ones(8), also=[two])
