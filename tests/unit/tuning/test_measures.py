"""Figures before and after: by captions, by labels, and what is left of an order."""

from __future__ import annotations

import numpy as np
import pytest
from support import unit

from clipsim.tuning.measures import Texts, measure, measure_agreement, score_queries

CHANCE = np.random.default_rng(0)


def test_captions_that_are_like_their_pictures_find_them() -> None:
    vectors = unit(CHANCE.normal(size=(30, 16)))
    found = measure(vectors, Texts(vectors.repeat(2, axis=0), np.arange(30).repeat(2), False))
    assert (found.pictures, found.texts) == (30, 60)
    assert found.recall[1].value == 1.0 and found.median_rank is not None and found.median_rank.value == 1
    assert found.auc is not None and found.auc.value == 1.0
    assert found.accuracy is None


def test_captions_at_random_find_what_chance_gives() -> None:
    texts = Texts(unit(CHANCE.normal(size=(200, 16))), np.arange(200), False)
    found = measure(unit(CHANCE.normal(size=(200, 16))), texts)
    assert found.recall[10].value < 0.15
    assert found.auc is not None and found.auc.low < 0.5 < found.auc.high


def test_the_accuracy_of_labels_is_recall_at_1_over_pictures() -> None:
    labels, owner = np.eye(4, dtype=np.float32), np.arange(40) % 4
    vectors = labels[np.where(np.arange(40) < 10, (owner + 1) % 4, owner)]
    found = measure(vectors, Texts(labels, owner, True))
    assert found.accuracy is not None and found.accuracy.value == pytest.approx(0.75)
    assert found.headline == pytest.approx(0.75)
    assert found.accuracy.low < 0.75 < found.accuracy.high


def test_texts_of_some_pictures_are_theirs() -> None:
    vectors = unit(CHANCE.normal(size=(30, 16)))
    texts = Texts(vectors.repeat(2, axis=0), np.arange(30).repeat(2), False).take(np.array([3, 7, 8]))
    assert texts.owner.tolist() == [0, 0, 1, 1, 2, 2]
    assert (texts.vectors[2] == vectors[7]).all()


def test_a_score_is_of_each_picture() -> None:
    vectors = unit(CHANCE.normal(size=(30, 16)))
    scores, rows = score_queries(vectors, Texts(vectors, np.arange(30), False))
    assert scores.tolist() == [1.0] * 30 and rows.tolist() == list(range(30))


def test_an_order_that_stays_is_kept_and_one_reversed_is_lost() -> None:
    before = CHANCE.normal(size=(20, 50))
    assert measure_agreement(before, 2 * before + 1).headline == 1.0
    assert measure_agreement(before, -before).headline < 0.1
