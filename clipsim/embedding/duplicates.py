"""Near duplicates: pictures that a chain of high cosines joins."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy  # its parts load when they are used

NEAR = 0.97  # cosine from which pictures count as near duplicates
BLOCK = 4_096  # vectors on each side of the products in which near duplicates are found


def group_duplicates(
    count: int, read_vectors: Callable[[slice], np.ndarray], threshold: float, block: int = BLOCK
) -> list[np.ndarray]:
    """Group vectors that a chain of cosines of `threshold` or more joins; every pair is compared, a block at a time.

    `read_vectors` returns those of a range of the `count` vectors: unit length, shape (n, width). The groups are those
    of two and more, each as rising positions.
    """
    groups: np.ndarray = np.arange(count)
    blocks = [slice(start, min(start + block, count)) for start in range(0, count, block)]
    for i, rows in enumerate(blocks):
        ours = read_vectors(rows)
        for columns in blocks[i:]:
            theirs = ours if columns == rows else read_vectors(columns)
            left, right = np.nonzero(ours @ theirs.T >= threshold)
            pairs = np.unique(np.stack([groups[left + rows.start], groups[right + columns.start]]), axis=1)
            graph = scipy.sparse.coo_array((np.ones(pairs.shape[1], bool), (pairs[0], pairs[1])), shape=(count, count))
            groups = scipy.sparse.csgraph.connected_components(graph, directed=False)[1][groups]
    order = np.argsort(groups, kind="stable")
    found = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    return [group for group in found if len(group) > 1]
