"""A part of a collection on disk: the vectors of some pictures in a NumPy file, their rows in Parquet.

Vectors are written first: where there are rows, there are vectors. Nothing is changed after that. Rows carry the digest
of the vectors' file, and Parquet keeps checksums of its own pages, so that damage is found.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clipsim.errors import ClipsimError, UsageError
from clipsim.images import Location, locate, storage

FOLDER = "segments"
# Rows that Parquet keeps together, which must be read, thumbnails included, to show one of them. Of 65,536 rows in
# groups of 64 an open file takes 8 MB of memory and 9 ms to open; of 256 a quarter of both.
GROUP = 256
FEW_READS = 256  # rows of a segment that are read one by one; to read all of `LIGHT`, 70 bytes a picture, takes as long
LIGHT = ["path", "size", "mtime_ns", "width", "height", "notes", "seen"]
DIGEST = 64  # hexadecimal digits of a SHA-256: ids have as many since format 3, before they were UUIDs of 32
TOLERANCE = 1e-3  # by how much a vector's length may differ from 1
_DIGEST = b"clipsim.vectors.sha256"  # in the rows' file, as are the others
_WIDTH = b"clipsim.vectors.width"
_ABOUT = b"clipsim.embedding"
_GROUPS = b"clipsim.groups.sha256"  # `digest_group` of each group of rows, one after the other
_MARK = b"clipsim.run"
_SERIAL = b"clipsim.serial"  # so that no two segments are the same file, whatever is in them
# header of a FAISS `IndexFlatIP`, in which format 1 kept vectors; they follow it
_FLAT = np.dtype([("kind", "S4"), ("width", "<i4"), ("rows", "<i8"), ("others", "V29")])
_COLUMNS = {
    "path": pa.string(),  # POSIX, from the source's root, or any other key
    "size": pa.int64(),  # bytes
    "mtime_ns": pa.int64(),  # when the file was last written, nanoseconds since 1970
    "digest": pa.string(),  # SHA-256 of its content in hexadecimal digits
    "width": pa.int32(),  # pixels
    "height": pa.int32(),
    "notes": pa.list_(pa.string()),  # as `clipsim.Score`
    "seen": pa.float64(),
    "thumbnail": pa.binary(),  # a JPEG of what the model saw
}
SCHEMA = pa.schema([pa.field(name, kind, nullable=False) for name, kind in _COLUMNS.items()])


def write_segment(folder: str | Location, table: pa.Table, vectors: np.ndarray, about: str = "", mark: str = "") -> str:
    """Write pictures as a segment of the collection in `folder`, and return its id; several processes may at once.

    It is part of the collection once a `Writer` commits it; what nobody commits is removed after a day, or by the next
    run on this machine if the one with the mark is over. The id is the SHA-256 of the rows' file, in which that of
    the vectors' file is written.

    Args:
        folder: of the collection, here or at an address; made if it is missing.
        table: n rows with the columns of `SCHEMA`.
        vectors: unit-length, shape (n, width).
        about: how they were made, as `EmbeddingConfig.to_json` says it, for a collection that lost its manifests.
        mark: of the run that is to commit it, as `clipsim.collections.store.runs.get_mark` gives it there.

    Raises:
        UsageError: rows and vectors do not fit together.
        ClipsimError: they cannot be written.
    """
    vectors = np.ascontiguousarray(vectors, np.float32)
    if vectors.ndim != 2 or len(vectors) != len(table) or not len(vectors):
        raise UsageError(f"{len(table)} rows and vectors of shape {vectors.shape} make no segment: give as many.")
    if not _are_unit(vectors):
        raise UsageError("The vectors of a segment must be finite and of unit length: divide each by its length.")
    header = BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(vectors))
    digest = hashlib.sha256(header.getvalue())
    digest.update(vectors.data)
    facts = {_DIGEST: digest.hexdigest(), _WIDTH: str(vectors.shape[1]), _ABOUT: about, _SERIAL: uuid.uuid4().hex}
    facts[_MARK] = mark
    inside = locate(folder) / FOLDER
    try:
        rows = table.select(SCHEMA.names).cast(SCHEMA)
        groups = (digest_group(rows.slice(i, GROUP), vectors[i : i + GROUP]) for i in range(0, len(rows), GROUP))
        rows = rows.replace_schema_metadata(facts | {_GROUPS: "".join(groups)})
        name = storage.write_by_digest(inside, "{}.parquet", partial(_write_rows, rows)).removesuffix(".parquet")
        with storage.open_for_writing(inside / f"{name}.npy") as file:
            file.write(header.getvalue())
            file.write(vectors.data)
        return name
    except (pa.ArrowException, KeyError) as error:
        raise UsageError(f"These rows make no segment ({error}): give them the columns of SCHEMA.") from error
    except OSError as error:
        raise ClipsimError(f"{folder} cannot be written to ({error.strerror or error}): make room there.") from error


def digest_group(rows: pa.Table, vectors: np.ndarray) -> str:
    """Return the start of the SHA-256 of rows and vectors, 32 hexadecimal digits: equal only if all of them are."""
    digest = hashlib.sha256(np.ascontiguousarray(vectors).data)
    *others, thumbnails = (column.to_pylist() for column in rows.select(SCHEMA.names).columns)
    digest.update(json.dumps([others, [len(thumbnail) for thumbnail in thumbnails]]).encode())
    for thumbnail in thumbnails:
        digest.update(thumbnail)
    return digest.hexdigest()[:32]


def _write_rows(rows: pa.Table, file: IO[bytes]) -> None:
    pq.write_table(
        rows,
        file,
        row_group_size=GROUP,
        compression={name: "none" if name == "thumbnail" else "zstd" for name in SCHEMA.names},
        use_dictionary=False,
        write_page_checksum=True,
    )


def _are_unit(vectors: np.ndarray) -> bool:
    """Whether all are finite and of unit length; what is not a number is neither."""
    with np.errstate(over="ignore"):
        return bool((np.abs(np.linalg.norm(vectors, axis=1) - 1) < TOLERANCE).all())


class GoneError(ClipsimError):
    """A file that a collection had when it was opened is no longer there."""


class Segment:
    """A segment that is read; its files are opened at first use.

    At an address the vectors are copied to this machine, and of the rows only what is needed is read.
    """

    def __init__(self, folder: Location, name: str, width: int | None = None) -> None:
        """Take the collection's folder, the segment's id, and the width that its vectors must have, if one is known."""
        self.name = name
        self._width = width
        self._reads = 0
        self._folder = folder / FOLDER
        self._rows_path = self._folder / f"{name}.parquet"

    @cached_property
    def _vectors_path(self) -> Location:
        """The file of the vectors: NumPy's, or FAISS's flat index where format 1 wrote it."""
        new, old = (self._folder / f"{self.name}.{end}" for end in ("npy", "faiss"))
        if len(self.name) == DIGEST:
            return new
        copies = storage.find_local_folder(self._folder)  # comes first: at an address every question costs a request
        if (copies / new.name).exists():
            return new
        with _explain_errors(old):
            return old if (copies / old.name).exists() or storage.exists(old) else new

    @cached_property
    def vectors(self) -> np.ndarray:
        """The vectors, float32 of shape (n, width), mapped into memory."""
        with _explain_errors(self._vectors_path):
            path = storage.copy_locally(self._vectors_path)
            mapped: np.ndarray = _map_flat_index(path) if path.suffix == ".faiss" else np.load(path, mmap_mode="r")
            if mapped.ndim != 2 or self._width not in (None, mapped.shape[1]):
                raise ValueError(f"shape {mapped.shape}")
        return mapped.view(np.ndarray)  # which is quicker to take rows from

    @cached_property
    def width(self) -> int:
        """The length of its vectors."""
        return int(self._facts[_WIDTH] if _WIDTH in self._facts else self.vectors.shape[1])

    @property
    def about(self) -> str:
        """How it was made, as `write_segment` was told; "" where it was not."""
        return self._facts.get(_ABOUT, b"").decode()

    @property
    def groups(self) -> list[str]:
        """The `digest_group` of each group of rows; none where an earlier version wrote it."""
        joined = self._facts.get(_GROUPS, b"").decode()
        return [joined[i : i + 32] for i in range(0, len(joined), 32)]

    def read_group(self, number: int) -> pa.Table:
        """Return a group of rows."""
        with _explain_errors(self._rows_path):
            return self._file.read_row_group(number).replace_schema_metadata()

    @property
    def mark(self) -> str:
        """The mark of the run that was to commit it, as `write_segment` was told; "" where it was not."""
        return self._facts.get(_MARK, b"").decode()

    @property
    def _facts(self) -> Mapping[bytes, bytes]:
        return self._file.schema_arrow.metadata or {}

    @property
    def files(self) -> tuple[Location, Location]:
        """The files of rows and vectors."""
        return self._rows_path, self._vectors_path

    @cached_property
    def _file(self) -> pq.ParquetFile:
        with _explain_errors(self._rows_path):
            if isinstance(self._rows_path, Path):
                return pq.ParquetFile(self._rows_path, memory_map=True, page_checksum_verification=True)
            return pq.ParquetFile(storage.open_file(self._rows_path), pre_buffer=True, page_checksum_verification=True)

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self._file.metadata.num_rows)

    def read_table(self, columns: list[str] | None = None) -> pa.Table:
        """Return all rows."""
        with _explain_errors(self._rows_path):
            return self._file.read(columns).replace_schema_metadata()

    def read_places(self, places: np.ndarray) -> pa.Table:
        """Return rows, with thumbnails, in the order of `places`; only their neighbours are read."""
        with _explain_errors(self._rows_path):
            size = self._file.metadata.row_group(0).num_rows  # of all groups but the last
            groups, which = np.unique(places // size, return_inverse=True)
            table = self._file.read_row_groups(groups.tolist(), SCHEMA.names).replace_schema_metadata()
        return table.take(pa.array(which * size + places % size))

    @cached_property
    def _light_rows(self) -> pa.Table:
        return self.read_table(LIGHT).combine_chunks()

    def read_row(self, place: int, *, thumbnail: bool) -> dict[str, Any]:
        """Return one row, as `LIGHT` says; only its neighbours are read, after some calls all that is light is kept."""
        self._reads += 1
        keep = self._reads > FEW_READS
        row: dict[str, Any] = self._light_rows.slice(place, 1).to_pylist()[0] if keep else {}
        if columns := [*([] if keep else LIGHT), *(["thumbnail"] if thumbnail else [])]:
            with _explain_errors(self._rows_path):
                size = self._file.metadata.row_group(0).num_rows  # of all groups but the last
                group = self._file.read_row_group(place // size, columns, use_threads=False)
            row |= group.slice(place % size, 1).to_pylist()[0]
        return row

    def find_problems(self, width: int, rows: int) -> Iterator[str]:
        """Read all of it, and yield what is wrong, a sentence each; the manifest says `rows` vectors of `width`."""
        try:
            path = self._vectors_path
            table = self.read_table()
            with _explain_errors(path), storage.copy_locally(path, anew=True).open("rb") as file:
                digest = storage.get_digest(file)
            with _explain_errors(self._rows_path), storage.open_file(self._rows_path) as file:
                rows_digest = storage.get_digest(file)
            shape = self.vectors.shape
        except ClipsimError as error:
            yield str(error)
            return
        if len(self.name) == DIGEST and self.name != rows_digest:  # earlier versions gave other names
            yield f"{self._rows_path.name} is not as it was written."
        if digest.encode() != self._facts.get(_DIGEST):
            yield f"{path.name} is not as it was written."
        if shape != (rows, width) or len(table) != rows:
            found = f"{len(table)} rows and vectors of shape {shape}"
            yield f"{self.name} has {found}, and the manifest says {rows} of width {width}."
        elif not _are_unit(self.vectors):
            yield f"{path.name} has vectors that are not finite or not of unit length."


def read_rows(folder: Location, places: Mapping[str, Sequence[int] | np.ndarray]) -> tuple[pa.Table, np.ndarray]:
    """Return rows and vectors of several segments together: those at the places that are given by the segment's id."""
    tables, vectors = [SCHEMA.empty_table()], []
    for name, rows in places.items():
        segment = Segment(folder, name)  # one after the other: what is mapped of a file counts as memory
        tables.append(segment.read_places(np.asarray(rows, np.int64)))
        vectors.append(segment.vectors[rows])
    return pa.concat_tables(tables), np.concatenate(vectors)


def _map_flat_index(path: Path) -> np.ndarray:
    """Map the vectors of a FAISS flat index into memory.

    They do not start at a multiple of four bytes: NumPy calculates with a copy of what it is given.
    """
    width, rows = (int(np.fromfile(path, _FLAT, 1)[name].item()) for name in ("width", "rows"))
    if path.stat().st_size != _FLAT.itemsize + 4 * rows * width:
        raise ValueError(f"{rows} vectors of width {width} would take another size")
    return np.memmap(path, np.float32, "r", _FLAT.itemsize, (rows, width))


@contextmanager
def _explain_errors(path: Location) -> Iterator[None]:
    """Turn what a library raises about a file into one sentence."""
    try:
        yield
    except (OSError, RuntimeError, ValueError, EOFError, pa.ArrowException) as error:
        if isinstance(error, FileNotFoundError) or (isinstance(path, Path) and not path.exists()):
            cause = "others wrote to the collection (open it again), or it is damaged (run index with --repair)"
            raise GoneError(f"{path.name} is gone: {cause}.") from error
        if isinstance(path, Path):
            raise ClipsimError(f"{path.name} is damaged and cannot be read: run index with --repair.") from error
        advice = "see that it can be reached, or that it is sound by verify"
        raise ClipsimError(f"{path} cannot be read ({error}): {advice}.") from error
