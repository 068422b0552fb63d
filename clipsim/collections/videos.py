"""Videos of a folder as pictures: the keyframes of each, found when it is new or changed, and else in the rows.

A row of a frame is called `clip.mp4@12.4s`, has size and time of its video, and notes that say which of how many frames
it is, by which the next run sees whether all are there.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.util import find_spec

import pyarrow.compute as pc

from clipsim.collections.collection import Collection
from clipsim.errors import ClipsimError, ImageError
from clipsim.images import UNKNOWN, File, Location, is_video, list_keyframes, locate, name_frame, parse_frame

_NOTE = re.compile(r"picture \d+ of (\d+) of a video")


@dataclass
class KnownVideo:
    """What a collection has of a video."""

    states: set[tuple[int, int]] = field(default_factory=set)  # size and time that its rows have
    seconds: set[float] = field(default_factory=set)  # of its frames, those included that cannot be read
    total: int = 0  # frames that were found in it

    def is_current(self, file: File) -> bool:
        """Return whether all frames of the video are there, and it was not written to since."""
        same = file.size == UNKNOWN or self.states == {(file.size, file.times[0])}
        return same and 0 < len(self.seconds) == self.total


class Videos:
    """The videos of a folder that is listed: `expand` makes pictures of them."""

    def __init__(self, read_known: Callable[[], Mapping[str, KnownVideo]], *, installed: bool | None = None) -> None:
        """Take what reads what the collection has of each video, by name: called once there is a video.

        `installed` says whether PyAV is there to open them; None looks.
        """
        self.left_out = 0  # videos that were not opened, since PyAV is not installed
        self._read_known = read_known
        self._installed = find_spec("av") is not None if installed is None else installed

    @cached_property
    def _known(self) -> Mapping[str, KnownVideo]:
        return self._read_known()

    def expand(self, files: Iterable[File]) -> Iterator[File]:
        """Yield files, and instead of a video its pictures; one that cannot be opened has a problem."""
        for file in files:
            if file.seconds is not None or file.problem or not is_video(str(file.path)):
                yield file
                continue
            known = self._known.get(file.name, KnownVideo())
            if known.is_current(file) or not self._installed:
                yield from (_make_file(file, seconds) for seconds in sorted(known.seconds))
                self.left_out += not known.seconds
            else:
                yield from _find_pictures(file, known)


def read_known_videos(folder: Location) -> dict[str, KnownVideo]:
    """Return what a collection has of each video, by name; nothing of one that is not there or cannot be read."""
    known: defaultdict[str, KnownVideo] = defaultdict(KnownVideo)
    try:
        collection = Collection.open(folder)
        table = collection.table(["path", "size", "mtime_ns", "notes"])
        rejected = [one.name for one in collection.rejected]
    except ClipsimError:  # a damaged one is mended by encoding again
        return known
    table = table.filter(pc.match_substring_regex(table["path"], r"@[0-9.]+s$"))
    for row in table.to_pylist():
        total = next((int(found[1]) for note in row["notes"] if (found := _NOTE.fullmatch(note))), 0)
        if (frame := parse_frame(row["path"])) and total:
            video = known[frame[0]]
            video.states.add((row["size"], row["mtime_ns"]))
            video.seconds.add(frame[1])
            video.total = total
    for name in rejected:
        if (frame := parse_frame(name)) and frame[0] in known:
            known[frame[0]].seconds.add(frame[1])
    return known


def _find_pictures(video: File, known: KnownVideo) -> list[File]:
    """Return the pictures of a video: what is known of one that cannot be opened now stays."""
    try:
        found = list_keyframes(locate(video.path))
    except ImageError as error:
        broken = replace(video, problem=error.reason, trouble="unreachable" if known.seconds else "skipped")
        return [_make_file(broken, seconds) for seconds in sorted(known.seconds)] or [broken]
    return [
        _make_file(video, one.seconds, f"picture {number} of {len(found)} of a video", *one.notes)
        for number, one in enumerate(found, 1)
    ]


def _make_file(video: File, seconds: float, *notes: str) -> File:
    return replace(video, name=name_frame(video.name, seconds), seconds=seconds, notes=notes)
