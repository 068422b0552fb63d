"""Encoding on Ray, on one machine or many: workers write segments of a collection, and whoever started them commits.

Ray Data keeps the order of the files, so that a collection has the rows and vectors that one process would make, but
for rounding where that has another number of threads. Each worker reads the pictures itself and writes to the folder of
the collection: both must have the same names on every machine, as addresses have, and so must a model in a folder.
"""

from __future__ import annotations

import logging
import math
import os
import pickle
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from clipsim.collections.apart import EndedError, run_apart
from clipsim.collections.encoding import PART, EncodedPart, Files, encode_files
from clipsim.collections.store.manifest import EmbeddingConfig
from clipsim.collections.store.runs import get_mark
from clipsim.encoders import BATCH
from clipsim.errors import ClipsimError, UsageError
from clipsim.images import Location

try:
    import ray.data
    from ray.exceptions import RayError
except ImportError as error:
    raise UsageError('The engine ray is not installed: run pip install "clipsim[ray]".') from error

WORKER_CORES = 4  # of a worker where nobody says how many workers there are
PACKAGE = Path(__file__).resolve().parents[1]
PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}  # threads that spin would take others' cores
HELD = 131_072  # items that are handed out together: they are held in memory, and workers start anew for the next ones
TIMEOUT = 10.0  # seconds to reach a cluster
TURNS = 16  # parts a worker has at least, where there are enough pictures, so that none waits long for the last one


@dataclass(frozen=True)
class Ray:
    """An `Engine` on Ray. Importing it raises a `UsageError` where Ray is not installed.

    The cluster at `address` ("10.0.0.1:6379", "ray://10.0.0.1:10001", "auto") is used; where that is "" the one of
    RAY_ADDRESS, else one that is started on this machine and ends with the run.
    """

    address: str = ""
    workers: int = 0  # encoders that share the cores; 0 for one a GPU, else one for `WORKER_CORES` cores
    held: int = HELD  # items that are handed out together

    def __post_init__(self) -> None:
        """Raise a `UsageError` if the number of workers makes no sense."""
        if self.workers < 0:
            raise UsageError(f"{self.workers} workers cannot work: give 1 or more, or 0 for what suits the machines.")

    def __call__(
        self, files: Files, folder: Location, config: EmbeddingConfig, device: str = "auto"
    ) -> Iterator[EncodedPart]:
        """Encode files on the workers, as `encode_files` does here.

        Raises:
            UsageError: there are fewer cores than workers, or workers cannot load the collection's model.
            ClipsimError: the cluster cannot be reached, or a worker was lost too often.
        """
        if not config.origin:
            raise UsageError(f"Workers cannot load {config.model}: use a model that has a name or a folder.")
        folder = folder.resolve() if isinstance(folder, Path) else folder
        done = 0
        for part in self.run(files, _Worker, (folder, config, device, get_mark()), device):
            done += len(part.paths) + len(part.failed)
            yield part
        if done != len(files):  # each part is one that was asked for, whichever worker made it
            raise ClipsimError(f"Workers on Ray were lost with {len(files) - done} of the pictures: run it again.")

    def run(
        self,
        items: Files | Sequence[Any],
        worker: type,
        arguments: tuple[Any, ...],
        device: str,
        size: int | None = None,
    ) -> Iterator[Any]:
        """Let workers, each made with `arguments`, work on items in their order, so many of a `size` at a time.

        A worker gets pickled items as the column "item", and yields pickled results as the column "part". None for the
        size takes what keeps all of them busy. Unless Ray is in use here already, it is in a process of its own, which
        Ray ends when the head of the cluster is gone.
        """
        rest = iter(items)
        while some := [*islice(rest, self.held)]:
            run = partial(self._run_here, some, len(items), worker, arguments, device, size)
            try:
                yield from run() if ray.is_initialized() else run_apart(run)
            except EndedError as error:
                raise ClipsimError(
                    "Ray ended the run, as it does when the head of its cluster is gone: what was reported done is "
                    "kept, run it again."
                ) from error

    def _run_here(
        self, items: list[Any], total: int, worker: type, arguments: tuple[Any, ...], device: str, size: int | None
    ) -> Iterator[Any]:
        with self._connect(), _explain_errors():
            machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
            workers, share = share_cores(machines, self.workers, device)
            size = size or choose_part_size(total, workers)
            context = ray.data.DataContext.get_current()
            context.enable_progress_bars = False
            context.execution_options.preserve_order = True
            pickled = [{"item": pickle.dumps(item)} for item in items]
            done = ray.data.from_items(pickled, override_num_blocks=-(-len(items) // size)).map_batches(
                worker,
                batch_size=size,
                batch_format="numpy",
                fn_constructor_args=arguments,
                compute=ray.data.ActorPoolStrategy(size=workers),
                **share,
            )
            for row in done.iter_rows():
                yield pickle.loads(row["part"])

    @contextmanager
    def _connect(self) -> Iterator[None]:
        """Have a cluster to work on: one that was started for this is ended, one that was there is left."""
        if ray.is_initialized():
            yield
            return
        address = self.address or os.environ.get("RAY_ADDRESS") or "local"
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # it warns of what Ray Data itself does
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        settings: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
        try:
            if address == "local":
                settings |= {"include_dashboard": False, "num_cpus": max(self.workers, count_cores())}
                with _prepare_environment():
                    ray.init(address, **settings)
            else:
                _check_reachable(address)
                environment = {"py_modules": [str(PACKAGE)], "env_vars": PASSIVE}
                ray.init(address, runtime_env=environment, **settings)
        except (OSError, OverflowError, RuntimeError, ValueError) as error:
            raise ClipsimError(
                f"No Ray cluster can be used at {address} ({error}): see that it runs, and set RAY_AUTH_MODE=token if "
                "it wants a token."
            ) from error
        try:
            yield
        finally:
            ray.shutdown()


class _Worker:
    """An encoder in a process of its own; Ray sets OMP_NUM_THREADS to its share of the cores."""

    def __init__(self, folder: Location, config: EmbeddingConfig, device: str, mark: str) -> None:
        encoder = config.load(device)
        # one part whatever the time, since the parts of a worker that was lost are told from its successor's by number
        self._encode = partial(
            encode_files,
            folder=folder,
            config=config,
            device=device,
            encoder=encoder,
            part=sys.maxsize,
            seconds=math.inf,
            mark=mark,
        )

    def __call__(self, batch: dict[str, np.ndarray]) -> Iterator[dict[str, list[bytes]]]:
        """Encode pickled files, and yield one pickled `EncodedPart` for all of them."""
        files = [pickle.loads(file) for file in batch["item"]]
        for part in self._encode(files):
            yield {"part": [pickle.dumps(part)]}


def choose_part_size(files: int, workers: int) -> int:
    """Return how many files a worker gets at a time: whole batches, few enough that all are busy till the end."""
    batches = -(-files // (workers * TURNS * BATCH))
    return min(batches * BATCH, PART)


def share_cores(machines: list[dict[str, float]], workers: int, device: str) -> tuple[int, dict[str, float]]:
    """Return how many workers there are, and what each has of the machine that it is on: num_cpus, num_gpus.

    `machines` are what each has, as Ray tells it: CPU, GPU; `workers` is as in `Ray`, `device` as for `clipsim.load`.
    Fewer cores than workers are a `UsageError`.
    """
    cores = [int(machine.get("CPU", 0)) for machine in machines]
    gpus = [int(machine.get("GPU", 0)) for machine in machines]
    if sum(gpus) and device not in ("cpu", "mps"):
        each = min(own // count for own, count in zip(cores, gpus, strict=True) if count)
        return min(workers or sum(gpus), sum(gpus)), {"num_cpus": max(each, 1), "num_gpus": 1}
    workers = workers or max(sum(own // WORKER_CORES for own in cores), 1)
    if workers > sum(cores):
        raise UsageError(f"There are {sum(cores)} cores for {workers} workers: use fewer workers.")
    # as many cores as fit, so that no worker waits for a machine that is larger than any
    return workers, {"num_cpus": next(n for n in range(max(cores), 0, -1) if sum(own // n for own in cores) >= workers)}


def count_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check_reachable(address: str) -> None:
    """Raise what `socket` does if nothing listens at host:port; Ray itself would go on trying for many minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():  # else "auto", or what Ray will explain
        socket.create_connection((host.strip("[]"), int(port)), timeout=TIMEOUT).close()


@contextmanager
def _prepare_environment() -> Iterator[None]:
    """Set what Ray's processes on this machine begin with, so that workers import this very package.

    They start sooner than with a runtime environment of Ray's own.
    """
    before = {name: value for name, value in os.environ.items() if name in (*PASSIVE, "PYTHONPATH")}
    path = os.pathsep.join(filter(None, [str(PACKAGE.parent), before.get("PYTHONPATH")]))
    os.environ.update(PASSIVE | {"PYTHONPATH": path})
    try:
        yield
    finally:
        for name in (*PASSIVE, "PYTHONPATH"):
            del os.environ[name]
        os.environ.update(before)


@contextmanager
def _explain_errors() -> Iterator[None]:
    """Raise what a worker raises on purpose as it was, and turn what Ray raises into one sentence."""
    try:
        yield
    except RayError as error:
        cause: BaseException | None = error
        while cause and not isinstance(cause, ClipsimError):
            cause = getattr(cause, "cause", None) or cause.__cause__
        if cause:
            raise cause from error
        last = str(error).strip().splitlines()[-1]
        raise ClipsimError(
            f"The workers on Ray failed ({last}): what was reported done is kept, run it again."
        ) from error
