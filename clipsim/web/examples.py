"""The examples of the page: pictures that come with the project, what is asked of them, and what was published."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

CAPTION, REFERENCE = "caption", "reference image"  # what pictures are compared with


@dataclass(frozen=True)
class Example:
    """Pictures, and what is asked of them.

    Attributes:
        title: what stands under its picture on the page.
        pictures: files; the first stands for all of them.
        caption: "" where they are compared with `reference`.
        reference: a file, or None.
    """

    title: str
    pictures: Sequence[Path]
    caption: str
    reference: Path | None = None

    @property
    def compare(self) -> str:
        """What the pictures are compared with."""
        return REFERENCE if self.reference else CAPTION


def read_examples() -> tuple[list[Example], dict[str, float]]:
    """Read `examples.json`; an entry with a "package" takes its pictures from that package's files.

    Returns:
        The examples, and the published figures by the name of the picture's file.
    """
    package = Path(str(files("clipsim")))
    # inside the package where it is installed (see setup.py), beside it in the repository
    folder = next(home / "examples" for home in (package, package.parent) if (home / "examples").is_dir())
    examples: list[Example] = []
    published: dict[str, float] = {}
    for entry in json.loads((folder / "examples.json").read_text(encoding="utf-8")):
        home = Path(str(files(entry["package"]))) if "package" in entry else folder
        pictures = [home / image for image in entry["images"]]
        examples.append(Example(entry["title"], pictures, entry["caption"]))
        if "reference" in entry:
            examples.append(Example("The same, by a picture", pictures, "", home / entry["reference"]))
        published.update(zip(entry["images"], entry.get("published", []), strict=False))
    return examples, published


def place(example: Example, uploads: Path) -> Example:
    """Copy an example's files below the upload folder, where a visitor's own lie, unless they are there already."""
    folder = uploads / "examples"
    folder.mkdir(parents=True, exist_ok=True)

    def copy(path: Path) -> Path:
        target = folder / path.name
        if not target.exists():  # not yet, or cleared away as old
            part = target.with_name(f"{target.name}.part")
            shutil.copyfile(path, part)
            part.replace(target)
        return target

    reference = copy(example.reference) if example.reference else None
    return Example(example.title, [*map(copy, example.pictures)], example.caption, reference)
