"""A list with its pictures as a visitor sends it, as pairs: files, or a zip, which is unpacked into memory alone."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path, PurePosixPath

from gradio_client.utils import strip_invalid_filename_characters

from clipsim.errors import ClipsimError, LimitError, UsageError
from clipsim.evaluation import match_paths
from clipsim.images import SUFFIXES
from clipsim.pairs import Pair, PairList, open_pairs
from clipsim.settings import Limits

LISTS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")
TEXTS = (".txt",)  # captions beside pictures, or a token file
MOST_ENTRIES = 20  # times the limit of pictures, that a zip may list: captions, folders and other files among them
MOST_BYTES = 5  # times the limit of a file, that a zip may unpack to in all
MOST_ROWS = 10  # times the limit of pictures
CHUNK = 1_000_000
NOT_SENT = "was not sent: add the picture to the list"
WEB_ADDRESS = "is a web address, which is not fetched: add the picture to the list"


@dataclass(frozen=True)
class Sent:
    """What was sent: the list, captions in files of their own, and pictures, by their names."""

    lists: dict[str, bytes]
    texts: dict[str, bytes]
    pictures: dict[str, bytes | Path]


def read_pairs(files: Sequence[tuple[Path | bytes, str]], limits: Limits) -> list[Pair]:
    """Read what was sent, each file with its name, as pairs.

    Pictures are those that were sent: no path is followed, and no address is fetched.

    Raises:
        UsageError: there is no list and no captions, or there are several lists, or a zip that cannot be unpacked.
        LimitError: there are more pictures than the limit.
    """
    sent = _sort(files, limits)
    if len(sent.pictures) > limits.images:
        raise LimitError("images", len(sent.pictures), limits.images)
    if not sent.pictures:
        raise ClipsimError("There are no pictures to score: add at least one.", code="no_pictures")
    pairs = _read_list(sent, limits) if sent.lists or len(sent.texts) == 1 else _read_texts(sent)
    if len(pairs) > MOST_ROWS * limits.images:
        raise UsageError(f"The list has more than {MOST_ROWS * limits.images} rows: use the command clipsim pairs.")
    return pairs


def _sort(files: Sequence[tuple[Path | bytes, str]], limits: Limits) -> Sent:
    sent = Sent({}, {}, {})
    for source, name in files:
        ending = Path(name).suffix.lower()
        if ending == ".zip":
            for inside, data in _unpack(source, name, limits):
                _add(sent, inside, data)
        elif ending in SUFFIXES:
            sent.pictures[name] = source
        else:
            _add(sent, name, source if isinstance(source, bytes) else source.read_bytes())
    return sent


def _add(sent: Sent, name: str, data: bytes) -> None:
    ending = PurePosixPath(name).suffix.lower()
    if ending in LISTS:
        sent.lists[name] = data
    elif ending in TEXTS:
        sent.texts[name] = data
    elif ending in SUFFIXES:
        sent.pictures[name] = data


def _unpack(source: Path | bytes, name: str, limits: Limits) -> Iterator[tuple[str, bytes]]:
    """Yield the files in a zip that are of use, by the names that they have there: none is written anywhere.

    What a zip says of sizes may be a lie, so that bytes are counted as they are unpacked.
    """
    room = MOST_BYTES * limits.file_bytes
    try:
        with zipfile.ZipFile(BytesIO(source) if isinstance(source, bytes) else source) as archive:
            entries = archive.infolist()
            if len(entries) > MOST_ENTRIES * limits.images:
                raise UsageError(f"{name} has {len(entries)} entries: send fewer at once.")
            for entry in entries:
                path = PurePosixPath(entry.filename.replace("\\", "/"))
                wanted = path.suffix.lower() in (*LISTS, *TEXTS, *SUFFIXES)
                if entry.is_dir() or not wanted or any(part.startswith((".", "__MACOSX")) for part in path.parts):
                    continue
                data = _read_entry(archive, entry, min(room, limits.file_bytes))
                if data is None:
                    megabytes = MOST_BYTES * limits.file_bytes / 1e6
                    raise UsageError(f"{name} unpacks to more than {megabytes:g} MB, or a file of it is too large.")
                room -= len(data)
                yield path.as_posix(), data
    except (zipfile.BadZipFile, RuntimeError, OSError, NotImplementedError, EOFError, ValueError) as error:
        raise UsageError(f"{name} cannot be unpacked: save it as a plain zip without a password.") from error


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, room: int) -> bytes | None:
    """Return what an entry holds; None if it is more than there is room for."""
    data = bytearray()
    with archive.open(entry) as file:
        while chunk := file.read(CHUNK):
            data += chunk
            if len(data) > room:
                return None
    return bytes(data)


def _read_list(sent: Sent, limits: Limits) -> list[Pair]:
    lists = sent.lists or sent.texts
    if len(lists) > 1:
        raise UsageError(f"There are {len(lists)} lists ({', '.join(sorted(lists)[:3])}): send one.")
    ((name, data),) = lists.items()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"list{PurePosixPath(name).suffix.lower()}"  # none of the visitor's own names
        path.write_bytes(data)
        try:
            rows = _take(open_pairs(path, folder), MOST_ROWS * limits.images + 1)
        except UsageError as error:
            raise UsageError(str(error).replace(str(path), PurePosixPath(name).name)) from error
    return _attach(rows, sent.pictures)


def _take(pairs: PairList, most: int) -> list[Pair]:
    return [pair for pair, _ in zip(pairs, range(most), strict=False)]


def _attach(rows: Sequence[Pair], pictures: Mapping[str, bytes | Path]) -> list[Pair]:
    """Give each row the picture that was sent under its name, or under the last part of it."""
    names = list(pictures)
    kept = [strip_invalid_filename_characters(PurePosixPath(row.name.replace("\\", "/")).name) for row in rows]
    places = match_paths([row.name for row in rows], names)
    by_kept = match_paths(kept, names)  # gradio leaves signs out of the names of what is uploaded
    pairs = []
    for row, place, other in zip(rows, places, by_kept, strict=True):
        found = place if place >= 0 else other
        if row.problem:
            pairs.append(replace(row, picture=None))
        elif "://" in row.name:
            pairs.append(replace(row, picture=None, problem=WEB_ADDRESS))
        elif found < 0:
            pairs.append(replace(row, picture=None, problem=NOT_SENT))
        else:
            pairs.append(replace(row, picture=pictures[names[found]]))
    return pairs


def _read_texts(sent: Sent) -> list[Pair]:
    """Pair pictures with the texts of the same name."""
    texts = {PurePosixPath(name).with_suffix("").as_posix(): data for name, data in sent.texts.items()}
    if not texts:
        raise UsageError("There is no list: add a CSV with the columns file and caption.")
    pairs = []
    for name, picture in sent.pictures.items():
        data = texts.get(PurePosixPath(name).with_suffix("").as_posix())
        caption = " ".join(data.decode("utf-8-sig", "replace").split()) if data is not None else ""
        pairs.append(Pair(picture, caption, name, fields={"file": name, "caption": caption}))
    return pairs
