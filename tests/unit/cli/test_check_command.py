"""`clipsim check`: what stands on stdout and stderr, and the exit status; and captions in parts on the command line."""

from __future__ import annotations

import csv
import io
import json

from support import EXAMPLES, Command, PictureFile

from clipsim import Encoder, check_text
from clipsim.report import CHECK_COLUMNS

TEXT = "A cat sits in a rucksack. There are no people, and a dog sleeps."
CAT = EXAMPLES[0]


def test_json_is_exactly_the_check_list(cli: Command, stand_in: Encoder) -> None:
    done = cli("check", CAT, EXAMPLES[1], TEXT, "--model", "stand-in", "--device", "cpu", "--format", "json")
    read, expected = json.loads(done.out), check_text([CAT, EXAMPLES[1]], TEXT, stand_in).to_dict()
    assert done.code == 0
    for plain in (read, expected):
        del plain["seconds"], plain["notes"]
    assert read == expected


def test_a_table_says_verdict_weakest_words_and_place(cli: Command) -> None:
    done = cli("check", CAT, TEXT, "--model", "stand-in", "--device", "cpu")
    assert done.code == 0
    assert "A statement holds if it is a match or weak." in done.out
    assert any(f"{count} of 3" in done.out for count in range(4))
    head = next(line for line in done.out.splitlines() if "weakest words" in line)
    assert head.split()[0] == "verdict" and "where" in head and head.rstrip().endswith("statement")
    without = cli("check", CAT, TEXT, "--model", "stand-in", "--device", "cpu", "--no-places")
    assert "where" not in without.out


def test_csv_has_a_row_for_each_statement_with_each_picture(cli: Command, picture_file: PictureFile) -> None:
    words = ["--model", "stand-in", "--device", "cpu", "--format", "csv"]
    done = cli("check", CAT, picture_file("dog.png", 1), TEXT, *words)
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert tuple(rows[0]) == CHECK_COLUMNS
    assert len(rows) == 6 and {row["picture"] for row in rows} == {CAT.name, "dog.png"}


def test_wrong_use_is_told_before_anything_is_loaded(cli: Command) -> None:
    for words in ([CAT], [TEXT], [TEXT, CAT], [CAT, " "]):
        done = cli("check", *words)
        assert (done.code, done.out) == (2, "") and done.err.count("\n") == 1
    assert "give the pictures first" in cli("check", TEXT, CAT).err


def test_nothing_that_can_be_read_exits_with_one(cli: Command, picture_file: PictureFile) -> None:
    bad = picture_file("bad.png")
    bad.write_bytes(b"text")
    assert cli("check", bad, TEXT, "--model", "stand-in").code == 1


def test_a_caption_in_parts_has_a_column_for_each(cli: Command) -> None:
    done = cli("score", "a cat, no snow", *EXAMPLES[:2], "--model", "stand-in", "--device", "cpu")
    assert "“a cat”" in done.out and "not “snow”" in done.out
    assert "scored in parts: “a cat” has to fit, “snow” must not be there" in done.err
    lines = cli("score", "a cat, no snow", CAT, "--model", "stand-in", "--device", "cpu", "--format", "jsonl").out
    assert len(json.loads(lines)["parts"]) == 2


def test_pictures_are_checked_for_writing_where_that_is_asked_for(cli: Command) -> None:
    words = ["score", "a cat", CAT, "--model", "stand-in", "--device", "cpu"]
    assert json.loads(cli(*words, "--checks", "--format", "json").out)["scores"][0]["mirrored"] is not None
    assert cli(*words, "--checks", "--format", "jsonl").code == 2
    assert cli("score", "--reference", CAT, CAT, "--checks").code == 2
