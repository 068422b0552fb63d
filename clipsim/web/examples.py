"""The examples of the page: pictures that come with the project, what is asked of them, and what was published."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

CAPTION, REFERENCE = "caption", "reference image"  # what pictures are compared with


@dataclass(frozen=True)
class Examples:
    """What a click on an example asks.

    Attributes:
        rows: of each its pictures, `CAPTION` or `REFERENCE`, its caption and its reference image, as files in lists.
        titles: of each what stands on its button.
        published: the published figure of each picture that has one, by the name of its file.
    """

    rows: list[list[Any]] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    published: dict[str, float] = field(default_factory=dict)


def read_examples() -> Examples:
    """Read `examples.json`; an entry with a "package" takes its pictures from that package's files."""
    package, examples = Path(str(files("clipsim"))), Examples()
    # inside the package where it is installed (see setup.py), beside it in the repository
    folder = next(home / "examples" for home in (package, package.parent) if (home / "examples").is_dir())
    for entry in json.loads((folder / "examples.json").read_text(encoding="utf-8")):
        home = Path(str(files(entry["package"]))) if "package" in entry else folder
        pictures = [str(home / image) for image in entry["images"]]
        for caption in entry["captions"]:
            examples.rows.append([pictures, CAPTION, caption, None])
            examples.titles.append(caption)
        if "reference" in entry:
            reference = home / entry["reference"]
            examples.rows.append([pictures, REFERENCE, "", [str(reference)]])
            examples.titles.append(f"the same pictures, compared with {reference.stem}")
        examples.published.update(zip(entry["images"], entry.get("published", []), strict=False))
    return examples
