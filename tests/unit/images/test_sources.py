"""What there is to index: folders and lists, here and at addresses, read ahead in order."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import paint
from upath import UPath

from clipsim import ClipsimError, Collection, Encoder, index_folder
from clipsim.images.sources import NO_FILE, UNKNOWN, File, list_files, read_contents


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    for seed, name in enumerate(("a.png", "b.png", "more/c d.png")):
        paint(40, 30, seed).save(folder / name)
    return folder


@pytest.fixture
def elsewhere() -> Iterator[UPath]:
    """An address in memory, empty."""
    address = UPath("memory://sources")
    yield address
    if address.fs.exists(address.path):
        address.fs.rm(address.path, recursive=True)


def test_a_text_file_names_pictures_from_where_it_lies(pictures: Path, tmp_path: Path) -> None:
    text = tmp_path / "list.txt"
    entries = ["pictures/a.png", "", "  pictures/more/c d.png  ", "pictures/a.png", str(pictures / "b.png"), "none.png"]
    text.write_text("\n".join(entries), encoding="utf-8-sig")
    files = list(list_files(text))
    assert [file.name for file in files] == [
        "pictures/a.png",
        "pictures/more/c d.png",
        str(pictures / "b.png"),
        "none.png",
    ]
    assert [file.problem for file in files] == ["", "", "", NO_FILE]
    assert files[0].size == (pictures / "a.png").stat().st_size


@pytest.mark.parametrize(
    ("columns", "asked"), [({"caption": "x", "URL": ""}, None), ({"url": "x", "mine": ""}, "mine")]
)
def test_a_column_of_a_parquet_file_names_pictures(
    pictures: Path, tmp_path: Path, columns: dict[str, str], asked: str | None
) -> None:
    entries = ["pictures/b.png", None, "memory://far/away.jpg"]
    table = {name: ["x"] * 3 if filled else entries for name, filled in columns.items()}
    pq.write_table(pa.table(table), tmp_path / "list.parquet")
    near, far = list_files(tmp_path / "list.parquet", asked)
    assert near.path == pictures / "b.png" and near.size > 0
    assert (far.name, far.size) == ("memory://far/away.jpg", UNKNOWN)


@pytest.mark.usefixtures("pictures")
def test_lists_that_cannot_be_read_are_sentences(tmp_path: Path) -> None:
    pq.write_table(pa.table({"caption": ["x"]}), tmp_path / "list.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    (tmp_path / "latin.txt").write_bytes(b"\xff.png")
    for name, column, sentence in (
        ("list.parquet", None, "no column that names pictures, but caption: say which"),
        ("list.parquet", "url", "no column url, but caption"),
        ("broken.parquet", None, "cannot be read as Parquet"),
        ("latin.txt", None, "not text in UTF-8"),
        ("none.txt", None, "cannot be listed"),
        ("pictures/a.png", None, "is a file: give a folder, or a list"),
        ("pictures", "url", "no Parquet file and has no columns"),
        ("nowhere", None, "cannot be listed"),
    ):
        with pytest.raises(ClipsimError, match=sentence):
            list(list_files(tmp_path / name, column))


def test_an_entry_with_an_address_that_nothing_reads_costs_only_itself(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("nope://x/y.png\nx\0y.png\n")
    first, second = list_files(tmp_path / "list.txt")
    assert "Unsupported" in first.problem and second.problem == NO_FILE


def test_a_folder_at_an_address_is_listed_with_sizes_and_times(elsewhere: UPath) -> None:
    for name in ("z.png", "a b#?/ü.JPG", ".hidden/x.png", "a/.x.png", "readme.md"):
        (elsewhere / name).fs.pipe_file(f"{elsewhere.path}/{name}", b"12345")
    files = list(list_files(elsewhere))
    assert [file.name for file in files] == ["a b#?/ü.JPG", "z.png"]
    assert all(file.size == 5 and file.times[0] > 10**18 for file in files)
    assert files[0].path.read_bytes() == b"12345"


def test_contents_come_in_order_and_what_cannot_be_fetched_is_said(pictures: Path, elsewhere: UPath) -> None:
    (elsewhere / "x.png").write_bytes(b"far")
    files = [File(elsewhere / "none.png", "0"), *(File(elsewhere / "x.png", str(i), 3) for i in range(1, 40))]
    files.append(File(pictures / "a.png", "here", 7))
    found = list(read_contents(files))
    assert [one.file for one in found] == files
    assert found[0].problem.startswith("cannot be fetched (nothing is there)")
    assert {(one.source, one.size) for one in found[1:-1]} == {(b"far", 3)}
    assert found[-1].source == pictures / "a.png"
    assert found[-1].digest == hashlib.sha256((pictures / "a.png").read_bytes()).hexdigest()


@pytest.fixture
def web(pictures: Path) -> Iterator[str]:
    """The address at which a server gives the pictures."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(pictures)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_list_of_web_addresses_is_indexed_and_only_what_failed_is_tried_again(
    web: str, pictures: Path, tmp_path: Path, clip: Encoder
) -> None:
    (pictures / "page.png").write_text("<html>")
    names = ["a.png", "none.png", "more/c%20d.png", "page.png"]
    (tmp_path / "list.txt").write_text("\n".join(f"{web}/{name}" for name in names))
    report = index_folder(tmp_path / "list.txt", tmp_path / "collection", clip)
    assert [bad.name for bad in report.rejected] == [f"{web}/none.png", f"{web}/page.png"]
    assert "cannot be fetched (nothing is there)" in report.rejected[0].reason
    assert "is not a picture" in report.rejected[1].reason
    collection = Collection.open(tmp_path / "collection")
    table = collection.table(["path", "size", "digest"]).to_pylist()
    assert [row["path"] for row in table] == [f"{web}/a.png", f"{web}/more/c%20d.png"]
    assert table[0]["size"] == (pictures / "a.png").stat().st_size
    assert table[0]["digest"] == hashlib.sha256((pictures / "a.png").read_bytes()).hexdigest()

    (pictures / "a.png").unlink()
    paint(40, 30, 9).save(pictures / "none.png")
    again = index_folder(tmp_path / "list.txt", tmp_path / "collection", clip)
    assert (again.added, again.unchanged, [bad.name for bad in again.rejected]) == (1, 2, [f"{web}/page.png"])
