"""Cut-offs from captioned pictures: what is promised about false alarms holds for new pictures and captions."""

from __future__ import annotations

import numpy as np
import pytest
from support.captioned import Subjects, make_gallery

from clipsim import UsageError
from clipsim.scoring import encode_background
from clipsim.scoring.calibration import compute_percentiles
from clipsim.tuning import Aims, Pairs, make_pairs
from clipsim.tuning.learning import (
    DIRECTIONS,
    NEVER,
    compute_held_out,
    count_worth,
    draw_galleries,
    find_cutoffs,
    find_directions,
    learn_calibration,
)


def draw_pairs(encoder: Subjects, first: int, count: int) -> Pairs:
    """As many pictures from this number on, each with its caption."""
    things = [f"thing {number}" for number in range(first, first + count)]
    gallery, vectors = make_gallery(encoder.vectors("picture", things)), encoder.vectors("caption", things)
    return make_pairs(gallery, things, vectors, np.arange(count), encode_background(encoder))


def false_rates(encoder: Subjects, seed: int, count: int) -> tuple[float, float]:
    """Shares of random pairs of 200 new pictures that cut-offs of `count` pictures call match, and match or weak."""
    first = 1000 * seed
    pairs, fresh = draw_pairs(encoder, first, count), draw_pairs(encoder, first + 500, 200)
    learned = learn_calibration(pairs, compute_held_out(pairs), "", Aims(), draws=50)
    percentiles = compute_percentiles(
        fresh.cosines, fresh.captions, fresh.unrelated, encode_background(encoder), learned
    )
    false = percentiles[fresh.random]
    return float(np.mean(false >= learned.cutoffs.match)), float(np.mean(false >= learned.cutoffs.weak))


@pytest.mark.parametrize("strength", [0.0, 1.0, 3.0])
@pytest.mark.parametrize(("count", "spread"), [(50, 0.02), (200, 0.01)])
def test_false_alarms_among_new_pictures_and_captions_are_as_promised(
    strength: float, count: int, spread: float
) -> None:
    """Also where captions fit their own pictures so well that these would widen the spread that they are judged by."""
    encoder = Subjects(strength=strength)
    match, weak = np.transpose([false_rates(encoder, seed, count) for seed in range(6)])
    assert np.mean(match) == pytest.approx(0.01, abs=0.004)
    assert np.mean(weak) == pytest.approx(0.05, abs=0.012)
    assert np.abs(match - 0.01).max() < spread


def test_a_promise_that_the_pairs_cannot_carry_calls_nothing_a_match() -> None:
    pairs = draw_pairs(Subjects(), 0, 50)
    every = np.ones(50, bool), np.ones(50, bool)
    percentiles = np.repeat(np.arange(50.0)[:, None], 50, axis=1)  # all pairs of a picture are alike: worth 50
    never, cut = find_cutoffs(pairs, percentiles, *every, (0.01, 0.1))
    assert never == NEVER
    assert 40 < cut <= 50


def test_a_cut_off_lets_the_wanted_share_of_equal_scores_through_at_most() -> None:
    pairs = draw_pairs(Subjects(), 0, 60)
    percentiles = np.random.default_rng(0).integers(0, 4, (60, 60)).astype(float)
    (cut,) = find_cutoffs(pairs, percentiles, np.ones(60, bool), np.ones(60, bool), (0.3,))
    assert np.mean(percentiles[pairs.random] >= cut) <= 0.3


def test_pairs_are_worth_their_number_where_nothing_joins_them_and_fewer_where_something_does() -> None:
    chance, text = np.random.default_rng(0), np.arange(100)
    among = ~np.eye(100, dtype=bool)
    alone = (chance.random((100, 100)) < 0.05) & among
    assert count_worth(alone, among, text) > 5000
    by_picture = np.repeat(chance.random((100, 1)) < 0.05, 100, axis=1) & among
    assert count_worth(by_picture, among, text) == pytest.approx(100, rel=0.05)
    assert count_worth(by_picture.T, among, text) == pytest.approx(100, rel=0.05)
    by_text = np.tile(np.repeat(np.arange(10) % 3 == 0, 10), (100, 1)) & among  # ten captions of each text
    assert count_worth(by_text, among, text // 10) == pytest.approx(10, rel=0.05)
    assert count_worth(np.zeros((100, 100), bool), among, text) == 100


@pytest.mark.parametrize("fitting", [True, False])
def test_a_gallery_holds_no_picture_that_the_caption_fits_but_its_own(fitting: bool) -> None:
    encoder = Subjects()
    things = [f"thing {number % 20}" for number in range(60)]  # each said of three pictures
    vectors = encoder.vectors("caption", things)
    gallery = make_gallery(encoder.vectors("picture", things))
    pairs = make_pairs(gallery, things, vectors, np.arange(60), encode_background(encoder))
    drawn, asked = draw_galleries(pairs, 8, np.ones(60, bool), np.ones(60, bool), 200, fitting)
    assert drawn.shape == (200, 8)
    fits = drawn % 20 == asked[:, None] % 20
    assert (fits.sum(axis=1) == fitting).all()
    assert all(len(set(row)) == 8 for row in drawn.tolist())
    assert (drawn[:, 0] == asked).all() == fitting


def test_of_too_few_pictures_there_is_no_gallery() -> None:
    pairs = draw_pairs(Subjects(), 0, 50)
    drawn, asked = draw_galleries(pairs, 32, np.ones(50, bool), np.ones(50, bool), 10)
    assert (drawn.shape, asked.shape) == ((0, 32), (0,))


@pytest.mark.parametrize(
    "wrong", [{"false_matches": 0.0}, {"false_weak": 1.0}, {"false_matches": 0.2}, {"false_galleries": 0.5}]
)
def test_aims_that_are_no_shares_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="shares between 0 and 1"):
        Aims(**wrong)


@pytest.mark.parametrize(("rows", "width"), [(20, 60), (60, 20), (80, 60)])
def test_directions_are_those_of_the_singular_value_decomposition(rows: int, width: int) -> None:
    matrix = np.random.default_rng(rows).normal(size=(rows, width))
    directions, rest = find_directions(matrix)
    _, lengths, plain = np.linalg.svd(matrix, full_matrices=False)
    kept = min(DIRECTIONS, rows, width)
    assert np.abs(directions) == pytest.approx(np.abs(plain[:kept] * lengths[:kept, None]))
    assert rest == pytest.approx((lengths[kept:] ** 2).sum() / width, abs=1e-9)
