"""clipsim: how well does this caption fit these pictures?

`clipsim.score("photos/", "a dog in the snow")` is the short way: it loads a model and scores. `load` and `score_images`
are the same in two steps, for programs that score more than once.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

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
    from clipsim.judges import Judge, load_judge
    from clipsim.options import Options
    from clipsim.pairs import Pair, PairScore, score_pairs
    from clipsim.scoring import (
        CaptionTable,
        CheckList,
        Comparison,
        Result,
        Score,
        check_text,
        compare_models,
        refclipscore,
        score_captions,
    )
    from clipsim.scoring.score import score, score_each, score_images
    from clipsim.tuning import Calibrated, Tuned, TuneOptions, calibrate, tune
else:  # so that a type checker still finds a name that is not there

    def __getattr__(name: str) -> object:
        """Import a public name when it is used, so that `import clipsim` costs nothing: the package's one lazy door."""
        # lower rooms first, which those above them import anyway; tuning is last, since none of these imports it, and
        # its statistics take longer to import than a collection
        rooms = (
            "errors",
            "options",
            "encoders",
            "judges",
            "scoring.score",
            "scoring",
            "collections",
            "pairs",
            "tuning",
        )
        for room in rooms:
            if name in __all__ and name in (names := vars(import_module(f"clipsim.{room}"))):
                return names[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = [
    "Calibrated",
    "CaptionError",
    "CaptionTable",
    "CheckList",
    "ChoiceError",
    "ClipsimError",
    "Collection",
    "Comparison",
    "Encoder",
    "EncoderError",
    "ImageError",
    "Judge",
    "LimitError",
    "Options",
    "Pair",
    "PairScore",
    "Result",
    "Score",
    "TuneOptions",
    "Tuned",
    "UsageError",
    "calibrate",
    "check_text",
    "compare_models",
    "index_folder",
    "load",
    "load_judge",
    "refclipscore",
    "score",
    "score_captions",
    "score_each",
    "score_images",
    "score_pairs",
    "tune",
]
