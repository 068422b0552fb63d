"""Learn a model's cut-offs from captioned pictures.

`python -m tools.calibrate PICTURES --model stand-in`

PICTURES is a folder with pictures and a `captions.csv` (columns file, caption) or a `labels.csv` (columns file, label);
a label is put into several sentences. What is learned goes to `clipsim/data/calibration-MODEL.json` and `.npz` (`--to`
takes another folder): no picture and no caption, but moments of the pictures' vectors, the spread of unrelated pairs,
and the cut-offs with their error rates. Every rate is cross-validated over pictures: moments, spread and cut-offs from
four fifths, errors from the last fifth. The stand-in's head was learned from such pictures itself: each of them is
encoded by a head that was learned without it, so that PICTURES must be those of `tools.stand_in_data`.

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
from clipsim.encoders.conse import ConseEncoder
from clipsim.evaluation.caption_files import read_captions
from clipsim.options import Framing, Options, Prompt
from clipsim.scoring import NOTHING, Calibration, encode_background
from clipsim.scoring.calibration import (
    MATCH,
    NOT_SURE,
    BackgroundCaptions,
    Cutoffs,
    NullDistribution,
    compute_percentiles,
    compute_strengths,
)
from tools.stand_in_data import encode_captioned, learn_head

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
HEADS = 10  # parts of the pictures, each of which is encoded by a head that was learned from the others
OTHERS = 200  # pictures for every treatment but the first
FALSE_MATCHES, FALSE_WEAK = 0.0135, 0.052  # shares of random pairs that the cut-offs let through
FALSE_GALLERIES, UNSURE_GALLERIES = 0.05, 0.35  # of galleries without a fitting picture: a match, or more than nothing
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
    encoders = unseeing_encoders(encoder, files, captions, owner)
    rates: dict[str, dict[str, float]] = {}
    for options in TREATMENTS:
        count = min(OTHERS, len(files)) if rates else len(files)
        own = [i for i, one in enumerate(owner) if one < count]
        gallery = embed_unseen(files[:count], encoders, options)
        texts = [captions[i] for i in own]
        data = Pairs(gallery, texts, owner[own], encoder, options.prompt, arguments.draws)
        if not rates:
            folds = data.learn_folds()
            everything = np.arange(len(files))
            cutoffs = data.cuts(data.percentiles_by_fold(folds), everything)
            learned = replace(data.calibration(everything), cutoffs=cutoffs, origin=origin)
        treatment = f"{options.framing} {options.contrast} {options.prompt}"
        rates[treatment] = data.rates(folds)
        print(f"{treatment}: {json.dumps(rates[treatment])}", flush=True)
        save(arguments.to, encoder.name, replace(learned, rates=rates))  # each time, or an interruption costs all


def unseeing_encoders(encoder: Encoder, files: list[Path], captions: list[str], owner: np.ndarray) -> list[Encoder]:
    """Return the encoder of every picture: one that was not learned from it."""
    if not isinstance(encoder, ConseEncoder):
        return [encoder] * len(files)
    photographs = encode_captioned(files, captions, owner)
    part = np.random.default_rng(1).permutation(len(files)) % HEADS
    heads = [learn_head(photographs, np.flatnonzero(part != i)) for i in range(HEADS)]
    encoders = [ConseEncoder(encoder.name, encoder.device, head=head) for head in heads]
    return [encoders[i] for i in part]


def embed_unseen(files: list[Path], encoders: list[Encoder], options: Options) -> Gallery:
    """Embed every picture with its own encoder."""
    parts: list[Gallery | None] = [None] * len(files)
    for encoder in dict.fromkeys(encoders[: len(files)]):
        places = [i for i in range(len(files)) if encoders[i] is encoder]
        gallery = embed([files[i] for i in places], encoder, options)
        if gallery.rejected:
            raise SystemExit(f"{gallery.rejected[0].name} {gallery.rejected[0].reason}")
        for i, (part, _) in zip(places, gallery.parts(1), strict=True):
            parts[i] = part
    whole = [part for part in parts if part]
    starts = np.cumsum([0, *(len(part.vectors) for part in whole)])[:-1]
    pictures = tuple(part.pictures[0] for part in whole)
    return Gallery(pictures, np.concatenate([part.vectors for part in whole]), starts, ())


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
        self.fold = np.random.default_rng(0).permutation(len(self.pictures)) % FOLDS

    def calibration(self, learn: np.ndarray) -> Calibration:
        """Moments and spread from the pictures `learn`; cut-offs are still to come."""
        mean = self.pictures[learn].mean(axis=0)
        _, lengths, directions = np.linalg.svd((self.pictures[learn] - mean) / np.sqrt(len(learn)), full_matrices=False)
        kept = min(DIRECTIONS, len(lengths))
        moments = Calibration(
            cutoffs=Cutoffs(100, 100, 0, 0),
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

    def learn_folds(self) -> list[Calibration]:
        """Learn a calibration for each fold, from the others."""
        known = [self.calibration(np.flatnonzero(self.fold != i)) for i in range(FOLDS)]
        percent = self.percentiles_by_fold(known)
        return [replace(one, cutoffs=self.cuts(percent, np.flatnonzero(self.fold != i))) for i, one in enumerate(known)]

    def percentiles_by_fold(self, known: list[Calibration]) -> np.ndarray:
        """Return the percentile of every picture with every caption, by the calibration of the picture's fold."""
        percent = np.zeros_like(self.cosines)
        for i, one in enumerate(known):
            rows = self.fold == i
            percent[rows] = compute_percentiles(
                self.cosines[rows], self.vectors, self.unrelated[rows], self.background, one
            )
        return percent

    def cuts(self, percent: np.ndarray, learn: np.ndarray) -> Cutoffs:
        """Cut-offs that let the wanted shares of random pairs and of galleries through."""
        random = percent[learn][~self.true[learn]]
        match, weak = (float(np.quantile(random, 1 - share)) for share in (FALSE_MATCHES, FALSE_WEAK))
        chances = []
        for size in GALLERIES:
            best = np.array([percent[drawn, caption].max() for drawn, caption in self.galleries(size, learn, False)])
            chance = 1 - (best / 100) ** size
            chances.append(np.quantile(chance, [FALSE_GALLERIES, UNSURE_GALLERIES]))
        gallery, unsure = np.min(chances, axis=0).tolist()
        return Cutoffs(match, weak, gallery, unsure)

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

    def rates(self, known: list[Calibration]) -> dict[str, float]:
        """How often the cut-offs are right and wrong, each fold judged by its own."""
        percent, cuts = self.percentiles_by_fold(known), [one.cutoffs for one in known]
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
            answers, found = [], []
            for drawn, caption in self.galleries(size, np.arange(len(percent)), fitting):
                best = drawn[percent[drawn, caption].argmax()]
                answers.append(cuts[self.fold[best]].verdicts(percent[drawn, caption])[0])
                found.append(self.true[best, caption] and answers[-1] != NOTHING)
            which = "with a fitting picture" if fitting else "without a fitting picture"
            for answer in (MATCH, NOT_SURE, NOTHING):
                rates[f"galleries of {size} {which} called {answer}"] = float(
                    np.mean([one == answer for one in answers])
                )
            if fitting:
                rates[f"galleries of {size} in which the fitting picture is named"] = float(np.mean(found))
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
        "unsure": round(learned.cutoffs.unsure, 4),
        "excess": learned.null.excess,
        "rest": learned.rest,
        "rates": learned.rates,
    }
    (folder / f"calibration-{model}.json").write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
