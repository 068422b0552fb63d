"""From captioned pictures to a trained checkpoint, across interruptions."""

from __future__ import annotations

import json
import random
import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import peft
import torch
import transformers

from clipsim.embedding import Progress
from clipsim.encoders import Encoder, digest_checkpoint
from clipsim.encoders.checkpoint import CheckpointEncoder
from clipsim.encoders.weights import hide_loading_bar
from clipsim.errors import ChoiceError, EncoderError, UsageError
from clipsim.images import Source
from clipsim.tuning.towers_batches import Batches, check_pictures, prepare_pixels
from clipsim.tuning.towers_folder import save_checkpoint
from clipsim.tuning.towers_loss import LOSSES
from clipsim.tuning.towers_settings import Captions, TowerSettings, Validate
from clipsim.tuning.towers_trainer import BOARD, LOG, WHOLE, TowerTrainer

RECORD = "training.json"


def train(
    pictures: Sequence[tuple[Source, Captions]],
    groups: Sequence[int],
    model: Encoder | Path,
    settings: TowerSettings,
    to: Path,
    validate: Validate | None,
    progress: Progress | None,
) -> Path:
    """Do what `clipsim.tuning.towers.train_towers` says."""
    captions = [own for _, own in pictures]
    check_pictures(captions, groups)
    encoder = _open(model)
    work = to.with_name(f"{to.name}.training")
    work.mkdir(parents=True, exist_ok=True)
    pixels = prepare_pixels([source for source, _ in pictures], encoder, work / "pixels.npy")
    batches = Batches(pixels, captions, groups, encoder, settings)
    known = {
        "settings": asdict(settings),
        "data": batches.digest(),
        "base": digest_checkpoint(encoder.folder),
        "validated": validate is not None,
    }
    if _is_done(to, work, known):
        shutil.rmtree(work)
        return to
    with _work_quietly(settings.seed):
        trained, about = _run(batches, settings, work, validate, progress)
    result = save_checkpoint(trained, encoder.folder, work / "result")
    (result / RECORD).write_text(json.dumps(known | about, indent=2), encoding="utf-8")
    for name in (LOG, BOARD):
        if (work / name).exists():
            (work / name).replace(result / name)
    if to.exists():  # empty, as was checked
        to.rmdir()
    result.replace(to)
    shutil.rmtree(work)
    return to


def _open(model: Encoder | Path) -> CheckpointEncoder:
    """Return the encoder of a checkpoint, on the device to train on."""
    encoder = CheckpointEncoder(model.name, model, "auto", "full") if isinstance(model, Path) else model
    if not isinstance(encoder, CheckpointEncoder) or encoder.family not in LOSSES:
        raise EncoderError(f"{encoder.name} is no CLIP or SigLIP checkpoint, which lora and full train: use head.")
    if encoder.device.partition(":")[2] not in ("", "0"):
        raise ChoiceError("device to train on", encoder.device, ("auto", "cpu", "cuda (see CUDA_VISIBLE_DEVICES)"))
    return encoder


def _is_done(to: Path, work: Path, known: dict[str, Any]) -> bool:
    """Return whether `to` holds the result of this training; `work` may hold the beginnings of it.

    Raises:
        UsageError: one of the two holds something else.
    """
    known = json.loads(json.dumps(known))
    if to.exists() and any(to.iterdir()):
        record = to / RECORD
        if record.exists() and known.items() <= json.loads(record.read_text(encoding="utf-8")).items():
            return True
        raise UsageError(f"{to} holds something else already: delete it, or choose another folder.")
    begun = work / RECORD
    if not begun.exists():
        begun.write_text(json.dumps(known), encoding="utf-8")
    elif json.loads(begun.read_text(encoding="utf-8")) != known:
        raise UsageError(f"{work} holds a training of other data or settings: delete it, or choose another folder.")
    return False


@contextmanager
def _work_quietly(seed: int) -> Iterator[None]:
    """Draw from a seed, leave the program's own random numbers as they were, and print nothing."""
    own, numbers = random.getstate(), np.random.get_state()
    spoken = transformers.logging.get_verbosity()
    try:
        with torch.random.fork_rng(), hide_loading_bar(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by a name that is on its way out
            transformers.logging.set_verbosity_error()  # which else doubts clocks, where checkpoints come fast
            transformers.set_seed(seed)
            yield
    finally:
        transformers.logging.set_verbosity(spoken)
        random.setstate(own)
        np.random.set_state(numbers)


def _run(
    batches: Batches, settings: TowerSettings, work: Path, validate: Validate | None, progress: Progress | None
) -> tuple[Any, dict[str, Any]]:
    """Train, or go on where it was interrupted; return the trained model on the CPU, and what is known of it."""
    core = batches.encoder.read_model()
    model = _prepare(core, batches.encoder, settings)
    score = partial(_score, model, batches.encoder, work / "candidate", validate) if validate else None
    trainer = TowerTrainer(model, core, batches, settings, work, score, progress or (lambda *_: None))
    last = _find_last(work)
    if last is None or not json.loads((last / WHOLE).read_text(encoding="utf-8"))["ended"]:
        trainer.train(resume_from_checkpoint=str(last) if last else None)
        last = _find_last(work)
    assert last  # it ends with one
    state = transformers.TrainerState.load_from_json(str(last / "trainer_state.json"))
    best = work / f"checkpoint-{state.best_global_step}" if validate else last
    about = {
        "learning rate": trainer.args.learning_rate,
        "steps": state.global_step,
        "best step": state.best_global_step,
        "validation": state.best_metric,
    }
    if settings.method == "full":
        return type(core).from_pretrained(best, dtype=torch.float32), about
    return peft.PeftModel.from_pretrained(batches.encoder.read_model(), best).merge_and_unload(), about


def _prepare(core: Any, encoder: CheckpointEncoder, settings: TowerSettings) -> Any:
    """Choose which weights are learned."""
    if settings.method == "lora":
        plan = peft.LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,  # type: ignore[arg-type]  # which may be a fraction too
            use_rslora=True,  # 1 / sqrt(rank), as CLIP-LoRA has it
            lora_dropout=settings.dropout,
            target_modules=["q_proj", "k_proj", "v_proj"],
        )
        return peft.get_peft_model(core, plan)
    scales = [core.logit_scale] + ([core.logit_bias] if encoder.family == "siglip" else [])
    for scale in scales:
        scale.requires_grad_(settings.learn_scale)
    return core


def _score(model: Any, encoder: CheckpointEncoder, folder: Path, validate: Validate) -> float:
    """Return what `validate` says of the present weights, by the way that the result will go: through a folder."""
    if isinstance(model, peft.PeftModel):
        model = deepcopy(model).merge_and_unload()  # merging and taking apart again would round the weights
    save_checkpoint(model, encoder.folder, folder)
    return float(validate(CheckpointEncoder(encoder.name, folder, encoder.device, encoder.precision)))


def _find_last(work: Path) -> Path | None:
    """Return the last checkpoint that is whole, and delete those that are not."""
    found = {int(path.name.partition("-")[2]): path for path in work.glob("checkpoint-*")}
    whole = {step: path for step, path in found.items() if (path / WHOLE).exists()}
    for step in found.keys() - whole.keys():
        shutil.rmtree(found[step])
    return whole[max(whole)] if whole else None
