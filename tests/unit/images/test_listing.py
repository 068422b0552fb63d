"""What a folder holds that is not simply a picture: links, what cannot be listed or read."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import paint

from clipsim.images import File, list_files, read_contents
from clipsim.images.listing import CIRCLE, DANGLING, LINK


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    (tmp_path / "pictures" / "more").mkdir(parents=True)
    for seed, name in enumerate(("a.png", "more/b.png")):
        paint(40, 30, seed).save(tmp_path / "pictures" / name)
    return tmp_path / "pictures"


def by_name(files: Iterator[File]) -> dict[str, tuple[str, str]]:
    return {file.name: (file.problem, file.trouble) for file in files}


def test_links_are_said_or_followed(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    paint(40, 30, 5).save(tmp_path / "elsewhere" / "c.png")
    (pictures / "file.png").symlink_to(tmp_path / "elsewhere" / "c.png")
    (pictures / "folder").symlink_to(tmp_path / "elsewhere")
    (pictures / "more" / "up").symlink_to(pictures)
    (pictures / "nowhere.png").symlink_to(tmp_path / "gone.png")
    (pictures / "gone").symlink_to(tmp_path / "gone")
    (pictures / "text").symlink_to(__file__)
    always = {
        "a.png": ("", ""),
        "file.png": ("", ""),
        "gone": (DANGLING, "unreachable"),
        "more/b.png": ("", ""),
        "nowhere.png": (DANGLING, "unreachable"),
    }
    assert by_name(list_files(pictures)) == always | {"folder": (LINK, "skipped"), "more/up": (LINK, "skipped")}
    followed = by_name(list_files(pictures, follow_links=True))
    assert followed == always | {"folder/c.png": ("", ""), "more/up": (CIRCLE, "skipped")}


def test_a_folder_below_that_cannot_be_listed_is_said_and_the_others_are_listed(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = os.scandir

    def refuse(folder: Path) -> object:
        if Path(folder).name == "lost+found":
            raise PermissionError(13, "Permission denied")
        return scan(folder)

    (pictures / "lost+found").mkdir()
    monkeypatch.setattr(os, "scandir", refuse)  # rights do not keep an administrator out, who may run the tests
    found = by_name(list_files(pictures))
    assert found.keys() == {"a.png", "lost+found", "more/b.png"}
    assert found["lost+found"] == ("cannot be listed (Permission denied): see that it may be read", "unreachable")


@pytest.mark.skipif(sys.platform != "linux", reason="no such file elsewhere")
def test_a_file_that_cannot_be_read_is_told_from_one_that_is_no_picture(pictures: Path) -> None:
    (pictures / "a.png").unlink()
    (pictures / "a.png").symlink_to("/proc/self/mem")  # whose first bytes are an error to read
    first, second = read_contents(list_files(pictures))
    assert first.problem.startswith("cannot be read (Input/output error)") and not second.problem


def test_what_a_list_names_is_missing_or_cannot_be_had(pictures: Path, tmp_path: Path) -> None:
    (pictures / "loop").symlink_to(pictures / "loop")
    entries = ["pictures/a.png", "pictures/none.png", "pictures/more", "pictures/loop/x.png", "nope://x/y.png"]
    (tmp_path / "list.txt").write_text("\n".join(entries))
    found = by_name(list_files(tmp_path / "list.txt"))
    assert [found[entry][1] for entry in entries] == ["", "missing", "missing", "unreachable", "unreachable"]
