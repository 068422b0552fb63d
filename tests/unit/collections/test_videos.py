"""Videos of a folder: their keyframes are pictures of the collection, opened again only when they change."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from support import paint
from support.videos import write_video

from clipsim import Collection, index_folder
from clipsim.cli import main as cli
from clipsim.collections.encoding import Engine, encode_files
from clipsim.collections.store import EmbeddingConfig
from clipsim.collections.videos import Videos, read_known_videos
from clipsim.encoders import Encoder
from clipsim.images import File, Location, list_files, locate

SCENES = [paint(64, 48, seed) for seed in range(4)]
FRAMES = [f"clip.mp4@{seconds}s" for seconds in (0, 2, 4, 6)]


@pytest.fixture
def filmed(tmp_path: Path) -> Path:
    """A folder with a picture and a video."""
    write_video(tmp_path / "filmed" / "clip.mp4", SCENES)
    SCENES[0].save(tmp_path / "filmed" / "one.png")
    return tmp_path / "filmed"


def read_paths(folder: Path) -> list[str]:
    return sorted(Collection.open(folder).table(["path"])["path"].to_pylist())


def refuse(files: list[File], *_: object) -> Iterator[object]:
    """Stand for an engine where nothing is to be encoded."""
    raise AssertionError([file.name for file in files])


def stop_after(count: int) -> Engine:
    """Return an engine that is interrupted after so many parts of one picture each."""

    def encode(files: list[File], folder: Location, config: EmbeddingConfig, device: str) -> Iterator[object]:
        for number, part in enumerate(encode_files(files, folder, config, device, part=1)):
            if number == count:
                raise KeyboardInterrupt
            yield part

    return encode  # type: ignore[return-value]


def test_the_keyframes_of_a_video_are_pictures_with_its_size_and_time(
    filmed: Path, folder: Path, clip: Encoder
) -> None:
    assert index_folder(filmed, folder, clip).added == 5
    collection, state = Collection.open(folder), (filmed / "clip.mp4").stat()
    rows = {row["path"]: row for row in collection.table().to_pylist()}
    assert sorted(rows) == [*FRAMES, "one.png"]
    assert {(rows[name]["size"], rows[name]["mtime_ns"]) for name in FRAMES} == {(state.st_size, state.st_mtime_ns)}
    assert rows[FRAMES[2]]["notes"] == ["picture 3 of 4 of a video", "blurred"]  # as what is painted is
    like = collection.vector_of(Path(f"{filmed / 'clip.mp4'}@4.5s"), clip)
    assert collection.search(like)[0].path == FRAMES[2]


def test_an_unchanged_video_is_not_opened_again(filmed: Path, folder: Path, clip: Encoder) -> None:
    index_folder(filmed, folder, clip)
    state = (filmed / "clip.mp4").stat()
    (filmed / "clip.mp4").write_bytes(bytes(state.st_size))
    os.utime(filmed / "clip.mp4", ns=(state.st_atime_ns, state.st_mtime_ns))
    report = index_folder(filmed, folder, clip, engine=refuse)  # type: ignore[arg-type]
    assert (report.unchanged, report.rejected) == (5, ())


def test_a_video_that_was_only_touched_is_not_encoded_again(filmed: Path, folder: Path, clip: Encoder) -> None:
    index_folder(filmed, folder, clip)
    os.utime(filmed / "clip.mp4", (1e9, 1e9))
    assert index_folder(filmed, folder, clip, engine=refuse).unchanged == 5  # type: ignore[arg-type]
    assert set(Collection.open(folder).table(["mtime_ns"])["mtime_ns"].to_pylist()[1:]) >= {10**18}


def test_a_video_that_is_cut_loses_its_pictures_and_one_that_is_gone_all(
    filmed: Path, folder: Path, clip: Encoder
) -> None:
    index_folder(filmed, folder, clip)
    write_video(filmed / "clip.mp4", [SCENES[2], SCENES[3]])
    index_folder(filmed, folder, clip)
    assert read_paths(folder) == [*FRAMES[:2], "one.png"]
    (filmed / "clip.mp4").unlink()
    index_folder(filmed, folder, clip, allow_removals=True)
    assert read_paths(folder) == ["one.png"]


def test_a_video_that_was_moved_keeps_its_vectors(filmed: Path, folder: Path, clip: Encoder) -> None:
    index_folder(filmed, folder, clip)
    (filmed / "clip.mp4").rename(filmed / "renamed.mp4")
    report = index_folder(filmed, folder, clip, engine=refuse)  # type: ignore[arg-type]
    assert (report.moved, report.unchanged) == (4, 5)
    assert read_paths(folder) == ["one.png", *(name.replace("clip", "renamed") for name in FRAMES)]


def test_a_video_that_cannot_be_opened_any_more_keeps_its_vectors(filmed: Path, folder: Path, clip: Encoder) -> None:
    index_folder(filmed, folder, clip)
    (filmed / "clip.mp4").write_bytes(b"cut while it is copied")
    report = index_folder(filmed, folder, clip)
    assert [bad.name for bad in report.rejected] == FRAMES and report.unreached == 4
    assert read_paths(folder) == [*FRAMES, "one.png"]
    write_video(filmed / "clip.mp4", SCENES)
    assert index_folder(filmed, folder, clip).rejected == ()


def test_a_run_that_stops_within_a_video_is_gone_on_with(
    filmed: Path, folder: Path, clip: Encoder, tiny_clip: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        index_folder(filmed, folder, str(tiny_clip), engine=stop_after(2))
    assert read_paths(folder) == FRAMES[:2]
    report = index_folder(filmed, folder, clip)
    assert (report.added, report.unchanged) == (3, 2)
    assert read_paths(folder) == [*FRAMES, "one.png"]


def test_a_video_that_cannot_be_opened_is_listed_and_does_not_cost_the_others(
    filmed: Path, folder: Path, clip: Encoder
) -> None:
    (filmed / "broken.mkv").write_bytes(b"no video")
    for _ in range(2):
        report = index_folder(filmed, folder, clip)
        assert [bad.name for bad in report.rejected] == ["broken.mkv"]
    assert len(Collection.open(folder)) == 5


def test_without_pyav_known_pictures_stay_and_new_videos_are_counted(filmed: Path, folder: Path, clip: Encoder) -> None:
    index_folder(filmed, folder, clip)
    write_video(filmed / "clip.mp4", SCENES[:2])
    shutil.copy(filmed / "clip.mp4", filmed / "new.mp4")
    videos = Videos(lambda: read_known_videos(folder), installed=False)
    names = [file.name for file in videos.expand(list_files(filmed, videos=True))]
    assert names == [*FRAMES, "one.png"] and videos.left_out == 1


def test_a_list_may_name_videos_and_their_pictures(filmed: Path, folder: Path, clip: Encoder) -> None:
    (filmed / "list.txt").write_text("clip.mp4@3.3s\none.png\nclip.mp4\n")
    index_folder(filmed / "list.txt", folder, clip)
    assert read_paths(folder) == sorted([*FRAMES, "clip.mp4@3.3s", "one.png"])
    assert index_folder(filmed / "list.txt", folder, clip, engine=refuse).unchanged == 6  # type: ignore[arg-type]


def test_a_list_may_name_a_video_at_an_address(filmed: Path, folder: Path, clip: Encoder) -> None:
    locate("memory://listed/clip.mp4").write_bytes((filmed / "clip.mp4").read_bytes())
    (filmed / "list.txt").write_text("memory://listed/clip.mp4\n")
    assert index_folder(filmed / "list.txt", folder, clip).added == 4
    assert index_folder(filmed / "list.txt", folder, clip, engine=refuse).unchanged == 4  # type: ignore[arg-type]


def test_faults_of_a_picture_are_among_its_notes(tmp_path: Path, folder: Path, clip: Encoder) -> None:
    write_video(tmp_path / "filmed" / "clip.mp4", [Image.new("RGB", (64, 48)), SCENES[0]])
    index_folder(tmp_path / "filmed", folder, clip)
    notes = {row["path"]: row["notes"] for row in Collection.open(folder).table().to_pylist()}
    assert notes["clip.mp4@0s"] == ["picture 1 of 2 of a video", "black"]


def test_the_commands_take_a_picture_of_a_video(
    filmed: Path, folder: Path, tiny_clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["index", str(filmed), "--to", str(folder), "--model", str(tiny_clip)]) == 0
    assert cli.main(["search", str(folder), "--image", f"{filmed}/clip.mp4@6.1s", "--format", "csv"]) == 0
    assert "\n1,clip.mp4@6s," in capsys.readouterr().out
    assert cli.main(["search", str(folder), "--image", f"{filmed}/clip.mp4@60s"]) == 1
    assert "clip.mp4@60s lies behind the end of the video, which has 8.0 s" in capsys.readouterr().err
