"""A generator in a process of its own: its results, its errors, and its end, however that comes."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from clipsim.collections.apart import EndedError, run_apart
from clipsim.encoders.registry import check_device
from clipsim.errors import ClipsimError

COUNT = """
import time
from itertools import count
from clipsim.collections.apart import run_apart
for number in run_apart(count):
    print(number, flush=True)
    time.sleep(number)
"""


def find_children(parent: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True, check=False)
    return [int(one) for one in found.stdout.split()]


def is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
        return True
    except ProcessLookupError:
        return False


def test_results_come_in_order_also_large_ones() -> None:
    assert [*run_apart(iter, [b"x" * 1_000_000, 2, None])] == [b"x" * 1_000_000, 2, None]


def test_a_process_that_is_ended_from_within_is_an_error() -> None:
    with pytest.raises(EndedError, match="status 7"):
        next(run_apart(os._exit, 7))


def test_an_error_is_raised_here() -> None:
    with pytest.raises(TypeError, match="not iterable"):
        next(run_apart(iter, 5))


def test_an_error_that_is_made_in_its_own_way_comes_as_its_sentence() -> None:
    with pytest.raises(ClipsimError, match="device 'red' is not known: use"):
        next(run_apart(check_device, "red"))  # type: ignore[arg-type]


def test_it_ends_with_the_process_that_began_it() -> None:
    process = subprocess.Popen([sys.executable, "-c", COUNT], stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "0\n"
    (child,) = find_children(process.pid)
    process.kill()
    process.communicate()
    end = time.monotonic() + 10
    while is_there(child) and time.monotonic() < end:
        time.sleep(0.1)
    assert not is_there(child)
