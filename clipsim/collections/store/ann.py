"""Approximate indexes, by FAISS's product quantiser of four bits.

It compares all pictures (Jégou et al. 2011, doi:10.1109/TPAMI.2010.57, by the fast scan of André et al. 2015,
doi:10.14778/2856318.2856324), or those in the nearest lists of an inverted file.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from functools import cached_property

import faiss
import numpy as np

from clipsim.collections.store.manifest import IVF_PQ, KINDS, PQ, IndexPart, Kind
from clipsim.collections.store.segments import Segment
from clipsim.errors import ClipsimError
from clipsim.images import Location, storage

TRAINING = 65_536  # vectors that an index is trained on; twice as many gained nothing
PARTS = 8  # files of a large index, so that as many cores can share a query
PART_ROWS = 500_000  # vectors in each, where there are fewer: every part costs a tenth of a millisecond by itself
MIN_TRAINING = 16  # vectors that a quantiser of four bits needs
LIST_TRAINING = 39  # vectors that FAISS wants for each list


def build_index(folder: Location, segments: Sequence[tuple[str, int]], width: int, kind: Kind) -> tuple[IndexPart, ...]:
    """Write an approximate index over segments, given by id and rows; one segment's vectors are held at once."""
    if not segments:
        return ()
    empty = faiss.serialize_index(_train(_sample(folder, segments), width, kind))
    count = min(PARTS, len(segments), max(2, sum(rows for _, rows in segments) // PART_ROWS))
    parts = []
    for names in np.array_split([name for name, _ in segments], count):
        index = faiss.deserialize_index(empty)
        for name in names.tolist():
            index.add(np.ascontiguousarray(Segment(folder, name).vectors))
        file = f"index-{uuid.uuid4().hex}.faiss"
        storage.write(folder / file, faiss.serialize_index(index).data)
        parts.append(IndexPart(file, tuple(names.tolist())))
    return tuple(parts)


def _sample(folder: Location, segments: Sequence[tuple[str, int]]) -> np.ndarray:
    """Draw up to `TRAINING` vectors, of each segment its share, repeated where they are too few to train on."""
    total = sum(rows for _, rows in segments)
    random = np.random.default_rng(0)
    drawn = []
    for name, rows in segments:
        places = random.choice(rows, min(rows, -(-TRAINING * rows // total)), replace=False)
        drawn.append(Segment(folder, name).vectors[np.sort(places)])
    sample = np.concatenate(drawn)
    return np.resize(sample, (max(MIN_TRAINING, len(sample)), sample.shape[1]))


def _train(sample: np.ndarray, width: int, kind: Kind) -> faiss.Index:
    """Return an index that is trained on vectors of shape (n, width) and holds none."""
    codes = width // 2 if width % 2 == 0 else width
    metric = faiss.METRIC_INNER_PRODUCT
    if kind.lists:
        lists = min(kind.lists, len(sample) // LIST_TRAINING or 1)
        index = faiss.IndexIVFPQFastScan(faiss.IndexFlatIP(width), width, lists, codes, 4, metric)
        index.nprobe = kind.probes
    else:
        index = faiss.IndexPQFastScan(width, codes, 4, metric)
    index.train(sample)
    return index


class ApproximateIndex:
    """A file of an approximate index, read at first use."""

    def __init__(self, path: Location, places: np.ndarray) -> None:
        """Take the file, and the place in the collection of each of its vectors."""
        self.path, self.places = path, places

    @cached_property
    def _index(self) -> faiss.Index:
        try:
            return faiss.read_index(str(storage.copy_locally(self.path)))
        except (OSError, RuntimeError) as error:
            raise ClipsimError(f"{self.path} is gone or damaged: build the index again.") from error

    @property
    def kind(self) -> Kind:
        """What kind of index it is."""
        return KINDS[IVF_PQ if isinstance(self._index, faiss.IndexIVF) else PQ]

    def search(self, target: np.ndarray, allowed: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return estimated scores and the places of the `count` nearest vectors, less those not allowed.

        `target` and `allowed` are those of `Searcher.find_candidates`; `count` is that of the whole collection and not
        a part's share, since pictures of one kind may lie in one part.
        """
        faiss.omp_set_num_threads(1)  # of this thread alone; other threads and torch keep theirs
        scores, numbers = self._index.search(target, min(count, len(self.places)))
        found = numbers[0] >= 0
        places = self.places[numbers[0][found]]
        kept = allowed[places]
        return scores[0][found][kept], places[kept]

    def check(self) -> None:
        """Raise a `ClipsimError` unless the file can be read and covers what it should."""
        if self._index.ntotal != len(self.places):
            covered = f"covers {self._index.ntotal} pictures, not {len(self.places)}"
            raise ClipsimError(f"{self.path} {covered}: build it again.")
