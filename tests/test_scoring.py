"""The arithmetic on hand-made unit vectors, and the ways in which one request can go."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from conftest import paint
from PIL import Image

from clipsim import CaptionError, ClipsimError, Encoder, ImageError, Result, score_images
from clipsim.scoring import BATCH, BATCH_PIXELS, Item, clipscore, cosines, shares

Colour = tuple[int, int, int]
RED, GREEN, BLUE, GREY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128)
VECTORS: dict[Colour, tuple[float, float]] = {RED: (0.6, 0.8), GREEN: (1, 0), BLUE: (-0.8, 0.6), GREY: (0, -1)}


class ByColour:
    """The documented protocol and nothing more: a picture's vector goes by its colour, every caption's is (1, 0)."""

    name = "by colour"
    width = 2
    device = "cpu"
    logit_scale = 10.0

    def __init__(self, vectors: Mapping[Colour, tuple[float, float]] = VECTORS) -> None:
        self.vectors = vectors
        self.batches: list[int] = []

    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        self.batches.append(len(images))
        return np.asarray([self.vectors[image.getpixel((0, 0))] for image in images], np.float32).reshape(-1, 2)

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        return np.asarray([(1, 0)] * len(texts), np.float32)


class ClipByColour(ByColour):
    """The same with everything that an encoder may add."""

    family = "clip"
    notes = ("Only colours count here.",)

    def words_cut(self, caption: str) -> str:
        return caption[20:]

    def seen(self, size: tuple[int, int]) -> float:
        return min(size) / max(size)


class ByNumber(ByColour):
    """The vector of a picture goes by the number that its red and green channels spell."""

    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        self.batches.append(len(images))
        angles = [math.pi * (r * 256 + g) / 4096 for r, g, _ in (image.getpixel((0, 0)) for image in images)]
        return np.asarray([(math.cos(angle), math.sin(angle)) for angle in angles], np.float32).reshape(-1, 2)


def plain(colour: Colour, size: tuple[int, int] = (4, 4)) -> Image.Image:
    return Image.new("RGB", size, colour)


def numbered(number: int, size: tuple[int, int] = (4, 4)) -> Image.Image:
    return plain((number // 256, number % 256, 0), size)


COLOURS: list[Item] = [(plain(BLUE), "blue"), (plain(RED), "red"), (plain(GREY), "grey"), (plain(GREEN), "green")]


def test_the_best_cosine_comes_first_and_negative_ones_last() -> None:
    scores = score_images(COLOURS, "green", ByColour()).scores
    assert [(score.rank, score.name) for score in scores] == [(1, "green"), (2, "red"), (3, "grey"), (4, "blue")]
    assert [score.cosine for score in scores] == pytest.approx([1, 0.6, 0, -0.8], abs=1e-6)


def test_ties_keep_the_order_of_input() -> None:
    items: list[Item] = [(plain(colour), f"{n}") for n, colour in enumerate([RED, GREEN, RED, GREEN, RED] * 8)]
    scores = score_images(items, "green", ByColour()).scores
    greens = [n for n in range(40) if n % 5 in (1, 3)]
    assert [int(score.name) for score in scores] == greens + [n for n in range(40) if n not in greens]
    assert [score.rank for score in scores] == list(range(1, 41))


def test_one_picture_has_no_share() -> None:
    (score,) = score_images([plain(RED)], "green", ByColour()).scores
    assert (score.rank, score.share) == (1, None)


def test_one_readable_picture_has_no_share() -> None:
    (score,) = score_images([plain(RED), b"text"], "green", ByColour()).scores
    assert score.share is None


def test_shares_are_the_softmax_of_the_scaled_cosines() -> None:
    scores = score_images(COLOURS, "green", ByColour()).scores
    weights = [math.exp(10 * cosine) for cosine in (1, 0.6, 0, -0.8)]
    assert [score.share for score in scores] == pytest.approx([weight / sum(weights) for weight in weights], rel=1e-5)
    assert sum(score.share or 0 for score in scores) == pytest.approx(1, abs=1e-12)


def test_shares_survive_any_logit_scale() -> None:
    share = shares(np.asarray([0.3, 0.2, -1.0], np.float32), 1e5)
    assert share == pytest.approx([1, 0, 0])
    assert shares(np.asarray([0.3, 0.2], np.float32), 0.0) == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize(("cosine", "expected"), [(1, 2.5), (0.312, 0.78), (0, 0), (-0.4, 0), (-1, 0)])
def test_clipscore_is_two_and_a_half_times_the_cosine_above_zero(cosine: float, expected: float) -> None:
    assert clipscore(cosine) == pytest.approx(expected)


def test_clipscore_is_given_for_the_clip_family_only() -> None:
    by_clip = score_images(COLOURS, "green", ClipByColour()).scores
    assert [score.clipscore for score in by_clip] == pytest.approx([2.5, 1.5, 0, 0], abs=1e-6)
    assert {score.clipscore for score in score_images(COLOURS, "green", ByColour()).scores} == {None}


def test_clipscore_is_not_given_between_images() -> None:
    result = score_images(COLOURS, None, ClipByColour(), reference=plain(GREEN))
    assert {score.clipscore for score in result.scores} == {None}


def test_rounding_never_lifts_a_cosine_above_one() -> None:
    vectors = np.asarray([[1.0000001, 0], [-1.0000001, 0], [0.6, 0.8]], np.float32)
    assert cosines(vectors, np.asarray([1.0000001, 0], np.float32)).tolist() == pytest.approx([1, -1, 0.6])
    assert np.abs(cosines(vectors, vectors[0])).max() <= 1


def test_a_reference_image_takes_the_captions_place() -> None:
    result = score_images(COLOURS, None, ByColour(), reference=(plain(RED), "sunset.jpg"))
    assert (result.caption, result.reference) == (None, "sunset.jpg")
    assert [score.name for score in result.scores] == ["red", "green", "blue", "grey"]
    assert [score.cosine for score in result.scores] == pytest.approx([1, 0.6, 0, -0.8], abs=1e-6)
    assert sum(score.share or 0 for score in result.scores) == pytest.approx(1)


def test_a_reference_file_is_known_by_its_name(picture_file: Callable[..., Path], clip: Encoder) -> None:
    path = picture_file("dog.png")
    result = score_images([path], "", clip, reference=path)
    assert result.reference == "dog.png"
    assert result.scores[0].cosine == pytest.approx(1, abs=1e-5)


def test_a_reference_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(ImageError, match=r"^sunset\.jpg is ") as caught:
        score_images(COLOURS, None, ByColour(), reference=(b"text", "sunset.jpg"))
    assert caught.value.name == "sunset.jpg"


@pytest.mark.parametrize("caption", [None, "", "  \n\t "])
def test_an_empty_caption_is_an_error(caption: str | None) -> None:
    with pytest.raises(CaptionError, match="empty"):
        score_images(COLOURS, caption, ByColour())


@pytest.mark.parametrize("caption", [None, "", "  \n"])
def test_an_empty_caption_is_fine_beside_a_reference(caption: str | None) -> None:
    assert score_images(COLOURS, caption, ByColour(), reference=plain(RED)).caption is None


def test_a_caption_beside_a_reference_is_an_error() -> None:
    with pytest.raises(CaptionError, match="both"):
        score_images(COLOURS, "green", ByColour(), reference=plain(RED))


def test_half_a_surrogate_pair_is_an_error() -> None:
    with pytest.raises(CaptionError, match="broken"):
        score_images(COLOURS, "dog \ud83d", ByColour())


def test_white_space_around_the_caption_is_stripped(clip: Encoder) -> None:
    results = [score_images([paint(40, 40)], caption, clip) for caption in ("the dog", " \n\tthe dog\u3000 ")]
    assert [result.caption for result in results] == ["the dog", "the dog"]
    assert results[0].scores == results[1].scores


@pytest.mark.parametrize("reference", [None, plain(RED)])
def test_no_pictures_is_an_error(reference: Image.Image | None) -> None:
    with pytest.raises(ClipsimError, match="no pictures"):
        score_images([], None if reference else "green", ByColour(), reference=reference)


def test_a_bad_picture_costs_the_others_nothing() -> None:
    items: list[Item] = [*COLOURS[:2], (b"text", "notes.jpg"), *COLOURS[2:], (b"", "nothing.png")]
    mixed, good = score_images(items, "green", ByColour()), score_images(COLOURS, "green", ByColour())
    assert mixed.scores == good.scores
    assert [rejected.name for rejected in mixed.rejected] == ["notes.jpg", "nothing.png"]
    assert "not a picture" in mixed.rejected[0].reason
    assert "empty" in mixed.rejected[1].reason
    assert good.rejected == ()


def test_only_bad_pictures_give_a_result_without_scores() -> None:
    result = score_images([b"text", b""], "green", ByColour())
    assert result.scores == ()
    assert [rejected.name for rejected in result.rejected] == ["image 1", "image 2"]


def test_pictures_are_named_by_file_pair_or_place(picture_file: Callable[..., Path], clip: Encoder) -> None:
    path = picture_file("sub/dog.png")
    items: list[Item] = [path, str(path), path.read_bytes(), paint(9, 9), (path, "my dog"), (b"", "gone")]
    result = score_images(items, "the dog", clip)
    names = {score.name for score in result.scores} | {rejected.name for rejected in result.rejected}
    assert names == {"dog.png", "dog.png (2)", "image 3", "image 4", "my dog", "gone"}


@pytest.mark.parametrize(
    "names",
    [["a"] * 5, ["a", "a", "a (2)"], ["a (2)", "a", "a"], ["a", "a (2)", "a", "a (2)", "a (3)", "a"], ["image 2", ""]],
)
def test_names_are_made_unique_and_the_first_keeps_its_own(names: list[str]) -> None:
    items: list[Item] = [(plain(RED), name) for name in names]
    unique = [score.name for score in score_images(items, "green", ByColour()).scores]
    assert len(set(unique)) == len(names)
    assert all(name in unique for name in names)
    assert all(given.startswith(name) for given, name in zip(unique, names, strict=True))


def test_a_generator_of_pictures_is_enough() -> None:
    assert len(score_images((plain(colour) for colour in (RED, GREEN)), "green", ByColour()).scores) == 2


def progress_of(items: list[Item]) -> list[tuple[int, int]]:
    calls: list[tuple[int, int]] = []
    score_images(items, "green", ByColour(), progress=lambda done, total: calls.append((done, total)))
    return calls


@pytest.mark.parametrize(
    "items",
    [
        pytest.param([plain(RED)] * (2 * BATCH + 3), id="all good"),
        pytest.param([b""] + [plain(RED)] * BATCH + [b"", b""], id="some bad"),
        pytest.param([b"", b"text"], id="all bad"),
    ],
)
def test_progress_counts_up_to_all_pictures(items: list[Item]) -> None:
    calls = progress_of(items)
    assert calls == sorted(calls)
    assert {total for _, total in calls} == {len(items)}
    assert calls[-1] == (len(items), len(items))


def test_many_pictures_are_encoded_in_batches_and_keep_their_own_scores() -> None:
    encoder, count = ByNumber(), 2 * BATCH + 5
    result = score_images([(numbered(n), f"{n}") for n in range(count)], "zero", encoder)
    assert encoder.batches == [BATCH, BATCH, 5]
    assert [int(score.name) for score in result.scores] == list(range(count))
    expected = [math.cos(math.pi * n / 4096) for n in range(count)]
    assert [score.cosine for score in result.scores] == pytest.approx(expected, abs=1e-6)


def test_large_pictures_share_no_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    assert BATCH_PIXELS <= 100_000_000
    monkeypatch.setattr("clipsim.scoring.BATCH_PIXELS", 1000)
    encoder = ByNumber()
    sizes = [(10, 10), (30, 30), (30, 30), (50, 50), (10, 10), (10, 10)]
    result = score_images([(numbered(n, size), f"{n}") for n, size in enumerate(sizes)], "zero", encoder)
    assert encoder.batches == [2, 1, 1, 2]
    assert [score.name for score in result.scores] == list("012345")


def test_the_encoders_notes_stand_in_every_result() -> None:
    assert score_images(COLOURS, "green", ClipByColour()).notes == ("Only colours count here.",)
    result = score_images(COLOURS, None, ClipByColour(), reference=plain(RED))
    assert result.notes == ("Only colours count here.",)
    assert score_images(COLOURS, "green", ByColour()).notes == ()


def test_a_note_quotes_the_words_that_were_left_out() -> None:
    notes = score_images(COLOURS, "twenty characters -- and then some", ClipByColour()).notes
    assert "and then some" in notes[-1]
    assert "left out" in notes[-1]


def test_a_picture_of_which_the_model_sees_little_says_so() -> None:
    items: list[Item] = [(plain(RED, (90, 30)), "wide"), (plain(GREEN, (45, 30)), "photograph")]
    notes = {score.name: score.notes for score in score_images(items, "green", ClipByColour()).scores}
    assert "33" in notes["wide"][0]
    assert notes["photograph"] == ()


def test_what_was_done_to_a_picture_stays_with_it() -> None:
    result = score_images([(plain(RED), "red"), (Image.new("RGBA", (4, 4), (0, 255, 0, 0)), "clear")], "x", white_too())
    assert {score.name: score.notes for score in result.scores} == {
        "red": (),
        "clear": ("transparency flattened on white",),
    }


def white_too() -> ByColour:
    return ByColour({**VECTORS, (255, 255, 255): (0, 1)})


def test_the_result_says_what_was_asked_and_of_whom() -> None:
    result = score_images(COLOURS, "green", ByColour())
    assert (result.caption, result.reference) == ("green", None)
    assert (result.model, result.device) == ("by colour", "cpu")
    assert 0 < result.seconds < 60


@pytest.mark.parametrize("items", [COLOURS, [b"text"], [*COLOURS, b""]])
def test_a_result_as_a_dict_is_ready_for_json(items: list[Item]) -> None:
    result = score_images(items, "green “apple” \U0001f34f", ClipByColour())
    plain_dict = result.to_dict()
    assert json.loads(json.dumps(plain_dict, allow_nan=False)) == plain_dict
    assert list(plain_dict) == list(Result.__dataclass_fields__)
    for score in plain_dict["scores"]:
        assert list(score) == ["name", "rank", "cosine", "clipscore", "share", "notes"]
    for rejected in plain_dict["rejected"]:
        assert list(rejected) == ["name", "reason"]
