"""Pictures of a video: `clip.mp4@12.4s` is what a player shows 12.4 seconds after the start.

FFmpeg opens what it is given, by PyAV. Only files come here that someone names on purpose, or that lie in a folder to
be indexed; what a stranger sends to a server does not.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from clipsim.errors import ImageError
from clipsim.images import storage
from clipsim.settings import pixel_limit

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

    from clipsim.images.storage import Location

# without .ts, which is more often a program's text than a transport stream
_ENDINGS = "mp4 m4v mov mkv webm avi mpg mpeg mts m2ts 3gp wmv flv ogv"
VIDEO_SUFFIXES = frozenset(f".{ending}" for ending in _ENDINGS.split())
INSTALL = 'is a video, and what reads videos is not installed: run pip install "clipsim[video]"'
GAP = 1.0  # seconds between two pictures at least: some cameras write nothing but keyframes
SIDE = 16  # regions along each side of what neighbours are compared by
SAME = 0.1  # mean difference of two pictures, in standard deviations of the first, below which they are nearly equal
BLACK = 0.1  # brightness, 0 to 1, that no region of a black picture reaches
PLAIN = 0.01  # standard deviation of the brightness below which a picture shows nothing, sharp or not
BLURRED = 0.005  # as `measure_detail` gives it; see `python -m benchmarks.quality.blur`
DETAIL_SIDE = 256  # pixels along the longer side at which that is taken
HALF_MILLISECOND = 0.0005  # by which a name may be too early: it has the time to the millisecond
_FRAME = re.compile(r"(?P<video>.+)@(?P<seconds>\d{1,9}(\.\d{1,9})?)s", re.DOTALL)


@dataclass(frozen=True)
class Keyframe:
    """A picture of a video that stands for what follows."""

    seconds: float  # after the start, to the millisecond
    notes: tuple[str, ...] = ()  # what is wrong with it: "black", "blurred"


def is_video(path: str) -> bool:
    """Return whether a file is named like a video."""
    return os.path.splitext(path)[1].lower() in VIDEO_SUFFIXES  # noqa: PTH122  # ten times as fast as a Path's own


def name_frame(video: str, seconds: float) -> str:
    """Return what the picture of a video at a time is called."""
    return f"{video}@{f'{seconds:.3f}'.rstrip('0').rstrip('.')}s"


def parse_frame(name: str) -> tuple[str, float] | None:
    """Return the video and the seconds that `name_frame` made a name of; None for any other name."""
    found = _FRAME.fullmatch(name) if name.endswith("s") else None
    return (found["video"], float(found["seconds"])) if found and is_video(found["video"]) else None


def read_frame(video: Location, seconds: float) -> bytes:
    """Return the picture of a video at a time, upright RGB in square pixels, as an uncompressed PPM file.

    Raises:
        ImageError: PyAV is not installed, the file is no video that can be read, or it is shorter.
    """
    name = name_frame(str(video), seconds)
    with _open_stream(video, name) as (container, stream):
        wanted = (stream.start_time or 0) + (seconds + HALF_MILLISECOND) / _get_unit(stream)
        container.seek(int(wanted), stream=stream)  # to the keyframe before
        found = _decode_until(container, stream, wanted)
        if found is None:  # without an index some kinds of file are met behind it
            container.seek(stream.start_time or 0, stream=stream)
            found = _decode_until(container, stream, wanted)
        length = stream.duration * _get_unit(stream) if stream.duration else (container.duration or 0) / 1e6
        if found is None or seconds > (length or seconds):
            raise ImageError(name, f"lies behind the end of the video, which has {length:.1f} s: give an earlier time")
        picture = _make_upright(found, stream)
    return b"P6\n%d %d\n255\n" % picture.size + picture.tobytes()


def _get_unit(stream: VideoStream) -> float:
    """Return the seconds that times of a stream count by."""
    return float(stream.time_base or 1)


def _decode_until(container: InputContainer, stream: VideoStream, wanted: float) -> VideoFrame | None:
    """Return the last frame that begins at a time, in the stream's units, or before; None if the first is later."""
    found = None
    for frame in container.decode(stream):
        if frame.pts is None:
            continue
        if frame.pts > wanted:
            break
        found = frame
        if frame.duration and frame.pts + frame.duration > wanted:
            break
    return found


def list_keyframes(video: Location, gap: float = GAP, same: float = SAME) -> list[Keyframe]:
    """Return the keyframes of a video, in order, without those that nearly equal the last one that was kept.

    A keyframe is what an encoder begins anew with: every few seconds, and in most videos at each cut. Those that follow
    another one within `gap` seconds are left out, as are those whose brightness, averaged over 16 x 16 regions, differs
    from that of the last one by less than `same` of its standard deviation.

    Raises:
        ImageError: PyAV is not installed, or the file is no video that can be read.
    """
    kept: list[Keyframe] = []
    last: np.ndarray | None = None
    with _open_stream(video, str(video)) as (container, stream):
        stream.codec_context.skip_frame = "NONKEY"
        begin = stream.start_time or 0
        for frame in _decode_keyframes(container, stream, gap):
            small = _shrink(frame, SIDE, SIDE)
            if last is None or np.abs(small - last).mean() >= same * (last.std() + PLAIN):
                seconds = max(((frame.pts or 0) - begin) * _get_unit(stream), 0.0)
                kept.append(Keyframe(round(seconds, 3), _find_faults(frame, small)))
                last = small
    if not kept:
        raise ImageError(str(video), "is a video without a picture: see that it is whole")
    return kept


def _decode_keyframes(container: InputContainer, stream: VideoStream, gap: float) -> Iterator[VideoFrame]:
    later = -float("inf")
    for packet in container.demux(stream):
        if packet.is_keyframe and packet.pts is not None and packet.pts >= later:
            later = packet.pts + gap / _get_unit(stream)
            yield from packet.decode()
    yield from stream.codec_context.decode(None)  # what the decoder still holds


def _find_faults(frame: VideoFrame, small: np.ndarray) -> tuple[str, ...]:
    """Return what is wrong with a frame, of which `small` is what `_shrink` made."""
    if small.max() < BLACK:
        return ("black",)
    scale = min(1.0, DETAIL_SIDE / max(frame.width, frame.height))
    picture = _shrink(frame, max(round(frame.width * scale), 3), max(round(frame.height * scale), 3))
    return ("blurred",) if picture.std() > PLAIN and measure_detail(picture) < BLURRED else ()


def measure_detail(grey: np.ndarray) -> float:
    """Return how much of a picture's contrast lies in its finest detail, in the direction that has least of it.

    That is the variance of the second derivative in four directions, as of the Laplacian, which is a usual measure of
    focus (Pech-Pacheco et al. 2000, doi:10.1109/ICPR.2000.903548), by that of the brightness: the least of them, since
    a camera that moves blurs one direction only. `grey` has the shape (height, width), 3 pixels or more each.
    """
    inner = 2 * grey[1:-1, 1:-1]
    across, down = grey[1:-1, :-2] + grey[1:-1, 2:], grey[:-2, 1:-1] + grey[2:, 1:-1]
    falling, rising = grey[:-2, :-2] + grey[2:, 2:], grey[:-2, 2:] + grey[2:, :-2]
    straight = min(float((sides - inner).var()) for sides in (across, down))
    diagonal = min(float((sides - inner).var()) / 4 for sides in (falling, rising))  # over twice the distance, squared
    return min(straight, diagonal) / max(float(grey.var()), PLAIN**2)


def _shrink(frame: VideoFrame, width: int, height: int) -> np.ndarray:
    """Return the brightness of a frame, 0 to 1, float32 of shape (height, width)."""
    grey = frame.reformat(width, height, "gray", interpolation="AREA", dst_color_range="JPEG").to_ndarray()
    return grey.astype(np.float32) / 255


def _make_upright(frame: VideoFrame, stream: VideoStream) -> Image.Image:
    """Return a frame as a player shows it: in square pixels, turned as the camera says."""
    picture: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
    if (wide := float(stream.sample_aspect_ratio or 1)) != 1:
        picture = picture.resize((max(round(picture.width * wide), 1), picture.height), Image.Resampling.BICUBIC)
    return picture.rotate(frame.rotation, expand=True) if frame.rotation else picture


@contextmanager
def _open_stream(video: Location, name: str) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a video, here or at an address; what goes wrong is an `ImageError` of this name."""
    try:
        import av
    except ImportError as error:
        raise ImageError(name, INSTALL) from error
    with ExitStack() as stack:
        try:
            file = str(video) if isinstance(video, Path) else stack.enter_context(storage.open_file(video))
            container = stack.enter_context(av.open(file))
            stream = container.streams.best("video")
            if stream is None:
                raise ImageError(name, "has sound only: take it out of the folder")
            if (pixels := stream.width * stream.height) > pixel_limit():
                raise ImageError(name, f"has {pixels / 1e6:.0f} million pixels: make it smaller first")
            yield container, stream
        except (av.FFmpegError, OSError) as error:
            if isinstance(error, FileNotFoundError | PermissionError):
                raise ImageError(name, f"cannot be opened ({error.strerror}): check the path") from error
            raise ImageError(name, "is not a video that can be read here: save it as MP4, MKV or WebM") from error
