"""Cut-offs that a model has without anybody's labels: false alarms stay few whatever the form of the sentence."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from support import Bright, Counting, Hashed, paint

import clipsim
from clipsim import Encoder, score_images
from clipsim.embedding import Gallery, PictureInfo
from clipsim.report.sentences import trust
from clipsim.scoring import find_calibration
from clipsim.scoring.first_use import VIEWS, describe_colours, draw_views, find_photographs, recolour
from clipsim.scoring.judge import judge
from tools import colours
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


def test_a_picture_takes_the_colours_it_is_given() -> None:
    wanted = np.array([0.5, 0.4, 0.45, -2.5, -3, -3, 0.02, 0.01, 0.03])
    assert describe_colours(recolour(paint(64, 64, seed=3), wanted)) == pytest.approx(wanted, abs=0.1)


def test_colours_are_learned_from_a_folder_of_photographs(tmp_path: Path) -> None:
    for n in range(12):
        paint(40, 32, seed=n).save(tmp_path / f"{n}.png")
    colours.main([str(tmp_path), "--to", str(tmp_path / "colours.json")])
    text = (tmp_path / "colours.json").read_text(encoding="utf-8")
    assert "12 photographs" in text
