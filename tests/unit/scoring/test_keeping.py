"""Calibrations that users made: where they lie, and that none of other weights is used."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import cached_assets_path
from support import Hashed

import clipsim
from clipsim import ClipsimError, Encoder
from clipsim.scoring import Calibration
from clipsim.scoring.calibration import Cutoffs, read_calibration
from clipsim.scoring.keeping import find_own_calibration, keep_calibration, write_calibration
from clipsim.scoring.null_distribution import NullDistribution


@pytest.fixture(autouse=True)
def cache() -> Iterator[Path]:
    """The folder of the cache, without a calibration in it before and after."""
    folder = Path(cached_assets_path("clipsim", "calibration"))
    shutil.rmtree(folder)  # what another test kept
    folder.mkdir()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def checkpoint(tiny_clip: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_clip, tmp_path / "mine")


def load(folder: Path) -> Encoder:
    return clipsim.load(str(folder), "cpu")


def learned(match: float = 99.0, width: int = 24) -> Calibration:
    return Calibration(
        cutoffs=Cutoffs(match, 95.0, 0.05, 0.35),
        rates={"crop as-is as-written": {"true pairs called match": 0.5}},
        origin="pictures",
        null=NullDistribution.fit(np.arange(30.0)),
        mean=np.linspace(0, 1, width),
        directions=np.ones((2, width)),
        rest=0.25,
    )


def match_of(encoder: Encoder) -> float | None:
    own = find_own_calibration(encoder)
    return None if own is None else own.cutoffs.match


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    given = learned(99.123456789)
    write_calibration(tmp_path, "some", given, {"more": 1})
    read = read_calibration("some", tmp_path)
    assert read is not None
    assert (read.cutoffs, read.rates, read.origin) == (given.cutoffs, given.rates, given.origin)
    assert (read.rest, read.usual) == (given.rest, given.usual)
    assert read.mean == pytest.approx(given.mean)
    assert read.null.percentile(np.array([12.5])) == pytest.approx(given.null.percentile(np.array([12.5])))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["calibration-some.json", "calibration-some.npz"]


def test_what_an_earlier_version_wrote_is_read_as_it_was_meant(tmp_path: Path) -> None:
    write_calibration(tmp_path, "some", replace(learned(), usual=2.0), {})
    path = tmp_path / "calibration-some.json"
    known = json.loads(path.read_text())
    assert known.pop("usual") == 2.0
    path.write_text(json.dumps(known))
    read = read_calibration("some", tmp_path)
    assert read is not None
    assert read.usual == 0


def test_what_holds_for_names_is_kept_too(tmp_path: Path) -> None:
    given = learned()
    names = replace(given.unscaled(), cutoffs=Cutoffs(97.0, 90.0, 0.1, 0.4, 50.0), origin="names")
    write_calibration(tmp_path, "some", replace(given, names=names), {})
    read = read_calibration("some", tmp_path)
    assert read is not None and read.names is not None
    assert (read.names.cutoffs, read.names.origin) == (names.cutoffs, "names")
    assert read.of("a dog").cutoffs == names.cutoffs != read.of("a dog in the snow").cutoffs


def test_a_folder_that_is_moved_takes_its_calibration_along(checkpoint: Path, tmp_path: Path) -> None:
    keep_calibration(load(checkpoint), "as-written", learned(98.5), {})
    moved = checkpoint.rename(tmp_path / "elsewhere")
    assert match_of(load(moved)) == 98.5


def test_other_weights_in_the_same_folder_have_no_calibration(checkpoint: Path) -> None:
    keep_calibration(load(checkpoint), "as-written", learned(), {})
    weights = checkpoint / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert match_of(load(checkpoint)) is None


def test_a_folder_that_cannot_be_written_leaves_it_to_the_cache(checkpoint: Path, cache: Path) -> None:
    (checkpoint / "calibration-clipsim.npz" / "in the way").mkdir(parents=True)
    kept = keep_calibration(load(checkpoint), "as-written", learned(98.5), {})
    assert kept.parent == cache
    assert match_of(load(checkpoint)) == 98.5
    shutil.rmtree(checkpoint / "calibration-clipsim.npz")
    assert keep_calibration(load(checkpoint), "as-written", learned(97.5), {}).parent == checkpoint
    assert match_of(load(checkpoint)) == 97.5  # and not that of the cache, which is older
    assert list(cache.iterdir()) == []


def test_where_nothing_can_be_written_it_is_an_error_that_names_the_folder(cache: Path) -> None:
    encoder = Hashed()
    kept = keep_calibration(encoder, "as-written", learned(width=8), {})
    kept.with_suffix(".npz").unlink()
    (kept.with_suffix(".npz") / "in the way").mkdir(parents=True)
    with pytest.raises(ClipsimError, match=str(cache)):
        keep_calibration(encoder, "as-written", learned(width=8), {})


def test_a_calibration_that_is_written_anew_is_read_anew() -> None:
    encoder = Hashed()
    assert match_of(encoder) is None
    for match in (99.5, 98.5):
        kept = keep_calibration(encoder, "as-written", learned(match, width=8), {})
        assert match_of(encoder) == match
    kept.unlink()
    assert match_of(encoder) is None


@pytest.mark.parametrize("ending", [".json", ".npz"])
@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\x00"])
def test_a_damaged_calibration_counts_as_none(ending: str, content: bytes) -> None:
    kept = keep_calibration(Hashed(), "as-written", learned(width=8), {})
    kept.with_suffix(ending).write_bytes(content)
    assert match_of(Hashed()) is None


def test_half_of_a_newer_calibration_is_not_mixed_with_the_older_half(tmp_path: Path) -> None:
    kept = keep_calibration(Hashed(), "as-written", learned(width=8), {})
    write_calibration(tmp_path, "newer", learned(98.0, width=8), {})
    shutil.copy(tmp_path / "calibration-newer.npz", kept.with_suffix(".npz"))
    assert match_of(Hashed()) == 99.0  # the same moments
    write_calibration(tmp_path, "newer", learned(98.0, width=9), {})
    shutil.copy(tmp_path / "calibration-newer.npz", kept.with_suffix(".npz"))
    assert match_of(Hashed()) is None


def test_a_calibration_of_another_width_is_not_used() -> None:
    keep_calibration(Hashed(), "as-written", learned(width=9), {})
    assert match_of(Hashed()) is None
