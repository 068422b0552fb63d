"""What is uploaded on the page: refused by name where it cannot be read, previewed where browsers do not show it."""

import base64
import json
import re
import time
from io import BytesIO
from pathlib import Path

import gradio as gr
import pillow_heif
import pytest
from PIL import Image
from support import paint

from clipsim.settings import Limits
from clipsim.web.service import Service
from clipsim.web.uploads import UploadCheck, Uploads

pillow_heif.register_heif_opener()  # for its encoder


@pytest.fixture
def check(tmp_path: Path) -> UploadCheck:
    with gr.Blocks():
        return UploadCheck(Service(Limits(), tmp_path), gr.Gallery(), gr.HTML())


def listed(*paths: Path) -> Uploads:
    return [(str(path), None) for path in paths]


def test_what_can_be_read_is_left_alone(check: UploadCheck, tmp_path: Path) -> None:
    paint(20, 20).save(tmp_path / "a.png")
    assert check.check(listed(tmp_path / "a.png")) == ("{}", "")
    assert check.check(None) == ("{}", "")


def test_what_cannot_be_read_is_taken_out_and_named_with_the_reason(check: UploadCheck, tmp_path: Path) -> None:
    good, *bad = [tmp_path / name for name in ("a.png", "notes.jpg", "clip.mp4", "empty.png", "poster.png")]
    paint(20, 20).save(good)
    for path in bad[:2]:
        path.write_text("Dear diary")
    bad[2].touch()
    Image.new("1", (10_000, 6_000)).save(bad[3])
    found, told = check.check(listed(bad[0], good, *bad[1:], Path("/etc/passwd")))
    assert json.loads(found) == dict.fromkeys([*map(str, bad), "/etc/passwd"])
    assert told.count("not a picture") == 1
    assert "Not added: notes.jpg, clip.mp4: each is not a picture that can be read here" in told
    assert "empty.png is empty (0 bytes): send the file again; poster.png has 10000 x 6000" in told
    assert "passwd was not uploaded" in told


def test_of_many_that_cannot_be_read_three_are_named(check: UploadCheck, tmp_path: Path) -> None:
    paths = [tmp_path / f"{place}.txt" for place in range(8)]
    for path in paths:
        path.write_text("Dear diary")
    found, told = check.check(listed(*paths))
    assert len(json.loads(found)) == 8
    assert "0.txt, 1.txt, 2.txt, and 5 more: each is not" in told


@pytest.mark.parametrize("name", ["IMG_0001.HEIC", "scan.tif"])
def test_what_browsers_do_not_show_gets_a_small_jpeg(check: UploadCheck, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    paint(900, 600).save(path, "HEIF" if name.endswith("HEIC") else "TIFF")
    found, told = check.check(listed(path))
    address = json.loads(found)[str(path)]
    kind, _, data = address.partition(",")
    assert (kind, told) == ("data:image/jpeg;base64", "")
    assert Image.open(BytesIO(base64.b64decode(data))).size == (240, 160)


def test_a_heic_that_is_damaged_behind_its_header_is_refused(check: UploadCheck, tmp_path: Path) -> None:
    path = tmp_path / "IMG_0001.HEIC"
    paint(300, 200).save(path, "HEIF")
    path.write_bytes(path.read_bytes()[:-600])
    found, told = check.check(listed(path))
    assert json.loads(found) == {str(path): None}
    assert re.search(r"IMG_0001\.HEIC is (damaged|not a picture)", told)


def test_a_hundred_pictures_are_checked_at_once(check: UploadCheck, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    paint(4000, 3000).save(path)
    began = time.monotonic()
    assert check.check(listed(*[path] * 100)) == ("{}", "")
    assert time.monotonic() - began < 3  # 0.1 s on a machine that does nothing else
