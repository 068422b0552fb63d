"""Pictures as they are named: folders, patterns, lists, addresses, objects in memory; listed, and read ahead."""

from __future__ import annotations

import glob
import os
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from clipsim.errors import ClipsimError, ImageError, UsageError
from clipsim.images import storage
from clipsim.images.reading import NO_FILE, SUFFIXES, Source, compute_digest, explain_missing
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
MAX_NAMED = 3  # missing files that an error names

ImageInput = Source | np.ndarray | tuple[Source | np.ndarray, str]
Images = Iterable[ImageInput] | Source | np.ndarray


@dataclass(frozen=True, slots=True)
class File:
    """A picture as it was listed, before it is read: what is written to it later is found in the next run.

    `times` are when its content, and when content or rights were last written: nanoseconds since 1970, 0 if unknown.
    """

    path: Location
    name: str  # how a collection names it: its path from the folder, or the entry of the list
    size: int = UNKNOWN  # bytes; `UNKNOWN` for an address in a list, whose picture is taken never to change
    times: tuple[int, int] = (0, 0)
    problem: str = ""  # why it cannot be read, if that is known already; it reads on from `name` as one sentence


@dataclass(frozen=True)
class Content:
    """What was read of a file."""

    file: File
    source: Path | bytes = b""  # what a gallery reads: its path on this machine, or its bytes
    digest: str = ""  # SHA-256 in hexadecimal digits; "" where it cannot be read
    size: int = 0  # bytes
    problem: str = ""  # as `File.problem`


def collect_images(images: Images) -> list[tuple[Source, str]] | Iterator[tuple[Source, str]]:
    """Expand what a caller names into pictures with names, which several may share.

    Args:
        images: a folder (everything below it that looks like a picture, but for what is hidden), a glob pattern, a
            file, bytes, a PIL image, a uint8 array of shape (height, width, 3), or an iterable of these and of pairs of
            one of these, which is not expanded, and its name. What leads to no picture stays among others, and is
            rejected when it is read.

    Returns:
        A picture of a folder or a pattern is named by its path from there, another file by its name, and any other
        picture by its place. An iterator is expanded as its items come, anything else at once.

    Raises:
        UsageError: one is of no such kind.
        ImageError: all are paths, and none leads to a picture.
    """
    items: Iterable[ImageInput] = [images] if isinstance(images, Source | np.ndarray) else images
    if not isinstance(items, Iterable):  # no picture either, which is told of it
        items = [images]
    if not isinstance(items, Collection):
        return _expand(items)
    collected = list(_expand(items))
    if all(isinstance(item, str | Path) for item in items):
        _check_any_exists([Path(source) for source, _ in collected if isinstance(source, str | Path)])
    return collected


def _expand(images: Iterable[ImageInput]) -> Iterator[tuple[Source, str]]:
    found = (one for item in images for one in (_expand_path(item) if isinstance(item, str | Path) else [item]))
    for place, one in enumerate(found, 1):
        match one:
            case (image, str(name)):
                yield _to_source(image, place), name
            case image:
                yield _to_source(image, place), name_image(image, place)


def name_image(image: Source | np.ndarray, place: int) -> str:
    """Return what a picture is called that has no name: that of its file, else its place, counted from 1."""
    return Path(image).name or str(image) if isinstance(image, str | Path) else f"image {place}"


def _expand_path(path: str | Path) -> list[tuple[Path, str]]:
    """Return the pictures of a folder or a glob pattern by their paths from there, and any other path by its name."""
    whole = folder = Path(path)
    found: list[Path] = []
    with suppress(OSError, ValueError):  # too long for a path, or with a zero byte in it: reading it says what is wrong
        if whole.is_dir():
            found = list(_walk(whole, skip_errors=True))
        elif not whole.exists():
            folder = Path(*takewhile(lambda part: not glob.has_magic(part), whole.parts))
            pattern = str(whole.relative_to(folder))
            matches = glob.glob(pattern, root_dir=folder, recursive=True)  # noqa: PTH207  # Path.glob finds hidden files
            found = sorted(file for match in matches if _has_suffix(file := folder / match) and file.is_file())
    return [(file, file.relative_to(folder).as_posix()) for file in found] or [(whole, name_image(path, 0))]


def _to_source(image: Source | np.ndarray, place: int) -> Source:
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise UsageError(
                f"image {place} is an array of {image.dtype} of shape {image.shape}: give uint8 of (height, width, 3)"
            )
        return Image.fromarray(image)
    if not isinstance(image, Source):
        kind = type(image).__name__
        raise UsageError(f"image {place} is of the type {kind}: give a path, bytes, a PIL image or an array")
    return image


def _check_any_exists(paths: list[Path]) -> None:
    if not paths or any(not explain_missing(path) for path in paths):
        return
    if len(paths) == 1:
        raise ImageError(str(paths[0]), explain_missing(paths[0]))
    raise ImageError(abbreviate(paths, MAX_NAMED), "are not files or folders with pictures: check the paths")


def abbreviate(names: Sequence[object], count: int = 5) -> str:
    """Return the first few names, and how many more there are."""
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(map(str, names[:count])) + more


def _walk(folder: Path, *, skip_errors: bool = False) -> Iterator[Path]:
    """Yield every picture below a folder, but for what is hidden, sorted by path.

    A folder that cannot be listed is an `OSError`; with `skip_errors` it is yielded, to be rejected when it is read.
    """
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError:
        if not skip_errors:
            raise
        yield folder
        return
    for entry in entries:
        path = Path(entry.path)
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(path, skip_errors=skip_errors)
        elif _has_suffix(path) and entry.is_file():
            yield path


def _has_suffix(path: PurePath) -> bool:
    return path.suffix.lower() in SUFFIXES


def list_files(source: Location, column: str | None = None) -> Iterator[File]:
    """Yield the pictures of a folder or a list.

    Args:
        source: a folder, of which all pictures below are taken, as by `collect_images`; or a list of paths and
            addresses, relative to the folder of the list: a text file with one a line, or a column of a Parquet file.
        column: of the Parquet file; None for the first of `COLUMNS` that it has.

    Raises:
        ClipsimError: the folder or the list cannot be read; its pictures would count as removed.
    """
    try:
        if source.name.lower().endswith(LISTS) and not (isinstance(source, Path) and source.is_dir()):
            entries = _read_column(source, column) if source.suffix.lower() == ".parquet" else _read_lines(source)
            unique = dict.fromkeys(entry.strip() for entry in entries)
            yield from (resolve_entry(source.parent, entry) for entry in unique if entry)
        elif column is not None:
            raise ClipsimError(f"{source} is no Parquet file and has no columns: leave the column {column} out.")
        elif not isinstance(source, Path):
            yield from _list_address(source)
        elif source.is_file():
            endings = ", ".join(LISTS)
            raise ClipsimError(f"{source} is a file: give a folder, or a list with one of the endings {endings}.")
        else:
            yield from (_describe(path, path.relative_to(source).as_posix()) for path in _walk(source))
    except OSError as error:
        raise ClipsimError(f"{source} cannot be listed ({error}): see that it is there and may be read.") from error


def _describe(path: Path, name: str) -> File:
    state = path.stat()
    text = name.encode("utf-8", "backslashreplace").decode()  # with escapes for bytes that are no text
    problem = "" if text == name else NOT_TEXT
    return File(path, text, state.st_size, (state.st_mtime_ns, state.st_ctime_ns), problem)


def _list_address(source: UPath) -> Iterator[File]:
    for name, size, written in sorted(storage.find_files(source)):
        path = PurePosixPath(name)
        if _has_suffix(path) and not any(part.startswith(".") for part in path.parts):
            yield File(source / name, name, size, (written, 0))


def _read_lines(source: Location) -> list[str]:
    try:
        return storage.read(source).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ClipsimError(f"{source} is not text in UTF-8: write one path or address a line.") from error


def _read_column(source: Location, column: str | None) -> Iterator[str]:
    import pyarrow.parquet

    try:
        with storage.open_file(source) as stream, pyarrow.parquet.ParquetFile(stream) as file:
            there = file.schema_arrow.names
            chosen = column or next((name for known in COLUMNS for name in there if name.lower() == known), None)
            if chosen not in there:
                missing = chosen or "that names pictures"
                raise ClipsimError(f"{source} has no column {missing}, but {', '.join(there)}: say which it is.")
            for batch in file.iter_batches(columns=[chosen]):
                yield from (str(entry) for entry in batch.column(0).to_pylist() if entry is not None)
    except pyarrow.ArrowException as error:
        raise ClipsimError(f"{source} cannot be read as Parquet ({error}): see that it is whole.") from error


def resolve_entry(folder: Location, entry: str) -> File:
    """Describe what an entry of a list names: an address, or a path from `folder`; that it is missing is a problem."""
    try:
        path = locate(entry) if "://" in entry else folder / entry
        if not isinstance(path, Path):
            return File(path, entry)
        return _describe(path, entry) if path.is_file() else File(path, entry, problem=NO_FILE)
    except ClipsimError as error:
        return File(folder, entry, problem=f"cannot be used: {error}".rstrip("."))
    except (OSError, ValueError):  # too long for a path, or with a zero byte in it
        return File(folder, entry, problem=NO_FILE)


def read_contents(files: Iterable[File]) -> Iterator[Content]:
    """Read files, in their order, several at once: what is at an address as a whole, of local ones only the digest.

    The digest is taken before a picture is decoded: if the file is written to meanwhile, the next run finds another.
    """
    waiting: deque[tuple[int, Future[Content]]] = deque()
    with ThreadPoolExecutor(AHEAD, "fetch") as pool:
        try:
            for file in files:
                cost = 0 if isinstance(file.path, Path) else TYPICAL if file.size == UNKNOWN else file.size
                while waiting and (len(waiting) >= AHEAD or cost + sum(held for held, _ in waiting) > AHEAD_BYTES):
                    yield waiting.popleft()[1].result()
                waiting.append((cost, pool.submit(_read_content, file)))
            while waiting:
                yield waiting.popleft()[1].result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _read_content(file: File) -> Content:
    try:
        if isinstance(file.path, Path):
            return Content(file, file.path, compute_digest(file.path).hex(), file.size)
        data = storage.read(file.path)
        return Content(file, data, compute_digest(data).hex(), len(data))
    except OSError as error:
        if isinstance(file.path, Path):
            return Content(file, file.path, size=file.size)  # reading it will say what is wrong
        reason = "nothing is there" if isinstance(error, FileNotFoundError) else error
        return Content(file, problem=f"cannot be fetched ({reason}): see that the address is right and may be read")
