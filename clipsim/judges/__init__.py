"""Second opinions: a picture and a caption, looked at together, into a probability. Importing it imports no torch."""

from clipsim.judges.asking import ask
from clipsim.judges.base import Judge
from clipsim.judges.registry import JUDGES, JudgeModel, check_judge, list_absent_judges, list_judges, load_judge

__all__ = ["JUDGES", "Judge", "JudgeModel", "ask", "check_judge", "list_absent_judges", "list_judges", "load_judge"]
