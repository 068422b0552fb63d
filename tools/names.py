"""Which things photographs show, by what their captions or labels name: for verdicts on captions of a word or two.

WordNet's own files (Debian's package wordnet-base) say that who writes "puppy" means a dog and an animal. A thing
counts as shown where three captions of five name it, and as absent where none does; a word is taken in its first sense.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np

from clipsim.embedding import Gallery, encode_captions
from clipsim.encoders import Encoder
from clipsim.options import Options
from clipsim.scoring import MATCH, NO_MATCH, NOT_SURE, NOTHING, WEAK, Calibration, encode_background
from clipsim.scoring.calibration import Cutoffs, compute_strengths
from clipsim.scoring.null_distribution import NullDistribution
from clipsim.tuning import GALLERIES, Aims
from tools.stand_in_data import BASIC, find_synsets, list_hypernyms, read_class_names, read_wordnet

SHOWN = 3  # captions of a picture that name a thing
LEAST = 4  # pictures that show a thing, or its rate is left out
PARTS = 5  # of pictures and of names: cut-offs are tried on one and learned from the others
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

    def split(self, t: np.ndarray, part: int, other: int, *, outside: bool) -> tuple[Things, np.ndarray]:
        """Keep one of `PARTS` of pictures and one of names, or all but these, of itself and of `t`, shape (n, k)."""
        rows = (np.arange(len(self.shown)) % PARTS == part) != outside
        columns = (np.arange(len(self.names)) % PARTS == other) != outside
        block = np.ix_(rows, columns)
        names = [name for name, kept in zip(self.names, columns, strict=True) if kept]
        return Things(names, self.shown[block], self.absent[block]), t[block]


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


Judged = tuple[Things, np.ndarray]  # and t of picture i and name j, as `clipsim.scoring.calibration` computes it


def compute_name_strengths(gallery: Gallery, things: Things, encoder: Encoder) -> np.ndarray:
    """Compute t of every picture and name, shape (n, k), by step 2 of `clipsim.scoring.calibration` alone."""
    vectors, background = encode_captions(things.names, encoder), encode_background(encoder)
    unrelated = gallery.cosines(background.vectors)
    t, _ = compute_strengths(gallery.cosines(vectors), vectors, unrelated, background, None)
    return t


def learn_names(judged: Sequence[Judged], learned: Calibration, aims: Aims, draws: int) -> Calibration:
    """Learn what holds for names of things, and how often it is right on the first set of pictures.

    Args:
        judged: sets of pictures, which count alike for false alarms. What true pairs come to is learned and measured on
            the first one alone, each name counting alike.
        learned: of sentences; its moments do not count for names.
        aims: which shares of false alarms the cut-offs may let through.
        draws: galleries of each size.
    """
    known = _learn(judged, learned, aims, draws)
    return replace(known, rates={Options().treatment: _measure(judged, learned, aims, draws)})


def _learn(judged: Sequence[Judged], learned: Calibration, aims: Aims, draws: int) -> Calibration:
    chance = np.random.default_rng(0)
    absent = [t[things.absent] for things, t in judged]
    count = min(map(len, absent))
    drawn = np.concatenate([chance.choice(one, count, replace=False) for one in absent])
    null = NullDistribution.fit(drawn).thin()
    match, weak = np.quantile(null.percentile(drawn), [1 - aims.false_matches, 1 - aims.false_weak]).tolist()
    things, t = judged[0]
    percentiles = null.percentile(t)
    chances = []
    for size in GALLERIES:
        best = np.array([percentiles[rows, name].max() for rows, name in _draw(things, size, draws, fitting=False)])
        chances.append(np.quantile(1 - (best / 100) ** size, [aims.false_galleries, aims.unsure_galleries]))
    gallery, unsure = np.min(chances, axis=0).tolist()
    fits = [percentiles[column, i] for i, column in enumerate(things.shown.T) if column.sum() >= LEAST]
    weights = np.concatenate([np.full(len(one), 1 / len(one)) for one in fits])
    low = np.quantile(np.concatenate(fits), aims.missed, method="inverted_cdf", weights=weights)
    return replace(learned.unscaled(), null=null, cutoffs=Cutoffs(match, weak, gallery, unsure, min(float(low), weak)))


def _draw(things: Things, size: int, draws: int, *, fitting: bool) -> Iterator[tuple[np.ndarray, int]]:
    """Yield pictures without a thing, the last one with it where `fitting`, and which thing."""
    chance = np.random.default_rng(size)
    enough = (things.shown.sum(axis=0) >= LEAST) & (things.absent.sum(axis=0) >= size)
    for name in chance.choice(np.flatnonzero(enough), draws):
        others = chance.choice(np.flatnonzero(things.absent[:, name]), size - fitting, replace=False)
        own = chance.choice(np.flatnonzero(things.shown[:, name]), int(fitting))
        yield np.concatenate([others, own]), int(name)


def _measure(judged: Sequence[Judged], learned: Calibration, aims: Aims, draws: int) -> dict[str, float]:
    """Measure verdicts by cut-offs that were learned without the picture's part and without the name's."""
    things, t = judged[0]
    percentiles, verdicts = np.zeros(t.shape), np.full(t.shape, "", dtype=object)
    known = {}
    for part, other in product(range(PARTS), repeat=2):
        rest = [things.split(t, part, other, outside=True) for things, t in judged]
        known[part, other] = one = _learn(rest, learned, aims, draws)
        block = np.ix_(np.arange(len(t)) % PARTS == part, np.arange(t.shape[1]) % PARTS == other)
        percentiles[block] = one.null.percentile(t[block])
        verdicts[block] = [[one.cutoffs.verdict(value) for value in row] for row in percentiles[block]]
    names = things.shown.sum(axis=0) >= LEAST
    rates = {}
    for kind, where in (("true", things.shown[:, names]), ("random", things.absent[:, names])):
        for what, called in (("match", {MATCH}), ("match or weak", {MATCH, WEAK}), ("no match", {NO_MATCH})):
            flags = np.isin(verdicts[:, names].astype(str), list(called)) & where
            shares = flags.sum(axis=0) / where.sum(axis=0)
            rates[f"{kind} pairs called {what}"] = float(shares.mean())
            if (kind, what) == ("true", "match or weak"):
                each = zip(np.array(things.names)[names], where.sum(axis=0), shares, strict=True)
                print(f"{what}: {', '.join(f'{name} {share:.0%} of {count}' for name, count, share in each)}")
    for size, fitting in product(GALLERIES, (False, True)):
        answers, named = [], []
        for rows, name in _draw(things, size, draws, fitting=fitting):
            shown = percentiles[rows, name]
            best = rows[shown.argmax()]
            answers.append(known[best % PARTS, name % PARTS].cutoffs.verdicts(shown)[0])
            named.append(bool(things.shown[best, name]) and answers[-1] != NOTHING)
        which = "with a fitting picture" if fitting else "without a fitting picture"
        for answer in (MATCH, NOT_SURE, NOTHING):
            rates[f"galleries of {size} {which} called {answer}"] = float(np.mean([one == answer for one in answers]))
        if fitting:
            rates[f"galleries of {size} in which the fitting picture is named"] = float(np.mean(named))
    return {name: round(rate, 4) for name, rate in rates.items()}
