"""Captions of a list that stand against each row's own: a sample that is the same however often the list is read."""

from __future__ import annotations

import hashlib
import heapq
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from clipsim.embedding import encode_captions
from clipsim.encoders import Encoder
from clipsim.evaluation import normalize_text
from clipsim.options import Prompt
from clipsim.pairs.pair import make_key

MOST_OWNERS = 64  # pictures of one caption that are remembered: "a dog" may stand with a thousand


@dataclass
class _Entry:
    text: str
    owners: set[bytes] = field(default_factory=set)


@dataclass(frozen=True)
class Pool:
    """Different captions of a list, in an order that does not depend on theirs.

    Attributes:
        texts: m captions.
        vectors: unit vectors, shape (m, d).
        places: the place of each text, by the key of its normalised form.
        owned: the places of the captions of each picture, by the key of the picture.
    """

    texts: tuple[str, ...]
    vectors: np.ndarray
    places: dict[bytes, int]
    owned: dict[bytes, list[int]]

    def exclude(self, picture: str, caption: str) -> list[int]:
        """Return the places of what is no other caption for a picture: its own ones, and this text."""
        own = self.places.get(make_key(normalize_text(caption)))
        return [*self.owned.get(make_key(picture), ()), *([] if own is None else [own])]


@dataclass(frozen=True)
class Sample:
    """Captions of a `Pool` before they are encoded, of how many rows, and a digest of all of these."""

    texts: tuple[str, ...]
    places: dict[bytes, int]
    owned: dict[bytes, list[int]]
    rows: int
    digest: str

    def encode(self, encoder: Encoder, prompt: Prompt) -> Pool:
        """Encode the captions."""
        return Pool(self.texts, encode_captions(list(self.texts), encoder, prompt), self.places, self.owned)


def sample_captions(captions: Iterable[tuple[str, str]], size: int) -> Sample:
    """Draw `size` different captions from (key of the picture, caption).

    Those with the lowest digests are kept (bottom-k sampling, Cohen and Kaplan 2007, doi:10.1145/1281100.1281133): a
    uniform sample of the different texts, for which the list is read once and no more than the sample is held.
    """
    kept: dict[bytes, _Entry] = {}
    highest: list[tuple[int, bytes]] = []  # a heap: the highest digest comes first
    rows, digest = 0, hashlib.sha256()
    for picture, caption in captions:
        text, owner = normalize_text(caption), make_key(picture)
        key = make_key(text)
        rows += 1
        digest.update(owner + make_key(caption))
        if not text:
            continue
        if key not in kept:
            number = -int.from_bytes(key, "big")
            if len(kept) >= size and number <= highest[0][0]:
                continue
            kept[key] = _Entry(" ".join(caption.split()))
            heapq.heappush(highest, (number, key))
            if len(kept) > size:
                del kept[heapq.heappop(highest)[1]]
        if len(kept[key].owners) < MOST_OWNERS:
            kept[key].owners.add(owner)
    places = {key: place for place, key in enumerate(sorted(kept))}
    owned: dict[bytes, list[int]] = defaultdict(list)
    for key, place in places.items():
        for owner in sorted(kept[key].owners):
            owned[owner].append(place)
    return Sample(tuple(_clean(kept[key].text) for key in places), places, dict(owned), rows, digest.hexdigest())


def _clean(text: str) -> str:
    """Return a text without halves of surrogate pairs, which no tokenizer takes."""
    return text.encode("utf-8", "replace").decode()
