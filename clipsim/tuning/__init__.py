"""Captioned pictures: what they teach of a model."""

from clipsim.tuning.calibrating import calibrate, learn_and_measure
from clipsim.tuning.learning import DIRECTIONS, GALLERIES, Aims
from clipsim.tuning.pairs import Pairs, make_pairs
from clipsim.tuning.rates import Reliability
from clipsim.tuning.results import Calibrated, Tuned
from clipsim.tuning.settings import TuneMethod, TuneOptions
from clipsim.tuning.task import check_folder
from clipsim.tuning.towers_settings import TowerSettings
from clipsim.tuning.tuner import tune

__all__ = ["DIRECTIONS", "GALLERIES", "Aims", "Calibrated", "Pairs", "Reliability", "calibrate", "learn_and_measure"]
__all__ += ["TowerSettings", "TuneMethod", "TuneOptions", "Tuned", "check_folder", "make_pairs", "tune"]
