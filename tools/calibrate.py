"""Learn a model's cut-offs from captioned pictures.

`python -m tools.calibrate PICTURES --model stand-in`

PICTURES is a folder with pictures and a `captions.csv` (columns file, caption) or a `labels.csv` (columns file, label);
a label is put into several sentences. What is learned goes to `clipsim/data/calibration-MODEL.json` and `.npz` (`--to`
takes another folder): no picture and no caption, but moments of the pictures' vectors, the spread of unrelated pairs,
and the cut-offs with their error rates. Every rate is cross-validated over pictures: moments, spread and cut-offs from
four fifths, errors from the last fifth.

A random pair is a picture with another picture's caption, also where that happens to fit.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, get_args

import numpy as np
from scipy.stats import mannwhitneyu

import clipsim
from clipsim.embedding import Gallery, embed, encode_captions
from clipsim.encoders import Encoder
from clipsim.evaluation.caption_files import read_captions
from clipsim.options import Framing, Options, Prompt
from clipsim.scoring import NOTHING, Calibration, encode_background
from clipsim.scoring.calibration import (
    BackgroundCaptions,
    Cutoffs,
    NullDistribution,
    compute_percentiles,
    compute_strengths,
)

SENTENCES = (
    "{}",
    "a photo of a {}",
    "a {} standing in the snow",
    "someone looking at a {}",
    "a close-up photograph of a {} on a sunny day",
    "a {} in the middle of a busy street",
)
FOLDS = 5
DIRECTIONS = 32  # of the pictures' vectors; with more the percentile separates no better
FALSE_MATCHES, FALSE_WEAK = 0.01, 0.05  # shares of random pairs that the cut-offs let through
FALSE_GALLERIES = 0.08  # share of galleries without a fitting picture in which something matches
GALLERIES = (2, 4, 8, 16, 32)  # pictures in a gallery
DRAWS = 2000  # galleries of each size
QUANTILES = 400  # kept of the spread of unrelated pairs
TREATMENTS = (
    Options(),
    *(Options(framing=framing) for framing in get_args(Framing)[1:]),
    Options(contrast="auto"),
    *(Options(prompt=prompt) for prompt in get_args(Prompt)[1:]),
)


def main(argv: Sequence[str] | None = None) -> None:
    """Learn the cut-offs and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--model", default="stand-in")
    parser.add_argument("--origin", help="what the pictures are, for the record; default: their number and folder")
    parser.add_argument("--to", type=Path, default=Path(clipsim.__file__).parent / "data")
    parser.add_argument("--draws", type=int, default=DRAWS, help="galleries of each size")
    arguments = parser.parse_args(argv)
    encoder = clipsim.load(arguments.model)
    files, captions, owner = captioned(arguments.pictures)
    origin = arguments.origin or f"{len(files)} captioned pictures ({arguments.pictures.name})"
    rates: dict[str, dict[str, float]] = {}
    for options in TREATMENTS:
        gallery = embed(files, encoder, options)
        if gallery.rejected:
            raise SystemExit(f"{gallery.rejected[0].name} {gallery.rejected[0].reason}")
        data = Pairs(gallery, captions, owner, encoder, options.prompt, arguments.draws)
        if not rates:
            first = data
            percent, cuts = data.cross_validated()
        treatment = f"{options.framing} {options.contrast} {options.prompt}"
        rates[treatment] = data.rates(*data.cross_validated(cuts))
        print(f"{treatment}: {json.dumps(rates[treatment])}", flush=True)
    everything = np.arange(len(files))
    learned = first.calibration(everything)
    save(
        arguments.to,
        encoder.name,
        replace(learned, cutoffs=first.cuts(percent, everything), rates=rates, origin=origin),
    )


def captioned(folder: Path) -> tuple[list[Path], list[str], np.ndarray]:
    """Pictures, captions, and which picture each caption belongs to."""
    if (folder / "captions.csv").is_file():
        pairs = [(one.file, one.caption) for one in read_captions(folder / "captions.csv") if one.caption]
    else:
        with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
            labels = [(row["file"], row["label"].replace("_", " ")) for row in csv.DictReader(file)]
        pairs = [(name, sentence.format(label)) for name, label in labels for sentence in SENTENCES]
    files = list(dict.fromkeys(name for name, _ in pairs))
    owner = np.array([files.index(name) for name, _ in pairs])
    return [folder / name for name in files], [caption for _, caption in pairs], owner


class Pairs:
    """Cosines of every picture with every caption and with the bank, and what can be learned from them."""

    def __init__(
        self,
        gallery: Gallery,
        captions: list[str],
        owner: np.ndarray,
        encoder: Encoder,
        prompt: Prompt,
        draws: int = DRAWS,
    ) -> None:
        """Encode the captions, and compare them and the background captions with the pictures."""
        self.draws = draws
        self.vectors = encode_captions(captions, encoder, prompt)
        self.background: BackgroundCaptions = encode_background(encoder, prompt)
        self.cosines = gallery.cosines(self.vectors).astype(np.float64)
        self.unrelated = gallery.cosines(self.background.vectors).astype(np.float64)
        self.pictures = gallery.vectors[gallery.starts].astype(np.float64)
        self.true = owner[None, :] == np.arange(len(self.pictures))[:, None]

    def calibration(self, learn: np.ndarray) -> Calibration:
        """Moments and spread from the pictures `learn`; cut-offs are still to come."""
        mean = self.pictures[learn].mean(axis=0)
        _, lengths, directions = np.linalg.svd((self.pictures[learn] - mean) / np.sqrt(len(learn)), full_matrices=False)
        kept = min(DIRECTIONS, len(lengths))
        moments = Calibration(
            cutoffs=Cutoffs(100, 100, 0),
            rates={},
            origin="",
            null=NullDistribution.fit(np.array([0.0, 1.0])),
            mean=mean,
            directions=directions[:kept] * lengths[:kept, None],
            rest=float((lengths[kept:] ** 2).sum() / len(mean)),
        )
        _, t = compute_strengths(
            self.cosines[learn][:, :1], self.vectors[:1], self.unrelated[learn], self.background, moments
        )
        null = NullDistribution.fit(t.ravel())
        places = np.linspace(0, len(null.t) - 1, QUANTILES).round().astype(int)
        return replace(moments, null=NullDistribution(null.t[places], null.below[places], null.excess))

    def percentiles(self, learn: np.ndarray, judge: np.ndarray) -> np.ndarray:
        """Of the pictures `judge` with every caption, by what was learned from the pictures `learn`."""
        known = self.calibration(learn)
        return compute_percentiles(self.cosines[judge], self.vectors, self.unrelated[judge], self.background, known)

    def cross_validated(self, cuts: list[Cutoffs] | None = None) -> tuple[np.ndarray, list[Cutoffs]]:
        """Percentiles of every pair, and the cut-offs of each fold: learned from the others, unless they are given."""
        count = len(self.pictures)
        fold = np.random.default_rng(0).permutation(count) % FOLDS
        percent = np.zeros_like(self.cosines)
        for i in range(FOLDS):
            percent[fold == i] = self.percentiles(np.flatnonzero(fold != i), np.flatnonzero(fold == i))
        self.fold = fold
        return percent, cuts or [self.cuts(percent, np.flatnonzero(fold != i)) for i in range(FOLDS)]

    def cuts(self, percent: np.ndarray, learn: np.ndarray) -> Cutoffs:
        """Cut-offs that let the wanted shares of random pairs and of galleries through."""
        random = percent[learn][~self.true[learn]]
        match, weak = (float(np.quantile(random, 1 - share)) for share in (FALSE_MATCHES, FALSE_WEAK))
        chances = []
        for size in GALLERIES:
            best = np.array([percent[drawn, caption].max() for drawn, caption in self.galleries(size, learn, False)])
            chance = 1 - (best / 100) ** size
            chances.append(float(np.quantile(chance, FALSE_GALLERIES)))
        return Cutoffs(match, weak, min(chances))

    def galleries(self, size: int, pictures: np.ndarray, fitting: bool) -> list[tuple[np.ndarray, int]]:
        """Pictures and a caption, drawn at random: with or without one that the caption belongs to."""
        chance = np.random.default_rng(size)
        captions = np.flatnonzero(self.true[pictures].any(axis=0))
        drawn = []
        for _ in range(self.draws):
            caption = int(chance.choice(captions))
            others = chance.choice(pictures[~self.true[pictures, caption]], size - fitting, replace=False)
            own = pictures[self.true[pictures, caption]][:1] if fitting else []
            drawn.append((np.concatenate([others, own]).astype(int), caption))
        return drawn

    def rates(self, percent: np.ndarray, cuts: list[Cutoffs]) -> dict[str, float]:
        """How often the cut-offs are right and wrong, each fold judged by its own."""
        match, weak = (np.array([getattr(cut, which) for cut in cuts])[self.fold] for which in ("match", "weak"))
        is_match, is_weak = percent >= match[:, None], percent >= weak[:, None]
        rates = {
            "true pairs called match": is_match[self.true].mean(),
            "true pairs called match or weak": is_weak[self.true].mean(),
            "random pairs called match": is_match[~self.true].mean(),
            "random pairs called match or weak": is_weak[~self.true].mean(),
            "area under the ROC curve, percentile": area(percent, self.true),
            "area under the ROC curve, cosine": area(self.cosines, self.true),
        }
        for size, fitting in product(GALLERIES, (False, True)):
            nothing = []
            for drawn, caption in self.galleries(size, np.arange(len(percent)), fitting):
                best = drawn[percent[drawn, caption].argmax()]
                judge = cuts[self.fold[best]]
                nothing.append(judge.verdicts(percent[drawn, caption])[0] == NOTHING)
            which = "with a fitting picture" if fitting else "without a fitting picture"
            rates[f"galleries of {size} {which} called {NOTHING}"] = float(np.mean(nothing))
        return {name: round(float(rate), 4) for name, rate in rates.items()}


def area(scores: np.ndarray, true: np.ndarray) -> float:
    """Area under the ROC curve: how often a true pair scores above a random one, ties half."""
    above = mannwhitneyu(scores[true], scores[~true], method="asymptotic").statistic
    return float(above / true.sum() / (~true).sum())


def save(folder: Path, model: str, learned: Calibration) -> None:
    """Write what `clipsim.scoring.find_calibration` reads."""
    moments = {"mean": learned.mean, "directions": learned.directions}
    spread = {"null_t": learned.null.t, "null_below": learned.null.below}
    kept: dict[str, Any] = {**{name: array.astype(np.float16) for name, array in moments.items()}, **spread}
    np.savez_compressed(folder / f"calibration-{model}.npz", **kept)
    known = {
        "model": model,
        "origin": learned.origin,
        "learned by": "tools/calibrate.py",
        "match": round(learned.cutoffs.match, 3),
        "weak": round(learned.cutoffs.weak, 3),
        "gallery": round(learned.cutoffs.gallery, 4),
        "excess": learned.null.excess,
        "rest": learned.rest,
        "rates": learned.rates,
    }
    (folder / f"calibration-{model}.json").write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
