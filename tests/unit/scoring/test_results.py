"""What a person does with a result, and the way to one in a single call."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import Bright, paint

import clipsim
from clipsim import CaptionError, ClipsimError, Encoder, ImageError, Result, Score, UsageError, score_images

PictureFile = Callable[..., Path]


@pytest.fixture
def folder(picture_file: PictureFile) -> Path:
    for seed, name in enumerate(("cat", "dog", "emu")):
        path = picture_file(f"pets/{name}.png", seed=seed)
    return path.parent


@pytest.fixture
def result(folder: Path) -> Result:
    return score_images(folder, "bright", Bright())


def test_a_result_is_its_scores_best_first(result: Result) -> None:
    assert len(result) == 3
    assert list(result) == list(result.scores)
    assert [score.rank for score in result] == [1, 2, 3]
    assert bool(replace(result, scores=())) is True


@pytest.mark.parametrize(
    ("verdicts", "best"), [(["weak", "match", "match"], 1), (["no match", "weak"], 1), ([None, None], 0), ([], None)]
)
def test_the_best_is_the_first_of_the_best_verdict(
    result: Result, verdicts: list[str | None], best: int | None
) -> None:
    scores = tuple(Score(f"{i}", i + 1, 0.3 - i / 10, verdict=verdict) for i, verdict in enumerate(verdicts))
    assert replace(result, scores=scores).best == (None if best is None else scores[best])


def test_where_the_answer_is_not_sure_the_best_has_the_highest_percentile(result: Result) -> None:
    scores = (Score("a", 1, 0.3, percentile=95.5, verdict="weak"), Score("b", 2, 0.2, percentile=97.0, verdict="weak"))
    assert replace(result, scores=scores, verdict="not sure").best == scores[1]
    assert replace(result, scores=scores, verdict="nothing here matches").best == scores[0]


def test_a_result_is_short_to_look_at(result: Result) -> None:
    shown = repr(result)
    assert len(shown) < 200
    assert "caption='bright'" in shown and "3 scores" in shown and result.scores[0].name in shown
    assert "2 rejected" in repr(score_images([paint(9, 9), b"", b"x"], "bright", Bright()))


def test_a_result_is_exported(result: Result, tmp_path: Path) -> None:
    assert json.loads(result.to_json()) == result.to_dict()
    assert len(result.to_csv().splitlines()) == 4
    assert list(result.to_pandas()["name"]) == [score.name for score in result]
    assert "data:image/jpeg" in result._repr_html_()
    result.save(tmp_path / "grid.png")
    assert Image.open(tmp_path / "grid.png").width > 300
    assert len(result.plot(columns=1).axes) == 3


def test_pictures_are_known_by_name_and_no_part_of_what_is_compared_or_written(folder: Path) -> None:
    image = paint(20, 20)
    result = score_images([folder, image, (b"x", "bad")], "bright", Bright())
    assert result.pictures == {
        **{f"{name}.png": folder / f"{name}.png" for name in ("cat", "dog", "emu")},
        "image 4": image,
        "bad": b"x",
    }
    assert "pictures" not in result.to_dict()
    assert replace(result, pictures={}) == result


def test_of_an_iterator_only_paths_are_kept_and_the_plot_says_so(folder: Path) -> None:
    def come() -> Iterator[Any]:
        yield folder / "cat.png"
        yield paint(20, 20)

    result = score_images(come(), "bright", Bright())
    assert result.pictures == {"cat.png": folder / "cat.png"}
    assert "was not kept: give the pictures as files or as a list" in result._repr_html_()


def test_one_call_scores_a_folder_a_pattern_and_an_array(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = clipsim.score(folder, "a dog", model="stand-in", device="cpu")
    assert {score.name for score in whole} == {"cat.png", "dog.png", "emu.png"}
    some = clipsim.score(f"{folder}/[cd]*.png", "a dog", model="stand-in", device="cpu", framing="pad")
    assert len(some) == 2
    assert some.options.framing == "pad"
    (score,) = clipsim.score(np.asarray(paint(30, 20)), "a dog", model="stand-in", device="cpu")
    assert score.name == "image 1"
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1 and told.err.startswith("clipsim: The stand-in model is in use")


@pytest.mark.parametrize(
    ("images", "caption", "error", "told"),
    [
        ("pets", ["a dog", "a cat"], CaptionError, "for several captions use clipsim.score_captions"),
        ("pets", "", CaptionError, "is empty"),
        ("a dog", "pets/dog.png", UsageError, "give the images first"),
        ("a dog", "pets", UsageError, "give the images first"),
        (["a dog"], "pets/dog.png", UsageError, "give the images first"),
        ("nosuch.jpg", "a dog", ImageError, "nosuch.jpg is not a file"),
        ("empty", "a dog", ImageError, "is a folder without pictures"),
        ("pets/*.jpg", "a dog", ImageError, "matches no pictures"),
        ([], "a dog", ClipsimError, "no pictures"),
    ],
)
def test_mistakes_are_told_in_one_sentence_before_a_model_is_loaded(
    folder: Path, monkeypatch: pytest.MonkeyPatch, images: Any, caption: Any, error: type[ClipsimError], told: str
) -> None:
    monkeypatch.chdir(folder.parent)
    Path("empty").mkdir()
    with pytest.raises(error, match=told):
        clipsim.score(images, caption, model="owner/nobody-has-this")


def test_a_folder_of_the_captions_name_is_no_mistake(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    assert len(score_images("pets", "pets", Bright())) == 3
    assert len(score_images("pets/*.png", "pets", Bright())) == 3


@pytest.mark.parametrize("encoder", ["stand-in", None])
def test_a_model_by_its_name_is_answered_with_load(folder: Path, encoder: Any) -> None:
    with pytest.raises(UsageError, match=r"pass what clipsim\.load returns"):
        score_images(folder, "a dog", encoder)


def test_a_reference_folder_is_no_picture(folder: Path, clip: Encoder) -> None:
    with pytest.raises(ImageError):
        score_images(folder, None, clip, reference=folder)
