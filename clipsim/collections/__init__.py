"""Pictures on disk: embedded once, searched many times."""

from clipsim.collections.collection import Collection, Filters, Hit
from clipsim.collections.encoding import EncodedPart, Engine
from clipsim.collections.indexing import Report, index_folder
from clipsim.collections.store.manifest import KINDS, EmbeddingConfig, Manifest

__all__ = ["KINDS", "Collection", "EmbeddingConfig", "EncodedPart", "Engine", "Filters", "Hit", "Manifest"]
__all__ += ["Report", "index_folder"]
