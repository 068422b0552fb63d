"""Vectors into scores: cosines, percentiles, verdicts.

`score`, which loads a model too, is in `clipsim.scoring.score`, and at the door: `clipsim.score`.
"""

from clipsim.scoring.calibration import (
    MATCH,
    NO_MATCH,
    NOT_RECOGNISED,
    NOT_SURE,
    NOTHING,
    WEAK,
    Calibration,
    encode_background,
)
from clipsim.scoring.clipscore import refclipscore
from clipsim.scoring.compare import compare_models, score_captions
from clipsim.scoring.first_use import find_calibration
from clipsim.scoring.heatmaps import Heatmap, overlay
from clipsim.scoring.judge import judge
from clipsim.scoring.results import CaptionTable, Comparison, Result, Score
from clipsim.scoring.score import clean_caption, note_caption, resolve_precision, score_each, score_images

__all__ = [
    "MATCH",
    "NOTHING",
    "NOT_RECOGNISED",
    "NOT_SURE",
    "NO_MATCH",
    "WEAK",
    "Calibration",
    "CaptionTable",
    "Comparison",
    "Heatmap",
    "Result",
    "Score",
    "clean_caption",
    "compare_models",
    "encode_background",
    "find_calibration",
    "judge",
    "note_caption",
    "overlay",
    "refclipscore",
    "resolve_precision",
    "score_captions",
    "score_each",
    "score_images",
]
