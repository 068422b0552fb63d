"""How much one request may ask of a server. Each limit can be set by an environment variable."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass

from clipsim.errors import UsageError


@dataclass(frozen=True)
class Limits:
    """The limits, all whole numbers above zero. `CLIPSIM_IMAGES=50` in the environment sets `images`, and so on.

    Attributes:
        images: pictures in one request to the page or the API.
        file_bytes: bytes of one uploaded file.
        body_bytes: bytes of one call, in which pictures may be written out as data: addresses.
        form_bytes: bytes of one call to /v1 that sends pictures in a form.
        pixels: pixels of one picture, everywhere, checked before decoding; 50 million decode to 150 MB of RGB.
        caption: characters of a caption sent to the page or the API.
        text: characters of any other text sent to the page or the API: a name, a path, a pattern, a date.
        captions: captions in one request, where several are scored at once.
        queue: requests that wait; one more is refused.
        per_address: those of one address (of one /64 network where it is IPv6), at most all but one.
        per_session: those of one session: a visit to the page, a client, or a connection that names no session.
        proxies: proxies of one's own that each add to X-Forwarded-For; without any, that header is not believed.
        concurrent: requests that are worked on at the same time. Their pictures are read beside each other, and forward
            passes, of which each uses the whole machine, take turns. One client has all but one of these places.
        seconds: for one request, from the first picture on.
        decode_seconds: of processor time, for opening and decoding one picture.
        decode_bytes: bytes of memory that decoding takes, for all pictures that are decoded at the same time. A WebP of
            50 million pixels takes 850 MB, a PNG with transparency or a TIFF of that size half as much.
        disk_bytes: bytes of files, those that were uploaded and those that were made of them.
        kept: collections that visitors keep; of more, those that were used longest ago go.
        kept_bytes: bytes of these, likewise.
        cache_bytes: bytes of vectors that are kept in memory, so that nothing is computed twice; 1 keeps none.
    """

    images: int = 100
    file_bytes: int = 20_000_000
    body_bytes: int = 64_000_000
    form_bytes: int = 512_000_000
    pixels: int = 50_000_000
    caption: int = 2_000
    text: int = 4_096
    captions: int = 50
    queue: int = 64
    per_address: int = 32
    per_session: int = 8
    proxies: int = 0
    concurrent: int = 4
    seconds: int = 120
    decode_seconds: int = 10
    decode_bytes: int = 860_000_000
    disk_bytes: int = 2_000_000_000
    kept: int = 200
    kept_bytes: int = 500_000_000
    cache_bytes: int = 100_000_000

    @classmethod
    def from_environment(cls) -> Limits:
        """Return the defaults, but for what the environment sets.

        Raises:
            UsageError: a variable is not a whole number above zero.
        """
        defaults = asdict(cls())
        return cls(**{name: _whole_number(f"CLIPSIM_{name.upper()}", value) for name, value in defaults.items()})


def _whole_number(variable: str, default: int) -> int:
    text = os.environ.get(variable, "").strip()
    if not text:
        return default
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"{variable} is {text!r}: set it to a whole number above zero")
    return int(text)


def pixel_limit() -> int:
    """Return how many pixels a picture may have, as the environment says now."""
    return _whole_number("CLIPSIM_PIXELS", Limits.pixels)


COMPILE = "CLIPSIM_COMPILE"


def wants_compiling() -> bool:
    """Return whether `CLIPSIM_COMPILE=1` in the environment asks for networks that torch compiles at first use.

    Raises:
        UsageError: it is neither 1 nor 0.
    """
    text = os.environ.get(COMPILE, "").strip()
    if text not in ("", "0", "1"):
        raise UsageError(f"{COMPILE} is {text!r}: set it to 1, or to 0")
    return text == "1"
