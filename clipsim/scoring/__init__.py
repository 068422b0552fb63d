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
from clipsim.scoring.captions import clean_caption, note_caption, resolve_precision
from clipsim.scoring.checklist import CheckedPicture, CheckList, StatementScore, check_text
from clipsim.scoring.clipscore import refclipscore
from clipsim.scoring.combining import Parts, encode_parts, judge_parts, turn_verdict
from clipsim.scoring.compare import compare_models, score_captions
from clipsim.scoring.first_use import find_calibration
from clipsim.scoring.heatmaps import OVERLAID, STRENGTHS, Heatmap, Scale, draw_layer, find_peak, find_scale, overlay
from clipsim.scoring.judge import judge
from clipsim.scoring.parts import Part, split_parts
from clipsim.scoring.picture_maps import PictureMaps, map_picture
from clipsim.scoring.results import CEILING, CaptionTable, Comparison, PartScore, Record, Result, Score
from clipsim.scoring.score import score_each, score_images
from clipsim.scoring.second_opinion import OPINIONS, ask_again
from clipsim.scoring.statements import count_sentences, split_statements

__all__ = [
    "CEILING",
    "MATCH",
    "NOTHING",
    "NOT_RECOGNISED",
    "NOT_SURE",
    "NO_MATCH",
    "OPINIONS",
    "OVERLAID",
    "STRENGTHS",
    "WEAK",
    "Calibration",
    "CaptionTable",
    "CheckList",
    "CheckedPicture",
    "Comparison",
    "Heatmap",
    "Part",
    "PartScore",
    "Parts",
    "PictureMaps",
    "Record",
    "Result",
    "Scale",
    "Score",
    "StatementScore",
    "ask_again",
    "check_text",
    "clean_caption",
    "compare_models",
    "count_sentences",
    "draw_layer",
    "encode_background",
    "encode_parts",
    "find_calibration",
    "find_peak",
    "find_scale",
    "judge",
    "judge_parts",
    "map_picture",
    "note_caption",
    "overlay",
    "refclipscore",
    "resolve_precision",
    "score_captions",
    "score_each",
    "score_images",
    "split_parts",
    "split_statements",
    "turn_verdict",
]
