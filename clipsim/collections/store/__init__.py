"""The files of a collection: what counts, pictures as vectors and rows, approximate indexes, and who writes them."""

from clipsim.collections.store.ann import EXACT, KINDS, Query, Searcher, suitable_kind
from clipsim.collections.store.manifest import (
    MANIFEST,
    EmbeddingConfig,
    FailedFile,
    Manifest,
    read_rejected,
    read_removed,
)
from clipsim.collections.store.segments import FOLDER, LIGHT, Segment, schema, write_segment
from clipsim.collections.store.writer import Writer

__all__ = [
    "EXACT",
    "FOLDER",
    "KINDS",
    "LIGHT",
    "MANIFEST",
    "EmbeddingConfig",
    "FailedFile",
    "Manifest",
    "Query",
    "Searcher",
    "Segment",
    "Writer",
    "read_rejected",
    "read_removed",
    "schema",
    "suitable_kind",
    "write_segment",
]
