"""Readers of lists of pairs, in the layouts in which data sets come."""

from clipsim.pairs.readers.choosing import open_pairs
from clipsim.pairs.readers.common import PICTURE_COLUMNS, Places
from clipsim.pairs.readers.lines import CsvPairs
from clipsim.pairs.readers.tables import TablePairs

__all__ = ["PICTURE_COLUMNS", "CsvPairs", "Places", "TablePairs", "open_pairs"]
