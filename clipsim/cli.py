"""The command line: `python -m clipsim score` and `python -m clipsim models`."""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from PIL import Image

from clipsim import report
from clipsim.encoders import check_device_name
from clipsim.errors import CaptionError, ClipsimError, EncoderError
from clipsim.gallery import Progress
from clipsim.images import SUFFIXES
from clipsim.models import MODELS, check_name, load
from clipsim.scoring import clean_caption, score_images

SCORED, NOTHING_SCORED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0 scored, 1 nothing could be scored, 2 wrong use."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a file name need not be valid text; it is shown with escapes then
            stream.reconfigure(errors="backslashreplace")
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # the project's own limit is lower
    parser = _parser()
    options, late = parser.parse_known_args(arguments)
    if late and (options.run is not _score or any(word.startswith("-") for word in late)):
        parser.error(f"unrecognized arguments: {' '.join(late)}")
    if late:  # pictures after an option, which argparse does not join with those before it
        options.caption_and_images += late
    try:
        return int(options.run(options))
    except CaptionError as error:
        return _complain(error, WRONG_USE)
    except ClipsimError as error:
        return _complain(error, NOTHING_SCORED)
    except KeyboardInterrupt:
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m clipsim", description="How well does this caption fit these pictures?"
    )
    commands = parser.add_subparsers(title="commands", required=True)

    score = commands.add_parser(
        "score",
        help="score pictures against a caption or a reference image",
        description="Score pictures against a caption, best first. Exit status: 0 scored, 1 nothing could be scored, "
        "2 wrong use.",
        usage="%(prog)s CAPTION IMAGE... [options]\n       %(prog)s --reference IMAGE IMAGE... [options]",
    )
    score.add_argument("caption_and_images", nargs="+", metavar="CAPTION IMAGE...", help="folders are walked")
    score.add_argument("--reference", metavar="IMAGE", help="compare with this image instead of a caption")
    score.add_argument("--model", default="auto", type=_checked(check_name), help="see `models`; default: auto")
    score.add_argument(
        "--device", default="auto", type=_checked(check_device_name), help="auto, cpu, cuda, cuda:N or mps"
    )
    score.add_argument("--format", default="table", choices=["table", "json", "csv"], help="default: table")
    score.set_defaults(run=_score)

    models = commands.add_parser(
        "models", help="list the models", description="List the models that have a short name."
    )
    models.add_argument("--format", default="table", choices=["table", "json"], help="default: table")
    models.set_defaults(run=_models)
    return parser


def _checked(check: Callable[[str], None]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        try:
            check(text)
        except EncoderError as error:
            raise argparse.ArgumentTypeError(str(error)) from error
        return text

    return parse


def _score(options: argparse.Namespace) -> int:
    _check_combination(options)
    captions, paths = _captions_and_paths(options)
    images = list(_walk(paths))
    if not images:
        raise ClipsimError(f"There are no pictures in {', '.join(paths)}: name files or folders with pictures.")
    folder = _made(options.heatmaps) if options.heatmaps else None
    encoders = [load(name, options.device) for name in [options.model, *options.against]]
    choices = {"framing": options.framing, "contrast": options.contrast, "prompt": options.prompt}
    with _progress_bar(len(images)) as progress:
        if options.also or options.captions:
            table = score_captions(images, captions, encoders[0], **choices, progress=progress)
            return _show(table, bool(table.pictures), _CAPTIONS_FORMS[options.format])
        if options.against:
            compared = compare_models(images, captions[0], encoders, **choices, progress=progress)
            return _show(compared, bool(compared.pictures), _MODELS_FORMS[options.format])
        result = score_images(
            images,
            captions[0] if captions else None,
            encoders[0],
            reference=options.reference,
            **choices,
            words=options.words,
            heatmap=folder is not None,
            progress=progress,
        )
    status = _show(result, bool(result.scores), _FORMS[options.format])
    if folder:
        _write_heatmaps(result, images, folder)
    return status
def _split(words: list[str], reference: str | None) -> tuple[str | None, list[str]]:
    """Caption and paths. With a reference every word is a path; a caption that stands there is not used."""
    first, *rest = words
    if reference is None:
        first = clean_caption(first)
        if not rest:
            raise CaptionError("No picture is named: give a caption and then the pictures.")
        return first, rest
    if _is_path(first) or not rest:
        return None, words
    if first.strip():
        _say(f"The caption “{first}” is not used: the pictures are compared with {reference}.")
    return None, rest


def _is_path(word: str) -> bool:
    try:
        return Path(word).suffix.lower() in SUFFIXES or Path(word).exists()
    except (OSError, ValueError):  # a long caption is no path
        return False


def _walk(paths: list[str]) -> Iterator[tuple[Path, str]]:
    """Files by their names; for a folder all pictures below it, named by their paths from there."""
    for path in map(Path, paths):
        if not path.is_dir():
            yield path, path.name
            continue
        for file in sorted(path.rglob("*")):
            inside = file.relative_to(path)
            hidden = any(part.startswith(".") for part in inside.parts)
            if file.suffix.lower() in SUFFIXES and file.is_file() and not hidden:
                yield file, inside.as_posix()


@contextmanager
def _progress_bar(total: int) -> Iterator[Progress]:
    """A bar on a terminal, nothing in a pipe."""
    from tqdm import tqdm

    with tqdm(total=total, unit="picture", disable=not sys.stderr.isatty(), leave=False) as bar:
        yield lambda done, _: bar.update(done - bar.n)


def _models(options: argparse.Namespace) -> int:
    if options.format == "json":
        print(json.dumps([asdict(model) for model in MODELS], indent=2))
        return SCORED
    head = ["name", "family", "licence", "width", "ImageNet", "COCO R@1", "hub id"]
    body = [
        [
            model.name,
            model.family,
            model.licence,
            str(model.width),
            "-" if model.imagenet is None else f"{model.imagenet:.1f}",
            "-" if model.coco is None else f"{model.coco:.1f}",
            model.hub_id or "(installs with the requirements)",
        ]
        for model in MODELS
    ]
    print(report.aligned([head, *body], "<<<>>><"))
    return SCORED


def _complain(error: ClipsimError, code: int) -> int:
    _say(str(error))
    return code


def _say(message: str) -> None:
    print(f"clipsim: {report.printable(message)}", file=sys.stderr)
