"""Pictures are decoded by processes that are held to time and memory, with what this process would make of them."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import paint
from support.decoding import burn, crash, give, hoard, rest, see

from clipsim import ImageError
from clipsim.images import Children, decode_here, read, reduce
from clipsim.images.costs import estimate_bytes

MB = 1_000_000


@pytest.fixture(scope="module")
def children() -> Iterator[Children]:
    pool = Children(5, 600 * MB, 3)
    yield pool
    pool.close()


def saved(form: str, size: tuple[int, int] = (64, 48), mode: str = "RGB", **options: object) -> bytes:
    data = BytesIO()
    paint(*size).convert(mode).save(data, form, **options)
    return data.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        saved("JPEG"),
        saved("PNG", mode="RGBA"),
        saved("PNG", mode="P"),
        saved("TIFF", mode="CMYK"),
        saved("TIFF", mode="F"),
        saved("GIF", save_all=True, append_images=[paint(64, 48, seed=2)]),
    ],
)
def test_a_child_reads_what_this_process_reads(children: Children, data: bytes) -> None:
    here, there = (decode(read, data, "a") for decode in (decode_here, children))
    assert np.array_equal(np.asarray(here.image), np.asarray(there.image))
    assert (here.name, here.notes, here.image.mode) == (there.name, there.notes, there.image.mode)


def test_what_came_with_a_file_does_not_cross(children: Children) -> None:
    data = saved("JPEG", comment=b"x" * 1000, icc_profile=b"y" * 1000)
    assert children(read, data, "a").image.info == {}


@pytest.mark.parametrize("source", [b"", b"no picture", "no such file", saved("JPEG")[:500]])
def test_a_child_refuses_what_this_process_refuses(children: Children, source: bytes | str) -> None:
    sentences = []
    for decode in (decode_here, children):
        with pytest.raises(ImageError) as error:
            decode(read, source, "a")
        sentences.append((str(error.value), error.value.code))
    assert sentences[0] == sentences[1]


def test_a_picture_that_takes_too_long_is_refused_and_the_next_is_read() -> None:
    pool = Children(0.5, 600 * MB, 2)
    began = time.monotonic()
    with pytest.raises(ImageError, match=r"a takes longer than 0\.5 s to decode: "):
        pool(burn, saved("PNG"), "a")
    assert time.monotonic() - began < 30  # on a busy machine; it would never end
    assert pool(reduce_to(9), saved("PNG"), "b").size == (9, 7)
    pool.close()


def test_a_picture_that_waits_for_ever_is_refused_too() -> None:
    pool = Children(0.25, 600 * MB, 2)
    with pytest.raises(ImageError, match=r"a takes longer than 0\.25 s"):
        pool(partial(rest, seconds=600), saved("PNG"), "a")
    assert pool.running == []


def test_a_picture_may_take_memory_up_to_the_limit(children: Children) -> None:
    assert children(partial(hoard, size=500 * MB), saved("PNG"), "a") == 500 * MB
    with pytest.raises(ImageError, match="a takes more memory than 600 MB to decode: make it smaller"):
        children(partial(hoard, size=700 * MB), saved("PNG"), "a")


def test_a_picture_that_breaks_its_decoder_is_refused_and_the_next_is_read(children: Children) -> None:
    with pytest.raises(ImageError, match="a breaks the program that decodes it: "):
        children(crash, saved("PNG"), "a")
    assert children(reduce_to(9), saved("PNG"), "b").size == (9, 7)


def test_a_child_that_is_killed_is_replaced(children: Children) -> None:
    children(reduce_to(9), saved("PNG"), "a")
    before = set(children.running)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    assert children(reduce_to(9), saved("PNG"), "b").size == (9, 7)
    assert before.isdisjoint(children.running)


def test_a_picture_whose_child_is_killed_meanwhile_is_read_by_another() -> None:
    pool = Children(60, 600 * MB, 2)
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(pool, partial(rest, seconds=3), saved("PNG"), "a")
        while not pool.running:
            time.sleep(0.01)
        time.sleep(2)
        os.kill(pool.running[0], signal.SIGKILL)
        assert answer.result() == 3
    pool.close()


def test_children_end_with_their_pool() -> None:
    pool = Children(10, 600 * MB, 2)
    pool(reduce_to(9), saved("PNG"), "a")
    (pid,) = pool.running
    pool.close()
    assert not Path(f"/proc/{pid}").exists()


def test_children_know_neither_torch_nor_gradio(children: Children) -> None:
    assert children(see, saved("PNG"), "a") == []


def test_no_request_keeps_all_children_from_another() -> None:
    pool = Children(60, 600 * MB, 3)
    greedy, others = object(), []
    stop = threading.Event()
    with ThreadPoolExecutor(9) as threads:
        busy = [threads.submit(pool, partial(rest, seconds=1), saved("PNG"), f"{n}", greedy) for n in range(8)]
        while len(pool.running) < 2:
            time.sleep(0.01)
        others = [pool(give, saved("PNG"), "b", object()) for _ in range(3)]
        assert sum(one.done() for one in busy) < len(busy)
        stop.set()
    assert others == ["b"] * 3
    pool.close()


def test_any_object_stands_for_a_request(children: Children) -> None:
    assert children(read, saved("PNG"), "a.png", []).image.size == children(read, saved("PNG"), "a.png", {}).image.size


def test_those_who_wait_are_served_in_turn() -> None:
    """With one child, whoever asked for many pictures does not go before whoever asked for one later."""
    pool, done = Children(60, 600 * MB, 1), list[str]()
    first, second = object(), object()
    with ThreadPoolExecutor(9) as threads:

        def ask(name: str, owner: object) -> None:
            pool(partial(rest, seconds=0.3), saved("PNG"), name, owner)
            done.append(name)

        for n in range(6):
            threads.submit(ask, f"first {n}", first)
        while not pool.running:
            time.sleep(0.01)
        threads.submit(ask, "second", second)
    assert done.index("second") <= 1
    pool.close()


def test_large_pictures_take_their_part_of_the_memory() -> None:
    large = saved("PNG", (3000, 2000))
    with Image.open(BytesIO(large)) as image:
        assert estimate_bytes(image) == 30 * MB
    pool = Children(60, 60 * MB, 3)
    assert pool(reduce_to(90), large, "a").size == (90, 60)
    pool.close()
    pool = Children(60, 25 * MB, 1)
    with pytest.raises(ImageError, match="a takes more memory than 25 MB"):
        pool(reduce_to(90), large, "a")
    pool.close()


def reduce_to(side: int) -> partial[Image.Image]:
    return partial(reduce, side=side)
