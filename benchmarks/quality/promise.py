"""Do cut-offs from a user's own pictures keep their promise on other ones?

`python -m benchmarks.quality.promise PICTURES --model NAME [--pictures 200] [--splits 20]`

PICTURES is a folder with photographs and a `captions.csv` (columns file, caption). In each split some of them are
drawn, each with one of its captions, a calibration is learned from these as `clipsim calibrate` does, and random pairs
of all the others are judged by it. Pictures and captions are encoded once. The stand-in's head was learned from the
pictures of `tools.stand_in_data`: on these its true pairs say nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import clipsim
from clipsim.embedding import Gallery, embed, encode_captions
from clipsim.scoring import encode_background
from clipsim.scoring.calibration import BackgroundCaptions, compute_percentiles
from clipsim.tuning import Aims, Pairs, make_pairs
from clipsim.tuning.learning import compute_held_out, learn_calibration
from tools.calibrate import captioned


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="PICTURES")
    parser.add_argument("--model", required=True, help="as for clipsim.load")
    parser.add_argument("--pictures", type=int, default=200, help="that a calibration is learned from")
    parser.add_argument("--splits", type=int, default=20)
    arguments = parser.parse_args(argv)
    encoder, aims = clipsim.load(arguments.model), Aims()
    files, captions, owner = captioned(arguments.folder)
    gallery, vectors, background = embed(files, encoder), encode_captions(captions, encoder), encode_background(encoder)
    if gallery.rejected:
        raise SystemExit(f"{gallery.rejected[0].name} {gallery.rejected[0].reason}")
    shares = []
    for seed in range(arguments.splits):
        chance = np.random.default_rng(seed)
        order = chance.permutation(len(files))
        said = np.array([chance.choice(np.flatnonzero(owner == row)) for row in range(len(files))])
        learn, rest = (
            pair_rows(gallery, rows, captions, vectors, said[rows], background)
            for rows in (order[: arguments.pictures], order[arguments.pictures :])
        )
        known = learn_calibration(learn, compute_held_out(learn), "", aims)
        percentiles = compute_percentiles(rest.cosines, rest.captions, rest.unrelated, background, known)
        cuts = (known.cutoffs.match, known.cutoffs.weak)
        shares.append([100 * np.mean(percentiles[where] >= cut) for where in (rest.random, rest.true) for cut in cuts])
    promised = (100 * aims.false_matches, 100 * aims.false_weak, None, None)
    print("promised    mean   least    most")
    for what, share, column in zip(("match", "match or weak") * 2, promised, np.transpose(shares), strict=True):
        kind = "true" if share is None else "random"
        figures = f"{column.mean():7.2f} {column.min():7.2f} {column.max():7.2f}"
        print(f"{'' if share is None else f'{share:.2f}':>8} {figures}  {kind} pairs called {what}, %")


def pair_rows(
    gallery: Gallery,
    rows: np.ndarray,
    captions: list[str],
    vectors: np.ndarray,
    said: np.ndarray,
    background: BackgroundCaptions,
) -> Pairs:
    """Pair some of the pictures with one caption each: the captions `said`."""
    part = Gallery(tuple(gallery.pictures[i] for i in rows), gallery.vectors[rows], np.arange(len(rows)), ())
    return make_pairs(part, [captions[i] for i in said], vectors[said], np.arange(len(rows)), background)


if __name__ == "__main__":
    main()
