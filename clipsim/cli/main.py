"""The command line: `python -m clipsim score` and `models`; `collection_cli` adds the commands for collections."""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib.resources import files
from itertools import count
from pathlib import Path
from typing import Any

from PIL import Image

from clipsim.cli import collections as collection_cli
from clipsim.cli import evaluate as evaluation_cli
from clipsim.embedding.cache import VectorCache, use_cache
from clipsim.embedding.pipeline import Progress, Rejected, name_sources
from clipsim.encoders import check_device
from clipsim.encoders.base import Encoder
from clipsim.encoders.registry import MODELS, check_name, load
from clipsim.errors import CaptionError, ChoiceError, ClipsimError, UsageError
from clipsim.images.reading import SUFFIXES, read
from clipsim.options import CONTRASTS, FRAMINGS, PRECISIONS, PROMPTS, Options
from clipsim.report import text as report
from clipsim.scoring.compare import CaptionTable, Comparison, compare_models, score_captions
from clipsim.scoring.heatmaps import overlay
from clipsim.scoring.score import Result, caption_notes, clean_caption, score_each, score_images

SCORED, NOTHING_SCORED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130
FILE_BYTES = 2_000_000_000  # of vectors in a file
HEATMAP_SIDE = 1024  # pixels along the longer side of a saved one, unless the picture is smaller
Answer = Result | CaptionTable | Comparison


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
    except ClipsimError as error:
        say(str(error))
        return error.exit_code
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
        usage="%(prog)s CAPTION IMAGE... [options]\n       %(prog)s --captions FILE IMAGE... [options]\n"
        "       %(prog)s --reference IMAGE IMAGE... [options]",
    )
    score.add_argument("caption_and_images", nargs="+", metavar="CAPTION IMAGE...", help="folders are walked")
    score.add_argument("--reference", metavar="IMAGE", help="compare with this image instead of a caption")
    _add_model_options(score)
    _add_treatment_options(score)
    _add_extra_options(score)
    score.add_argument(
        "--format",
        default="table",
        choices=["table", "json", "jsonl", "csv"],
        help="default: table. jsonl prints each picture as soon as it is scored, in the order given and without rank",
    )
    score.set_defaults(run=_score)

    collection_cli.add_commands(commands)
    models = commands.add_parser(
        "models", help="list the models", description="List the models that have a short name."
    )
    models.add_argument("--format", default="table", choices=["table", "json"], help="default: table")
    models.set_defaults(run=_models)

    evaluation_cli.add_command(commands)
    return parser


def _add_model_options(score: argparse.ArgumentParser) -> None:
    model = checked(check_name)
    score.add_argument("--model", default="auto", type=model, help="see `models`; default: auto")
    score.add_argument(
        "--against",
        metavar="MODEL",
        action="append",
        default=[],
        type=model,
        help="compare --model with this one, side by side; may be given several times",
    )
    score.add_argument("--device", default="auto", type=checked(check_device), help="auto, cpu, cuda, cuda:N or mps")
    score.add_argument(
        "--precision",
        default="auto",
        choices=PRECISIONS,
        help="full: float32; half: float16 or bfloat16, and large JPEGs at a smaller size, which is faster and moves "
        "cosines in the third decimal; auto (default): half on CUDA, else full",
    )
    score.add_argument(
        "--cache",
        metavar="FILE",
        help="keep vectors, not pictures, in this file: the same picture is not encoded twice",
    )


def _add_treatment_options(score: argparse.ArgumentParser) -> None:
    score.add_argument(
        "--framing", default="crop", choices=FRAMINGS, help=f"what of a picture the model sees: {_listed(FRAMINGS)}"
    )
    score.add_argument(
        "--contrast", default="as-is", choices=CONTRASTS, help=f"the contrast of a picture: {_listed(CONTRASTS)}"
    )
    sentences = {
        name: f"“{templates[0].replace('{}', '…')}”" if len(templates) == 1 else f"the mean of {len(templates)} such"
        for name, templates in PROMPTS.items()
    }
    score.add_argument(
        "--prompt",
        default="as-written",
        choices=PROMPTS,
        help=f"the sentence in which the model reads the caption: {_listed(sentences)}",
    )


def _add_extra_options(score: argparse.ArgumentParser) -> None:
    score.add_argument(
        "--also",
        metavar="CAPTION",
        action="append",
        default=[],
        help="one more caption, for a table of captions by pictures; may be given several times",
    )
    score.add_argument(
        "--captions", metavar="FILE", help="captions from a text file, one a line, or - for the standard input"
    )
    score.add_argument("--words", action="store_true", help="say what each word of the caption adds to the cosine")
    score.add_argument(
        "--heatmaps",
        metavar="FOLDER",
        help="save each picture with the places coloured where the caption, or the reference, finds its support",
    )


def _listed(choices: Mapping[Any, str]) -> str:
    """Choices and what they mean, the first one being the default."""
    return "; ".join(f"{name}{' (default)' * (i == 0)}: {text}" for i, (name, text) in enumerate(choices.items()))


def checked(check: Callable[[str], None]) -> Callable[[str], str]:
    """A type of argument: a word that `check` lets pass."""

    def parse(text: str) -> str:
        try:
            check(text)
        except ChoiceError as error:
            raise argparse.ArgumentTypeError(str(error)) from error
        return text

    return parse


def _score(options: argparse.Namespace) -> int:
    _check_combination(options)
    captions, paths = _captions_and_paths(options)
    images = list(_walk(paths))
    if not images:
        raise ClipsimError(f"There are no pictures in {', '.join(paths)}: name files or folders with pictures.")
    # before the work, which would be lost otherwise
    folder = None if options.heatmaps is None else _made(options.heatmaps)
    if options.cache is not None:
        options.cache = _cache(options.cache)
    with progress_bar(len(images)) as progress:
        if options.format == "jsonl":
            return _stream(options, captions, images, progress)
        answer = _answered(options, captions, images, progress)
    status = _show(answer, options)
    if folder and isinstance(answer, Result):
        _save_heatmaps(answer, images, folder)
    return status


def _check_combination(options: argparse.Namespace) -> None:
    """Raise a `UsageError` that says what to leave out."""
    several = _several(options)
    wrong = {
        "With --reference there is no caption: leave out --also, --captions, --against, --words and --prompt.": (
            options.reference is not None
            and (several or options.against or options.words or options.prompt != "as-written")
        ),
        "Several captions or several models, not both: leave out --against, or --also and --captions.": (
            several and options.against
        ),
        "--words and --heatmaps go with one caption and one model: leave out --also, --captions and --against.": (
            (options.words or options.heatmaps is not None) and (several or options.against)
        ),
        "--words has no place in CSV: use --format table or json.": options.words and options.format == "csv",
        "--format jsonl goes with one caption or reference, one model, and without --words and --heatmaps.": (
            options.format == "jsonl" and (several or options.against or options.words or options.heatmaps is not None)
        ),
    }
    for message, applies in wrong.items():
        if applies:
            raise UsageError(message)


def _several(options: argparse.Namespace) -> bool:
    return bool(options.also) or options.captions is not None


def _captions_and_paths(options: argparse.Namespace) -> tuple[list[str], list[str]]:
    if options.captions is not None:  # then all words are pictures
        return [*_lines(options.captions), *options.also], options.caption_and_images
    caption, paths = _split(options.caption_and_images, options.reference)
    return [] if caption is None else [caption, *options.also], paths


def _lines(source: str) -> list[str]:
    """The captions of a file, or of the standard input if it is "-": a caption a line, empty lines left out."""
    name = "The standard input" if source == "-" else source
    try:
        data = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
        lines = [line.strip() for line in data.decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not text in UTF-8: save it so, a caption a line.") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"{name} cannot be read: --captions takes a text file, a caption a line, or -.") from error
    captions = [line for line in lines if line]
    if not captions:
        raise UsageError(f"{name} has no captions: write one a line.")
    return captions


def _answered(
    options: argparse.Namespace, captions: list[str], images: list[tuple[Path, str]], progress: Progress
) -> Answer:
    chosen = _options(options)
    encoders = _encoders(options)
    if _several(options):
        return score_captions(images, captions, encoders[0], options=chosen, progress=progress)
    if options.against:
        return compare_models(images, captions[0], encoders, options=chosen, progress=progress)
    return score_images(
        images,
        captions[0] if captions else None,
        encoders[0],
        reference=options.reference,
        options=chosen,
        words=options.words,
        heatmap=options.heatmaps is not None,
        progress=progress,
    )


def _stream(
    options: argparse.Namespace, captions: list[str], images: list[tuple[Path, str]], progress: Progress
) -> int:
    """Print each picture's score as a line of JSON as soon as it is there; the exit status."""
    (encoder,) = _encoders(options)
    caption = captions[0] if captions else None
    for note in (*encoder.notes, *(caption_notes(caption, encoder, options.prompt) if caption else ())):
        say(note)
    status = NOTHING_SCORED
    for found in score_each(
        images, caption, encoder, reference=options.reference, options=_options(options), progress=progress
    ):
        if isinstance(found, Rejected):
            say(f"{found.name} {found.reason}.")
        else:
            status = SCORED
        print(report.to_json_line(found, encoder.name), flush=True)
    if status == NOTHING_SCORED:
        say("Nothing could be scored.")
    return status


def _options(options: argparse.Namespace) -> Options:
    return Options(options.framing, options.contrast, options.prompt, options.precision)


def _cache(file: str) -> VectorCache:
    try:
        return VectorCache(FILE_BYTES, Path(file))
    except ClipsimError as error:
        raise UsageError(str(error)) from error


def _encoders(options: argparse.Namespace) -> list[Encoder]:
    encoders = [load(name, options.device, options.precision) for name in [options.model, *options.against]]
    for encoder in encoders:
        if options.cache:
            use_cache(encoder, options.cache)
    names = [encoder.name for encoder in encoders]
    if len(set(names)) < len(names):  # "auto" may come to any
        raise UsageError(f"The models are {', '.join(names)}: name another one with --against than with --model.")
    return encoders


def _show(answer: Answer, options: argparse.Namespace) -> int:
    """Print the answer and its remarks; the exit status."""
    scored = bool(answer.scores if isinstance(answer, Result) else answer.pictures)
    for remark in report.remarks(answer):
        say(remark)
    if not scored:
        say("Nothing could be scored.")
    if scored or options.format == "json":
        print(_form(answer, options).rstrip("\n"))
    return SCORED if scored else NOTHING_SCORED


def _form(answer: Answer, options: argparse.Namespace) -> str:
    if options.format == "json":
        return report.to_json(answer)
    table = options.format == "table"
    if isinstance(answer, CaptionTable):
        return report.captions_table(answer) if table else report.captions_csv(answer)
    if isinstance(answer, Comparison):
        return report.models_table(answer) if table else report.models_csv(answer)
    if not table:
        return report.to_csv(answer)
    return "\n\n".join(part for part in (report.to_table(answer), report.words_table(answer)) if part)


def _made(folder: str) -> Path:
    """The folder, made if it is missing."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder} cannot be made a folder: give --heatmaps another one.") from error
    return Path(folder)


def _save_heatmaps(result: Result, images: list[tuple[Path, str]], folder: Path) -> None:
    """Each picture with its heatmap over it as a PNG named after the picture; what is there is left alone."""
    sources = {name: path for path, name in name_sources(images)}
    names = [score.name for score in result.scores]
    saved = []
    for score, title in zip(result.scores, report.titles(names), strict=True):
        if score.heatmap:
            image = overlay(read(sources[score.name], score.name).image, score.heatmap, HEATMAP_SIDE)
            saved.append(_save(image, folder, title.replace("/", " - ")))
    if saved:
        say(f"Heatmaps, best picture first, are in {folder}: {', '.join(saved)}")


def _save(image: Image.Image, folder: Path, title: str) -> str:
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
        say(f"The caption “{first}” is not used: the pictures are compared with {reference}.")
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
def progress_bar(total: int, unit: str = "picture") -> Iterator[Progress]:
    """A bar with rate and time left on a terminal, nothing in a pipe; `total` may be known only later."""
    from tqdm import tqdm

    with tqdm(total=total, unit=unit, disable=not sys.stderr.isatty(), leave=False) as bar:

        def progress(done: int, of: int) -> None:
            bar.total = of
            bar.update(done - bar.n)

        yield progress


def _models(options: argparse.Namespace) -> int:
    if options.format == "json":
        print(json.dumps([asdict(model) for model in MODELS], indent=2))
        return SCORED
    head = ["name", "family", "licence", "width", "ImageNet", "COCO R@1", "cut-offs", "hub id"]
    body = [
        [
            model.name,
            model.family,
            model.licence,
            str(model.width),
            "-" if model.imagenet is None else f"{model.imagenet:.1f}",
            "-" if model.coco is None else f"{model.coco:.1f}",
            "yes" if files("clipsim.data").joinpath(f"calibration-{model.name}.json").is_file() else "-",
            model.hub_id or "(installs with the requirements)",
        ]
        for model in MODELS
    ]
    print(report.aligned([head, *body], "<<<>>><<"))
    return SCORED


def say(message: str) -> None:
    """Tell the user, on the standard error."""
    print(f"clipsim: {report.printable(message)}", file=sys.stderr)
