"""What is sound of a segment that is damaged: groups of rows that are, with their vectors, as they were written."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pyarrow as pa

from clipsim.collections.store.segments import GROUP, SCHEMA, Segment, digest_group
from clipsim.errors import ClipsimError
from clipsim.images import Location, storage

Sound = tuple[np.ndarray, pa.Table, np.ndarray]  # places in the segment, and the rows and vectors there


def salvage(folder: Location, name: str, width: int) -> Sound:
    """Return the places, rows and vectors of a damaged segment that are as they were written; maybe none.

    What earlier versions wrote tells no groups: of that nothing is sound.
    """
    segment = Segment(folder, name)
    places, tables, vectors = [], [SCHEMA.empty_table()], [np.zeros((0, width), np.float32)]
    try:
        digests, count = segment.groups, len(segment)
        data = _read_vectors(segment.files[1], count, width)
    except ClipsimError:
        digests, data = [], vectors[0]
    for number, digest in enumerate(digests):
        start = number * GROUP
        part = data[start : start + GROUP]
        try:
            rows = segment.read_group(number)
            sound = len(rows) == len(part) and digest_group(rows, part) == digest
        except (ClipsimError, ValueError, KeyError, TypeError):  # such as what is no text
            continue
        if sound:
            places.append(np.arange(start, start + len(part)))
            tables.append(rows)
            vectors.append(part)
    return np.concatenate([np.zeros(0, np.int64), *places]), pa.concat_tables(tables), np.concatenate(vectors)


def _read_vectors(path: Location, count: int, width: int) -> np.ndarray:
    """Return what is there of a file of vectors, whatever its header says: shape (n, width), n at most `count`."""
    header = BytesIO()
    shape = {"descr": "<f4", "fortran_order": False, "shape": (count, width)}
    np.lib.format.write_array_header_1_0(header, shape)
    try:
        data = storage.read(path)[len(header.getvalue()) :]
    except OSError:
        data = b""
    whole = min(len(data) // (4 * width), count)
    return np.frombuffer(data, np.float32, whole * width).reshape(whole, width)
