"""How a caption is put to the model: as it is written, in a sentence, or averaged over several sentences."""

from __future__ import annotations

import numpy as np

from clipsim.embedding.cache import cache_of, vector_key
from clipsim.embedding.framing import unit_mean
from clipsim.encoders import Encoder
from clipsim.options import PROMPTS, Prompt


def encode_captions(captions: list[str], encoder: Encoder, prompt: Prompt = "as-written") -> np.ndarray:
    """Encode captions into unit-length float32 vectors, shape (n, width).

    Over several templates it is their mean at unit length: averaging in embedding space is section 3.1.4 of Radford et
    al. 2021 (arXiv:2103.00020). What was encoded before comes from the cache.
    """
    cache = cache_of(encoder)
    keys = [vector_key(encoder, ["caption", *PROMPTS[prompt], caption]) for caption in captions]
    known = {i: entry[0][0] for i, key in enumerate(keys) if (entry := cache.get(key))}
    new = [i for i in range(len(keys)) if i not in known]
    vectors = np.empty((len(captions), encoder.width), np.float32)
    for i, vector in known.items():
        vectors[i] = vector
    if new:
        templates = PROMPTS[prompt]
        each = encoder.encode_texts([template.replace("{}", captions[i]) for i in new for template in templates])
        vectors[new] = each if len(templates) == 1 else unit_mean(each.reshape(len(new), -1, encoder.width))
    for i in new:
        cache.put(keys[i], vectors[i : i + 1])
    return vectors
