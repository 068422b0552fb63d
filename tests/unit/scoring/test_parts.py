"""Captions are taken apart where they say what must not be there, or add one thing to another, and nowhere else."""

from __future__ import annotations

import pytest

from clipsim.scoring.parts import MOST, split_parts


def told(caption: str) -> list[str]:
    return [f"{'+' if part.wanted else '-'}{part.text}" for part in split_parts(caption)]


@pytest.mark.parametrize(
    ("caption", "parts"),
    [
        ("a beach, no people", ["+a beach", "-people"]),
        ("a dog without a leash", ["+a dog", "-a leash"]),
        ("beach -people", ["+beach", "-people"]),
        ("beach −people", ["+beach", "-people"]),
        ("beach - people", []),
        ("king + woman", ["+king", "+woman"]),
        ("king +woman", ["+king", "+woman"]),
        ("king - man + woman", ["+king", "+woman", "-a man"]),
        ('beach -"red umbrella" -people', ["+beach", "-a red umbrella", "-people"]),
        ("beach -people, sunset", ["+beach", "+sunset", "-people"]),
        ("a scene with no dog", ["-a dog"]),
        ("a photo without a dog in it", ["-a dog"]),
        ("no dog", ["-a dog"]),
        ("There is no dog.", ["-a dog"]),
        ("This is Not a dog", ["-a dog"]),
        ("-people", ["-people"]),
        ("a picture without any people visible", ["-people"]),
        ("a street without cars, dogs or people", ["+a street", "-cars", "-dogs", "-people"]),
        ("a street with no cars and no people", ["+a street", "-cars", "-people"]),
        ("a street with no people and cars in the rain", ["+a street in the rain", "-people", "-cars"]),
        ("a room with no windows and a red door", ["+a room and a red door", "-windows"]),
        ("a boy without a shirt and a girl in a dress", ["+a boy and a girl in a dress", "-a shirt"]),
        ("a man with brown hair and no shirt on a horse", ["+a man with brown hair on a horse", "-a shirt"]),
        ("a man wearing no shirt on", ["+a man", "-a shirt"]),
        ("a man not wearing a hat", ["+a man", "-a hat"]),
        ("a man without his hat", ["+a man", "-a hat"]),
        ("a dog without a leash running on a beach", ["+a dog running on a beach", "-a leash"]),
        ("a dog, not a cat", ["+a dog", "-a cat"]),
        ("dogs and cats, but no birds", ["+dogs and cats", "-birds"]),
        ("no people on the beach", ["+the beach", "-people"]),
        ("nobody on the beach", ["+the beach", "-people"]),
        ("a beach with no one in sight", ["+a beach", "-people"]),
        ("no dog on a sofa", ["-a dog on a sofa"]),
        ("a beach with no people at all, at sunset", ["+a beach, at sunset", "-people"]),
        ("a street free of cars", ["+a street", "-cars"]),
        ("a table with no glass of wine", ["+a table", "-glass of wine"]),
        ("A man is standing on a beach. No people.", ["+A man is standing on a beach", "-people"]),
        ("beach – no people", ["+beach", "-people"]),
        ("there aren't any people on the beach", ["+the beach", "-people"]),
        ("not a cloud in the sky", ["+the sky", "-a cloud"]),
        ("a kitchen with no one cooking", ["+a kitchen", "-people cooking"]),
        ("a dog on a leash with no people around it", ["+a dog on a leash", "-people"]),
        ("a dog (no collar)", ["+a dog", "-a collar"]),
        ('"king" + "woman"', ["+king", "+woman"]),
        ("a scene with no oranges", ["-oranges"]),
        ("a scene with no orange", ["-an orange"]),
        ("a scene with no water", ["-water"]),
    ],
)
def test_what_has_to_fit_is_parted_from_what_must_not(caption: str, parts: list[str]) -> None:
    assert told(caption) == parts


@pytest.mark.parametrize(
    "caption",
    [
        "",
        "no",
        "without",
        "a dog",
        "a no parking sign",
        "a no smoking sign",
        "a no dogs sign",
        "no dogs allowed",
        "nothing but sand",
        "a sign that says “no parking”",
        'a sign with "no dogs" on it',
        "platform no 9",
        "a boy not only runs but jumps",
        "not without a hat",
        "whether or not a dog",
        "no fewer than three dogs",
        "a house that is no longer there",
        "a man with no other people",
        "a man sitting without moving",
        "a room without it",
        "a dog not on a leash",
        "neither a dog nor a cat",
        "it isn't a cat",
        "a black-and-white photo of a t-shirt",
        "London - at night",
        "a dog -- running on the grass",
        "rock -n- roll",
        "it is -5 degrees",
        "5 + 3 on a board",
        "a C++ book",
        "LGBT+ people",
        "dog+cat",
        "+ dog",
        "a + the",
        "fat-free milk",
        "el perro no corre",
        "没有人的海滩",
    ],
)
def test_other_captions_are_left_whole(caption: str) -> None:
    assert split_parts(caption) == ()


def test_a_caption_of_too_many_parts_is_left_whole() -> None:
    assert split_parts(" + ".join(f"thing{chr(97 + i)}" for i in range(MOST + 1))) == ()


def test_what_comes_twice_counts_once() -> None:
    assert told("beach -people -people") == ["+beach", "-people"]
