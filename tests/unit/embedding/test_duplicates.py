"""Near duplicates: joined by chains, across blocks."""

from __future__ import annotations

import numpy as np
import pytest

from clipsim.embedding.duplicates import group_duplicates


@pytest.mark.parametrize("block", [1, 7, 40, 4_096])
def test_duplicates_are_joined_by_chains_across_blocks(block: int) -> None:
    angles = np.deg2rad([0, 90, 10, 180, 20, 91])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    groups = group_duplicates(6, lambda rows: vectors[rows], np.cos(np.deg2rad(11)), block)
    assert [group.tolist() for group in groups] == [[0, 2, 4], [1, 5]]
