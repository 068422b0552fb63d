"""Put what was measured into the documentation: `python -m benchmarks.performance.tables [--commands]`.

benchmarks/performance/results/NAME.json, as `--json` of `benchmarks.performance.speed` and `benchmarks.performance.gpu`
writes it, becomes the lines between `<!-- NAME -->` and `<!-- end of NAME -->` of docs/performance.md, with the command
that made it; of a file that is not there the page says that it was not measured. `--commands` prints the commands that
make all of them, and does nothing else.

What a precision costs, which the help of the command line and the page say, is taken of the same files into
clipsim/data/precision.json, and from there into the page's table and that of docs/api.md.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import textwrap
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from benchmarks.performance import gpu, speed
from clipsim.options import describe_precisions

RESULTS = Path(__file__).parent / "results"
DOCS = Path(__file__).parents[2] / "docs"
COSTS = Path(str(files("clipsim.data").joinpath("precision.json")))
_SPEED, _OURS = "benchmarks.performance.speed PHOTOS", '"clipsim full" "clipsim half" "clipsim int8"'
_PLAIN, _NARROW = '"transformers, forward alone"', '"ONNX Runtime int8" "OpenVINO bfloat16"'
COMMANDS = {  # what makes each file, but for `python -m` and `--json FILE`
    "clip-vit-b-32": f"{_SPEED} --pictures 48",
    "one-thread": f'{_SPEED} --threads 1 --only {_OURS} {_PLAIN} "ONNX Runtime float32" "OpenVINO float32" {_NARROW}',
    "large": f"{_SPEED} --megapixels 12 --pictures 24 --rounds 3 --only {_OURS} {_PLAIN} "
    '"transformers, batches of 32" sentence-transformers rclip',
    "outliers": f"{_SPEED} --outliers --rounds 3 --only {_OURS} {_PLAIN} {_NARROW}",
    "siglip-b-16": f"{_SPEED} --model siglip-b-16-224 --pictures 32 --rounds 3 --only {_OURS} {_PLAIN} {_NARROW}",
    "stand-in": f"{_SPEED} --model stand-in",
    "gpu": "benchmarks.performance.gpu",
}
ENGINES = (  # who calculates in numbers of the same width
    ("clipsim full", "ONNX Runtime float32"),
    ("clipsim full", "OpenVINO float32"),
    ("clipsim half", "OpenVINO bfloat16"),
    ("clipsim int8", "ONNX Runtime int8"),
)


def read(folder: Path = RESULTS) -> dict[str, dict[str, Any]]:
    """Return what each file of results holds, by its name without ending."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def render(measured: Mapping[str, Any]) -> str:
    """Return the sentence with the command, and the table of one file."""
    if "passes" in measured:
        passes = [gpu.Pass(**row) for row in measured["passes"]]
        return _wrap(f"`{measured['command']}`, {measured['machine']}:") + f"\n\n{gpu.table(passes)}"
    rows = [speed.Row(**row) for row in measured["rows"]]
    threads = "one thread" if measured["threads"] == 1 else f"{measured['threads']} threads"
    second = "a second of the processor's time" if measured["by"] == "processor" else "a second by the clock"
    sentence = (
        f"`{measured['command']}`: {measured['pictures']} photographs, medians of {measured['rounds']} rounds, images "
        f"in {second}, {threads}, {measured['machine']}."
    )
    return f"{_wrap(sentence)}\n\n{speed.table(rows)}"


def _wrap(sentence: str) -> str:
    return textwrap.fill(sentence, 120, break_long_words=False, break_on_hyphens=False)


def sum_up(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Return in a sentence or two how fast clipsim is beside what most people use, and its precisions beside full."""
    others = ("transformers pipeline", "transformers, batches of 32", "sentence-transformers")
    known = [f"{rows[name]['clipsim_is_faster']:.2f} times as fast as {name}" for name in others if name in rows]
    narrow = [
        f"`{name}` is {1 / rows[f'clipsim {name}']['clipsim_is_faster']:.2f} times as fast as `full`"
        for name in ("half", "int8")
        if f"clipsim {name}" in rows
    ]
    beside = f"From disk to scores, `full` is {join_words(known)}. " if known else ""
    return _wrap(f"{beside}{join_words(narrow)}." if narrow else beside)


def join_words(words: list[str]) -> str:
    """Return words as a list in a sentence."""
    return ", ".join(words[:-1]) + " and " + words[-1] if len(words) > 1 else "".join(words)


def set_beside(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Return as a table how clipsim does beside engines that calculate in numbers of the same width."""
    lines = ["| | faster by | memory |", "| --- | ---: | ---: |"]
    for ours, theirs in ENGINES:
        if ours in rows and theirs in rows:
            own, other = rows[ours], rows[theirs]
            pairs = zip(own["images_per_second"], other["images_per_second"], strict=True)
            faster = statistics.median(one / two for one, two in pairs)
            memory = own["peak_megabytes"] / other["peak_megabytes"]
            lines.append(f"| {ours} beside {theirs} | {faster:.2f} × | {memory:.2f} × |")
    return "\n".join(lines)


def weigh(results: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return what each precision of CLIP ViT-B/32 costs, from the runs without and with outliers.

    Of each: `speed` and `memory`, as multiples of full's; `memory_mb`; `change`, the largest of a cosine; `swapped`,
    pairs of pictures that change their order, in percent; the last two with outliers too, where that was measured.
    """
    costs: dict[str, dict[str, float]] = {}
    for source, ending in (("clip-vit-b-32", ""), ("outliers", "_with_outliers")):
        rows = {row["name"]: row for row in results.get(source, {"rows": []})["rows"]}
        for name, row in rows.items():
            who, _, precision = name.partition(" ")
            if who != "clipsim":
                continue
            own = costs.setdefault(precision, {})
            if not ending:
                full = rows["clipsim full"]["peak_megabytes"]
                own["speed"] = round(1 / row["clipsim_is_faster"], 2)
                own |= {"memory": round(row["peak_megabytes"] / full, 2), "memory_mb": round(row["peak_megabytes"])}
            own |= {f"change{ending}": float(f"{row['change']:.1e}"), f"swapped{ending}": round(row["swapped"], 1)}
    return costs


def tabulate(costs: Mapping[str, Mapping[str, float]]) -> str:
    """Return the costs as a table."""
    lines = [
        "| | speed | memory | change of a cosine | pairs swapped | change with outliers | swapped with outliers |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for precision, cost in costs.items():
        cells = [f"{cost['speed']:.2f} ×", f"{cost['memory']:.2f} ×"] if "speed" in cost else ["-", "-"]
        for ending in ("", "_with_outliers"):
            change, swapped = cost.get(f"change{ending}"), cost.get(f"swapped{ending}")
            cells += ["-" if change is None else f"{change:.1e}", "-" if swapped is None else f"{swapped:.1f} %"]
        lines.append(f"| `{precision}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def document(text: str, results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a page with what was measured between its markers."""

    def fill(found: re.Match[str]) -> str:
        name = found[1]
        if name in makers:
            block = makers[name]()
        elif name in results:
            block = render(results[name])
        else:
            block = _wrap(f"Not measured yet: `python -m {COMMANDS[name]}` makes the table.")
        return f"<!-- {name} -->\n\n{block}\n\n<!-- end of {name} -->"

    usual = {row["name"]: row for row in results.get("clip-vit-b-32", {"rows": []})["rows"]}
    makers = {
        "in-short": lambda: sum_up(usual),
        "engines": lambda: set_beside(usual),
        "precision": lambda: tabulate(weigh(results)),
    }
    return re.sub(r"<!-- ([\w-]+) -->\n.*?<!-- end of \1 -->", fill, text, flags=re.DOTALL)


def list_choices(text: str, costs: Mapping[str, Mapping[str, float]]) -> str:
    """Return a page whose table of choices says what each precision is and costs."""
    meanings = "; ".join(f"`{name}`: {meaning}" for name, meaning in describe_precisions(costs).items())
    row = f"| `precision` | {meanings} ([measured](performance.md#precision)) |"
    return re.sub(r"^\| `precision` \| `auto`: .*$", lambda _: row, text, flags=re.MULTILINE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commands", action="store_true", help="print what makes the results, and do nothing else")
    if parser.parse_args().commands:
        for name, command in COMMANDS.items():
            print(f"python -m {command} --json {RESULTS.relative_to(DOCS.parent)}/{name}.json")
        return
    results = read()
    costs = weigh(results)
    COSTS.write_text(json.dumps(costs, indent=1) + "\n", encoding="utf-8")
    for page, text in write_pages(results).items():
        page.write_text(text, encoding="utf-8")


def write_pages(results: Mapping[str, Mapping[str, Any]]) -> dict[Path, str]:
    """Return the pages with what was measured, by their places."""
    performance, api = DOCS / "performance.md", DOCS / "api.md"
    return {
        performance: document(performance.read_text(encoding="utf-8"), results),
        api: list_choices(api.read_text(encoding="utf-8"), weigh(results)),
    }


if __name__ == "__main__":
    main()
