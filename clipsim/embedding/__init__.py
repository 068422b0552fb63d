"""Galleries of pictures, and captions, into vectors, a batch at a time."""

from clipsim.embedding.cache import VectorCache, use_cache, vector_key
from clipsim.embedding.framing import View, clip_box, draw_thumbnail, transfer_box, unit_mean
from clipsim.embedding.looking import Look, PictureInfo
from clipsim.embedding.naming import Item, collect_sources, name_sources
from clipsim.embedding.pipeline import (
    Embedded,
    Gallery,
    Progress,
    Rejected,
    embed,
    one_thread,
    stream,
    use_clock,
    use_decoder,
)
from clipsim.embedding.prompts import encode_captions

__all__ = ["Embedded", "Gallery", "Item", "Look", "PictureInfo", "Progress", "Rejected", "VectorCache", "View"]
__all__ += ["clip_box", "collect_sources", "draw_thumbnail", "embed", "encode_captions", "name_sources", "one_thread"]
__all__ += ["stream", "transfer_box", "unit_mean", "use_cache", "use_clock", "use_decoder", "vector_key"]
