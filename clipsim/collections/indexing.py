"""A folder of pictures into a collection: what is new or changed is encoded, what is gone is removed."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Unpack

from clipsim.collections.catalog import Catalog
from clipsim.collections.encoding import Engine, encode_files
from clipsim.collections.models import ModelPlan, plan_models
from clipsim.collections.store.manifest import EmbeddingConfig, Manifest
from clipsim.collections.store.repair import repair as repair_collection
from clipsim.collections.store.runs import get_mark
from clipsim.collections.store.writer import Writer
from clipsim.collections.updating import Report, Rules, update
from clipsim.collections.videos import Videos, read_known_videos
from clipsim.embedding import Progress
from clipsim.encoders import Encoder, load
from clipsim.errors import ClipsimError, UsageError
from clipsim.images import Location, is_list, list_files, locate
from clipsim.options import Choices, Options


def index_folder(
    source: str | Location,
    folder: str | Location,
    encoder: Encoder | str | None = None,
    *,
    device: str = "auto",
    column: str | None = None,
    follow_links: bool = False,
    moved: bool = False,
    allow_removals: bool = False,
    index: str | None = None,
    check: bool = False,
    repair: bool = False,
    engine: Engine | None = None,
    progress: Progress | None = None,
    **choices: Unpack[Choices],
) -> Report:
    """Bring a collection up to date with a folder of pictures; a run that was killed goes on where it stopped.

    A collection may have the vectors of several models: each run brings all up to date, and adds those of the encoder
    if it is a new one.

    Args:
        source: the folder, or a list of pictures, as `clipsim.images.list_files` takes it; here or at an address.
        folder: of the collection, here or at an address; made if it is missing.
        encoder: from `clipsim.load()`, or a name as that takes it and `device`; None for the collection's model, for a
            new one "auto". A name is loaded only if there is something to encode.
        device: where the model calculates.
        column: that names the pictures where the source is a Parquet file.
        follow_links: whether links to folders are followed.
        moved: whether the pictures of the collection lie here now, which else is an error.
        allow_removals: whether it may lose more than half of its pictures, or those of a list that lie in a folder that
            is not there, which else is an error.
        index: a key of `clipsim.collections.KINDS`; None for what suits the size.
        check: whether to read all of the collection and raise if a byte of it has changed; sizes are always compared.
        repair: whether to drop what is damaged first, so that only that is encoded again.
        engine: what encodes and writes segments, such as `clipsim.collections.ray.Ray`; None for this process.
        progress: called with (pictures done, pictures in all), done being those that are safe on the disk.
        choices: framing (but for tiles-best), contrast and precision, of a new collection or model; what is left out is
            that of the collection, for a new one the default.

    Raises:
        UsageError: the collection is of another folder, or was made in another way.
        ClipsimError: there are no pictures, too many are gone, or the folder is no collection.
        EncoderError: the model cannot be loaded.
    """
    source, folder, rules = locate(source), locate(folder), Rules(allow_removals)
    job = _Job(source, column, follow_links, moved, rules, index, check, repair, engine, device, progress)
    return job.run_all(folder, plan_models(folder, encoder, device, choices.get("precision", "auto")), choices)


@dataclass(frozen=True)
class _Job:
    """What a run is told, for each model of a collection; as the arguments of `index_folder`."""

    source: Location
    column: str | None
    follow_links: bool
    moved: bool
    rules: Rules
    index: str | None
    check: bool
    repair: bool
    engine: Engine | None
    device: str
    progress: Progress | None

    def run_all(self, folder: Location, plan: ModelPlan, choices: Choices) -> Report:
        """Bring the vectors of all models up to date; the choices are for the one that was named."""
        report = self.run(folder, plan.first, Choices() if plan.named else choices)
        if plan.named:
            first = Manifest.read(folder).embedding.options
            choices = {"framing": first.framing, "contrast": first.contrast, **choices}
        further: dict[str, Report] = {}
        errors: list[ClipsimError] = []
        for place, encoder in plan.further.items():
            try:
                further[place.name] = self.run(place, encoder, choices if place == plan.named else Choices())
            except ClipsimError as error:  # it does not cost the others
                errors.append(error)
        if errors:
            raise errors[0]
        return replace(report, further=further)

    def run(self, folder: Location, encoder: Encoder | str | None, choices: Choices) -> Report:
        """Bring the vectors of one model, which lie in a folder, up to date."""
        start, source = time.perf_counter(), self.source
        videos = Videos(partial(read_known_videos, folder))
        with Catalog(source.parent if is_list(source) else source) as catalog:
            listed = list_files(source, self.column, follow_links=self.follow_links, videos=True)
            catalog.add_files(videos.expand(listed))
            if not catalog.count("files"):
                raise ClipsimError(f"There are no pictures in {source}: name a folder with pictures.")
            name = str(source.resolve() if isinstance(source, Path) else source).rstrip("/")
            notes = repair_collection(folder) if self.repair else []
            config, loaded = _choose_config(folder, name, encoder, self.device, choices, moved=self.moved)
            with Writer(folder, config, name, check=self.check) as writer:
                notes += writer.notes
                engine = self.engine or partial(encode_files, encoder=loaded, mark=get_mark())
                report = update(writer, catalog, engine, self.device, progress=self.progress, rules=self.rules)
                writer.merge()
                writer.update_index(self.index)
        if videos.left_out:
            notes.append(
                f'{videos.left_out} videos were left out: run pip install "clipsim[video]" for their pictures.'
            )
        return replace(report, seconds=time.perf_counter() - start, notes=tuple(notes))


def _choose_config(
    folder: Location, source: str, encoder: Encoder | str | None, device: str, choices: Choices, *, moved: bool
) -> tuple[EmbeddingConfig | None, Encoder | None]:
    """Return the config of a new collection, and the encoder if one was loaded; raise as `index_folder`."""
    known = Manifest.find(folder)
    if known is None:
        if encoder is None or isinstance(encoder, str):
            encoder = load(encoder or "auto", device, choices.get("precision", "auto"))
        return EmbeddingConfig.from_encoder(encoder, Options(**choices)), encoder
    if known.source not in ("", source) and not moved:
        raise UsageError(
            f"The collection is of {known.source}, not of {source}: give that folder or another collection, or say "
            "that the pictures were moved."
        )
    return None, _check(known.embedding, encoder, device, choices)


def _check(config: EmbeddingConfig, encoder: Encoder | str | None, device: str, choices: Choices) -> Encoder | None:
    """Check that the collection was made as the caller wants it, and return the encoder if one was loaded already."""
    config.check_facts({what: choice for what, choice in choices.items() if (what, choice) != ("precision", "auto")})
    if encoder is None or encoder in ("auto", config.model, config.origin):
        return None  # loaded only if there is something to encode
    if isinstance(encoder, str):
        encoder = load(encoder, device, config.options.precision)
    config.check(encoder)
    return encoder
