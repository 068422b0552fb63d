"""How a caption is put to the model: as it is written, in a sentence, or averaged over several sentences."""

from __future__ import annotations

import numpy as np

from clipsim.embedding.cache import cache_of, vector_key
from clipsim.encoders import Encoder
from clipsim.options import PROMPTS, Prompt


def encode_captions(captions: list[str], encoder: Encoder, prompt: Prompt = "as-written") -> np.ndarray:
    """Encode captions into unit-length float32 vectors, shape (n, width).

    Over several templates it is their mean at unit length: averaging in embedding space is section 3.1.4 of Radford et
    al. 2021 (arXiv:2103.00020). What was encoded before comes from the cache.
    """
    cache = cache_of(encoder)
    keys = [vector_key(encoder, ["caption", *PROMPTS[prompt], caption]) for caption in captions]
    entries = [cache.get(key) for key in keys]
    vectors = np.empty((len(captions), encoder.width), np.float32)
    for row, entry in zip(vectors, entries, strict=True):
        if entry:
            row[:] = entry[0][0]
    new = [i for i, entry in enumerate(entries) if not entry]
    if new:
        vectors[new] = _encode([captions[i] for i in new], encoder, PROMPTS[prompt])
    for i in new:
        cache.put(keys[i], vectors[i : i + 1])
    return vectors


def _encode(captions: list[str], encoder: Encoder, templates: tuple[str, ...]) -> np.ndarray:
    vectors = encoder.encode_texts([template.replace("{}", caption) for caption in captions for template in templates])
    if len(templates) == 1:
        return vectors
    mean = vectors.reshape(len(captions), len(templates), encoder.width).mean(axis=1)
    unit: np.ndarray = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    return unit
