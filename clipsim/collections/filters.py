"""Which pictures of a collection may be found, by path and time: whole columns are compared at once, by Arrow."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clipsim.collections.store.search import map_on_cores
from clipsim.collections.store.segments import SCHEMA, Segment
from clipsim.errors import UsageError

When = str | date | datetime
# as `fnmatch` reads them; without a closing bracket the opening one stands for itself
_WILDCARDS = re.compile(r"(\[!?+\]?+[^\]]*+\]|\*+|\?)")
_PLAIN_SET = re.compile(r"\[!?([a-zA-Z0-9](-[a-zA-Z0-9])?)+\]")


class Filters(TypedDict, total=False):
    """Which pictures of a collection may be found. Times without a zone are local."""

    path: str | None  # a pattern that the whole path must fit: * and ? as in a shell, * also for several folders
    after: When | None  # only files last written then or later: a date, a datetime or either in ISO 8601
    before: When | None  # only files last written earlier


class Columns:
    """Path and time of every place of a collection, each read at first use."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        """Take the segments, in the collection's order."""
        self._segments = segments

    @cached_property
    def _paths(self) -> pa.ChunkedArray:
        return self._read("path")

    @cached_property
    def _times(self) -> np.ndarray:
        """Nanoseconds since 1970."""
        times: np.ndarray = self._read("mtime_ns").to_numpy()
        return times

    def _read(self, name: str) -> pa.ChunkedArray:
        parts = map_on_cores(lambda segment: segment.read_table([name])[name].combine_chunks(), self._segments)
        return pa.chunked_array(parts, SCHEMA.field(name).type)

    def paths(self, places: np.ndarray) -> list[str]:
        """Return the paths at places."""
        found: list[str] = self._paths.take(pa.array(places)).to_pylist()
        return found

    def number_digests(self) -> np.ndarray:
        """Return a number for every place, the same for equal digests alone; without a digest one of its own."""
        digests = self._read("digest")
        known = digests.dictionary_encode().unify_dictionaries()
        numbers = np.concatenate([np.zeros(0, np.int64), *(chunk.indices.to_numpy() for chunk in known.chunks)])
        missing = np.flatnonzero(pc.equal(digests, "").to_numpy())
        numbers[missing] = -1 - missing
        return numbers

    def find(self, path: str, live: np.ndarray) -> int | None:
        """Return the place of a path among those that are `live`, a mask of the places; None if it is not there."""
        if not _is_text(path):
            return None
        places = np.flatnonzero(pc.equal(self._paths, path).to_numpy() & live)
        return int(places[0]) if len(places) else None

    def apply(self, filters: Filters, live: np.ndarray) -> np.ndarray:
        """Return a mask of the places that are `live` and pass the filters; a `UsageError` for what is no date."""
        allowed = live
        if (after := filters.get("after")) is not None:
            allowed = allowed & (self._times >= _to_nanoseconds(after))
        if (before := filters.get("before")) is not None:
            allowed = allowed & (self._times < _to_nanoseconds(before))
        if (path := filters.get("path")) is not None:
            allowed = allowed & match_paths(self._paths, path)
        return allowed


@dataclass(frozen=True)
class _Pattern:
    """A pattern as Arrow compares it: the literal ends, which are quickly told, then an expression of RE2."""

    start: str
    end: str
    expression: str  # "" where the ends say all
    exact: bool  # else the expression lets more pass, since RE2 has not all that may stand in brackets

    @classmethod
    def read(cls, pattern: str) -> _Pattern:
        """Read a pattern of `fnmatch`."""
        pieces = _WILDCARDS.split(pattern)
        literals, wild = pieces[::2], pieces[1::2]
        start, end = (literals[0], literals[-1]) if wild else (pattern, "")
        if set(wild) == {"*"} and len(literals) == 2 and not (start and end):
            return cls(start, end, "", exact=True)
        middle = [one + re.escape(literal) for one, literal in zip(map(_translate, wild), literals[1:], strict=True)]
        # without ".*" at its ends it says the same in half the time
        expression = f"^{re.escape(literals[0])}{''.join(middle)}$".removeprefix("^.*")
        if wild and wild[-1][0] == "*" and not end:
            expression = expression.removesuffix(".*$")
        return cls(
            start, end, f"(?s){expression}", exact=not any(one[0] == "[" and _translate(one) == "." for one in wild)
        )

    def fit(self, paths: pa.StringArray) -> np.ndarray:
        """Return a mask of the paths that fit, or may do so if this is not `exact`."""
        fits = np.ones(len(paths), bool)
        for compare, literal in ((pc.starts_with, self.start), (pc.ends_with, self.end)):
            if literal:
                fits &= compare(paths, literal).to_numpy(zero_copy_only=False)
        if self.expression:
            rest = pc.match_substring_regex(paths.filter(pa.array(fits)), self.expression)
            fits[fits] = rest.to_numpy(zero_copy_only=False)
        return fits


def match_paths(paths: pa.ChunkedArray, pattern: str) -> np.ndarray:
    """Return a mask of the paths that fit a pattern as a whole, as `fnmatch.fnmatchcase` says."""
    ours = _Pattern.read(pattern)
    if not _is_text(ours.start + ours.end + ours.expression):
        return np.zeros(len(paths), bool)
    fits = np.concatenate([np.zeros(0, bool), *map_on_cores(ours.fit, paths.chunks)])
    if not ours.exact:
        fit, places = re.compile(fnmatch.translate(pattern)).match, np.flatnonzero(fits)
        fits[places] = [fit(path) is not None for path in paths.take(pa.array(places)).to_pylist()]
    return fits


def _translate(wildcard: str) -> str:
    """Return a wildcard in RE2's words; where these may differ from `fnmatch`'s, that of any character."""
    if wildcard[0] == "*":
        return ".*"
    if _PLAIN_SET.fullmatch(wildcard) and all(first <= last for first, last in re.findall("(.)-(.)", wildcard)):
        return wildcard.replace("!", "^")
    return "."


def _is_text(text: str) -> bool:
    """Return whether a text can be a path in Parquet, which half characters cannot."""
    return text.isascii() or text.encode(errors="ignore").decode() == text


def _to_nanoseconds(when: When) -> int:
    """Return a moment as nanoseconds since 1970."""
    try:
        moment = datetime.fromisoformat(when if isinstance(when, str) else when.isoformat())
        return int(moment.timestamp() * 1e6) * 1000
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(f"{when!r} is not a date that can be read: write it as 2026-03-31.") from error
