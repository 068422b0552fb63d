"""Results in the forms that people and programs read: sentences, tables of text, CSV, JSON, a grid of pictures."""

from clipsim.report.calibrated import (
    REPORT_ENDINGS,
    calibration_to_blocks,
    draw_reliability,
    html_report,
    remark_calibration,
    save_calibration,
)
from clipsim.report.export import SCORE_COLUMNS, to_csv, to_json, to_json_line, to_pandas, write_rows
from clipsim.report.figure import ENDINGS, draw_grid, html_grid, save_grid
from clipsim.report.numbers import percentile, whole_percent
from clipsim.report.sentences import answer, figures, label, labels, model_title, remarks, status, titled, titles, trust
from clipsim.report.text import Block, TextTable, evaluation_to_blocks, printable, remark_evaluation, to_blocks

__all__ = ["SCORE_COLUMNS", "to_csv", "to_json", "to_json_line", "to_pandas", "write_rows"]
__all__ += ["ENDINGS", "draw_grid", "html_grid", "percentile", "save_grid", "whole_percent"]
__all__ += ["answer", "figures", "label", "labels", "model_title", "remarks", "status", "titled", "titles", "trust"]
__all__ += ["Block", "TextTable", "evaluation_to_blocks", "printable", "remark_evaluation", "to_blocks"]
__all__ += ["REPORT_ENDINGS", "calibration_to_blocks", "draw_reliability", "html_report", "remark_calibration"]
__all__ += ["save_calibration"]
