"""What there is to index: pictures below a folder or named in a list, here or at addresses; found, and read ahead."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clipsim.errors import ClipsimError
from clipsim.images import storage
from clipsim.images.reading import SUFFIXES, digest
from clipsim.images.storage import UNKNOWN, Location, locate

if TYPE_CHECKING:
    from upath import UPath

LISTS = (".txt", ".parquet")
# Names of a column that names pictures, in the layouts in which data sets come.
FILE_COLUMNS = ("file", "filename", "filepath", "path", "image", "imagename", "imagefile", "picture", "name")
COLUMNS = (*FILE_COLUMNS, "url", "uri", "key")  # of which a table's first that it has names the pictures
AHEAD = 16  # pictures that are fetched at once: what is far away is waited for together
AHEAD_BYTES = 64_000_000  # of them
TYPICAL = 1_000_000  # bytes that a picture of unknown size counts
NOT_TEXT = "has a name that is not text in UTF-8: rename it"
NO_FILE = "is not a file: check the path"


@dataclass(frozen=True, slots=True)
class File:
    """A picture as it was listed, before it is read: what is written to it later is found the next time.

    Attributes:
        path: where it is.
        name: by which a collection knows it: its path from the folder, or what the list says.
        size: bytes; `UNKNOWN` of an address in a list, which is taken to keep its picture.
        times: when its content, and when its content or rights were last written, nanoseconds since 1970; 0 where
            that is not told.
        problem: why it cannot be read, where that is seen already; `name` and this read on as one sentence.
    """

    path: Location
    name: str
    size: int = UNKNOWN
    times: tuple[int, int] = (0, 0)
    problem: str = ""


@dataclass(frozen=True)
class Content:
    """What was read of a file.

    Attributes:
        file: which.
        source: what a gallery reads: its path on this machine, or its bytes.
        digest: SHA-256 in hexadecimal digits; "" where it cannot be read.
        size: bytes.
        problem: as `File.problem`.
    """

    file: File
    source: Path | bytes = b""
    digest: str = ""
    size: int = 0
    problem: str = ""


def list_files(source: Location, column: str | None = None) -> Iterator[File]:
    """The pictures of a folder or a list.

    Args:
        source: a folder, of which everything below is taken that `python -m clipsim score` would take, hidden files and
            folders left out; or a list of paths and addresses, which count from where it lies: a text file with one a
            line, or a column of a Parquet file.
        column: of the Parquet file; None for the first of `COLUMNS` that it has.

    Raises:
        ClipsimError: the folder or the list cannot be read; its pictures would count as removed.
    """
    try:
        if source.name.lower().endswith(LISTS) and not (isinstance(source, Path) and source.is_dir()):
            yield from _in_list(source, column)
            return
        if column is not None:
            raise ClipsimError(f"{source} is no Parquet file and has no columns: leave the column {column} out.")
        if isinstance(source, Path) and source.is_file():
            raise ClipsimError(
                f"{source} is a file: give a folder, or a list with one of the endings {', '.join(LISTS)}."
            )
        yield from _below(source) if isinstance(source, Path) else _below_address(source)
    except OSError as error:
        raise ClipsimError(f"{source} cannot be listed ({error}): see that it is there and may be read.") from error


def _below(source: Path) -> Iterator[File]:
    def fail(error: OSError) -> None:
        raise ClipsimError(
            f"{error.filename} cannot be listed ({error.strerror}): see that it is there and may be read."
        )

    for root, folders, names in os.walk(source, onerror=fail):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for path in (Path(root, name) for name in sorted(names) if not name.startswith(".")):
            if path.suffix.lower() in SUFFIXES and path.is_file():
                yield _local(path, path.relative_to(source).as_posix())


def _local(path: Path, name: str) -> File:
    """A file on this machine."""
    state = path.stat()
    text = name.encode("utf-8", "backslashreplace").decode()  # with escapes for bytes that are no text
    problem = "" if text == name else NOT_TEXT
    return File(path, text, state.st_size, (state.st_mtime_ns, state.st_ctime_ns), problem)


def _below_address(source: UPath) -> Iterator[File]:
    for name, size, written in sorted(storage.below(source)):
        hidden = any(part.startswith(".") for part in name.split("/"))
        if not hidden and name.lower().endswith(tuple(SUFFIXES)):
            yield File(source / name, name, size, (written, 0))


def _in_list(source: Location, column: str | None) -> Iterator[File]:
    entries = _column(source, column) if source.name.lower().endswith(".parquet") else _lines(source)
    for entry in dict.fromkeys(entry.strip() for entry in entries):
        if entry:
            yield _entry(source.parent, entry)


def _lines(source: Location) -> list[str]:
    try:
        return storage.read(source).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ClipsimError(f"{source} is not text in UTF-8: write one path or address a line.") from error


def _column(source: Location, column: str | None) -> Iterator[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with storage.opened(source) as stream, pq.ParquetFile(stream) as file:
            there = file.schema_arrow.names
            chosen = column or next((name for known in COLUMNS for name in there if name.lower() == known), None)
            if chosen not in there:
                missing = chosen or "that names pictures"
                raise ClipsimError(f"{source} has no column {missing}, but {', '.join(there)}: say which it is.")
            for batch in file.iter_batches(columns=[chosen]):
                yield from (str(entry) for entry in batch.column(0).to_pylist() if entry is not None)
    except pa.ArrowException as error:
        raise ClipsimError(f"{source} cannot be read as Parquet ({error}): see that it is whole.") from error


def _entry(folder: Location, entry: str) -> File:
    """What a list names."""
    try:
        path = locate(entry) if "://" in entry else folder / entry
        if not isinstance(path, Path):
            return File(path, entry)
        return _local(path, entry) if path.is_file() else File(path, entry, problem=NO_FILE)
    except ClipsimError as error:
        return File(folder, entry, problem=f"cannot be used: {error}".rstrip("."))
    except (OSError, ValueError):  # too long for a path, or with a zero byte in it
        return File(folder, entry, problem=NO_FILE)


def contents(files: Iterable[File]) -> Iterator[Content]:
    """Read files, in their order, several at once: what is at an address as a whole, of local ones only the digest.

    That is taken before a picture is decoded: of one that is written to meanwhile it is that of before, and the next
    run finds another.
    """
    waiting: deque[tuple[int, Future[Content]]] = deque()
    held = 0
    with ThreadPoolExecutor(AHEAD, "fetch") as pool:
        try:
            for file in files:
                cost = 0 if storage.here(file.path) else TYPICAL if file.size == UNKNOWN else file.size
                while waiting and (len(waiting) >= AHEAD or held + cost > AHEAD_BYTES):
                    done, future = waiting.popleft()
                    held -= done
                    yield future.result()
                waiting.append((cost, pool.submit(_content, file)))
                held += cost
            while waiting:
                yield waiting.popleft()[1].result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _content(file: File) -> Content:
    try:
        if isinstance(file.path, Path):
            return Content(file, file.path, digest(file.path).hex(), file.size)
        data = storage.read(file.path)
        return Content(file, data, digest(data).hex(), len(data))
    except OSError as error:
        if isinstance(file.path, Path):
            return Content(file, file.path, size=file.size)  # reading it will say what is wrong
        reason = "nothing is there" if isinstance(error, FileNotFoundError) else error
        return Content(file, problem=f"cannot be fetched ({reason}): see that the address is right and may be read")
