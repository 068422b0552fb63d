"""A caption in parts: what a picture has to show, and what it must not.

“A beach, no people”, “a dog without a leash”, “beach -people”, “king + woman”. Models of this kind read “no dog” as
“dog”, so that such a caption is taken apart and each part scored by itself (`clipsim.scoring.combining`). Found with
small closed lists, in English: what they do not cover is left alone, and `clipsim.scoring.remarks` says that it is
ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from clipsim.scoring.remarks import NEGATIONS, ON_SIGNS, is_foreign
from clipsim.scoring.roles import DETERMINERS, ENDS, IN_THINGS, NO_THINGS


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


MOST = 8  # parts of one caption: more are no question any more
LONGEST = 5  # words of what must not be there
_TOKEN = re.compile(r'"[^"]*"|“[^”]*”|\w+(?:[\'’/-]\w+)*|[^\w\s]')
# A sign stands before a word, and not within one (“t-shirt”, “C++”), at its end (“LGBT+”) or before a number (“-5”).
_SIGN = re.compile(r'(?<!\S)(?:(?P<plus>\+)\s*|(?P<minus>[-−])(?!\S*-(?:\s|$)))(?=[^\W\d_]|["“])')
_SPACED_MINUS = re.compile(r'(?<!\S)[-−]\s+(?=[^\W\d_]|["“])')  # counts beside a plus: alone it is a dash

_NOBODY = _set("nobody noone no-one")
_WITHOUT = _set("without w/o lacking")
_WEARING = _set("wearing holding carrying having containing including showing featuring")
_ANY = DETERMINERS | _set("any single sign signs trace traces of visible other's")
# “no longer”, “no more than two”, “no other people” and the like say something else than that a thing is missing.
_NO_IDIOMS = ON_SIGNS | _set(
    "longer more less fewer matter doubt way idea problem time other sooner wonder such need reason chance use "
    "different later further"
)
_NOT_IDIOMS = _set("lot bit few little only just")
_NO_CLAUSE = _set("or if why whether not no never")  # before these words a negation is turned round or is none
_BOUNDS = ENDS - {"of"} | _set(
    "on onto under underneath beneath below above over behind atop can will has had visible present around anywhere "
    "whatsoever"
)
_PLURALS = _set("people men women children sheep fish deer geese mice feet teeth")
_MASS = _set(
    "water snow grass sand food fruit furniture clothing clothes hair light sunlight traffic text writing smoke fire "
    "rain ice fog mist mud dirt wind jewelry makeup luggage equipment graffiti vegetation wildlife anything"
)
_NEVER = NEGATIONS | _set("allowed permitted")  # in the name of a thing
_FUNCTION = DETERMINERS | _set(
    "there is are was were it he she they we i you with and but or in on at of has have having which that who then so"
)
# What every picture is or has: to ask for it asks for nothing.
GENERIC = _set(
    "photo photos photograph photographs picture pictures image images scene scenes shot shots snapshot view place "
    "something anything"
)
_PICTURE = r"(?:the |this |a )?(?:picture|photo|photograph|image|scene|frame|shot|view|sight|background|foreground)"
_ANYWHERE = re.compile(
    rf"(?:(?:in|on|inside|within|around|near) (?:it|them|him|her|{_PICTURE})|at all|around|anywhere|visible|present|"
    r"here|there|whatsoever|(?:to be )?seen|on(?=\s*(?:$|[.,;]|\w+ing\b)))(?![\w'’])\s*",
    re.IGNORECASE,
)
# What leads over to a thing that is denied, and goes with it.
_LEADING_OVER = re.compile(
    r"(?:[\s,;:(.–—-]|(?<![\w'’])(?:and|but|with|(?:(?:that|which|who|it) )?(?:has|have)|having|wearing|there['’]s|"
    r"(?:there )?(?:is|are)|there(?: was| were)?)(?=[\s,]*$))$",
    re.IGNORECASE,
)
_BEGINNING = re.compile(r"^[\s,;:.)]+(?:(?:and|but)\s+)?|^(?:and|but)\s+", re.IGNORECASE)


@dataclass(frozen=True)
class Part:
    """One part of a caption.

    Attributes:
        text: as it is scored.
        wanted: whether it has to fit; else it must not.
    """

    text: str
    wanted: bool


def split_parts(caption: str) -> tuple[Part, ...]:
    """Return the parts of a caption, those that are wanted first; none if it is plain, or cannot be taken apart.

    A wanted part that every picture has, “a scene”, is left out. What comes twice counts once.
    """
    if not _may_have_parts(caption) or is_foreign(caption, words=1):
        return ()
    parts: list[Part] = []
    signed = list(_split_at_signs(caption))
    for text, wanted in signed:
        parts += _split_words(text) if wanted else [Part(_add_article(text), False)]
    parts = [part for part in dict.fromkeys(parts) if not (part.wanted and _says_nothing(part.text))]
    negated = any(not part.wanted for part in parts)
    if not (negated or (len(signed) > 1 and len(parts) > 1)) or len(parts) > MOST:
        return ()
    return tuple(sorted(parts, key=lambda part: not part.wanted))


def _may_have_parts(caption: str) -> bool:
    words = {word.lower() for word in re.findall(r"[\w/-]+", caption)}
    return bool(words & (NEGATIONS | _NOBODY | _WITHOUT | {"free", "isn", "aren"}) or _SIGN.search(caption))


def _split_at_signs(caption: str) -> Iterator[tuple[str, bool]]:
    """Yield the pieces between signs, and whether each is wanted; one that is not ends at a comma."""
    quoted = [match.span() for match in re.finditer(r'"[^"]*"|“[^”]*”', caption)]
    found = [(match.start(), match.end(), match["plus"] is not None) for match in _SIGN.finditer(caption)]
    if any(plus for *_, plus in found):
        found += [(match.start(), match.end(), False) for match in _SPACED_MINUS.finditer(caption)]
    signs = sorted(one for one in found if not any(start <= one[0] < end for start, end in quoted))
    starts = [(0, True), *((end, plus) for _, end, plus in signs)]
    ends = [*(start for start, *_ in signs), len(caption)]
    for (start, wanted), end in zip(starts, ends, strict=True):
        piece = caption[start:end]
        first, _, rest = (piece, "", "") if wanted else piece.partition(",")
        for text, kept in ((first, wanted), (rest, True)):
            if stripped := text.strip(' ,;"“”'):
                yield stripped, kept


def _split_words(text: str) -> list[Part]:
    """Take the things that are denied by words out of a text; the text itself if nothing is, or it is not clear."""
    tokens = list(_TOKEN.finditer(text))
    words = [token.group().lower().replace("’", "'") for token in tokens]
    unwanted: list[str] = []
    kept: list[str] = []
    place = i = 0
    while i < len(words):
        length, things = _find_denial(words, i)
        if not length:
            i += 1
            continue
        named, end = things, i + length
        if not named:
            spans, end = _find_things(words, i + length)
            named = [text[tokens[first].start() : tokens[last - 1].end()] for first, last in spans]
        if not named or (i and words[i - 1] in _NO_CLAUSE):
            return [Part(text, True)]
        before = text[place : tokens[i].start()]
        stop = tokens[end - 1].end()
        rest = (
            _ANYWHERE.sub("", text[stop:].lstrip(), count=1) if _ANYWHERE.match(text[stop:].lstrip()) else text[stop:]
        )
        if things and (doing := re.match(r"\s*(\w+ing\b[^.,;]*)", rest)):
            named, rest = [f"{things[0]} {doing[1].strip()}"], rest[doing.end() :]
        if not things and _starts_caption(before, kept) and (whole := _take_place(rest)):
            named[-1], rest = f"{named[-1]} {whole}", rest.lstrip()[len(whole) :]
        unwanted += named
        kept.append(_strip_end(before))
        place = len(text) - len(rest)
        i = next((j for j, token in enumerate(tokens) if token.start() >= place), len(tokens))
    if not unwanted:
        return [Part(text, True)]
    wanted = _join([*kept, text[place:]])
    return [*([Part(wanted, True)] if wanted else []), *(Part(_add_article(one), False) for one in unwanted)]


def _find_denial(words: Sequence[str], i: int) -> tuple[int, list[str]]:
    """Return how many words deny what follows word i, 0 if none do, and what is denied where they say it themselves."""
    word, before, after = words[i], words[i - 1] if i else "", words[i + 1] if i + 1 < len(words) else ""
    if word in _NOBODY or (word, after) == ("no", "one"):
        return (2 if word == "no" else 1), ["people"]
    if (word, after) == ("free", "of"):
        return 2, []
    some = after in {"a", "an", "any"}
    denies = word in _WITHOUT or (before == "there" and word in {"isn't", "aren't"} and some)
    if word == "no":  # but not in “a no dogs sign”
        denies = after not in _NO_IDIOMS and after[:1].isalpha() and before not in DETERMINERS
    if word == "not" and (some or after in _WEARING):
        denies = i + 2 < len(words) and words[i + 2] not in _NOT_IDIOMS
    return int(denies), []


def _find_things(words: Sequence[str], start: int) -> tuple[list[tuple[int, int]], int]:
    """Return where the things lie that are listed from `start`, and where the list ends; no things if it is unclear."""
    found: list[tuple[int, int]] = []
    i = start
    while True:
        first = i
        while first < len(words) and (words[first] in _ANY or words[first] in _WEARING):
            first += 1
        last = _find_end(words, first)
        if not _is_thing(words[first:last]):
            return found, (found[-1][1] if found else start)
        begin = first - 1 if first > i and words[first - 1] in {"a", "an"} else first
        found.append((begin, last))
        joined = _find_next(words, last, words[i] in DETERMINERS)
        if joined is None:
            return found, last
        i = joined


def _find_next(words: Sequence[str], end: int, determined: bool) -> int | None:
    """Return where the next thing of a list begins; None if the list ends at `end`."""
    ahead = list(words[end : end + 2])
    if ahead[:1] in (["or"], ["nor"]):
        return end + 1
    if ahead in ([",", "or"], [",", "nor"]):
        return end + 2
    if ahead[:1] == ["and"]:
        again = words[end + 1 : end + 2] and words[end + 1] in DETERMINERS
        return None if determined or again else end + 1
    if ahead[:1] == [","]:  # “cars, dogs or people”
        last = _find_end(words, end + 1)
        tail = list(words[last : last + 2])
        listed = tail[:1] in (["or"], ["nor"]) or tail == [",", "or"]
        return end + 1 if listed and _is_thing(words[end + 1 : last]) else None
    return None


def _find_end(words: Sequence[str], start: int) -> int:
    """Return where the thing that begins at `start` ends."""
    for i in range(start, len(words)):
        word = words[i]
        if not word[0].isalnum() and word[0] not in '"“':
            return i
        if i > start and (word in _BOUNDS or word in DETERMINERS or word.endswith("ly")):
            return i
        if i > start and word.endswith("ing") and word not in IN_THINGS:
            return i
    return len(words)


def _is_thing(words: Sequence[str]) -> bool:
    if not 0 < len(words) <= LONGEST or not any(map(str.isalnum, "".join(words))):
        return False
    if words[0] in NO_THINGS or words[0] in _BOUNDS or set(words) & _NEVER:
        return False
    return len(words) > 1 or not words[0].endswith("ing") or words[0] in IN_THINGS


def _starts_caption(before: str, kept: Sequence[str]) -> bool:
    return not any(kept) and _says_nothing(_strip_end(before))


def _strip_end(text: str) -> str:
    while (shorter := _LEADING_OVER.sub("", text)) != text:
        text = shorter
    return text


def _take_place(rest: str) -> str:
    """Return the words after a thing that say which one is meant; “on the beach” says rather what there is instead."""
    found = re.match(r"\s*((?:on|in|under|behind|near|with|at) (?!the\b)[^.,;]+)", rest, re.IGNORECASE)
    return found[1].rstrip() if found else ""


def _join(pieces: Sequence[str]) -> str:
    """Join what is left of a text; one that would begin with “on the beach” begins with “the beach”."""
    text = ""
    for one in pieces:
        piece = one.strip(" ;:.)–—") if text else _BEGINNING.sub("", one).strip(" ,;:.)–—")
        if piece and not text and one is not pieces[0]:
            piece = re.sub(r"^(?:on|in|at|under|behind|near|around|along) (?=the\b)", "", piece, flags=re.IGNORECASE)
        text += (" " if text and piece[:1].isalnum() else "") + piece
    text = text.strip(" .,;")
    return "" if _says_nothing(text) else text


def _says_nothing(text: str) -> bool:
    words = [word.lower() for word in re.findall(r"[\w'’]+", text)]
    return all(word in GENERIC or word in _FUNCTION or word == "there's" for word in words)


def _add_article(text: str) -> str:
    """Return a thing as captions name one: “dog” becomes “a dog”."""
    text = text.strip(' "“”.,;')
    words = text.lower().split()
    if not words or words[0] in DETERMINERS or not text.isascii() or " of " in text or text[:1].isupper():
        return text
    head = next((word for i, word in enumerate(words[1:], 1) if word in _BOUNDS), "")
    noun = words[words.index(head) - 1] if head else words[-1]
    if noun in _PLURALS | _MASS or (noun.endswith("s") and not noun.endswith("ss")) or noun.endswith("ing"):
        return text
    return f"{'an' if words[0][0] in 'aeiou' else 'a'} {text}"
