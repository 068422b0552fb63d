"""How many pictures does tuning take?

`python -m benchmarks.quality.learning_curve LABELS [--model stand-in] [--svg docs/learning-curve.svg]`

Learns heads from 2, 4, 8, 16 and 32 pictures of each label of a CSV (columns file, label), and prints how many of the
others get their label before and after, with the strength that `clipsim tune` would take without looking: 0.35.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import clipsim
from clipsim.embedding import VectorCache, use_cache
from clipsim.tuning.data import read_material
from clipsim.tuning.elsewhere import encode_material
from clipsim.tuning.features import look_at
from clipsim.tuning.head import Seen, add, learn_head, make_targets
from clipsim.tuning.measures import Texts, score_queries

EACH = (2, 4, 8, 16, 32)
SEEDS, RIDGE, STRENGTH = 10, 1.0, 0.35


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--model", default="stand-in")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--svg", type=Path)
    chosen = parser.parse_args()
    encoder = clipsim.load(chosen.model)
    if chosen.cache:
        use_cache(encoder, VectorCache(2_000_000_000, chosen.cache))
    given = read_material(chosen.labels)
    gallery, seen = look_at([(path, name) for name, path in given.files.items()], encoder)
    texts, learned = encode_material(given, [info.name for info in gallery.pictures], encoder)
    before = 100 * float(score_queries(seen.vectors, texts)[0].mean())
    print(f"{chosen.model} as it is: {before:.1f} %")
    curve = {}
    for each in EACH:
        found = [100 * measure_once(seen, texts, learned, each, seed) for seed in range(SEEDS)]
        curve[each] = (float(np.mean(found)), float(np.std(found)))
        print(f"{each:3d} of each label: {curve[each][0]:.1f} % (standard deviation {curve[each][1]:.1f})", flush=True)
    if chosen.svg:
        draw(before, curve, chosen.svg)


def measure_once(seen: Seen, texts: Texts, learned: Texts, each: int, seed: int) -> float:
    """Return which share of the pictures that a head was not learned from it gives their label."""
    chance = np.random.default_rng(seed)
    places = [chance.permutation(np.flatnonzero(texts.owner == kind))[:each] for kind in range(len(texts.vectors))]
    rows = np.sort(np.concatenate(places))
    others = np.setdiff1d(np.arange(len(texts.owner)), rows)
    head = learn_head(seen.take(rows), make_targets(learned.take(rows), len(rows)), RIDGE)
    vectors = add(seen.vectors[others], head.compute(seen.inputs[others]), STRENGTH)
    return float(score_queries(vectors, texts.take(others))[0].mean())


def draw(before: float, curve: dict[int, tuple[float, float]], path: Path) -> None:
    from matplotlib import rcParams
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rcParams["svg.hashsalt"] = "clipsim"  # the same file at each run
    figure = Figure(figsize=(6.4, 3.6), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    means, spreads = zip(*curve.values(), strict=True)
    axes.errorbar(list(curve), means, spreads, color="#005a9c", marker="o", capsize=3, label="tuned")
    axes.axhline(before, color="#a03000", linestyle="--", label="as it is")
    axes.set(xscale="log", xlabel="pictures of each label", ylabel="others given their label (%)", ylim=(0, 100))
    axes.set_xticks(list(curve), [str(each) for each in curve])
    axes.minorticks_off()
    axes.grid(color="#e4e4e4", linewidth=0.6)
    axes.legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
