"""What each word adds, and whether the order of the words is read at all."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import ROOT, paint

from clipsim import Encoder, score_images
from clipsim.options import Prompt
from clipsim.scoring.roles import swap_roles
from clipsim.scoring.words import (
    MAX_WORDS,
    SHUFFLES,
    ignores_roles,
    join_words,
    leave_one_out,
    note_roles,
    shuffle_words,
    split_words,
)

CAPTION = "a golden retriever standing in the snow"
RETRIEVER = ROOT / "examples" / "golden-retriever-in-snow.jpg"
BITES = "the angry dog bites the old man"
_SWAP = swap_roles(BITES)
assert _SWAP is not None
ROLES_IGNORED = note_roles(_SWAP)


class Bag(Encoder):
    """Words as vectors, added up: the order does not count. A picture shows its caption."""

    name = "bag"
    width = 256
    logit_scale = 10.0

    def __init__(self, shown: str = BITES) -> None:
        self.shown = shown

    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        return self.encode_texts([self.shown] * len(images))

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        sums = np.asarray([sum(self.placed(text), np.full(self.width, 1e-3)) for text in texts])
        return np.asarray(sums / np.linalg.norm(sums, axis=1, keepdims=True), np.float32)

    def placed(self, text: str) -> list[np.ndarray]:
        return [np.random.default_rng(zlib.crc32(word.encode())).normal(size=self.width) for word in text.split()]


class Ordered(Bag):
    """The same word is another vector in another place."""

    name = "ordered"

    def placed(self, text: str) -> list[np.ndarray]:
        return [np.roll(vector, place) for place, vector in enumerate(super().placed(text))]


def by_name(files: list[Path], caption: str, encoder: Encoder) -> dict[str, float]:
    return {score.name: score.cosine for score in score_images(files, caption, encoder).scores}


def test_the_subject_carries_the_score(stand_in: Encoder) -> None:
    result = score_images([RETRIEVER], CAPTION, stand_in, words=True)
    assert result.words == tuple(CAPTION.split())
    added = dict(zip(result.words, result.scores[0].words or (), strict=True))
    assert max(added, key=lambda word: added[word]) in ("golden", "retriever")
    assert added["retriever"] > 10 * abs(added["the"])


def test_what_a_word_adds_is_the_score_less_that_without_it(stand_in: Encoder) -> None:
    files = [RETRIEVER, ROOT / "examples" / "cat-in-rucksack.jpg"]
    result = score_images(files, CAPTION, stand_in, words=True)
    assert result.words is not None
    for i, without in enumerate(leave_one_out(list(result.words))):
        less = by_name(files, without, stand_in)
        for score in result.scores:
            assert score.words is not None
            assert score.words[i] == pytest.approx(score.cosine - less[score.name], abs=1e-5)


def test_the_mean_of_other_orders_is_told(stand_in: Encoder) -> None:
    score = score_images([RETRIEVER], CAPTION, stand_in, words=True).scores[0]
    others = [by_name([RETRIEVER], order, stand_in)[RETRIEVER.name] for order in shuffle_words(CAPTION.split())]
    assert len(others) == SHUFFLES
    assert score.shuffled == pytest.approx(np.mean(others), abs=1e-5)


@pytest.mark.parametrize("prompt", ["photo", "ensemble"])
def test_words_are_left_out_of_the_caption_and_not_of_the_prompt(stand_in: Encoder, prompt: Prompt) -> None:
    result = score_images([RETRIEVER], "golden retriever", stand_in, words=True, prompt=prompt)
    less = score_images([RETRIEVER], "retriever", stand_in, prompt=prompt).scores[0].cosine
    assert (result.scores[0].words or ())[0] == pytest.approx(result.scores[0].cosine - less, abs=1e-5)


def test_a_single_word_is_left_out_too(clip: Encoder) -> None:
    result = score_images([paint(40, 40)], "dog", clip, words=True)
    assert result.words == ("dog",)
    assert np.isfinite(result.scores[0].words or [np.nan]).all()
    assert result.scores[0].shuffled is None


def test_words_are_parted_at_any_white_space() -> None:
    assert split_words("a  dog\n in\tthe\u00a0snow") == ["a", "dog", "in", "the", "snow"]
    assert leave_one_out(["a", "dog", "runs"]) == ["dog runs", "a runs", "a dog"]


@pytest.mark.parametrize("caption", ["雪地里的狗", "ゆきのなかのいぬ", "หมาในหิมะ"])
def test_in_scripts_without_spaces_each_character_is_a_word(caption: str) -> None:
    words = split_words(caption)
    assert words == list(caption)
    assert join_words(words) == caption
    assert leave_one_out(words)[0] == caption[1:]
    assert all(" " not in order and sorted(order) == sorted(caption) for order in shuffle_words(words))


@pytest.mark.parametrize("caption", ["雪地里，有一只狗。", "雪の中の犬！", "「犬」", "狗？"])
def test_their_punctuation_does_not_make_one_word_of_a_sentence(caption: str) -> None:
    assert split_words(caption) == list(caption)
    assert join_words(split_words(caption)) == caption


@pytest.mark.parametrize("caption", ["dog", "Donaudampfschifffahrt", "собака", "강아지", "🐕", "!"])
def test_any_other_caption_without_spaces_is_one_word(caption: str) -> None:
    assert split_words(caption) == [caption]


@pytest.mark.parametrize("words", [CAPTION.split(), ["a", "b", "c"], ["a", "b", "a", "c"], list("abcdefghij")])
def test_other_orders_are_the_same_each_time_and_never_the_first(words: list[str]) -> None:
    orders = shuffle_words(words)
    assert orders == shuffle_words(words)
    assert 0 < len(orders) <= SHUFFLES
    assert len(set(orders)) == len(orders)
    assert " ".join(words) not in orders
    assert all(sorted(order.split()) == sorted(words) for order in orders)


@pytest.mark.parametrize("words", [[], ["dog"], ["a", "dog"], ["dog", "dog", "dog"], ["a", "b", "a", "b"]])
def test_two_words_have_no_order_to_speak_of(words: list[str]) -> None:
    assert shuffle_words(words) == []


@pytest.mark.parametrize(("count", "told"), [(MAX_WORDS, True), (MAX_WORDS + 1, False)])
def test_of_a_caption_with_very_many_words_a_note_says_why_none_is_told(count: int, told: bool) -> None:
    result = score_images([paint(40, 40)], " ".join(f"w{n}" for n in range(count)), Bag(), words=True)
    assert (result.words is not None, result.scores[0].words is not None) == (told, told)
    assert any(f"{count} words" in note for note in result.notes) == (not told)


def test_a_model_that_ignores_who_does_what_is_told_on() -> None:
    result = score_images([paint(40, 40)], BITES, Bag(), words=True)
    assert result.scores[0].shuffled == pytest.approx(result.scores[0].cosine, abs=1e-5)
    assert result.swapped == ROLES_IGNORED


def test_a_model_that_reads_who_does_what_is_not() -> None:
    result = score_images([paint(40, 40)], BITES, Ordered(), words=True)
    assert (result.scores[0].shuffled or 0) < 0.6 * result.scores[0].cosine
    assert result.swapped is None


def test_nothing_is_said_of_roles_where_the_caption_fits_no_picture() -> None:
    result = score_images([paint(40, 40)], BITES, Bag("seven zebras drinking"), words=True)
    assert result.scores[0].shuffled is not None
    assert result.swapped is None


def test_nothing_is_said_of_roles_unless_words_are_asked_for() -> None:
    assert score_images([paint(40, 40)], BITES, Bag()).swapped is None


def test_words_of_a_gallery_that_cannot_be_read_are_still_listed() -> None:
    result = score_images([b"text"], BITES, Bag(), words=True)
    assert (result.words, result.scores) == (tuple(BITES.split()), ())


@pytest.mark.parametrize(("moved", "unread"), [(0.01, True), (0.2, False)])
def test_only_pictures_that_the_caption_fits_count(moved: float, unread: bool) -> None:
    """The second picture does not fit, and moves the other way."""
    cosine, unrelated, percentile = np.asarray([0.6, 0.1]), np.asarray([0.1, 0.0]), np.asarray([99.0, 60.0])
    other = 0.01 if moved > 0.1 else 0.2
    assert ignores_roles(cosine, cosine - [moved, other], unrelated, percentile) == unread


def test_a_model_that_prefers_the_wrong_way_round_does_not_read_it() -> None:
    one = np.asarray([0.6])
    assert ignores_roles(one, one + 0.3, np.asarray([0.1]), np.asarray([99.0]))


def test_a_caption_in_which_nothing_can_be_swapped_is_not_doubted() -> None:
    assert score_images([paint(40, 40)], "zebras drinking", Bag("zebras drinking"), words=True).notes == ()
