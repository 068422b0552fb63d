"""What there is to score, picture by picture, each under a name that no other has."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import chain, count
from typing import TypeVar

import numpy as np

from clipsim.errors import ClipsimError
from clipsim.images import Images, Source, collect_images, name_image

S = TypeVar("S", bound=Source | np.ndarray)
Item = Source | tuple[Source, str]


def collect_sources(items: Images) -> Iterable[tuple[Source, str]]:
    """Return all sources with their names: a list, or of an iterator another one.

    None at all are a `ClipsimError`; else raise as `clipsim.images.collect_images`.
    """
    pairs = name_sources(collect_images(items))
    ahead = iter(pairs)
    for first in ahead:
        return pairs if isinstance(pairs, list) else chain([first], ahead)
    raise ClipsimError("There are no pictures to score: add at least one.", code="no_pictures")


def name_sources(items: Iterable[S | tuple[S, str]]) -> list[tuple[S, str]] | Iterator[tuple[S, str]]:
    """Give each item a name that no other has, by numbering those that share one.

    In a list the first picture of a name keeps it, whatever the others are called; of an iterator only the names that
    have come are known.
    """
    pairs = (one if isinstance(one, tuple) else (one, name_image(one, place)) for place, one in enumerate(items, 1))
    if not isinstance(items, Collection):
        return _disambiguate(pairs, set())
    known = list(pairs)
    return list(_disambiguate(known, {name for _, name in known}))


def _disambiguate(pairs: Iterable[tuple[S, str]], reserved: set[str]) -> Iterator[tuple[S, str]]:
    """Number the names that are used already; the first picture of each `reserved` name has it."""
    used, numbers = set(reserved), dict[str, Iterator[int]]()
    for source, name in pairs:
        unique = name
        if name in reserved:
            reserved.remove(name)
        elif name in used:
            candidates = (f"{name} ({number})" for number in numbers.setdefault(name, count(2)))
            unique = next(candidate for candidate in candidates if candidate not in used)
        used.add(unique)
        yield source, unique
