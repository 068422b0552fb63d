"""The two things around a relation, in each other's place."""

from __future__ import annotations

import pytest

from clipsim.scoring.roles import RoleSwap, swap_roles


@pytest.mark.parametrize(
    ("caption", "swapped"),
    [
        ("a dog on a sofa", "a sofa on a dog"),
        ("a sofa on a dog", "a dog on a sofa"),
        ("the angry dog bites the old man", "the old man bites the angry dog"),
        ("dogs chase cats", "cats chase dogs"),
        ("a man riding a horse", "a horse riding a man"),
        ("A mug on top of some books.", "Some books on top of a mug ."),
        ("a red cup in front of a blue bottle", "a blue bottle in front of a red cup"),
        ("the cat is under the table", "the table is under the cat"),
        ("a running dog behind the tall building", "the tall building behind a running dog"),
        ("a woman lies on a bench while her dog waits", "a bench lies on a woman while her dog waits"),
        ("in the rain a cat sleeps under a car", "in the rain a car sleeps under a cat"),
    ],
)
def test_two_things_change_places_and_all_else_stays(caption: str, swapped: str) -> None:
    swap = swap_roles(caption)
    assert swap is not None and swap.caption == swapped


@pytest.mark.parametrize(
    "caption",
    [
        "",
        "dog",
        "a golden retriever",
        "a dog and a cat",
        "a dog next to a cat",  # says the same the other way round
        "a golden retriever standing in the snow",  # snow in a retriever: no picture
        "a dog on it",
        "on a sofa",
        "a dog on a dog",
        "雪地里的狗",
        "on on on",
    ],
)
def test_where_there_are_no_two_things_nothing_is_swapped(caption: str) -> None:
    assert swap_roles(caption) is None


def test_what_was_found_is_told() -> None:
    swap = swap_roles("a dog sits on a sofa at night")
    assert swap == RoleSwap("a dog", "sits on", "a sofa", "a sofa sits on a dog at night")
