"""The figures of a whole list."""

from __future__ import annotations

import numpy as np
import pytest

from clipsim.pairs import PairScore, find_worst, summarize


def make(row: int, cosine: float, picture: str = "", percentile: float = 50.0) -> PairScore:
    return PairScore(row, f"{row}.png", f"caption {row}", cosine, percentile=percentile, picture=picture or str(row))


def test_a_mean_has_the_usual_interval_where_each_row_has_its_own_picture() -> None:
    values = np.random.default_rng(0).normal(0.3, 0.1, 400)
    cosine = summarize([make(i, value) for i, value in enumerate(values.tolist())], "model").cosine
    assert cosine is not None and cosine.value == pytest.approx(values.mean())
    reach = 1.959964 * values.std(ddof=1) / 20
    assert (cosine.low, cosine.high) == pytest.approx((values.mean() - reach, values.mean() + reach), abs=1e-6)


def test_captions_of_one_picture_tell_less_than_those_of_several() -> None:
    values = np.repeat(np.random.default_rng(0).normal(0.3, 0.1, 80), 5)
    scores = [make(i, value, str(i // 5)) for i, value in enumerate(values.tolist())]
    together = summarize(scores, "model").cosine
    alone = summarize([make(i, value) for i, value in enumerate(values[::5].tolist())], "model").cosine
    assert together is not None and alone is not None
    assert together.high - together.low == pytest.approx(alone.high - alone.low, rel=0.01)


def test_nothing_to_summarise_is_a_summary_all_the_same() -> None:
    bad = PairScore(1, "a", "x", rejected="is not a file")
    for scores in ([], [bad]):
        summary = summarize(scores, "model")
        assert (summary.rows, summary.scored, summary.cosine, summary.matches) == (len(scores), 0, None, None)


def test_the_worst_of_many_are_found_while_few_are_held() -> None:
    percentiles = np.random.default_rng(1).permutation(3000) / 30
    scores = [make(i, 0.2, percentile=value) for i, value in enumerate(percentiles.tolist())]
    assert [one.percentile for one in summarize(scores, "model").worst] == np.sort(percentiles)[:20].tolist()
    assert [one.row for one in find_worst([make(2, 0.3), make(1, 0.3), make(3, 0.1)])] == [3, 1, 2]
