"""Which things photographs show, by what their captions or labels name: for verdicts on captions of a word or two.

WordNet's own files (Debian's package wordnet-base) say that who writes "puppy" means a dog and an animal. A thing
counts as shown where three captions of five name it, and as absent where none does; a word is taken in its first sense.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from tools.stand_in_data import BASIC, find_synsets, list_hypernyms, read_class_names, read_wordnet

SHOWN = 3  # captions of a picture that name a thing
SCENES = {  # beside `BASIC`: WordNet's first name of a synset, and the word that people write
    **{
        word: word
        for word in (  # noqa: SIM905  # as there
            "person man woman child girl beach field grass rock snow street tree water chair table ocean lake river "
            "sand"
        ).split()
    },
    "male_child": "boy",
}
MASS = {"food", "grass", "snow", "water", "sand", "fruit", "furniture", "clothing", "sports equipment"}
IRREGULAR = {"men": "man", "women": "woman", "children": "child", "people": "person", "mice": "mouse", "wolves": "wolf"}


@dataclass(frozen=True)
class Things:
    """Names of things, such as "a dog", and where they are.

    Attributes:
        names: k of them.
        shown: whether picture i shows it, shape (n, k).
        absent: whether it does not, shape (n, k). Where neither is true nobody can say.
    """

    names: list[str]
    shown: np.ndarray
    absent: np.ndarray


class Nouns:
    """WordNet's nouns: what is above a word."""

    def __init__(self, folder: Path) -> None:
        """Read the files `index.noun` and `data.noun`."""
        self.synsets, self._above = read_wordnet(folder)
        self.list_above = cache(self._list_above)

    def _list_above(self, word: str) -> frozenset[str]:
        first = self.synsets.get(self.find_singular(word), [])[:1]
        return frozenset(above for synset in first for above in list_hypernyms(synset, self._above))

    def find_singular(self, word: str) -> str:
        """Return the noun that WordNet has for a word; the word itself if it has none."""
        shorter = [word.removesuffix(end) for end in ("s", "es") if word.endswith(end)]
        tried = [IRREGULAR.get(word, word), *shorter, word.removesuffix("ies") + "y"]
        return next((one for one in tried if one in self.synsets), word)

    def list_above_classes(self) -> dict[str, frozenset[str]]:
        """Return what is above each of ImageNet's classes, by its name."""
        names = read_class_names()
        found = find_synsets(names, self.synsets)
        return {name: frozenset(list_hypernyms(one, self._above)) for name, one in zip(names, found, strict=True)}


def find_captioned(captions: Sequence[str], owner: np.ndarray, nouns: Nouns) -> Things:
    """Find what pictures show by their captions; `owner` is the picture of each."""
    words = BASIC | SCENES
    named = np.zeros((owner.max() + 1, len(words)), int)
    for caption, picture in zip(captions, owner, strict=True):
        above = frozenset[str]().union(*map(nouns.list_above, set(re.findall(r"[a-z]+", caption.lower()))))
        named[picture] += [word in above for word in words]
    return _merge(list(words.values()), named >= SHOWN, named == 0)


def find_labelled(labels: Sequence[str], nouns: Nouns) -> Things:
    """Find what pictures show by the ImageNet class of each."""
    classes = nouns.list_above_classes()
    shown = np.array([[word in classes[label] for word in BASIC] for label in labels])
    return _merge(list(BASIC.values()), shown, ~shown)


def _merge(words: list[str], shown: np.ndarray, absent: np.ndarray) -> Things:
    """Put what goes by the same word together."""
    names = sorted(set(words))
    columns = [[i for i, word in enumerate(words) if word == name] for name in names]
    return Things(
        [name if name in MASS else f"an {name}" if name[0] in "aeio" else f"a {name}" for name in names],
        np.stack([shown[:, own].any(axis=1) for own in columns], axis=1),
        np.stack([absent[:, own].all(axis=1) for own in columns], axis=1),
    )
