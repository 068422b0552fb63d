"""Lists of pairs, in the layouts in which data sets come."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import paint

from clipsim import CaptionError
from clipsim.pairs import Pair, PairList, open_pairs

CAPTIONS = ["a dog, running", "the cat"]


def jpeg(seed: int = 0) -> bytes:
    data = io.BytesIO()
    paint(20, 20, seed).save(data, "JPEG")
    return data.getvalue()


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(2):
        (folder / f"{i}.jpg").write_bytes(jpeg(i))
    return folder


def read(pairs: PairList) -> list[tuple[object, str]]:
    """What is read, after checking that the cheap way to the captions leads to the same."""
    rows = list(pairs)
    assert list(pairs.captions()) == [(one.key, one.caption) for one in rows if not one.problem]
    assert all(set(one.fields) <= set(pairs.columns) for one in rows)
    return [(one.picture, one.caption) for one in rows]


def expect(images: Path) -> list[tuple[object, str]]:
    return [(images / f"{i}.jpg", caption) for i, caption in enumerate(CAPTIONS)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_csv_names_its_columns(images: Path, tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "list.csv"
    lines = [f'{i}.jpg{delimiter}7{delimiter}"{caption}"' for i, caption in enumerate(CAPTIONS)]
    path.write_text("\n".join([delimiter.join(["File_Name", "id", "Text"]), *lines]), encoding="utf-8-sig")
    pairs = open_pairs(path, images)
    assert read(pairs) == expect(images)
    assert next(iter(pairs)).fields == {"File_Name": "0.jpg", "id": "7", "Text": CAPTIONS[0]}


def test_a_row_with_too_many_columns_is_told_by_its_line(images: Path, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("file,caption\n0.jpg,a\n\n1.jpg,a dog, running\n1.jpg,b\n")
    good, bad, last = open_pairs(path, images)
    assert (good.problem, last.problem) == ("", "")
    assert bad.name == "line 4" and "has 3 columns" in bad.problem and bad.caption == "a dog"


def test_columns_may_be_named_and_addresses_stay(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("where,alt,caption\nhttps://example.org/a.jpg,a dog,no\n")
    (pair,) = open_pairs(path, picture_column="where", caption_column="alt")
    assert (pair.picture, pair.caption) == ("https://example.org/a.jpg", "a dog")
    with pytest.raises(CaptionError, match=r"no column alternative, but where, alt, caption"):
        open_pairs(path, picture_column="where", caption_column="alternative")
    with pytest.raises(CaptionError, match="no column of pictures"):
        open_pairs(path)


def test_json_lines_keep_bad_lines_and_references(images: Path, tmp_path: Path) -> None:
    path = tmp_path / "list.jsonl"
    rows = [{"image": "0.jpg", "text": CAPTIONS[0], "references": ["dog"]}, {"image": "1.jpg", "text": CAPTIONS}]
    path.write_text("\n".join([json.dumps(rows[0]), "{broken", json.dumps(rows[1]), "7", '{"text": "x"}']))
    first, broken, second, third, number, nameless = open_pairs(path, images)
    assert first.references == ("dog",) and (second.caption, third.caption) == tuple(CAPTIONS)
    assert broken.name == "line 2" and "not valid JSON" in broken.problem
    assert "no object" in number.problem and "names no picture" in nameless.problem


def test_a_token_file_and_coco_captions(images: Path, tmp_path: Path) -> None:
    tokens, coco = tmp_path / "token.txt", tmp_path / "coco.json"
    tokens.write_text("".join(f"{i}.jpg#0\t{caption}\n" for i, caption in enumerate(CAPTIONS)))
    known = [{"id": 7 + i, "file_name": f"{i}.jpg"} for i in range(2)]
    notes = [{"id": i, "image_id": 7 + i, "caption": caption} for i, caption in enumerate(CAPTIONS)]
    coco.write_text(json.dumps({"images": known, "annotations": [*notes, {"image_id": 99, "caption": "x"}]}))
    assert read(open_pairs(tokens, images)) == expect(images)
    *good, bad = open_pairs(coco, images)
    assert [(one.picture, one.caption) for one in good] == expect(images)
    assert "not under images" in bad.problem


def test_the_layout_of_clipscores_own_code(images: Path, tmp_path: Path) -> None:
    candidates, references = tmp_path / "candidates.json", tmp_path / "references.json"
    candidates.write_text(json.dumps({"0": CAPTIONS[0], "1": CAPTIONS[1], "gone": "x"}))
    references.write_text(json.dumps({"0": ["dog", "hound"], "1": ["cat"]}))
    first, second, gone = open_pairs(candidates, images, references=references)
    assert [(one.picture, one.caption) for one in (first, second)] == expect(images)
    assert first.references == ("dog", "hound") and "has no picture" in gone.problem


def test_parquet_with_paths_and_with_bytes(images: Path, tmp_path: Path) -> None:
    by_path, by_bytes, nested = (tmp_path / f"{name}.parquet" for name in ("paths", "bytes", "nested"))
    pq.write_table(pa.table({"path": ["0.jpg", "1.jpg"], "caption": CAPTIONS, "n": [1, 2]}), by_path)
    pq.write_table(pa.table({"jpg": [jpeg(0), jpeg(1)], "txt": CAPTIONS}).rename_columns(["jpg", "text"]), by_bytes)
    structs = [{"bytes": jpeg(i), "path": f"{i}.jpg"} for i in range(2)]
    pq.write_table(pa.table({"image": structs, "caption": [CAPTIONS, ["x"]]}), nested)
    assert read(open_pairs(by_path, images)) == expect(images)
    assert read(open_pairs(by_bytes)) == [(jpeg(i), caption) for i, caption in enumerate(CAPTIONS)]
    assert read(open_pairs(nested)) == [(jpeg(0), CAPTIONS[0]), (jpeg(0), CAPTIONS[1]), (jpeg(1), "x")]
    assert open_pairs(nested).binary == {"image"}


def test_a_folder_that_datasets_saved(tmp_path: Path) -> None:
    table = pa.table({"image": [{"bytes": jpeg(), "path": None}], "text": ["a dog"]})
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        with (
            pa.OSFile(str(tmp_path / split / "data-0.arrow"), "wb") as file,
            pa.ipc.new_stream(file, table.schema) as out,
        ):
            out.write_table(table)
        (tmp_path / split / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-0.arrow"}]}))
    (tmp_path / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "test"]}))
    assert read(open_pairs(tmp_path)) == [(jpeg(), "a dog")] * 2


def make_tar(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def test_webdataset_tars(tmp_path: Path) -> None:
    make_tar(tmp_path / "part-000.tar", {"a.jpg": jpeg(0), "a.txt": b"a dog\n", "b.txt": b"alone", "b.cls": b"3"})
    make_tar(tmp_path / "part-001.tar", {"x/c.d.png": jpeg(1), "x/c.json": b'{"caption": "the cat", "n": 1}'})
    first, second, third = rows = list(open_pairs(tmp_path / "part-{000..001}.tar"))
    assert [one.picture for one in rows] == [jpeg(0), None, jpeg(1)]
    assert [one.caption for one in rows] == ["a dog", "alone", "the cat"]
    assert first.name == "part-000.tar/a" and "has no picture" in second.problem
    assert third.fields["__key__"] == "x/c"


def test_a_tar_that_is_cut_short_says_so_and_keeps_what_came_before(tmp_path: Path) -> None:
    path = tmp_path / "part.tar"
    make_tar(path, {"a.jpg": jpeg(0), "a.txt": b"a dog", "b.jpg": jpeg(1) * 40, "b.txt": b"x"})
    path.write_bytes(path.read_bytes()[:9000])
    first, second = open_pairs(path)
    assert not first.problem and "damaged" in second.problem


def test_a_folder_of_pictures_with_text_files_or_a_list(images: Path) -> None:
    with pytest.raises(CaptionError, match="has no captions"):
        open_pairs(images)
    (images / "0.txt").write_text("a dog,\n  running ")
    first, second = open_pairs(images)
    assert first.caption == "a dog, running" and "no .txt" in second.problem
    (images / "metadata.csv").write_text("file_name,text\n0.jpg,a dog\n")
    assert [one.caption for one in open_pairs(images)] == ["a dog"]


@pytest.mark.parametrize("content", ["", "{", "[1, 2", '{"a": 3}', "a,b\n1,2\n"])
def test_what_is_no_list_is_told_in_a_sentence(tmp_path: Path, content: str) -> None:
    path = tmp_path / "list.json"
    path.write_text(content)
    with pytest.raises(CaptionError, match=r"list\.json"):
        open_pairs(path)
    with pytest.raises(CaptionError, match="is not there"):
        open_pairs(tmp_path / "none.csv")


def test_a_pair_is_known_by_its_path_or_its_content() -> None:
    assert Pair("a.jpg", "x").key == Pair(Path("a.jpg"), "y").key
    assert Pair(b"1", "x").key == Pair(b"1", "y").key != Pair(b"2", "x").key
