"""Answers that nobody fetches: dropped after a while, the oldest first where they are too large together."""

from __future__ import annotations

import asyncio
import time

import pytest
from gradio.server_messages import EstimationMessage, EventMessage, ProcessCompletedMessage

from clipsim.web.unfetched import Unfetched


def answer(size: int) -> EventMessage:
    return ProcessCompletedMessage(output={"data": ["x" * size]}, success=True)


def test_the_oldest_answers_go_where_all_are_too_large_together() -> None:
    forgotten: list[str] = []
    unfetched = Unfetched(forgotten.append, most_bytes=250_000)
    for session in ("a", "b", "c"):
        unfetched[session] = asyncio.Queue()
        unfetched[session].put_nowait(answer(100_000))
        time.sleep(0.01)
    assert list(unfetched) == ["b", "c"] and forgotten == ["a"]
    unfetched["a"].put_nowait(answer(10))  # to a session that is no longer kept: nobody will ask
    assert "a" not in unfetched


def test_one_session_is_limited_like_many() -> None:
    unfetched = Unfetched(most_bytes=250_000)
    unfetched["a"] = asyncio.Queue()
    for _ in range(9):
        unfetched["a"].put_nowait(answer(100_000))
    assert "a" not in unfetched


def test_an_answer_goes_that_is_not_fetched_in_time() -> None:
    unfetched = Unfetched(most_seconds=0.05)
    unfetched["waits in the queue"] = asyncio.Queue()
    unfetched["waits in the queue"].put_nowait(EstimationMessage(queue_size=1, rank=0))
    unfetched["is not fetched"] = asyncio.Queue()
    unfetched["is not fetched"].put_nowait(answer(1))
    unfetched.drop()
    assert len(unfetched) == 2
    time.sleep(0.1)
    unfetched.drop()
    assert list(unfetched) == ["waits in the queue"]


def test_what_is_fetched_counts_no_more_however_long_the_session_lasts() -> None:
    unfetched = Unfetched(most_bytes=250_000, most_seconds=0.05)
    unfetched["a"] = asyncio.Queue()
    for _ in range(9):
        message = answer(100_000)
        time.sleep(0.06)
        unfetched["a"].put_nowait(message)
        assert unfetched["a"].get_nowait() is message
    assert unfetched["a"].size == 0 and unfetched["a"].empty()


def test_no_more_sessions_are_kept_than_in_gradio() -> None:
    forgotten: list[str] = []
    unfetched = Unfetched(forgotten.append)
    for number in range(2005):
        unfetched[str(number)] = asyncio.Queue()
    assert len(unfetched) == 2000 and forgotten == ["0", "1", "2", "3", "4"]


def test_it_is_waited_for_as_in_gradio() -> None:
    async def wait() -> EventMessage:
        unfetched = Unfetched()
        unfetched["a"] = asyncio.Queue()
        waiting = asyncio.create_task(unfetched["a"].get())
        await asyncio.sleep(0)
        unfetched["a"].put_nowait(answer(5))
        return await asyncio.wait_for(waiting, 5)

    assert asyncio.run(wait()).msg == "process_completed"


@pytest.mark.parametrize("session", ["", "never asked"])
def test_a_session_that_nobody_began_is_not_there(session: str) -> None:
    assert session not in Unfetched()
