"""CLIPScore and RefCLIPScore: Hessel et al. 2021, arXiv:2104.08718, as the authors' code computes them.

That code (github.com/jmhessel/clipscore, `clipscore.py`) puts `PREFIX` before every caption, and so does the paper
(section 3). Other implementations go by the name without it: torchmetrics' CLIPScore is `max(100 * cosine, 0)` of the
caption as it is written.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from clipsim.embedding import embed, encode_captions, name_sources
from clipsim.encoders import Encoder
from clipsim.errors import CaptionError, ImageError, UsageError
from clipsim.images import ImageInput
from clipsim.options import Prompt

PREFIX = "A photo depicts "
WEIGHT = 2.5


def clipscore(cosine: float) -> float:
    """`2.5 * max(cosine, 0)`, in [0, 2.5], of the cosine of a picture and a caption behind `PREFIX`."""
    return WEIGHT * max(cosine, 0.0)


def encode_for_scores(caption: str, encoder: Encoder, prompt: Prompt) -> tuple[np.ndarray, np.ndarray | None]:
    """Encode a caption as `prompt` says, and behind `PREFIX` for CLIPScore: shape (1, d) each.

    The second is None outside the CLIP family, for which CLIPScore is defined.
    """
    if encoder.family != "clip":
        return encode_captions([caption], encoder, prompt), None
    if prompt != "as-written":
        return encode_captions([caption], encoder, prompt), encode_captions([PREFIX + caption], encoder)
    both = encode_captions([caption, PREFIX + caption], encoder)  # in one pass, which costs less than two
    return both[:1], both[1:]


def refclipscore(image: ImageInput, caption: str, references: Iterable[str], encoder: Encoder) -> float:
    """Return how well a caption fits a picture and the captions that are known to be right for it.

    The harmonic mean of the picture's CLIPScore and `max(cosine, 0)` of the caption with the nearest of the references,
    each behind `PREFIX`: 0 to 1.43. The picture is framed in the model's own way; it is encoded once for all captions.

    Args:
        image: one, as `clipsim.score_images` takes them in a list.
        caption: what is judged.
        references: captions of this picture that people wrote, one at least.
        encoder: of the CLIP family.

    Raises:
        UsageError: the encoder is of another family.
        CaptionError: a caption is empty, or there are no references.
        ImageError: the picture cannot be read.
    """
    if encoder.family != "clip":
        raise UsageError(f"RefCLIPScore is defined for the CLIP family, and {encoder.name} is none: load a CLIP model.")
    captions = [caption, *([references] if isinstance(references, str) else references)]
    if len(captions) < 2:
        raise CaptionError("There are no references: give captions that are right for the picture, one at least.")
    if not all(one.strip() for one in captions):
        raise CaptionError("A caption or reference is empty: write what the picture shows.")
    gallery = embed(name_sources([image]), encoder)
    for rejected in gallery.rejected:
        raise ImageError(rejected.name, rejected.reason)
    own, *others = encode_captions([PREFIX + one.strip() for one in captions], encoder)
    of_picture = clipscore(float(gallery.cosines(own[None])[0, 0]))
    of_references = max(0.0, *(float(other @ own) for other in others))
    return combine(of_picture, of_references)


def combine(of_picture: float, of_references: float) -> float:
    """Return RefCLIPScore: the harmonic mean of CLIPScore and the cosine with the nearest reference, 0 or more."""
    both = of_picture + of_references
    return 2 * of_picture * of_references / both if both else 0.0
