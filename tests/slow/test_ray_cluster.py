"""Ray on several nodes of which some are lost: the same collection as one process makes, and nothing stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from ray.cluster_utils import Cluster
from support import paint

from clipsim import Collection, index_folder
from clipsim.collections import Manifest
from clipsim.collections.store import Writer
from clipsim.collections.store.numbered import list_numbers

PICTURES = 600
RUN = """
import sys
import clipsim
from clipsim.collections.ray import Ray
source, folder, model, address = sys.argv[1:]
engine = Ray(address, 2)
try:
    clipsim.index_folder(
        source, folder, model, device="cpu", engine=engine, progress=lambda done, of: print(done, flush=True)
    )
except clipsim.ClipsimError as error:
    print(error, file=sys.stderr)
    sys.exit(1)
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    for seed in range(PICTURES):
        paint(300, 300, seed).save(folder / f"{seed:03}.png")
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def alone(source: Path, tiny_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """The collection that one process makes."""
    index_folder(source, folder := tmp_path_factory.mktemp("collections") / "alone", str(tiny_clip), device="cpu")
    return Collection.open(folder)


def make_cluster() -> Cluster:
    """Start a head that has no cores, and two nodes with two each."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(2):
        cluster.add_node(num_cpus=2)
    cluster.wait_for_nodes()
    return cluster


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    cluster = make_cluster()
    yield cluster
    cluster.shutdown()


class Driver:
    """`index` on a cluster, in a process of its own."""

    def __init__(self, source: Path, folder: Path, model: Path, address: str) -> None:
        self.done = 0
        command = [sys.executable, "-c", RUN, *map(str, (source, folder, model)), address]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def wait_until(self, done: int) -> None:
        """Wait until so many pictures are reported done."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.done = int(line) if line.strip().isdecimal() else self.done  # Ray tells here of workers that died
            if self.done >= done:
                return
        raise AssertionError(self.finish())

    def finish(self, seconds: float = 240.0) -> tuple[int, str]:
        """Return the exit status and what was said to the standard error."""
        _, said = self.process.communicate(timeout=seconds)
        return self.process.returncode, said


Start = Callable[..., Driver]  # of the cluster, or of another one


@pytest.fixture
def start(source: Path, tmp_path: Path, tiny_clip: Path, cluster: Cluster) -> Iterator[Start]:
    drivers = []

    def begin(other: Cluster | None = None) -> Driver:
        drivers.append(Driver(source, tmp_path / "collection", tiny_clip, (other or cluster).address))
        return drivers[-1]

    yield begin
    for driver in drivers:
        driver.process.kill()
        driver.process.communicate()


def find_workers(cluster: Cluster) -> list[int]:
    """Return the processes of a cluster that encode."""
    raylets = {
        int(process.process.pid)
        for node in cluster.list_all_nodes()
        for kind, processes in node.all_processes.items()
        if kind == "raylet"
        for process in processes
    }
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                title = (entry / "cmdline").read_text()
            except OSError:
                continue
            if parent in raylets and "MapWorker" in title:
                found.append(int(entry.name))
    return found


def assert_same(folder: Path, alone: Collection) -> None:
    """Assert that a collection is the one that one process made, and that the next run leaves nothing else there."""
    collection = Collection.open(folder)
    assert collection.verify() == []
    ours, theirs = ({row["path"]: row for row in one.table().to_pylist()} for one in (collection, alone))
    assert ours == theirs
    order = [one.table(["path"])["path"].to_pylist() for one in (collection, alone)]
    assert order[0] == order[1]
    np.testing.assert_allclose(collection.vectors(), alone.vectors(), rtol=0, atol=1e-6)
    assert [bad.name for bad in collection.rejected] == ["broken.png"]
    with Writer(folder):  # as in the next run
        pass
    kept = [Manifest.load(folder, number) for number in list_numbers(folder)]
    named = {name for manifest in kept if manifest for name in manifest.files()}
    assert {f"segments/{path.name}" for path in (folder / "segments").iterdir()} <= named


def test_workers_that_are_killed_are_replaced(
    start: Start, cluster: Cluster, tmp_path: Path, alone: Collection
) -> None:
    driver = start()
    for done in (30, 200, 400):
        driver.wait_until(done)
        for pid in find_workers(cluster)[:1]:
            os.kill(pid, signal.SIGKILL)
    assert driver.finish()[0] == 0
    assert_same(tmp_path / "collection", alone)


def test_a_node_that_is_lost_is_done_without(start: Start, cluster: Cluster, tmp_path: Path, alone: Collection) -> None:
    driver = start()
    driver.wait_until(60)
    cluster.remove_node(cluster.list_all_nodes()[-1], allow_graceful=False)
    assert driver.finish()[0] == 0
    assert_same(tmp_path / "collection", alone)


def test_a_head_that_is_restarted_ends_the_run_and_the_next_one_goes_on(
    start: Start, cluster: Cluster, tmp_path: Path, alone: Collection
) -> None:
    driver = start()
    driver.wait_until(60)
    cluster.head_node.kill_gcs_server()
    cluster.head_node.start_gcs_server()
    status, said = driver.finish()  # a head that keeps its state nowhere else knows of no run
    assert status == 1 and said.endswith("what was reported done is kept, run it again.\n")
    assert len(Collection.open(tmp_path / "collection")) >= driver.done - 1  # the broken one counts as done
    cluster.shutdown()
    anew = make_cluster()
    try:
        assert start(anew).finish()[0] == 0
    finally:
        anew.shutdown()
    assert_same(tmp_path / "collection", alone)


def test_what_a_killed_driver_leaves_ends_and_is_cleaned_up_by_the_next_run(
    start: Start, cluster: Cluster, tmp_path: Path, alone: Collection
) -> None:
    driver = start()
    driver.wait_until(60)
    driver.process.kill()
    end = time.monotonic() + 60
    while find_workers(cluster) and time.monotonic() < end:
        time.sleep(0.2)
    assert find_workers(cluster) == []
    assert len(Collection.open(tmp_path / "collection")) >= driver.done - 1
    assert start().finish()[0] == 0
    assert_same(tmp_path / "collection", alone)
