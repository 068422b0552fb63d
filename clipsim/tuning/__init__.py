"""Captioned pictures: what they teach of a model."""

from clipsim.tuning.calibrating import calibrate, learn_and_measure
from clipsim.tuning.learning import DIRECTIONS, GALLERIES, Aims
from clipsim.tuning.pairs import Pairs, make_pairs
from clipsim.tuning.rates import Reliability
from clipsim.tuning.results import Calibrated

__all__ = ["DIRECTIONS", "GALLERIES", "Aims", "Calibrated", "Pairs", "Reliability", "calibrate", "learn_and_measure"]
__all__ += ["make_pairs"]
