"""The tab that checks a list, without a browser."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from support import paint

from clipsim import Encoder
from clipsim.settings import Limits
from clipsim.web.list_tab import ListTab
from clipsim.web.service import Service
from clipsim.web.shown import ShownPictures


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory, stand_in: Encoder) -> ListTab:
    service = Service(Limits(), tmp_path_factory.mktemp("uploads"), lambda *_, **__: stand_in)
    with gr.Blocks():
        return ListTab(service, {}, ShownPictures(service.files))


def check(tab: ListTab, folder: Path, rows: str) -> list[str]:
    for seed in range(3):
        paint(40, 40, seed).save(folder / f"{seed}.png")
    (folder / "list.csv").write_text(f"file,caption,note\n{rows}")
    update: dict[Any, Any] = tab.check_list([str(path) for path in sorted(folder.iterdir())], "auto")
    return [str(value) for value in update.values()]


def test_rows_are_shown_by_doubt_with_what_a_cut_needs(tab: ListTab, tmp_path: Path) -> None:
    found, fault = check(tab, tmp_path, "0.png,a cat,=1+1\n1.png,<b>a dog</b>,x\n2.png,a tree,y\ngone.png,x,z\n")
    assert fault == "" and "&lt;b&gt;a dog" in found and "<b>a dog" not in found
    assert "gone.png was not sent" in found and found.count("<tr data-row") == 3
    data = re.search(r'data-rows="([^"]*)"', found)
    assert data
    rows = json.loads(html.unescape(data[1]))
    shown = [int(row) for row in re.findall(r'data-row="(\d)"', found)]
    percentiles = {row: percentile for row, percentile, _ in rows}
    assert [row for row, _, _ in rows] == [1, 2, 3]
    assert shown == sorted(shown, key=lambda row: percentiles[row])
    assert rows[0][2].startswith("0.png,a cat,'=1+1,")  # which no spreadsheet calculates


def test_what_is_wrong_is_told_and_the_rows_before_stay(tab: ListTab, tmp_path: Path) -> None:
    fault, found = check(tab, tmp_path, "gone.png,x,y\n")
    assert "Nothing could be scored" in fault and "skip" not in fault and "data-row" not in found
    update = tab.check_list(None, "auto")
    assert "no pictures" in str(next(iter(update.values())))
