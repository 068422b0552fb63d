"""A text comes apart into what can be true or false by itself, and into no less."""

from __future__ import annotations

import pytest

from clipsim.scoring import count_sentences, split_statements


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("a red car", ("a red car",)),
        ("A dog runs. A man sits!", ("A dog runs", "A man sits")),
        ("A black dog and a spotted dog are fighting .", ("A black dog and a spotted dog are fighting",)),
        ("A man sits, and a dog runs on the grass.", ("A man sits", "a dog runs on the grass")),
        ("A man is sitting while a child plays", ("A man is sitting", "a child plays")),
        ("A man walks while holding a ball", ("A man walks while holding a ball",)),
        ("A boy wearing a hat and a shirt is running", ("A boy wearing a hat and a shirt is running",)),
        ("The sky is blue, but the sea is grey", ("The sky is blue", "the sea is grey")),
        ("A red tractor drives past, and a cat sleeps", ("A red tractor drives past", "a cat sleeps")),
        ("a St. Bernard at 3.5 m; the U.S. flag", ("a St. Bernard at 3.5 m", "the U.S. flag")),
        ("- a dog\n- a cat\n2. a bird", ("a dog", "a cat", "a bird")),
        ("A dog. A dog.", ("A dog",)),
        ("一只狗。一只猫。", ("一只狗", "一只猫")),
        ("...", ()),
    ],
)
def test_sentences_and_clauses_are_statements(text: str, statements: tuple[str, ...]) -> None:
    assert split_statements(text) == statements


def test_clauses_are_no_sentences() -> None:
    assert count_sentences("A man sits, and a dog runs on the grass.") == 1
    assert count_sentences("A man sits. A dog runs.") == 2
    assert count_sentences("...") == 0
