"""clipsim: how well does this caption fit these pictures?"""

from clipsim.comparison import CaptionTable, Comparison, compare_models, score_captions
from clipsim.encoders import Encoder
from clipsim.errors import CaptionError, ClipsimError, EncoderError, ImageError
from clipsim.models import load
from clipsim.scoring import Result, Score, score_each, score_images

__version__ = "0.1.0"
__all__ = [
    "CaptionError",
    "CaptionTable",
    "ClipsimError",
    "Comparison",
    "Encoder",
    "EncoderError",
    "ImageError",
    "Result",
    "Score",
    "compare_models",
    "load",
    "score_captions",
    "score_each",
    "score_images",
]
