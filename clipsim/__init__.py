"""clipsim: how well does this caption fit these pictures?

`clipsim.score("photos/", "a dog in the snow")` is the short way: it loads a model and scores. `load` and `score_images`
are the same in two steps, for programs that score more than once.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

# The one lazy door of the package: a name is imported when it is used, so that `import clipsim` costs nothing.
_HOMES = {
    "CaptionError": "clipsim.errors",
    "CaptionTable": "clipsim.scoring",
    "ChoiceError": "clipsim.errors",
    "ClipsimError": "clipsim.errors",
    "Collection": "clipsim.collections",
    "Comparison": "clipsim.scoring",
    "Encoder": "clipsim.encoders",
    "EncoderError": "clipsim.errors",
    "ImageError": "clipsim.errors",
    "LimitError": "clipsim.errors",
    "Options": "clipsim.options",
    "Result": "clipsim.scoring",
    "Score": "clipsim.scoring",
    "UsageError": "clipsim.errors",
    "compare_models": "clipsim.scoring",
    "index_folder": "clipsim.collections",
    "load": "clipsim.encoders",
    "score": "clipsim.scoring.score",
    "score_captions": "clipsim.scoring",
    "score_each": "clipsim.scoring",
    "score_images": "clipsim.scoring",
}

if TYPE_CHECKING:
    from clipsim.collections import Collection, index_folder
    from clipsim.encoders import Encoder, load
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
    from clipsim.scoring import (
        CaptionTable,
        Comparison,
        Result,
        Score,
        compare_models,
        score_captions,
        score_each,
        score_images,
    )
    from clipsim.scoring.score import score
else:  # so that a type checker still finds a name that is not there

    def __getattr__(name: str) -> object:
        """Import a public name from its room."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


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
    "score",
    "score_captions",
    "score_each",
    "score_images",
]
