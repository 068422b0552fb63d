"""What a stranger sends: taken if it was uploaded or is inline, refused by name otherwise; and the care around it."""

import base64
import os
import time
from pathlib import Path
from typing import Any

import pytest
from support import paint

from clipsim import CaptionError, ClipsimError, EncoderError, ImageError
from clipsim.settings import LIMITS
from clipsim.web import service


@pytest.fixture
def uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "uploads"
    folder.mkdir()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    return folder


def test_an_uploaded_file_is_taken_under_its_own_name(uploads: Path) -> None:
    file = uploads / "blob"
    paint(20, 20).save(file, "PNG")
    assert service.received(str(file)) == (file, "blob")
    assert service.received({"path": str(file), "orig_name": "../dog.png"}) == (file, "dog.png")


def test_a_data_address_is_taken_as_it_is() -> None:
    assert service.received("data:image/png;base64," + base64.b64encode(b"abc").decode()) == (b"abc", "picture")


PATHS = ["/etc/passwd", "app.py", "../secret.png", "\0", "x" * 5000, "", {"path": "/etc/passwd"}]
ADDRESSES = ["http://localhost/a.png", "https://example.org/a.png", "data:image/png,abc", "data:;base64,***", "data:"]


@pytest.mark.parametrize("sent", [*PATHS, *ADDRESSES, None, 5, {}, {"path": None}])
def test_anything_else_is_refused(uploads: Path, sent: Any) -> None:
    assert uploads.is_dir()
    with pytest.raises(ImageError):
        service.received(sent)


def test_a_link_out_of_the_upload_folder_is_refused(uploads: Path, tmp_path: Path) -> None:
    paint(20, 20).save(tmp_path / "secret.png")
    (uploads / "link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(ImageError, match=r"link\.png was not uploaded"):
        service.received(str(uploads / "link.png"))


def test_a_file_over_the_limit_is_refused(uploads: Path) -> None:
    with (uploads / "large.png").open("wb") as file:
        file.truncate(LIMITS.file_bytes + 1)
    with pytest.raises(ImageError, match=r"large\.png is larger than 20 MB"):
        service.received(str(uploads / "large.png"))


def test_too_many_pictures_and_too_long_captions_are_refused() -> None:
    with pytest.raises(ClipsimError, match="101 pictures"):
        service.answer([paint(9, 9)] * 101, "x", None, "stand-in")
    with pytest.raises(CaptionError, match="2001 characters"):
        service.answer([paint(9, 9)], "x" * 2001, None, "stand-in")


def test_a_request_that_takes_too_long_is_ended_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    start = time.monotonic()
    later = iter([start, start + LIMITS.seconds + 1])
    monkeypatch.setattr("clipsim.web.service.time.monotonic", lambda: next(later))
    with pytest.raises(ClipsimError, match="only 4 of 40 pictures"):
        service.answer([paint(9, 9)] * 40, "x", None, "stand-in")


def test_one_encoder_serves_all_and_two_at_most_are_kept(tiny_clip: Path, tiny_siglip: Path) -> None:
    first = service.encoder("stand-in")
    assert service.encoder("stand-in") is first
    service.encoder(str(tiny_clip))
    assert service.encoder("stand-in") is first
    service.encoder(str(tiny_siglip))  # the tiny CLIP was asked for longest ago
    assert set(service._kept) == {("stand-in", "auto"), (str(tiny_siglip), "auto")}


def test_each_precision_has_an_encoder_of_its_own(tiny_clip: Path) -> None:
    full, half = (service.encoder(str(tiny_clip), precision) for precision in ("full", "half"))
    assert (full.precision, half.precision) == ("full", "half")
    assert service.encoder(str(tiny_clip), "full") is full


def test_a_model_that_cannot_be_had_is_asked_for_anew(no_network: Path) -> None:
    assert not no_network.exists()
    for _ in range(2):
        with pytest.raises(EncoderError):
            service.encoder("clip-vit-l-14")


def test_sweeping_clears_old_left_overs_only(uploads: Path) -> None:
    old, young = uploads / "a" / "old.png", uploads / "b" / "young.png"
    for file in (old, young):
        file.parent.mkdir()
        file.write_bytes(b"x")
    os.utime(old, (time.time() - 7200,) * 2)
    service.sweep(3600)
    assert not old.parent.exists()
    assert young.exists()


def test_sweeping_follows_no_link(uploads: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "old.png").write_bytes(b"x")
    os.utime(kept / "old.png", (0, 0))
    (uploads / "link").symlink_to(kept)
    service.sweep(3600)
    assert (kept / "old.png").exists()
