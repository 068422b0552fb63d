"""Near duplicates of a collection."""

from __future__ import annotations

from pathlib import Path

from support.collections import fill, random_vectors


def test_near_duplicates_are_grouped(folder: Path) -> None:
    vectors = random_vectors(40, 64)
    vectors[[3, 20, 39]] = vectors[3]
    vectors[30] = vectors[11]
    assert fill(folder, vectors).duplicates() == [["3.jpg", "20.jpg", "39.jpg"], ["11.jpg", "30.jpg"]]
