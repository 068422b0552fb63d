"""Checkpoints' folders: read for training, written whole, mixed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch

from clipsim.encoders.checkpoint import CheckpointEncoder
from clipsim.encoders.weights import hide_loading_bar
from clipsim.errors import UsageError

# What a checkpoint's folder holds beside the weights and config.json; its own reports and cut-offs stay where they are.
COMPANIONS = (
    *("preprocessor_config.json", "processor_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("tokenizer*", "vocab*", "merges.txt", "*.model"),
)


def save_checkpoint(model: Any, base: Path, to: Path) -> Path:
    """Write a transformers model, in float32, with the tokenizer and processor of `base`; return the folder."""
    to.mkdir(parents=True, exist_ok=True)
    with hide_loading_bar():
        model.save_pretrained(to)
    for pattern in COMPANIONS:
        for path in base.glob(pattern):
            shutil.copyfile(path, to / path.name)
    return to


def mix(base: Path, tuned: Path, strength: float, to: Path) -> Path:
    """Do what `clipsim.tuning.towers.interpolate` says."""
    if not 0 <= strength <= 1:
        raise UsageError(f"strength is {strength:g}: give a number from 0, the base, to 1, the tuned model.")
    model, goal = (CheckpointEncoder(folder.name, folder, "cpu").read_model() for folder in (base, tuned))
    start, end = model.state_dict(), goal.state_dict()
    if {name: part.shape for name, part in start.items()} != {name: part.shape for name, part in end.items()}:
        raise UsageError(f"{tuned} is no tuned form of {base}: their weights are not of the same shapes.")
    for name, part in start.items():
        if part.is_floating_point():  # the others are positions, which are the same
            part.copy_(torch.lerp(part, end[name], strength))  # exact at both ends
    return save_checkpoint(model, base, to)
