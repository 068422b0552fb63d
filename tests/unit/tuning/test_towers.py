"""Training of networks, in few steps: what they are shown, the losses, what is kept, and what is refused."""

from __future__ import annotations

import csv
import json
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.towers import (
    FULL,
    GROUPS,
    LORA,
    load,
    make_pictures,
    measure_difference,
    measure_recall,
    read_weights,
)

from clipsim import ChoiceError, ClipsimError, Encoder, EncoderError, UsageError
from clipsim.encoders.devices import find_half_format
from clipsim.tuning.towers import TowerSettings, interpolate, train_towers
from clipsim.tuning.towers_batches import Batches
from clipsim.tuning.towers_loss import compute_clip_loss, compute_siglip_loss
from clipsim.tuning.towers_trainer import space_checkpoints

SHORT = {"lora": replace(LORA, epochs=12, batch=8), "full": replace(FULL, epochs=12, batch=8)}  # 24 steps
PIXELS = np.zeros((7, 3, 4, 4), np.uint8)
ALL_RIVALS = ~torch.eye(6, dtype=torch.bool)


class InterruptionError(Exception):
    pass


def stop_at(step: int) -> Callable[[int, int], None]:
    def tell(done: int, _: int) -> None:
        if done == step:
            raise InterruptionError

    return tell


def make_logits() -> torch.Tensor:
    return (torch.randn(6, 6, generator=torch.Generator().manual_seed(0)) * 3).requires_grad_()


def test_the_losses_are_those_of_transformers_where_every_other_caption_is_a_rival() -> None:
    from transformers.models.clip.modeling_clip import image_text_contrastive_loss

    logits = make_logits()
    assert compute_clip_loss(logits, ALL_RIVALS).item() == pytest.approx(image_text_contrastive_loss(logits).item())
    signs = 2 * torch.eye(6) - 1  # as in SiglipModel.forward
    theirs = -torch.nn.functional.logsigmoid(signs * logits).sum(dim=-1).mean()
    assert compute_siglip_loss(logits, ALL_RIVALS).item() == pytest.approx(theirs.item())


@pytest.mark.parametrize("loss", [compute_clip_loss, compute_siglip_loss])
def test_a_caption_that_is_no_rival_is_not_pushed_away(
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
) -> None:
    logits, rivals = make_logits(), ALL_RIVALS.clone()
    rivals[1, 4] = False
    loss(logits, rivals).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None and logits.grad[1, 4] == 0
    assert (logits.grad[ALL_RIVALS & rivals] > 0).all() and (logits.grad.diagonal() < 0).all()


def make_batches(clip: Encoder, seed: int = 0, epochs: int = 4) -> Batches:
    captions = [[f"x {row}", f"y {row}"] for row in range(5)] + [["the cat"], ["the cat"]]
    return Batches(PIXELS, captions, [0, 0, 2, 3, 4, 5, 6], clip, TowerSettings(batch=3, epochs=epochs, seed=seed))  # type: ignore[arg-type]


def test_each_epoch_shows_every_picture_once_with_one_of_its_captions(clip: Encoder) -> None:
    batches = make_batches(clip)
    assert len(batches) == 4 * 3
    epochs = []
    for epoch in range(4):
        drawn = [batches.draw(3 * epoch + part) for part in range(3)]
        assert [len(rows) for rows, _ in drawn] == [3, 2, 2]
        shown = [(int(row), ids) for rows, tokens in drawn for row, ids in zip(rows, tokens, strict=True)]
        assert sorted(row for row, _ in shown) == list(range(7))
        assert all(ids in batches.tokens[row] for row, ids in shown)
        epochs.append(shown)
    assert len({str(epoch) for epoch in epochs}) == 4
    firsts = {tuple(batches.tokens[row]).index(ids) for epoch in epochs for row, ids in epoch if row < 5}
    assert firsts == {0, 1}


def test_what_is_shown_follows_from_the_seed(clip: Encoder) -> None:
    one, same, other = (str([make_batches(clip, seed).draw(step) for step in range(12)]) for seed in (0, 0, 1))
    assert one == same != other


def test_pictures_of_a_group_and_equal_captions_are_no_rivals(clip: Encoder) -> None:
    captions = [["the cat"], ["dog"], ["the snow"], ["the cat"]]
    batches = Batches(PIXELS[:4], captions, [0, 1, 1, 2], clip, TowerSettings(batch=4, epochs=1))  # type: ignore[arg-type]
    rows, _ = batches.draw(0)
    batch = batches[0]
    rivals = np.zeros((4, 4), bool)
    rivals[np.ix_(rows, rows)] = batch["rivals"].numpy()
    together = np.array([[1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 1, 0], [1, 0, 0, 1]], bool)
    assert (rivals == ~together).all()
    assert batch["pixels"].shape == (4, 3, 4, 4) and len(batch["ids"]) == 4


def test_checkpoints_are_ten_to_a_hundred_steps_apart() -> None:
    assert [space_checkpoints(steps) for steps in (1, 3, 11, 100, 5000)] == [10, 12, 11, 100, 100]


@pytest.mark.parametrize("method", SHORT)
def test_an_interrupted_run_comes_to_the_same_weights(method: str, tiny_clip: Path, tmp_path: Path) -> None:
    validate = measure_recall if method == "full" else None
    settings = SHORT[method]

    def train(name: str, progress: Callable[[int, int], None] | None = None) -> Path:
        return train_towers(make_pictures(), GROUPS, load(tiny_clip), settings, tmp_path / name, validate, progress)

    whole = train("whole")
    with pytest.raises(InterruptionError):
        train("again", stop_at(22))
    work = tmp_path / "again.training"
    assert (work / "checkpoint-20" / "whole.json").exists() and not (tmp_path / "again").exists()
    (work / "checkpoint-20" / "whole.json").unlink()  # as if it was killed while it wrote this
    (work / "checkpoint-20" / "optimizer.pt").unlink()
    begun: list[int] = []
    again = train("again", lambda done, _: begun.append(done))
    assert begun[0] == 10 and begun[-1] == 24
    assert measure_difference([whole, again]) == 0
    assert not work.exists()


def test_what_is_learned_is_logged_and_the_best_weights_are_kept(tiny_siglip: Path, tmp_path: Path) -> None:
    found: list[float] = []

    def validate(encoder: Encoder) -> float:
        found.append(measure_recall(encoder))
        return [0.1, 0.9, 0.3, 0.2][len(found) - 1]

    settings = replace(SHORT["full"], epochs=40, patience=2)
    pictures = make_pictures()
    folder = train_towers(pictures, GROUPS, load(tiny_siglip), settings, tmp_path / "tuned", validate)
    record = json.loads((folder / "training.json").read_text())
    assert (record["steps"], record["best step"], record["validation"]) == (40, 20, 0.9)
    assert record["settings"]["learning_rate"] == settings.learning_rate
    assert measure_recall(load(folder)) == found[1]
    with (folder / "training.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["validation"]) for row in rows if row["validation"]] == [0.1, 0.9, 0.3, 0.2]
    losses = [float(row["loss"]) for row in rows if row["loss"]]
    assert len(losses) == 40 and losses[-1] < losses[0]
    # warm-up over a tenth of the 80 steps, then a cosine
    rates = [float(row["learning_rate"]) for row in rows if row["loss"]]
    assert (
        rates[0] == 0
        and max(rates) == rates[8] == settings.learning_rate == record["learning rate"]
        and rates[-1] < rates[20]
    )
    seconds = [float(row["seconds"]) for row in rows]
    assert seconds == sorted(seconds)


def test_the_very_same_call_is_answered_with_what_it_made_and_another_is_refused(
    tiny_clip: Path, tmp_path: Path
) -> None:
    settings, to = replace(SHORT["lora"], epochs=1), tmp_path / "tuned"
    train_towers(make_pictures(), GROUPS, load(tiny_clip), settings, to)
    assert train_towers(make_pictures(), GROUPS, load(tiny_clip), settings, to, progress=stop_at(0)) == to
    with pytest.raises(UsageError, match="holds something else already"):
        train_towers(make_pictures(), GROUPS, load(tiny_clip), replace(settings, seed=1), to)
    other = tmp_path / "other"
    with pytest.raises(InterruptionError):
        train_towers(make_pictures(), GROUPS, load(tiny_clip), settings, other, progress=stop_at(0))
    with pytest.raises(UsageError, match="of other data or settings"):
        train_towers(make_pictures(seed=5), GROUPS, load(tiny_clip), settings, other)


def test_what_fails_at_the_very_end_costs_no_training(tiny_clip: Path, tmp_path: Path) -> None:
    settings, to = replace(SHORT["lora"], epochs=1), tmp_path / "tuned"

    def get_in_the_way(done: int, of: int) -> None:
        if done == of:
            to.mkdir()
            (to / "file").touch()

    with pytest.raises(OSError, match="not empty"):
        train_towers(make_pictures(), GROUPS, load(tiny_clip), settings, to, progress=get_in_the_way)
    (to / "file").unlink()
    assert train_towers(make_pictures(), GROUPS, load(tiny_clip), settings, to, progress=stop_at(0)) == to


@pytest.mark.parametrize("learn_scale", [False, True])
def test_the_scale_is_learned_only_where_that_is_asked_for(
    learn_scale: bool, tiny_siglip: Path, tmp_path: Path
) -> None:
    settings = replace(SHORT["full"], epochs=2, learn_scale=learn_scale, save_memory=True)
    tuned = train_towers(make_pictures(), GROUPS, tiny_siglip, settings, tmp_path / "tuned")
    before, after = read_weights(tiny_siglip), read_weights(tuned)
    for name in ("logit_scale", "logit_bias"):
        assert (before[name] != after[name]).any() == learn_scale
    assert (before["text_model.head.weight"] != after["text_model.head.weight"]).any()


def test_lora_moves_query_key_and_value_of_both_networks_alone(tiny_siglip: Path, tmp_path: Path) -> None:
    settings = replace(SHORT["lora"], epochs=2, save_memory=True)
    tuned = train_towers(make_pictures(), GROUPS, tiny_siglip, settings, tmp_path / "tuned")
    before, after = read_weights(tiny_siglip), read_weights(tuned)
    moved = {name for name in before if (before[name] != after[name]).any()}
    layers = [f"{tower}_model.encoder.layers.{layer}" for tower in ("text", "vision") for layer in range(2)]
    assert moved == {f"{layer}.self_attn.{part}_proj.weight" for layer in layers for part in "qkv"}


@pytest.mark.skipif(find_half_format("cpu") is None, reason="this processor has no bfloat16")
def test_bfloat16_is_used_where_it_is_and_whole_weights_are_kept(tiny_clip: Path, tmp_path: Path) -> None:
    settings = replace(SHORT["full"], epochs=2)
    half, full = (
        train_towers(make_pictures(), GROUPS, load(tiny_clip), replace(settings, precision=one), tmp_path / one)
        for one in ("auto", "full")
    )
    assert 0 < measure_difference([half, full]) < 0.1
    assert all(part.dtype == np.float32 for name, part in read_weights(half).items() if part.dtype.kind == "f")


def test_the_programs_own_random_numbers_stay_as_they_were(tiny_clip: Path, tmp_path: Path) -> None:
    def draw() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(1))

    def seed() -> None:
        random.seed(1)
        np.random.seed(1)
        torch.manual_seed(1)

    seed()
    first = draw()
    seed()
    train_towers(make_pictures(), GROUPS, load(tiny_clip), replace(LORA, epochs=1), tmp_path / "tuned")
    assert draw() == first


def test_weights_can_be_mixed(tiny_clip: Path, tmp_path: Path) -> None:
    tuned = train_towers(make_pictures(), GROUPS, load(tiny_clip), replace(FULL, epochs=2), tmp_path / "tuned")
    none, half, all_ = (interpolate(tiny_clip, tuned, at, tmp_path / str(at)) for at in (0.0, 0.5, 1.0))
    assert measure_difference([none, tiny_clip]) == measure_difference([all_, tuned]) == 0
    ours, before, after = map(read_weights, (half, tiny_clip, tuned))
    assert all(np.allclose(ours[name], (before[name] + after[name]) / 2, atol=1e-7) for name in ours)
    assert load(half).encode_texts(["the cat"]).shape == (1, 24)


def test_only_what_belongs_together_is_mixed(tiny_clip: Path, tiny_siglip: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no tuned form of"):
        interpolate(tiny_clip, tiny_siglip, 0.5, tmp_path / "mixed")
    with pytest.raises(UsageError, match=r"strength is 1\.5"):
        interpolate(tiny_clip, tiny_clip, 1.5, tmp_path / "mixed")


def test_a_rate_that_is_too_high_is_told(tiny_clip: Path, tmp_path: Path) -> None:
    settings = replace(FULL, learning_rate=1e30, warm_up=0.0)
    with pytest.raises(ClipsimError, match=r"no number at step \d+: take a lower learning rate than 1e\+30"):
        train_towers(make_pictures(), GROUPS, load(tiny_clip), settings, tmp_path / "tuned")


def test_what_cannot_be_trained_is_refused(stand_in: Encoder, tiny_clip: Path, tmp_path: Path) -> None:
    pictures, to = make_pictures(), tmp_path / "tuned"
    with pytest.raises(EncoderError, match=r"stand-in is no CLIP or SigLIP checkpoint.*use head"):
        train_towers(pictures, GROUPS, stand_in, LORA, to)
    with pytest.raises(UsageError, match="16 pictures and 3 groups"):
        train_towers(pictures, [1, 2, 3], tiny_clip, LORA, to)
    with pytest.raises(UsageError, match="nothing to tell apart"):
        train_towers(pictures, [1] * 16, tiny_clip, LORA, to)
    with pytest.raises(UsageError, match="1 pictures have no caption"):
        train_towers([*pictures[1:], (pictures[0][0], ())], GROUPS, tiny_clip, LORA, to)


def test_narrow_networks_learn_in_larger_steps_and_few_pictures_are_seen_more_often() -> None:
    settings = TowerSettings("full")
    assert [settings.find_rate(width) for width in (768, 1024, 32)] == pytest.approx([5e-6, 3.75e-6, 1.2e-4])
    assert (settings.count_epochs(steps=2), settings.count_epochs(steps=30)) == (100, 20)
    given = replace(settings, learning_rate=1e-5, epochs=3)
    assert (given.find_rate(32), given.count_epochs(steps=2)) == (1e-5, 3)


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ChoiceError, match="use lora, full"):
        TowerSettings("none")  # type: ignore[arg-type]
    with pytest.raises(ChoiceError, match="precision"):
        TowerSettings(precision="double")  # type: ignore[arg-type]
    with pytest.raises(ChoiceError, match="use auto, full, half"):
        TowerSettings(precision="int8")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="batch is 1"):
        TowerSettings(batch=1)
    with pytest.raises(UsageError, match="learning_rate is 0"):
        TowerSettings(learning_rate=0)
    with pytest.raises(UsageError, match="shares"):
        TowerSettings(dropout=1.0)
    with pytest.raises(UsageError, match="use full for learn_scale"):
        TowerSettings(learn_scale=True)


def test_without_the_extra_one_sentence_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tiny_clip: Path, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)  # which Python takes for "not installed"
    with pytest.raises(ClipsimError, match=r"Training needs peft: pip install 'clipsim\[tune\]', or use head"):
        train_towers(make_pictures(), GROUPS, tiny_clip, LORA, tmp_path / "tuned")


def test_importing_it_brings_no_deep_learning_library() -> None:
    code = "import sys, clipsim.tuning.towers; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"torch", "transformers", "peft", "accelerate"} & set(done.stdout.split()) == set()
