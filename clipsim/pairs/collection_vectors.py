"""A collection as a cache: what it holds of a picture is not computed anew."""

from __future__ import annotations

from typing import Any

import numpy as np

from clipsim.collections import Collection
from clipsim.embedding import vector_key
from clipsim.encoders import Encoder
from clipsim.scoring import resolve_precision


class CollectionVectors:
    """The vectors of a collection by what their pictures hold: about 150 bytes a picture are held."""

    def __init__(self, collection: Collection, encoder: Encoder) -> None:
        """Take a collection and its model; a `UsageError` if it is another one, or calculates in another precision."""
        config = collection.manifest.embedding
        config.check(encoder)
        config.check_facts({"precision": resolve_precision(config.options, encoder).precision})
        self._vectors = collection.vectors()
        self._rows = collection.table(["digest", "width", "height", "notes", "seen"]).combine_chunks()
        how = [config.options.framing, config.options.contrast]
        digests = enumerate(self._rows["digest"])
        self._places = {vector_key(encoder, [bytes.fromhex(one.as_py()), *how]): place for place, one in digests}

    def __call__(self, key: bytes) -> tuple[np.ndarray, Any] | None:
        """Return what `clipsim.embedding.VectorCache` would: a picture's vector, and its notes, size and coverage."""
        place = self._places.get(key)
        if place is None:
            return None
        row = self._rows.slice(place, 1).to_pylist()[0]
        about = row["notes"], (row["width"], row["height"]), row["seen"]
        return np.asarray(self._vectors[place : place + 1], np.float32), about
