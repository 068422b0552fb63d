"""clipsim: how well does this caption fit these pictures?"""

from typing import TYPE_CHECKING, Any

from clipsim.encoders.base import Encoder
from clipsim.encoders.registry import load
from clipsim.errors import (
    CaptionError,
    ChoiceError,
    ClipsimError,
    EncoderError,
    ImageError,
    LimitError,
    UsageError,
)
from clipsim.options import Options
from clipsim.scoring.compare import CaptionTable, Comparison, compare_models, score_captions
from clipsim.scoring.score import Result, Score, score_each, score_images

if TYPE_CHECKING:
    from clipsim.collections import Collection, index_folder

__version__ = "0.1.0"
__all__ = [
    "CaptionError",
    "CaptionTable",
    "ChoiceError",
    "ClipsimError",
    "Collection",
    "Comparison",
    "Encoder",
    "EncoderError",
    "ImageError",
    "LimitError",
    "Options",
    "Result",
    "Score",
    "UsageError",
    "compare_models",
    "index_folder",
    "load",
    "score_captions",
    "score_each",
    "score_images",
]


def __getattr__(name: str) -> Any:
    """What collections need is imported once it is asked for."""
    if name == "Collection":
        from clipsim.collections import Collection

        return Collection
    if name == "index_folder":
        from clipsim.collections import index_folder

        return index_folder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
