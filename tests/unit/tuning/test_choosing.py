"""Which change is kept: the weakest that is nearly as good as the best, and none that chance would give."""

from __future__ import annotations

import numpy as np

from clipsim.tuning.choosing import Trial, choose


def trial(strength: float, gain: float, lost: float, spread: float = 0.1) -> Trial:
    gains = gain + spread * np.tile([-1.0, 1.0], 50)
    return Trial(strength, 1.0, 0.5 + gain, gains, lost)


def test_the_weakest_that_is_nearly_as_good_is_chosen() -> None:
    best, refused = choose([trial(0.2, 0.1, 0), trial(0.5, 0.29, 0), trial(1.0, 0.3, 0)], 1.0, 0.5)
    assert best is not None and best.strength == 0.5
    assert refused == ""


def test_what_loses_too_much_elsewhere_is_not_chosen() -> None:
    best, _ = choose([trial(0.2, 0.1, 0.5), trial(0.5, 0.3, 1.5)], 1.0, 0.5)
    assert best is not None and best.strength == 0.2


def test_what_loses_too_much_at_every_strength_is_refused() -> None:
    best, refused = choose([trial(0.2, 0.1, 2.0), trial(0.5, 0.3, 3.0)], 1.0, 0.5)
    assert best is None
    assert "more than 1 points on general pictures at every strength (2.0 at 0.2)" in refused


def test_a_gain_that_chance_would_give_is_refused() -> None:
    best, refused = choose([trial(0.2, 0.01, 0, spread=0.5), trial(0.5, -0.1, 0)], 1.0, 0.5)
    assert best is None
    assert "50.0 % before, 51.0 %" in refused


def test_a_gain_only_where_too_much_is_lost_is_told() -> None:
    best, refused = choose([trial(0.2, 0.0, 0), trial(0.5, 0.3, 3.0)], 1.0, 0.5)
    assert best is None
    assert "only where it loses more than 1 points" in refused


def test_what_is_as_good_as_always_the_same_label_is_refused() -> None:
    gains = np.tile([0.0, 1.0, 0.0], 20)  # a base that names none, and a head that names one
    best, refused = choose([Trial(0.5, 1.0, 1 / 3, gains, 0.0, chance=1 / 3)], 1.0, 0.0)
    assert best is None
    assert "which chance would give too" in refused
