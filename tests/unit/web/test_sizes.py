"""How much memory data take, about."""

from __future__ import annotations

import sys

from support.results import CLIP, result

from clipsim.web.sizes import OBJECT_BYTES, measure


def test_texts_count_by_their_length_and_all_else_by_number() -> None:
    assert measure("x" * 1000) == 1000 + OBJECT_BYTES
    assert measure({"a": ["x" * 1000, b"y" * 500]}) >= 1500
    floats = [i / 7 for i in range(1000)]
    real = sys.getsizeof(floats) + sum(map(sys.getsizeof, floats))
    assert real / 3 < measure(tuple(floats)) < real * 3
    assert measure(None) == measure(1) == OBJECT_BYTES


def test_records_count_with_all_that_is_in_them() -> None:
    assert measure(result(CLIP)) > sum(map(measure, CLIP)) > len(CLIP) * 500
