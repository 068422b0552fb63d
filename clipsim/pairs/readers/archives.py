"""Lists in which a picture lies beside its caption: WebDataset's tar files, and folders."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from clipsim.errors import CaptionError
from clipsim.evaluation import CAPTION_COLUMNS, simplify_name
from clipsim.images import SUFFIXES, collect_images
from clipsim.pairs.pair import Pair, PairList
from clipsim.pairs.readers.common import Places, make_broken

MOST_BYTES = 100_000_000  # of a file in an archive: no picture is larger, and it would be held as a whole
TEXTS = (".txt", ".caption", ".text", ".cap")


@dataclass
class _Sample:
    """What an archive holds under one key."""

    key: str
    data: bytes | None = None
    file: str = ""
    caption: str | None = None
    problem: str = ""
    fields: dict[str, Any] | None = None


@dataclass
class TarPairs(PairList):
    """WebDataset: files of one name up to its first dot make a sample, a picture and a .txt or .json with a caption."""

    paths: Sequence[Path]
    places: Places
    columns = ("__key__", "__url__", "caption")

    def __post_init__(self) -> None:
        """Remember which files they are."""
        self.files = tuple(self.paths)

    def __iter__(self) -> Iterator[Pair]:
        """Read the samples, one at a time."""
        return (self._to_pair(sample, path) for path in self.paths for sample in _read_samples(path))

    def captions(self) -> Iterator[tuple[str, str]]:
        """Read the captions, and skip the pictures."""
        for path in self.paths:
            for sample in _read_samples(path, pictures=False):
                if sample.caption:
                    yield f"{path.name}/{sample.key}", sample.caption

    def _to_pair(self, sample: _Sample, path: Path) -> Pair:
        name = f"{path.name}/{sample.key}"
        fields = {"__key__": sample.key, "__url__": path.name, "caption": sample.caption or ""}
        if sample.problem or sample.data is None:
            return make_broken(sample.problem or "has no picture", name, fields, sample.caption or "")
        return Pair(sample.data, sample.caption or "", name, fields=fields)


def _read_samples(path: Path, *, pictures: bool = True) -> Iterator[_Sample]:
    """Yield the samples of an archive; one that is cut short ends with a sample that says so."""
    sample: _Sample | None = None
    try:
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                if not member.isfile() or PurePosixPath(member.name).name.startswith("."):
                    continue
                folder, _, file = member.name.rpartition("/")
                stem, _, ending = file.partition(".")
                key = f"{folder}/{stem}" if folder else stem
                if sample is None or sample.key != key:
                    if sample:
                        yield sample
                    sample = _Sample(key)
                _add(sample, archive, member, f".{ending.lower()}", pictures=pictures)
    except (tarfile.TarError, OSError, EOFError) as error:
        sample = sample or _Sample("the archive")
        sample.problem = f"is in an archive that is damaged from here on ({error}): fetch it again"
    if sample:
        yield sample


def _add(sample: _Sample, archive: tarfile.TarFile, member: tarfile.TarInfo, ending: str, *, pictures: bool) -> None:
    last = f".{ending.rpartition('.')[2]}"
    is_picture = last in SUFFIXES
    if not (is_picture or last in TEXTS or last == ".json") or (is_picture and not pictures):
        return
    if member.size > MOST_BYTES:
        sample.problem = f"has a file of {member.size / 1e6:.0f} MB, and the limit is {MOST_BYTES / 1e6:.0f}: shrink it"
        return
    file = archive.extractfile(member)
    data = file.read() if file else b""
    if is_picture and sample.data is None:
        sample.data, sample.file = data, member.name
    elif last in TEXTS:
        sample.caption = " ".join(data.decode("utf-8-sig", "surrogateescape").split())
    elif last == ".json" and sample.caption is None:
        sample.caption = _find_caption(data)


def _find_caption(data: bytes) -> str | None:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    simple = {simplify_name(str(name)): value for name, value in content.items()}
    return next((simple[one] for one in CAPTION_COLUMNS if isinstance(simple.get(one), str)), None)


@dataclass
class FolderPairs(PairList):
    """A folder of pictures, each with its caption in a text file of the same name beside it."""

    folder: Path
    columns = ("file", "caption")

    def __post_init__(self) -> None:
        """List the pictures; a `CaptionError` if none has a caption."""
        self._names = [name for _, name in collect_images(str(self.folder))]
        self.files = (self.folder,)
        if not any(self._find_text(name) for name in self._names):
            raise CaptionError(f"{self.folder} has no captions: put each in a .txt beside its picture, or give a list.")

    def __iter__(self) -> Iterator[Pair]:
        """Read the rows."""
        for name in self._names:
            text = self._find_text(name)
            fields: dict[str, Any] = {"file": name, "caption": ""}
            if text is None:
                yield make_broken("has no .txt with a caption beside it", name, fields)
                continue
            caption = " ".join(text.read_bytes().decode("utf-8-sig", "surrogateescape").split())
            yield Pair(self.folder / name, caption, name, fields=fields | {"caption": caption})

    def _find_text(self, name: str) -> Path | None:
        path = self.folder / name
        return next((one for ending in TEXTS if (one := path.with_suffix(ending)).is_file()), None)
