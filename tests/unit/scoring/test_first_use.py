"""Cut-offs that a model has without anybody's labels: false alarms stay few whatever the form of the sentence."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import Bright, Counting, Hashed, paint

import clipsim
from clipsim import Encoder, score_images
from clipsim.embedding import Gallery, PictureInfo
from clipsim.report.sentences import trust
from clipsim.scoring import find_calibration
from clipsim.scoring.calibration import (
    BackgroundCaptions,
    Calibration,
    CommonPart,
    Cutoffs,
    compute_strengths,
)
from clipsim.scoring.first_use import VIEWS, describe_layout, draw_views, find_photographs, lay_out
from clipsim.scoring.judge import judge
from clipsim.scoring.null_distribution import NullDistribution
from tools import layouts
from tools.calibrate import SENTENCES

NAMES = ["cat", "dog", "snow", "owl", "tench", "red wolf", "bus", "ice cream", "violin", "crane"]


def new_pictures(encoder: Encoder) -> Gallery:
    vectors = encoder.encode_images(draw_views(find_photographs(), max(encoder.input_size), seed=1))
    pictures = tuple(PictureInfo(f"p{n}", (), (9, 9), 1.0) for n in range(len(vectors)))
    return Gallery(pictures, vectors, np.arange(len(vectors)), ())


@pytest.mark.parametrize("model", ["clip", "siglip"])
def test_few_pairs_that_mean_nothing_are_matches_in_any_form(model: str, request: pytest.FixtureRequest) -> None:
    encoder: Encoder = request.getfixturevalue(model)
    gallery, above = new_pictures(encoder), []
    for sentence in SENTENCES:
        captions = [sentence.format(name) for name in NAMES]
        vectors = encoder.encode_texts(captions)
        percentiles = judge(gallery, gallery.cosines(vectors), captions, vectors, encoder).percentiles
        above.append([100 * np.mean(percentiles >= cut) for cut in (99, 95)])
    assert np.max(above, axis=0)[0] < 4
    assert np.max(above, axis=0)[1] < 12
    assert np.min(above, axis=0)[1] > 1
    assert 0.3 < np.mean(above, axis=0)[0] < 2
    assert 3 < np.mean(above, axis=0)[1] < 8


def test_a_model_without_shipped_cut_offs_gives_verdicts_and_says_what_is_unknown(clip: Encoder) -> None:
    result = score_images([paint(40, 32, seed=n) for n in range(3)], "the dog", clip)
    assert {score.verdict for score in result.scores} <= {"match", "weak", "no match"}
    assert result.verdict in {"match", "not sure", "nothing here matches"}
    assert "unknown for this model" in trust(result, find_calibration(clip))


def test_the_views_are_encoded_once_however_many_ask_at_once() -> None:
    encoder = Counting(Hashed())
    threads = [threading.Thread(target=find_calibration, args=(encoder,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert encoder.pictures == VIEWS
    assert find_calibration(encoder) is not None
    assert find_calibration(encoder, "photo") is not find_calibration(encoder)
    assert encoder.pictures == VIEWS


def test_the_views_of_known_weights_are_kept_on_disk(tiny_clip: Path) -> None:
    find_calibration(clipsim.load(str(tiny_clip), "cpu"))
    second = Counting(clipsim.load(str(tiny_clip), "cpu"))
    assert find_calibration(second) is not None
    assert second.pictures == 0


def test_nothing_is_learned_of_a_model_that_tells_no_captions_apart() -> None:
    assert find_calibration(Bright()) is None


def test_views_are_the_same_every_time_and_none_without_pictures() -> None:
    first, second = (draw_views(find_photographs(), 16) for _ in range(2))
    assert len(first) == VIEWS
    assert [view.tobytes() for view in first] == [view.tobytes() for view in second]
    assert draw_views([], 16) == []


def test_a_damaged_photograph_costs_the_others_nothing(tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"text")
    assert len(draw_views([tmp_path / "bad.jpg", find_photographs()[0]], 16)) == VIEWS


def test_a_picture_takes_the_layout_it_is_given() -> None:
    wanted, now = describe_layout(paint(64, 64, seed=3)), paint(64, 64, seed=4)
    wanted[:-6] = 0.3 + 0.4 * wanted[:-6]  # black and white would cut off what lies beyond
    wanted[-6:] = [-3, -3.5, -3.2, 0.02, 0.01, 0.03]
    assert describe_layout(lay_out(now, wanted)) == pytest.approx(wanted, abs=0.3)
    assert abs(describe_layout(now) - wanted).max() > 0.6


def test_a_picture_of_one_colour_takes_a_layout_too() -> None:
    wanted = describe_layout(paint(64, 64, seed=3))
    made = lay_out(Image.new("RGB", (64, 64), (9, 9, 9)), wanted)
    assert describe_layout(made)[:-6] == pytest.approx(wanted[:-6], abs=0.15)


def test_layouts_are_learned_from_a_folder_of_photographs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for n in range(6):
        paint(40, 32, seed=n).save(tmp_path / f"{n}.png")
    layouts.main([str(tmp_path), "--to", str(tmp_path / "layouts.npz")])
    with np.load(tmp_path / "layouts.npz") as known:
        assert known["directions"].shape == (12, len(known["mean"]))
        assert "6 photographs" in str(known["origin"])
    assert "layouts of 6 photographs" in capsys.readouterr().out


def test_what_captions_have_in_common_is_held_against_a_picture_and_what_one_says_is_not() -> None:
    chance = np.random.default_rng(0)
    form, bank = np.eye(40)[0], chance.normal(size=(200, 40))
    bank[:, 0] *= 20  # captions differ most in their form
    views = chance.normal(size=(100, 40))
    background = BackgroundCaptions(bank, np.full(200, 1 / 200))
    known = Calibration(
        cutoffs=Cutoffs(99, 95, 0.06, 0.4),
        rates={},
        origin="",
        null=NullDistribution.fit(np.array([0.0, 1.0])),
        mean=np.zeros(40),
        directions=views / 10,
        rest=0.0,
        views=views,
    )
    known = replace(known, common=CommonPart.learn(background, known))
    meant = np.eye(40)[1]
    pictures, captions = (form + meant)[None], np.stack([20 * form + 9 * meant, 20 * form - 9 * meant])
    t, _ = compute_strengths(pictures @ captions.T, captions, pictures @ bank.T, background, known)
    assert t[0, 0] > 3
    assert t[0, 1] < -3
