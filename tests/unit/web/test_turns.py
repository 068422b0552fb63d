"""Who waits for a lock gets it in turn."""

from __future__ import annotations

import threading
import time

from clipsim.web.turns import Turns


def test_nobody_has_it_beside_another() -> None:
    turns, inside, most = Turns(), 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(50):
            with turns:
                inside += 1
                most = max(most, inside)
                time.sleep(0)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, inside) == (1, 0)


def test_who_works_on_and_on_lets_another_have_it_after_one_piece() -> None:
    turns, pieces, done = Turns(), 0, threading.Event()
    holding = threading.Event()

    def work_on() -> None:
        nonlocal pieces
        while not done.is_set():
            with turns:
                pieces += 1
                holding.set()
                time.sleep(0.02)

    worker = threading.Thread(target=work_on)
    worker.start()
    holding.wait()
    waits = []
    for _ in range(5):
        before = pieces
        with turns:
            waits.append(pieces - before)
    done.set()
    worker.join()
    assert max(waits) <= 1


def test_an_error_passes_it_on() -> None:
    turns = Turns()
    try:
        with turns:
            raise ValueError("within")
    except ValueError:
        pass
    with turns:
        pass
