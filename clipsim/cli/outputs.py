"""What the commands that score print and save."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

from PIL import Image

from clipsim.cli.common import say, show
from clipsim.embedding import Rejected
from clipsim.errors import ClipsimError
from clipsim.images import read
from clipsim.report import remarks, titles, to_blocks, to_csv, to_json, to_json_line
from clipsim.scoring import CaptionTable, Comparison, Result, Score, overlay

HEATMAP_SIDE = 1024  # pixels along the longer side of a saved one, unless the picture is smaller
NOTHING = "Nothing could be scored."


def print_answer(answer: Result | CaptionTable | Comparison, form: str) -> None:
    """Print what was found, with remarks on the standard error; JSON even if it holds nothing but rejected pictures."""
    for remark in remarks(answer):
        say(remark)
    scored = answer.scores if isinstance(answer, Result) else answer.pictures
    if form == "json":
        print(to_json(answer))
    elif scored and form == "csv":
        print(to_csv(answer), end="")
    elif scored:
        show(to_blocks(answer))
    if not scored:
        raise ClipsimError(NOTHING)


def print_lines(lines: Iterator[Score | Rejected], model: str) -> None:
    """Print each picture's score as a line of JSON as soon as it is there."""
    scored = 0
    for line in lines:
        if isinstance(line, Rejected):
            say(f"{line.name} {line.reason}.")
        scored += not isinstance(line, Rejected)
        print(to_json_line(line, model), flush=True)
    if not scored:
        raise ClipsimError(NOTHING)


def save_heatmaps(result: Result, folder: Path) -> None:
    """Save each picture with its heatmap over it as a PNG named after the picture; what is there is left alone."""
    saved = []
    for score, title in zip(result.scores, titles([score.name for score in result.scores]), strict=True):
        if score.heatmap:
            image = overlay(read(result.pictures[score.name], score.name).image, score.heatmap, HEATMAP_SIDE)
            saved.append(_save_image(image, folder, title.replace("/", " - ")))
    if saved:
        say(f"Heatmaps, best picture first, are in {folder}: {', '.join(saved)}")


def _save_image(image: Image.Image, folder: Path, title: str) -> str:
    """Write a PNG under the first free name of "title.png", "title (2).png", and so on, and return that name."""
    for number in count(1):
        name = f"{title}.png" if number == 1 else f"{title} ({number}).png"
        try:
            with (folder / name).open("xb") as file:
                image.save(file, "PNG")
        except FileExistsError:
            continue
        except OSError as error:
            raise ClipsimError(f"{name} could not be written to {folder}: {error.strerror or error}.") from error
        break
    return name
