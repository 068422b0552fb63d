"""Filters of a collection: whole columns by Arrow, with what the standard library says of each path."""

from __future__ import annotations

import fnmatch
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from support.collections import fill, random_vectors

from clipsim import Collection
from clipsim.collections.filters import match_paths
from clipsim.collections.store import Writer

PATHS = [
    "a.jpg",
    "b/a.jpg",
    "b/ä.JPG",
    "b/c/1.png",
    "2026/März/Straße 雪.png",
    "a'b\"c, d.png",
    "[x]",
    "x]",
    "a\nb",
    ".",
]
PATHS += ["a\\b", "%_", "(a|b)+$", "a*b", "^", "", "-", "🐈.jpg"]


PATTERNS = [
    "*",
    "",
    "?",
    "*.jpg",
    "b/*",
    "*/*",
    "*a*",
    "a?b",
    "[ab]*",
    "[!ab]*",
    "*[]]",
    "[[]x]",
    "[",
    "*[",
    "[]",
    "[!]",
]
PATTERNS += ["*.*g", "a\\b", "%_", "(a|b)+$", "[z-a]*", "**/*.png", "*雪*", "?.jpg", "*Straße ?.png", "*\n*", "*?"]
PATTERNS += ["[a-c]*", "[!a-c]*", "a*a", "a*a.jpg", "b/*.JPG", "[!0-9]*", "[a-b-c]*"]
PATTERNS += ["a\ud800*", "[!\ud800]*"]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_fits_what_the_standard_library_says(pattern: str) -> None:
    assert match_paths(chunks(PATHS), pattern).tolist() == [fnmatch.fnmatchcase(path, pattern) for path in PATHS]


def test_any_pattern_fits_what_the_standard_library_says() -> None:
    draw = random.Random(0)
    paths = ["".join(draw.choices("ab./é[]-\\", k=draw.randrange(8))) for _ in range(300)]
    for _ in range(1000):
        pattern = "".join(draw.choices("ab./é[]-!*?*?\\", k=draw.randrange(8)))
        assert match_paths(chunks(paths), pattern).tolist() == [fnmatch.fnmatchcase(path, pattern) for path in paths]


def chunks(paths: list[str]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(paths[:4]), pa.array(paths[4:])])


def test_filters_hold_together_and_leave_out_what_was_removed(folder: Path) -> None:
    collection = fill(folder, vectors := random_vectors(40, 8))  # written at 0 to 39 s after 1970 began
    with Writer(folder, collection.manifest.embedding) as writer:
        writer.commit(removed={collection.manifest.segments[0][0]: [11]})
    hits = Collection.open(folder).search(
        vectors[0], top=100, path="1?.jpg", after="1970-01-01T00:00:10Z", before="1970-01-01T00:00:15Z"
    )
    assert sorted(hit.path for hit in hits) == ["10.jpg", "12.jpg", "13.jpg", "14.jpg"]


def test_a_collection_of_no_pictures_can_be_filtered(folder: Path) -> None:
    with Writer(folder, fill(folder, random_vectors(2, 4), segments=1).manifest.embedding) as writer:
        writer.commit(removed={name: [0, 1] for name, _ in Collection.open(folder).manifest.segments})
    assert Collection.open(folder).search(np.eye(4)[0], path="*", after="1970-01-01") == []
