"""What a network is shown at each step, decided by the seed and the number of the step alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from math import ceil
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from clipsim.encoders.checkpoint import CheckpointEncoder
from clipsim.errors import UsageError
from clipsim.images import Source, read
from clipsim.tuning.towers_settings import TowerSettings

Batch = dict[str, torch.Tensor]


def prepare_pixels(sources: Sequence[Source], encoder: CheckpointEncoder, path: Path) -> np.ndarray:
    """Write the views that the encoder scores into a file, which is read as needed: bytes of shape (n, 3, side, side).

    Raises:
        ImageError: a picture cannot be read.
    """
    encoder.ensure_loaded()
    width, height = encoder.input_size
    shape = (len(sources), 3, height, width)
    pixels: np.ndarray = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    for row, source in enumerate(sources):
        name = str(source) if isinstance(source, str | Path) else f"picture {row + 1}"
        pixels[row] = np.asarray(encoder.view(read(source, name).image)).transpose(2, 0, 1)
    return pixels


class Batches(Dataset[Batch]):
    """Batches by the number of the step, from 0. Each epoch has all pictures once, in another order.

    A batch is what the networks take (`pixels`, bytes of shape (n, 3, side, side), and `ids`, shape (n, length)) and
    `rivals`, shape (n, n): whether caption [i] is a wrong one for picture [j].
    """

    def __init__(
        self,
        pixels: np.ndarray,
        captions: Sequence[Sequence[str]],
        groups: Sequence[int],
        encoder: CheckpointEncoder,
        settings: TowerSettings,
    ) -> None:
        """Read the captions' tokens.

        Args:
            pixels: of the pictures, see `prepare_pixels`.
            captions: of each picture, one at least.
            groups: of the pictures; those of one group are no rivals, nor are pictures whose captions read the same.
            encoder: whose tokenizer reads the captions.
            settings: how many pictures a step has at most (the steps of an epoch are equally long, give or take a
                picture), how many epochs there are, and the seed of the orders and of which caption is drawn.
        """
        self.pixels, self.groups, self.encoder, self.seed = pixels, np.asarray(groups), encoder, settings.seed
        flat = iter(encoder.read_tokens([text for own in captions for text in own]))
        self.tokens = [[next(flat) for _ in own] for own in captions]
        self.steps = ceil(len(pixels) / settings.batch)  # of an epoch
        self.epochs = settings.count_epochs(self.steps)

    def __len__(self) -> int:
        """Return the number of steps."""
        return self.epochs * self.steps

    def __getitem__(self, step: int) -> Batch:
        """Return the batch of a step."""
        rows, tokens = self.draw(step)
        ids, _ = self.encoder.pad_tokens(tokens)
        same_text = (ids[:, None] == ids[None]).all(dim=-1)
        own = self.groups[rows]
        rivals = torch.from_numpy(own[:, None] != own) & ~same_text
        return {"pixels": torch.from_numpy(self.pixels[rows]), "ids": ids, "rivals": rivals}

    def draw(self, step: int) -> tuple[np.ndarray, list[list[int]]]:
        """Return which pictures a step shows, as rows of `pixels`, and the tokens of the caption drawn for each."""
        epoch, part = divmod(step, self.steps)
        random = np.random.default_rng([self.seed, epoch])
        order = random.permutation(len(self.pixels))
        chosen = random.integers([len(own) for own in self.tokens])
        rows = np.array_split(order, self.steps)[part]
        return rows, [self.tokens[row][chosen[row]] for row in rows]

    def digest(self) -> str:
        """Return a digest of all that the steps are drawn from."""
        about = (self.tokens, self.groups.tolist(), self.pixels.shape)
        whole = hashlib.sha256(repr(about).encode())
        whole.update(self.pixels.data)
        return whole.hexdigest()


def check_pictures(captions: Sequence[Sequence[str]], groups: Sequence[int]) -> None:
    """Raise a `UsageError` unless there is something to tell apart."""
    if len(captions) != len(groups):
        raise UsageError(f"There are {len(captions)} pictures and {len(groups)} groups: give one for each picture.")
    without = sum(not own for own in captions)
    if without:
        raise UsageError(f"{without} pictures have no caption: give each one at least.")
    if len(set(groups)) < 2:
        raise UsageError("All pictures are of one group, so that there is nothing to tell apart: add others.")
