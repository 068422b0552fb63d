"""Pictures of the page as files: named in its HTML, swept in their time, carried in it where there is no room."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from clipsim.web.shown import ShownPictures
from clipsim.web.sweeper import UploadFolder


def carry(data: bytes) -> str:
    return f'<img src="data:image/jpeg;base64,{base64.b64encode(data).decode()}" alt="">'


@pytest.fixture
def files(tmp_path: Path) -> UploadFolder:
    return UploadFolder(tmp_path / 'a folder "x"', 1_000_000)


def find_file(html: str) -> Path:
    found = re.fullmatch(r'<img src="/gradio_api/file=([^" <>]+)" alt="">', html)
    assert found
    return Path(unquote(found[1]))


def test_a_picture_becomes_a_file_that_is_named(files: UploadFolder) -> None:
    shown = ShownPictures(files)
    file = find_file(shown.name(carry(b"picture")))
    assert file.read_bytes() == b"picture" and file.suffix == ".jpeg" and file.is_relative_to(files.folder)
    assert find_file(shown.name(carry(b"picture"))) == file
    assert len(list(files.folder.rglob("*.*"))) == 1
    assert find_file(shown.name(carry(b"another"))) != file


def test_all_else_stays_as_it_is(files: UploadFolder) -> None:
    shown = ShownPictures(files)
    for html in (
        "",
        "<p>data:image/jpeg;base64,AAAA</p>",
        '<a href="data:image/jpeg;base64,AAAA">',
        '<img src="x.jpg">',
    ):
        assert shown.name(html) == html
    assert shown.name_all({"a": 1, "b": None, "c": carry(b"x")})["a"] == 1
    assert "base64" not in shown.name_all({"c": carry(b"x")})["c"]


def test_a_picture_that_there_is_no_room_for_is_carried(tmp_path: Path) -> None:
    html = carry(bytes(2_000))
    assert ShownPictures(UploadFolder(tmp_path, 1_000)).name(html) == html
    blocked = tmp_path / "blocked"
    blocked.write_text("no folder")
    assert ShownPictures(UploadFolder(blocked, 1_000_000)).name(html) == html
