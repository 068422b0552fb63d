"""Files into segments of a collection that are still to be committed, by an engine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from clipsim.collections.models import find_first
from clipsim.collections.store.lists import FailedFile
from clipsim.collections.store.manifest import EmbeddingConfig
from clipsim.collections.store.segments import SCHEMA, write_segment
from clipsim.embedding import Embedded, Pace, Rejected, stream
from clipsim.encoders import Encoder
from clipsim.images import Content, File, Location, read_contents

PART = 256  # pictures that are written together
SECONDS = 30.0  # after which fewer are, so that a slow model loses no more than this
THUMBNAIL = 320  # pixels along the longer side, at most


@dataclass(frozen=True)
class EncodedPart:
    """Pictures that were encoded together."""

    segment: str  # id of the segment that was written; "" where none of them could be read
    paths: tuple[str, ...]  # those in the segment, in its order
    failed: tuple[FailedFile, ...]  # those that could not be read


class Files(Protocol):
    """Files in their order, such as a list of them; they need not be in memory."""

    def __len__(self) -> int:
        """Return how many there are."""

    def __iter__(self) -> Iterator[File]:
        """Yield them."""


class Engine(Protocol):
    """What encodes files: `encode_files` in this process, `clipsim.collections.ray.Ray` on many machines."""

    def __call__(
        self, files: Files, folder: Location, config: EmbeddingConfig, device: str, /
    ) -> Iterator[EncodedPart]:
        """Encode files in order, as `config` says, and write them as segments of the collection in `folder`."""


def encode_files(
    files: Files,
    folder: Location,
    config: EmbeddingConfig,
    device: str = "auto",
    *,
    encoder: Encoder | None = None,
    part: int = PART,
    seconds: float = SECONDS,
    mark: str = "",
) -> Iterator[EncodedPart]:
    """Encode files in this process, as an `Engine`, and write at most so many of a `part` together.

    Fewer are written together when so many `seconds` have passed. They bear the `mark` of the run that commits them.
    `encoder`, that of `config`, is loaded if it is None.
    """
    config.check_preparation()
    encoder = encoder or config.load(device)
    side = 0 if find_first(folder) else THUMBNAIL  # those of the first model do for the others
    config.check_facts(EmbeddingConfig.from_encoder(encoder, config.options).facts())
    known: dict[str, Content] = {}
    failed: list[FailedFile] = []
    rows: list[dict[str, Any]] = []
    vectors: list[np.ndarray] = []

    def read_sources() -> Iterator[tuple[Path | bytes, str]]:
        for content in read_contents(files):
            if content.problem:  # it cannot be fetched: without size and times, so that it is tried again
                failed.append(FailedFile(content.file.name, content.problem))
            else:
                known[content.file.name] = content
                yield content.source, content.file.name

    def write_part() -> EncodedPart:
        table, about = pa.Table.from_pylist(rows, SCHEMA), config.to_json()
        segment = write_segment(folder, table, np.concatenate(vectors), about, mark) if rows else ""
        written = EncodedPart(segment, tuple(row["path"] for row in rows), tuple(failed))
        for done in (rows, vectors, failed):
            done.clear()
        return written

    sources = read_sources()
    first = next(sources, None)  # `stream` takes no empty gallery
    last = time.monotonic()
    pace = Pace(finds_batch=True)
    for one in stream(chain([first], sources), encoder, config.options, thumbnail=side, pace=pace) if first else ():
        if isinstance(one, Rejected):
            file = known.pop(one.name).file
            failed.append(FailedFile(one.name, one.reason, file.size, file.times))
        else:
            rows.append(_make_row(one, known.pop(one.info.name)))
            vectors.append(one.vectors)
        if len(rows) + len(failed) >= part or time.monotonic() - last > seconds:
            yield write_part()
            last = time.monotonic()
    if rows or failed:
        yield write_part()


def _make_row(one: Embedded, content: Content) -> dict[str, Any]:
    """Return a picture's row, by the names of `SCHEMA`."""
    info = one.info
    file = (info.name, content.size, content.file.times[0], content.digest)
    seen = (*info.size, [*content.file.notes, *info.notes], info.coverage, info.thumbnail)
    return dict(zip(SCHEMA.names, (*file, *seen), strict=True))
