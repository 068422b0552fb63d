"""What does half precision change in what is found?

`python -m benchmarks.quality.precision FOLDER [--model stand-in]`

FOLDER holds photographs and a `captions.csv` (columns file, caption) or a `labels.csv` (file, label), whose labels are
put into six sentences. Both are encoded in `full` and in `half`, by heads of the stand-in that were learned from other
photographs where it has seen them. Printed are how many captions find their own photograph, first and among the first
ten, and between the two how cosines, the order of two photographs under one caption, and verdicts change.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.quality.held_out import HeldOut, embed_held_out
from clipsim.embedding import encode_captions
from clipsim.options import Precision
from clipsim.scoring import judge

PRECISIONS: tuple[Precision, Precision] = ("full", "half")
SAMPLE = 300  # captions of which the order of all pairs of photographs is compared


def judge_all(pictures: HeldOut) -> tuple[np.ndarray, np.ndarray]:
    """Return the cosine and the verdict of each picture with each caption, shape (pictures, captions)."""
    captions = [caption for own in pictures.captions for caption in own]
    vectors = encode_captions(captions, pictures.encoder)
    cosines = pictures.gallery.cosines(vectors)
    return cosines, np.array(judge(pictures.gallery, cosines, captions, vectors, pictures.encoder).verdicts)


def describe_ranks(cosines: np.ndarray, owner: np.ndarray) -> str:
    """Say how many captions find their own picture."""
    ranks = (cosines > cosines[owner, np.arange(len(owner))]).sum(axis=0)
    return f"first {np.mean(ranks < 1):.1%}, among ten {np.mean(ranks < 10):.1%}"


def count_swaps(one: np.ndarray, other: np.ndarray) -> float:
    """Return the share of pairs of pictures whose order differs, over captions of each column."""
    columns = np.random.default_rng(0).permutation(one.shape[1])[:SAMPLE]
    signs = [[np.sign(part[:, i, None] - part[None, :, i]) for i in columns] for part in (one, other)]
    return float(np.mean([np.mean(first != second) for first, second in zip(*signs, strict=True)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="stand-in", help="as clipsim.load takes it (%(default)s)")
    arguments = parser.parse_args()
    found = []
    for precision in PRECISIONS:
        pictures = embed_held_out(arguments.folder, arguments.model, precision)
        owner = np.repeat(np.arange(len(pictures.captions)), [len(own) for own in pictures.captions])
        found.append(judge_all(pictures))
        print(f"{pictures.encoder.precision}: {describe_ranks(found[-1][0], owner)}")
    (full, verdicts), (half, others) = found
    change = np.abs(full - half)
    print(f"cosines: {change.mean():.1e} in the mean, 99 % within {np.quantile(change, 0.99):.1e}, {change.max():.1e}")
    print(f"pairs swapped: {count_swaps(full, half):.2%}; other verdicts: {np.mean(verdicts != others):.2%}")


if __name__ == "__main__":
    main()
