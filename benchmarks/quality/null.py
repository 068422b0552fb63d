"""How often are pairs that mean nothing called a match? Best asked of a checkpoint that was never trained.

`python -m benchmarks.quality.null PICTURES --model FOLDER`

Every picture of the folder PICTURES is judged with class names in each of six forms of sentence, or in those given with
`--sentence`. With random weights no pair means anything: percentile 99 should be exceeded by 1 % of them, 95 by 5 %,
whatever the form. The last line counts the forms for which that holds by and large: 0.5 to 2 %, and 3 to 8 %.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import clipsim
from clipsim.embedding import embed, encode_captions
from clipsim.images import SUFFIXES
from clipsim.scoring import judge
from tools.calibrate import SENTENCES
from tools.stand_in_data import read_class_names

BOUNDS = (0.5, 2.0), (3.0, 8.0)  # of the shares above 99 and 95, in percent


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--model", required=True, help="as for clipsim.load")
    parser.add_argument("--names", type=int, default=60, help="class names, drawn at random")
    parser.add_argument("--at-most", type=int, default=600, help="pictures")
    parser.add_argument("--sentence", action="append", help="with {} for the name; may be given again")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    encoder, chance = clipsim.load(arguments.model), np.random.default_rng(arguments.seed)
    paths = [path for path in sorted(arguments.pictures.iterdir()) if path.suffix.lower() in SUFFIXES]
    gallery = embed([paths[i] for i in chance.permutation(len(paths))[: arguments.at_most]], encoder)
    names = chance.choice(read_class_names(), arguments.names, False)
    print(" > 99 %  > 95 %  form")
    shares = []
    for sentence in arguments.sentence or SENTENCES:
        captions = [sentence.format(name) for name in names]
        vectors = encode_captions(captions, encoder)
        percentiles = judge(gallery, gallery.cosines(vectors), captions, vectors, encoder).percentiles
        shares.append([100 * np.mean(percentiles >= cut) for cut in (99, 95)])
        print(f"{shares[-1][0]:7.2f} {shares[-1][1]:7.2f}  {sentence}")
    columns = zip(np.transpose(shares), BOUNDS, strict=True)
    within = [np.sum((low <= column) & (column <= high)) for column, (low, high) in columns]
    print(f"{within[0]:7} {within[1]:7}  of {len(shares)} within 0.5 to 2 and 3 to 8 %")


if __name__ == "__main__":
    main()
