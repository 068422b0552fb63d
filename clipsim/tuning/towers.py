"""Train the networks themselves: `lora` adds small matrices and merges them at the end, `full` moves all weights.

Both tell the captions of a picture from those of the others in its batch, by the loss that the family was trained with.
What comes out is a checkpoint that transformers loads without this package. A network that learns a domain forgets
others: `interpolate` goes back part of the way (WiSE-FT, arXiv:2109.01903).
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from clipsim.embedding import Progress
from clipsim.encoders import Encoder
from clipsim.errors import ClipsimError
from clipsim.images import Source
from clipsim.tuning.towers_settings import Captions, TowerSettings, Validate

__all__ = ["Captions", "TowerSettings", "Validate", "check_extra", "interpolate", "train_towers"]

PACKAGES = ("accelerate", "peft")  # of the extra `tune`


def check_extra() -> None:
    """Raise a `ClipsimError` that says how to install what training needs, unless it is there."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise ClipsimError(f"Training needs {' and '.join(missing)}: pip install 'clipsim[tune]', or use head.")


def train_towers(
    pictures: Sequence[tuple[Source, Captions]],
    groups: Sequence[int],
    model: Encoder | Path,
    settings: TowerSettings,
    to: Path,
    validate: Validate | None = None,
    progress: Progress | None = None,
) -> Path:
    """Train a CLIP or SigLIP checkpoint on captioned pictures, and return the folder with the trained one.

    Work is kept beside it, every 100 steps at least, in a folder whose name ends in ".training": after an interruption
    the same call goes on from there, and on a CPU comes to the same weights. The folder goes when training is done.

    Args:
        pictures: each with its captions, one at least, in whatever words the model is to read them.
        groups: a number for each picture; pictures of the same number, of one label for instance, are not told apart.
        model: an encoder of a checkpoint, on the device to train on, or a checkpoint's folder.
        settings: how to train.
        to: the folder to write: weights, tokenizer and processor, `training.csv` with the losses, and `training.json`
            with the settings. If it holds the result of the very same call, that is returned.
        validate: tells how good an encoder with the present weights is, more being better. The best weights are kept,
            the last ones without it.
        progress: called with (steps done, all steps).

    Raises:
        ChoiceError: the device is a GPU other than the first.
        ClipsimError: the extra `tune` is not installed, or the loss is no number any more.
        EncoderError: the model is no CLIP or SigLIP checkpoint.
        ImageError: a picture cannot be read.
        UsageError: there is too little to learn from, or `to` holds something else.
    """
    check_extra()
    from clipsim.tuning.towers_training import train

    return train(pictures, groups, model, settings, to, validate, progress)


def interpolate(base: Path, tuned: Path, strength: float, to: Path) -> Path:
    """Write the checkpoint that lies `strength` of the way from `base` to `tuned`, and return its folder.

    Args:
        base: folder of the checkpoint that was trained.
        tuned: folder of what came out.
        strength: from 0, `base`, to 1, `tuned`.
        to: the folder to write.

    Raises:
        EncoderError: one of the two is no CLIP or SigLIP checkpoint.
        UsageError: they are not of one shape, or `strength` is not from 0 to 1.
    """
    from clipsim.tuning.towers_folder import mix

    return mix(base, tuned, strength, to)
