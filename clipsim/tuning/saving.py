"""Which model a head is learned on, and the folder that comes out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clipsim.embedding import cache_of, use_cache
from clipsim.encoders import MODELS, STAND_IN, Encoder, digest_checkpoint
from clipsim.encoders.residual import Residual
from clipsim.encoders.tuned import Base, TunedEncoder, write_tuned
from clipsim.errors import UsageError
from clipsim.images import compute_digest
from clipsim.tuning.data import Material
from clipsim.tuning.settings import TuneOptions

SEEN_SHARE = 0.02  # of the pictures, from which on what a base learned from them would show


def choose_base(encoder: Encoder, given: Material, options: TuneOptions) -> tuple[Encoder, tuple[str, ...]]:
    """Return the model to tune, and what is to be said of it.

    The stand-in's own head was learned from captioned photographs. If these are among those it is to be tuned on, that
    head is left out, or every figure before would be of pictures that it has seen.

    Raises:
        UsageError: the model is of no kind that the method can tune.
    """
    from clipsim.encoders.checkpoint import CheckpointEncoder
    from clipsim.encoders.conse import SEEN_BYTES, ConseEncoder, read_seen
    from clipsim.tuning.towers_loss import LOSSES

    trains = options.method != "head"
    if trains and not (isinstance(encoder, CheckpointEncoder) and encoder.family in LOSSES):
        raise UsageError(f"{encoder.name} has no networks that {options.method} trains: use head, or a CLIP or SigLIP.")
    if not isinstance(encoder, ConseEncoder | CheckpointEncoder | TunedEncoder):
        raise UsageError(f"{encoder.name} cannot be loaded by a name: give one of clipsim models, or a folder.")
    if not isinstance(encoder, ConseEncoder) or not encoder.head_share:
        return encoder, ()
    known = read_seen()
    count = sum(_digest(path)[:SEEN_BYTES] in known for path in given.files.values())
    if count < SEEN_SHARE * len(given.files):
        return encoder, ()
    kept = encoder.name, encoder.device, encoder.notes, encoder.precision
    plain = ConseEncoder(*kept, head_share=0.0, residuals=encoder.residuals)
    use_cache(plain, cache_of(encoder))
    return plain, (
        f"{count} of the pictures are among those that the stand-in's own head was learned from: that head is left "
        "out, of what is measured on these pictures before too, and replaced by the new one.",
    )


def _digest(path: Path) -> bytes:
    try:
        return compute_digest(path)
    except OSError:  # which reading it will tell of
        return b""


def save_head(folder: Path, base: Encoder, residual: Residual) -> None:
    """Write a model that has the residual added into a folder that is there."""
    from clipsim.encoders.checkpoint import CheckpointEncoder
    from clipsim.encoders.conse import HEAD_SHARE, ConseEncoder

    if isinstance(base, CheckpointEncoder) and base.projects:
        _save_projection(folder, base, residual)
    elif isinstance(base, ConseEncoder):
        share = None if base.head_share == HEAD_SHARE else base.head_share
        plain = ConseEncoder(STAND_IN.name, "cpu", head_share=base.head_share)
        write_tuned(folder, Base(STAND_IN.name, plain.revision, head_share=share), (*base.residuals, residual))
    elif isinstance(base, TunedEncoder):
        write_tuned(folder, _describe(base.base), (*base.residuals, residual))
    else:
        write_tuned(folder, _describe(base), (residual,))


def _describe(base: Encoder) -> Base:
    """Return how a checkpoint is found again: as a commit of the hub, or as a folder by its content."""
    folder = base.folder or Path()
    if folder.parent.name == "snapshots":
        hub_id = next((model.hub_id for model in MODELS if model.name == base.name), base.name)
        return Base(hub_id, base.revision)
    return Base(str(folder.resolve()), base.revision, digest_checkpoint(folder))


def _save_projection(folder: Path, base: Any, residual: Residual) -> None:
    """Write a CLIP checkpoint whose own projection has taken a linear residual in."""
    import torch

    from clipsim.tuning.towers_folder import save_checkpoint

    model = base.read_model()
    with torch.no_grad():
        model.visual_projection.weight += residual.strength * torch.from_numpy(residual.weights.T)
    save_checkpoint(model, base.folder, folder)
