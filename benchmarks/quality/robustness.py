"""Which treatment helps with bad pictures?

`python -m benchmarks.quality.robustness PHOTOS [--model NAME] [--limit N] [--json]`

PHOTOS is a folder with photographs and a `labels.csv` (columns file, label). Of each photograph bad copies are made, in
memory and the same ones each time. For each kind of copy and each treatment two tables, in Markdown, say how often the
right caption has the highest cosine among the captions of all photographs. One is by treatment of the picture, with
plain labels; the other by prompt, with the model's own framing, for labels and for whole sentences.

CLAHE, contrast evened out place by place, is not one of clipsim's treatments: it is tried here, by scikit-image, to see
whether it would pay.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

import clipsim
from clipsim.embedding import Gallery, PictureInfo, View, encode_captions, unit_mean
from clipsim.embedding.framing import GREY, frame
from clipsim.encoders import Encoder
from clipsim.images import read
from clipsim.options import PROMPTS, Options

BRIGHTNESS = 0.08  # of every pixel, in sRGB; a picture keeps about 20 of 256 levels
CONTRAST = 0.1  # of every pixel's distance from the picture's mean colour
BLUR = 0.008  # standard deviation, of the shorter side
NOISE = 40  # standard deviation, of 255
COVERED = 0.5  # of the picture, at a side that is drawn by chance
CLAHE_CLIP = 0.01  # scikit-image's own limit
SENTENCES = ("a {} standing in the snow", "someone looking at a {}", "a {} in the middle of a busy street")
CHUNK = 16  # photographs at a time
FORWARD = 4  # views a forward pass; with 16 the stand-in spends half of the time on fetching memory, page by page

Picture = Image.Image
Rates = dict[str, dict[str, float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--model", default="stand-in")
    parser.add_argument("--limit", type=int, help="only the first N photographs")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args()
    encoder = clipsim.load(options.model)
    files, labels = labelled(options.photos, options.limit)
    found, seconds = treated(files, encoder)
    captions = encode_captions(labels, encoder)
    pictures = {
        treatment: {kind: right(gallery.cosines(captions)) for kind, gallery in galleries.items()}
        for treatment, galleries in found.items()
    }
    times = {treatment: seconds[treatment] / seconds["crop"] for treatment in pictures}
    prompts = prompted(found["crop"], labels, encoder)
    if options.json:
        print(json.dumps({"photographs": len(files), "pictures": pictures, "times": times, "prompts": prompts}))
        return
    print(f"{len(files)} photographs; standard error of a percentage {50 / len(files) ** 0.5:.1f} at most\n")
    print(table("treatment", {name: {**row, "time": times[name]} for name, row in pictures.items()}))
    print()
    print(table("prompt", prompts))


def labelled(folder: Path, limit: int | None) -> tuple[list[Path], list[str]]:
    """Photographs and their labels."""
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))[:limit]
    return [folder / row["file"] for row in rows], [row["label"].replace("_", " ") for row in rows]


def darkened(image: Picture, _: np.random.Generator) -> Picture:
    """As in a room at night."""
    return image.point(lambda value: round(BRIGHTNESS * value))


def faded(image: Picture, _: np.random.Generator) -> Picture:
    """As through fog."""
    mean = np.asarray(image, np.float32).mean(axis=(0, 1)).round().astype(int)
    return Image.blend(Image.new("RGB", image.size, tuple(mean.tolist())), image, CONTRAST)


def blurred(image: Picture, _: np.random.Generator) -> Picture:
    """As out of focus."""
    return image.filter(ImageFilter.GaussianBlur(BLUR * min(image.size)))


def noisy(image: Picture, chance: np.random.Generator) -> Picture:
    """As by a small sensor in the dark; the same grain in pictures of any size, once they are as small as a view."""
    pixels = np.asarray(image, np.float32)
    grain = NOISE * chance.standard_normal(pixels.shape, np.float32) * max(1.0, min(image.size) / 300)
    return Image.fromarray((pixels + grain).clip(0, 255).round().astype(np.uint8))


def covered(image: Picture, chance: np.random.Generator) -> Picture:
    """A grey sheet over one side."""
    width, height = image.size
    across, down = round(COVERED * width), round(COVERED * height)
    boxes = [
        (0, 0, across, height),
        (width - across, 0, width, height),
        (0, 0, width, down),
        (0, height - down, width, height),
    ]
    copy = image.copy()
    copy.paste(GREY, boxes[int(chance.integers(len(boxes)))])
    return copy


COPIES: dict[str, Callable[[Picture, np.random.Generator], Picture]] = {
    "as it is": lambda image, _: image,
    "dark": darkened,
    "low contrast": faded,
    "blurred": blurred,
    "noisy": noisy,
    "half covered": covered,
}


def clahe(look: View) -> View:
    """The view with the contrast of its luminance evened out place by place."""
    from skimage.exposure import equalize_adapthist

    luminance, *colours = look.image.convert("YCbCr").split()
    even = equalize_adapthist(np.asarray(luminance), clip_limit=CLAHE_CLIP)
    light = Image.fromarray((even * 255).round().astype(np.uint8))
    return View(Image.merge("YCbCr", (light, *colours)).convert("RGB"), look.box)


LOOKS: dict[str, Callable[[Picture, Encoder], list[View]]] = {
    "crop": frame,
    "pad": lambda image, encoder: frame(image, encoder, Options(framing="pad")),
    "tiles": lambda image, encoder: frame(image, encoder, Options(framing="tiles-best")),
    "crop, contrast auto": lambda image, encoder: frame(image, encoder, Options(contrast="auto")),
    "crop, CLAHE": lambda image, encoder: [clahe(look) for look in frame(image, encoder)],
}


def treated(files: list[Path], encoder: Encoder) -> tuple[dict[str, dict[str, Gallery]], dict[str, float]]:
    """For each treatment and each kind of copy the photographs as vectors, and for each treatment its CPU seconds."""
    vectors: dict[tuple[str, str], list[np.ndarray]] = defaultdict(list)
    seconds: dict[str, float] = defaultdict(float)
    encoder.encode_images([read(files[0], files[0].name).image])  # or the first treatment would pay for the loading
    for start in range(0, len(files), CHUNK):
        images = [read(path, path.name).image for path in files[start : start + CHUNK]]
        for kind, spoil in COPIES.items():
            copies = [spoil(image, np.random.default_rng([start, i])) for i, image in enumerate(images)]
            for treatment, look in LOOKS.items():
                before = time.process_time()  # which other work on the machine does not change
                looks = [look(copy, encoder) for copy in copies]
                together = encoded([one for some in looks for one in some], encoder)
                vectors[treatment, kind] += np.split(together, np.cumsum([len(some) for some in looks])[:-1])
                seconds[treatment] += time.process_time() - before
    names = [path.name for path in files]
    found = {t: {kind: gallery(names, vectors[t, kind]) for kind in COPIES} for t in LOOKS}
    tiles = found.pop("tiles")
    means = {kind: gallery(names, [unit_mean(some)[None] for some in vectors["tiles", kind]]) for kind in COPIES}
    seconds["tiles-best"] = seconds["tiles-mean"] = seconds["tiles"]
    framings = {"crop": found.pop("crop"), "pad": found.pop("pad"), "tiles-best": tiles, "tiles-mean": means}
    return framings | found, seconds


def encoded(looks: list[View], encoder: Encoder) -> np.ndarray:
    """Unit-length vectors of shape (n, width)."""
    parts = (looks[i : i + FORWARD] for i in range(0, len(looks), FORWARD))
    return np.concatenate([encoder.encode_views([one.image for one in part]) for part in parts])


def gallery(names: list[str], vectors: list[np.ndarray]) -> Gallery:
    """Pictures whose vectors are known."""
    starts = np.cumsum([0, *map(len, vectors)])[:-1]
    return Gallery(tuple(PictureInfo(name, (), (0, 0), 1.0) for name in names), np.concatenate(vectors), starts, ())


def right(cosine: np.ndarray) -> float:
    """Percent of the rows whose largest entry is on the diagonal."""
    return float(100 * (cosine.argmax(axis=1) == np.arange(len(cosine))).mean())


def prompted(galleries: dict[str, Gallery], labels: list[str], encoder: Encoder) -> Rates:
    """For each prompt the rates of labels and of sentences, with the photographs as they are and with bad copies."""
    rates: Rates = {}
    for prompt in PROMPTS:
        rates[prompt] = {}
        for what, forms in (("labels", ("{}",)), ("sentences", SENTENCES)):
            captions = [encode_captions([form.format(label) for label in labels], encoder, prompt) for form in forms]
            each = {
                kind: float(np.mean([right(gallery.cosines(targets)) for targets in captions]))
                for kind, gallery in galleries.items()
            }
            rates[prompt][what] = each.pop("as it is")
            rates[prompt][f"{what}, bad copies"] = float(np.mean(list(each.values())))
    return rates


def table(first: str, rows: Rates) -> str:
    """Percentages in Markdown, a row for each name; the column "time" is a ratio."""
    columns = list(next(iter(rows.values())))
    lines = [[first, *columns], ["---", *["---:"] * len(columns)]]
    for name, row in rows.items():
        lines.append([name, *(f"{row[c]:.1f}" + (" ×" if c == "time" else " %") for c in columns)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    main()
