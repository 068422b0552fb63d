"""Small videos, of painted pictures."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
from PIL import Image


def write_video(
    path: Path,
    pictures: Sequence[Image.Image],
    *,
    each: float = 2.0,
    rate: int = 10,
    rotation: int = 0,
    aspect: Fraction | None = None,
    first: int = 0,
) -> Path:
    """Write a video that shows each picture for `each` seconds, with a keyframe where it begins.

    `rotation` in degrees and `aspect` of a pixel are what a player is to do; the first frame has the time `first`, in
    frames.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height = pictures[0].size
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "12", "g": "10000", "sc_threshold": "0"}
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if rotation:
            stream.set_display_rotation(rotation)
        for number in range(round(len(pictures) * each * rate)):
            frame = av.VideoFrame.from_image(pictures[int(number / (each * rate))])  # type: ignore[no-untyped-call]
            frame.pts = first + number
            if number % round(each * rate) == 0:
                frame.pict_type = av.video.frame.PictureType.I
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
