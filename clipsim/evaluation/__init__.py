"""Captioned pictures: how good is a model?"""

from clipsim.evaluation.caption_files import (
    CAPTION_COLUMNS,
    DELIMITERS,
    TOKEN,
    Captioned,
    normalize_text,
    read_captions,
    read_labels,
    simplify_name,
)
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
    match_paths,
    weighted_mean,
    weighted_median,
    wilson,
)

__all__ = ["CAPTION_COLUMNS", "CUTOFFS", "DELIMITERS", "TOKEN", "normalize_text", "simplify_name"]
__all__ += ["Captioned", "Estimate", "Evaluation", "Retrieval", "count_independent", "encode_in_parts"]
__all__ += ["bootstrap", "compute_ranks", "evaluate", "match_paths", "read_captions", "read_labels", "weighted_mean"]
__all__ += ["weighted_median", "wilson"]
