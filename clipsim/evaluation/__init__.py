"""Captioned pictures: how good is a model?"""

from clipsim.evaluation.caption_files import Captioned, read_captions, read_labels
from clipsim.evaluation.retrieval import (
    CUTOFFS,
    Estimate,
    Evaluation,
    Retrieval,
    bootstrap,
    compute_ranks,
    count_independent,
    encode_in_parts,
    evaluate,
    weighted_mean,
    weighted_median,
    wilson,
)

__all__ = ["CUTOFFS", "Captioned", "Estimate", "Evaluation", "Retrieval", "count_independent", "encode_in_parts"]
__all__ += ["bootstrap", "compute_ranks", "evaluate", "read_captions", "read_labels", "weighted_mean"]
__all__ += ["weighted_median", "wilson"]
