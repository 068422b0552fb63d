"""What people read, in six languages: every sentence by its key, from one file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class Texts:
    """The sentences of one language, a BCP 47 tag such as "de", by their keys."""

    language: str
    sentences: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        """Return the sentence of that key with the values in it."""
        sentence = self.sentences[key]
        return sentence.format(**values) if values else sentence

    def count(self, key: str, count: int) -> str:
        """Return the sentence on one thing, `key` with ".one", or on several, ".many"."""
        return self(f"{key}.{'one' if count == 1 else 'many'}", count=count)


@cache
def read_texts() -> Mapping[str, Texts]:
    """Read `data/texts.json`: for every key the sentence in each language."""
    raw = json.loads((files("clipsim.data") / "texts.json").read_text(encoding="utf-8"))
    languages = next(iter(raw.values()))
    return {one: Texts(one, {key: sentences[one] for key, sentences in raw.items()}) for one in languages}


def english() -> Texts:
    """Return the language of everything but the page."""
    return read_texts()["en"]


def choose_texts(accepted: str) -> Texts:
    """Return the language that an Accept-Language header likes best (RFC 9110, section 12.5.4); else English."""
    wanted = []
    for part in accepted.lower().split(","):
        tag, _, weight = part.partition(";q=")
        try:
            wanted.append((-float(weight or 1), tag.strip().partition("-")[0]))
        except ValueError:  # which strangers may write
            continue
    known = read_texts()
    return next(
        (known[tag] for weight, tag in sorted(wanted, key=lambda one: one[0]) if weight and tag in known), english()
    )
