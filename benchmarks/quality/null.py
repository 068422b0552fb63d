"""How often are pairs that mean nothing called a match? Best asked of a checkpoint that was never trained.

`python -m benchmarks.quality.null PICTURES --model FOLDER`

Every picture of the folder PICTURES is judged with class names in each of six forms of sentence. With random weights no
pair means anything: percentile 99 should be exceeded by 1 % of them, 95 by 5 %, whatever the form.
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


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--model", required=True, help="as for clipsim.load")
    parser.add_argument("--names", type=int, default=60, help="class names, drawn at random")
    parser.add_argument("--at-most", type=int, default=600, help="pictures")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    encoder, chance = clipsim.load(arguments.model), np.random.default_rng(arguments.seed)
    paths = [path for path in sorted(arguments.pictures.iterdir()) if path.suffix.lower() in SUFFIXES]
    gallery = embed([paths[i] for i in chance.permutation(len(paths))[: arguments.at_most]], encoder)
    names = chance.choice(read_class_names(), arguments.names, False)
    print(" > 99 %  > 95 %  form")
    for sentence in SENTENCES:
        captions = [sentence.format(name) for name in names]
        vectors = encode_captions(captions, encoder)
        percentiles = judge(gallery, gallery.cosines(vectors), captions, vectors, encoder).percentiles
        print(f"{100 * np.mean(percentiles >= 99):7.2f} {100 * np.mean(percentiles >= 95):7.2f}  {sentence}")


if __name__ == "__main__":
    main()
