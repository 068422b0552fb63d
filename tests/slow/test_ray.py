"""Ray as the engine: the same collection as one process makes, and only what is new is sent."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clipsim.cli import main as cli
from clipsim.collections import Collection, index_folder
from clipsim.collections.ray import Ray, choose_part_size, share_cores
from clipsim.errors import ClipsimError, UsageError


def test_ray_gives_the_collection_that_one_process_gives(
    tiny_clip: Path, tmp_path: Path, picture_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(70):
        picture_file(f"pictures/{seed:02}.jpg", seed)
    (tmp_path / "pictures" / "35.png").write_bytes(b"no picture")
    index_folder(tmp_path / "pictures", tmp_path / "one", str(tiny_clip), device="cpu")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    engine = Ray(workers=2, held=40)
    done = index_folder(tmp_path / "pictures", tmp_path / "two", str(tiny_clip), device="cpu", engine=engine)
    one, two = (Collection.open(tmp_path / name) for name in ("one", "two"))
    assert (done.added, [bad.name for bad in done.rejected]) == (70, ["35.png"])
    assert two.table().equals(one.table())
    np.testing.assert_allclose(two.vectors(), one.vectors(), rtol=0, atol=1e-6)
    assert two.verify() == []

    picture_file("pictures/new.jpg", 99)
    again = index_folder(tmp_path / "pictures", tmp_path / "two", str(tiny_clip), device="cpu", engine=engine)
    assert (again.added, again.unchanged, len(Collection.open(tmp_path / "two"))) == (1, 70, 71)


def test_parts_are_whole_batches_and_all_workers_have_several() -> None:
    assert [choose_part_size(files, 2) for files in (1, 200, 1_000, 1_000_000)] == [16, 16, 32, 256]


def test_the_command_indexes_a_parquet_of_paths_on_ray(
    tiny_clip: Path, tmp_path: Path, picture_file: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(picture_file(f"{seed}.jpg", seed)) for seed in range(5)]
    pq.write_table(pa.table({"url": [*paths, "memory://nothing/there.jpg"]}), tmp_path / "list.parquet")
    command = ["index", str(tmp_path / "list.parquet"), "--to", str(tmp_path / "collection")]
    assert cli.main([*command, "--model", str(tiny_clip), "--engine", "ray", "--workers", "1"]) == 3  # one is not there
    said = capsys.readouterr()
    assert "5 added" in said.out and "memory://nothing/there.jpg cannot be fetched" in said.err
    assert Collection.open(tmp_path / "collection").table(["path"])["path"].to_pylist() == paths


def test_without_ray_the_engine_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray.data", None)
    monkeypatch.delitem(sys.modules, "clipsim.collections.ray")
    with pytest.raises(UsageError, match="not installed: run pip install"):
        importlib.import_module("clipsim.collections.ray")


def test_a_cluster_that_is_not_there_is_a_sentence(
    tiny_clip: Path, tmp_path: Path, picture_file: Callable[..., Path]
) -> None:
    picture_file("pictures/1.jpg")
    with pytest.raises(ClipsimError, match=r"No Ray cluster can be used at 127\.0\.0\.1:1 "):
        index_folder(tmp_path / "pictures", tmp_path / "x", str(tiny_clip), engine=Ray("127.0.0.1:1"))


def test_workers_fit_on_the_machines_that_there_are() -> None:
    small = {"CPU": 3.0}
    assert share_cores([{"CPU": 16.0}], 0, "auto") == (4, {"num_cpus": 4})
    assert share_cores([small, small], 0, "cpu") == (1, {"num_cpus": 3})  # six for one are on no machine
    assert share_cores([small, small], 3, "cpu") == (3, {"num_cpus": 1})
    assert share_cores([small, {"CPU": 8.0, "GPU": 2.0}], 0, "auto") == (2, {"num_cpus": 4, "num_gpus": 1})
    assert share_cores([{"CPU": 8.0, "GPU": 2.0}], 2, "cpu") == (2, {"num_cpus": 4})
    with pytest.raises(UsageError, match="There are 6 cores for 7 workers"):
        share_cores([small, small], 7, "cpu")


def test_a_number_of_workers_that_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="-1 workers cannot work"):
        Ray(workers=-1)


def test_ray_scores_a_list_a_row_group_at_a_time(
    tiny_clip: Path, tmp_path: Path, picture_file: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(picture_file(f"{seed % 6}.png", seed % 6)) for seed in range(12)]
    captions = [f"the cat {seed}" for seed in range(12)]
    pq.write_table(pa.table({"path": [*paths, "none.png"], "caption": [*captions, "x"]}), tmp_path / "list.parquet")
    pq.write_table(pq.read_table(tmp_path / "list.parquet"), tmp_path / "list.parquet", row_group_size=5)
    command = ["pairs", str(tmp_path / "list.parquet"), "--model", str(tiny_clip), "--device", "cpu"]
    assert cli.main([*command, "--to", str(tmp_path / "one.parquet")]) == 0
    assert cli.main([*command, "--to", str(tmp_path / "ray.parquet"), "--engine", "ray", "--workers", "2"]) == 0
    one, ray = (pq.read_table(tmp_path / f"{name}.parquet").to_pylist() for name in ("one", "ray"))
    assert [row["rejected"] for row in ray] == [row["rejected"] for row in one] and ray[12]["rejected"]
    for column in ("cosine", "percentile", "clipscore"):
        ours, theirs = ([row[column] for row in rows[:12]] for rows in (ray, one))
        assert ours == pytest.approx(theirs, abs=1e-4)
    assert [row["rank"] for row in ray] == [row["rank"] for row in one]
    (tmp_path / "list.csv").write_text("file,caption\n0.png,x\n")
    command[1] = str(tmp_path / "list.csv")
    assert cli.main([*command, "--to", str(tmp_path / "out.csv"), "--engine", "ray"]) == 2
    assert "takes lists in Parquet" in capsys.readouterr().err
