"""What is being scored for whom, and how its visitor ends it."""

import pytest

from clipsim.web.runs import CancelledError, Runs


def test_a_run_is_ended_by_its_own_session_alone() -> None:
    runs = Runs()
    with runs.begin("mine") as mine, runs.begin("another's") as other:
        runs.end("mine")
        with pytest.raises(CancelledError):
            mine.check()
        other.check()


def test_a_run_that_waits_is_ended_as_it_begins_and_the_next_one_runs() -> None:
    runs = Runs()
    runs.end("mine")
    with runs.begin("mine") as waited, pytest.raises(CancelledError):
        waited.check()
    with runs.begin("mine") as later:
        later.check()


def test_only_so_many_sessions_are_remembered() -> None:
    runs = Runs()
    for session in range(1001):
        runs.end(str(session))
    with runs.begin("0") as forgotten:
        forgotten.check()
