"""What people have to tune with, read from the forms in which they have it, and split by picture."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from clipsim.embedding import NEAR, group_duplicates
from clipsim.errors import CaptionError
from clipsim.evaluation import Captioned, normalize_text, read_captions, read_labels
from clipsim.images import collect_images

LEAST = 20  # pictures: of fewer nothing can be held out that would tell anything
CAPTIONS_EACH = 5  # of a picture, the first ones
TEST_SHARE = 0.2  # of the pictures, which no choice sees
FOLDS = 5  # of the others, each of which is judged by what was learned from the other four
# Where chains of high cosines join most pictures, nothing could be held out of them: the model sees too little of what
# they differ in to tell duplicates, but for those that are all but the same to it.
SAME = 0.9999

TunePairs = str | Path | Sequence[Captioned | tuple[str | Path, str]]


@dataclass(frozen=True)
class Material:
    """Pictures' files by the names that people have for them, each with its captions, or with its label alone."""

    files: dict[str, Path]
    texts: dict[str, tuple[str, ...]]
    labelled: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Split:
    """Which pictures are held out, and in which part of the others each is.

    Attributes:
        test: shape (n,), bool.
        fold: of each picture, 0 to `FOLDS` - 1, shape (n,); near duplicates share it.
        groups: of near duplicates, a number for each picture, shape (n,).
        notes: what is to be said of the split.
    """

    test: np.ndarray
    fold: np.ndarray
    groups: np.ndarray
    notes: tuple[str, ...] = ()


def read_material(pairs: TunePairs, pictures: str | Path | None = None) -> Material:
    """Read captioned or labelled pictures.

    Args:
        pairs: a file as `clipsim evaluate` reads it, a CSV with the columns file and label, a folder with a folder for
            each label, or a list of `(picture's file, caption)`.
        pictures: the folder that files are looked for in; None for that of the file.

    Raises:
        CaptionError: it cannot be read, has fewer than 20 pictures, or one and the same caption for all.
    """
    if not isinstance(pairs, str | Path):
        written = [one if isinstance(one, Captioned) else Captioned(str(one[0]), one[1]) for one in pairs]
        return check_material(_gather(written, Path() if pictures is None else Path(pictures), False))
    path = Path(pairs)
    if path.is_dir():
        return check_material(_read_folder(path))
    labels = read_labels(path)
    folder = path.parent if pictures is None else Path(pictures)
    return check_material(_gather(read_captions(path) if labels is None else labels, folder, labels is not None))


def _read_folder(folder: Path) -> Material:
    """Read a folder per label, in which every picture is of that label."""
    if (folder / "manifest.json").is_file():
        raise CaptionError(f"{folder} is a collection, which has pictures but no captions: give a file of captions.")
    written = [
        Captioned(name, name.split("/")[0].replace("_", " "))
        for source, name in collect_images(folder)
        if isinstance(source, Path) and "/" in name
    ]
    if not written:
        raise CaptionError(f"{folder} has no pictures in folders named by labels: put each label's into one.")
    return _gather(written, folder, True)


def _gather(written: Sequence[Captioned], folder: Path, labelled: bool) -> Material:
    texts: dict[str, dict[str, str]] = {}
    for one in written:
        if one.caption.strip():
            texts.setdefault(one.file, {}).setdefault(normalize_text(one.caption), one.caption.strip())
    ambiguous = [name for name, own in texts.items() if labelled and len(own) > 1]
    if ambiguous:
        raise CaptionError(f"{ambiguous[0]} has {len(texts[ambiguous[0]])} labels: give each picture one.")
    blank = sum(not one.caption.strip() for one in written)
    more = sum(max(len(own) - CAPTIONS_EACH, 0) for own in texts.values())
    counts = {
        f"{blank} captions are blank and left out.": blank,
        f"{more} captions are left out: of each picture {CAPTIONS_EACH} are taken.": more,
    }
    return Material(
        {name: find_file(folder, name) for name in texts},
        {name: tuple(own.values())[:CAPTIONS_EACH] for name, own in texts.items()},
        labelled,
        tuple(note for note, count in counts.items() if count),
    )


def find_file(folder: Path, name: str) -> Path:
    """Return a picture's file in a folder: by the name as it is, else by its last part."""
    exists = os.path.exists  # which, unlike `Path.exists`, takes any text
    path, last = folder / name, folder / name.replace("\\", "/").rpartition("/")[2]
    return last if not exists(path) and exists(last) else path


def check_material(given: Material, why: str = "") -> Material:
    """Return what was given if it can teach something.

    Args:
        given: what is checked.
        why: what became of other pictures, as it reads on from "pictures".

    Raises:
        CaptionError: it has fewer than 20 pictures, or one and the same caption or label for all.
    """
    if len(given.files) < LEAST:
        raise CaptionError(f"There are {len(given.files)} pictures{why}, and tuning takes {LEAST} at least: add some.")
    different = {normalize_text(text) for own in given.texts.values() for text in own}
    if len(different) < 2:
        what = "label" if given.labelled else "caption"
        raise CaptionError(
            f"All pictures have the same {what}, which tells none apart: give them {what}s of their own."
        )
    return given


def split_pictures(vectors: np.ndarray, kinds: np.ndarray, seed: int, threshold: float = NEAR) -> Split:
    """Hold some pictures out, and part the others; near duplicates stay together.

    Args:
        vectors: unit vectors by which near duplicates are told, shape (n, d).
        kinds: a number for each picture's label, shape (n,), so that each part has a share of each; all 0 without.
        seed: of the draw.
        threshold: cosine from which two pictures are near duplicates.
    """
    for nearness in (threshold, SAME):
        groups = np.arange(len(vectors))
        for places in group_duplicates(len(vectors), vectors.__getitem__, nearness):
            groups[places] = places[0]
        split = _split_groups(groups, kinds, seed)
        parts = np.bincount(split.fold[~split.test], minlength=FOLDS)
        if 2 * split.test.sum() >= TEST_SHARE * len(vectors) and 4 * FOLDS * parts.min() >= len(vectors):
            break
    if nearness == threshold:
        return split
    said = (
        f"Pictures look much alike to the model: those of a cosine of {nearness:g} or more stay together in the split."
    )
    return replace(split, notes=(said,))


def _split_groups(groups: np.ndarray, kinds: np.ndarray, seed: int) -> Split:
    """Hold some groups of pictures out, and part the others, of each kind as near to the shares as groups allow."""
    count = len(groups)
    draw = np.random.default_rng(seed)
    test, fold = np.zeros(count, bool), np.zeros(count, int)
    heads = draw.permutation(np.unique(groups))
    sizes = np.bincount(groups, minlength=count)
    for kind in np.unique(kinds):
        wanted = TEST_SHARE * (kinds == kind).sum()
        taken = 0
        for place, head in enumerate(heads[kinds[heads] == kind]):
            members = groups == head
            if taken + sizes[head] / 2 <= wanted:
                test[members] = True
                taken += int(sizes[head])
            fold[members] = place % FOLDS
    return Split(test, fold, groups)
