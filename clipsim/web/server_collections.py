"""The collections of a server, by name: those it was started with, and those that visitors keep for their session.

A visitor names a collection, never a path: a name is looked up, and one's own is a secret of 128 bits.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradio.utils import get_upload_folder

from clipsim.embedding import Item, Progress, name_sources
from clipsim.encoders.base import Encoder
from clipsim.errors import CaptionError, ClipsimError, UsageError
from clipsim.images.reading import SUFFIXES
from clipsim.images.storage import Location, locate
from clipsim.options import Precision
from clipsim.web import service

if TYPE_CHECKING:
    from clipsim.collections import Collection, EmbeddingConfig, Filters, Hit

VARIABLE = "CLIPSIM_COLLECTIONS"
MOST = 100  # results
KEPT_SECONDS = (
    7200.0  # for how long a visitor's own collection is kept; what a killed server leaves goes at its next start
)
_OWN = re.compile(r"own-[0-9a-f]{32}")
_open: dict[str, Collection] = {}
_opening = threading.Lock()


@dataclass(frozen=True)
class Found:
    """What a search came to.

    Attributes:
        collection: its name.
        pictures: how many there are in it.
        caption: what was searched for; None if more like a picture was.
        like: the picture, by its path in the collection, of which there should be more; None with a caption.
        model: name of the encoder.
        hits: best first, as `clipsim.collections.collection.Hit`.
    """

    collection: str
    pictures: int
    caption: str | None
    like: str | None
    model: str
    hits: list[Hit] = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain data; thumbnails are data: addresses."""
        return {**vars(self), "hits": [_plain(hit) for hit in self.hits]}


def folders() -> dict[str, Location]:
    """The collections that the server was started with: folders and addresses in `CLIPSIM_COLLECTIONS`, by their own
    names.

    Several are separated as in PATH (":" on Linux).
    """
    parts = re.split(f"{re.escape(os.pathsep)}(?!//)", os.environ.get(VARIABLE, ""))  # not within s3://
    given = [locate(part.strip()) for part in parts if part.strip()]
    full = [path.absolute() if isinstance(path, Path) else path for path in given]
    names = [name for _, name in name_sources([(str(path), path.name) for path in full])]
    return dict(zip(names, full, strict=True))


def check() -> None:
    """Raise a `ClipsimError` that says which of the collections cannot be opened, before anybody asks for it."""
    for name in folders():
        try:
            opened(name)
        except ClipsimError as error:
            raise ClipsimError(f"{VARIABLE}: {error}") from error


def opened(name: str) -> Collection:
    """The collection of that name, in its newest state.

    Raises:
        ClipsimError: the name is not known, or the collection is damaged.
    """
    from clipsim.collections import Collection, Manifest

    folder = _folder(name)
    with _opening:
        kept = _open.get(name)
        if kept is None or Manifest.read(folder).generation != kept.manifest.generation:
            _open[name] = kept = Collection.open(folder)
        return kept


def _folder(name: str) -> Location:
    known = folders()
    if name in known:
        return known[name]
    own = _own(name)
    if own and own.is_dir():
        return own
    if own:
        raise ClipsimError("Your collection is no longer kept: add the pictures and keep them again.")
    if not known:
        raise ClipsimError(f"There are no collections on this server: {VARIABLE} names them when it starts.")
    raise ClipsimError(f"The collection “{name[:60]}” is not known: use {', '.join(known)}.")


def _own(name: str) -> Path | None:
    """Where a visitor's own collection lies; below the upload folder, which is cleared after a while."""
    return Path(get_upload_folder()) / name / "collection" if _OWN.fullmatch(name) else None


def search(
    name: str,
    caption: str | None = None,
    like: str | None = None,
    top: int = 20,
    path: str | None = None,
    after: str | None = None,
    before: str | None = None,
) -> Found:
    """The pictures of a collection that fit a caption best, or that are most like one of its own.

    Raises:
        CaptionError: neither or both of caption and like, or the caption is too long or no text.
        ClipsimError: as `opened` and `Collection.search`, or another count than 1 to `MOST`.
    """
    if bool((caption or "").strip()) == bool(like):
        raise CaptionError("A search takes a caption, or one of the pictures to find more like it: give one of them.")
    service.check_size([], [caption or ""])
    if not 1 <= top <= MOST:
        raise UsageError(f"{top} results cannot be had at once: ask for 1 to {MOST}.")
    collection = opened(name)
    filters: Filters = {"path": path or None, "after": after or None, "before": before or None}
    config = collection.manifest.embedding
    if like:
        hits = collection.similar(like, top, thumbnails=True, **filters)
    else:
        hits = collection.search(str(caption), _encoder(config), top, thumbnails=True, **filters)
    return Found(name, len(collection), None if like else str(caption).strip(), like or None, config.model, hits)


def _encoder(config: EmbeddingConfig) -> Encoder:
    """The collection's model; where that is what the page runs on, not another time."""
    auto = service.encoder("auto")
    same = (auto.name, auto.precision) == (config.model, config.options.precision)
    return auto if same else service.encoder(config.origin, config.options.precision)


def keep(pictures: Sequence[Item], model: str, wanted: Precision = "auto", progress: Progress | None = None) -> str:
    """Make a collection of a visitor's own pictures; the name under which alone it is found. `wanted` is a precision.

    Raises:
        ClipsimError: none of the pictures can be read, or there are too many.
    """
    from clipsim.collections import index_folder

    service.check_size(pictures, [])
    name = f"own-{secrets.token_hex(16)}"
    folder = Path(get_upload_folder()) / name
    originals = folder / "pictures"
    originals.mkdir(parents=True)
    try:
        for place, (source, title) in enumerate(name_sources(list(pictures)), 1):
            _copied(source, originals, title, place)
        report = index_folder(originals, folder / "collection", service.encoder(model, wanted), progress=progress)
        if not report.added:
            reasons = " ".join(f"{rejected.name} {rejected.reason}." for rejected in report.rejected)
            raise ClipsimError(f"None of the pictures could be kept: {reasons}")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(originals, ignore_errors=True)  # vectors and thumbnails are what is kept
    end = threading.Timer(KEPT_SECONDS, _forget, (name, folder))
    end.daemon = True
    end.start()
    return name


def _forget(name: str, folder: Path) -> None:
    with _opening:
        _open.pop(name, None)
    shutil.rmtree(folder, ignore_errors=True)


def _copied(source: Any, folder: Path, title: str, place: int) -> None:
    """The picture under its own name, or where that is none that a file can have, by its place."""
    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    plain = Path(title).name
    usable = bool(plain) and not plain.startswith(".") and len(plain.encode("utf-8", "replace")) < 200
    file = plain if usable else f"picture {place}"
    if Path(file).suffix.lower() not in SUFFIXES:
        file += ".jpg"  # content counts, the ending only lets it be found
    try:
        (folder / file).write_bytes(data)
    except (OSError, ValueError):
        (folder / f"picture {place}.jpg").write_bytes(data)


def _plain(hit: Hit) -> dict[str, Any]:
    address = "data:image/jpeg;base64," + base64.b64encode(hit.thumbnail).decode("ascii")
    return {**vars(hit), "notes": list(hit.notes), "size": list(hit.size), "thumbnail": address}
