"""What pictures there are: folders that are walked and lists that are read, here and at addresses, one by one."""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING, Literal

from clipsim.errors import ClipsimError
from clipsim.images import storage
from clipsim.images.reading import NO_FILE, SUFFIXES
from clipsim.images.storage import UNKNOWN, Location, locate
from clipsim.images.video import is_video, parse_frame

if TYPE_CHECKING:
    from upath import UPath

LISTS = (".txt", ".parquet")
# Names of a column that names pictures, in the layouts in which data sets come.
FILE_COLUMNS = ("file", "filename", "filepath", "path", "image", "imagename", "imagefile", "picture", "name")
COLUMNS = (*FILE_COLUMNS, "url", "uri", "key")  # of which a table's first that it has names the pictures
NOT_TEXT = "has a name that is not text in UTF-8: rename it"
LINK = "is a link to a folder, and links are not followed: add --follow-links, or list that folder"
_LOCAL = ("file", "local")  # schemes of addresses on this machine
CIRCLE = "is a link to a folder that it lies in: remove it"
DANGLING = "is a link that leads nowhere: mend or remove it"

_NOTHING_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL)  # the last two: no name for a file

# Why a file is not read: nothing is there, it cannot be had for the moment, or it is left out on purpose.
Trouble = Literal["", "missing", "unreachable", "skipped"]


@dataclass(frozen=True, slots=True)
class File:
    """A picture as it was listed, before it is read: what is written to it later is found in the next run.

    `times` are when its content, and when content or rights were last written: nanoseconds since 1970, 0 if unknown.
    What is in trouble may be a folder too.
    """

    path: Location | str  # an address in a list is text, of which a location is made when it is fetched
    name: str  # how a collection names it: its path from the folder, or the entry of the list
    size: int = UNKNOWN  # bytes; `UNKNOWN` for an address in a list, whose picture is taken never to change
    times: tuple[int, int] = (0, 0)
    problem: str = ""  # why it cannot be read, if that is known already; it reads on from `name` as one sentence
    trouble: Trouble = ""  # the kind of the problem
    seconds: float | None = None  # of the picture in a video, which `path` names then; None for a picture
    notes: tuple[str, ...] = ()  # what is known of the picture before it is read


def list_files(
    source: Location, column: str | None = None, *, follow_links: bool = False, videos: bool = False
) -> Iterator[File]:
    """Yield the pictures of a folder or a list; one that a list names twice comes twice.

    Args:
        source: a folder, of which all pictures below are taken, as by `collect_images`; or a list of paths and
            addresses, relative to the folder of the list: a text file with one a line, or a column of a Parquet file.
        column: of the Parquet file; None for the first of `COLUMNS` that it has.
        follow_links: whether links to folders are followed; else each is yielded with its problem.
        videos: whether a folder's videos are wanted too, each as one file.

    Raises:
        ClipsimError: the folder or the list cannot be read; its pictures would count as removed.
    """
    try:
        if is_list(source):
            entries = _read_column(source, column) if source.suffix.lower() == ".parquet" else _read_lines(source)
            yield from _resolve_all(source.parent, filter(None, map(str.strip, entries)))
        elif column is not None:
            raise ClipsimError(f"{source} is no Parquet file and has no columns: leave the column {column} out.")
        elif not isinstance(source, Path):
            yield from _list_address(source, videos)
        elif source.is_file():
            endings = ", ".join(LISTS)
            raise ClipsimError(f"{source} is a file: give a folder, or a list with one of the endings {endings}.")
        else:
            yield from walk(source, follow_links=follow_links, videos=videos)
    except OSError as error:
        raise ClipsimError(f"{source} cannot be listed ({error}): see that it is there and may be read.") from error


def is_list(source: Location) -> bool:
    """Return whether a source is a list of pictures, and not a folder."""
    return source.name.lower().endswith(LISTS) and not (isinstance(source, Path) and source.is_dir())


def has_suffix(path: PurePath | str) -> bool:
    """Return whether a path looks like that of a picture."""
    return os.path.splitext(path)[1].lower() in SUFFIXES  # noqa: PTH122  # ten times as fast as a Path's own


def walk(folder: Path, *, follow_links: bool = False, videos: bool = False) -> Iterator[File]:
    """Yield every picture below a folder, and if wanted every video, but for what is hidden, sorted by path.

    A folder below that cannot be listed, a link to one that is not followed and a link that leads nowhere are yielded
    with their problem. That the folder itself cannot be listed is an `OSError`.
    """
    yield from _walk(folder, "", follow_links, _is_seen if videos else has_suffix, ())


def _is_seen(name: str) -> bool:
    return has_suffix(name) or is_video(name)


_Identity = tuple[int, int]  # of a folder on this machine: its device and its number there


def _walk(
    folder: Path, prefix: str, follow_links: bool, wanted: Callable[[str], bool], above: tuple[_Identity, ...]
) -> Iterator[File]:
    with os.scandir(folder) as listing:
        entries = sorted(listing, key=lambda entry: entry.name)
    if follow_links:
        state = folder.stat()
        above = (*above, (state.st_dev, state.st_ino))
    for entry in entries:
        if entry.name.startswith("."):
            continue
        name = prefix + entry.name
        try:
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(folder / entry.name, f"{name}/", follow_links, wanted, above)
            elif entry.is_symlink() and not (wanted(name) and entry.is_file()):
                yield from _walk_link(folder / entry.name, name, follow_links, wanted, above)
            elif wanted(name) and entry.is_file():
                yield _describe(folder / entry.name, name, entry.stat())
        except OSError as error:
            what = "cannot be listed" if entry.is_dir(follow_symlinks=False) else "cannot be read"
            yield _explain(folder / entry.name, name, f"{what} ({error.strerror or error}): see that it may be read")


def _walk_link(
    link: Path, name: str, follow_links: bool, wanted: Callable[[str], bool], above: tuple[_Identity, ...]
) -> Iterator[File]:
    """Yield what a link that is no picture leads to."""
    try:
        state = link.stat()
    except FileNotFoundError:
        yield _explain(link, name, DANGLING)
        return
    if not stat.S_ISDIR(state.st_mode):
        return
    if not follow_links:
        yield _explain(link, name, LINK, "skipped")
    elif (state.st_dev, state.st_ino) in above:
        yield _explain(link, name, CIRCLE, "skipped")
    else:
        yield from _walk(link, f"{name}/", follow_links, wanted, above)


def _describe(path: Path, name: str, state: os.stat_result) -> File:
    if (text := _to_text(name)) != name:
        return _explain(path, text, NOT_TEXT, "skipped", state)
    return File(path, name, state.st_size, (state.st_mtime_ns, state.st_ctime_ns))


def _explain(
    path: Location, name: str, problem: str, trouble: Trouble = "unreachable", state: os.stat_result | None = None
) -> File:
    size, times = (state.st_size, (state.st_mtime_ns, state.st_ctime_ns)) if state else (UNKNOWN, (0, 0))
    return File(path, _to_text(name), size, times, problem, trouble)


def _to_text(name: str) -> str:
    """Return a name with escapes for bytes that are no text."""
    return name.encode("utf-8", "backslashreplace").decode()


def _list_address(source: UPath, videos: bool) -> Iterator[File]:
    wanted = _is_seen if videos else has_suffix
    for name, size, written in sorted(storage.find_files(source)):
        path = PurePosixPath(name)
        if wanted(name) and not any(part.startswith(".") for part in path.parts):
            yield File(source / name, name, size, (written, 0))


def _read_lines(source: Location) -> Iterator[str]:
    try:
        with storage.open_file(source) as stream:
            yield from io.TextIOWrapper(stream, "utf-8-sig")
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


def _resolve_all(folder: Location, entries: Iterable[str]) -> Iterator[File]:
    """Describe what the entries of a list name; of addresses, of which there may be millions, the first of a kind."""
    problems: dict[str, str] = {}
    for entry in entries:
        scheme, there, _ = entry.partition("://")
        if not there or scheme in _LOCAL:
            yield resolve_entry(folder, entry)
            continue
        if scheme not in problems:
            problems[scheme] = resolve_entry(folder, entry).problem
        video, seconds = parse_frame(entry) or (entry, None)
        yield _explain(folder, entry, problems[scheme]) if problems[scheme] else File(video, entry, seconds=seconds)


def resolve_entry(folder: Location, entry: str) -> File:
    """Describe what an entry of a list names: an address, or a path from `folder`; that it is missing is a problem.

    A picture of a video is `clip.mp4@12.4s`.
    """
    try:
        if (frame := parse_frame(entry)) and ("://" in entry or not (folder / entry).exists()):
            return replace(resolve_entry(folder, frame[0]), name=entry, seconds=frame[1])
        path = locate(entry) if "://" in entry else folder / entry
        if not isinstance(path, Path):
            return File(path, entry)
        state = path.stat()
        if stat.S_ISREG(state.st_mode):
            return _describe(path, entry, state)
    except ClipsimError as error:
        return _explain(folder, entry, f"cannot be used: {error}".rstrip("."))
    except OSError as error:
        if error.errno not in _NOTHING_THERE:
            reason = f"cannot be read ({error.strerror or error}): see that it may be read"
            return _explain(folder / entry, entry, reason)
    except ValueError:  # with a zero byte in it
        pass
    return _explain(folder, entry, NO_FILE, "missing")
