"""Make the stand-in's data files anew: `python -m tools.stand_in_data`.

It ships sentence embeddings, since computing them takes seconds: of ImageNet's class names (`imagenet_classes.txt`) and
of the background captions in every prompt (`background_captions.txt`). Run this after a change of either list.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

import clipsim
from clipsim.embedding import encode_captions
from clipsim.encoders.conse import ConseEncoder
from clipsim.options import PROMPTS, Prompt
from clipsim.scoring.calibration import read_background_captions

DATA = Path(clipsim.__file__).parent / "data"


class SentenceEncoder(ConseEncoder):
    """The stand-in's language model alone."""

    def _text_vectors(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self._embed_sentences(ids, mask)


def read_class_names() -> list[str]:
    """Return ImageNet's 1,000 class names, in its order."""
    lines = (DATA / "imagenet_classes.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


def embed_classes() -> np.ndarray:
    """Return the sentence embedding of each class name, shape (1000, 384)."""
    return SentenceEncoder("stand-in", "cpu").encode_texts(read_class_names())


def embed_background(prompt: Prompt, every: int = 1) -> np.ndarray:
    """Return the stand-in's vector of every `every`th background caption in `prompt`, shape (m, 384)."""
    return encode_captions(list(read_background_captions()[::every]), clipsim.load("stand-in", "cpu"), prompt)


def main() -> None:
    """Write both files, in half precision."""
    np.save(DATA / "imagenet_classes.npy", embed_classes().astype(np.float16))
    background = {prompt: embed_background(prompt).astype(np.float16) for prompt in PROMPTS}
    np.savez_compressed(DATA / "background_captions.npz", allow_pickle=False, **background)


if __name__ == "__main__":
    main()
