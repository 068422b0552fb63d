"""Several at once: several captions against one gallery, or several models on the same gallery and caption."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Unpack

import scipy  # its parts load when they are used

from clipsim.embedding import Progress, collect_sources, embed, encode_captions
from clipsim.encoders import Encoder
from clipsim.errors import CaptionError, UsageError
from clipsim.images import Images
from clipsim.options import Choices, Options
from clipsim.scoring.captions import clean_caption, note_caption, resolve_precision
from clipsim.scoring.combining import replace_in_parts
from clipsim.scoring.judge import judge
from clipsim.scoring.results import CaptionTable, Comparison, find_best
from clipsim.scoring.score import ScoreKeywords, score_images


def score_captions(
    images: Images,
    captions: Iterable[str],
    encoder: Encoder,
    *,
    options: Options = Options(),
    progress: Progress | None = None,
    **choices: Unpack[Choices],
) -> CaptionTable:
    """Score every picture against every caption; one that comes twice counts once.

    The other arguments are those of `clipsim.score_images`, and so is what is raised: a `CaptionError` too if there are
    no captions.
    """
    start = time.perf_counter()
    options = options.replace(**choices)
    sources = collect_sources(images)
    if isinstance(captions, str):
        raise CaptionError("There is one caption and not a list of them: use score_images, or put it into a list.")
    unique = list(dict.fromkeys(clean_caption(caption) for caption in captions))
    if not unique:
        raise CaptionError("There are no captions: write one a line.", code="no_caption")
    vectors = encode_captions(unique, encoder, options.prompt)
    gallery = embed(sources, encoder, options, progress=progress)
    cosines = gallery.cosines(vectors)
    judged = judge(gallery, cosines, unique, vectors, encoder, options.prompt)
    cosines, judged = replace_in_parts(gallery, cosines, judged, unique, encoder, options.prompt)
    names = tuple(picture.name for picture in gallery.pictures)
    best = [find_best(*column)[0] for column in zip(judged.percentiles.tolist(), cosines.tolist(), strict=True)]
    return CaptionTable(
        captions=tuple(unique),
        pictures=names,
        cosines=tuple(map(tuple, cosines.T.tolist())),
        percentiles=tuple(map(tuple, judged.percentiles.T.tolist())),
        verdicts=judged.verdicts,
        best_pictures=tuple(names[i] for i in cosines.argmax(axis=0)) if names else (),
        best_captions=tuple(unique[i] for i in best),
        answers=judged.answers,
        model=encoder.name,
        device=encoder.device,
        rejected=gallery.rejected,
        notes=(
            *encoder.notes,
            *dict.fromkeys(note for one in unique for note in note_caption(one, encoder, options.prompt)),
        ),
        seconds=time.perf_counter() - start,
        options=resolve_precision(options, encoder),
    )


def compare_models(
    images: Images,
    caption: str | None,
    encoders: Sequence[Encoder],
    **keywords: Unpack[ScoreKeywords],
) -> Comparison:
    """Score the same pictures and caption by several models: two at least, of different names.

    The other arguments are those of `clipsim.score_images`, and what is raised too: a `UsageError` about the models.
    """
    if len({encoder.name for encoder in encoders}) < max(2, len(encoders)):
        sentence = "The same model is there twice, or there is only one: choose two different ones."
        raise UsageError(sentence, code="same_model")
    sources = list(collect_sources(images))
    results = tuple(score_images(sources, caption, encoder, **keywords) for encoder in encoders)
    ranks = [{score.name: score.rank for score in result.scores} for result in results]
    names = sorted(ranks[0], key=lambda name: sum(rank[name] for rank in ranks))
    first, second = ([rank[name] for name in names] for rank in ranks[:2])
    # Spearman 1904, Am. J. Psychol. 15, 72-101; two pictures say nothing
    agreement = float(scipy.stats.spearmanr(first, second).statistic) if len(names) > 2 else None
    return Comparison(results, tuple(names), agreement)
