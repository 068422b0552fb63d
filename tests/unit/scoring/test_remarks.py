"""Notes on what a model does not see of a caption: they come where they are needed, and stay away elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from support import EXAMPLES, paint

from clipsim import Encoder, score_captions, score_images
from clipsim.scoring.remarks import MOST, find_remarks, is_foreign

PLAIN = [
    "a dog",
    "A black dog and a spotted dog are fighting",
    "two dogs of different breeds looking at each other on the road .",
    "three children in red shirts",
    "A car with the number 12 on it",
    "a race car marked with the number seven",
    "a 1950s car on route 66",
    "a girl who has reached age 5",
    "a five-storey building",
    "two children give one another a high-five",
    "a boy, 8 years old, at a table",
    "a photo of a robin",
    "a girl painting outside in the grass",
    "a sign that says “no parking”",
    "a no smoking sign",
    "platform no 9",
    "Rottweiler and St. Bernard in Kraków",
    "a komondor and an otterhound",
    "komondors and hippopotamuses",
    "a café in the rain",
    "el niño",
    "pizza margherita",
    "Mona Lisa",
    "dog",
    "Las Vegas",
    "a b c d e f g h i o w y z",
    "🐕",
    "!",
]


class Quiet(Encoder):
    """An encoder with nothing but the two methods that must be written."""

    width = 4

    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        return np.eye(4, dtype=np.float32)[[0] * len(images)]

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        return np.eye(4, dtype=np.float32)[[0] * len(texts)]


def kinds(caption: str, encoder: Encoder) -> list[str]:
    return [remark.kind for remark in find_remarks(caption, encoder)]


@pytest.mark.parametrize("caption", PLAIN)
def test_plain_captions_have_none(caption: str, stand_in: Encoder) -> None:
    assert find_remarks(caption, stand_in) == []


@pytest.mark.parametrize(
    ("caption", "phrase"),
    [
        ("no robin", "no"),
        ("a man without a hat", "without"),
        ("This is Not a dog", "Not"),
        ("nobody on the beach", "nobody"),
        ("it isn't a cat", "isn't"),
        ("it isn’t a cat", "isn’t"),
        ("neither a dog nor a cat", "neither"),
    ],
)
def test_what_is_denied_is_told(caption: str, phrase: str, stand_in: Encoder) -> None:
    (remark,) = find_remarks(caption, stand_in)
    assert (remark.kind, remark.phrase) == ("negation", phrase)
    assert f"“{phrase}”" in remark.text


@pytest.mark.parametrize(
    ("caption", "phrase"),
    [
        ("fifty robin", "fifty"),
        ("a dozen eggs", "dozen"),
        ("fifty-five dogs", "fifty-five"),
        ("Hundreds of sheep", "Hundreds"),
        ("about 12 kids", "12"),
        ("7 wet people", "7"),
    ],
)
def test_numbers_from_five_on_are_told(caption: str, phrase: str, stand_in: Encoder) -> None:
    (remark,) = find_remarks(caption, stand_in)
    assert (remark.kind, remark.phrase) == ("count", phrase)


@pytest.mark.parametrize("caption", ["a drawing of a robin", "an oil painting of two dogs", "Cartoon showing a cat"])
def test_another_medium_than_a_photograph_is_told(caption: str, stand_in: Encoder) -> None:
    assert kinds(caption, stand_in) == ["medium"]


@pytest.mark.parametrize(
    "caption",
    [
        "ein Hund im Schnee",
        "un chien dans la neige",
        "un perro en la nieve",
        "um cachorro na praia",
        "een hond in de sneeuw",
        "en hund i snön och en katt",
        "雪地里的狗",
        "собака",
        "강아지",
    ],
)
def test_another_language_is_told_of_models_of_english_alone(caption: str, stand_in: Encoder) -> None:
    assert is_foreign(caption)
    assert kinds(caption, stand_in) == ["language"]
    assert kinds(caption, Quiet()) == []


def test_checkpoints_know_by_their_tokenizer_whether_they_read_english_alone(clip: Encoder, stand_in: Encoder) -> None:
    assert clip.english_only and stand_in.english_only
    assert not Quiet().english_only


@pytest.mark.parametrize(
    ("caption", "word", "meant"),
    [
        ("goldne retreiver", "goldne", "golden"),
        ("a dgo in the park", "dgo", "dog"),
        ("a buterfly", "buterfly", "butterfly"),
        ("a girl in glassses", "glassses", "glasses"),
        ("somthing blue", "somthing", "something"),
        ("an alligator and a zeebra", "zeebra", "zebra"),
    ],
)
def test_a_slip_of_the_fingers_is_told_with_what_was_meant(
    caption: str, word: str, meant: str, stand_in: Encoder
) -> None:
    (remark,) = find_remarks(caption, stand_in)
    assert (remark.kind, remark.phrase) == ("spelling", word)
    assert f"“{meant}”" in remark.text


def test_of_a_word_that_nobody_knows_nothing_is_guessed(stand_in: Encoder) -> None:
    (remark,) = find_remarks("a sdfkjhsdf", stand_in)
    assert remark.kind == "spelling" and "did you mean" not in remark.text


def test_a_vocabulary_of_letters_says_nothing_of_spelling(clip: Encoder) -> None:
    assert clip.count_tokens(["dgo", "xylophone"]) == [1, 1]
    assert find_remarks("a dgo and a xylophone", clip) == []


def test_the_weightiest_come_first_and_there_are_few(stand_in: Encoder) -> None:
    assert kinds("a drawing of fifty dogs without a goldne coat", stand_in) == ["negation", "count"]
    assert len(find_remarks("a drawing of fifty dogs without a coat", stand_in)) == MOST


def test_results_and_tables_have_them_among_their_notes(stand_in: Encoder) -> None:
    (remark,) = find_remarks("this isn't a robin", stand_in)
    picture = paint(40, 40)
    assert score_images([picture], "this isn't a robin", stand_in).notes == (*stand_in.notes, remark.text)
    assert score_images([picture], "a robin", stand_in).notes == stand_in.notes
    table = score_captions([picture], ["a robin", "this isn't a robin", "a bird that isn't a robin"], stand_in)
    assert table.notes == (*stand_in.notes, remark.text)


def test_what_is_scored_apart_is_not_said_to_be_ignored(stand_in: Encoder) -> None:
    notes = score_images([paint(40, 40)], "five dogs, no robin", stand_in).notes
    assert [note for note in notes if "“no”" in note] == []
    assert any(note.startswith("“five” hardly changes the score") for note in notes)


def test_a_reference_image_has_no_words_to_remark_on(stand_in: Encoder) -> None:
    assert score_images(EXAMPLES[:1], None, stand_in, reference=EXAMPLES[0]).notes == stand_in.notes
