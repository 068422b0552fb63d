"""What right use gave before the package was cut into rooms: scores, percentiles, JSON and exit codes.

`python -m tests.unit.test_golden` records it anew; do that only where a change of figures is meant, and say so.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import clipsim
from clipsim.cli.main import main

RECORD = Path(__file__).with_name("golden.json")
EXAMPLES = Path(__file__).parents[2] / "examples"
CAPTIONS = ("a golden retriever standing in the snow", "a cat in a rucksack", "a street at night")
VOLATILE = ("seconds", "modified", "mtime", "bytes", "source", "thumbnail")
COSINE, PERCENT = 2e-5, 2e-2  # rounding may differ between processors


def pictures(folder: Path) -> list[Path]:
    """Save the generated pictures into `folder`, and return their paths after those of the examples."""
    draw = np.random.default_rng(7)
    for i, (width, height) in enumerate([(48, 40), (300, 700), (900, 200), (260, 260)]):
        coarse = draw.integers(0, 256, (5, 5, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(folder / f"soft-{i}.png")
    Image.fromarray(draw.integers(0, 256, (60, 80, 4), dtype=np.uint8)).save(folder / "clear.png")
    Image.fromarray(draw.integers(0, 65536, (60, 80), dtype=np.uint16)).save(folder / "deep.png")
    return [*sorted(EXAMPLES.glob("*.jpg")), *sorted(folder.glob("*.png"))]


def command(*arguments: str) -> dict[str, Any]:
    """Run the command line; its exit status, and what it printed, as data where it can be read as such."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(io.StringIO()):
        try:
            status = main(list(arguments))
        except SystemExit as exit_:
            status = int(exit_.code or 0)
    text = output.getvalue()
    try:
        printed = json.loads(text)
    except ValueError:
        printed = list(csv.reader(io.StringIO(text))) if "csv" in arguments else None
    return {"status": status, "printed": printed}


def observe(folder: Path) -> dict[str, Any]:
    """Run everything once."""
    paths = pictures(folder)
    names = [str(path) for path in paths]
    encoder = clipsim.load("stand-in", "cpu")
    found: dict[str, Any] = {}
    options: list[dict[str, Any]] = [
        {},
        {"framing": "pad", "prompt": "photo"},
        {"framing": "tiles-best", "contrast": "auto", "prompt": "ensemble"},
        {"framing": "tiles-mean"},
    ]
    for i, chosen in enumerate(options):
        result = clipsim.score_images(paths, CAPTIONS[i % 3], encoder, words=not i, **chosen)
        found[f"score_images {i}"] = result.to_dict()
    maps = clipsim.score_images(paths[:2], CAPTIONS[0], encoder, heatmap=True)
    found["heatmap"] = [score["heatmap"] for score in maps.to_dict()["scores"]]
    found["reference"] = clipsim.score_images(paths[1:], None, encoder, reference=paths[0]).to_dict()
    found["score_captions"] = clipsim.score_captions(paths, CAPTIONS, encoder).to_dict()
    each = [*clipsim.score_each(paths[:6], CAPTIONS[0], encoder)]
    found["score_each"] = [
        {"name": one.name, "cosine": one.cosine, "percentile": one.percentile, "verdict": one.verdict}
        for one in each
        if isinstance(one, clipsim.Score)
    ]
    broken = folder / "broken.jpg"
    broken.write_bytes(b"no picture")
    common = ("--model", "stand-in", "--device", "cpu")
    found["cli json"] = command("score", CAPTIONS[0], *names, str(broken), *common, "--format", "json")
    found["cli csv"] = command("score", CAPTIONS[1], *names[:5], *common, "--format", "csv", "--framing", "pad")
    found["cli table"] = command("score", CAPTIONS[1], *names[:3], *common)
    found["cli reference"] = command("score", "--reference", names[0], *names[1:4], *common, "--format", "json")
    found["cli nothing"] = command("score", CAPTIONS[0], str(broken), *common, "--format", "json")
    collection = str(folder / "collection")
    captions = folder / "captions.csv"
    captions.write_text("file,caption\n" + "".join(f"{path.name},{path.stem}\n" for path in paths[:5]))
    found["cli index"] = command("index", str(EXAMPLES), "--to", collection, *common)
    found["cli search"] = command("search", collection, CAPTIONS[0], "--device", "cpu", "--format", "json")
    found["cli search path"] = command("search", collection, CAPTIONS[0], "--path", "nothing*", "--format", "json")
    found["cli similar"] = command("search", collection, "--image", names[0], "--device", "cpu", "--format", "csv")
    found["cli duplicates"] = command("search", collection, "--duplicates", "0.2", "--format", "json")
    found["cli info"] = command("info", collection, "--format", "json")
    found["cli verify"] = command("verify", collection)
    found["cli evaluate"] = command(
        "evaluate", str(captions), "--collection", collection, "--device", "cpu", "--format", "json"
    )
    found["cli models"] = command("models", "--format", "json")
    return json.loads(json.dumps(_plain(found, str(folder))))  # type: ignore[no-any-return]


def _plain(value: Any, folder: str) -> Any:
    """What does not change from run to run, figures to six digits."""
    if isinstance(value, dict):
        return {key: _plain(one, folder) for key, one in value.items() if key not in VOLATILE}
    if isinstance(value, list | tuple):
        return [_plain(one, folder) for one in value]
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, str):
        value = re.sub(r"\d{4}-\d\d-\d\dT[\d:+-]+", "WHEN", value)  # when a file was written, in a CSV
        return value.replace(folder, "FOLDER").replace(str(EXAMPLES), "EXAMPLES")
    return value


def _differences(then: Any, now: Any, at: str = "") -> Iterator[str]:
    if isinstance(then, dict) and isinstance(now, dict):
        for key in then.keys() | now.keys():
            if key not in then or key not in now:
                yield f"{at}/{key} is {'new' if key in now else 'gone'}"
            else:
                yield from _differences(then[key], now[key], f"{at}/{key}")
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for i, (one, other) in enumerate(zip(then, now, strict=True)):
            yield from _differences(one, other, f"{at}/{i}")
    elif not _same(then, now, at):
        yield f"{at}: {then!r} was, {now!r} is"


def _same(then: Any, now: Any, at: str) -> bool:
    if at.startswith(("/cli csv", "/cli similar")) and then != now:  # figures as text
        with contextlib.suppress(ValueError):
            then, now = float(then), float(now)
    if isinstance(then, float) and isinstance(now, int | float):
        of_percent = "percentile" in at or abs(then) > 1  # a percentile of 0.6 is still one out of 100
        return abs(then - now) <= (PERCENT if of_percent else COSINE * 10 if "heatmap" in at else COSINE)
    return bool(then == now)


def _by_column(recorded: Any) -> Any:
    """The rows of a printed CSV as mappings, so that a difference knows its column."""
    if isinstance(recorded, dict) and isinstance(recorded.get("printed"), list):
        header, *rows = recorded["printed"]
        return {**recorded, "printed": [header, *(dict(zip(header, row, strict=True)) for row in rows)]}
    return recorded


@pytest.fixture(scope="module")
def observed() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        return observe(Path(folder))


@pytest.mark.parametrize("what", sorted(json.loads(RECORD.read_text("utf-8"))) if RECORD.exists() else [])
def test_right_use_gives_what_it_gave(what: str, observed: dict[str, Any]) -> None:
    then = json.loads(RECORD.read_text("utf-8"))[what]
    assert list(_differences(_by_column(then), _by_column(observed[what]), f"/{what}")) == []


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        RECORD.write_text(json.dumps(observe(Path(place)), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
