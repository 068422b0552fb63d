"""Models: pictures and captions into unit vectors. Importing this room imports no deep-learning library."""

from clipsim.encoders.base import BATCH, Box, Encoder
from clipsim.encoders.hub import OWN_FILES, digest_checkpoint, explain_failure, fetch, is_cached, is_offline
from clipsim.encoders.hub import Progress as Download
from clipsim.encoders.registry import (
    DEFAULT,
    MODELS,
    STAND_IN,
    Model,
    check_device,
    check_name,
    list_absent,
    list_models,
    load,
)

__all__ = ["BATCH", "DEFAULT", "MODELS", "OWN_FILES", "STAND_IN", "Box", "Encoder", "Model"]
__all__ += ["Download", "check_device", "check_name", "digest_checkpoint", "explain_failure", "fetch", "is_cached"]
__all__ += ["is_offline", "list_absent", "list_models", "load"]
