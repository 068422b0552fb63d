"""A list from a file into a file: scored in blocks that are safe one by one, then cut, summarised and written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol

from clipsim.collections import Collection
from clipsim.embedding import Progress as Report
from clipsim.embedding import cache_of, use_cache
from clipsim.encoders import Encoder
from clipsim.errors import ClipsimError
from clipsim.images import Source
from clipsim.options import Options
from clipsim.pairs.collection_vectors import CollectionVectors
from clipsim.pairs.cutting import Cut
from clipsim.pairs.pair import Pair, PairList
from clipsim.pairs.pool import Sample, sample_captions
from clipsim.pairs.progress import Progress, find_nothing, open_progress
from clipsim.pairs.results import PairScore, PairSummary
from clipsim.pairs.scoring import PairSettings, Scorer, split_blocks
from clipsim.pairs.summary import summarize
from clipsim.pairs.writing import choose_path, make_row, open_writer

FORMAT = 1  # of what is kept of a run that goes on later
STARTED_ANEW = "What an earlier run left was of another list, model or options: the list was scored from the start."


class Engine(Protocol):
    """What scores blocks: this process, or `clipsim.pairs.ray.RayPairs` on many machines."""

    @property
    def name(self) -> str:
        """Tell how it splits a list: work is gone on with only in the same blocks."""

    def __call__(
        self, pairs: PairList, sample: Sample, encoder: Encoder, options: Options, settings: PairSettings, finished: int
    ) -> Iterator[list[PairScore]]:
        """Score the blocks of a list in their order, but for the first that are `finished`."""


@dataclass(frozen=True)
class ScoredList:
    """What came of a list: its summary, and where the rows were written; None where they were not."""

    summary: PairSummary
    path: Path | None
    bad_path: Path | None = None  # of the rows that could not be scored, where the output is without them


def score_list(
    pairs: PairList,
    encoder: Encoder,
    to: str | Path | None = None,
    *,
    options: Options = Options(),
    settings: PairSettings = PairSettings(),
    cut: Cut = Cut(),
    collection: Collection | None = None,
    progress: Report | None = None,
    engine: Engine | None = None,
) -> ScoredList:
    """Score a list, and write its rows with what was found of each.

    A run that was killed is gone on with where it stopped, and the output is the same, byte for byte. Until all is done
    it lies in a file beside the output, whose name begins with a dot.

    Args:
        pairs: from `clipsim.pairs.open_pairs`.
        encoder: from `clipsim.load()`.
        to: where to write: .csv, .jsonl, .parquet, or without an ending for what suits the number of rows; None writes
            nothing.
        options: how pictures and captions are put to the model.
        settings: how the list is gone through.
        cut: which rows are written.
        collection: whose vectors are used for pictures that it holds.
        progress: called with (rows done, rows in all).
        engine: what scores the blocks; None for this process.

    Raises:
        UsageError: the ending is not known, or the collection is of another model.
        ClipsimError: the output cannot be written, or another process writes it.
    """
    place = None if to is None else Path(to)
    if place is not None:
        choose_path(place, 0)  # which raises before the work, not after it
    sample = sample_captions(pairs.captions(), settings.pool)
    task = _describe(pairs, sample, encoder, options, settings) + (engine.name if engine else "")
    further = CollectionVectors(collection, encoder) if collection is not None else find_nothing
    work_path = None if place is None else place.with_name(f".{place.name}.clipsim")
    try:
        with open_progress(work_path, task, further) as work, _keep_vectors(encoder, work):
            _score(engine, pairs, sample, encoder, options, settings, work, progress)
            notes = (*encoder.notes, *([STARTED_ANEW] if work.dropped else []))
            return _finish(pairs, work, place, cut, encoder.name, notes)
    except OSError as error:
        raise ClipsimError(f"{to} cannot be written ({error.strerror or error}): choose another place.") from error


def _describe(pairs: PairList, sample: Sample, encoder: Encoder, options: Options, settings: PairSettings) -> str:
    """Return what a run must have in common with an earlier one to go on with its work."""
    states = [(str(file), (state := file.stat()).st_size, state.st_mtime_ns) for file in pairs.files]
    model = encoder.name, encoder.revision, encoder.device.partition(":")[0], encoder.precision
    return json.dumps([FORMAT, states, sample.digest, model, options.to_dict(), asdict(settings)])


@contextmanager
def _keep_vectors(encoder: Encoder, work: Progress) -> Iterator[None]:
    """Keep the encoder's vectors in the file of the work while this lasts."""
    before = cache_of(encoder)
    use_cache(encoder, work)
    try:
        yield
    finally:
        use_cache(encoder, before)


def _score(
    engine: Engine | None,
    pairs: PairList,
    sample: Sample,
    encoder: Encoder,
    options: Options,
    settings: PairSettings,
    work: Progress,
    progress: Report | None,
) -> None:
    """Score the blocks that are not done yet."""
    number, done = work.done
    blocks = (engine or _score_here)(pairs, sample, encoder, options, settings, number)
    while True:
        with work.together():
            scores = next(blocks, None)
            if scores is None:
                return
            work.add(number, [replace(one, row=done + i) for i, one in enumerate(scores, 1)])
        number, done = number + 1, done + len(scores)
        if progress:
            progress(done, max(sample.rows, done))


def _score_here(
    pairs: PairList, sample: Sample, encoder: Encoder, options: Options, settings: PairSettings, finished: int
) -> Iterator[list[PairScore]]:
    """Score blocks in this process, but for the first that are `finished`."""
    scorer: Scorer | None = None
    done = 0
    for number, block in enumerate(split_blocks(pairs, settings)):
        if number >= finished:
            scorer = scorer or Scorer(encoder, options, settings, sample.encode(encoder, options.prompt))
            yield scorer.score(block, done)
        done += len(block)


def _finish(
    pairs: PairList, work: Progress, place: Path | None, cut: Cut, model: str, notes: tuple[str, ...]
) -> ScoredList:
    """Cut, summarise and write what was scored."""
    kept = cut.choose(work.scores())
    summary = summarize(work.scores(), model, notes, int(kept.sum()) if cut else None)
    wanted = {one.row for one in summary.worst}
    sources: dict[int, Source] = {}
    path = bad_path = None
    if place is None:
        for pair, score in _join(pairs, work):
            if score.row in wanted and pair.picture is not None:
                sources[score.row] = pair.picture
    else:
        path = choose_path(place, summary.rows)
        with open_writer(path, pairs) as writer:
            for pair, score in _join(pairs, work):
                if score.row in wanted and pair.picture is not None:
                    sources[score.row] = pair.picture
                if kept[score.row - 1]:
                    writer.write(make_row(pair.fields, score))
        bad_path = _write_bad(pairs, work, path) if cut and summary.rows > summary.scored else None
    return ScoredList(replace(summary, sources=sources), path, bad_path)


def _write_bad(pairs: PairList, work: Progress, path: Path) -> Path:
    """Write the rows that could not be scored into a file of their own, since the output is without them."""
    bad = path.with_name(f"{path.stem}.rejected{path.suffix}")
    with open_writer(bad, pairs) as writer:
        for pair, score in _join(pairs, work):
            if score.rejected:
                writer.write(make_row(pair.fields, score))
    return bad


def _join(pairs: PairList, work: Progress) -> Iterator[tuple[Pair, PairScore]]:
    try:
        yield from zip(pairs, work.scores(), strict=True)
    except ValueError as error:
        raise ClipsimError("The list was changed while it was scored: run the command again.") from error
