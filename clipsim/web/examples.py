"""The examples of the page: pictures that come with the project, what is asked of them, and what was published."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

CAPTION, REFERENCE = "caption", "reference image"  # what pictures are compared with


def read_examples() -> tuple[list[list[Any]], list[str], dict[str, float]]:
    """Read `examples.json`; an entry with a "package" takes its pictures from that package's files.

    Returns:
        What each example asks (its pictures, `CAPTION` or `REFERENCE`, its caption and its reference image, as files in
        lists), what stands on its button, and the published figures, by the name of the picture's file.
    """
    package = Path(str(files("clipsim")))
    # inside the package where it is installed (see setup.py), beside it in the repository
    folder = next(home / "examples" for home in (package, package.parent) if (home / "examples").is_dir())
    examples: dict[str, list[Any]] = {}  # by what stands on the button
    published: dict[str, float] = {}
    for entry in json.loads((folder / "examples.json").read_text(encoding="utf-8")):
        home = Path(str(files(entry["package"]))) if "package" in entry else folder
        pictures = [str(home / image) for image in entry["images"]]
        examples |= {caption: [pictures, CAPTION, caption, None] for caption in entry["captions"]}
        if "reference" in entry:
            reference = home / entry["reference"]
            title = f"the same pictures, compared with {reference.stem}"
            examples[title] = [pictures, REFERENCE, "", [str(reference)]]
        published.update(zip(entry["images"], entry.get("published", []), strict=False))
    return list(examples.values()), list(examples), published
