"""Ray as the engine: the same collection as one process makes, and only what is new is sent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from clipsim.collections import Collection
from clipsim.distributed import Ray, part_size
from clipsim.errors import ClipsimError
from clipsim.indexing import index_folder


@pytest.mark.slow  # Ray starts twice
def test_ray_gives_the_collection_that_one_process_gives(
    tiny_clip: Path, tmp_path: Path, picture_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(70):
        picture_file(f"pictures/{seed:02}.jpg", seed)
    (tmp_path / "pictures" / "35.png").write_bytes(b"no picture")
    index_folder(tmp_path / "pictures", tmp_path / "one", str(tiny_clip), device="cpu")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    engine = Ray(workers=2, device="cpu")
    done = index_folder(tmp_path / "pictures", tmp_path / "two", str(tiny_clip), device="cpu", engine=engine)
    one, two = (Collection.open(tmp_path / name) for name in ("one", "two"))
    assert (done.added, [bad.name for bad in done.rejected]) == (70, ["35.png"])
    assert two.table().equals(one.table())
    assert np.array_equal(two.vectors(), one.vectors())
    assert two.verify() == []

    picture_file("pictures/new.jpg", 99)
    again = index_folder(tmp_path / "pictures", tmp_path / "two", str(tiny_clip), device="cpu", engine=engine)
    assert (again.added, again.unchanged, len(Collection.open(tmp_path / "two"))) == (1, 70, 71)


def test_parts_are_whole_batches_and_all_workers_have_several() -> None:
    assert [part_size(files, 2) for files in (1, 200, 1_000, 1_000_000)] == [16, 16, 64, 256]


def test_a_number_of_workers_that_cannot_be_is_refused() -> None:
    with pytest.raises(ClipsimError, match="-1 workers cannot work"):
        Ray(workers=-1)
