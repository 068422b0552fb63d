"""Which encoder reads which folder: by the `model_type` of its config.json, or by open_clip's own config."""

from __future__ import annotations

from pathlib import Path

from clipsim.encoders.checkpoint import CheckpointEncoder, read_family
from clipsim.encoders.hub import is_open_clip
from clipsim.encoders.naflex import NaFlexEncoder
from clipsim.encoders.openclip import OpenClipEncoder
from clipsim.encoders.tips import TipsEncoder
from clipsim.encoders.torch_encoder import TorchEncoder
from clipsim.errors import EncoderError

KINDS = (CheckpointEncoder, NaFlexEncoder, TipsEncoder)
KNOWN = "clip (CLIP, TinyCLIP), metaclip_2, siglip (SigLIP, SigLIP 2), siglip2 (SigLIP 2 NaFlex), tipsv2 or open_clip's"


def open_checkpoint(name: str, folder: Path, device: str = "auto", precision: str = "auto") -> TorchEncoder:
    """Return the encoder of a checkpoint in a folder; its weights are read at the first call.

    Raises:
        EncoderError: the folder holds no model of a known family, or the device is not on this machine.
    """
    if is_open_clip(folder):
        return OpenClipEncoder(name, folder, device, precision)
    family = read_family(folder, name)
    for kind in KINDS:
        if family in kind.families:
            return kind(name, folder, device, precision)
    raise EncoderError(f"{name} is of the family {family!r}: use a checkpoint of a known one, {KNOWN}")
