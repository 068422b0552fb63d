"""Who does what to whom: the two things around a relation of a caption, put in each other's place.

“A dog on a sofa” becomes “a sofa on a dog”: the same words, and another picture. A model that scores both the same does
not know which is on which. Found with small closed lists: what they do not cover is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Places that say something else the other way round, longer ones first: not “near” or “next to”, nor “in”, which most
# often has the snow or the air behind it.
_PLACES = (
    ["to", "the", "left", "of"],
    ["to", "the", "right", "of"],
    ["in", "front", "of"],
    ["on", "top", "of"],
    ["left", "of"],
    ["right", "of"],
    *([place] for place in sorted(_set("on onto under underneath beneath below above over behind atop"))),
)
# What one does to another.
ACTS = _set(
    "bites bite biting carries carry carrying catches catch catching chases chase chasing covers covering eats eat "
    "eating feeds feed feeding follows follow following hits hit hitting holds hold holding hugs hug hugging hunts "
    "hunt hunting kicks kick kicking kisses kiss kissing leads leading licks lick licking lifts lift lifting pulls "
    "pull pulling pushes push pushing rides ride riding throws throw throwing touches touch touching watches watch "
    "watching"
)
DETERMINERS = _set(
    "a an the his her its their my our this that these those one two three four five six some several many another"
)
# What ends the words of a thing.
ENDS = ACTS | _set(
    "is are was were be has have while as and or but with without of for from by at to near beside between through "
    "across along around against toward towards off out up down who which that where when wearing wears in inside into"
    " sits sit stands stand lies lie lays jumps jump leaps leap runs run walks walk plays play swims swim climbs climb "
    "looks look sleeps sleep rests rest stares stare rolls roll poses pose"
)
IN_THINGS = _set(
    "building bathing swimming clothing ring string king wing railing ceiling thing swing painting wedding"
)
NO_THINGS = _set("it them him her each other there which top front back side it's everything all both")
_TOKEN = re.compile(r"\w+(?:['’-]\w+)*|[^\w\s]")


@dataclass(frozen=True)
class RoleSwap:
    """A caption with its two things in each other's place.

    Attributes:
        first: the thing that was named first.
        relation: how it stands to the other, in the caption's words.
        second: the thing that was named second.
        caption: the caption with the two swapped.
    """

    first: str
    relation: str
    second: str
    caption: str


def swap_roles(caption: str) -> RoleSwap | None:
    """Return the caption with the first two things that a relation joins swapped; None if none are found."""
    tokens = _TOKEN.findall(caption)
    lower = [token.lower() for token in tokens]
    for start, stop in _find_relations(lower):
        before, after = _find_before(lower, start), _find_after(lower, stop)
        if before is None or after is None or lower[slice(*before)] == lower[slice(*after)]:
            continue
        first, second = tokens[slice(*before)], tokens[slice(*after)]
        between = tokens[before[1] : after[0]]
        if before[0] == 0 and first[0][0].isupper() and len(first) > 1:
            first, second = [lower[0], *first[1:]], [second[0].capitalize(), *second[1:]]
        swapped = [*tokens[: before[0]], *second, *between, *first, *tokens[after[1] :]]
        return RoleSwap(" ".join(first), " ".join(between), " ".join(second), " ".join(swapped))
    return None


def _find_relations(words: Sequence[str]) -> list[tuple[int, int]]:
    """Return where each relation begins and ends."""
    found, i = [], 0
    while i < len(words):
        place = next((place for place in _PLACES if list(words[i : i + len(place)]) == place), None)
        length = len(place) if place else int(words[i] in ACTS)
        if length:
            found.append((i, i + length))
        i += max(length, 1)
    return found


def _find_before(words: Sequence[str], relation: int) -> tuple[int, int] | None:
    """Return where the thing before a relation begins and ends: it may be followed by what it does, as “standing”."""
    begins = [i for i in range(relation) if words[i] in DETERMINERS and (i == 0 or words[i - 1] not in DETERMINERS)]
    start = begins[-1] if begins else 0
    stop = _find_end(words[:relation], start)
    doing = words[stop:relation]
    if any(_is_bound(word) and not _is_doing(word) for word in doing) or len(doing) > 3:
        return None
    return (start, stop) if _is_thing(words[start:stop]) else None


def _find_after(words: Sequence[str], relation: int) -> tuple[int, int] | None:
    stop = _find_end(words, relation)
    return (relation, stop) if _is_thing(words[relation:stop]) else None


def _find_end(words: Sequence[str], start: int) -> int:
    """Return where the thing that begins at `start` ends; “a running dog” does not end before the dog."""
    for i in range(start, len(words)):
        if _is_bound(words[i]) and words[i] not in DETERMINERS:
            return i
        if i == start or words[i - 1] in DETERMINERS:
            continue
        if words[i] in DETERMINERS or (words[i].endswith(("ing", "ly")) and words[i] not in IN_THINGS):
            return i
    return len(words)


def _is_bound(word: str) -> bool:
    return word in ENDS or [word] in _PLACES or not word[0].isalnum()


def _is_doing(word: str) -> bool:
    return word in ACTS or word in _set("is are was were") or (word in ENDS and word.endswith("s"))


def _is_thing(words: Sequence[str]) -> bool:
    named = [word for word in words if word not in DETERMINERS]
    return 0 < len(named) <= 5 and not set(named) & NO_THINGS and len(words) <= 6
