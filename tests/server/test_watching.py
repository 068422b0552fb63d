"""`clipsim index --watch` as a process: it follows the folder, goes on after an error, and ends when it is told to."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import paint

from clipsim import Collection

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path, tiny_clip: Path) -> Iterator[Start]:
    """`start()` watches the folder `pictures`."""
    processes = []
    (tmp_path / "pictures").mkdir()
    # a shell starts what runs in the background with interrupts ignored, which is inherited
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    command = ["index", str(tmp_path / "pictures"), "--to", str(tmp_path / "collection"), "--device", "cpu", "--watch"]

    def begin(model: str = str(tiny_clip)) -> subprocess.Popen[str]:
        words = [sys.executable, "-m", "clipsim", *command, "--model", model]
        pipe = subprocess.PIPE
        processes.append(subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True))
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()
        process.communicate()
    signal.signal(signal.SIGINT, before)


def test_it_follows_a_folder_that_is_empty_at_first_until_it_is_interrupted(start: Start, tmp_path: Path) -> None:
    process = start()
    assert process.stdout and process.stderr
    assert "There are no pictures in" in process.stderr.readline()
    paint(48, 40, 1).save(tmp_path / "pictures" / "one.png")
    assert process.stdout.readline().startswith("1 pictures in")
    (tmp_path / "pictures" / "broken.jpg").write_bytes(b"no picture")
    assert "broken.jpg is not a picture" in process.stderr.readline()
    assert "0 added, 0 changed, 0 removed, 1 unchanged, 1 cannot be read" in process.stdout.readline()
    paint(48, 40, 2).save(tmp_path / "pictures" / "two.png")
    assert "broken.jpg is not a picture" in process.stderr.readline()
    assert "1 added, 0 changed" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "")
    assert err.endswith("pictures is no longer watched; what was reported done is kept.\n")
    assert len(Collection.open(tmp_path / "collection")) == 2


def test_it_ends_when_it_is_terminated(start: Start) -> None:
    process = start()
    assert process.stderr and process.stderr.readline()
    time.sleep(0.2)
    process.terminate()
    assert process.wait(20) == 0


def test_a_model_that_cannot_be_had_ends_it(start: Start, tmp_path: Path) -> None:
    paint(48, 40, 1).save(tmp_path / "pictures" / "one.png")
    process = start("nobody/nothing")
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0 and "nobody/nothing" in err
