"""Retrieval metrics: by hand, against a plain implementation, in blocks; pairing of captions with pictures."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipsim import Encoder
from clipsim.cli.main import main
from clipsim.collections import Collection
from clipsim.collections.indexing import index_folder
from clipsim.evaluation.retrieval import bootstrap, compute_ranks, match_paths, summarize_ranks, wilson


def unit(rows: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: np.ndarray = (rows / length).astype(np.float32)
    return unit


def plain_ranks(texts: np.ndarray, images: np.ndarray, own: list[int]) -> tuple[list[int], list[int]]:
    """The definition, pair by pair."""
    cosine = [
        [float(np.float32(np.dot(text.astype(float), image.astype(float)))) for image in images] for text in texts
    ]
    there = []
    for row, mine in zip(cosine, own, strict=True):
        there.append(1 + sum(other >= row[mine] for i, other in enumerate(row) if i != mine))
    back = []
    for i in sorted(set(own)):
        best = max(cosine[j][i] for j in range(len(texts)) if own[j] == i)
        back.append(1 + sum(cosine[j][i] >= best for j in range(len(texts)) if own[j] != i))
    return there, back


def test_ranks_of_a_small_case_worked_by_hand() -> None:
    # cosines   image 0  image 1  image 2
    # text 0      1.0      0.0      0.6     own 0: rank 1
    # text 1      0.6      0.8      1.0     own 0: rank 3
    # text 2      0.0      1.0      0.8     own 1: rank 1
    # image 0: its best 1.0, nothing before: 1; image 1: own 1.0, other captions 0.0 and 0.8: 1; image 2 has none
    images = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)
    texts = np.array([[1, 0], [0.6, 0.8], [0, 1]], np.float32)
    there, back = compute_ranks(texts, images, np.array([0, 0, 1]))
    assert (there.tolist(), back.tolist()) == ([1, 3, 1], [1, 1])


def test_a_model_that_gives_one_vector_to_everything_ranks_last() -> None:
    one = np.tile(np.array([[0.6, 0.8]], np.float32), (4, 1))
    there, back = compute_ranks(one, one, np.arange(4))
    assert there.tolist() == back.tolist() == [4, 4, 4, 4]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    captions=st.integers(1, 12),
    pictures=st.integers(1, 9),
    coarse=st.booleans(),
    sizes=st.tuples(st.integers(1, 5), st.integers(1, 5)),
)
def test_ranks_are_as_defined_whatever_the_blocks(
    seed: int, captions: int, pictures: int, coarse: bool, sizes: tuple[int, int]
) -> None:
    draw = np.random.default_rng(seed)
    texts, images = (  # coarse ones have ties
        unit(draw.integers(1, 3, (count, 3)).astype(float) if coarse else draw.normal(size=(count, 3)))
        for count in (captions, pictures)
    )
    own = draw.integers(0, pictures, captions)
    there, back = compute_ranks(texts, images, own, sizes)
    assert (there.tolist(), back.tolist()) == plain_ranks(texts, images, own.tolist())


def test_memory_is_bounded_by_the_block() -> None:
    draw = np.random.default_rng(0)
    texts, images = unit(draw.normal(size=(6_000, 8))), unit(draw.normal(size=(12_000, 8)))
    tracemalloc.start()
    compute_ranks(texts, images, np.arange(6_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6 < 4 * len(texts) * len(images)


def test_metrics_of_ranks_worked_by_hand() -> None:
    found = summarize_ranks(np.array([1, 2, 6, 20]), 30)
    assert {k: estimate.value for k, estimate in found.recall.items()} == {1: 0.25, 5: 0.5, 10: 0.75}
    assert found.median_rank.value == 4
    assert found.mean_reciprocal_rank.value == pytest.approx((1 + 1 / 2 + 1 / 6 + 1 / 20) / 4)
    assert (found.queries, found.among) == (4, 30)


def test_wilson_interval_is_that_of_the_literature() -> None:
    # Newcombe 1998, Stat. Med. 17, 857-872, table I, method 3
    for successes, trials, low, high in [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611)]:
        found = wilson(successes, trials)
        assert [found.low, found.high] == pytest.approx([low, high], abs=1e-4)
    assert wilson(29, 29).high == 1


def test_bootstrap_interval_is_repeatable_and_as_wide_as_theory_says() -> None:
    values = np.random.default_rng(3).normal(10, 2, 400)
    found = bootstrap(values, np.mean)
    assert found == bootstrap(values, np.mean)
    assert found.low < found.value < found.high
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


@pytest.mark.parametrize("values", [[3], [2, 2, 2], [0.5]])
def test_where_nothing_varies_the_interval_is_the_value(values: list[float]) -> None:
    for statistic in (np.mean, np.median):
        found = bootstrap(np.array(values), statistic)
        assert (found.value, found.low, found.high) == (values[0],) * 3


def test_a_bootstrap_holds_few_resamples_at_once() -> None:
    values = np.random.default_rng(0).integers(1, 100, 20_000)
    tracemalloc.start()
    bootstrap(values, np.median)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6 < 8 * 20_000 * 1_000


def test_a_name_is_the_path_or_its_last_part_where_only_one_has_it() -> None:
    paths = ["a.jpg", "x/b.jpg", "x/c.jpg", "y/c.jpg", "y/a.jpg"]
    names = ["a.jpg", "b.jpg", "val/b.jpg", r"d:\b.jpg", "c.jpg", "x/c.jpg", "none.jpg"]
    assert match_paths(names, paths) == [0, 1, 1, 1, -1, 2, -1]


@pytest.fixture
def collection(tiny_clip: Path, tmp_path: Path, picture_file: Callable[..., Path]) -> Path:
    for name in ("a.png", "b.png", "x/c.png"):
        picture_file(f"pictures/{name}", ord(name[-5]))
    index_folder(tmp_path / "pictures", tmp_path / "collection", str(tiny_clip), device="cpu")
    return tmp_path / "collection"


def test_the_command_gives_the_metrics_of_the_captions_it_can_place(
    collection: Path, clip: Encoder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    captions = tmp_path / "captions.csv"
    captions.write_text("file,caption\na.png,the dog\nc.png,a cat\na.png,dog\nnone.png,a boat\nb.png,\n", "utf-8")
    assert (
        main(["evaluate", str(captions), "--collection", str(collection), "--device", "cpu", "--format", "json"]) == 0
    )
    out, err = capsys.readouterr()
    held = Collection.open(collection)
    own = [held.table(["path"])["path"].to_pylist().index(path) for path in ("a.png", "x/c.png", "a.png")]
    there, back = plain_ranks(clip.encode_texts(["the dog", "a cat", "dog"]), held.vectors(), own)
    found = json.loads(out)
    assert found["text_to_image"]["mean_reciprocal_rank"]["value"] == pytest.approx(np.mean(1 / np.array(there)))
    assert found["image_to_text"]["median_rank"]["value"] == np.median(back)
    assert (found["missing"], found["left_out"], found["blank"], found["without"]) == (["none.png"], 1, 1, 1)
    assert "none.png" in err
    assert main(["evaluate", str(captions), "--collection", str(collection), "--device", "cpu"]) == 0
    table = capsys.readouterr().out
    assert "recall at 10" in table and "3 in 3" in table and "2 in 3" in table


def test_captions_of_other_pictures_are_an_error_that_shows_both_kinds_of_names(
    collection: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    captions = tmp_path / "captions.txt"
    captions.write_text("none.jpg#0\ta boat\n", "utf-8")
    assert main(["evaluate", str(captions), "--collection", str(collection)]) == 2
    err = capsys.readouterr().err
    assert "none.jpg" in err and "a.png" in err
