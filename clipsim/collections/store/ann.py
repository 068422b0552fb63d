"""Approximate indexes, by FAISS's product quantiser of four bits.

It compares all pictures (Jégou et al. 2011, doi:10.1109/TPAMI.2010.57, by the fast scan of André et al. 2015,
doi:10.14778/2856318.2856324), or those in the nearest lists of an inverted file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

import faiss
import numpy as np

from clipsim.collections.store.manifest import IVF_PQ, KINDS, PQ, IndexPart, Kind
from clipsim.collections.store.probing import choose_probes
from clipsim.collections.store.segments import GoneError, Segment
from clipsim.errors import ClipsimError
from clipsim.images import Location, storage

TRAINING = 65_536  # vectors that an index is trained on; twice as many gained nothing
PARTS = 8  # files of a large index, so that as many cores can share a query
PART_ROWS = 500_000  # vectors in each, where there are fewer: every part costs a tenth of a millisecond by itself
MIN_TRAINING = 16  # vectors that a quantiser of four bits needs
NAME = "index-{}.faiss"  # with its SHA-256
NAMED = re.compile(r"index-([0-9a-f]{64})\.faiss")
ADVICE = "build the index again, by index with --repair"
LIST_TRAINING = 39  # vectors that FAISS wants for each list


def build_index(folder: Location, segments: Sequence[tuple[str, int]], width: int, kind: Kind) -> tuple[IndexPart, ...]:
    """Write an approximate index over segments, given by id and rows; one segment's vectors are held at once.

    It has no lists where these would be no help, as `choose_probes` finds on its first part.
    """
    if not segments:
        return ()
    sample = _sample(folder, segments)
    empty = faiss.serialize_index(_train(sample, width, kind))
    count = min(PARTS, len(segments), max(2, sum(rows for _, rows in segments) // PART_ROWS))
    parts: list[IndexPart] = []
    probes = 0
    for names in np.array_split([name for name, _ in segments], count):
        index = faiss.deserialize_index(empty)
        for name in names.tolist():
            index.add(np.ascontiguousarray(Segment(folder, name).vectors))
        if kind.lists:
            if not parts:
                held = (Segment(folder, name).vectors for name in names.tolist())  # mapped one after the other
                probes = choose_probes(index, sample, held, kind.candidates)
            if not probes:
                return build_index(folder, segments, width, KINDS[PQ])
            index.nprobe = probes
        data = faiss.serialize_index(index).data
        parts.append(IndexPart(_write(folder, data), tuple(names.tolist())))
    return tuple(parts)


def _write(folder: Location, data: memoryview) -> str:
    try:
        return storage.write_by_digest(folder, NAME, lambda file: file.write(data))
    except OSError as error:
        raise ClipsimError(f"{folder} cannot be written to ({error.strerror or error}): make room there.") from error


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
        return _read(self.path)

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


def check_part(path: Location, count: int) -> str:
    """Read a file of an index, and return what is wrong with it, a sentence; "" if it covers `count` pictures."""
    try:
        covered = _read(path, anew=True).ntotal
    except ClipsimError as error:
        return str(error)
    return "" if covered == count else f"{path} covers {covered} pictures, not {count}: {ADVICE}."


def _read(path: Location, *, anew: bool = False) -> faiss.Index:
    """Read a file of an index: a `ClipsimError` if it is gone, or not as it was written."""
    try:
        copy = storage.copy_locally(path, anew=anew)
        named = NAMED.fullmatch(path.name)
        with copy.open("rb") as file:
            if named and storage.get_digest(file) != named[1]:  # FAISS itself would not notice
                raise RuntimeError("not as it was written")
        return faiss.read_index(str(copy))
    except FileNotFoundError as error:
        raise GoneError(f"{path} is gone: open the collection again, or {ADVICE}.") from error
    except (OSError, RuntimeError) as error:
        raise ClipsimError(f"{path} is damaged: {ADVICE}.") from error
