"""Does “a scene with no dog” put the pictures without a dog first?

`python -m benchmarks.quality.negation CAPTIONED [--model NAME]`

CAPTIONED is a folder with photographs and a `captions.csv` (columns file, caption), several captions of each. A picture
shows a thing if three of its captions name it, and shows none if not one has a word that goes with it: “surfing” for
water, “player” for people. Of the rest nobody can say. Printed for each thing is the AUC of pictures without it against
pictures with it, 1 where all of the former rank first: by the plain caption's cosine, and by the caption in parts.
Then the same for “a thing, no other thing”: pictures with the first alone against those with both, and against those
without the first. Pictures that the stand-in's head was learned from are encoded by heads that were not.
"""

from __future__ import annotations

import argparse
import re
from itertools import permutations
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

from benchmarks.quality.held_out import HeldOut, embed_held_out
from clipsim.embedding import encode_captions
from clipsim.scoring import encode_parts, judge_parts

SENTENCES = ("a scene with no {}", "a photo with no {}")
NAMED, FEWEST = 3, 6  # captions that name a thing; pictures of a kind, or a pair is left out
# How it is asked for; the words that name it; those that go with it, so that it may be there.
THINGS = {
    "dog": (
        "dog dogs puppy puppies",
        "doggy hound poodle retriever terrier bulldog greyhound greyhounds dachshund collie shepherd labrador lab pup "
        "canine pug spaniel husky dalmatian rottweiler beagle mutt animal animals pet",
    ),
    "people": (
        "man men woman women people person boy boys girl girls child children",
        "kid kids baby babies toddler toddlers lady ladies guy guys player players crowd group someone somebody he she "
        "his her they their them couple friend friends team male female adult adults runner runners rider riders biker "
        "bikers cyclist cyclists skier skiers snowboarder skateboarder surfer swimmer climber climbers hiker hikers "
        "teenager teen infant youth bride groom mother father mom dad son daughter boarder fan fans family officer "
        "worker workers soldier human individual individuals one racer fisherman driver performer performers dancer "
        "dancers athlete hand hands",
    ),
    "water": (
        "water ocean lake river pool",
        "sea wave waves surf stream creek pond puddle splash splashing splashes wet swim swimming swims surfing surfer "
        "surfboard beach shore fountain sprinkler hose waterfall boat boats kayak wading bath rain canoe dock pier",
    ),
    "snow": (
        "snow snowy",
        "snowboard snowboarder snowboarding snowboards ski skis skier skiers skiing ice icy sled sledding winter "
        "snowball glacier snowmobile",
    ),
    "grass": ("grass grassy lawn", "field yard meadow park green soccer football golf garden hill pasture backyard"),
    "child": (
        "child children boy boys girl girls kid kids baby toddler",
        "babies toddlers infant little young son daughter teenager teen youth family",
    ),
    "ball": (
        "ball balls basketball football",
        "soccer baseball tennis volleyball golf rugby softball sport sports game",
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captioned", type=Path)
    parser.add_argument("--model", default="stand-in")
    arguments = parser.parse_args()
    pictures = embed_held_out(arguments.captioned, arguments.model)
    shown, absent = find_things(pictures.captions)
    for sentence in SENTENCES:
        plain, parts = [], []
        for i, thing in enumerate(THINGS):
            caption = sentence.format(thing)
            cosines = pictures.gallery.cosines(encode_captions([caption], pictures.encoder))[:, 0]
            plain.append(measure_auc(cosines[absent[:, i]], cosines[shown[:, i]]))
            fits = rank_in_parts(caption, pictures)
            parts.append(measure_auc(fits[absent[:, i]], fits[shown[:, i]]))
            counts = f"{absent[:, i].sum()} pictures without, {shown[:, i].sum()} with"
            print(f"“{caption}” ({counts}): plain {plain[-1]:.3f}, in parts {parts[-1]:.3f}", flush=True)
        print(f"mean of {len(THINGS)}: plain {np.mean(plain):.3f}, in parts {np.mean(parts):.3f}")
    measure_pairs(pictures, shown, absent)


def measure_pairs(pictures: HeldOut, shown: np.ndarray, absent: np.ndarray) -> None:
    """Print the mean AUC of “a thing, no other thing”."""
    found: dict[str, list[tuple[float, float]]] = {"plain": [], "in parts": []}
    for i, j in permutations(range(len(THINGS)), 2):
        alone, together = shown[:, i] & absent[:, j], shown[:, i] & shown[:, j]
        if min(alone.sum(), together.sum()) < FEWEST:
            continue
        first, second = [*THINGS][i], [*THINGS][j]
        caption = f"{first if first in ('people', 'water', 'snow', 'grass') else f'a {first}'}, no {second}"
        cosines = pictures.gallery.cosines(encode_captions([caption], pictures.encoder))[:, 0]
        for how, fits in (("plain", cosines), ("in parts", rank_in_parts(caption, pictures))):
            others = (together, absent[:, i])
            aucs = [measure_auc(fits[alone], fits[other]) for other in others]
            found[how].append((aucs[0], aucs[1]))
    for how, each in found.items():
        both, none = np.mean(each, axis=0)
        print(f"“X, no Y”, {len(each)} pairs, {how}: before pictures with both {both:.3f}, without X {none:.3f}")


def find_things(captions: list[list[str]]) -> tuple[np.ndarray, np.ndarray]:
    """Return whether picture i shows thing j, and whether it does not, shape (n, k) each."""
    shown, absent = (np.zeros((len(captions), len(THINGS)), bool) for _ in range(2))
    for i, own in enumerate(captions):
        words = [set(re.findall(r"[a-z]+", caption.lower())) for caption in own]
        for j, (names, others) in enumerate(THINGS.values()):
            shown[i, j] = sum(bool(one & {*names.split()}) for one in words) >= NAMED
            absent[i, j] = not any(one & {*names.split(), *others.split()} for one in words)
    return shown, absent


def rank_in_parts(caption: str, pictures: HeldOut) -> np.ndarray:
    """Return how well each picture fits, by rank: higher is better, shape (n,)."""
    parts = encode_parts(caption, pictures.encoder)
    if parts is None:
        raise SystemExit(f"“{caption}” is not taken apart.")
    found = judge_parts(pictures.gallery, parts, pictures.encoder)
    order = np.lexsort((found.cosines, found.judged.percentiles[:, 0]))
    fits = np.empty(len(order))
    fits[order] = np.arange(len(order))
    return fits


def measure_auc(higher: np.ndarray, lower: np.ndarray) -> float:
    """Return the share of pairs in which the first is higher; equal ones count half."""
    ranks = rankdata(np.concatenate([higher, lower]))[: len(higher)]
    return float((ranks.sum() - len(higher) * (len(higher) + 1) / 2) / (len(higher) * len(lower)))


if __name__ == "__main__":
    main()
