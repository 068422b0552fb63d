"""From a file of captioned pictures to a calibration that is used from then on."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Unpack

import numpy as np

from clipsim.embedding import Gallery, Progress, Rejected, embed
from clipsim.encoders import Encoder, load
from clipsim.errors import CaptionError
from clipsim.evaluation import Captioned, Estimate, encode_in_parts, normalize_text, read_captions
from clipsim.options import Choices, Options
from clipsim.scoring import Calibration, encode_background, resolve_precision
from clipsim.scoring.calibration import NAME_WORDS
from clipsim.scoring.keeping import find_shipped_calibration, keep_calibration
from clipsim.tuning.data import find_file
from clipsim.tuning.learning import DRAWS, Aims, compute_held_out, learn_calibration
from clipsim.tuning.pairs import Pairs, make_pairs
from clipsim.tuning.rates import measure, measure_areas, measure_reliability
from clipsim.tuning.results import Calibrated

LEAST = 50  # pictures: fewer are worth too little for a promise of 1 %
LEAST_TEXTS = 10  # different captions, without which there are no random pairs to speak of
MOST = 1_000  # pictures, drawn at random: time and memory grow as their square, and intervals are narrow by then
CAPTIONS_EACH = 5  # of a picture, the first ones

CaptionedPictures = str | Path | Sequence[Captioned | tuple[str | Path, str]]


def calibrate(
    pairs: CaptionedPictures,
    model: str | Encoder = "auto",
    *,
    pictures: str | Path | None = None,
    device: str = "auto",
    options: Options = Options(),
    aims: Aims = Aims(),
    keep: bool = True,
    progress: Progress | None = None,
    **choices: Unpack[Choices],
) -> Calibrated:
    """Learn a model's cut-offs from captioned pictures, measure how often they are right, and use them from now on.

    The calibration is kept for these weights and this prompt, in place of an earlier one: in the folder of a local
    checkpoint, else in huggingface_hub's cache of assets. Neither pictures nor captions are kept, nor their names.

    Args:
        pairs: a file as `clipsim evaluate` reads it (a CSV with the columns file and caption, COCO captions as JSON, a
            Flickr8k token file), or a list of `(picture's file, caption)`. A picture may have several captions.
        model: an encoder, or a name as for `clipsim.load`.
        pictures: the folder that files are looked for in; None for that of the file of captions.
        device: as for `clipsim.load`; it counts where `model` is a name.
        options: how pictures and captions are put to the model; the cut-offs are right for these only.
        aims: which shares of false alarms the cut-offs may let through.
        keep: whether to use the calibration from now on; else it is measured only.
        progress: called with (pictures and captions encoded, all of them).
        choices: fields of `options`, which they replace.

    Raises:
        CaptionError: the captions cannot be read, or fewer than 50 of their pictures.
        ChoiceError: the model, the device or an option is not known.
        EncoderError: the model cannot be loaded.
        ClipsimError: the calibration can be kept nowhere.
    """
    start, options = time.perf_counter(), options.replace(**choices)
    given = _read(pairs, pictures)
    encoder = load(model, device, options.precision) if isinstance(model, str) else model
    encoded = _encode(given, encoder, options, progress)
    found = learn_and_measure(encoded.pairs, f"your own {len(encoded.gallery.pictures)} captioned pictures", aims)
    rates = {options.treatment: found.figures}
    learned = replace(found.calibration, rates=rates, names=encoded.names)
    kept, notes = _keep(encoder, options, learned, found.rates) if keep else (None, ())
    return Calibrated(
        model=encoder.name,
        options=resolve_precision(options, encoder),
        pictures=len(encoded.gallery.pictures),
        captions=len(encoded.pairs.owner),
        aims=aims,
        cutoffs=learned.cutoffs,
        rates=found.rates,
        areas=found.areas,
        reliability=measure_reliability(encoded.pairs, found.percentiles),
        rejected=encoded.gallery.rejected,
        notes=(*encoder.notes, *encoded.notes, *notes),
        kept=kept,
        seconds=time.perf_counter() - start,
        calibration=learned,
    )


def _keep(
    encoder: Encoder, options: Options, learned: Calibration, rates: Mapping[str, Estimate]
) -> tuple[str, tuple[str, ...]]:
    """Keep a calibration, and return where, and what is to be said of that."""
    intervals = {options.treatment: {name: [one.low, one.high] for name, one in rates.items()}}
    about = {"learned by": "clipsim calibrate", "intervals": intervals}
    kept = str(keep_calibration(encoder, options.prompt, learned, about))
    said = f"{encoder.name} knows no revision of its weights: this is used for any weights of that name."
    return kept, () if encoder.revision else (said,)


@dataclass(frozen=True)
class Learned:
    """A calibration without its rates, the rates, and the held-out percentiles behind them, shape (n, k)."""

    calibration: Calibration
    rates: dict[str, Estimate]
    areas: dict[str, float]
    percentiles: np.ndarray

    @property
    def figures(self) -> dict[str, float]:
        """Rates and areas without intervals, to four decimals."""
        whole = {name: one.value for name, one in self.rates.items()} | self.areas
        return {name: round(figure, 4) for name, figure in whole.items()}


def learn_and_measure(pairs: Pairs, origin: str, aims: Aims, draws: int = DRAWS) -> Learned:
    """Learn a calibration and measure it on pictures and captions that were held out.

    Args:
        pairs: of one treatment.
        origin: what the pictures are, as it reads on from "measured on".
        aims: shares of false alarms.
        draws: galleries of each size.
    """
    percentiles = compute_held_out(pairs)
    return Learned(
        learn_calibration(pairs, percentiles, origin, aims, draws),
        measure(pairs, percentiles, aims, draws),
        measure_areas(pairs, percentiles),
        percentiles,
    )


@dataclass(frozen=True)
class _Given:
    """Pictures' files with the name that the captions have for them, and their different captions."""

    files: dict[str, Path]
    captions: dict[str, list[str]]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Encoded:
    """Pictures and captions as vectors; `names` is what is known of short captions, if there are none among these."""

    gallery: Gallery
    pairs: Pairs
    notes: tuple[str, ...]
    names: Calibration | None


def _read(pairs: CaptionedPictures, pictures: str | Path | None) -> _Given:
    """Read captions and find their pictures' files; of too many, draw some."""
    if isinstance(pairs, str | Path):
        written, folder = read_captions(pairs), Path(pairs).parent
    else:
        written, folder = [_to_captioned(one) for one in pairs], Path()
    folder = folder if pictures is None else Path(pictures)
    captions: dict[str, dict[str, str]] = {}
    for one in written:
        if one.caption.strip():
            captions.setdefault(one.file, {}).setdefault(normalize_text(one.caption), one.caption.strip())
    names = list(captions)
    _check_count(len(names), "")
    left_out = len(names) - MOST
    if left_out > 0:
        names = [names[i] for i in np.sort(np.random.default_rng(0).permutation(len(names))[:MOST])]
    each = {name: list(captions[name].values()) for name in names}
    more = sum(max(len(own) - CAPTIONS_EACH, 0) for own in each.values())
    blank = sum(not one.caption.strip() for one in written)
    counts = {
        f"{blank} captions are blank and left out.": blank,
        f"{left_out} pictures are left out: {MOST:,}, drawn at random, say enough.": left_out,
        f"{more} captions are left out: of each picture {CAPTIONS_EACH} are taken.": more,
    }
    return _Given(
        {name: find_file(folder, name) for name in names},
        {name: own[:CAPTIONS_EACH] for name, own in each.items()},
        tuple(note for note, count in counts.items() if count > 0),
    )


def _to_captioned(one: Captioned | tuple[str | Path, str]) -> Captioned:
    return one if isinstance(one, Captioned) else Captioned(str(one[0]), one[1])


def _check_count(count: int, why: str) -> None:
    if count < LEAST:
        raise CaptionError(
            f"There are {count} pictures with captions{why}, and a calibration takes {LEAST} at least: add some."
        )


def _encode(given: _Given, encoder: Encoder, options: Options, progress: Progress | None) -> _Encoded:
    """Encode pictures and captions; pictures that cannot be read go with their captions."""
    total = len(given.files) + sum(map(len, given.captions.values()))
    report: Progress = (lambda done, _: progress(done, total)) if progress else (lambda *_: None)
    gallery = embed([(path, name) for name, path in given.files.items()], encoder, options, progress=report)
    rejected = _describe_rejected(gallery.rejected)
    _check_count(len(gallery.pictures), f" that could be read{rejected}")
    captions = [(row, one) for row, info in enumerate(gallery.pictures) for one in given.captions[info.name]]
    owner, texts = np.array([row for row, _ in captions]), [one for _, one in captions]
    different = len({normalize_text(text) for text in texts})
    if different < LEAST_TEXTS:
        raise CaptionError(
            f"The pictures have {different} different captions, and a calibration takes {LEAST_TEXTS} at least: "
            "describe each picture in words of its own."
        )
    start = len(given.files)
    vectors = encode_in_parts(texts, encoder, options.prompt, lambda done, _: report(start + done, total))
    background = encode_background(encoder, options.prompt)
    pairs, shipped = make_pairs(gallery, texts, vectors, owner, background), find_shipped_calibration(encoder)
    all_long = all(len(text.split()) > NAME_WORDS for text in texts)
    return _Encoded(gallery, pairs, given.notes, shipped.names if shipped and all_long else None)


def _describe_rejected(rejected: Sequence[Rejected]) -> str:
    """Return how many could not be read, and why the first could not; "" if all could."""
    if not rejected:
        return ""
    first = rejected[0]
    return f" ({len(rejected)} could not: {first.name} {first.reason})"
