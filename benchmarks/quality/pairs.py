"""How well are wrong captions found?

`python -m benchmarks.quality.pairs CAPTIONED [--seeds 10] [--folds 5]`

CAPTIONED is a folder with photographs and a `captions.csv` (columns file, caption). A list has each photograph with one
of its captions, the next seed's with another one, and one caption in ten is exchanged for that of another photograph.
Prints the average precision of finding these rows among all, the lowest score first, by the percentile and by the raw
cosine: the mean over seeds, and the standard deviation. It is 1 where all wrong rows come first, and about the share of
wrong rows by chance.

The stand-in was learned from such photographs itself, so that each is scored by a model that was learned without it:

- `as it is`: heads that were learned from the other nine tenths of the photographs, as the shipped one was from all;
- `tuned`: `clipsim tune --method head` on the photographs of the other folds, on the base that it chooses, with the
  cut-offs that it learns.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

import clipsim
from clipsim import Encoder
from clipsim.pairs import PairScore, score_pairs
from tools.calibrate import captioned, unseeing_encoders

WRONG = 0.1
Row = tuple[Path, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captioned", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--folds", type=int, default=5)
    chosen = parser.parse_args()
    files, captions, owner = captioned(chosen.captioned)
    lists = [
        exchange(take_captions(files, captions, owner, seed), np.random.default_rng(seed))
        for seed in range(chosen.seeds)
    ]
    plain = unseeing_encoders(clipsim.load("stand-in"), files, captions, owner)
    report("as it is", lists, plain)
    given = [(files[i], caption) for i, caption in zip(owner, captions, strict=True)]
    report("tuned", lists, tune_without(files, given, chosen.folds))


def take_captions(files: Sequence[Path], captions: Sequence[str], owner: np.ndarray, number: int) -> list[Row]:
    """Return each photograph with one of its captions: with that of this number, counted round."""
    own = [np.flatnonzero(owner == i) for i in range(len(files))]
    return [(path, captions[places[number % len(places)]]) for path, places in zip(files, own, strict=True)]


def exchange(rows: Sequence[Row], chance: np.random.Generator) -> tuple[list[Row], np.ndarray]:
    """Return the rows, of which a share of `WRONG` has the next one's caption of those that are drawn, and which."""
    drawn = chance.permutation(len(rows))[: round(WRONG * len(rows))]
    changed = list(rows)
    for place, other in zip(drawn, np.roll(drawn, 1), strict=True):
        changed[place] = (rows[place][0], rows[other][1])
    wrong = np.zeros(len(rows), bool)
    wrong[drawn] = True
    return changed, wrong


def tune_without(files: Sequence[Path], given: Sequence[Row], folds: int) -> list[Encoder]:
    """Return for each photograph a model that was tuned on those of the other folds."""
    fold = np.random.default_rng(2).permutation(len(files)) % folds
    part = dict(zip(files, fold.tolist(), strict=True))
    encoders = []
    with tempfile.TemporaryDirectory() as folder:
        for i in range(folds):
            others = [(str(path), caption) for path, caption in given if part[path] != i]
            tuned = clipsim.tune(others, "stand-in", to=Path(folder) / str(i))
            if not tuned.saved:
                raise SystemExit(f"Nothing was saved. {tuned.refused}")
            encoder = clipsim.load(tuned.saved)
            encoder.ensure_loaded()
            list(score_pairs([(files[0], "a photograph")], encoder))  # before the folder with its cut-offs is removed
            encoders.append(encoder)
    return [encoders[i] for i in fold]


def report(name: str, lists: Sequence[tuple[list[Row], np.ndarray]], encoders: Sequence[Encoder]) -> None:
    found: dict[str, list[float]] = {"percentile": [], "cosine": []}
    firsts = []
    for rows, wrong in lists:
        scores = score_each(rows, encoders)
        for what, values in found.items():
            values.append(average_precision([getattr(one, what) for one in scores], wrong))
        firsts.append(np.mean([bool(one.better_caption) for one, bad in zip(scores, wrong, strict=True) if bad]))
    for what, values in found.items():
        print(f"{name}: by {what} {np.mean(values):.3f} (standard deviation {np.std(values):.3f})", flush=True)
    print(f"{name}: a better caption is named for {np.mean(firsts):.1%} of the wrong rows", flush=True)


def score_each(rows: Sequence[Row], encoders: Sequence[Encoder]) -> list[PairScore]:
    """Score every row by its own encoder, those of one encoder as a list of their own."""
    scores: dict[int, PairScore] = {}
    for encoder in dict.fromkeys(encoders):
        places = [i for i, one in enumerate(encoders) if one is encoder]
        scores.update(zip(places, score_pairs([rows[i] for i in places], encoder), strict=True))
    return [scores[i] for i in range(len(rows))]


def average_precision(values: Iterable[float], wrong: np.ndarray) -> float:
    """Return the mean precision at each wrong row, the lowest value first; of equal values the right rows come first.

    That is average precision as information retrieval has it (Manning et al. 2008, section 8.4).
    """
    order = np.lexsort((wrong, np.array(list(values))))
    ranks = np.flatnonzero(wrong[order]) + 1
    return float((np.arange(1, len(ranks) + 1) / ranks).mean())


if __name__ == "__main__":
    main()
