"""Models that are a base and a head: read from a folder, damaged, moved, explained."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from support import paint

import clipsim
from clipsim import EncoderError
from clipsim.encoders import digest_checkpoint, list_models
from clipsim.encoders.devices import find_half_format
from clipsim.encoders.residual import Residual
from clipsim.encoders.tuned import HEAD, MANIFEST, Base, write_tuned

CHANCE = np.random.default_rng(0)


def make_residual(inputs: int, width: int, strength: float = 0.5, unit: bool = True) -> Residual:
    weights = CHANCE.normal(size=(inputs, width)).astype(np.float32)
    return Residual(weights, CHANCE.normal(size=width).astype(np.float32), strength, unit)


@pytest.fixture
def base(tiny_siglip: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_siglip, tmp_path / "base")


@pytest.fixture
def tuned(base: Path, tmp_path: Path) -> Path:
    width = clipsim.load(str(base), "cpu").width
    folder = tmp_path / "tuned"
    folder.mkdir()
    write_tuned(folder, Base(str(base), "", digest_checkpoint(base)), (make_residual(width, width),))
    return folder


def test_pictures_move_by_the_residual_and_captions_do_not(base: Path, tuned: Path) -> None:
    plain, moved = (clipsim.load(str(folder), "cpu") for folder in (base, tuned))
    pictures = [paint(40, 40, seed) for seed in range(3)]
    before, after = plain.encode_images(pictures), moved.encode_images(pictures)
    assert np.abs(before - after).max() > 0.05
    assert np.linalg.norm(after, axis=1) == pytest.approx(np.ones(3), abs=1e-6)
    assert moved.encode_texts(["a dog"]) == pytest.approx(plain.encode_texts(["a dog"]))
    assert moved.logit_scale == plain.logit_scale and moved.input_size == plain.input_size


def test_a_map_is_of_what_the_tuned_model_says(base: Path, tuned: Path) -> None:
    plain, moved = (clipsim.load(str(folder), "cpu") for folder in (base, tuned))
    views, target = [moved.view(paint(40, 40))], moved.encode_texts(["a dog"])[0]
    assert moved.maps(views, target).shape == plain.maps(views, target).shape
    assert moved.maps([], target).shape[0] == 0
    assert np.abs(moved.maps(views, target) - plain.maps(views, target)).max() > 0


def test_a_revision_tells_heads_apart(base: Path, tuned: Path) -> None:
    first = clipsim.load(str(tuned), "cpu").revision
    width = clipsim.load(str(base), "cpu").width
    write_tuned(tuned, Base(str(base), "", digest_checkpoint(base)), (make_residual(width, width, 0.6),))
    assert clipsim.load(str(tuned), "cpu").revision != first


def test_a_stand_in_with_a_head_explains_itself_too(tmp_path: Path) -> None:
    stand_in = clipsim.load("stand-in", "cpu")
    write_tuned(tmp_path, Base("stand-in", stand_in.revision), (make_residual(1280, 384, unit=False),))
    tuned = clipsim.load(str(tmp_path), "cpu")
    picture = paint(300, 300)
    assert np.abs(tuned.encode_images([picture]) - stand_in.encode_images([picture])).max() > 0.01
    if find_half_format("cpu"):
        assert clipsim.load(str(tmp_path), "cpu", "half").precision == "half"
    assert tuned.maps([tuned.view(picture)], tuned.encode_texts(["a dog"])[0]).shape == (1, 20, 20)
    features = tuned.encode_features([tuned.view(picture)])
    assert tuned.project(features)[0] == pytest.approx(tuned.encode_images([picture]), abs=1e-5)
    assert "it is not CLIP" in tuned.notes[0]


def test_other_weights_than_it_was_tuned_on_are_refused(base: Path, tuned: Path) -> None:
    (base / "config.json").write_text((base / "config.json").read_text("utf-8") + "\n", "utf-8")
    with pytest.raises(EncoderError, match="tuned on other weights"):
        clipsim.load(str(tuned), "cpu")


def test_a_base_that_is_gone_is_named(base: Path, tuned: Path) -> None:
    shutil.rmtree(base)
    with pytest.raises(EncoderError, match="base, which is not there"):
        clipsim.load(str(tuned), "cpu")


def test_a_stand_in_of_another_version_is_refused(tmp_path: Path) -> None:
    write_tuned(tmp_path, Base("stand-in", "other"), (make_residual(1280, 384),))
    with pytest.raises(EncoderError, match="another version of the stand-in"):
        clipsim.load(str(tmp_path), "cpu")


@pytest.mark.parametrize("damaged", [HEAD, MANIFEST])
def test_a_damaged_file_is_told(tuned: Path, damaged: str) -> None:
    (tuned / damaged).write_bytes(b"nothing")
    with pytest.raises(EncoderError, match="tune it again"):
        clipsim.load(str(tuned), "cpu")


def test_a_later_format_is_told(tuned: Path) -> None:
    known = json.loads((tuned / MANIFEST).read_text("utf-8"))
    (tuned / MANIFEST).write_text(json.dumps({**known, "format": 2}), "utf-8")
    with pytest.raises(EncoderError, match="another version of clipsim"):
        clipsim.load(str(tuned), "cpu")


def test_a_head_of_another_width_is_told(base: Path, tuned: Path) -> None:
    write_tuned(tuned, Base(str(base), "", digest_checkpoint(base)), (make_residual(7, 9),))
    with pytest.raises(EncoderError, match="does not fit"):
        _ = clipsim.load(str(tuned), "cpu").width


def test_a_server_offers_the_models_that_the_environment_names(tuned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPSIM_MODELS", str(tuned))
    offered = list_models()[-1]
    assert (offered.name, offered.family) == ("tuned", "siglip")
    assert clipsim.load("tuned", "cpu").revision == clipsim.load(str(tuned), "cpu").revision


@pytest.mark.parametrize("name", ["", "stand-in"])
def test_what_is_no_model_or_called_as_another_is_not_offered(
    tuned: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tuned.rename(tuned.with_name(name)) if name else tuned.parent
    monkeypatch.setenv("CLIPSIM_MODELS", str(folder))
    with pytest.raises(clipsim.UsageError, match="CLIPSIM_MODELS names"):
        list_models()
