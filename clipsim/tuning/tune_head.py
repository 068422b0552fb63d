"""Tune by a head in closed form."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from clipsim.encoders.residual import Residual
from clipsim.tuning.choosing import Trial, choose
from clipsim.tuning.cutoffs import learn_cutoffs
from clipsim.tuning.head import Seen, add, cross_fit, learn_head, list_settings, make_targets, strengthen
from clipsim.tuning.measures import Texts, measure, score_queries
from clipsim.tuning.results import Comparison, Tuned
from clipsim.tuning.saving import save_head
from clipsim.tuning.task import Task, fresh_folder, start_outcome


def tune_head(task: Task, folder: Path) -> Tuned:
    """Choose ridge and strength, measure what they give, and save a head that is learned from all pictures."""
    still, elsewhere = task.elsewhere.halve() if task.base.projects else (None, task.elsewhere)
    rows = task.rows
    seen, texts, learned = task.seen.take(rows), task.texts.take(rows), task.learned.take(rows)
    before = score_queries(seen.vectors, texts)[0]
    trials = []
    for ridge, strengths in list_settings(task.options.strength):
        residuals = cross_fit(seen, learned, task.split.fold[rows], ridge, still)
        whole = learn_head(seen, make_targets(learned, len(rows)), ridge, still)
        there = whole.compute(elsewhere.seen.inputs)
        for strength in strengths:
            after = score_queries(add(seen.vectors, residuals, strength), texts)[0]
            lost = elsewhere.count_lost(add(elsewhere.seen.vectors, there, strength))
            trials.append(Trial(strength, ridge, float(after.mean()), after - before, lost, texts.chance))
    best, refused = choose(trials, task.options.may_lose, float(before.mean()))
    outcome = start_outcome(task, best, float(before.mean()), refused, {"folds": len(rows)})
    if best is None or best.ridge is None:
        return outcome
    head = strengthen(learn_head(seen, make_targets(learned, len(rows)), best.ridge, still), best.strength)
    held = np.flatnonzero(task.split.test)
    outcome = replace(
        outcome,
        test=compare("pictures that were held out", task.seen.take(held), task.texts.take(held), head),
        elsewhere=Comparison(
            elsewhere.origin,
            elsewhere.measure(elsewhere.before),
            elsewhere.measure(head.add(elsewhere.seen.vectors, elsewhere.seen.inputs)),
        ),
    )
    final = learn_head(task.seen, make_targets(task.learned, len(task.seen.vectors)), best.ridge, still)
    with fresh_folder(folder) as fresh:
        save_head(fresh, task.base, strengthen(final, best.strength))
    residuals = cross_fit(task.seen, task.learned, task.split.fold, best.ridge, still)
    vectors = add(task.seen.vectors, residuals, best.strength)
    cutoffs, notes = learn_cutoffs(task.given, task.gallery, vectors, task.texts, folder)
    return replace(outcome, saved=str(folder), cutoffs=cutoffs, notes=notes)


def compare(of: str, seen: Seen, texts: Texts, head: Residual) -> Comparison:
    """Measure pictures by the base and by a head on it."""
    return Comparison(of, measure(seen.vectors, texts), measure(head.add(seen.vectors, seen.inputs), texts))
