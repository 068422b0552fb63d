"""Lists with pictures that strangers send: found by name, unpacked within limits, and nothing else is read."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from support import paint

from clipsim.errors import ClipsimError, LimitError, UsageError
from clipsim.settings import Limits
from clipsim.web.pair_lists import read_pairs

LIMITS = replace(Limits(), images=3, file_bytes=200_000)
CSV = b"file,caption\na.png,a cat\nsub/b.png,a dog\n"


def png(seed: int = 0) -> bytes:
    data = io.BytesIO()
    paint(20, 20, seed).save(data, "PNG")
    return data.getvalue()


def pack(files: Mapping[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def test_a_csv_finds_its_pictures_by_path_or_by_name() -> None:
    pairs = read_pairs([(CSV, "list.csv"), (png(0), "a.png"), (png(1), "b.png")], LIMITS)
    assert [(one.picture, one.caption, one.problem) for one in pairs] == [(png(0), "a cat", ""), (png(1), "a dog", "")]
    assert pairs[1].fields == {"file": "sub/b.png", "caption": "a dog"}


def test_a_zip_holds_all_of_it() -> None:
    sent = pack(
        {"x/list.csv": CSV, "x/a.png": png(0), "x/sub/b.png": png(1), "x/notes.md": b"-", "__MACOSX/a.png": b"-"}
    )
    pairs = read_pairs([(sent, "all.zip")], LIMITS)
    assert [one.picture for one in pairs] == [png(0), png(1)]


def test_pictures_with_texts_of_the_same_name_need_no_list() -> None:
    sent = pack({"a.png": png(0), "a.txt": b"a\ncat", "b.png": png(1), "c.txt": b"x"})
    first, second = read_pairs([(sent, "all.zip")], LIMITS)
    assert (first.caption, second.caption) == ("a cat", "")


def test_no_path_is_followed_and_no_address_fetched(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(png())
    names = [str(secret), "../../secret.png", "https://example.org/a.png", "file:///etc/passwd", "/etc/passwd", ""]
    rows = "file,caption\n" + "".join(f"{name},x\n" for name in names)
    pairs = read_pairs([(rows.encode(), "list.csv"), (png(), "a.png")], LIMITS)
    assert [one.picture for one in pairs] == [None] * 6
    assert all(one.problem for one in pairs[:5]) and "web address" in pairs[2].problem
    inside = pack({"list.csv": CSV, "../../a.png": png(0), "/b.png": png(1)})
    assert [one.picture for one in read_pairs([(inside, "all.zip")], LIMITS)] == [None, png(1)]
    assert not (tmp_path.parent / "a.png").exists()


@pytest.mark.parametrize(
    "files",
    [
        {"list.csv": CSV, "a.png": b"0" * 300_000},  # one is too large
        {"list.csv": CSV, **{f"{i}.png": b"0" * 150_000 for i in range(9)}},  # all together are
        {f"{i}.bin": b"" for i in range(61)},  # too many entries
    ],
    ids=["large", "total", "many"],
)
def test_a_zip_that_unpacks_to_too_much_is_refused(files: Mapping[str, bytes]) -> None:
    sent = pack(files)
    assert len(sent) < 20_000
    with pytest.raises(UsageError, match=r"bomb\.zip"):
        read_pairs([(sent, "bomb.zip")], LIMITS)


def test_a_zip_that_lies_about_its_sizes_or_is_damaged_is_refused() -> None:
    sent = bytearray(pack({"list.csv": CSV, "a.png": b"0" * 150_000}))
    size = (150_000).to_bytes(4, "little")
    for _ in range(sent.count(size)):
        place = sent.index(size)
        sent[place : place + 4] = (10).to_bytes(4, "little")
    for wrong in (bytes(sent), b"PK\x03\x04nothing", b""):
        with pytest.raises(UsageError, match="plain zip"):
            read_pairs([(wrong, "wrong.zip")], LIMITS)


def test_what_is_missing_or_too_much_is_told() -> None:
    with pytest.raises(ClipsimError, match="no pictures"):
        read_pairs([(CSV, "list.csv")], LIMITS)
    with pytest.raises(UsageError, match="no list"):
        read_pairs([(png(), "a.png")], LIMITS)
    with pytest.raises(UsageError, match="2 lists"):
        read_pairs([(CSV, "1.csv"), (CSV, "2.csv"), (png(), "a.png")], LIMITS)
    with pytest.raises(LimitError):
        read_pairs([(CSV, "1.csv"), *((png(), f"{i}.png") for i in range(4))], LIMITS)
    with pytest.raises(UsageError, match="more than 30 rows"):
        read_pairs([(CSV + b"a.png,x\n" * 40, "1.csv"), (png(), "a.png")], LIMITS)
    with pytest.raises(UsageError, match=r"^1\.csv has no column of pictures"):
        read_pairs([(b"x,y\n1,2\n", "1.csv"), (png(), "a.png")], LIMITS)
