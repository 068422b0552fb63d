"""The head in closed form: what it learns, from whom, and what it leaves alone."""

from __future__ import annotations

import numpy as np
import pytest
from support import unit

from clipsim.tuning.head import Seen, add, cross_fit, learn_head, make_targets, solve_ridge
from clipsim.tuning.measures import Texts

CHANCE = np.random.default_rng(0)


def make_seen(count: int = 40) -> tuple[Seen, Texts]:
    """Pictures of four labels, which their inputs tell apart and their vectors do not."""
    owner = np.arange(count) % 4
    inputs = np.eye(4)[owner] @ CHANCE.normal(size=(4, 12)) + 0.1 * CHANCE.normal(size=(count, 12))
    vectors = unit(CHANCE.normal(size=(count, 8)))
    return Seen(vectors, inputs.astype(np.float32)), Texts(unit(CHANCE.normal(size=(4, 8))), owner, True)


def test_both_systems_of_equations_have_one_solution() -> None:
    rows, targets = CHANCE.normal(size=(9, 9)), CHANCE.normal(size=(9, 3))
    few = solve_ridge(rows, targets, 0.5)
    many = solve_ridge(np.concatenate([rows, rows]), np.concatenate([targets, targets]), 1.0)  # twice the products
    assert many == pytest.approx(few, abs=1e-6)


def test_a_step_towards_a_label_is_one_towards_no_other() -> None:
    labels = unit(CHANCE.normal(size=(4, 16)) + 5)  # much alike, as breeds are
    targets = make_targets(Texts(labels, np.arange(4), True), 4)
    steps = targets @ (labels - labels.mean(axis=0)).T
    assert steps == pytest.approx(np.eye(4) - 0.25, abs=0.05)


def test_captions_are_averaged_by_picture_and_centred() -> None:
    vectors = unit(CHANCE.normal(size=(4, 6)))
    targets = make_targets(Texts(vectors, np.array([0, 0, 1, 1]), False), 2)
    half = (vectors[:2].mean(axis=0) - vectors[2:].mean(axis=0)) / 2
    assert targets == pytest.approx(np.stack([half, -half]), abs=1e-6)


def test_pictures_are_found_by_their_labels_afterwards() -> None:
    seen, texts = make_seen()
    head = learn_head(seen, make_targets(texts, 40), 1.0)
    found = (head.add(seen.vectors, seen.inputs) @ texts.vectors.T).argmax(axis=1)
    assert (found == texts.owner).mean() > 0.9


def test_each_picture_is_judged_by_a_head_that_has_not_seen_it() -> None:
    seen, texts = make_seen()
    fold = np.arange(40) // 4 % 5
    residuals = cross_fit(seen, texts, fold, 1.0)
    other = Seen(seen.vectors, seen.inputs.copy())
    other.inputs[fold == 2] += 100
    again = cross_fit(other, texts, fold, 1.0)
    out = fold == 2
    targets = make_targets(texts, 40)
    alone = learn_head(seen.take(~out), targets[~out], 1.0)
    assert residuals[out] == pytest.approx(alone.compute(seen.inputs[out]), abs=1e-6)
    assert again[out] == pytest.approx(alone.compute(other.inputs[out]), abs=1e-6)


def test_a_linear_head_moves_least_what_should_stay() -> None:
    seen, texts = make_seen()
    still = CHANCE.normal(size=(30, 12)).astype(np.float32)
    targets = make_targets(texts, 40)
    free, held = (learn_head(seen, targets, 0.3, rows) for rows in (np.zeros((1, 12), np.float32), still))
    assert not held.unit and not held.bias.any()
    assert np.linalg.norm(held.compute(still)) < np.linalg.norm(free.compute(still))


def test_added_vectors_have_unit_length() -> None:
    seen, _ = make_seen()
    moved = add(seen.vectors, np.ones_like(seen.vectors), 0.7)
    assert np.linalg.norm(moved, axis=1) == pytest.approx(np.ones(40), abs=1e-6)
