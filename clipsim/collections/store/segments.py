"""A part of a collection on disk: the vectors of some pictures in a NumPy file, their rows in Parquet.

Vectors are written first: where there are rows, there are vectors. Nothing is changed after that. Rows carry the digest
of the vectors' file, and Parquet keeps checksums of its own pages, so that damage is found.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clipsim.errors import ClipsimError
from clipsim.images import storage
from clipsim.images.storage import Location, locate

FOLDER = "segments"
GROUP = 256  # rows that Parquet keeps together: what must be read, thumbnails included, to show one of them
OFTEN = 8  # rows of a segment that are read one by one; then all of `LIGHT` is, 70 bytes a picture
LIGHT = ["path", "size", "mtime_ns", "width", "height", "notes", "seen"]
OFF_UNIT = 1e-3  # by how much a vector's length may differ from 1
_DIGEST = b"clipsim.vectors.sha256"
# the header of a FAISS `IndexFlatIP`, which format 1 kept vectors in; they follow it
_FLAT = np.dtype([("kind", "S4"), ("width", "<i4"), ("rows", "<i8"), ("others", "V29")])


def schema() -> pa.Schema:
    """The columns of a collection's rows.

    path: POSIX, from the source's root, or any other key. size: bytes. mtime_ns: when the file was last written, in
    nanoseconds since 1970. digest: SHA-256 of its content in hexadecimal digits. width, height: pixels. notes and seen:
    as `clipsim.Score`. thumbnail: a JPEG of what the model saw.
    """
    columns = {
        "path": pa.string(),
        "size": pa.int64(),
        "mtime_ns": pa.int64(),
        "digest": pa.string(),
        "width": pa.int32(),
        "height": pa.int32(),
        "notes": pa.list_(pa.string()),
        "seen": pa.float64(),
        "thumbnail": pa.binary(),
    }
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in columns.items()])


def write_segment(folder: str | Location, table: pa.Table, vectors: np.ndarray) -> str:
    """Write pictures as a segment of the collection in `folder`; any process may, at the same time as others.

    It is part of the collection once a `Writer` commits it; a segment that nobody commits is removed by the next one.

    Args:
        folder: of the collection, here or at an address; made if it is missing.
        table: n rows with the columns of `schema()`.
        vectors: unit-length, shape (n, width).

    Returns:
        The segment's id.

    Raises:
        ClipsimError: rows and vectors do not fit together, or cannot be written.
    """
    vectors = np.ascontiguousarray(vectors, np.float32)
    if vectors.ndim != 2 or len(vectors) != len(table) or not len(vectors):
        raise ClipsimError(f"{len(table)} rows and vectors of shape {vectors.shape} make no segment: give as many.")
    if not _unit(vectors):
        raise ClipsimError("The vectors of a segment must be finite and of unit length: divide each by its length.")
    try:
        rows = table.select(schema().names).cast(schema())
        return _written(locate(folder) / FOLDER, rows, vectors)
    except (pa.ArrowException, KeyError) as error:
        raise ClipsimError(f"These rows make no segment ({error}): see `segments.schema`.") from error
    except OSError as error:
        raise ClipsimError(f"{folder} cannot be written to ({error.strerror or error}): make room there.") from error


def _written(folder: Location, rows: pa.Table, vectors: np.ndarray) -> str:
    storage.make_folder(folder)
    name = uuid.uuid4().hex
    content = BytesIO()
    np.save(content, vectors, allow_pickle=False)
    data = content.getbuffer()
    storage.write(folder / f"{name}.npy", data)
    with storage.open_for_writing(folder / f"{name}.parquet") as file:
        pq.write_table(
            rows.replace_schema_metadata({_DIGEST: hashlib.sha256(data).hexdigest().encode()}),
            file,
            row_group_size=GROUP,
            compression={name: "none" if name == "thumbnail" else "zstd" for name in rows.column_names},
            use_dictionary=False,
            write_page_checksum=True,
        )
    storage.sync(folder)
    return name


def _unit(vectors: np.ndarray) -> bool:
    """Whether all are finite and of unit length; what is not a number is neither."""
    lengths = np.linalg.norm(vectors, axis=1)
    return bool((np.abs(lengths - 1) < OFF_UNIT).all())


class Segment:
    """A segment that is read; files are opened at first use. Of one at an address the vectors are copied to this
    machine, and of the rows only what is asked for is read."""

    def __init__(self, folder: str | Location, name: str) -> None:
        self.name = name
        self._asked = 0
        self._folder = locate(folder) / FOLDER
        self.rows_path = self._folder / f"{name}.parquet"

    @cached_property
    def vectors_path(self) -> Location:
        """The file of the vectors: NumPy's, or FAISS's flat index where format 1 wrote it."""
        new, old = (self._folder / f"{self.name}.{end}" for end in ("npy", "faiss"))
        copies = storage.find_local_folder(self._folder)  # looked into first: at an address every look costs a request
        if (copies / new.name).exists():
            return new
        with _readable(old):
            return old if (copies / old.name).exists() or storage.exists(old) else new

    @cached_property
    def vectors(self) -> np.ndarray:
        """The vectors, float32 of shape (n, width), mapped into memory."""
        with _readable(self.vectors_path):
            path = storage.copy_locally(self.vectors_path)
            mapped: np.ndarray = _flat(path) if path.suffix == ".faiss" else np.load(path, mmap_mode="r")
        return mapped.view(np.ndarray)  # which is quicker to take rows from

    @cached_property
    def file(self) -> pq.ParquetFile:
        """The rows."""
        with _readable(self.rows_path):
            if isinstance(self.rows_path, Path):
                return pq.ParquetFile(self.rows_path, memory_map=True, page_checksum_verification=True)
            return pq.ParquetFile(storage.open_file(self.rows_path), pre_buffer=True, page_checksum_verification=True)

    def __len__(self) -> int:
        return int(self.file.metadata.num_rows)

    def table(self, columns: list[str] | None = None) -> pa.Table:
        """All rows."""
        with _readable(self.rows_path):
            return self.file.read(columns)

    @cached_property
    def _light(self) -> dict[str, pa.Array]:
        table = self.table(LIGHT).combine_chunks()
        return {name: table[name].chunk(0) for name in LIGHT}

    def row(self, place: int, columns: list[str]) -> dict[str, Any]:
        """One row. Only its neighbours are read, unless rows are often asked for: then all that is light is kept."""
        self._asked += 1
        found: dict[str, Any] = {}
        if self._asked > OFTEN:
            light = [name for name in columns if name in LIGHT]
            found = {name: self._light[name][place].as_py() for name in light}
            columns = [name for name in columns if name not in LIGHT]
        if columns:
            with _readable(self.rows_path):
                group = self.file.read_row_group(place // GROUP, columns, use_threads=False)
            found |= group.slice(place % GROUP, 1).to_pylist()[0]
        return found

    def problems(self, width: int, rows: int) -> Iterator[str]:
        """What is wrong with it, a sentence each; all of it is read.

        Args:
            width, rows: that it should have.
        """
        try:
            table = self.table()
            with _readable(self.vectors_path):
                data = storage.copy_locally(self.vectors_path, anew=True).read_bytes()
            shape = self.vectors.shape
        except ClipsimError as error:
            yield str(error)
            return
        if hashlib.sha256(data).hexdigest().encode() != (self.file.schema_arrow.metadata or {}).get(_DIGEST):
            yield f"{self.vectors_path.name} is not as it was written."
        if shape != (rows, width) or len(table) != rows:
            yield (
                f"{self.name} has {len(table)} rows and vectors of shape {shape}, "
                f"and the manifest says {rows} of width {width}."
            )
        elif not _unit(self.vectors):
            yield f"{self.vectors_path.name} has vectors that are not finite or not of unit length."


def _flat(path: Path) -> np.ndarray:
    """Map the vectors of a FAISS flat index. They do not start at a multiple of four bytes: NumPy calculates with a
    copy of what it is given."""
    width, rows = (int(np.fromfile(path, _FLAT, 1)[name].item()) for name in ("width", "rows"))
    if path.stat().st_size != _FLAT.itemsize + 4 * rows * width:
        raise ValueError(f"{rows} vectors of width {width} would take another size")
    return np.memmap(path, np.float32, "r", _FLAT.itemsize, (rows, width))


class _readable:  # noqa: N801  # reads as a context
    """What a library raises about a file becomes one sentence."""

    def __init__(self, path: Location) -> None:
        self.path = path

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if not isinstance(error, OSError | RuntimeError | ValueError | EOFError | pa.ArrowException):
            return
        if isinstance(error, FileNotFoundError) or (storage.is_local(self.path) and not self.path.exists()):
            raise ClipsimError(
                f"{self.path.name} is gone: the collection was written to since it was opened (open it again), or it "
                "is damaged (see verify)."
            ) from error
        if storage.is_local(self.path):
            raise ClipsimError(f"{self.path.name} is damaged and cannot be read: see verify.") from error
        raise ClipsimError(
            f"{self.path} cannot be read ({error}): see that it can be reached, or that it is sound by verify."
        ) from error
