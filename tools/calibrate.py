"""Learn a model's cut-offs from captioned pictures.

`python -m tools.calibrate PICTURES --model stand-in`

PICTURES is a folder with pictures and a `captions.csv` (columns file, caption) or a `labels.csv` (columns file, label);
a label is put into several sentences. What is learned goes to `clipsim/data/calibration-MODEL.json` and `.npz` (`--to`
takes another folder): no picture and no caption, but moments of the pictures' vectors, the spread of unrelated pairs,
and the cut-offs with their error rates. The stand-in's head was learned from such pictures itself: each of them is
encoded by a head that was learned without it, so that PICTURES must be those of `tools.stand_in_data`. All the rest is
`clipsim.tuning`.

With `--wordnet FOLDER --labelled FOLDER` cut-offs for names of things are learned too (`tools.names`): false alarms
from PICTURES and from photographs whose `labels.csv` names an ImageNet class, what is found from PICTURES alone.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np

import clipsim
from clipsim.embedding import Gallery, embed, encode_captions
from clipsim.encoders import Encoder
from clipsim.encoders.conse import ConseEncoder
from clipsim.evaluation import read_captions
from clipsim.options import Framing, Options, Prompt
from clipsim.scoring import encode_background
from clipsim.scoring.keeping import write_calibration
from clipsim.tuning import Aims, learn_and_measure, make_pairs
from clipsim.tuning.learning import DRAWS
from tools.names import Judged, Nouns, compute_name_strengths, find_captioned, find_labelled, learn_names
from tools.stand_in_data import encode_captioned, learn_head

SENTENCES = (
    "{}",
    "a photo of a {}",
    "a {} standing in the snow",
    "someone looking at a {}",
    "a close-up photograph of a {} on a sunny day",
    "a {} in the middle of a busy street",
)
HEADS = 10  # parts of the pictures, each of which is encoded by a head that was learned from the others
OTHERS = 200  # pictures for every treatment but the first
AIMS = Aims(false_matches=0.014, false_weak=0.053, false_galleries=0.05, unsure_galleries=0.35, missed=0.05)
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
    parser.add_argument("--wordnet", type=Path, help="folder with index.noun and data.noun")
    parser.add_argument("--labelled", type=Path, help="folder with photographs and labels.csv")
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
        vectors = encode_captions(texts, encoder, options.prompt)
        pairs = make_pairs(gallery, texts, vectors, owner[own], encode_background(encoder, options.prompt))
        found = learn_and_measure(pairs, origin, AIMS, arguments.draws)
        if not rates:
            learned = found.calibration
            if arguments.wordnet and arguments.labelled:
                judged = judge_names(arguments.wordnet, gallery, captions, owner, arguments.labelled, encoder)
                names = learn_names(judged, learned, AIMS, arguments.draws)
                learned = replace(learned, names=replace(names, origin=origin))
                print(f"names: {json.dumps(names.rates)}", flush=True)
        rates[options.treatment] = found.figures
        print(f"{options.treatment}: {json.dumps(found.figures)}", flush=True)
        about = {"model": encoder.name, "learned by": "tools/calibrate.py"}
        # each time, or an interruption costs all
        write_calibration(arguments.to, encoder.name, replace(learned, rates=rates), about)


def judge_names(
    wordnet: Path, gallery: Gallery, captions: list[str], owner: np.ndarray, labelled: Path, encoder: Encoder
) -> list[Judged]:
    """Judge pictures by names of things that they show and do not show: captioned ones, and labelled ones."""
    nouns = Nouns(wordnet)
    with (labelled / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = [(labelled / row["file"], row["label"].replace("_", " ")) for row in csv.DictReader(file)]
    sets = (
        (gallery, find_captioned(captions, owner, nouns)),
        (embed([path for path, _ in rows], encoder), find_labelled([label for _, label in rows], nouns)),
    )
    return [(things, compute_name_strengths(pictures, things, encoder)) for pictures, things in sets]


def unseeing_encoders(encoder: Encoder, files: list[Path], captions: list[str], owner: np.ndarray) -> list[Encoder]:
    """Return the encoder of every picture: one that was not learned from it."""
    if not isinstance(encoder, ConseEncoder):
        return [encoder] * len(files)
    photographs = encode_captioned(files, captions, owner)
    part = np.random.default_rng(1).permutation(len(files)) % HEADS
    heads = [learn_head(photographs, np.flatnonzero(part != i)) for i in range(HEADS)]
    encoders = [ConseEncoder(encoder.name, encoder.device, precision=encoder.precision, head=head) for head in heads]
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


if __name__ == "__main__":
    main()
