"""Files on this machine, or at any address that fsspec knows: s3://, gs://, az://, hf://, https://, memory://.

A local file is written beside its name, flushed to the disk and renamed; at an address it is put as a whole, as object
stores do. What a library maps into memory is copied to this machine first: only files that never change may be.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import huggingface_hub

from clipsim.errors import ClipsimError

if TYPE_CHECKING:
    from upath import UPath

Location: TypeAlias = "Path | UPath"
_OPTIONS: dict[str, dict[str, Any]] = {"hf": {"expand_info": True}}  # when files were written is told no other way
_WRITTEN = ("mtime", "LastModified", "last_modified", "updated", "created")  # as the packages call it
UNKNOWN = -1  # bytes of what tells no size


def locate(address: str | Location) -> Location:
    """Return a `Path` on this machine, else a `UPath`, which is used like one.

    Credentials are those that the address's own package finds, such as AWS_PROFILE for s3://. An address that nothing
    installed reads is a `ClipsimError`.
    """
    if not isinstance(address, str):
        return address
    scheme, there, rest = address.partition("://")
    if not there:
        return Path(address)
    if scheme in ("file", "local"):
        return Path(rest)
    from upath import UPath

    try:
        location: UPath = UPath(address, **_OPTIONS.get(scheme, {}))
        location.fs.invalidate_cache()  # what was listed before may have been written to
    except ImportError as error:
        raise ClipsimError(f"Addresses with {scheme}:// need another package ({error}): install it.") from error
    except Exception as error:  # each kind of address raises its own
        raise ClipsimError(f"{address} is no address that can be used ({error}): see how it is written.") from error
    return location


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Turn what an address's package raises into an `OSError`, as for a local file."""
    try:
        yield
    except (OSError, ClipsimError):
        raise
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {error}") from error


@_translate_errors()
def exists(location: Location) -> bool:
    """Return whether there is such a file or folder."""
    if not isinstance(location, Path):
        location.fs.invalidate_cache(location.fs._parent(location.path))
    return bool(location.exists())


@_translate_errors()
def get_size(location: Location) -> int:
    """Return the bytes that a file has."""
    return int(location.stat().st_size)


@_translate_errors()
def read(location: Location) -> bytes:
    """Read all of a file."""
    return bytes(location.read_bytes() if isinstance(location, Path) else location.fs.cat_file(location.path))


@_translate_errors()
def open_file(location: Location) -> Any:
    """Open a file of which parts are read."""
    if not isinstance(location, Path) and location.protocol == "memory":
        return BytesIO(location.read_bytes())  # fsspec gives the same file to all threads that open it
    return location.open("rb")


@_translate_errors()
def get_time(location: Location) -> int:
    """Return when a file was written, in nanoseconds since 1970; 0 if that is not known."""
    if isinstance(location, Path):
        return location.stat().st_mtime_ns
    return _read_facts(location.fs.info(location.path))[1]


@_translate_errors()
def list_names(folder: Location) -> list[str]:
    """Return the names in a folder as it is now, sorted; none if there is no such folder."""
    try:
        if isinstance(folder, Path):
            return sorted(path.name for path in folder.iterdir())
        folder.fs.invalidate_cache(folder.path)
        found: list[str] = folder.fs.ls(folder.path, detail=False, refresh=True)  # other threads may list it as well
        paths = {path.rstrip("/") for path in found} - {folder.path.rstrip("/")}
        return sorted(path.rpartition("/")[2] for path in paths)
    except (FileNotFoundError, NotADirectoryError):
        return []


@_translate_errors()
def list_sizes(folder: Location) -> dict[str, int]:
    """Return the bytes of all files below a folder as they are now, by path from there; `UNKNOWN` where untold."""
    if isinstance(folder, Path):
        found = {}
        for path in folder.rglob("*"):
            with suppress(FileNotFoundError):  # it may be removed meanwhile
                found[path.relative_to(folder).as_posix()] = path.stat().st_size
        return found
    folder.fs.invalidate_cache()
    return {path: size for path, size, _ in find_files(folder)}


@_translate_errors()
def find_files(folder: UPath) -> list[tuple[str, int, int]]:
    """Return all files below a folder at an address: path from there, bytes, and when it was written.

    The bytes may be `UNKNOWN`; the time is in nanoseconds since 1970, 0 if it is not known.
    """
    root, found = f"{folder.path.rstrip('/')}/", folder.fs.find(folder.path, detail=True)
    return [(path.removeprefix(root), *_read_facts(facts)) for path, facts in found.items()]


def _read_facts(told: dict[str, Any]) -> tuple[int, int]:
    commit = told.get("last_commit")  # on the Hub, where each version is one
    written = commit.date if commit else next((told[key] for key in _WRITTEN if told.get(key)), 0)
    if isinstance(written, str):
        written = datetime.fromisoformat(written)
    seconds = written.timestamp() if isinstance(written, datetime) else float(written)
    size = told.get("size")
    return UNKNOWN if size is None else int(size), int(seconds * 1e6) * 1000


@_translate_errors()
def remove(location: Location) -> None:
    """Remove a file, if it is there."""
    with suppress(FileNotFoundError):
        location.unlink() if isinstance(location, Path) else location.fs.rm_file(location.path)


@contextmanager
def open_for_writing(location: Location) -> Iterator[IO[bytes]]:
    """Open a file, in a folder that is made if need be; it appears when this ends, after a crash all of it or none."""
    with _open_beside(location) as file:
        yield file
        _publish(file, location)


def write_by_digest(folder: Location, name: str, write: Callable[[IO[bytes]], object]) -> str:
    """Write a file as `open_for_writing` does, and return its name: `name` with the SHA-256 of its content for "{}".

    `write` is given the open file.
    """
    with _open_beside(folder / "new") as file:
        write(file)
        name = name.format(get_digest(file))
        _publish(file, folder / name)
    return name


def get_digest(file: IO[bytes]) -> str:
    """Return the SHA-256 of an open file's content, in hexadecimal digits."""
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


@contextmanager
def _open_beside(location: Location) -> Iterator[IO[bytes]]:
    """Open a file that is to become the one at a location; what is left of it in the end is removed."""
    if not isinstance(location, Path):
        yield BytesIO()
        return
    location.parent.mkdir(parents=True, exist_ok=True)
    partial = location.with_name(f"{location.name}.{uuid.uuid4().hex}.partial")
    try:
        with partial.open("w+b") as file:
            yield file
    finally:
        partial.unlink(missing_ok=True)


def _publish(file: IO[bytes], location: Location, *, only_new: bool = False) -> None:
    """Give a file of `_open_beside` the name of a location: that of another one too, unless `only_new`."""
    if not isinstance(location, Path):
        file.seek(0)
        mode = {"mode": "create"} if only_new else {}
        with _translate_errors():
            location.fs.pipe_file(location.path, file.read(), **mode)
        return
    file.flush()
    os.fsync(file.fileno())
    partial = Path(file.name)
    if only_new:
        _link(partial, location)
    else:
        if os.name == "nt":  # which renames no file that is open
            file.close()
        partial.replace(location)
    if os.name != "nt":  # which cannot flush a folder's names to the disk
        handle = os.open(location.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _link(partial: Path, location: Path) -> None:
    """Give a file a second name, which must be new; a disk that has no second names gets a second file."""
    try:
        location.hardlink_to(partial)
    except FileExistsError:
        raise
    except OSError:  # such as that of a memory card: a process that is killed here leaves a part
        with location.open("xb") as copy:
            copy.write(partial.read_bytes())
            copy.flush()
            os.fsync(copy.fileno())


def write(location: Location, content: bytes | memoryview) -> None:
    """Write a file as `open_for_writing` does."""
    with open_for_writing(location) as file:
        file.write(content)


def create(location: Location, content: bytes) -> None:
    """Write a file as `write` does, of which there must be none: of several that try at once one does.

    Raises:
        FileExistsError: there is one.
    """
    with _open_beside(location) as file:
        file.write(content)
        _publish(file, location, only_new=True)


def find_local_folder(folder: Location) -> Path:
    """Return where this machine keeps what belongs to a folder at an address; a local folder itself."""
    if isinstance(folder, Path):
        return folder
    digest = hashlib.sha256(str(folder).rstrip("/").encode()).hexdigest()
    return Path(huggingface_hub.cached_assets_path("clipsim", "collections", digest[:32]))


def copy_locally(location: Location, *, anew: bool = False) -> Path:
    """Return a file that never changes on this machine: itself, or a copy that is kept for the next time."""
    if isinstance(location, Path):
        return location
    copy = find_local_folder(location.parent) / location.name
    if anew or not copy.exists():
        partial = copy.with_name(f"{copy.name}.{uuid.uuid4().hex}.partial")
        try:
            with _translate_errors():
                location.fs.get_file(location.path, str(partial))
            partial.replace(copy)
        finally:
            partial.unlink(missing_ok=True)
    return copy


def forget_copies(folder: Location, kept: set[str]) -> None:
    """Remove the copies of a folder's vectors and indexes at an address, but for those of these names."""
    if not isinstance(folder, Path):
        for copy in find_local_folder(folder).iterdir():
            if copy.suffix in (".npy", ".faiss") and copy.name not in kept:
                copy.unlink(missing_ok=True)
