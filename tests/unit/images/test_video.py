"""Pictures of videos: as a player shows them, by names with a time, keyframes that differ."""

from __future__ import annotations

import sys
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from support import paint
from support.videos import write_video

from clipsim.errors import ImageError
from clipsim.images import collect_images, list_keyframes, locate, name_frame, parse_frame, read_contents, resolve_entry
from clipsim.images.video import read_frame

SIZE = (64, 48)
SCENES = [paint(*SIZE, seed) for seed in range(4)]


def open_frame(video: Path, seconds: float) -> Image.Image:
    return Image.open(BytesIO(read_frame(video, seconds)))


def differ(one: Image.Image, other: Image.Image) -> float:
    """Return the mean difference of two pictures, 0 to 255."""
    return float(np.abs(np.asarray(one, np.float32) - np.asarray(other, np.float32)).mean())


def test_a_picture_is_what_a_player_shows_at_its_time(tmp_path: Path) -> None:
    video = write_video(tmp_path / "clip.mp4", SCENES)
    for seconds, scene in ((0, 0), (1.9, 0), (2, 1), (3.999, 1), (4, 2), (7.95, 3)):
        assert [differ(open_frame(video, seconds), one) < 8 for one in SCENES] == [n == scene for n in range(4)]


def test_times_count_from_the_first_frame_whatever_number_it_has(tmp_path: Path) -> None:
    video = write_video(tmp_path / "clip.mkv", SCENES, first=300)
    assert differ(open_frame(video, 2.5), SCENES[1]) < 8
    assert [one.seconds for one in list_keyframes(video)] == [0, 2, 4, 6]


def test_a_video_is_turned_and_stretched_as_a_player_does_it(tmp_path: Path) -> None:
    turned = open_frame(write_video(tmp_path / "turned.mp4", SCENES[:1], rotation=90), 0)
    assert turned.size == SIZE[::-1] and differ(turned, SCENES[0].rotate(90, expand=True)) < 8
    wide = open_frame(write_video(tmp_path / "wide.mp4", SCENES[:1], aspect=Fraction(3, 2)), 0)
    assert wide.size == (96, 48) and differ(wide, SCENES[0].resize((96, 48))) < 8


@pytest.mark.parametrize(("seconds", "name"), [(12.4, "a.mp4@12.4s"), (3, "a.mp4@3s"), (0.0333, "a.mp4@0.033s")])
def test_a_name_says_video_and_time(seconds: float, name: str) -> None:
    assert name_frame("a.mp4", seconds) == name
    video, parsed = parse_frame(name) or ("", -1)
    assert video == "a.mp4" and parsed == pytest.approx(seconds, abs=0.0005)


@pytest.mark.parametrize("name", ["a.mp4", "a.jpg@3s", "a.mp4@3", "a.mp4@s", "@3s", "a.mp4@-1s", "a.mp4@1e9s"])
def test_other_names_are_no_pictures_of_a_video(name: str) -> None:
    assert parse_frame(name) is None


def test_keyframes_that_nearly_equal_the_one_before_or_follow_at_once_are_left_out(tmp_path: Path) -> None:
    noisy = Image.fromarray(np.clip(np.asarray(SCENES[1], np.int16) + 3, 0, 255).astype(np.uint8))
    video = write_video(tmp_path / "clip.mp4", [SCENES[0], SCENES[1], noisy, SCENES[1], SCENES[2]])
    assert [one.seconds for one in list_keyframes(video)] == [0, 2, 8]
    quick = write_video(tmp_path / "quick.mp4", SCENES, each=0.4)
    assert [one.seconds for one in list_keyframes(quick)] == [0, 1.2]
    assert [one.seconds for one in list_keyframes(quick, gap=0)] == [0, 0.4, 0.8, 1.2]


def test_black_and_blurred_keyframes_are_marked(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sharp = Image.fromarray(rng.integers(0, 2, (24, 32, 3), np.uint8) * 255).resize(
        (256, 192), Image.Resampling.NEAREST
    )
    blurred = sharp.filter(ImageFilter.GaussianBlur(9))
    moved = Image.fromarray(np.asarray(sharp)[:, np.arange(256)[:, None] - np.arange(40)].mean(2).astype(np.uint8))
    black, grey = Image.new("RGB", sharp.size), Image.new("RGB", sharp.size, "grey")
    video = write_video(tmp_path / "clip.mp4", [sharp, black, sharp, blurred, sharp, moved, grey])
    assert [one.notes for one in list_keyframes(video)] == [(), ("black",), (), ("blurred",), (), ("blurred",), ()]


def test_a_time_behind_the_end_says_how_long_the_video_is(tmp_path: Path) -> None:
    video = write_video(tmp_path / "clip.mp4", SCENES)
    with pytest.raises(ImageError, match=r"clip\.mp4@9s lies behind the end of the video, which has 8\.0 s"):
        read_frame(video, 9)


def test_what_is_no_video_is_said(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    with pytest.raises(ImageError, match="is not a video that can be read here"):
        list_keyframes(tmp_path / "clip.mp4")
    with pytest.raises(ImageError, match=r"none\.mp4@1s cannot be opened \(No such file or directory\)"):
        read_frame(tmp_path / "none.mp4", 1)


def test_without_pyav_a_video_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ImageError, match=r'run pip install "clipsim\[video\]"'):
        read_frame(tmp_path / "clip.mp4", 1)


def test_a_picture_of_a_video_is_named_like_a_file(tmp_path: Path) -> None:
    video = write_video(tmp_path / "clip.mp4", SCENES)
    ((source, name),) = collect_images(f"{video}@2.5s")
    assert name == "clip.mp4@2.5s" and isinstance(source, bytes) and source == read_frame(video, 2.5)
    first, second, missing = read_contents(resolve_entry(tmp_path, f"clip.mp4@{one}s") for one in (2, 2.5, 99))
    assert first.digest == second.digest and first.size == video.stat().st_size  # as long as one picture is shown
    assert missing.problem.startswith("lies behind the end")


def test_a_file_that_has_the_name_of_a_frame_is_that_file(tmp_path: Path) -> None:
    SCENES[0].save(path := tmp_path / "clip.mp4@2.5s", "PNG")
    assert collect_images([str(path)]) == [(path, path.name)]


def test_a_video_at_an_address_is_read_there(tmp_path: Path) -> None:
    address = locate("memory://videos/clip.mp4")
    address.write_bytes(write_video(tmp_path / "clip.mp4", SCENES).read_bytes())
    assert [one.seconds for one in list_keyframes(address)] == [0, 2, 4, 6]
    (content,) = read_contents([resolve_entry(tmp_path, "memory://videos/clip.mp4@4s")])
    assert content.source == read_frame(tmp_path / "clip.mp4", 4)
