"""From pictures to a tuned model: what comes out loads as any model does, and what is no better is not saved."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from support import unit
from support.captioned import Subjects
from support.labelled import shuffle_labels, write_labelled

import clipsim
from clipsim.embedding import encode_captions
from clipsim.images import read
from clipsim.tuning import TowerSettings, Tuned, TuneOptions

ANYTHING = TuneOptions(may_lose=100.0)


@pytest.fixture(scope="module")
def general(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Other pictures of the same colours, which a model may not lose: seconds faster than the default's views."""
    return write_labelled(tmp_path_factory.mktemp("general"), 7, seed=5)


@pytest.fixture(scope="module")
def sharp_clip(tiny_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sharpen("CLIPModel", tiny_clip, tmp_path_factory.mktemp("clip") / "tiny-clip")


@pytest.fixture(scope="module")
def sharp_siglip(tiny_siglip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sharpen("SiglipModel", tiny_siglip, tmp_path_factory.mktemp("siglip") / "tiny-siglip")


def sharpen(kind: str, folder: Path, to: Path) -> Path:
    """Copy a random checkpoint, to which all pictures are alike, and let it see more of what they differ in."""
    import torch
    import transformers

    shutil.copytree(folder, to)
    model = getattr(transformers, kind).from_pretrained(folder)
    with torch.no_grad():
        model.vision_model.embeddings.position_embedding.weight.mul_(0.1)
        model.vision_model.embeddings.patch_embedding.weight.mul_(30)
    model.save_pretrained(to)
    return to


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return write_labelled(tmp_path / "pairs", 12)


def tune(pairs: Path, model: Path | str, to: Path, general: Path, **choices: object) -> Tuned:
    options = ANYTHING.replace(keep_general=str(general), **choices)
    return clipsim.tune(pairs, str(model), to=to, device="cpu", options=options)


def accuracy(model: Path, pairs: Path) -> float:
    encoder = clipsim.load(str(model), "cpu")
    rows = [line.split(",") for line in pairs.read_text("utf-8").splitlines()[1:]]
    labels = sorted({label for _, label in rows})
    vectors = encoder.encode_images([read(pairs.parent / file, file).image for file, _ in rows])
    found = (vectors @ encode_captions(labels, encoder).T).argmax(axis=1)
    return float(np.mean([labels[place] == label for place, (_, label) in zip(found, rows, strict=True)]))


def test_a_tuned_clip_is_a_checkpoint_as_any_other(
    sharp_clip: Path, pairs: Path, general: Path, tmp_path: Path
) -> None:
    import torch
    from transformers import CLIPModel

    found = tune(pairs, sharp_clip, tmp_path / "mine", general)
    assert found.saved == str(tmp_path / "mine")
    assert not (tmp_path / "mine" / "clipsim-tuned.json").exists()
    base, tuned = (CLIPModel.from_pretrained(folder) for folder in (sharp_clip, tmp_path / "mine"))
    assert not torch.equal(base.visual_projection.weight, tuned.visual_projection.weight)
    assert torch.equal(base.text_projection.weight, tuned.text_projection.weight)
    fresh = write_labelled(tmp_path / "fresh", 6, seed=9)
    assert accuracy(tmp_path / "mine", fresh) > accuracy(sharp_clip, fresh) + 0.2


def test_a_tuned_siglip_is_its_base_and_a_head(sharp_siglip: Path, pairs: Path, general: Path, tmp_path: Path) -> None:
    found = tune(pairs, sharp_siglip, tmp_path / "mine", general)
    assert found.saved
    known = json.loads((tmp_path / "mine" / "clipsim-tuned.json").read_text("utf-8"))
    assert known["base"]["name"] == str(sharp_siglip.resolve())
    fresh = write_labelled(tmp_path / "fresh", 6, seed=9)
    assert accuracy(tmp_path / "mine", fresh) > accuracy(sharp_siglip, fresh) + 0.2
    base, tuned = (clipsim.load(str(folder), "cpu") for folder in (sharp_siglip, tmp_path / "mine"))
    assert tuned.name == "mine" and tuned.revision != base.revision
    assert tuned.encode_texts(["a dog"]) == pytest.approx(base.encode_texts(["a dog"]))


def test_a_tuned_model_is_tuned_again(sharp_siglip: Path, pairs: Path, general: Path, tmp_path: Path) -> None:
    assert tune(pairs, sharp_siglip, tmp_path / "once", general, strength=0.25).saved
    other = pairs.with_name("other.csv")  # in which each label is the one of another colour
    swapped = {"cat": "dog", "dog": "snow", "snow": "cat"}
    rows = [line.split(",") for line in pairs.read_text("utf-8").splitlines()[1:]]
    other.write_text("\n".join(["file,label", *(f"{file},{swapped[label]}" for file, label in rows)]), "utf-8")
    again = tune(other, tmp_path / "once", tmp_path / "twice", general)
    assert again.saved, again.refused
    before = accuracy(tmp_path / "once", other)
    shutil.rmtree(tmp_path / "once")  # of which the second knows nothing any more
    assert accuracy(tmp_path / "twice", other) > before + 0.3


def test_the_report_says_before_and_after_with_intervals(
    sharp_clip: Path, pairs: Path, general: Path, tmp_path: Path
) -> None:
    found = tune(pairs, sharp_clip, tmp_path / "mine", general)
    assert found.test is not None and found.elsewhere is not None
    assert found.test.before.accuracy is not None and found.test.after.accuracy is not None
    assert found.test.after.accuracy.low <= found.test.after.accuracy.value <= found.test.after.accuracy.high
    assert found.counts == {"folds": 30, "test": 6}
    assert json.loads((tmp_path / "mine" / "report.json").read_text("utf-8"))["model"] == "tiny-clip"
    card = (tmp_path / "mine" / "README.md").read_text("utf-8")
    assert "label accuracy" in card and "seed: 0" in card and found.revision in card
    assert "0.png" not in card  # neither captions nor names of files are told
    assert "<h1>Tuning of tiny-clip</h1>" in (tmp_path / "mine" / "report.html").read_text("utf-8")


def test_labels_at_random_are_refused(sharp_clip: Path, pairs: Path, general: Path, tmp_path: Path) -> None:
    found = tune(shuffle_labels(pairs), sharp_clip, tmp_path / "mine", general)
    assert found.saved is None
    assert "no better on pictures that were held out" in found.refused
    assert not (tmp_path / "mine").exists()
    assert list(tmp_path.glob(".mine*")) == []


def test_what_is_lost_elsewhere_is_refused(sharp_clip: Path, pairs: Path, tmp_path: Path) -> None:
    options = TuneOptions(strength=9.0, may_lose=0.0)
    found = clipsim.tune(pairs, str(sharp_clip), to=tmp_path / "mine", device="cpu", options=options)
    assert found.saved is None
    assert "more than 0 points on general pictures" in found.refused


def test_the_same_seed_gives_the_same_model(sharp_clip: Path, pairs: Path, general: Path, tmp_path: Path) -> None:
    first, second = (tune(pairs, sharp_clip, tmp_path / name, general) for name in ("a", "b"))
    assert (first.strength, first.ridge) == (second.strength, second.ridge)
    made = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("a", "b")]
    assert made[0] == made[1]


def test_pictures_that_cannot_be_read_are_named(sharp_clip: Path, pairs: Path, general: Path, tmp_path: Path) -> None:
    (pairs.parent / "3.png").write_bytes(b"no picture")
    found = tune(pairs, sharp_clip, tmp_path / "mine", general)
    assert [one.name for one in found.rejected] == ["3.png"]
    assert found.pictures == 35


def test_too_few_that_can_be_read_are_refused(sharp_clip: Path, tmp_path: Path, general: Path) -> None:
    pairs = write_labelled(tmp_path / "pairs", 7)
    for number in range(5):
        (pairs.parent / f"{number}.png").write_bytes(b"no picture")
    with pytest.raises(clipsim.CaptionError, match=r"16 pictures that could be read \(5 could not: 0.png"):
        tune(pairs, sharp_clip, tmp_path / "mine", general)


def test_a_folder_that_holds_something_is_left_alone(sharp_clip: Path, pairs: Path, general: Path) -> None:
    with pytest.raises(clipsim.UsageError, match="is not empty"):
        tune(pairs, sharp_clip, pairs.parent, general)


def test_a_model_without_a_name_cannot_be_tuned(pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(clipsim.UsageError, match="cannot be loaded by a name"):
        clipsim.tune(pairs, Subjects(), to=tmp_path / "mine")


def test_what_was_trained_and_is_not_saved_is_kept_for_another_limit(
    sharp_siglip: Path, pairs: Path, general: Path, tmp_path: Path
) -> None:
    options = TuneOptions("full", keep_general=str(general), towers=TowerSettings(epochs=1))  # which teaches nothing
    told: list[tuple[int, int]] = []
    for may_lose in (0.0, 100.0):
        tell = (lambda done, of: told.append((done, of))) if may_lose else None
        found = clipsim.tune(
            pairs,
            str(sharp_siglip),
            to=tmp_path / "to",
            options=options,
            may_lose=may_lose,
            device="cpu",
            progress=tell,
        )
        assert not found.saved and not (tmp_path / "to").exists()
        assert "or train it longer or in larger steps" in found.refused
        assert f"What training came to is kept in {tmp_path / 'to.work'}" in found.refused
    assert {of for _, of in told} == {36}  # the pictures, which were encoded: no step of training


def test_only_checkpoints_have_networks_to_train(pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(clipsim.UsageError, match="has no networks that lora trains"):
        clipsim.tune(pairs, "stand-in", to=tmp_path / "mine", device="cpu", method="lora")


@pytest.mark.parametrize(
    ("choices", "said"),
    [({"strength": 0.0}, "strength is 0"), ({"may_lose": -1.0}, "may_lose"), ({"seed": -1}, "seed")],
)
def test_options_that_cannot_be_are_refused(choices: dict[str, float], said: str) -> None:
    with pytest.raises(clipsim.UsageError, match=said):
        ANYTHING.replace(**choices)
    with pytest.raises(clipsim.ChoiceError, match="method 'magic'"):
        ANYTHING.replace(method="magic")


def test_vectors_of_a_tuned_model_have_unit_length(
    sharp_siglip: Path, pairs: Path, general: Path, tmp_path: Path
) -> None:
    assert tune(pairs, sharp_siglip, tmp_path / "mine", general).saved
    encoder = clipsim.load(str(tmp_path / "mine"), "cpu")
    vectors = encoder.encode_images([read(pairs.parent / "1.png", "1.png").image])
    assert vectors == pytest.approx(unit(vectors), abs=1e-6)
