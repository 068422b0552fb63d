"""Does a check list find the one false statement of five?

`python -m benchmarks.quality.checklist CAPTIONED [--model NAME] [--draws N]`

CAPTIONED is a folder with photographs and a `captions.csv` (columns file, caption), five captions of each. The captions
of a picture are joined to one text, in which one, drawn by chance, is replaced by a caption of another picture. Counted
is how often the statement with the lowest percentile is that one, or a clause of it (by chance 20 %), and what verdicts
true and false statements get. Pictures that the stand-in's head was learned from are encoded by heads that were not.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np

from benchmarks.quality.held_out import HeldOut, embed_held_out
from clipsim.embedding import encode_captions
from clipsim.scoring import judge, split_statements
from clipsim.scoring.calibration import VERDICTS
from clipsim.scoring.combining import replace_in_parts
from clipsim.scoring.judge import Judgement

JOINED = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captioned", type=Path)
    parser.add_argument("--model", default="stand-in")
    parser.add_argument("--draws", type=int, default=5, help="texts of each picture")
    arguments = parser.parse_args()
    pictures = embed_held_out(arguments.captioned, arguments.model)
    texts = sorted({caption for own in pictures.captions for caption in own})
    statements = {text: split_statements(text) for text in texts}
    column = {one: i for i, one in enumerate(dict.fromkeys(one for parts in statements.values() for one in parts))}
    judged = judge_all([*column], pictures)
    each, chance = judged.verdicts or (), np.random.default_rng(0)
    found: list[bool] = []
    verdicts: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for i, own in enumerate(pictures.captions):
        if len(own) < JOINED:
            continue
        for _ in range(arguments.draws):
            place = chance.integers(JOINED)
            other = (i + chance.integers(1, len(pictures.captions))) % len(pictures.captions)
            joined = [*own[:JOINED]]
            joined[place] = str(chance.choice(pictures.captions[other]))
            lowest = []
            for k, caption in enumerate(joined):
                columns = [column[one] for one in statements[caption]]
                lowest.append(min(judged.percentiles[i, columns]))
                verdicts[k != place].update(each[j][i] for j in columns if each)
            found.append(int(np.argmin(lowest)) == place)
    print(
        f"the false one of {JOINED} ranks last in {np.mean(found):.1%} of {len(found)} texts (chance: {1 / JOINED:.0%})"
    )
    for true, counts in verdicts.items():
        shares = ", ".join(f"{one} {counts[one] / max(1, counts.total()):.1%}" for one in VERDICTS)
        print(f"{'true' if true else 'false'} statements: {shares}")


def judge_all(statements: list[str], pictures: HeldOut) -> Judgement:
    """Judge every statement with every picture, each by itself, as `clipsim.check_text` does."""
    vectors = encode_captions(statements, pictures.encoder)
    cosines = pictures.gallery.cosines(vectors)
    judged = judge(pictures.gallery, cosines, statements, vectors, pictures.encoder, among=None)
    return replace_in_parts(pictures.gallery, cosines, judged, statements, pictures.encoder, "as-written", among=None)[
        1
    ]


if __name__ == "__main__":
    main()
