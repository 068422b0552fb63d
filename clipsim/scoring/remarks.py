"""What a caption says that a model does not see: a note where the score could be taken for more than it is.

Only the text is looked at, with small closed lists: a note must come where it is needed (“no robin”), and must stay
away from captions that people write of photographs (benchmarks/quality/remarks.py counts both). So everyday words that
models miss too, “two”, “red”, “next to”, have none.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise
from string import ascii_lowercase
from typing import Literal

from clipsim.encoders import Encoder

Kind = Literal["language", "negation", "count", "medium", "spelling"]


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


MOST = 2  # remarks on one caption: more are not read
_WORD = re.compile(r"\w+(?:['’-]\w+)*")
_QUOTED = re.compile(r'"[^"]*"|“[^”]*”')  # what a sign says is not said of the picture

NEGATIONS = _set(
    "no not without nobody noone none nothing nowhere never neither nor cannot lacking lacks except "
    "isnt arent wasnt werent doesnt dont didnt hasnt havent cant"
)
# What stands on signs, which pictures do show.
ON_SIGNS = _set("parking smoking entry exit trespassing swimming")

# From five on: of smaller numbers captions of photographs are full (18 in a hundred name two, three or four).
COUNTS = _set(
    "five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty "
    "thirty forty fifty sixty seventy eighty ninety hundred hundreds thousand thousands million millions dozen "
    "dozens"
)
FEWEST = 5
# After these a number is a name, an age or a size ...
_NAMED = _set("number numbers no age aged high channel route gate level size platform room")
# ... and so it is before these.
_UNITS = _set(
    "first second third fourth fifth sixth seventh eighth ninth year years month months week weeks day days hour hours "
    "minute minutes inch inches foot feet meter meters metre metres mile miles percent degrees dollars euros pounds "
    "o'clock o’clock am pm"
)
_PLURALS = _set("people men women children sheep fish deer geese mice oxen teeth")

MEDIA = _set(
    "drawing drawings painting paintings sketch sketches illustration cartoon watercolour watercolor engraving etching "
    "lithograph woodcut caricature doodle diagram clipart figurine origami mosaic tapestry embroidery render "
    "rendering blueprint tattoo"
)
_SHOWING = _set("of showing depicting")

# Function words of two letters at least that are rare in English: two different ones of one language make it that.
_ENGLISH = _set("the of with and are by from at his her their its while into two wearing an")
_FOREIGN = {
    "German": _set("der das ein eine einen einem einer und im mit auf ist sind vor neben dem den zwei"),
    "French": _set("le la les un une des du dans sur avec et est sont au aux qui devant deux"),
    "Spanish": _set("el la los las un una en con del sobre es está junto dos por al de"),
    "Italian": _set("il la lo gli un una di nel nella sul sulla con che due davanti della del"),
    "Portuguese": _set("os um uma em na nos nas da sobre ao dois duas de"),
    "Dutch": _set("de het een en op van met zijn voor naast twee bij aan"),
    "Swedish": _set("en ett och på med är av till framför två som"),
    "Polish": _set("na jest się pod obok przed dwa dwie ze"),
}

# Pieces of a word from which nobody knows it; human captions have none (common ones come in four: “sprinklers”).
MANY_PIECES = 5


@dataclass(frozen=True)
class Remark:
    """What the model does not see, and what to tell of it.

    Attributes:
        kind: what it is about.
        phrase: the caption's own words; "" if it is about all of them.
        text: one sentence.
    """

    kind: Kind
    phrase: str
    text: str


def find_remarks(caption: str, encoder: Encoder) -> list[Remark]:
    """Return what `encoder` does not see of a caption, the weightiest first, `MOST` at most; mostly nothing."""
    if encoder.english_only and is_foreign(caption):
        return [
            Remark("language", "", "The model was trained on English: of other languages it reads next to nothing.")
        ]
    words = _WORD.findall(_QUOTED.sub(" ", caption))
    lower = [word.lower() for word in words]
    found: list[Remark] = []
    if (place := find_negation(lower)) is not None:
        found.append(_counts_little("negation", words[place], "whether it is there or not"))
    if (place := find_count(lower)) is not None:
        found.append(_counts_little("count", words[place], "not how many there are"))
    if (place := find_medium(lower)) is not None:
        found.append(_counts_little("medium", words[place], "not how it was made"))
    if len(found) < MOST and (misspelt := find_misspelling(words, encoder)):
        word, meant = misspelt
        question = f": did you mean “{meant}”?" if meant else "."
        found.append(Remark("spelling", word, f"The model does not know the word “{word}”{question}"))
    return found[:MOST]


def find_negation(words: Sequence[str]) -> int | None:
    """Return the place of the first word that denies something; `words` are lower-case."""
    for i, word in enumerate(words):
        follower = words[i + 1] if i + 1 < len(words) else ""
        if word.replace("’", "'").endswith("n't"):
            return i
        if word in NEGATIONS and not (word == "no" and (follower.isdigit() or follower in ON_SIGNS)):
            return i
    return None


def find_count(words: Sequence[str]) -> int | None:
    """Return the place of the first number of things, `FEWEST` at least; `words` are lower-case.

    A number in figures counts where a plural follows: “12 kids”, but not “highway 61” nor “a 1950 car”.
    """
    for i, word in enumerate(words):
        before, after = words[i - 1] if i else "", words[i + 1 : i + 4]
        if before in _NAMED or not after or after[0] in _UNITS:
            continue
        if set(word.split("-")) <= COUNTS:  # “five-storey” is none, “fifty-five” is one
            return i
        if word.isdecimal() and len(word) < 5 and int(word) >= FEWEST and any(map(_is_plural, after)):
            return i
    return None


def find_medium(words: Sequence[str]) -> int | None:
    """Return the place of the first “drawing of” or the like; `words` are lower-case."""
    pairs = enumerate(pairwise(words))
    return next((i for i, (word, after) in pairs if word in MEDIA and after in _SHOWING), None)


def is_foreign(caption: str, words: int = 2) -> bool:
    """Tell whether a caption is written in another language than English.

    By its script, or by two different function words of one of eight languages, or as many as `words` says, and none of
    English: of a few words it cannot be told, and then the answer is no.
    """
    letters = [letter for letter in caption if letter.isalpha()]
    strange = sum(not letter.isascii() and not unicodedata.name(letter, "").startswith("LATIN") for letter in letters)
    if 2 * strange > len(letters):
        return True
    written = {word.lower() for word in _WORD.findall(caption)}
    return not written & _ENGLISH and any(len(written & own) >= words for own in _FOREIGN.values())


def find_misspelling(words: Sequence[str], encoder: Encoder) -> tuple[str, str] | None:
    """Return the first word that the model's tokenizer must spell out and that looks like a slip of the fingers.

    Args:
        words: of a caption; those that are not all small letters a to z are names or other scripts.
        encoder: the model.

    Returns:
        The word and the one that is meant, "" if it comes in so many pieces that nobody can tell; None if all is well.
    """
    asked = list(dict.fromkeys(word for word in words if len(word) > 2 and word.isascii() and word.islower()))
    asked = [word for word in asked if word.isalpha()]
    pieces = dict(zip(asked, encoder.count_tokens(asked), strict=True))
    if not any(count > 1 for count in pieces.values()):
        return None
    known = _read_class_words()
    for word in (
        word
        for word, count in pieces.items()
        if count > 1 and not known & {word, word.removesuffix("s"), word.removesuffix("es")}
    ):
        close = list(dict.fromkeys(_undo_slips(word, pieces[word])))
        meant = next((one for one in close if one in known), "")
        if not meant:
            whole = [one for one, count in zip(close, encoder.count_tokens(close), strict=True) if count == 1]
            meant = whole[0] if whole else ""
        if meant or pieces[word] >= MANY_PIECES:
            return word, meant
    return None


def _undo_slips(word: str, pieces: int) -> list[str]:
    """Return what was meant if two letters changed places, one was doubled, or one is missing inside.

    Ends are kept: what differs there is another form of the word. Shorter words are too close to each other for letters
    to be added.
    """
    inside = range(1, len(word))
    swapped = [word[: i - 1] + word[i] + word[i - 1] + word[i + 1 :] for i in inside if word[i] != word[i - 1]]
    doubled = [word[:i] + word[i + 1 :] for i in inside if word[i] == word[i - 1] and len(word) > 4]
    missing = [
        word[:i] + letter + word[i:]
        for i in inside
        for letter in ascii_lowercase
        if len(word) > 6 or (len(word) > 5 and (pieces > 2 or letter == word[i - 1]))
    ]
    return swapped + doubled + missing


def _counts_little(kind: Kind, word: str, what_not: str) -> Remark:
    return Remark(kind, word, f"“{word}” hardly changes the score: what is named counts, {what_not}.")


def _is_plural(word: str) -> bool:
    return word in _PLURALS or (word.endswith("s") and not word.endswith("ss") and len(word) > 3)


def _read_class_words() -> frozenset[str]:
    """Return the words of the ImageNet classes: names of things that are right although tokenizers spell them out."""
    lines = files("clipsim.data").joinpath("imagenet_classes.txt").read_text(encoding="utf-8").lower().splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in re.findall(r"[a-z]+", line))
