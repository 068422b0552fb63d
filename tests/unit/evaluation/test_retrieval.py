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
from clipsim.evaluation import CUTOFFS, Estimate, Retrieval
from clipsim.evaluation.retrieval import (
    bootstrap,
    compute_ranks,
    count_independent,
    match_paths,
    summarize_ranks,
    weighted_mean,
    weighted_median,
    wilson,
)


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
        found = wilson(successes / trials, trials)
        assert [found.low, found.high] == pytest.approx([low, high], abs=1e-4)
    assert wilson(1.0, 29).high == 1


@pytest.mark.parametrize(
    ("successes", "pictures", "expected"),
    [
        ([1, 0, 1, 0], [0, 1, 2, 3], 4),  # a caption each: as many as there are
        ([1, 1, 0, 0, 1, 1, 0, 0], [0, 0, 1, 1, 2, 2, 3, 3], 4),  # captions of a picture say the same
        ([1, 0, 1, 0, 1, 0, 1, 0], [0, 0, 1, 1, 2, 2, 3, 3], 4),  # nothing varies between pictures, and nothing tells
        ([1, 1, 1, 1], [0, 0, 1, 1], 2),
        ([1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 2], 3.0),
    ],
)
def test_captions_count_as_what_they_are_worth(successes: list[int], pictures: list[int], expected: float) -> None:
    assert count_independent(np.array(successes, bool), np.array(pictures)) == pytest.approx(expected)


def test_bootstrap_interval_is_repeatable_and_as_wide_as_theory_says() -> None:
    values = np.random.default_rng(3).normal(10, 2, 400)
    found = bootstrap(values, np.arange(400), weighted_mean)
    assert found == bootstrap(values, np.arange(400), weighted_mean)
    assert found.low < found.value < found.high
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 3)), min_size=1, max_size=9))
def test_weighted_statistics_are_those_of_repeated_values(pairs: list[tuple[int, int]]) -> None:
    values, weights = np.array([*pairs, (5, 1)]).T  # of one at least
    repeated = np.repeat(values, weights)
    assert weighted_median(values, weights[None])[0] == np.median(repeated)
    assert weighted_mean(values, weights[None])[0] == pytest.approx(np.mean(repeated))


def draw_ranks(pictures: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Ranks of five captions for each picture, some pictures being hard to find by any of them; and the pictures."""
    draw = np.random.default_rng(seed)
    ease = np.repeat(draw.beta(0.5, 1.5, pictures), 5)
    return draw.geometric(np.maximum(ease, 0.01)), np.repeat(np.arange(pictures), 5)


def test_intervals_hold_the_truth_in_95_of_100_where_pictures_have_several_captions() -> None:
    truth = summarize(*draw_ranks(200_000, 10**6))
    covers, narrow = np.zeros(len(truth)), 0
    for seed in range(150):
        ranks, pictures = draw_ranks(60, seed)
        found = figures(summarize_ranks(ranks, 999, pictures))
        covers += [one.low <= value <= one.high for one, value in zip(found, truth, strict=True)]
        alone = wilson(float((ranks <= 1).mean()), len(ranks))
        narrow += alone.low <= truth[0] <= alone.high
    assert (covers / 150 > 0.92).all() and covers.mean() / 150 < 0.985  # a median rank is whole, and its ends are wide
    assert narrow / 150 < 0.88  # as if captions were independent


def figures(found: Retrieval) -> list[Estimate]:
    return [*found.recall.values(), found.median_rank, found.mean_reciprocal_rank]


def summarize(ranks: np.ndarray, _: np.ndarray) -> list[float]:
    """The metrics themselves."""
    return [*((ranks <= k).mean() for k in CUTOFFS), float(np.median(ranks)), float((1 / ranks).mean())]


@pytest.mark.parametrize("values", [[3], [2, 2, 2], [0.5]])
def test_where_nothing_varies_the_interval_is_the_value(values: list[float]) -> None:
    for statistic in (weighted_mean, weighted_median):
        found = bootstrap(np.array(values), np.arange(len(values)), statistic)
        assert (found.value, found.low, found.high) == (values[0],) * 3


def test_a_bootstrap_holds_few_resamples_at_once() -> None:
    values = np.random.default_rng(0).integers(1, 100, 20_000)
    tracemalloc.start()
    bootstrap(values, np.arange(20_000), weighted_median)
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
