"""Cut-offs of a tuned model, learned from pictures as a model sees them that was not tuned on these."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from clipsim.embedding import Gallery
from clipsim.encoders import load
from clipsim.evaluation import normalize_text
from clipsim.options import Options
from clipsim.scoring import encode_background
from clipsim.scoring.calibration import Cutoffs
from clipsim.scoring.keeping import keep_calibration
from clipsim.tuning.calibrating import LEAST, LEAST_TEXTS, MOST, learn_and_measure
from clipsim.tuning.data import Material
from clipsim.tuning.learning import Aims
from clipsim.tuning.measures import Texts
from clipsim.tuning.pairs import make_pairs


def learn_cutoffs(
    given: Material, gallery: Gallery, vectors: np.ndarray, texts: Texts, folder: Path
) -> tuple[Cutoffs | None, tuple[str, ...]]:
    """Learn cut-offs, keep them beside the tuned model, and return them; None, with the reason, where too few can tell.

    Args:
        given: the texts of the pictures.
        gallery: the pictures.
        vectors: unit vectors of them, each by a model that did not learn from that picture, shape (n, d).
        texts: of the pictures, by the tuned model.
        folder: of the tuned model.
    """
    count = min(len(vectors), MOST)
    rows = np.sort(np.random.default_rng(0).permutation(len(vectors))[:count])
    infos = tuple(gallery.pictures[row] for row in rows)
    pairs = [(place, text) for place, info in enumerate(infos) for text in given.texts[info.name]]
    different = len({normalize_text(text) for _, text in pairs})
    if count < LEAST or different < LEAST_TEXTS:
        few = f"{count} pictures" if count < LEAST else f"{different} different texts"
        return None, (f"Cut-offs are those of first use: {few} are too few to learn its own from.",)
    encoder = load(str(folder))
    own = Gallery(infos, vectors[rows], np.arange(count), ())
    taken = texts.take(rows)
    captions = taken.vectors[taken.owner] if taken.labelled else taken.vectors  # in the order of the pairs
    owner = np.array([place for place, _ in pairs])
    made = make_pairs(own, [text for _, text in pairs], captions, owner, encode_background(encoder))
    learned = learn_and_measure(made, f"{count} pictures that it was tuned to, each held out", Aims())
    calibration = replace(learned.calibration, rates={Options().treatment: learned.figures})
    keep_calibration(encoder, "as-written", calibration, {"learned by": "clipsim tune"})
    return calibration.cutoffs, ()
