"""What a run leaves behind: the next one on this machine removes it, and nothing else."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.collections import fill, make_rows, random_vectors

from clipsim import Collection
from clipsim.collections.store import Writer, write_segment
from clipsim.collections.store.numbered import POINTER
from clipsim.collections.store.runs import get_mark, is_left_over

RUN = """
import sys, time
sys.path.insert(0, "tests")
from support.collections import make_rows, random_vectors
from clipsim.collections.store import Writer
with Writer(sys.argv[1]) as writer:
    print(writer.write(make_rows(5, 100), random_vectors(5, 8)), flush=True)
    writer.add(make_rows(5, 200), random_vectors(5, 8, 1))
    print(writer.manifest.segments[-1][0], flush=True)
    sys.stdin.readline()
"""


class Run:
    """A process that wrote a segment, and added another one."""

    def __init__(self, folder: Path) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([sys.executable, "-c", RUN, folder], stdin=pipe, stdout=pipe, text=True)
        assert self.process.stdout
        self.loose, self.added = (self.process.stdout.readline().strip() for _ in range(2))

    def end(self, how: signal.Signals | None = None) -> None:
        if how:
            self.process.send_signal(how)
        self.process.communicate("\n")


@pytest.fixture
def run(folder: Path) -> Run:
    fill(folder, random_vectors(10, 8))
    return Run(folder)


def list_segments(folder: Path) -> set[str]:
    return {path.stem for path in (folder / "segments").iterdir()}


def open_and_close(folder: Path) -> None:
    with Writer(folder):
        pass


def test_what_a_killed_run_wrote_and_did_not_commit_is_removed_by_the_next(run: Run, folder: Path) -> None:
    open_and_close(folder)
    assert {run.loose, run.added} <= list_segments(folder)  # it is still at work
    run.end(signal.SIGKILL)
    open_and_close(folder)
    assert list_segments(folder) == {name for name, _ in Collection.open(folder).manifest.segments}
    assert len(Collection.open(folder)) == 15


def test_what_a_killed_run_committed_stays_even_if_no_manifest_names_it_any_more(run: Run, folder: Path) -> None:
    run.end(signal.SIGKILL)
    newest = max(folder.glob("manifest-*.json"), key=lambda path: int(path.stem.partition("-")[2]))
    newest.unlink()
    (folder / POINTER).unlink()
    open_and_close(folder)
    assert run.added in list_segments(folder)


def test_what_another_machine_may_be_about_to_commit_stays(folder: Path) -> None:
    fill(folder, random_vectors(10, 8))
    loose = [write_segment(folder, make_rows(5), random_vectors(5, 8), mark=mark) for mark in ("", "0" * 32, "../x")]
    open_and_close(folder)
    assert {*loose} <= list_segments(folder)


def test_what_a_run_did_not_commit_that_ended_by_itself_is_removed_too(run: Run, folder: Path) -> None:
    run.end()
    open_and_close(folder)
    assert run.loose not in list_segments(folder) and run.added in list_segments(folder)


def test_a_process_does_not_take_itself_for_killed() -> None:
    assert get_mark() and not is_left_over("x", get_mark())
