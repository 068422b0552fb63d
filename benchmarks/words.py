"""Is the word that a picture shows the one that carries its caption? `python benchmarks/words.py PHOTOS [--model NAME]`

PHOTOS is a folder with photographs and a `labels.csv` (columns file, label). Each label is put into several sentences.
The top word of a sentence is the one that adds most to the cosine with the label's own photograph, and it is right
where it is a word of the label.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from robustness import labelled

import clipsim

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
    for sentence in SENTENCES:
        right = sum(
            top_word(clipsim.score_images(file, sentence.format(label), encoder, words=True)) in label.split()
            for file, label in zip(files, labels, strict=True)
        )
        print(f"{sentence}: {right} of {len(files)} ({right / len(files):.1%})", flush=True)


def top_word(result: clipsim.Result) -> str:
    """The word that adds most to the best picture's cosine."""
    assert result.words and result.scores[0].words
    return max(zip(result.scores[0].words, result.words, strict=True))[1]


if __name__ == "__main__":
    main()
