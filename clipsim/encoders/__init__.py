"""Models: pictures and captions into unit vectors. Importing this room imports no deep-learning library."""

from clipsim.encoders.base import BATCH, Box, Encoder
from clipsim.encoders.registry import DEFAULT, MODELS, STAND_IN, Model, check_device, check_name, load

__all__ = ["BATCH", "DEFAULT", "MODELS", "STAND_IN", "Box", "Encoder", "Model", "check_device", "check_name", "load"]
