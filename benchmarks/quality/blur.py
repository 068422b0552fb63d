"""How often blurred pictures are called blurred, and sharp ones are: `python -m benchmarks.quality.blur FOLDER`.

The folder holds sharp photographs. Each is blurred as by a lens that is out of focus (Gaussian, by shares of the longer
side) and as by a camera that moves (a line of that length), and measured at the size at which keyframes are.
"""

import argparse

import numpy as np
from PIL import Image, ImageFilter

from clipsim.images import collect_images, read
from clipsim.images.video import BLURRED, DETAIL_SIDE, measure_detail

FOCUS = (0.005, 0.01, 0.02)
MOTION = (0.03, 0.06)
TURNED = 30  # degrees, of the second direction of a motion


def measure(image: Image.Image) -> float:
    scale = min(1.0, DETAIL_SIDE / max(image.size))
    size = (round(image.width * scale), round(image.height * scale))
    return measure_detail(np.asarray(image.resize(size, Image.Resampling.BOX), np.float32) / 255)


def move(image: Image.Image, share: float, degrees: int) -> Image.Image:
    """Blur along a line, and cut away what the turning left empty."""
    length = max(2, round(share * max(image.size)))
    sums = np.cumsum(np.asarray(image.rotate(degrees), np.float32), axis=1)
    moved = Image.fromarray(((sums[:, length:] - sums[:, :-length]) / length).astype(np.uint8)).rotate(-degrees)
    width, height = moved.size
    return moved.crop((width // 4, height // 4, 3 * width // 4, 3 * height // 4)) if degrees else moved


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    found: dict[str, list[float]] = {}
    for source, name in collect_images(parser.parse_args().folder):
        image = read(source, name).image.convert("L")
        versions = {"sharp": image}
        for share in FOCUS:
            versions[f"out of focus, {share:.1%}"] = image.filter(ImageFilter.GaussianBlur(share * max(image.size)))
        for share in MOTION:
            for degrees in (0, TURNED):
                versions[f"moved, {share:.0%} at {degrees} degrees"] = move(image, share, degrees)
        for kind, version in versions.items():
            found.setdefault(kind, []).append(measure(version))
    for kind, details in found.items():
        called = np.mean(np.array(details) < BLURRED)
        print(f"{kind:30} {called:6.1%} called blurred, median {np.median(details):.4f} ({len(details)} pictures)")


if __name__ == "__main__":
    main()
