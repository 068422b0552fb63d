"""The files of a collection: the manifest, segments of vectors and rows, approximate indexes, and who writes them."""

from clipsim.collections.store.kinds import EXACT, IVF_PQ, KINDS, PQ, choose_kind
from clipsim.collections.store.manifest import (
    MANIFEST,
    EmbeddingConfig,
    FailedFile,
    Manifest,
    read_failed,
    read_removed,
)
from clipsim.collections.store.search import Query, Searcher
from clipsim.collections.store.segments import FOLDER, LIGHT, SCHEMA, Segment, write_segment
from clipsim.collections.store.writer import Writer

__all__ = [
    "EXACT",
    "FOLDER",
    "IVF_PQ",
    "KINDS",
    "LIGHT",
    "MANIFEST",
    "PQ",
    "SCHEMA",
    "EmbeddingConfig",
    "FailedFile",
    "Manifest",
    "Query",
    "Searcher",
    "Segment",
    "Writer",
    "choose_kind",
    "read_failed",
    "read_removed",
    "write_segment",
]
