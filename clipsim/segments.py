"""A part of a collection on disk: the vectors of some pictures in a FAISS index, their rows in Parquet.

Both files are written under a temporary name and renamed once they are on the disk, vectors first: where there are
rows, there are vectors. Nothing is changed after that. Rows carry the digest of the vectors' file, and Parquet keeps
checksums of its own pages, so that damage is found.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clipsim.errors import ClipsimError

if TYPE_CHECKING:
    import faiss
    import pyarrow as pa
    import pyarrow.parquet as pq

FOLDER = "segments"
GROUP = 256  # rows that Parquet keeps together: what must be read, thumbnails included, to show one of them
OFF_UNIT = 1e-3  # by how much a vector's length may differ from 1
_DIGEST = b"clipsim.vectors.sha256"


def schema() -> pa.Schema:
    """The columns of a collection's rows.

    path: POSIX, from the source's root, or any other key. size: bytes. mtime_ns: when the file was last written, in
    nanoseconds since 1970. digest: SHA-256 of its content in hexadecimal digits. width, height: pixels. notes and seen:
    as `clipsim.Score`. thumbnail: a JPEG of what the model saw.
    """
    import pyarrow as pa

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


def write_segment(folder: str | Path, table: pa.Table, vectors: np.ndarray) -> str:
    """Write pictures as a segment of the collection in `folder`; any process may, at the same time as others.

    It is part of the collection once a `Writer` commits it; a segment that nobody commits is removed by the next one.

    Args:
        folder: of the collection; made if it is missing.
        table: n rows with the columns of `schema()`.
        vectors: unit-length, shape (n, width).

    Returns:
        The segment's id.

    Raises:
        ClipsimError: rows and vectors do not fit together, or cannot be written.
    """
    import pyarrow as pa

    vectors = np.ascontiguousarray(vectors, np.float32)
    if vectors.ndim != 2 or len(vectors) != len(table) or not len(vectors):
        raise ClipsimError(f"{len(table)} rows and vectors of shape {vectors.shape} make no segment: give as many.")
    if not _unit(vectors):
        raise ClipsimError("The vectors of a segment must be finite and of unit length: divide each by its length.")
    try:
        rows = table.select(schema().names).cast(schema())
        return _written(Path(folder) / FOLDER, rows, vectors)
    except (pa.ArrowException, KeyError) as error:
        raise ClipsimError(f"These rows make no segment ({error}): see `clipsim.segments.schema`.") from error
    except OSError as error:
        raise ClipsimError(f"{folder} cannot be written to ({error.strerror or error}): make room there.") from error


def _written(folder: Path, rows: pa.Table, vectors: np.ndarray) -> str:
    import faiss
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    name = uuid.uuid4().hex
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    data = faiss.serialize_index(index).data
    settle(folder / f"{name}.faiss", data)
    partial = folder / f"{name}.parquet.partial"
    pq.write_table(
        rows.replace_schema_metadata({_DIGEST: hashlib.sha256(data).hexdigest().encode()}),
        partial,
        row_group_size=GROUP,
        compression={name: "none" if name == "thumbnail" else "zstd" for name in rows.column_names},
        use_dictionary=False,
        write_page_checksum=True,
    )
    settle(folder / f"{name}.parquet", partial)
    synced(folder)
    return name


def settle(path: Path, content: bytes | memoryview | Path) -> None:
    """Give the file its content, or that of a file beside it, at once: after a crash there is all of it or none."""
    partial = content if isinstance(content, Path) else path.with_name(f"{path.name}.partial")
    with partial.open("r+b" if isinstance(content, Path) else "wb") as file:
        if not isinstance(content, Path):
            file.write(content)
            file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def synced(folder: Path) -> None:
    """Have the folder's names on the disk, where the system can be asked for that."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unit(vectors: np.ndarray) -> bool:
    """Whether all are finite and of unit length; what is not a number is neither."""
    lengths = np.linalg.norm(vectors, axis=1)
    return bool((np.abs(lengths - 1) < OFF_UNIT).all())


class Segment:
    """A segment that is read; files are opened at first use."""

    def __init__(self, folder: str | Path, name: str) -> None:
        self.name = name
        self.vectors_path = Path(folder) / FOLDER / f"{name}.faiss"
        self.rows_path = Path(folder) / FOLDER / f"{name}.parquet"

    @cached_property
    def index(self) -> faiss.IndexFlat:
        """The vectors, mapped into memory."""
        import faiss

        with _readable(self.vectors_path):
            return faiss.read_index(str(self.vectors_path), faiss.IO_FLAG_MMAP_IFC)

    @cached_property
    def vectors(self) -> np.ndarray:
        """The vectors, float32 of shape (n, width), mapped into memory. They do not start at a multiple of four bytes:
        NumPy copies what it calculates with."""
        rows, width = self.index.ntotal, self.index.d
        before = self.vectors_path.stat().st_size - 4 * rows * width  # FAISS writes them last
        mapped = np.memmap(self.vectors_path, np.float32, "r", before, (rows, width))
        return mapped.view(np.ndarray)  # which is quicker to take rows from

    @cached_property
    def file(self) -> pq.ParquetFile:
        """The rows."""
        import pyarrow.parquet as pq

        with _readable(self.rows_path):
            return pq.ParquetFile(self.rows_path, memory_map=True, page_checksum_verification=True)

    def __len__(self) -> int:
        return int(self.file.metadata.num_rows)

    def table(self, columns: list[str] | None = None) -> pa.Table:
        """All rows."""
        with _readable(self.rows_path):
            return self.file.read(columns)

    def row(self, place: int, columns: list[str]) -> dict[str, Any]:
        """One row, of which only the neighbours are read."""
        with _readable(self.rows_path):
            group = self.file.read_row_group(place // GROUP, columns, use_threads=False)
        found: dict[str, Any] = group.slice(place % GROUP, 1).to_pylist()[0]
        return found

    def problems(self, width: int, rows: int) -> Iterator[str]:
        """What is wrong with it, a sentence each; all of it is read.

        Args:
            width, rows: that it should have.
        """
        try:
            table = self.table()
            shape = (self.index.ntotal, self.index.d)
            with _readable(self.vectors_path):
                data = self.vectors_path.read_bytes()
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


class _readable:  # noqa: N801  # reads as a context
    """What a library raises about a file becomes one sentence."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        import pyarrow as pa

        if isinstance(error, FileNotFoundError) or (error and not self.path.exists()):
            raise ClipsimError(
                f"{self.path.name} is gone: the collection was written to since it was opened (open it again), or it "
                "is damaged (see verify)."
            ) from error
        if isinstance(error, OSError | RuntimeError | pa.ArrowException):
            raise ClipsimError(f"{self.path.name} is damaged and cannot be read: see verify.") from error
