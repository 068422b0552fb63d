"""A long caption as statements, each of which can be true or false by itself: sentences, then clauses.

A sentence is parted where two halves say each what somebody or something does: “a man sits, and a dog runs”, but not
“a black dog and a spotted dog are fighting”. Found with small closed lists, in English: what they do not cover stays
whole.
"""

from __future__ import annotations

import re

from clipsim.scoring.roles import ACTS, DETERMINERS, ENDS


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_ABBREVIATED = r"(?<!\bSt)(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\bDr)(?<!\bvs)(?<!\be\.g)(?<!\bi\.e)(?<!\b[A-Z])"
_SENTENCES = re.compile(rf"{_ABBREVIATED}[.!?…]+[\"”’')]*(?=\s|$)|[。！？]|;|\n+")
_BULLET = re.compile(r"^\s*(?:[-*•–]|\d+[.)])\s+", re.MULTILINE)
_JOINTS = re.compile(r",?\s+(?:and|but|while|whereas)\s+", re.IGNORECASE)
_FINITE = _set(
    "is are was were has have drives flies drinks smiles laughs shines waits hangs grows barks sails swings leans "
    "falls talks speaks sings dances reads writes works cooks dives surfs skates skis crosses approaches drags "
    "performs poses shows takes gets goes comes tries makes"
)
_NO_VERBS = _set("across towards beneath as its his this")
_SUBJECTS = DETERMINERS | {"there", "people", "no"}


def split_statements(text: str) -> tuple[str, ...]:
    """Return the statements of a text, in their order; one that comes twice counts once."""
    sentences = [one.strip(" ,\t") for one in _SENTENCES.split(_BULLET.sub("", text))]
    clauses = [clause for one in sentences if re.search(r"\w", one) for clause in _split_clauses(one)]
    return tuple(dict.fromkeys(clauses))


def count_sentences(text: str) -> int:
    """Return how many sentences a text has."""
    return sum(bool(re.search(r"\w", one)) for one in _SENTENCES.split(_BULLET.sub("", text)))


def _split_clauses(sentence: str) -> list[str]:
    for joint in _JOINTS.finditer(sentence):
        before, after = sentence[: joint.start()], sentence[joint.end() :]
        if _is_clause(before, finite=True) and _is_clause(after, finite=False):
            return [before.strip(" ,"), *_split_clauses(after)]
    return [sentence]


def _is_clause(text: str, *, finite: bool) -> bool:
    """Return whether a text begins with a thing and says what it does, with `finite` in a verb that can stand alone."""
    words = [word.lower() for word in re.findall(r"[\w'’-]+", text)]
    if len(words) < 3 or words[0] not in _SUBJECTS:
        return False
    return any(_is_finite(word) or (not finite and word.endswith("ing")) for word in words[1:])


def _is_finite(word: str) -> bool:
    return word in _FINITE or (word in ACTS | ENDS and word.endswith("s") and word not in _NO_VERBS)
