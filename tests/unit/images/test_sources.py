"""What there is to index: folders and lists, here and at addresses, read ahead in order."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support import paint
from upath import UPath

from clipsim import ClipsimError, Collection, Encoder, ImageError, UsageError, index_folder
from clipsim.embedding import embed
from clipsim.images import UNKNOWN, File, Images, collect_images, list_files, read_contents
from clipsim.images.reading import NO_FILE


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
        "pictures/a.png",
        str(pictures / "b.png"),
        "none.png",
    ]
    assert [file.problem for file in files] == ["", "", "", "", NO_FILE]
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
    assert [content.source for content in read_contents(files)] == [b"12345"] * 2


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


def names_of(images: Images) -> list[str]:
    return [name for _, name in collect_images(images)]


def test_a_folder_is_walked_in_the_order_of_its_paths_and_what_is_hidden_left_out(pictures: Path) -> None:
    for name in (".hidden.png", ".hidden/x.png", "more/.x/y.png", "notes.txt", "upper.JPG"):
        (pictures / name).parent.mkdir(exist_ok=True)
        (pictures / name).write_bytes(b"x")
    expected = ["a.png", "b.png", "more/c d.png", "upper.JPG"]
    assert names_of(pictures) == names_of(str(pictures)) == expected
    assert [file.name for file in list_files(pictures)] == expected


def test_a_pattern_finds_pictures_by_their_paths_from_its_fixed_part(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (pictures / "notes.txt").write_text("x")
    monkeypatch.chdir(pictures.parent)
    for start in ("pictures", pictures):
        assert names_of(f"{start}/*") == ["a.png", "b.png"]
        assert names_of(f"{start}/**/*.png") == ["a.png", "b.png", "more/c d.png"]
        assert names_of(f"{start}/more/[cd]*.png") == ["c d.png"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(pictures: Path) -> None:
    (pictures / "a.png").rename(pictures / "a[1].png")
    assert list(collect_images(str(pictures / "a[1].png"))) == [(pictures / "a[1].png", "a[1].png")]


def test_pictures_in_memory_are_named_by_their_place_or_by_a_pair(pictures: Path) -> None:
    array = np.asarray(paint(40, 30))
    assert names_of(array) == names_of(paint(40, 30)) == names_of(b"x") == ["image 1"]
    assert names_of([pictures / "a.png", b"x", (array, "mine"), array]) == ["a.png", "image 2", "mine", "image 4"]
    ((image, _),) = collect_images(array)
    assert isinstance(image, Image.Image) and np.array_equal(np.asarray(image), array)


def test_an_iterator_is_expanded_as_its_items_come(pictures: Path) -> None:
    def give() -> Iterator[Path]:
        yield pictures
        raise AssertionError("too early")

    collected = iter(collect_images(give()))
    assert [next(collected)[1] for _ in range(3)] == ["a.png", "b.png", "more/c d.png"]


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (np.zeros((3, 4, 3), np.float32), r"image 1 is an array of float32 of shape \(3, 4, 3\): give uint8"),
        ([b"x", np.zeros((3, 4), np.uint8)], r"image 2 is an array of uint8 of shape \(3, 4\): give uint8"),
        (None, "image 1 is of the type NoneType: give a path"),
        ([["a.png"]], "image 1 is of the type list: give a path"),
    ],
)
def test_what_is_no_picture_at_all_is_a_wrong_use(images: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        collect_images(images)


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        ("no.png", "no.png is not a file: check the path"),
        ("empty", "empty is a folder without pictures"),
        ("*.gif", r"\*.gif matches no pictures: check the pattern"),
        (["no.png", "empty"], "no.png, empty are not files or folders with pictures"),
        (["1.png", "2.png", "3.png", "4.png"], "1.png, 2.png, 3.png and 1 more are not"),
        ("x" * 5000, "is not a file"),
        ("a\0b", "is not a file"),
    ],
)
def test_where_no_path_leads_to_a_picture_it_is_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: Any, sentence: str
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ImageError, match=sentence):
        collect_images(images)


def test_a_path_that_leads_nowhere_does_not_cost_the_others(pictures: Path, clip: Encoder) -> None:
    (pictures / "empty").mkdir()
    gallery = embed([pictures / "a.png", "no.png", pictures / "empty", f"{pictures}/*.gif"], clip)
    assert [picture.name for picture in gallery.pictures] == ["a.png"]
    assert [(one.name, one.reason.partition(",")[0]) for one in gallery.rejected] == [
        ("no.png", "is not a file: check the path"),
        ("empty", "is a folder without pictures"),
        ("*.gif", "matches no pictures: check the pattern"),
    ]
