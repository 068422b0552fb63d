"""A list from a file into a file: cut, written in any form, gone on with after an end that nobody wanted."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filelock import FileLock
from PIL import Image
from support import Bright, Counting
from support.captioned import Subjects, write_pairs

from clipsim import ClipsimError, Collection, Encoder, UsageError, index_folder
from clipsim.embedding import cache_of
from clipsim.pairs import COLUMNS, Cut, PairSettings, PairSummary, open_pairs, score_list
from clipsim.pairs.progress import open_progress

SMALL = PairSettings(block=4)
REVISION = "pairs"  # with which what is learned of the model is kept between tests


class Failing(Subjects):
    """A model that stops after the first `after` pictures of a list; they come in twos."""

    batch = 2

    def __init__(self, after: int) -> None:
        super().__init__(revision=REVISION)
        self.after = after

    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        self.after -= len(images) * (images[0].width == 8)  # which those of the list are
        if self.after < 0:
            raise RuntimeError("stopped")
        return super().encode_images(images)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A list of 12 pictures, whose last two rows cannot be scored."""
    path = write_pairs(tmp_path / "photos", range(12))
    with path.open("a") as file:
        file.write("gone.png,x\n3.png,\n")
    return path


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_the_rows_come_back_in_their_order_with_what_was_found(path: Path, tmp_path: Path, ending: str) -> None:
    done = score_list(open_pairs(path), Subjects(revision=REVISION), tmp_path / f"out{ending}", settings=SMALL)
    assert done.path == tmp_path / f"out{ending}"
    again = open_pairs(done.path, path.parent)  # a scored list is a list
    assert [one.caption for one in again] == [one.caption for one in open_pairs(path)]
    rows = [one.fields for one in again]
    assert list(again.columns) == ["file", "caption", *COLUMNS]
    assert [bool(row["rejected"]) for row in rows] == [False] * 12 + [True] * 2
    assert all(0 <= float(row["percentile"]) <= 100 for row in rows[:12])
    assert sorted(one.name for one in tmp_path.iterdir()) == [f"out{ending}", "photos"]  # and nothing else stays


def test_a_scored_list_is_scored_again_without_columns_that_come_twice(path: Path, tmp_path: Path) -> None:
    first = score_list(open_pairs(path), Subjects(revision=REVISION), tmp_path / "1.csv").path
    assert first
    second = score_list(open_pairs(first, path.parent), Subjects(revision=REVISION), tmp_path / "2.csv").path
    assert second and second.read_bytes() == first.read_bytes()


def test_without_an_ending_the_number_of_rows_chooses(path: Path, tmp_path: Path) -> None:
    assert score_list(open_pairs(path), Subjects(revision=REVISION), tmp_path / "out").path == tmp_path / "out.csv"
    with pytest.raises(UsageError, match=r"\.csv, \.jsonl, \.parquet"):
        score_list(open_pairs(path), Subjects(revision=REVISION), tmp_path / "out.xlsx")
    assert score_list(open_pairs(path), Subjects(revision=REVISION)).path is None


def test_bytes_and_types_of_parquet_are_kept_there_and_left_out_of_text(path: Path, tmp_path: Path) -> None:
    data = [(path.parent / f"{i}.png").read_bytes() for i in range(3)]
    table = pa.table({"image": [{"bytes": one, "path": None} for one in data], "text": ["thing 1"] * 3, "n": [1, 2, 3]})
    pq.write_table(table, source := tmp_path / "in.parquet")
    out = score_list(open_pairs(source), Subjects(revision=REVISION), tmp_path / "out.parquet").path
    text = score_list(open_pairs(source), Subjects(revision=REVISION), tmp_path / "out.jsonl").path
    assert out and text
    assert pq.read_table(out).select(["image", "text", "n"]).equals(table)
    assert list(json.loads(text.read_text().splitlines()[0])) == ["text", "n", *COLUMNS]


def test_fields_of_several_types_become_text_in_parquet(path: Path, tmp_path: Path) -> None:
    rows = [
        {"file": "1.png", "caption": "thing 1", "a": 1, "b": 1},
        {"file": "2.png", "caption": "x", "a": [2], "b": 2},
    ]
    source = path.parent / "in.jsonl"
    source.write_text("\n".join(map(json.dumps, rows)))
    out = score_list(open_pairs(source), Subjects(revision=REVISION), tmp_path / "out.parquet").path
    table = pq.read_table(out)
    assert table["a"].to_pylist() == ["1", "[2]"] and table["b"].to_pylist() == [1, 2]


@pytest.mark.parametrize(
    ("cut", "expected"),
    [(Cut(keep=0.25), 3), (Cut(min_percentile=50), None), (Cut(keep=1.0), 12), (Cut(keep=0.5, min_percentile=0), 6)],
)
def test_a_cut_keeps_the_best_in_their_order(path: Path, tmp_path: Path, cut: Cut, expected: int | None) -> None:
    whole = read_csv(score_list(open_pairs(path), Subjects(revision=REVISION), tmp_path / "whole.csv").path or Path())
    done = score_list(open_pairs(path), Subjects(revision=REVISION), tmp_path / "cut.csv", cut=cut)
    kept = read_csv(done.path or Path())
    assert done.summary.kept == len(kept) and (expected is None or len(kept) == expected)
    assert [row for row in whole if row in kept] == kept
    lost = [float(row["percentile"]) for row in whole if row not in kept and row["percentile"]]
    assert min(float(row["percentile"]) for row in kept) >= max(lost, default=0)
    bad = read_csv(done.bad_path or Path())
    assert [row["file"] for row in bad] == ["gone.png", "3.png"]  # cut off, and not lost


def test_verdicts_cut_where_there_are_any(path: Path, tmp_path: Path, clip: Encoder) -> None:
    done = score_list(open_pairs(path), clip, tmp_path / "out.csv", cut=Cut(verdict="not recognised"))
    rows = read_csv(done.path or Path())
    assert "no match" not in {row["verdict"] for row in rows}
    with pytest.raises(UsageError, match="no cut-offs"):
        score_list(open_pairs(path), Bright(), tmp_path / "none.csv", cut=Cut(verdict="match"))


@pytest.mark.parametrize("wrong", [{"keep": 0.0}, {"keep": 1.5}, {"min_percentile": 101.0}, {"verdict": "good"}])
def test_a_cut_that_makes_no_sense_is_told(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="give"):
        Cut(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("after", [1, 5, 9])
def test_a_run_that_failed_goes_on_and_writes_the_same(path: Path, tmp_path: Path, after: int) -> None:
    whole = score_list(open_pairs(path), Failing(99), tmp_path / "whole.parquet", settings=SMALL).path
    with pytest.raises(RuntimeError, match="stopped"):
        score_list(open_pairs(path), Failing(after), tmp_path / "out.parquet", settings=SMALL)
    assert not (tmp_path / "out.parquet").exists()
    left = 12 - after // 4 * 4  # whole blocks of four are not encoded again
    done = score_list(open_pairs(path), Failing(left), tmp_path / "out.parquet", settings=SMALL)
    assert done.path and whole and done.path.read_bytes() == whole.read_bytes()
    assert not done.summary.notes


def test_work_of_another_list_is_started_anew_and_that_is_said(path: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="stopped"):
        score_list(open_pairs(path), Failing(5), tmp_path / "out.csv", settings=SMALL)
    with path.open("a") as file:
        file.write("0.png,thing 9\n")
    done = score_list(open_pairs(path), Failing(99), tmp_path / "out.csv", settings=SMALL)
    assert done.summary.rows == 15 and "from the start" in done.summary.notes[0]


def test_two_processes_do_not_write_the_same_output(path: Path, tmp_path: Path) -> None:
    with FileLock(tmp_path / ".out.csv.clipsim.lock"), pytest.raises(ClipsimError, match="Another process"):
        score_list(open_pairs(path), Subjects(revision=REVISION), tmp_path / "out.csv")


def test_what_is_put_together_is_kept_together_or_not_at_all(tmp_path: Path) -> None:
    vector = np.ones((1, 3), np.float32)

    def fail() -> Iterator[None]:
        with open_progress(tmp_path / "work", "task") as work, work.together():
            work.put(b"key", vector)
            yield
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        list(fail())
    with open_progress(tmp_path / "work", "task") as work:
        assert work.get(b"key") is None and work.done == (0, 0)
    assert not list(tmp_path.iterdir())


def test_the_encoder_has_its_own_cache_again_afterwards(path: Path, tmp_path: Path) -> None:
    encoder = Subjects(revision=REVISION)
    before = cache_of(encoder)
    score_list(open_pairs(path), encoder, tmp_path / "out.csv")
    assert cache_of(encoder) is before


def test_vectors_of_a_collection_in_another_precision_are_not_taken(path: Path, tmp_path: Path, clip: Encoder) -> None:
    narrow = Counting(clip)
    narrow.precision = "int8"
    index_folder(str(path.parent), tmp_path / "collection", narrow)
    with pytest.raises(UsageError, match="made with precision int8, not full"):
        score_list(open_pairs(path), clip, collection=Collection.open(tmp_path / "collection"))


def test_pictures_of_a_collection_are_not_encoded_again(path: Path, tmp_path: Path, clip: Encoder) -> None:
    index_folder(str(path.parent), tmp_path / "collection", clip)
    collection, counting = Collection.open(tmp_path / "collection"), Counting(clip)
    ours = score_list(open_pairs(path), counting, tmp_path / "ours.csv", collection=collection)
    theirs = score_list(open_pairs(path), clip, tmp_path / "theirs.csv")
    assert counting.pictures == 0 and ours.path and theirs.path
    for one, other in zip(read_csv(ours.path), read_csv(theirs.path), strict=True):
        assert float(one["cosine"] or 0) == pytest.approx(float(other["cosine"] or 0), abs=1e-6)
    with pytest.raises(UsageError):
        score_list(open_pairs(path), Subjects(revision=REVISION), collection=collection)


def test_the_summary_counts_and_names_what_is_in_doubt(path: Path) -> None:
    with path.open("a") as file:
        file.write("0.png,Thing 0.\n0.png,thing 1\n")
    summary: PairSummary = score_list(open_pairs(path), Subjects(revision=REVISION)).summary
    assert (summary.rows, summary.scored, summary.pictures, summary.kept) == (16, 14, 12, None)
    twice = summary.duplicates
    assert (twice.rows, twice.pictures, twice.captions) == (1, 1, 1)
    assert [one.row for one in summary.bad] == [13, 14] and sum(summary.histogram) == 14
    worst = [one.percentile or 0 for one in summary.worst]
    assert worst == sorted(worst) and summary.worst[0].caption == "thing 1"
    assert summary.sources[16] == path.parent / "0.png"
    json.dumps(summary.to_dict())
