"""The command `clipsim` as a process of its own that scores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from support import PictureFile


def test_a_process_of_its_own_prints_json_and_nothing_else(picture_file: PictureFile, tiny_clip: Path) -> None:
    pictures = [str(picture_file("dog.png", 1)), str(picture_file("Hündin 雪.png", 2))]
    words = ["score", "the dog", *pictures, "--model", str(tiny_clip), "--format", "json"]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-m", "clipsim", *words], capture_output=True, encoding="utf-8", check=False, env=environment
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert {entry["name"] for entry in json.loads(done.stdout)["scores"]} == {"dog.png", "Hündin 雪.png"}


def test_lines_of_json_are_there_before_the_last_picture_is_scored(tiny_clip: Path, picture_file: PictureFile) -> None:
    """The reader closes the pipe after a first line, which ends the program long before it is through."""
    paths = [picture_file(f"{n}.png", seed=n) for n in range(40)]
    words = ["score", "the cat", *map(str, paths), "--model", str(tiny_clip), "--device", "cpu", "--format", "jsonl"]
    with subprocess.Popen([sys.executable, "-m", "clipsim", *words], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert json.loads(process.stdout.readline())["name"] == "0.png"
        rest = process.stdout.read().splitlines()
    assert len(rest) == 39 and process.returncode == 0
