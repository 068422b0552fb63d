"""The arithmetic on hand-made unit vectors, and the ways in which one request can go."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import ByColour, ByMean, paint

import clipsim
from clipsim import (
    CaptionError,
    ChoiceError,
    ClipsimError,
    Encoder,
    ImageError,
    Options,
    Result,
    Score,
    score_each,
    score_images,
)
from clipsim.embedding import Item, Rejected, embed, encode_captions
from clipsim.options import Framing, Precision
from clipsim.scoring import judge
from clipsim.scoring.calibration import VERDICTS
from clipsim.scoring.score import softmax_share

Colour = tuple[int, int, int]
RED, GREEN, BLUE, GREY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128)
VECTORS: dict[Colour, tuple[float, float]] = {RED: (0.6, 0.8), GREEN: (1, 0), BLUE: (-0.8, 0.6), GREY: (0, -1)}


class ClipByColour(ByColour):
    """With what else an encoder may bring."""

    family = "clip"
    notes = ("Only colours count here.",)

    def truncated_text(self, caption: str) -> str:
        return caption[20:]

    def crop_box(self, size: tuple[int, int]) -> tuple[float, float, float, float]:
        side, left, top = min(size), (size[0] - min(size)) / 2, (size[1] - min(size)) / 2
        return left, top, left + side, top + side

    def view(self, image: Image.Image) -> Image.Image:
        return image.resize((2, 2), box=self.crop_box(image.size))


def plain(colour: Colour, size: tuple[int, int] = (4, 4)) -> Image.Image:
    return Image.new("RGB", size, colour)


COLOURS: list[Item] = [(plain(BLUE), "blue"), (plain(RED), "red"), (plain(GREY), "grey"), (plain(GREEN), "green")]


def test_the_best_cosine_comes_first_and_negative_ones_last() -> None:
    scores = score_images(COLOURS, "green", ByColour(VECTORS)).scores
    assert [(score.rank, score.name) for score in scores] == [(1, "green"), (2, "red"), (3, "grey"), (4, "blue")]
    assert [score.cosine for score in scores] == pytest.approx([1, 0.6, 0, -0.8], abs=1e-6)


def test_ties_keep_the_order_of_input() -> None:
    items: list[Item] = [(plain(colour), f"{n}") for n, colour in enumerate([RED, GREEN, RED, GREEN, RED] * 8)]
    scores = score_images(items, "green", ByColour(VECTORS)).scores
    greens = [n for n in range(40) if n % 5 in (1, 3)]
    assert [int(score.name) for score in scores] == greens + [n for n in range(40) if n not in greens]
    assert [score.rank for score in scores] == list(range(1, 41))


def test_one_picture_has_no_share() -> None:
    (score,) = score_images([plain(RED)], "green", ByColour(VECTORS)).scores
    assert (score.rank, score.share) == (1, None)


def test_one_readable_picture_has_no_share() -> None:
    (score,) = score_images([plain(RED), b"text"], "green", ByColour(VECTORS)).scores
    assert score.share is None


def test_shares_are_the_softmax_of_the_scaled_cosines() -> None:
    scores = score_images(COLOURS, "green", ByColour(VECTORS)).scores
    weights = [math.exp(10 * cosine) for cosine in (1, 0.6, 0, -0.8)]
    assert [score.share for score in scores] == pytest.approx([weight / sum(weights) for weight in weights], rel=1e-5)
    assert sum(score.share or 0 for score in scores) == pytest.approx(1, abs=1e-12)


def test_shares_survive_any_logit_scale() -> None:
    share = softmax_share(np.asarray([0.3, 0.2, -1.0], np.float32), 1e5)
    assert share == pytest.approx([1, 0, 0])
    assert softmax_share(np.asarray([0.3, 0.2], np.float32), 0.0) == pytest.approx([0.5, 0.5])


def test_clipscore_is_given_for_the_clip_family_only() -> None:
    by_clip = score_images(COLOURS, "green", ClipByColour(VECTORS)).scores
    assert [score.clipscore for score in by_clip] == pytest.approx([2.5, 1.5, 0, 0], abs=1e-6)
    assert {score.clipscore for score in score_images(COLOURS, "green", ByColour(VECTORS)).scores} == {None}


def test_clipscore_is_not_given_between_images() -> None:
    result = score_images(COLOURS, None, ClipByColour(VECTORS), reference=plain(GREEN))
    assert {score.clipscore for score in result.scores} == {None}


def test_a_reference_image_takes_the_captions_place() -> None:
    result = score_images(COLOURS, None, ByColour(VECTORS), reference=(plain(RED), "sunset.jpg"))
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
        score_images(COLOURS, None, ByColour(VECTORS), reference=(b"text", "sunset.jpg"))
    assert caught.value.name == "sunset.jpg"


@pytest.mark.parametrize("caption", [None, "", "  \n\t "])
def test_an_empty_caption_is_an_error(caption: str | None) -> None:
    with pytest.raises(CaptionError, match="empty"):
        score_images(COLOURS, caption, ByColour(VECTORS))


@pytest.mark.parametrize("caption", [None, "", "  \n"])
def test_an_empty_caption_is_fine_beside_a_reference(caption: str | None) -> None:
    assert score_images(COLOURS, caption, ByColour(VECTORS), reference=plain(RED)).caption is None


def test_a_caption_beside_a_reference_is_an_error() -> None:
    with pytest.raises(CaptionError, match="both"):
        score_images(COLOURS, "green", ByColour(VECTORS), reference=plain(RED))


def test_half_a_surrogate_pair_is_an_error() -> None:
    with pytest.raises(CaptionError, match="broken"):
        score_images(COLOURS, "dog \ud83d", ByColour(VECTORS))


def test_white_space_around_the_caption_is_stripped(clip: Encoder) -> None:
    results = [score_images([paint(40, 40)], caption, clip) for caption in ("the dog", " \n\tthe dog\u3000 ")]
    assert [result.caption for result in results] == ["the dog", "the dog"]
    assert results[0].scores == results[1].scores


@pytest.mark.parametrize("reference", [None, plain(RED)])
def test_no_pictures_is_an_error(reference: Image.Image | None) -> None:
    with pytest.raises(ClipsimError, match="no pictures"):
        score_images([], None if reference else "green", ByColour(VECTORS), reference=reference)


def test_a_bad_picture_costs_the_others_nothing() -> None:
    items: list[Item] = [*COLOURS[:2], (b"text", "notes.jpg"), *COLOURS[2:], (b"", "nothing.png")]
    mixed, good = score_images(items, "green", ByColour(VECTORS)), score_images(COLOURS, "green", ByColour(VECTORS))
    assert mixed.scores == good.scores
    assert [rejected.name for rejected in mixed.rejected] == ["notes.jpg", "nothing.png"]
    assert "not a picture" in mixed.rejected[0].reason
    assert "empty" in mixed.rejected[1].reason
    assert good.rejected == ()


def test_only_bad_pictures_give_a_result_without_scores() -> None:
    result = score_images([b"text", b""], "green", ByColour(VECTORS))
    assert result.scores == ()
    assert [rejected.name for rejected in result.rejected] == ["image 1", "image 2"]


def test_the_encoders_notes_stand_in_every_result() -> None:
    assert score_images(COLOURS, "green", ClipByColour(VECTORS)).notes == ("Only colours count here.",)
    result = score_images(COLOURS, None, ClipByColour(VECTORS), reference=plain(RED))
    assert result.notes == ("Only colours count here.",)
    assert score_images(COLOURS, "green", ByColour(VECTORS)).notes == ()


def test_a_note_quotes_the_words_that_were_left_out() -> None:
    notes = score_images(COLOURS, "twenty characters -- and then some", ClipByColour(VECTORS)).notes
    assert "and then some" in notes[-1]
    assert "left out" in notes[-1]


def test_a_picture_of_which_the_model_sees_little_says_so() -> None:
    items: list[Item] = [(plain(RED, (90, 30)), "wide"), (plain(GREEN, (45, 30)), "photograph")]
    notes = {score.name: score.notes for score in score_images(items, "green", ClipByColour(VECTORS)).scores}
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
    result = score_images(COLOURS, "green", ByColour(VECTORS))
    assert (result.caption, result.reference) == ("green", None)
    assert (result.model, result.device) == ("by colour", "cpu")
    assert 0 < result.seconds < 60


def test_the_reference_is_treated_as_the_pictures_are(stand_in: Encoder) -> None:
    wide = paint(300, 60)
    for options in (Options("pad"), Options("tiles-mean", "auto"), Options(contrast="auto")):
        result = score_images([wide], None, stand_in, reference=wide, options=options)
        assert result.scores[0].cosine == pytest.approx(1, abs=1e-5)


def test_of_a_reference_in_tiles_the_best_pair_counts(stand_in: Encoder) -> None:
    """The reference is two squares side by side, and each picture one of them."""
    squares = [paint(60, 60, seed=n) for n in (1, 2)]
    both = Image.new("RGB", (120, 60))
    for place, square in enumerate(squares):
        both.paste(square, (60 * place, 0))
    best, crop = (score_images(squares, None, stand_in, reference=both, framing=one) for one in ("tiles-best", "crop"))
    assert [score.cosine for score in best.scores] == pytest.approx([1, 1], abs=0.01)
    assert max(score.cosine for score in crop.scores) < 0.95


def test_against_a_reference_there_is_no_percentile_no_verdict_and_no_word(stand_in: Encoder) -> None:
    result = score_images([paint(40, 40)], None, stand_in, reference=paint(40, 40, 1), words=True)
    (score,) = result.scores
    assert (result.verdict, result.words) == (None, None)
    assert (score.percentile, score.verdict, score.words, score.shuffled) == (None, None, None, None)


def test_nothing_that_was_not_asked_for_is_returned(stand_in: Encoder) -> None:
    result = score_images([paint(40, 40)], "three words here", stand_in)
    (score,) = result.scores
    assert (score.words, score.shuffled, score.heatmap, score.thumbnail, result.words) == (None,) * 5
    assert score.percentile is not None
    assert score.verdict is not None


def test_the_treatment_is_said(stand_in: Encoder) -> None:
    result = score_images([paint(40, 40)], "a cat", stand_in, framing="pad", contrast="auto", prompt="photo")
    assert result.options == Options("pad", "auto", "photo", "full")
    default = score_images([paint(40, 40)], "a cat", stand_in)
    assert default.options == Options(precision="full")


@pytest.mark.parametrize(
    ("choice", "listed"),
    [
        ({"framing": "squeeze"}, "framing 'squeeze' is not known: use crop, pad, tiles-best, tiles-mean"),
        ({"contrast": "clahe"}, "contrast 'clahe' is not known: use as-is, auto"),
        ({"prompt": "poem"}, "prompt 'poem' is not known: use as-written, photo, ensemble"),
        ({"precision": ""}, "precision '' is not known: use auto, full, half, int8"),
    ],
)
def test_an_unknown_choice_is_answered_with_the_known_ones(choice: dict[str, Any], listed: str) -> None:
    with pytest.raises(ChoiceError, match=listed):
        score_images(COLOURS, "green", ByColour(VECTORS), **choice)


def test_how_much_of_each_picture_was_seen_is_said(clip: Encoder) -> None:
    items: list[Item] = [(plain(RED, (90, 30)), "wide"), (plain(GREEN, (30, 30)), "square")]
    cropped, padded = (score_images(items, "green", clip, framing=one) for one in ("crop", "pad"))
    assert {score.name: score.seen for score in cropped.scores} == pytest.approx({"wide": 1 / 3, "square": 1})
    assert {score.name: score.seen for score in padded.scores} == pytest.approx({"wide": 1, "square": 1})
    assert all(score.notes == () for score in padded.scores)


def test_each_score_keeps_its_own_columns_when_sorted(stand_in: Encoder) -> None:
    """What is computed in the order of input is handed out in the order of rank."""
    sizes = {"square": (60, 60), "wide": (240, 60), "high": (60, 120)}
    items: list[Item] = [(paint(*size, seed=n), name) for n, (name, size) in enumerate(sizes.items())]
    together = score_images(items, "a dog in the snow", stand_in, words=True, thumbnails=True)
    assert [score.cosine for score in together.scores] == sorted((s.cosine for s in together.scores), reverse=True)
    for score in together.scores:
        item = next(item for item in items if isinstance(item, tuple) and item[1] == score.name)
        (alone,) = score_images([item], "a dog in the snow", stand_in, words=True, thumbnails=True).scores
        assert (score.seen, score.thumbnail, score.notes) == (alone.seen, alone.thumbnail, alone.notes)
        assert score.words == pytest.approx(alone.words, abs=1e-5)
        assert score.percentile == pytest.approx(alone.percentile, abs=1e-2)


@pytest.mark.parametrize("items", [COLOURS, [b"text"], [*COLOURS, b""]])
def test_a_result_as_a_dict_is_ready_for_json(items: list[Item]) -> None:
    result = score_images(items, "green “apple” \U0001f34f of mine", ClipByColour(VECTORS), words=True, thumbnails=True)
    plain_dict = result.to_dict()
    assert json.loads(json.dumps(plain_dict, allow_nan=False)) == plain_dict
    assert list(plain_dict) == [*list(Result.__dataclass_fields__)[:-2], *Options().to_dict()]
    for score in plain_dict["scores"]:
        assert list(score) == list(Score.__dataclass_fields__)
    for rejected in plain_dict["rejected"]:
        assert list(rejected) == ["name", "reason"]


def test_scores_come_one_by_one_in_the_order_of_the_pictures(stand_in: Encoder) -> None:
    pictures: list[Item] = [(paint(40, 40, seed=n), f"{n}") for n in range(6)]
    pictures[2] = (b"text", "2")
    each = list(score_each(iter(pictures), "a dog", stand_in))
    assert [one.name for one in each] == list("012345")
    assert isinstance(each[2], Rejected)
    whole = {score.name: score for score in score_images(pictures, "a dog", stand_in).scores}
    for one in each:
        if isinstance(one, Score):
            same = whole[one.name]
            assert (one.cosine, one.seen, one.notes) == (same.cosine, same.seen, same.notes)
            assert one.percentile == pytest.approx(same.percentile, abs=1e-4)
            assert (one.rank, one.share) == (0, None)
            assert one.verdict in VERDICTS


def test_pictures_compared_with_a_reference_come_one_by_one_too(clip: Encoder) -> None:
    pictures: list[Item] = [(paint(40, 40, seed=n), f"{n}") for n in range(3)]
    each = list(score_each(pictures, None, clip, reference=paint(40, 40, seed=1)))
    cosines = [one.cosine for one in each if isinstance(one, Score)]
    assert cosines[1] == pytest.approx(1, abs=1e-6) and max(cosines) == cosines[1]
    assert {(one.percentile, one.clipscore) for one in each if isinstance(one, Score)} == {(None, None)}


def test_what_is_wrong_is_said_before_the_first_picture_is_read(clip: Encoder) -> None:
    with pytest.raises(CaptionError):
        next(score_each([paint(9, 9)], "", clip))
    with pytest.raises(ClipsimError, match="no pictures"):
        next(score_each([], "a cat", clip))


def test_a_cosine_has_the_same_bits_whatever_else_is_scored(clip: Encoder) -> None:
    pictures: list[Item] = [(paint(40, 40, seed=n), f"{n}") for n in range(21)]
    whole = {score.name: score.cosine for score in score_images(pictures, "the cat", clip).scores}
    for picture in pictures:
        (alone,) = score_images([picture], "the cat", clip).scores
        assert alone.cosine == whole[alone.name]


@pytest.mark.parametrize("framing", ["crop", "tiles-best"])
def test_percentiles_of_many_pictures_are_worked_out_in_parts(clip: Encoder, framing: Framing) -> None:
    gallery = embed([paint(60, 40, seed=n) for n in range(7)], clip, Options(framing))
    caption = encode_captions(["the cat"], clip)
    whole, parts = (
        judge(gallery, gallery.cosines(caption), ["the cat"], caption, clip, pictures_at_once=size).percentiles
        for size in (500, 3)
    )
    assert parts == pytest.approx(whole, abs=1e-6)


@pytest.mark.parametrize("chosen", ["full", "half"])
def test_the_result_says_the_precision(tiny_clip: Path, chosen: Precision) -> None:
    result = score_images([paint(40, 40)], "the cat", clipsim.load(str(tiny_clip), "cpu", chosen))
    assert result.options.precision == result.to_dict()["precision"] == chosen


@pytest.mark.parametrize(("own", "said"), [("int8", "int8"), ("half", "half"), ("float64", "full")])
def test_the_result_says_what_an_encoder_of_the_callers_own_calculates_in(own: str, said: str) -> None:
    encoder = ByMean()
    encoder.precision = own
    assert score_images([paint(40, 40)], "red", encoder).options.precision == said
