"""The losses that the families were trained with, in which some wrong captions do not count as wrong."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import cross_entropy, logsigmoid


def compute_cosines(outputs: Any) -> torch.Tensor:
    """Return the cosine of caption [i] and picture [j], in float32, for what a CLIP or SigLIP model returns."""
    cosines: torch.Tensor = outputs.text_embeds.float() @ outputs.image_embeds.float().T  # of unit length
    return cosines


def compute_clip_loss(logits: torch.Tensor, rivals: torch.Tensor) -> torch.Tensor:
    """Return the mean cross-entropy of finding each caption's picture and each picture's caption among its rivals.

    Section 2.3 of Radford et al. 2021 (arXiv:2103.00020).

    Args:
        logits: scaled cosines of caption [i] and picture [j], shape (n, n); the pairs lie on the diagonal.
        rivals: whether caption [i] is a wrong one for picture [j], shape (n, n); others are left out of the softmax.
    """
    pairs = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    logits = logits.masked_fill(~(pairs | rivals), -torch.inf)
    places = torch.arange(len(logits), device=logits.device)
    return (cross_entropy(logits, places) + cross_entropy(logits.T, places)) / 2


def compute_siglip_loss(logits: torch.Tensor, rivals: torch.Tensor) -> torch.Tensor:
    """Return the mean over the captions of -log sigmoid(logit) of the pair and -log sigmoid(-logit) of the rivals.

    Algorithm 1 of Zhai et al. 2023 (arXiv:2303.15343).

    Args:
        logits: scaled cosines of caption [i] and picture [j], with the bias, shape (n, n).
        rivals: as for `compute_clip_loss`; others add nothing.
    """
    return -(logsigmoid(logits.diagonal()).sum() + logsigmoid(-logits)[rivals].sum()) / len(logits)


LOSSES = {"clip": compute_clip_loss, "siglip": compute_siglip_loss}  # by the family of `CheckpointEncoder`
