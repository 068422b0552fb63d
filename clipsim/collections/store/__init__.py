"""The files of a collection: the manifest, segments of vectors and rows, approximate indexes, and who writes them."""

from clipsim.collections.store.manifest import KINDS, PQ, EmbeddingConfig
from clipsim.collections.store.segments import SCHEMA, write_segment
from clipsim.collections.store.writer import Writer

__all__ = ["KINDS", "PQ", "SCHEMA", "EmbeddingConfig", "Writer", "write_segment"]
