"""The collections of a server, by name: those it was started with, and those that visitors keep for a while.

A visitor names a collection, never a path: a name is looked up, and one's own is a secret of 128 bits. A pattern such
as * names several of those that the server was started with, which are searched in one ranking.
"""

from __future__ import annotations

import fnmatch
import os
import re
import secrets
import shutil
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Unpack

from clipsim.collections import Collection, Filters, Hit, Manifest, index_folder
from clipsim.embedding import Item, name_sources
from clipsim.errors import CaptionError, ClipsimError, Code, UsageError
from clipsim.images import SUFFIXES, Location, locate
from clipsim.options import Precision
from clipsim.scoring import note_caption
from clipsim.web.service import Service
from clipsim.web.sweeper import OWN

VARIABLE = "CLIPSIM_COLLECTIONS"
MOST = 100  # results
ALL = "*"  # the pattern that every name fits


@dataclass(frozen=True)
class SearchResult:
    """What a search of collections of so many `pictures` came to: `hits`, best first, each with its collection's name.

    `collection` is the name or the pattern that was asked for. It was for a caption, or for more like the picture of
    that path; the other is None. `notes` say what the model does not read or see of the caption.
    """

    collection: str
    pictures: int
    caption: str | None
    like: str | None
    model: str
    hits: list[Hit]
    notes: tuple[str, ...] = ()


def folders_from_environment() -> dict[str, Location]:
    """Return the folders and addresses in `CLIPSIM_COLLECTIONS`, separated as in PATH, by their own names."""
    parts = re.split(f"{re.escape(os.pathsep)}(?!//)", os.environ.get(VARIABLE, ""))  # not within s3://
    given = [locate(part.strip()) for part in parts if part.strip()]
    full = [path.absolute() if isinstance(path, Path) else path for path in given]
    names = [name for _, name in name_sources([(str(path), path.name) for path in full])]
    return dict(zip(names, full, strict=True))


class ServerCollections:
    """The collections of one server, each opened once; `folders` are those that it was started with, by name."""

    def __init__(self, service: Service, folders: Mapping[str, Location]) -> None:
        """Search with the encoders of `service`, and keep what visitors have below its upload folder for a while."""
        self.folders, self._service = folders, service
        self._open: dict[str, Collection] = {}
        self._opening = threading.Lock()
        service.files.after_sweep.append(self._forget_gone)

    def check(self) -> None:
        """Raise a `ClipsimError` that says which of the collections cannot be opened, before anybody asks for it."""
        for name in self.folders:
            try:
                self.open(name)
            except ClipsimError as error:
                raise ClipsimError(f"{VARIABLE}: {error}") from error

    def open(self, name: str) -> Collection:
        """Return the collection of that name as it is on disk now; raise if the name is not known, or it is damaged."""
        folder = self._find(name)
        with self._opening:
            collection = self._open.get(name)
            if collection is None or Manifest.read(folder).generation != collection.manifest.generation:
                self._open[name] = collection = Collection.open(folder)
            return collection

    def search(
        self, name: str, caption: str | None = None, like: str | None = None, top: float = 20, **only: Unpack[Filters]
    ) -> SearchResult:
        """Find the pictures that fit a caption best, or are most like one; an empty filter is none.

        They are those of the collection of that name, or of all whose names fit it as a pattern.

        Raises:
            CaptionError: neither or both of caption and like, or the caption is too long or no text.
            ClipsimError: as `open` and `Collection.search`, or another count than 1 to `MOST`.
        """
        self._service.check_texts(name, like, *(str(only.get(one) or "") for one in ("path", "after", "before")))
        caption = (caption or "").strip() or None
        if (caption is None) == (not like):
            takes = "a caption, or one of the pictures to find more like it"
            code: Code = "no_caption" if caption is None else "caption_and_reference"
            raise CaptionError(f"A search takes {takes}: give one of them.", code=code)
        self._service.check_size([], [caption or ""])
        if not 1 <= top <= MOST:  # not a number is neither
            raise UsageError(f"{top} results cannot be had at once: ask for 1 to {MOST}.")
        opened = {one: self.open(one) for one in self._match(name)}
        notes: tuple[str, ...]
        keywords: dict[str, Any] = {what: value or None for what, value in only.items()} | {"thumbnails": True}
        collection = next(iter(opened.values())) if caption else _find_owner(list(opened.values()), str(like))
        keywords["also"] = [one for one in opened.values() if one is not collection]
        config = collection.manifest.embedding
        if caption is None:
            hits, notes = collection.similar(str(like), int(top), **keywords), ()
        else:
            encoder, precision = self._service.encoder("auto"), config.options.precision
            if (encoder.name, encoder.precision) != (config.model, precision):  # what the page runs on is loaded once
                encoder = self._service.encoder(config.origin, precision)
            hits, notes = (
                collection.search(caption, encoder, int(top), **keywords),
                tuple(note_caption(caption, encoder)),
            )
        names = {str(one.folder): name for name, one in opened.items()}
        hits = [replace(hit, collection=names[hit.collection]) for hit in hits]
        total = sum(map(len, opened.values()))
        return SearchResult(name, total, caption, like or None, config.model, hits, notes)

    def keep(self, pictures: Sequence[Item], model: str, precision: Precision = "auto") -> str:
        """Make a collection of a visitor's own pictures, and return the name under which alone it is found.

        Too many pictures, none that can be read, or no room for them, are a `ClipsimError`.
        """
        self._service.check_size(pictures, [])
        self._service.files.check_room()
        name = f"own-{secrets.token_hex(16)}"
        folder = self._service.uploads / name
        originals = folder / "pictures"
        originals.mkdir(parents=True)
        try:
            for place, (source, title) in enumerate(name_sources(list(pictures)), 1):
                _copy(source, originals, title, place)
            report = index_folder(originals, folder / "collection", self._service.encoder(model, precision))
            if not report.added:
                reasons = " ".join(f"{rejected.name} {rejected.reason}." for rejected in report.rejected)
                raise ClipsimError(f"None of the pictures could be kept: {reasons}", code="nothing_scored")
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        shutil.rmtree(originals, ignore_errors=True)  # vectors and thumbnails are what is kept
        self._service.files.limit_collections(self._service.limits.kept, self._service.limits.kept_bytes)
        return name

    def check_name(self, name: str) -> None:
        """Raise as `open` unless there is a collection of that name, or several whose names fit it."""
        for one in self._match(name):
            self.open(one)

    def count_kept(self, names: Sequence[Any]) -> dict[str, int]:
        """Return how many pictures there are in each visitor's collection of these names that is still kept."""
        counts = {}
        for name in names:
            with suppress(ClipsimError):
                if isinstance(name, str) and OWN.fullmatch(name):
                    counts[name] = len(self.open(name))
        return counts

    def _match(self, name: str) -> list[str]:
        """Return the collection of that name, or else all of the server whose names fit it."""
        known = name in self.folders or OWN.fullmatch(name)
        return [name] if known else fnmatch.filter(self.folders, name) or [name]

    def _find(self, name: str) -> Location:
        if name in self.folders:
            return self.folders[name]
        if OWN.fullmatch(name):
            own = self._service.uploads / name / "collection"
            if own.is_dir():
                self._service.files.use(own.parent)
                return own
            sentence = "Your collection is no longer kept: add the pictures and keep them again."
            raise ClipsimError(sentence, code="not_kept")
        if not self.folders:
            sentence = "This server has no collections: score some pictures and keep them as one."
            raise ClipsimError(sentence, code="unknown_collection")
        sentence = f"The collection “{name[:60]}” is not known: use {', '.join(self.folders)}."
        raise ClipsimError(sentence, code="unknown_collection")

    def _forget_gone(self) -> None:
        """Close the collections of visitors whose folders were swept."""
        with self._opening:
            for name in [name for name in self._open if name not in self.folders]:
                if not (self._service.uploads / name).is_dir():
                    del self._open[name]


def _find_owner(collections: Sequence[Collection], path: str) -> Collection:
    """Return the one that has a picture of that path, or the first; a `UsageError` if several have one."""
    owners = [one for one in collections if path in one] if len(collections) > 1 else []
    if len(owners) > 1:
        sentence = f"There is a {path} in {len(owners)} of these collections: name the one that you mean."
        raise UsageError(sentence, code="unknown_picture")
    return (owners or collections)[0]


def _copy(source: Any, folder: Path, title: str, place: int) -> None:
    """Write a picture under its own name, or by its place where no file can have that name."""
    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    plain = Path(title).name
    file = f"picture {place}" if plain[:1] in ("", ".") else plain
    if Path(file).suffix.lower() not in SUFFIXES:
        file += ".jpg"  # content counts, the ending only lets it be found
    try:
        (folder / file).write_bytes(data)
    except (OSError, ValueError):
        (folder / f"picture {place}.jpg").write_bytes(data)
