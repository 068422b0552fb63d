"""transformers' `Trainer`, set up for two networks that share a space."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable
from math import ceil
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import EarlyStoppingCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.integrations import TensorBoardCallback, is_tensorboard_available

from clipsim.embedding import Progress
from clipsim.encoders.devices import find_half_format
from clipsim.errors import ClipsimError
from clipsim.tuning.towers_batches import Batches
from clipsim.tuning.towers_loss import LOSSES, compute_cosines
from clipsim.tuning.towers_settings import TowerSettings

WHOLE = "whole.json"  # in a checkpoint's folder once everything is written: whether training has ended with it
LOG, BOARD = "training.csv", "tensorboard"
COLUMNS = ("step", "epoch", "loss", "learning_rate", "validation", "seconds")
ROWS = 500  # of the log, or so, however many steps there are
# Steps from one checkpoint, and validation, to the next: fewer would cost more than the steps, of more an interruption.
CLOSE, FAR = 10, 100


class TowerTrainer(Trainer):  # type: ignore[misc]  # transformers has no types
    """Train a model on `Batches`."""

    def __init__(
        self,
        model: Any,
        core: Any,
        batches: Batches,
        settings: TowerSettings,
        folder: Path,
        score: Callable[[], float] | None,
        progress: Progress,
    ) -> None:
        """Set the trainer up, without starting it.

        Args:
            model: `core`, or what peft made of it.
            core: a CLIP or SigLIP model of transformers.
            batches: what it is shown.
            settings: how it is trained.
            folder: for checkpoints and the log.
            score: tells how good the present weights are.
            progress: called with (steps done, all steps).
        """
        self.core, self.encoder, self.score = core, batches.encoder, score
        self.loss = LOSSES[batches.encoder.family]
        rate = settings.find_rate(core.config.vision_config.hidden_size)
        arguments = make_arguments(batches, settings, rate, folder, validated=score is not None)
        callbacks: list[Any] = [_Log(folder, batches.steps), _Marks(), _Reports(progress)]
        if score:
            callbacks.append(EarlyStoppingCallback(settings.patience))
        if is_tensorboard_available():
            callbacks.append(_make_board(folder / BOARD))
        super().__init__(
            model=model,
            args=arguments,
            train_dataset=batches,
            eval_dataset=batches if score else None,  # which it asks for; `evaluate` looks at other pictures
            data_collator=_take_only,
            callbacks=callbacks,
        )
        self.remove_callback(transformers.PrinterCallback)
        self.began = time.monotonic()

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **_: Any) -> Any:
        """Return the family's own loss of a batch.

        Raises:
            ClipsimError: it is no number.
        """
        outputs = model(input_ids=inputs["ids"], pixel_values=self.encoder.scale_pixels(inputs["pixels"]))
        logits = compute_cosines(outputs) * self.core.logit_scale.exp()
        if self.encoder.family == "siglip":
            logits = logits + self.core.logit_bias
        loss = self.loss(logits, inputs["rivals"])
        if not loss.isfinite():
            step, rate = self.state.global_step + 1, self.args.learning_rate
            raise ClipsimError(f"The loss is no number at step {step}: take a lower learning rate than {rate:g}.")
        return (loss, outputs) if return_outputs else loss

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Return how good the present weights are, and log it."""
        assert self.score
        metrics = {"eval_score": self.score()}
        self.model.train()
        self.log(dict(metrics))
        self.control: Any = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def log(self, logs: dict[str, float], *_: Any) -> None:
        """Log with the seconds that training took so far, those before an interruption included."""
        now = time.monotonic()
        before = self.state.log_history[-1]["seconds"] if self.state.log_history else 0.0
        logs["seconds"] = round(before + now - self.began, 2)
        self.began = now
        super().log(logs)


def make_arguments(
    batches: Batches, settings: TowerSettings, rate: float, folder: Path, *, validated: bool
) -> TrainingArguments:
    """Return the trainer's arguments; one of its epochs is all of ours, and one of its examples a batch of ours."""
    device, apart = batches.encoder.device, space_checkpoints(batches.steps)
    arguments = TrainingArguments(
        output_dir=str(folder),
        use_cpu=device == "cpu",
        bf16=calculates_in_bfloat16(device, settings.precision),
        num_train_epochs=1,
        per_device_train_batch_size=1,
        train_sampling_strategy="sequential",
        dataloader_pin_memory=device.startswith("cuda"),
        remove_unused_columns=False,
        learning_rate=rate,
        lr_scheduler_type="cosine",
        warmup_steps=settings.warm_up,
        weight_decay=settings.weight_decay,
        activation_checkpointing=settings.save_memory,
        activation_checkpointing_kwargs={"use_reentrant": False},
        seed=settings.seed,
        eval_strategy="steps" if validated else "no",
        eval_steps=apart if validated else None,
        metric_for_best_model="score" if validated else None,
        greater_is_better=True if validated else None,
        load_best_model_at_end=validated,
        save_strategy="steps",
        save_steps=apart,
        save_total_limit=2,  # one is there whole while the next is written
        restore_callback_states_from_checkpoint=True,
        logging_steps=max(1, len(batches) // ROWS),
        report_to=[],  # nobody is told over the network
        disable_tqdm=True,
    )
    # DataParallel would cut batches into parts that do not see each other's captions; `device` first sets the number
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


def space_checkpoints(steps: int) -> int:
    """Return after how many steps each checkpoint comes: one or several epochs, of `steps`, or part of a long one."""
    return min(steps * ceil(CLOSE / steps), FAR)


def calculates_in_bfloat16(device: str, precision: str) -> bool:
    """Return whether products are calculated in bfloat16; weights and their steps stay in float32."""
    if precision == "full" or device == "mps":
        return False
    return torch.cuda.is_bf16_supported() if device != "cpu" else find_half_format("cpu") is not None


class _Reports(TrainerCallback):  # type: ignore[misc]
    """Tell how far training is."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        self.progress(state.global_step, state.max_steps)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        self.progress(state.global_step, state.max_steps)


class _Marks(TrainerCallback):  # type: ignore[misc]
    """Mark each checkpoint that is whole: a process may be killed while it writes one."""

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        path = Path(args.output_dir) / f"checkpoint-{state.global_step}" / WHOLE
        path.write_text(json.dumps({"ended": bool(control.should_training_stop)}), encoding="utf-8")


class _Log(TrainerCallback):  # type: ignore[misc]
    """Keep losses and validation in a CSV; after an interruption it goes on from the checkpoint's own record."""

    def __init__(self, folder: Path, steps: int) -> None:
        self.path, self.steps = folder / LOG, steps

    def on_log(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        with self.path.open("w", encoding="utf-8", newline="") as file:
            rows = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
            rows.writeheader()
            for one in state.log_history:
                if "loss" in one or "eval_score" in one:
                    known = {"epoch": round(one["step"] / self.steps, 2), "validation": one.get("eval_score", "")}
                    rows.writerow({**one, **known})


def _make_board(folder: Path) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    return TensorBoardCallback(SummaryWriter(str(folder)))


def _take_only(items: list[Any]) -> Any:
    return items[0]
