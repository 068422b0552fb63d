"""How often do notes on a caption come where they should, and where they should not?

`python -m benchmarks.quality.remarks PICTURES [--model NAME]`

PICTURES is a folder with photographs and a `captions.csv` (columns file, caption), a `labels.csv` (columns file, label)
or both. Captions that people wrote are plain: of them few may get a note. Labels are put into sentences that say what a
model does not see: of them all should, and it is counted how often they fit pictures of the label. Of captions with two
things that a relation joins, as in “a dog on a sofa”, it is counted how often the caption with the two swapped fits the
picture as well, by the rule of `words`.

Last comes what speaks against notes on colours and small numbers: how often another one would fit clearly better than
the one that a person wrote, and how often than a wrong one.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import clipsim
from clipsim import Encoder
from clipsim.embedding import Gallery, embed, encode_captions, name_sources
from clipsim.scoring.judge import judge
from clipsim.scoring.remarks import find_remarks
from clipsim.scoring.roles import swap_roles
from clipsim.scoring.words import FITS, IGNORED

SENTENCES = ("{}", "a photo of a {}", "no {}", "a photo without a {}", "fifty {}", "fifty {}s", "a drawing of a {}")
ATTRIBUTES = {
    "colours": ("red", "blue", "green", "yellow", "black", "white", "brown", "orange", "pink"),
    "small numbers": ("two", "three", "four"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--model", default="stand-in")
    options = parser.parse_args()
    encoder = clipsim.load(options.model)
    if (options.pictures / "labels.csv").exists():
        rows = read_rows(options.pictures / "labels.csv")
        gallery = embed(name_sources([(options.pictures / row["file"], row["file"]) for row in rows]), encoder)
        for sentence in SENTENCES:
            captions = [sentence.format(row["label"]) for row in rows]
            count_remarks(f"“{sentence}”", captions, encoder)
            vectors = encode_captions(captions, encoder)
            judged = judge(gallery, gallery.cosines(vectors), captions, vectors, encoder)
            fits = np.diagonal(judged.percentiles) >= FITS
            print(f"    and on pictures of it, all the same, a percentile of {FITS:.0f} at least for {fits.mean():.1%}")
    if (options.pictures / "captions.csv").exists():
        pairs = [(row["file"], row["caption"]) for row in read_rows(options.pictures / "captions.csv")]
        count_remarks("captions by people", [caption for _, caption in pairs], encoder)
        measure_alterations(options.pictures, pairs, encoder)


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def count_remarks(what: str, captions: list[str], encoder: Encoder) -> None:
    found = [find_remarks(caption, encoder) for caption in captions]
    kinds = Counter(remark.kind for remarks in found for remark in remarks)
    told = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
    noted = sum(map(bool, found))
    print(f"{what}: a note on {noted} of {len(captions)} ({noted / len(captions):.1%}){': ' + told if told else ''}")


def measure_alterations(folder: Path, pairs: list[tuple[str, str]], encoder: Encoder) -> None:
    """Compare captions with altered ones on their own pictures, where they fit."""
    files = list(dict.fromkeys(file for file, _ in pairs))
    gallery = embed(name_sources([(folder / file, file) for file in files]), encoder)
    place = {picture.name: i for i, picture in enumerate(gallery.pictures)}
    swaps = [(file, caption, [swap.caption]) for file, caption in pairs if (swap := swap_roles(caption))]
    lost = np.concatenate([1 - rest for _, rest in compare(swaps, gallery, place, encoder)])
    alike = int((lost <= IGNORED).sum())
    print(f"things swapped: of {len(swaps)} captions {len(lost)} fit, {alike} of them as well the other way round")
    for what, words in ATTRIBUTES.items():
        jobs = list(change_words(pairs, words))
        true, wrong = [], []
        for _, rest in compare(jobs, gallery, place, encoder):
            true.append(rest.max() > 1 + IGNORED)
            # each other word taken for the caption's own; what stands out less does not fit
            wrong += [max(1.0, *np.delete(rest, i)) > one * (1 + IGNORED) for i, one in enumerate(rest) if one > 0.5]
        print(
            f"{what}: in {len(jobs)} captions; of {len(true)} that fit another word would fit clearly better for "
            f"{np.mean(true):.1%}, "
            f"of {len(wrong)} with a wrong word for {np.mean(wrong):.1%}"
        )


def change_words(pairs: list[tuple[str, str]], words: tuple[str, ...]) -> Iterator[tuple[str, str, list[str]]]:
    """Yield file, caption, and the caption with the first of `words` in it changed into each of the others."""
    for file, caption in pairs:
        tokens = caption.split()
        i = next((i for i, token in enumerate(tokens) if token.lower() in words), None)
        if i is not None:
            others = [word for word in words if word != tokens[i].lower()]
            yield file, caption, [" ".join([*tokens[:i], word, *tokens[i + 1 :]]) for word in others]


def compare(
    jobs: list[tuple[str, str, list[str]]], gallery: Gallery, place: dict[str, int], encoder: Encoder
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each caption that fits, and how far its altered forms stand out, as shares of how far it does itself."""
    captions = [caption for _, caption, _ in jobs]
    altered = iter(encode_captions([one for _, _, others in jobs for one in others], encoder))
    vectors = encode_captions(captions, encoder)
    cosines = gallery.cosines(vectors)
    judged = judge(gallery, cosines, captions, vectors, encoder)
    for j, (file, caption, others) in enumerate(jobs):
        vectors = np.stack([next(altered) for _ in others])
        i = place[file]
        stands_out = cosines[i, j] - judged.typical[i]
        if judged.percentiles[i, j] >= FITS and stands_out > 0:
            yield caption, (vectors @ gallery.vectors[i] - judged.typical[i]) / stands_out


if __name__ == "__main__":
    main()
