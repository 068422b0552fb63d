"""clipsim: how well does this caption fit these pictures?"""

from clipsim.encoders import Encoder
from clipsim.errors import CaptionError, ClipsimError, EncoderError, ImageError
from clipsim.models import load
from clipsim.scoring import Result, Score, score_images

__version__ = "0.1.0"
__all__ = [
    "CaptionError",
    "ClipsimError",
    "Encoder",
    "EncoderError",
    "ImageError",
    "Result",
    "Score",
    "load",
    "score_images",
]
