"""How often verdicts are right and wrong, with intervals, on what the cut-offs were not learned from."""

from __future__ import annotations

import numpy as np
import pytest
from support.captioned import Subjects, make_gallery

from clipsim.scoring import NOTHING, encode_background
from clipsim.tuning import GALLERIES, Aims, Pairs, make_pairs
from clipsim.tuning.learning import compute_held_out
from clipsim.tuning.rates import compute_area, measure, measure_areas, measure_reliability


def draw(strength: float, count: int = 80) -> tuple[Pairs, np.ndarray]:
    encoder, things = Subjects(strength=strength), [f"thing {number}" for number in range(count)]
    gallery, vectors = make_gallery(encoder.vectors("picture", things)), encoder.vectors("caption", things)
    pairs = make_pairs(gallery, things, vectors, np.arange(count), encode_background(encoder))
    return pairs, compute_held_out(pairs)


def test_a_model_that_sees_finds_true_pairs_and_names_pictures() -> None:
    pairs, percentiles = draw(strength=6.0)
    rates = measure(pairs, percentiles, Aims(), draws=100)
    assert rates["true pairs called match"].value > 0.9
    assert rates["true pairs called match or weak"].value >= rates["true pairs called match"].value
    assert rates["galleries of 8 in which the fitting picture is named"].value > 0.9
    assert rates[f"galleries of 8 without a fitting picture called {NOTHING}"].value > 0.5
    assert measure_areas(pairs, percentiles)["area under the ROC curve, percentile"] > 0.97


def test_a_model_that_sees_nothing_finds_true_pairs_as_often_as_random_ones() -> None:
    pairs, percentiles = draw(strength=0.0)
    rates = measure(pairs, percentiles, Aims(), draws=100)
    for verdict in ("match", "match or weak"):
        true, random = rates[f"true pairs called {verdict}"], rates[f"random pairs called {verdict}"]
        assert true.low <= random.value <= true.high
    assert abs(measure_areas(pairs, percentiles)["area under the ROC curve, percentile"] - 0.5) < 0.1


def test_every_rate_lies_in_its_interval_and_answers_add_up() -> None:
    rates = measure(*draw(strength=1.5), Aims(), draws=100)
    assert all(0 <= one.low <= one.value + 1e-9 <= one.high + 2e-9 <= 1 + 2e-9 for one in rates.values())
    for size in GALLERIES[:4]:  # of 80 pictures
        for kind in ("with", "without"):
            answers = [
                one.value for name, one in rates.items() if name.startswith(f"galleries of {size} {kind} a fitting")
            ]
            assert len(answers) == 3
            assert sum(answers) == pytest.approx(1)


def test_promises_are_held_against_what_is_seen() -> None:
    points = measure_reliability(*draw(strength=1.5))
    assert [one.promised for one in points] == sorted(one.promised for one in points)
    for one in points:
        assert one.observed.low * 0.7 <= one.promised <= one.observed.high * 1.3
    found = [one.found.value for one in points]
    assert found == sorted(found)


def test_the_area_under_the_curve_is_how_often_a_true_pair_scores_higher() -> None:
    assert compute_area(np.array([3.0]), np.array([1.0, 2.0, 2.0])) == 1
    assert compute_area(np.array([1.0]), np.array([3.0, 2.0, 2.0])) == 0
    assert compute_area(np.array([2.0]), np.array([3.0, 1.0, 2.0])) == pytest.approx(0.5)


def test_no_match_is_rarely_said_of_true_pairs_and_often_of_random_ones_by_a_model_that_sees() -> None:
    rates = measure(*draw(strength=1.5, count=150), Aims(missed=0.1), draws=20)
    assert rates["true pairs called no match"].low < 0.1
    assert rates["true pairs called no match"].value < 0.16
    assert rates["random pairs called no match"].value > 0.4
    blind = measure(*draw(strength=0.0, count=150), Aims(missed=0.1), draws=20)
    assert blind["random pairs called no match"].value < 0.2
