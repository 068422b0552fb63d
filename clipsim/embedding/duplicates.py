"""Near duplicates: pictures that a chain of high cosines, or of nearly equal perceptual hashes, joins."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import numpy as np
import scipy  # its parts load when they are used
from PIL import Image

NEAR = 0.97  # cosine from which pictures count as near duplicates
BLOCK = 4_096  # vectors on each side of the products in which near duplicates are found
SIDE = 16  # of the square of frequencies of which a hash has a bit each
HASH_BITS = SIDE * SIDE
# Bits in which the hashes of copies may differ: of resized and re-encoded ones at most 40 do, of 844,350 pairs of other
# pictures 78 at least, as `python -m benchmarks.quality.duplicates` finds.
MOST_BITS = 64
FLAT = 8  # levels of 255 between which a picture is too flat to have a hash of its own


def hash_picture(data: bytes) -> np.ndarray:
    """Return the perceptual hash of a picture, int8 of shape (256,): +1 or -1, or zeros if it is flat or missing.

    It is pHash as the package ImageHash has it: which of the lowest frequencies of the grey picture, 64 x 64, by a
    cosine transform, are above their median (Zauner 2010, "Implementation and benchmarking of perceptual image hash
    functions").
    """
    if not data:
        return np.zeros(HASH_BITS, np.int8)
    with Image.open(BytesIO(data)) as picture:
        picture.draft("L", (4 * SIDE, 4 * SIDE))  # a JPEG is decoded at the nearest of its own sizes, in half the time
        small = picture.convert("L").resize((4 * SIDE, 4 * SIDE), Image.Resampling.LANCZOS)
    grey = np.asarray(small, np.float32)
    if np.ptp(grey) < FLAT:
        return np.zeros(HASH_BITS, np.int8)
    lowest = scipy.fft.dctn(grey)[:SIDE, :SIDE].ravel()
    return np.where(lowest > np.median(lowest), 1, -1).astype(np.int8)


def group_duplicates(
    count: int,
    read_vectors: Callable[[slice], np.ndarray],
    threshold: float,
    block: int = BLOCK,
    hashes: np.ndarray | None = None,
) -> list[np.ndarray]:
    """Group vectors that a chain of cosines of `threshold` or more joins; every pair is compared, a block at a time.

    `read_vectors` returns those of a range of the `count` vectors: unit length, shape (n, width). `hashes`, as of
    `hash_picture`, shape (count, 256), join too where they differ in few bits. The groups are those of two and more,
    each as rising positions.
    """
    groups: np.ndarray = np.arange(count)
    blocks = [slice(start, min(start + block, count)) for start in range(0, count, block)]
    for i, rows in enumerate(blocks):
        ours = read_vectors(rows)
        for columns in blocks[i:]:
            theirs = ours if columns == rows else read_vectors(columns)
            near = ours @ theirs.T >= threshold
            if hashes is not None:
                near |= (
                    hashes[rows].astype(np.float32) @ hashes[columns].astype(np.float32).T >= HASH_BITS - 2 * MOST_BITS
                )
            left, right = np.nonzero(near)
            pairs = np.unique(np.stack([groups[left + rows.start], groups[right + columns.start]]), axis=1)
            graph = scipy.sparse.coo_array((np.ones(pairs.shape[1], bool), (pairs[0], pairs[1])), shape=(count, count))
            groups = scipy.sparse.csgraph.connected_components(graph, directed=False)[1][groups]
    return group_equal(groups)


def group_equal(labels: np.ndarray) -> list[np.ndarray]:
    """Return the rising positions of each label that stands more than once."""
    order = np.argsort(labels, kind="stable")
    kept = labels[order]
    found = np.split(order, np.flatnonzero(kept[1:] != kept[:-1]) + 1)
    return [group for group in found if len(group) > 1]
