"""Pictures as they are named: folders, patterns, addresses, objects in memory; expanded, and read ahead."""

from __future__ import annotations

import glob
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import numpy as np
from PIL import Image

from clipsim.errors import ClipsimError, ImageError, UsageError
from clipsim.images import storage
from clipsim.images.listing import DANGLING, NOT_TEXT, File, has_suffix, walk
from clipsim.images.reading import Source, compute_digest, explain_missing
from clipsim.images.storage import UNKNOWN, locate
from clipsim.images.video import parse_frame, read_frame

AHEAD = 16  # pictures that are fetched at once: what is far away is waited for together
AHEAD_BYTES = 64_000_000  # of them
TYPICAL = 1_000_000  # bytes that a picture of unknown size counts
TYPICAL_FRAME = 8_000_000  # bytes that a picture of a video counts, whose size shows when it is opened
MAX_NAMED = 3  # missing files that an error names

ImageInput = Source | np.ndarray | tuple[Source | np.ndarray, str]
Images = Iterable[ImageInput] | Source | np.ndarray


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
        picture by its place. An iterator is expanded as its items come, anything else at once. A picture of a video,
        such as `clip.mp4@12.4s`, is decoded when it is expanded.

    Raises:
        UsageError: one is of no such kind.
        ImageError: all are paths, and none leads to a picture; or a video has no such picture.
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


def _expand_path(path: str | Path) -> list[tuple[Path, str]] | list[tuple[bytes, str]]:
    """Return the pictures of a folder or a glob pattern by their paths from there, and any other path by its name."""
    whole = folder = Path(path)
    found: list[Path] = []
    with suppress(OSError, ValueError):  # too long for a path, or with a zero byte in it: reading it says what is wrong
        if (frame := parse_frame(str(path))) and not whole.exists():
            return [(read_frame(Path(frame[0]), frame[1]), whole.name)]
        if whole.is_dir():
            found = [file.path for file in walk(whole) if isinstance(file.path, Path) and _is_wanted(file)]
        elif not whole.exists():
            folder = Path(*takewhile(lambda part: not glob.has_magic(part), whole.parts))
            pattern = str(whole.relative_to(folder))
            matches = glob.glob(pattern, root_dir=folder, recursive=True)  # noqa: PTH207  # Path.glob finds hidden files
            found = sorted(file for match in matches if has_suffix(file := folder / match) and file.is_file())
    return [(file, file.relative_to(folder).as_posix()) for file in found] or [(whole, name_image(path, 0))]


def _is_wanted(file: File) -> bool:
    """Whether what was listed is a picture, or a folder that cannot be listed, of which its reading says so."""
    return not file.problem or file.problem == NOT_TEXT or (file.trouble == "unreachable" and file.problem != DANGLING)


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


def read_contents(files: Iterable[File]) -> Iterator[Content]:
    """Read files, in their order, several at once: what is at an address as a whole, of local ones only the digest.

    The digest is taken before a picture is decoded: if the file is written to meanwhile, the next run finds another.
    """
    waiting: deque[tuple[int, Future[Content]]] = deque()
    with ThreadPoolExecutor(AHEAD, "fetch") as pool:
        try:
            for file in files:
                cost = _estimate_bytes(file)
                while waiting and (len(waiting) >= AHEAD or cost + sum(held for held, _ in waiting) > AHEAD_BYTES):
                    yield waiting.popleft()[1].result()
                waiting.append((cost, pool.submit(_read_content, file)))
            while waiting:
                yield waiting.popleft()[1].result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _estimate_bytes(file: File) -> int:
    """Return how much memory the content of a file takes."""
    if file.seconds is not None:
        return TYPICAL_FRAME
    return 0 if isinstance(file.path, Path) else TYPICAL if file.size == UNKNOWN else file.size


def _read_content(file: File) -> Content:
    try:
        path = locate(file.path)
        if file.seconds is not None:  # the digest is that of its pixels, by which one of a moved video is known
            data = read_frame(path, file.seconds)
            return Content(file, data, compute_digest(data).hex(), max(file.size, 0))
        if isinstance(path, Path):
            return Content(file, path, compute_digest(path).hex(), file.size)
        data = storage.read(path)
        return Content(file, data, compute_digest(data).hex(), len(data))
    except ImageError as error:
        return Content(file, problem=error.reason)
    except ClipsimError as error:
        return Content(file, problem=f"cannot be used: {error}".rstrip("."))
    except OSError as error:
        here = isinstance(file.path, Path)
        reason = "nothing is there" if isinstance(error, FileNotFoundError) else (here and error.strerror) or error
        what, advice = ("read", "it is there") if here else ("fetched", "the address is right")
        return Content(file, problem=f"cannot be {what} ({reason}): see that {advice} and may be read")
