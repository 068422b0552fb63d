"""Results in the forms that people and programs read: sentences, tables of text, CSV, JSON, a grid of pictures."""

from clipsim.report.calibrated import (
    calibration_to_blocks,
    draw_reliability,
    html_report,
    remark_calibration,
    save_calibration,
)
from clipsim.report.checked import (
    CHECK_COLUMNS,
    checklist_to_blocks,
    checklist_to_csv,
    describe_holding,
    describe_place,
)
from clipsim.report.export import (
    SCORE_COLUMNS,
    Column,
    score_columns,
    to_csv,
    to_json,
    to_json_line,
    to_pandas,
    write_rows,
)
from clipsim.report.figure import BADGES, draw_grid, html_grid, thumbnail
from clipsim.report.numbers import percentile, whole_percent
from clipsim.report.pairs import draw_histogram, pairs_to_blocks, pairs_to_html, remark_pairs, save_pairs
from clipsim.report.sentences import (
    answer,
    describe_model,
    describe_parts,
    figure_opinion,
    figures,
    label,
    labels,
    model_title,
    of_a_hundred,
    opinion,
    remark_checklist,
    remarks,
    status,
    titled,
    titles,
    trust,
)
from clipsim.report.standalone import save_result, write_report
from clipsim.report.text import Block, TextTable, evaluation_to_blocks, printable, remark_evaluation, to_blocks
from clipsim.report.texts import Texts, choose_texts, english, read_texts
from clipsim.report.tuned import model_card, remark_tuning, tuning_to_blocks, tuning_to_html
from clipsim.report.writing import ENDINGS, name_file

__all__ = ["SCORE_COLUMNS", "Column", "score_columns", "to_csv", "to_json", "to_json_line", "to_pandas", "write_rows"]
__all__ += [
    "BADGES",
    "draw_grid",
    "html_grid",
    "percentile",
    "thumbnail",
    "whole_percent",
]
__all__ += ["ENDINGS", "name_file", "save_result", "write_report"]
__all__ += ["answer", "describe_model", "describe_parts", "figure_opinion", "figures", "label", "labels"]
__all__ += ["model_title", "of_a_hundred", "opinion", "remarks", "status", "titled", "titles", "trust"]
__all__ += ["Block", "TextTable", "evaluation_to_blocks", "printable", "remark_evaluation", "to_blocks"]
__all__ += ["calibration_to_blocks", "draw_reliability", "html_report", "remark_calibration"]
__all__ += ["draw_histogram", "pairs_to_blocks", "pairs_to_html", "remark_pairs", "save_pairs"]
__all__ += ["model_card", "remark_tuning", "save_calibration", "tuning_to_blocks", "tuning_to_html"]
__all__ += ["Texts", "choose_texts", "english", "read_texts"]
__all__ += ["CHECK_COLUMNS", "checklist_to_blocks", "checklist_to_csv", "describe_holding", "describe_place"]
__all__ += ["remark_checklist"]
