"""Pictures on disk: embedded once, searched many times."""

from clipsim.collections.collection import Collection
from clipsim.collections.encoding import EncodedPart, Engine, Files
from clipsim.collections.filters import Filters
from clipsim.collections.indexing import index_folder
from clipsim.collections.searching import Hit
from clipsim.collections.store.manifest import KINDS, EmbeddingConfig, Manifest
from clipsim.collections.updating import Report

__all__ = ["KINDS", "Collection", "EmbeddingConfig", "EncodedPart", "Engine", "Files", "Filters", "Hit", "Manifest"]
__all__ += ["Report", "index_folder"]
