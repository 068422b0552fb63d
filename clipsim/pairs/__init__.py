"""Every picture with a caption of its own: lists of pairs, scored, cut and summarised."""

from clipsim.pairs.cutting import Cut
from clipsim.pairs.pair import Pair, PairInput, PairList, PairsInMemory
from clipsim.pairs.readers import open_pairs
from clipsim.pairs.results import BINS, COLUMNS, Duplicates, PairScore, PairSummary
from clipsim.pairs.running import Engine, ScoredList, score_list
from clipsim.pairs.scoring import PairSettings, score_pairs
from clipsim.pairs.summary import find_worst, summarize
from clipsim.pairs.writing import ENDINGS, make_row, open_writer

__all__ = ["BINS", "COLUMNS", "ENDINGS", "Cut", "Duplicates", "Engine", "Pair", "PairInput", "PairList", "PairScore"]
__all__ += ["PairSettings", "PairSummary", "PairsInMemory", "ScoredList", "find_worst", "make_row", "open_pairs"]
__all__ += ["open_writer", "score_list", "score_pairs", "summarize"]
