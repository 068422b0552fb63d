"""Parts of the pictures where a model sees little difference between them."""

from __future__ import annotations

import numpy as np
from support import unit

from clipsim.tuning.data import FOLDS, split_pictures


def draw(count: int, apart: float) -> np.ndarray:
    """Unit vectors, shape (count, 16), whose cosines are the nearer to 1 the smaller `apart` is."""
    common = np.eye(16)[0] * 4
    return unit(common + apart * np.random.default_rng(0).normal(size=(count, 16)))


def test_there_are_parts_even_where_all_pictures_look_alike() -> None:
    kinds = np.arange(100) % 4
    for apart in (0.05, 0.1, 0.2, 1.0):
        split = split_pictures(draw(100, apart), kinds, seed=0)
        assert 10 <= split.test.sum() <= 25
        assert np.bincount(split.fold[~split.test], minlength=FOLDS).min() >= 5
        assert {*kinds[split.test]} == {0, 1, 2, 3}


def test_scenes_of_several_pictures_stay_together() -> None:
    scenes = np.repeat(np.arange(20), 5)
    vectors = unit(np.repeat(draw(20, 4.0), 5, axis=0) + 0.01 * np.random.default_rng(1).normal(size=(100, 16)))
    split = split_pictures(vectors, np.zeros(100, int), seed=0)
    for scene in range(20):
        members = scenes == scene
        assert len({*split.test[members]}) == len({*split.fold[members]}) == 1
