"""Near duplicates: joined by chains, across blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.collections import fill, random_vectors

from clipsim.collections.duplicates import group_duplicates


def test_near_duplicates_are_grouped(folder: Path) -> None:
    vectors = random_vectors(40, 64)
    vectors[[3, 20, 39]] = vectors[3]
    vectors[30] = vectors[11]
    assert fill(folder, vectors).duplicates() == [["3.jpg", "20.jpg", "39.jpg"], ["11.jpg", "30.jpg"]]


@pytest.mark.parametrize("block", [1, 7, 40, 4_096])
def test_duplicates_are_joined_by_chains_across_blocks(block: int) -> None:
    angles = np.deg2rad([0, 90, 10, 180, 20, 91])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    groups = group_duplicates(6, lambda rows: vectors[rows], np.cos(np.deg2rad(11)), block)
    assert [group.tolist() for group in groups] == [[0, 2, 4], [1, 5]]
