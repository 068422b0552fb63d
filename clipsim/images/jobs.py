"""What goes to a process that decodes pictures, and what comes back: small things, whatever the picture's size."""

from __future__ import annotations

import io
import pickle
import sys
from dataclasses import dataclass
from typing import Any

from PIL import Image

from clipsim.images.decoding import Work
from clipsim.images.reading import Source

READY = b"ready"
ALL = sys.maxsize  # bytes that are asked for where it is not known how many it takes


@dataclass(frozen=True)
class Job:
    """One picture and what is done to it; `allowed` are the bytes that it may take, `most` those that any may."""

    work: Work[Any]
    source: Source
    name: str
    seconds: float  # of processor time
    allowed: int
    most: int


@dataclass(frozen=True)
class Reply:
    """What came of a job: a value, an error, or how many bytes it needs that were not allowed, `ALL` if not known."""

    value: Any = None
    error: Exception | None = None
    needs: int = 0
    spent: float = 0.0  # seconds of processor time


class _Pickler(pickle.Pickler):
    """Sends of a picture its pixels alone: what came with its file may be large, and stays behind."""

    def reducer_override(self, thing: Any) -> Any:
        if isinstance(thing, Image.Image):
            return Image.frombytes, (thing.mode, thing.size, thing.tobytes())
        return NotImplemented


def pack(thing: Job | Reply) -> bytes:
    """Return a job or a reply as bytes, from which `pickle` makes it again."""
    data = io.BytesIO()
    _Pickler(data, pickle.HIGHEST_PROTOCOL).dump(thing)
    return data.getvalue()
