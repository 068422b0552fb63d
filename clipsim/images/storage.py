"""Files on this machine, or at any address that fsspec knows: s3://, gs://, az://, hf://, https://, memory://.

A local file is written beside its name, flushed to the disk and renamed; at an address it is put as a whole, as object
stores do. What a library maps into memory is copied to this machine first: only files that never change may be.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from clipsim.errors import ClipsimError

if TYPE_CHECKING:
    from upath import UPath

Location: TypeAlias = "Path | UPath"
_OPTIONS: dict[str, dict[str, Any]] = {"hf": {"expand_info": True}}  # when files were written is told no other way
_WRITTEN = ("mtime", "LastModified", "last_modified", "updated", "created")  # as the packages call it
UNKNOWN = -1  # bytes of what tells no size


def locate(address: str | Location) -> Location:
    """Where that is: a `Path` on this machine, else a `UPath`, which is used like one.

    Credentials are those that the address's own package finds, such as AWS_PROFILE for s3://.

    Raises:
        ClipsimError: nothing that is installed reads such addresses.
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


def here(location: Location) -> bool:
    """Whether that is on this machine's own disks."""
    return isinstance(location, Path)


@contextmanager
def _reached() -> Iterator[None]:
    """What an address's package raises becomes an `OSError`, as for a local file."""
    try:
        yield
    except (OSError, ClipsimError):
        raise
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {error}") from error


def exists(location: Location) -> bool:
    """Whether there is such a file or folder."""
    with _reached():
        return bool(location.exists())


def size(location: Location) -> int:
    """Bytes of a file."""
    with _reached():
        return int(location.stat().st_size)


def read(location: Location) -> bytes:
    """All of a file."""
    with _reached():
        content: bytes = location.read_bytes() if isinstance(location, Path) else location.fs.cat_file(location.path)
        return content


def opened(location: Location) -> Any:
    """A file to read parts of."""
    with _reached():
        return location.open("rb")


def names(folder: Location) -> list[str]:
    """What is in a folder; nothing where there is no such folder."""
    with _reached():
        try:
            return sorted(path.name for path in folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []


def below(folder: UPath) -> Iterator[tuple[str, int, int]]:
    """All files below a folder at an address: path from there, bytes or `UNKNOWN`, and when it was written,
    nanoseconds since 1970 (0 if unknown)."""
    with _reached():
        told = folder.fs.find(folder.path, detail=True)
    for path, facts in told.items():
        yield path.removeprefix(f"{folder.path.rstrip('/')}/"), *_size_and_time(facts)


def _size_and_time(told: dict[str, Any]) -> tuple[int, int]:
    commit = told.get("last_commit")  # on the Hub, where each version is one
    written = commit.date if commit else next((told[key] for key in _WRITTEN if told.get(key)), 0)
    if isinstance(written, str):
        written = datetime.fromisoformat(written)
    seconds = written.timestamp() if isinstance(written, datetime) else float(written)
    size = told.get("size")
    return UNKNOWN if size is None else int(size), int(seconds * 1e6) * 1000


def make(folder: Location) -> None:
    """Make a folder, where that means anything."""
    if isinstance(folder, Path):
        folder.mkdir(parents=True, exist_ok=True)


def remove(location: Location) -> None:
    """Remove a file, if it is there."""
    with _reached():
        location.unlink(missing_ok=True)


@contextmanager
def writing(location: Location) -> Iterator[IO[bytes]]:
    """A file to write to, which is there at once when this ends: after a crash there is all of it or none."""
    if isinstance(location, Path):
        partial = location.with_name(f"{location.name}.partial")
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(location)
        return
    buffer = BytesIO()
    yield buffer
    with _reached():
        location.fs.pipe_file(location.path, buffer.getvalue())


def write(location: Location, content: bytes | memoryview) -> None:
    """Give a file its content, as `writing` does."""
    with writing(location) as file:
        file.write(content)


def synced(folder: Location) -> None:
    """Have the folder's names on the disk, where the system can be asked for that."""
    if os.name == "nt" or not here(folder):
        return
    handle = os.open(str(folder), os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def own_folder(folder: Location) -> Path:
    """Where this machine keeps what belongs to a folder at an address; for a local folder itself."""
    if isinstance(folder, Path):
        return folder
    from huggingface_hub import cached_assets_path

    digest = hashlib.sha256(str(folder).rstrip("/").encode()).hexdigest()
    return Path(cached_assets_path("clipsim", "collections", digest[:32]))


def copied(location: Location, *, anew: bool = False) -> Path:
    """A file that never changes, on this machine: itself, or a copy that is kept for the next time."""
    if isinstance(location, Path):
        return location
    copy = own_folder(location.parent) / location.name
    if anew or not copy.exists():
        partial = copy.with_name(f"{copy.name}.{uuid.uuid4().hex}.partial")
        try:
            with _reached():
                location.fs.get_file(location.path, str(partial))
            partial.replace(copy)
        finally:
            partial.unlink(missing_ok=True)
    return copy


def forget_copies(folder: Location, kept: set[str]) -> None:
    """Remove the copies of a folder's vectors and indexes at an address, but for those of these names."""
    if not here(folder):
        for copy in own_folder(folder).iterdir():
            if copy.suffix in (".npy", ".faiss") and copy.name not in kept:
                copy.unlink(missing_ok=True)
