"""Waiting for changes of a folder: what counts as one, and what happens while someone is at work."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest
from support import paint

from clipsim import Collection, index_folder
from clipsim.collections.watching import KeptModel, Pace, wait_for_changes
from clipsim.errors import ClipsimError, UsageError

QUICK = Pace(quiet=0.1, longest=2, recheck=60, rest=0)


class Watch:
    """A watch that a thread follows: `runs` counts its changes."""

    def __init__(self, source: Path, folder: Path, pace: Pace = QUICK, work: float = 0.0) -> None:
        self.runs, self._work, self._stop = 0, work, Event()
        self._changes = wait_for_changes(source, folder, pace, self._stop)
        self._thread = Thread(target=self._follow)
        self._thread.start()
        self.wait(1)

    def _follow(self) -> None:
        for _ in self._changes:
            self.runs += 1
            time.sleep(self._work)

    def wait(self, runs: int, seconds: float = 15.0) -> None:
        end = time.monotonic() + seconds
        while self.runs < runs and time.monotonic() < end:
            time.sleep(0.02)
        assert self.runs == runs

    def settle(self) -> int:
        time.sleep(1)
        return self.runs

    def close(self) -> None:
        self._stop.set()
        self._thread.join(20)
        assert not self._thread.is_alive()


@pytest.fixture
def watched(source: Path, folder: Path) -> Iterator[Watch]:
    watch = Watch(source, folder)
    yield watch
    watch.close()


def test_files_that_are_added_changed_moved_and_removed_are_each_a_change(watched: Watch, source: Path) -> None:
    paint(8, 8).save(source / "new.png")
    watched.wait(2)
    paint(9, 9).save(source / "new.png")
    watched.wait(3)
    (source / "new.png").rename(source / "2026" / "new.png")
    watched.wait(4)
    (source / "2026" / "new.png").unlink()
    watched.wait(5)


def test_folders_that_are_made_or_moved_in_are_watched_too(watched: Watch, source: Path, tmp_path: Path) -> None:
    (source / "later").mkdir()
    watched.wait(2)
    paint(8, 8).save(source / "later" / "new.png")
    watched.wait(3)
    (tmp_path / "elsewhere").mkdir()
    paint(8, 8).save(tmp_path / "elsewhere" / "other.png")
    (tmp_path / "elsewhere").rename(source / "moved.in")
    watched.wait(4)


def test_hidden_files_are_no_change(watched: Watch, source: Path) -> None:
    (source / ".thumbnails").mkdir()
    paint(8, 8).save(source / ".thumbnails" / "new.png")
    paint(8, 8).save(source / ".new.png")
    assert watched.settle() == 1


def test_a_collection_within_the_folder_is_no_change(source: Path) -> None:
    watch = Watch(source, source / "collection")
    (source / "collection" / "segments").mkdir(parents=True)
    (source / "collection" / "manifest.json").write_text("{}")
    assert watch.settle() == 1
    watch.close()


def test_many_files_that_are_written_together_are_one_change(watched: Watch, source: Path) -> None:
    for seed in range(40):
        paint(40, 40, seed).save(source / f"many{seed}.png")
    watched.wait(2)
    assert watched.settle() == 2


def test_what_changes_while_someone_is_at_work_is_told_afterwards(source: Path, folder: Path) -> None:
    watch = Watch(source, folder, work=1.0)
    paint(8, 8).save(source / "new.png")
    assert watch.runs == 1
    watch.wait(2)
    watch.close()


def test_a_list_is_watched_and_not_its_neighbours(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "list.txt").write_text("a.png\n")
    watch = Watch(tmp_path / "list.txt", folder)
    paint(8, 8).save(tmp_path / "a.png")
    assert watch.settle() == 1
    (tmp_path / "new").write_text("a.png\nb.png\n")
    (tmp_path / "new").rename(tmp_path / "list.txt")
    watch.wait(2)
    watch.close()


def test_without_changes_the_folder_is_looked_through_now_and_then(source: Path, folder: Path) -> None:
    watch = Watch(source, folder, Pace(quiet=0.1, recheck=0.5))
    watch.wait(3)
    watch.close()


def test_a_folder_that_goes_is_waited_for(tmp_path: Path, folder: Path) -> None:
    (source := tmp_path / "drive").mkdir()
    watch = Watch(source, folder, Pace(quiet=0.1, recheck=0.5, rest=0))
    source.rename(tmp_path / "unplugged")
    gone = watch.settle()
    (tmp_path / "unplugged").rename(source)
    assert 1 < gone < watch.settle()
    watch.close()


def test_what_cannot_be_watched_is_said(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"memory://pictures is at an address, where changes are not told"):
        next(wait_for_changes("memory://pictures", folder))
    with pytest.raises(ClipsimError, match="none is not there"):
        next(wait_for_changes(tmp_path / "none", folder))
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    with pytest.raises(UsageError, match=r'run pip install "clipsim\[watch\]"'):
        next(wait_for_changes(tmp_path, folder))


def test_the_model_stays_loaded_from_one_run_to_the_next(source: Path, folder: Path, tiny_clip: Path) -> None:
    engine = KeptModel()
    index_folder(source, folder, str(tiny_clip), device="cpu", engine=engine)
    ((config, kept),) = engine.loaded.items()
    paint(48, 40, 99).save(source / "new.png")
    assert index_folder(source, folder, engine=engine).added == 1
    assert engine.loaded == {config: kept}
    assert len(Collection.open(folder)) == 13
