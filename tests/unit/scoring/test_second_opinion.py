"""A second opinion on the best pictures stands beside the scores, and takes none of them away."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support import PictureFile, paint
from support.judges import Counting, match_plainly
from support.results import judged

import clipsim
from clipsim import ClipsimError, Encoder, EncoderError, Judge, Result, UsageError
from clipsim.scoring.second_opinion import ask_again, disagrees

Pictures = dict[str, Any]


def grey(light: int) -> Image.Image:
    return Image.new("RGB", (8, 8), (light, light, light))


def gallery(*lights: int, **more: Any) -> Result:
    """Pictures a.jpg, b.jpg, ... of this light, best first; each a match unless a verdict is given."""
    verdicts = more.get("verdicts", ["match"] * len(lights))
    result = judged(*((90.0 - i, verdict) for i, verdict in enumerate(verdicts)), whole=more.get("whole", "match"))
    return replace(result, pictures={f"{chr(97 + i)}.jpg": grey(light) for i, light in enumerate(lights)})


@pytest.mark.parametrize(
    ("verdict", "probability", "expected"),
    [
        ("match", 0.49, True),
        ("match", 0.5, False),
        ("no match", 0.51, True),
        ("no match", 0.5, False),
        ("weak", 0.0, False),
        ("not recognised", 1.0, False),
        (None, 0.0, None),
    ],
)
def test_a_judge_disagrees_where_one_says_yes_and_the_other_no(
    verdict: str | None, probability: float, expected: bool | None
) -> None:
    assert disagrees(verdict, probability) is expected


def test_the_best_are_asked_and_the_others_are_not() -> None:
    judge = Counting()
    result = ask_again(gallery(255, 0, 255, 0), lambda: judge, opinions=2)
    assert [score.second_opinion for score in result] == [1.0, 0.0, None, None]
    assert [score.disagrees for score in result] == [False, True, None, None]
    assert result.judge == "counting" and len(judge.asked) == 2 and result.notes == ()


def test_ten_are_asked_unless_it_is_said_how_many() -> None:
    judge = Counting()
    ask_again(gallery(*range(0, 240, 20)), lambda: judge)
    assert len(judge.asked) == 10


def test_what_the_answer_is_about_is_asked_first() -> None:
    lights, verdicts = (0, 0, 255), ["weak", "weak", "match"]
    result = ask_again(gallery(*lights, verdicts=verdicts), Counting, opinions=1)
    assert result.best and result.best.name == "c.jpg" and result.best.second_opinion == 1.0


def test_everything_but_the_opinion_stays_as_it_was() -> None:
    before = gallery(255, 0)
    after = ask_again(before, Counting)
    scores = tuple(replace(score, second_opinion=None, disagrees=None) for score in after)
    assert replace(after, scores=scores, judge=None) == before
    assert after.pictures == before.pictures


def test_progress_counts_the_opinions() -> None:
    told: list[tuple[int, int]] = []
    ask_again(gallery(0, 255, 9), Counting, opinions=2, progress=lambda *count: told.append(count))
    assert told == [(0, 2), (1, 2), (2, 2)]


def test_a_judge_that_cannot_be_had_is_a_note() -> None:
    def fail() -> Judge:
        raise EncoderError("It is not here: fetch it")

    before = gallery(255, 0)
    after = ask_again(before, fail)
    assert after == replace(before, notes=("Second opinion: none. It is not here: fetch it.",))


def test_what_was_said_until_it_was_ended_is_kept() -> None:
    def end(done: int, _: int) -> None:
        if done == 2:
            raise ClipsimError("It took too long.", code="too_slow")

    result = ask_again(gallery(255, 0, 255), Counting, progress=end)
    assert [score.second_opinion for score in result] == [1.0, 0.0, None]
    assert result.notes == ("Second opinion: only on 2 of 3 pictures. It took too long.",)
    assert result.judge == "counting"


def test_a_picture_that_is_gone_is_a_note_and_the_others_are_asked(tmp_path: Path) -> None:
    before = gallery(255, 0)
    result = ask_again(replace(before, pictures={**before.pictures, "a.jpg": tmp_path / "gone.jpg"}), Counting)
    assert [score.second_opinion for score in result] == [None, 0.0]
    assert "There is no second opinion on a.jpg, which is not a file: check the path." in result.notes


def test_nothing_that_was_scored_needs_no_judge() -> None:
    def fail() -> Judge:
        raise AssertionError

    assert ask_again(gallery(), fail) == gallery()


def test_score_images_takes_a_judge_and_its_folder(tiny_blip: Path, clip: Encoder, picture_file: PictureFile) -> None:
    paths = [picture_file(f"{i}.png", seed=i) for i in range(3)]
    by_name = clipsim.score_images(paths, "the cat", clip, second_opinion=str(tiny_blip), opinions=2)
    found = {score.name: score.second_opinion for score in by_name}
    assert by_name.judge == "tiny-blip" and list(found.values()).count(None) == 1
    for i, path in enumerate(paths):
        if (opinion := found[path.name]) is not None:
            assert opinion == pytest.approx(match_plainly(tiny_blip, paint(48, 40, seed=i), "the cat"), abs=2e-5)
    loaded = clipsim.load_judge(str(tiny_blip), "cpu")
    again = clipsim.score_images(paths, "the cat", clip, second_opinion=loaded, opinions=2)
    assert [score.second_opinion for score in again] == pytest.approx([score.second_opinion for score in by_name])


def test_score_in_one_call_keeps_its_scores_where_the_judge_is_not_here(
    tiny_clip: Path, picture_file: PictureFile, no_network: Path
) -> None:
    assert not no_network.exists()
    path = picture_file("a.png")
    plain = clipsim.score(path, "the cat", model=str(tiny_clip), device="cpu")
    began = time.monotonic()
    result = clipsim.score(path, "the cat", model=str(tiny_clip), device="cpu", second_opinion="blip-itm")
    assert time.monotonic() - began < plain.seconds + 1
    assert result.judge is None and result.scores == plain.scores
    assert result.notes[-1].startswith("Second opinion: none. Salesforce/blip-itm-base-coco is not on this machine")


@pytest.mark.parametrize(
    ("keywords", "sentence"),
    [
        ({"second_opinion": "nonsense"}, "use blip-itm, vqascore"),
        ({"caption": None, "reference": grey(9), "second_opinion": "blip-itm"}, "leave the second opinion out"),
        ({"second_opinion": Counting(), "opinions": 0}, "ask for one at least"),
    ],
)
def test_wrong_use_is_told_before_the_work(keywords: dict[str, Any], sentence: str, clip: Encoder) -> None:
    def fail(*_: int) -> None:
        raise AssertionError

    with pytest.raises(UsageError, match=sentence):
        clipsim.score_images([grey(9)], **({"caption": "a cat"} | keywords), encoder=clip, progress=fail)


def test_a_result_without_one_has_empty_fields(clip: Encoder) -> None:
    plain = clipsim.score_images([grey(9)], "a cat", clip).to_dict()
    assert plain["judge"] is None
    assert plain["scores"][0]["second_opinion"] is None and plain["scores"][0]["disagrees"] is None
