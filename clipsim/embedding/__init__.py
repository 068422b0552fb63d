"""Galleries of pictures, and captions, into vectors, a batch at a time."""

from clipsim.embedding.cache import VectorCache, cache_of, use_cache, vector_key
from clipsim.embedding.framing import View, clip_box, draw_thumbnail, join_views, unit_mean
from clipsim.embedding.naming import Item, collect_sources, name_sources
from clipsim.embedding.pipeline import (
    Embedded,
    Gallery,
    Pace,
    PictureInfo,
    Progress,
    Rejected,
    embed,
    one_thread,
    stream,
)
from clipsim.embedding.prompts import encode_captions

__all__ = [
    "Embedded",
    "Gallery",
    "Item",
    "Pace",
    "PictureInfo",
    "Progress",
    "Rejected",
    "VectorCache",
    "View",
    "cache_of",
    "clip_box",
    "collect_sources",
    "draw_thumbnail",
    "embed",
    "encode_captions",
    "join_views",
    "name_sources",
    "one_thread",
    "stream",
    "unit_mean",
    "use_cache",
    "vector_key",
]
