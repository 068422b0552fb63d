"""Captioned pictures: how good is a model?"""

from clipsim.evaluation.caption_files import Captioned, read_captions
from clipsim.evaluation.retrieval import CUTOFFS, Estimate, Evaluation, Retrieval, evaluate

__all__ = ["CUTOFFS", "Captioned", "Estimate", "Evaluation", "Retrieval", "evaluate", "read_captions"]
