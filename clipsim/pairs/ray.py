"""Scoring a list of pairs on Ray, on one machine or many: a row group of Parquet at a time.

Workers read the tables and pictures themselves, which must have the same names on every machine, and so must a model in
a folder. Whoever started them keeps what they found, in the order of the list, and writes it.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clipsim.collections import EmbeddingConfig
from clipsim.collections.ray import Ray
from clipsim.encoders import Encoder
from clipsim.errors import UsageError
from clipsim.options import Options
from clipsim.pairs.pair import PairList
from clipsim.pairs.pool import Sample
from clipsim.pairs.readers import TablePairs
from clipsim.pairs.results import PairScore
from clipsim.pairs.scoring import PairSettings, Scorer, split_blocks


@dataclass(frozen=True)
class RayPairs:
    """An `Engine` on Ray, whose blocks are row groups; `ray` says on which cluster, and how many workers."""

    ray: Ray
    device: str = "auto"
    name: str = "ray"

    def __call__(
        self, pairs: PairList, sample: Sample, encoder: Encoder, options: Options, settings: PairSettings, finished: int
    ) -> Iterator[list[PairScore]]:
        """Score the row groups of a list in their order, but for the first that are `finished`.

        Raises:
            UsageError: the list is not in Parquet, or workers cannot load the model.
            ClipsimError: the cluster cannot be reached, or a worker was lost too often.
        """
        if not isinstance(pairs, TablePairs) or any(path.suffix != ".parquet" for path in pairs.paths):
            raise UsageError("The engine ray takes lists in Parquet: give such a list, or leave --engine out.")
        config = EmbeddingConfig.from_encoder(encoder, options)
        if not config.origin:
            raise UsageError(f"Workers cannot load {config.model}: use a model that has a name or a folder.")
        groups = [(path.resolve(), number, before) for path, number, before in pairs.list_groups()][finished:]
        arguments = (pairs, sample, config, options, settings, self.device)
        return self.ray.run(groups, _Worker, arguments, self.device, 1) if groups else iter(())


class _Worker:
    """An encoder in a process of its own."""

    def __init__(
        self,
        pairs: TablePairs,
        sample: Sample,
        config: EmbeddingConfig,
        options: Options,
        settings: PairSettings,
        device: str,
    ) -> None:
        encoder = config.load(device)
        self._pairs, self._settings = pairs, settings
        self._scorer = Scorer(encoder, options, settings, sample.encode(encoder, options.prompt))

    def __call__(self, batch: dict[str, np.ndarray]) -> Iterator[dict[str, list[bytes]]]:
        """Score pickled row groups, and yield the pickled scores of each."""
        for item in batch["item"]:
            group: tuple[Path, int, int] = pickle.loads(item)
            scores: list[Any] = []
            for block in split_blocks(self._pairs.read_group(*group), self._settings):
                scores += self._scorer.score(block, len(scores))
            yield {"part": [pickle.dumps(scores)]}
