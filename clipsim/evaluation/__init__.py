"""Captioned pictures: how good is a model?"""

from clipsim.evaluation.caption_files import Captioned, read_captions
from clipsim.evaluation.retrieval import (
    CUTOFFS,
    Estimate,
    Evaluation,
    Retrieval,
    count_independent,
    encode_in_parts,
    evaluate,
    wilson,
)

__all__ = ["CUTOFFS", "Captioned", "Estimate", "Evaluation", "Retrieval", "count_independent", "encode_in_parts"]
__all__ += ["evaluate", "read_captions", "wilson"]
