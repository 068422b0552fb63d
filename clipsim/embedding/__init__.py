"""Galleries of pictures, and captions, into vectors, a batch at a time."""

from clipsim.embedding.cache import VectorCache, cache_of, use_cache, vector_key
from clipsim.embedding.duplicates import HASH_BITS, NEAR, group_duplicates, group_equal, hash_picture
from clipsim.embedding.framing import PREPARATION, View, clip_box, draw_thumbnail, pool, transfer_box, unit_mean
from clipsim.embedding.looking import Look, PictureInfo
from clipsim.embedding.naming import Item, collect_sources, name_sources
from clipsim.embedding.pipeline import (
    Embedded,
    Gallery,
    Pace,
    Progress,
    Rejected,
    embed,
    one_thread,
    stream,
    use_clock,
    use_decoder,
)
from clipsim.embedding.prompts import encode_captions

__all__ = [
    "HASH_BITS",
    "NEAR",
    "PREPARATION",
    "Embedded",
    "Gallery",
    "Item",
    "Look",
    "Pace",
    "PictureInfo",
    "Progress",
    "Rejected",
    "VectorCache",
    "View",
]
__all__ += ["cache_of", "clip_box", "collect_sources", "draw_thumbnail", "embed", "encode_captions"]
__all__ += [
    "group_duplicates",
    "group_equal",
    "hash_picture",
    "name_sources",
    "one_thread",
    "pool",
    "stream",
    "transfer_box",
    "unit_mean",
    "use_cache",
]
__all__ += ["PREPARATION", "use_cache", "use_clock", "use_decoder", "vector_key"]
