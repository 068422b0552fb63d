"""Is the word that a picture shows the one that carries its caption?

`python -m benchmarks.quality.words PHOTOS [--model NAME]`

PHOTOS is a folder with photographs and a `labels.csv` (columns file, label). Each label is put into several sentences.
The top word of a sentence is the one that adds most to the cosine with the label's own photograph, and it is right
where it is a word of the label.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import clipsim
from benchmarks.quality.robustness import labelled
from clipsim.embedding import embed, encode_captions
from clipsim.encoders import Encoder
from clipsim.scoring.words import leave_one_out, split_words

SENTENCES = (
    "a {} standing in the snow",
    "a {} lying on the beach",
    "two children playing with a {} in the garden",
    "a small {} in front of a red wall at night",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--model", default="stand-in")
    options = parser.parse_args()
    encoder = clipsim.load(options.model)
    files, labels = labelled(options.photos, None)
    vectors = embed(files, encoder).vectors
    for sentence in SENTENCES:
        right = sum(
            top_word(sentence.format(label), vector, encoder) in label.split()
            for label, vector in zip(labels, vectors, strict=True)
        )
        print(f"{sentence}: {right} of {len(files)} ({right / len(files):.1%})", flush=True)


def top_word(caption: str, picture: np.ndarray, encoder: Encoder) -> str:
    """The word without which the caption's cosine with the picture's vector, shape (width,), is lowest."""
    words = split_words(caption)
    return words[int((encode_captions(leave_one_out(words), encoder) @ picture).argmin())]


if __name__ == "__main__":
    main()
