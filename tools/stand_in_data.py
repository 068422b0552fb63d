"""Make the stand-in's data files anew.

`python -m tools.stand_in_data PICTURES [--wordnet /usr/share/wordnet]`

PICTURES is a folder with photographs and a `captions.csv` (columns file, caption), from which the head is learned; the
one that is shipped was learned from 700 photographs of Flickr8k with five human captions each. No picture and no
caption is kept, but the beginnings of the files' digests are, by which `clipsim tune` knows what was seen. With
WordNet's own files (Debian's package wordnet-base) the words of basic level in `imagenet_classes.txt` are found anew.

The head: captions are centred by their mean and partly whitened; W maps the square roots of pooled features, each
standardised, to the mean caption embedding of a picture, by ridge regression in its dual form. A class is its name's
embedding and, at `BASIC_SHARE`, the mean embedding of the words of basic level above it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import normalize

import clipsim
from clipsim.embedding import encode_captions
from clipsim.encoders.conse import SEEN_BYTES, ConseEncoder, Head, flatten_features, read_head
from clipsim.evaluation.caption_files import read_captions
from clipsim.images import compute_digest, read
from clipsim.options import PROMPTS, Prompt
from clipsim.scoring.calibration import read_background_captions

DATA = Path(clipsim.__file__).parent / "data"
BATCH = 32  # photographs that are held at once
RIDGE = 1.0  # of the kernel's mean diagonal; of 0.3, 1 and 3 it finds the most captions, narrowly
WHITENING = 0.3  # exponent: 0 leaves captions as they spread, 1 makes them spread alike
FLOOR = 1e-3  # variance that is added in every direction before whitening
BASIC_SHARE = 0.6  # of 0, 0.3, 0.6 and 1: more finds "a dog" better and a breed worse
BASIC = {  # WordNet's first name of a synset: the word that people write
    **{
        word: word.replace("_", " ")
        for word in (  # noqa: SIM905  # sixty strings in quotes would be a page
            "aircraft airplane animal ape bag ball bear beetle bicycle bird boat bottle bread bridge building bus "
            "butterfly car clothing computer container crab cup dessert dog drink duck fence fish flower food fox frog "
            "furniture hat horse house insect kitchen_utensil lizard machine mammal monkey motorcycle mountain "
            "musical_instrument plant reptile shark ship shoe snake spider sports_equipment tool train truck turtle "
            "vegetable vehicle weapon whale wolf big_cat cat"
        ).split()
    },
    "domestic_cat": "cat",
    "edible_fruit": "fruit",
    "vessel": "boat",
}


class FeatureEncoder(ConseEncoder):
    """The stand-in's two networks, without what is made of their outputs."""

    def pool_features(self, paths: list[Path]) -> np.ndarray:
        """Return the square roots of the pooled features of photographs, shape (n, 1280)."""
        self.ensure_loaded(words=False)
        rows = []
        for start in range(0, len(paths), BATCH):
            views = [self.view(read(path, path.name).image) for path in paths[start : start + BATCH]]
            with torch.inference_mode():
                rows += [self._features(pixels).mean(dim=(2, 3)) for pixels in self._stack_batches(views)]
        return flatten_features(torch.cat(rows)).numpy()

    def _text_vectors(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self._embed_sentences(ids, mask)


@dataclass(frozen=True)
class Captioned:
    """Photographs as the two networks see them.

    Attributes:
        features: of photograph i, shape (n, 1280).
        embeddings: of caption j, shape (k, 384).
        owner: which photograph caption j belongs to, shape (k,).
    """

    features: np.ndarray
    embeddings: np.ndarray
    owner: np.ndarray


def main(argv: Sequence[str] | None = None) -> None:
    """Write the words, the head and the background captions' vectors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--wordnet", type=Path)
    arguments = parser.parse_args(argv)
    if arguments.wordnet:
        write_basic_words(arguments.wordnet)
    captions = [one for one in read_captions(arguments.pictures / "captions.csv") if one.caption]
    names = list(dict.fromkeys(one.file for one in captions))
    owner = np.array([names.index(one.file) for one in captions])
    photographs = encode_captioned(
        [arguments.pictures / name for name in names], [one.caption for one in captions], owner
    )
    head = learn_head(photographs)
    halves = {name: array.astype(np.float16) for name, array in vars(head).items() if name != "digest"}
    np.savez_compressed(DATA / "stand_in_head.npz", allow_pickle=False, **halves)
    (DATA / "stand_in_seen.bin").write_bytes(digest_files([arguments.pictures / name for name in names]))
    read_head.cache_clear()
    background = {prompt: embed_background(prompt).astype(np.float16) for prompt in PROMPTS}
    np.savez_compressed(DATA / "background_captions.npz", allow_pickle=False, **background)


def digest_files(paths: list[Path]) -> bytes:
    """Return the beginnings of the files' digests, sorted, by which `clipsim tune` knows them again."""
    return b"".join(sorted(compute_digest(path)[:SEEN_BYTES] for path in paths))


def encode_captioned(paths: list[Path], captions: list[str], owner: np.ndarray) -> Captioned:
    """Run both networks."""
    encoder = FeatureEncoder("stand-in", "cpu", head=empty_head())
    return Captioned(encoder.pool_features(paths), encoder.encode_texts(captions), owner)


def learn_head(captioned: Captioned, learn: np.ndarray | None = None) -> Head:
    """Learn the head from the photographs `learn`, all by default.

    How captions are centred and whitened is the same for every `learn`, so that the heads share one space.
    """
    learn = np.arange(len(captioned.features)) if learn is None else learn
    centre = captioned.embeddings.mean(axis=0)
    whitening = whiten(captioned.embeddings - centre)
    means = np.stack([captioned.embeddings[captioned.owner == one].mean(axis=0) for one in learn])
    features = captioned.features[learn].astype(np.float64)
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-6
    standard = (features - mean) / spread
    kernel = standard @ standard.T
    kernel += RIDGE * np.trace(kernel) / len(kernel) * np.eye(len(kernel))
    weights = standard.T @ np.linalg.solve(kernel, (means - centre) @ whitening) / spread[:, None]
    weights /= np.abs(weights).max()  # only directions count; half precision has few small numbers
    return Head(
        classes=(embed_classes() @ whitening).astype(np.float32),
        weights=weights.astype(np.float32),
        bias=(-mean @ weights).astype(np.float32),
        centre=centre.astype(np.float32),
        whitening=whitening.astype(np.float32),
    )


def whiten(centred: np.ndarray) -> np.ndarray:
    """Return the matrix that makes rows spread more alike, shape (d, d); its columns have a mean length of 1."""
    variances, directions = np.linalg.eigh(centred.T @ centred / len(centred))
    matrix: np.ndarray = directions * (np.maximum(variances, 0) + FLOOR) ** (-WHITENING / 2) @ directions.T
    matrix /= np.sqrt((matrix**2).sum() / len(matrix))
    return matrix


def empty_head() -> Head:
    """Return a head that maps nothing, for an encoder whose vectors are not used."""
    shapes = (1000, 384), (1280, 384), (384,), (384,), (384, 384)
    classes, weights, bias, centre, whitening = (np.zeros(shape, np.float32) for shape in shapes)
    return Head(classes, weights, bias, centre, whitening)


def read_class_words() -> list[tuple[str, list[str]]]:
    """Return ImageNet's 1,000 class names, in its order, each with the words of basic level above it."""
    lines = (DATA / "imagenet_classes.txt").read_text(encoding="utf-8").splitlines()
    rows = [line.partition("\t") for line in lines if not line.startswith("#")]
    return [(name, words.split(", ") if words else []) for name, _, words in rows]


def read_class_names() -> list[str]:
    """Return ImageNet's 1,000 class names, in its order."""
    return [name for name, _ in read_class_words()]


@cache
def embed_classes() -> np.ndarray:
    """Return the embedding of each class, less their mean, shape (1000, 384)."""
    rows = read_class_words()
    basic = sorted({word for _, words in rows for word in words})
    encoder = FeatureEncoder("stand-in", "cpu", head=empty_head())
    names = encoder.encode_texts([name for name, _ in rows])
    embeddings = dict(zip(basic, encoder.encode_texts(basic), strict=True))
    for i, (_, words) in enumerate(rows):
        if words:
            names[i] += BASIC_SHARE * np.mean([embeddings[word] for word in words], axis=0)
    mixed = normalize(torch.from_numpy(names), dim=-1).numpy()
    classes: np.ndarray = mixed - mixed.mean(axis=0)
    return classes


def embed_background(prompt: Prompt, every: int = 1) -> np.ndarray:
    """Return the stand-in's vector of every `every`th background caption in `prompt`, shape (m, 384)."""
    return encode_captions(list(read_background_captions()[::every]), clipsim.load("stand-in", "cpu"), prompt)


def write_basic_words(wordnet: Path) -> None:
    """Write the words of basic level beside the class names, from the files `index.noun` and `data.noun`."""
    path = DATA / "imagenet_classes.txt"
    comments = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    synsets, above = read_wordnet(wordnet)
    lines = []
    for name, synset in zip(read_class_names(), find_synsets(read_class_names(), synsets), strict=True):
        words = dict.fromkeys(BASIC[lemma] for lemma in list_hypernyms(synset, above) if lemma in BASIC)
        lines.append(f"{name}\t{', '.join(words)}" if words else name)
    path.write_text("\n".join([*comments, *lines]) + "\n", encoding="utf-8")


def read_wordnet(folder: Path) -> tuple[dict[str, list[int]], dict[int, tuple[str, list[int]]]]:
    """Read WordNet's nouns (format: wndb(5)): synsets of a lemma, and of a synset its first name and its hypernyms."""
    synsets: dict[str, list[int]] = {}
    above: dict[int, tuple[str, list[int]]] = {}
    for line in (folder / "index.noun").read_text("ascii").splitlines():
        if not line.startswith(" "):
            fields = line.split()
            synsets[fields[0]] = [int(one) for one in fields[-int(fields[2]) :]]
    for line in (folder / "data.noun").read_text("ascii").splitlines():
        if not line.startswith(" "):
            fields = line.split()
            first = 4 + 2 * int(fields[3], 16) + 1
            pointers = [fields[i : i + 4] for i in range(first, first + 4 * int(fields[first - 1]), 4)]
            above[int(fields[0])] = (
                fields[4],
                [int(to) for kind, to, part, _ in pointers if kind[0] == "@" and part == "n"],
            )
    return synsets, above


def find_synsets(names: list[str], synsets: dict[str, list[int]]) -> list[int]:
    """Find the synset of each class: ImageNet orders its classes by the synset's number, which tells homonyms apart."""
    chains: dict[int, list[int]] = {0: []}  # the best chain that ends at a synset
    for name in names:
        chains = {
            synset: [*max((c for end, c in chains.items() if end < synset), key=len), synset]
            for synset in synsets[name.lower().replace(" ", "_")]
            if any(end < synset for end in chains)
        }
    return next(iter(chains.values()))


def list_hypernyms(synset: int, above: dict[int, tuple[str, list[int]]]) -> list[str]:
    """Return the first names of a synset and of all above it, nearest first."""
    found, front = [synset], [synset]
    while front:
        front = [up for one in front for up in above[one][1] if up not in found]
        found += dict.fromkeys(front)
    return [above[one][0] for one in dict.fromkeys(found)]


if __name__ == "__main__":
    main()
