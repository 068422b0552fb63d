"""How often is a photograph said to hold writing that the model read?

`python -m benchmarks.quality.mirrors CAPTIONED [--model NAME] [--limit N]`

CAPTIONED is a folder with photographs and a `captions.csv` (columns file, caption). Of the captions that stand out on
their own photograph it is counted how many lose more in a mirror than a share of what they stand out by, for several
shares. Few of these photographs show writing, so that what is counted is mostly wrong.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np

import clipsim
from clipsim.embedding import embed, encode_captions
from clipsim.evaluation import read_captions
from clipsim.options import Options
from clipsim.scoring import judge
from clipsim.scoring.mirroring import FITS, LOST, mirror

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captioned", type=Path)
    parser.add_argument("--model", default="stand-in")
    parser.add_argument("--limit", type=int, default=350, help="photographs")
    arguments = parser.parse_args()
    by_file: dict[str, list[str]] = defaultdict(list)
    for one in read_captions(arguments.captioned / "captions.csv"):
        by_file[one.file].append(one.caption)
    encoder = clipsim.load(arguments.model)
    files = [*by_file][: arguments.limit]
    gallery = embed([arguments.captioned / file for file in files], encoder, keep_views=True)
    mirrored = mirror(gallery, encoder, Options())
    lost = []
    for i, file in enumerate(files):
        captions = by_file[file]
        vectors = encode_captions(captions, encoder)
        cosines = gallery.cosines(vectors)
        judged = judge(gallery, cosines, captions, vectors, encoder)
        stands_out = cosines[i] - judged.typical[i]
        told = (judged.percentiles[i] >= FITS) & (stands_out > 0)
        lost += ((cosines[i] - mirrored.cosines(vectors)[i])[told] / stands_out[told]).tolist()
    for share in SHARES:
        noted = np.mean(np.array(lost) > share)
        print(f"{noted:.2%} of {len(lost)} lose more than {share:.0%}{' (what gets a note)' * (share == LOST)}")


if __name__ == "__main__":
    main()
