"""`clipsim score`, `table` and `compare`: what stands on stdout and stderr, and the exit status."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import sqlite3
import subprocess
import sys
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import Command, PictureFile

import clipsim
from clipsim import Encoder, Options, compare_models, score_captions, score_images
from clipsim.cli.main import main
from clipsim.encoders import MODELS
from clipsim.options import CONTRASTS, FRAMINGS, PROMPTS
from clipsim.report import to_blocks, trust
from clipsim.report.export import CAPTION_COLUMNS, COLUMNS
from clipsim.scoring import find_calibration


def test_json_is_exactly_the_result(score: Command, picture_file: PictureFile, clip: Encoder) -> None:
    pictures = [picture_file("dog.png", 1), picture_file("cat.png", 2)]
    done = score("the dog", *pictures, "--format", "json")
    read = json.loads(done.out)
    expected = json.loads(json.dumps(score_images(pictures, "the dog", clip).to_dict()))
    assert (done.code, done.err) == (0, "")
    assert list(read) == list(expected)
    assert read.pop("seconds") > 0
    del expected["seconds"]
    assert read == expected


def test_the_table_is_the_default(score: Command, picture_file: PictureFile) -> None:
    done = score("the dog", picture_file("dog.png", 1), picture_file("cat.png", 2))
    lines = done.out.splitlines()
    assert (done.code, done.err) == (0, "")
    assert "the dog" in lines[0]
    assert "tiny-clip" in lines[1]
    assert lines[2].startswith("answer ") and "unrelated captions" in lines[2]
    assert lines[4].split() == ["rank", "cosine", "better", "than", "verdict", "CLIPScore", "share", "seen", "picture"]
    assert [line.split()[0] for line in lines[5:]] == ["1", "2"]


def test_csv_has_a_row_for_every_picture(score: Command, picture_file: PictureFile) -> None:
    done = score("the dog", picture_file("dog, 1.png", 1), picture_file("cat.png", 2), "--format", "csv")
    read = list(csv.DictReader(io.StringIO(done.out)))
    assert (done.code, done.err) == (0, "")
    assert {row["name"] for row in read} == {"dog, 1.png", "cat.png"}
    assert [row["rank"] for row in read] == ["1", "2"]


def test_folders_are_walked(score: Command, picture_file: PictureFile, tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "sub/deep/c.webp", ".hidden.png", "sub/notes.png.txt.png"):
        picture_file(f"album/{name}")
    (tmp_path / "album" / "readme.txt").write_text("no picture")
    alone = picture_file("alone.png")
    read = json.loads(score("the dog", tmp_path / "album", alone, "--format", "json").out)
    expected = {"a.JPG", "b.png", "sub/deep/c.webp", "sub/notes.png.txt.png", "alone.png"}
    assert {entry["name"] for entry in read["scores"]} == expected
    assert read["rejected"] == []


def test_a_folder_gives_its_pictures_in_order(score: Command, picture_file: PictureFile, tmp_path: Path) -> None:
    for name in ("c.png", "a.png", "b.png"):
        picture_file(f"album/{name}")  # the same picture each time, so that the order of input decides
    read = json.loads(score("the dog", tmp_path / "album", "--format", "json").out)
    assert [entry["name"] for entry in read["scores"]] == ["a.png", "b.png", "c.png"]


def test_a_folder_without_pictures_cannot_be_scored(score: Command, tmp_path: Path) -> None:
    (tmp_path / "album").mkdir()
    done = score("the dog", tmp_path / "album")
    assert (done.code, done.out) == (1, "")
    assert "album" in done.err


def test_a_reference_takes_the_captions_place(score: Command, picture_file: PictureFile) -> None:
    dog, cat = picture_file("dog.png", 1), picture_file("cat.png", 2)
    read = json.loads(score("--reference", dog, cat, dog, "--format", "json").out)
    assert (read["caption"], read["reference"]) == (None, "dog.png")
    assert read["scores"][0]["name"] == "dog.png"
    assert read["scores"][0]["cosine"] == pytest.approx(1, abs=1e-5)
    assert read["scores"][0]["clipscore"] is None


def test_the_reference_may_come_last(score: Command, picture_file: PictureFile) -> None:
    dog, cat = picture_file("dog.png", 1), picture_file("cat.png", 2)
    read = json.loads(score(cat, dog, "--reference", dog, "--format", "json").out)
    assert [entry["name"] for entry in read["scores"]] == ["dog.png", "cat.png"]


def test_a_caption_beside_a_reference_is_not_taken_silently(score: Command, picture_file: PictureFile) -> None:
    done = score("the dog", picture_file("cat.png"), "--reference", picture_file("dog.png", 1), "--format", "json")
    assert "the dog" in done.err
    assert done.code == 2 or json.loads(done.out)["caption"] is None


def test_a_long_caption_beside_a_reference_is_no_path(score: Command, picture_file: PictureFile) -> None:
    done = score("the dog " * 2000, picture_file("cat.png"), "--reference", picture_file("dog.png", 1))
    assert done.code in (0, 2)


def test_a_mistyped_picture_beside_a_reference_is_rejected_like_any(score: Command, picture_file: PictureFile) -> None:
    dog = picture_file("dog.png", 1)
    read = json.loads(score("--reference", dog, "gone.png", dog, "--format", "json").out)
    assert [entry["name"] for entry in read["rejected"]] == ["gone.png"]


def test_a_reference_that_cannot_be_read_is_an_error(score: Command, picture_file: PictureFile) -> None:
    done = score("--reference", "gone.png", picture_file("dog.png"))
    assert (done.code, done.out) == (1, "")
    assert done.err == "clipsim: gone.png is not a file: check the path\n"


def test_one_bad_file_does_not_cost_the_others(score: Command, picture_file: PictureFile, tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"text")
    done = score("the dog", picture_file("dog.png"), tmp_path / "bad.jpg", "gone.png", "--format", "json")
    read = json.loads(done.out)
    assert done.code == 0
    assert [entry["name"] for entry in read["scores"]] == ["dog.png"]
    assert [entry["name"] for entry in read["rejected"]] == ["bad.jpg", "gone.png"]
    assert "bad.jpg is not a picture" in done.err
    assert "gone.png is not a file" in done.err


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_only_bad_files_exit_with_one(score: Command, tmp_path: Path, form: str) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"text")
    done = score("the dog", tmp_path / "bad.jpg", "gone.png", "--format", form)
    assert done.code == 1
    assert "bad.jpg is not a picture" in done.err and "gone.png is not a file" in done.err
    assert done.err.endswith("clipsim: Nothing could be scored.\n")
    if form == "json":
        assert [entry["name"] for entry in json.loads(done.out)["rejected"]] == ["bad.jpg", "gone.png"]
    else:
        assert done.out == ""


@pytest.mark.parametrize("words", [["the dog", "gone.png"], ["--reference", "gone.png", "gone.png"]])
def test_files_that_are_not_there_are_named_before_a_model_is_loaded(cli: Command, words: list[str]) -> None:
    done = cli("score", *words, "--model", "owner/nowhere")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("clipsim: gone.png is not a file: check the path")


def test_a_missing_file_is_named_at_once_and_without_heavy_libraries() -> None:
    program = (
        "import sys; from clipsim.cli.main import main; status = main(['score', 'a dog', 'nosuch.jpg']); "
        "heavy = {'torch', 'transformers', 'faiss', 'pyarrow', 'pandas', 'gradio'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else status)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "clipsim: nosuch.jpg is not a file: check the path\n"


def test_caption_and_pictures_the_wrong_way_round_are_noticed(score: Command, picture_file: PictureFile) -> None:
    dog, cat = picture_file("dog.png"), picture_file("cat.png")
    for words in ([dog, "the dog"], [dog, cat, "the dog"]):
        done = score(*words)
        assert (done.code, done.out) == (2, "")
        assert "give the caption first" in done.err and done.err.count("\n") == 1


def test_a_caption_that_is_also_the_name_of_a_picture_is_a_caption(score: Command, picture_file: PictureFile) -> None:
    dog = picture_file("dog.png")
    assert json.loads(score(dog, dog, "--format", "json").out)["caption"] == str(dog)


def test_an_unknown_model_exits_with_two_and_lists_the_known_ones(cli: Command, picture_file: PictureFile) -> None:
    done = cli("score", "the dog", picture_file("dog.png"), "--model", "clipp")
    assert (done.code, done.out) == (2, "")
    assert all(model.name in done.err for model in MODELS)


def test_an_unknown_device_exits_with_two_and_lists_the_known_ones(cli: Command, picture_file: PictureFile) -> None:
    done = cli("score", "the dog", picture_file("dog.png"), "--device", "gpu")
    assert (done.code, done.out) == (2, "")
    assert "cuda:N" in done.err


def test_a_model_that_cannot_be_had_exits_with_one(cli: Command, picture_file: PictureFile, no_network: Path) -> None:
    done = cli("score", "the dog", picture_file("dog.png"), "--model", "clip-vit-b-32")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("clipsim: openai/clip-vit-base-patch32 is not on this machine")
    assert not no_network.exists()


@pytest.mark.slow
def test_the_stand_in_says_so_on_the_terminal(cli: Command, picture_file: PictureFile, no_network: Path) -> None:
    done = cli("score", "the dog", picture_file("dog.png"), "--device", "cpu")
    assert done.code == 0
    assert "not CLIP" in done.out
    assert "openai/clip-vit-base-patch32 is not on this machine" in done.err
    assert not no_network.exists()


def test_remarks_are_messages(score: Command, picture_file: PictureFile) -> None:
    done = score("the dog in the snow " * 9, picture_file("dog.png", size=(200, 40)), "--format", "json")
    notes = json.loads(done.out)["notes"]
    assert len(notes) == 1
    assert f"clipsim: {notes[0]}" in done.err
    assert "dog.png: the model saw the middle 20" in done.err


def test_options_may_stand_between_the_caption_and_the_pictures(
    cli: Command, picture_file: PictureFile, tiny_clip: Path
) -> None:
    done = cli("score", "the dog", "--model", tiny_clip, picture_file("dog.png"), "--device", "cpu")
    assert (done.code, done.err) == (0, "")


def test_a_file_name_that_is_not_valid_text_is_shown_with_escapes(score: Command, picture_file: PictureFile) -> None:
    path = picture_file("dog.png")
    odd = path.with_name(os.fsdecode(b"dog\xff.png"))
    try:
        path.rename(odd)
    except OSError:
        pytest.skip("this file system takes valid names only")
    assert json.loads(score("the dog", odd, "--format", "json").out)["scores"][0]["name"] == odd.name
    assert "dog\\udcff.png" in score("the dog", odd).out


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_progress_bar_is_drawn_on_a_terminal_only(score: Command, picture_file: PictureFile, tiny_clip: Path) -> None:
    words = ["score", "the dog", str(picture_file("dog.png")), "--model", str(tiny_clip), "--device", "cpu"]
    with contextlib.redirect_stderr(Terminal()) as terminal, contextlib.redirect_stdout(io.StringIO()):
        assert main(words) == 0
    assert "picture" in terminal.getvalue()
    assert score(*words[1:3]).err == ""


def without_seconds(read: Any) -> Any:
    """What was read from JSON, without the times, which differ from run to run."""
    if isinstance(read, dict):
        return {key: without_seconds(value) for key, value in read.items() if key != "seconds"}
    return [without_seconds(value) for value in read] if isinstance(read, list) else read


@pytest.mark.parametrize(
    ("option", "choice"),
    [
        *(("framing", choice) for choice in FRAMINGS),
        *(("contrast", choice) for choice in CONTRASTS),
        *(("prompt", choice) for choice in PROMPTS),
    ],
)
def test_a_treatment_is_that_of_python(
    score: Command, picture_file: PictureFile, clip: Encoder, option: str, choice: str
) -> None:
    path = picture_file("dog.png", 1, (120, 40))
    done = score("the dog", path, f"--{option}", choice, "--format", "json")
    expected = score_images([path], "the dog", clip, options=Options.from_dict({option: choice}))
    assert json.loads(done.out)[option] == choice
    assert without_seconds(json.loads(done.out)) == without_seconds(expected.to_dict())


def test_words_stand_below_the_scores(score: Command, picture_file: PictureFile, clip: Encoder) -> None:
    pictures = [picture_file("dog.png", 1), picture_file("cat.png", 2)]
    done = score("the dog in snow", *pictures, "--words")
    assert done.code == 0
    *_, head, rows = map(str, to_blocks(score_images(pictures, "the dog in snow", clip, words=True)))
    expected = f"{head}\n\n{rows}"
    assert "snow" in expected
    assert done.out.endswith(f"\n\n{expected}\n")
    assert "What each word" not in score("the dog in snow", *pictures).out


def test_words_are_in_the_json(score: Command, picture_file: PictureFile) -> None:
    read = json.loads(score("the dog", picture_file("dog.png"), "--words", "--format", "json").out)
    assert read["words"] == ["the", "dog"]
    assert len(read["scores"][0]["words"]) == 2


def test_heatmaps_are_saved_under_the_names_of_the_pictures(
    score: Command, picture_file: PictureFile, tmp_path: Path
) -> None:
    picture_file("album/dog.png", 1, (90, 60)), picture_file("album/sub/Hündin 雪.jpg", 2)
    picture_file("album/same.png", 3), picture_file("album/same.jpg", 4)
    folder = tmp_path / "new" / "maps"
    done = score("the dog", tmp_path / "album", tmp_path / "gone.png", "--heatmaps", folder)
    expected = ["Hündin 雪.png", "dog.png", "same.jpg.png", "same.png.png"]
    assert done.code == 0
    assert sorted(path.name for path in folder.iterdir()) == expected
    assert str(folder) in done.err and all(name in done.err for name in expected)
    with Image.open(folder / "dog.png") as saved, Image.open(tmp_path / "album" / "dog.png") as original:
        assert saved.size == original.size == (90, 60)
        assert saved.format == "PNG"
        assert saved.convert("RGB").tobytes() != original.convert("RGB").tobytes()


def test_heatmaps_of_pictures_in_folders_stay_in_their_own(
    score: Command, picture_file: PictureFile, tmp_path: Path
) -> None:
    picture_file("album/a/dog.png", 1), picture_file("album/b/dog.png", 2)
    score("the dog", tmp_path / "album", "--heatmaps", tmp_path / "maps")
    saved = sorted(path.name for path in (tmp_path / "maps").iterdir())
    assert saved == ["a - dog.png.png", "b - dog.png.png"]


def test_heatmaps_overwrite_nothing(score: Command, picture_file: PictureFile, tmp_path: Path) -> None:
    path = picture_file("dog.png", 1)
    before = path.read_bytes()
    done = score("the dog", path, "--heatmaps", tmp_path)  # where the picture itself is
    assert path.read_bytes() == before
    assert (tmp_path / "dog (2).png").is_file()
    assert "dog (2).png" in done.err
    assert "dog (3).png" in score("the dog", path, "--heatmaps", tmp_path).err


def test_heatmaps_of_a_reference_and_in_json(score: Command, picture_file: PictureFile, tmp_path: Path) -> None:
    dog, cat = picture_file("dog.png", 1), picture_file("cat.png", 2)
    done = score("--reference", dog, cat, "--heatmaps", tmp_path / "maps", "--format", "json")
    assert [path.name for path in (tmp_path / "maps").iterdir()] == ["cat.png"]
    assert json.loads(done.out)["scores"][0]["heatmap"]["values"]


def test_a_file_where_the_heatmaps_should_go_is_wrong_use(score: Command, picture_file: PictureFile) -> None:
    path = picture_file("dog.png")
    done = score("the dog", path, "--heatmaps", path)
    assert (done.code, done.out) == (2, "")
    assert "--heatmaps" in done.err and done.err.count("\n") == 1


@pytest.mark.parametrize("name", ["grid.png", "grid.svg"])
def test_the_pictures_are_drawn_into_a_file(
    score: Command, picture_file: PictureFile, tmp_path: Path, name: str
) -> None:
    done = score("the dog", picture_file("dog.png", 1), picture_file("cat.png", 2), "--save", tmp_path / name)
    assert (done.code, done.err) == (0, "")
    head = (tmp_path / name).read_bytes()[:200]
    assert b"PNG" in head or b"<svg" in head or b"<?xml" in head


def test_the_answer_is_saved_as_a_report_that_says_how_far_to_trust_it(
    score: Command, picture_file: PictureFile, tmp_path: Path, clip: Encoder
) -> None:
    dog, cat, report = picture_file("dog.png", 1), picture_file("cat.png", 2), tmp_path / "report.html"
    done = score("the dog", dog, cat, "--save", report)
    assert (done.code, done.err) == (0, "")
    known = find_calibration(clip)
    assert trust(score_images([dog, cat], "the dog", clip), known) in unescape(report.read_text())
    assert score("--reference", dog, cat, "--save", report).code == 0
    assert "<h1>Like dog.png</h1>" in report.read_text()


def test_a_table_is_that_of_python(table: Command, picture_file: PictureFile, clip: Encoder) -> None:
    pictures = [picture_file("dog.png", 1), picture_file("cat.png", 2)]
    captions = ["the dog", "the cat", "snow"]
    words = [word for caption in captions for word in ("--caption", caption)]
    done = table(*pictures, *words, "--framing", "pad", "--prompt", "photo", "--format", "json")
    expected = score_captions(pictures, captions, clip, framing="pad", prompt="photo")
    assert (done.code, done.err) == (0, "")
    assert without_seconds(json.loads(done.out)) == without_seconds(expected.to_dict())


def test_captions_are_read_from_a_file(table: Command, picture_file: PictureFile, tmp_path: Path) -> None:
    file = tmp_path / "captions.txt"
    file.write_bytes("\ufeffthe dog\r\n\r\n  the cat \r\n雪\n".encode())
    pictures = [picture_file("dog.png", 1), picture_file("cat.png", 2)]
    read = json.loads(table(*pictures, "--captions", file, "--caption", "snow", "--format", "json").out)
    assert read["captions"] == ["the dog", "the cat", "雪", "snow"]
    assert read["pictures"] == ["dog.png", "cat.png"]


def test_captions_are_read_from_the_standard_input(
    table: Command, picture_file: PictureFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("Hündin\nthe cat".encode()), "ascii"))
    done = table("--captions", "-", picture_file("dog.png"), "--format", "csv")
    read = list(csv.DictReader(io.StringIO(done.out)))
    assert done.code == 0
    assert tuple(read[0]) == CAPTION_COLUMNS
    assert [row["caption"] for row in read] == ["Hündin", "the cat"]


def test_a_table_has_a_line_for_each_caption(table: Command, picture_file: PictureFile) -> None:
    done = table(picture_file("dog.png", 1), "--caption", "the dog", "--caption", "the cat")
    assert done.code == 0
    head, *lines = (line.split() for line in done.out.splitlines()[2:5])
    assert head == ["answer", "best", "picture", "caption"]
    assert [(line[0], line[-3:]) for line in lines] == [
        ("1", ["dog.png", "the", "dog"]),
        ("2", ["dog.png", "the", "cat"]),
    ]


@pytest.mark.parametrize("content", [b"", b" \n\n", "Hündin".encode("utf-16"), "Hündin".encode("latin-1"), None])
def test_a_captions_file_that_cannot_be_used_is_wrong_use(
    table: Command, picture_file: PictureFile, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "captions.txt"
    if content is not None:
        file.write_bytes(content)
    done = table(picture_file("dog.png"), "--captions", file)
    assert (done.code, done.out) == (2, "")
    assert "captions.txt" in done.err and done.err.count("\n") == 1


def test_a_table_of_no_readable_picture_exits_with_one(table: Command, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"text")
    done = table(tmp_path / "bad.png", "--caption", "the cat")
    assert (done.code, done.out) == (1, "")
    assert "bad.png is not a picture" in done.err


def test_models_are_compared_as_in_python(
    cli: Command, picture_file: PictureFile, tiny_clip: Path, tiny_siglip: Path, clip: Encoder, siglip: Encoder
) -> None:
    pictures = [picture_file("dog.png", 1), picture_file("cat.png", 2), picture_file("bird.png", 3)]
    words = ["compare", "the dog", *pictures, "--model", tiny_clip, "--model", tiny_siglip]
    words += ["--contrast", "auto", "--device", "cpu"]
    done = cli(*words, "--format", "json")
    expected = compare_models(pictures, "the dog", [clip, siglip], contrast="auto")
    assert (done.code, done.err) == (0, "")
    assert without_seconds(json.loads(done.out)) == without_seconds(expected.to_dict())
    table = cli(*words)
    assert "model A    3 pictures · tiny-clip" in table.out and "model B    3 pictures · tiny-siglip" in table.out
    read = list(csv.DictReader(io.StringIO(cli(*words, "--format", "csv").out)))
    assert tuple(read[0]) == COLUMNS
    assert [row["model"] for row in read] == ["tiny-clip"] * 3 + ["tiny-siglip"] * 3


def test_the_stand_in_gives_a_verdict(cli: Command, picture_file: PictureFile) -> None:
    done = cli("score", "a submarine", picture_file("dog.png", 1), picture_file("cat.png", 2), "--model", "stand-in")
    assert done.code == 0  # scored, though nothing matches
    assert "answer     Nothing here matches: " in done.out
    assert "no match" in done.out


def test_the_same_model_twice_is_wrong_use(cli: Command, picture_file: PictureFile, tiny_clip: Path) -> None:
    done = cli("compare", "the dog", picture_file("cat.png"), "--model", tiny_clip, "--model", tiny_clip)
    assert (done.code, done.out) == (2, "")
    assert "tiny-clip, tiny-clip" in done.err


def test_the_command_line_and_python_give_the_same_numbers(
    score: Command, picture_file: PictureFile, tiny_clip: Path
) -> None:
    path = picture_file("dog.jpg", 3, (90, 61))
    by_command = json.loads(score("the dog", path, "--format", "json").out)["scores"][0]["cosine"]
    encoder = clipsim.load(str(tiny_clip), "cpu")
    by_python = [score_images([source], "the dog", encoder).scores[0].cosine for source in (path, path.read_bytes())]
    assert by_python == [by_command, by_command]


def test_lines_of_json_come_in_the_order_given(score: Command, picture_file: PictureFile, clip: Encoder) -> None:
    paths = [picture_file(f"{n}.png", seed=n) for n in range(3)]
    bad = picture_file("bad.png")
    bad.write_bytes(b"text")
    done = score("the cat", paths[0], bad, *paths[1:], "--format", "jsonl")
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert [line["name"] for line in lines] == ["0.png", "bad.png", "1.png", "2.png"]
    assert "not a picture" in lines[1]["rejected"] and "bad.png" in done.err
    whole = {one.name: one for one in score_images(paths, "the cat", clip).scores}
    for line in (lines[0], *lines[2:]):
        assert line["cosine"] == whole[line["name"]].cosine
        assert line["percentile"] == pytest.approx(whole[line["name"]].percentile, abs=1e-4)
        assert line["model"] == "tiny-clip"
    assert done.code == 0


def test_with_nothing_to_score_lines_of_json_end_in_an_error(score: Command, picture_file: PictureFile) -> None:
    bad = picture_file("bad.png")
    bad.write_bytes(b"")
    done = score("the cat", bad, "--format", "jsonl")
    assert done.code == 1 and "Nothing could be scored" in done.err


def test_a_cache_file_serves_the_next_run(score: Command, picture_file: PictureFile, tmp_path: Path) -> None:
    words = ["the cat", picture_file("a.png"), "--cache", tmp_path / "v.db", "--format", "csv"]
    first = score(*words)
    with sqlite3.connect(tmp_path / "v.db") as file:
        (kept,) = file.execute("SELECT COUNT(*) FROM vectors").fetchone()
        file.execute("UPDATE vectors SET used = 0")
    assert kept > 0
    assert score(*words).out == first.out
    with sqlite3.connect(tmp_path / "v.db") as file:
        used = [row[0] for row in file.execute("SELECT used FROM vectors")]
    assert len(used) == kept and all(used)


def test_a_cache_file_that_cannot_be_used_is_wrong_use(score: Command, picture_file: PictureFile) -> None:
    picture = picture_file("a.png")
    done = score("the cat", picture, "--cache", picture)
    assert done.code == 2 and "cannot be used to keep vectors" in done.err
    assert Image.open(picture).size == (48, 40)


@pytest.mark.parametrize("precision", ["full", "half"])
def test_precision_is_chosen_and_said(score: Command, picture_file: PictureFile, precision: str) -> None:
    picture = picture_file("a.png")
    answer = json.loads(score("the cat", picture, "--precision", precision, "--format", "json").out)
    assert answer["precision"] == precision
    assert ("half precision" in score("the cat", picture, "--precision", precision).out) == (precision == "half")
    assert score("the cat", picture, "--precision", "double").code == 2


def test_a_second_opinion_stands_in_table_json_and_csv(
    score: Command, picture_file: PictureFile, tiny_blip: Path
) -> None:
    pictures = [picture_file("dog.png", 1), picture_file("cat.png", 2)]
    asked = ("the dog", *pictures, "--second-opinion", tiny_blip)
    table = score(*asked)
    assert table.code == 0 and "tiny-blip was asked for a second opinion on the best 2." in table.out
    read = json.loads(score(*asked, "--opinions", "1", "--format", "json").out)
    assert read["judge"] == "tiny-blip"
    first, second = read["scores"]
    assert 0 <= first["second_opinion"] <= 1 and second["second_opinion"] is None
    rows = list(csv.DictReader(io.StringIO(score(*asked, "--format", "csv").out)))
    assert float(rows[0]["second_opinion"]) == pytest.approx(first["second_opinion"], abs=1e-6)


def test_opinions_are_kept_in_the_cache_file(
    score: Command, picture_file: PictureFile, tiny_blip: Path, tmp_path: Path
) -> None:
    asked = ("the dog", picture_file("dog.png", 1), "--second-opinion", tiny_blip, "--cache", tmp_path / "cache")
    first = score(*asked).out
    with contextlib.closing(sqlite3.connect(tmp_path / "cache")) as rows:
        (width,) = rows.execute("SELECT MIN(width) FROM vectors").fetchone()
        rows.execute("UPDATE vectors SET vectors = ? WHERE width = 1", (np.float32(0.25).tobytes(),))
        rows.commit()
    assert width == 1
    assert " 25 %" not in first.splitlines()[-1] and " 25 %" in score(*asked).out.splitlines()[-1]


@pytest.mark.usefixtures("no_network")
def test_a_judge_that_cannot_be_had_is_told_and_the_scores_are_printed(
    score: Command, picture_file: PictureFile
) -> None:
    done = score("the dog", picture_file("dog.png", 1), "--second-opinion", "blip-itm", "--format", "json")
    assert done.code == 0 and len(json.loads(done.out)["scores"]) == 1
    assert "Second opinion: none. Salesforce/blip-itm-base-coco is not on this machine" in done.err
    assert "give the folder of a checkpoint of it" in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("a dog", "x.png", "--second-opinion", "nonsense"),
        ("a dog", "x.png", "--second-opinion", "blip-itm", "--opinions", "0"),
        ("--reference", "x.png", "x.png", "--second-opinion", "blip-itm"),
        ("a dog", "x.png", "--second-opinion", "blip-itm", "--format", "jsonl"),
    ],
)
def test_a_second_opinion_that_makes_no_sense_is_wrong_use(
    score: Command, picture_file: PictureFile, arguments: tuple[str, ...]
) -> None:
    path = str(picture_file("x.png"))
    done = score(*(path if one == "x.png" else one for one in arguments))
    assert done.code == 2 and done.out == ""
