"""Each picture with its own caption: the same figures as one by one, and what only a list can tell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import Bright, Counting, PictureFile, paint
from support.captioned import Subjects, write_pairs

from clipsim import Encoder, Options, Pair, PairScore, UsageError, score_images, score_pairs
from clipsim.embedding import VectorCache, use_cache
from clipsim.images import Source
from clipsim.options import Framing, Prompt
from clipsim.pairs import PairSettings, open_pairs

TEXTS = ["the cat", "a dog, no snow", "x", "a dog in the snow"]


def make_pairs(count: int = 12) -> list[tuple[Image.Image, str]]:
    return [(paint(40 + seed % 3, 32, seed // 2), TEXTS[seed % 4]) for seed in range(count)]


@pytest.mark.parametrize("framing", ["crop", "tiles-best"])
@pytest.mark.parametrize("prompt", ["as-written", "ensemble"])
def test_figures_are_those_of_the_picture_scored_alone(clip: Encoder, framing: Framing, prompt: Prompt) -> None:
    pairs, options = make_pairs(), Options(framing, prompt=prompt)
    found = list(score_pairs(pairs, clip, options, settings=PairSettings(block=5)))
    assert [one.row for one in found] == list(range(1, 13))
    for one, (picture, caption) in zip(found, pairs, strict=True):
        (alone,) = score_images([picture], caption, clip, options=options)
        ours, theirs = ([x.cosine, x.percentile, x.clipscore] for x in (one, alone))
        assert ours == pytest.approx(theirs, abs=1e-6)
        assert (one.verdict, one.caption) == (alone.verdict, caption)


def test_a_model_without_cut_offs_gives_no_verdicts() -> None:
    found = list(score_pairs([(paint(9, 9), "light"), (paint(9, 9, 1), "dark")], Bright()))
    assert [one.verdict for one in found] == [None, None]
    assert all(one.percentile is not None and one.clipscore is None for one in found)


def test_a_picture_with_many_captions_is_encoded_once(picture_file: PictureFile, clip: Encoder) -> None:
    first, second = picture_file("a.png", 1), picture_file("b.png", 2)
    copy = picture_file("copy of a.png", 1)
    counting = Counting(clip)
    list(score_pairs([(path, text) for text in TEXTS for path in (first, second, copy)], counting))
    assert counting.pictures == 2


def test_batches_do_not_depend_on_the_blocks_before(clip: Encoder) -> None:
    pairs = make_pairs(24)
    use_cache(clip, VectorCache(1))  # which keeps nothing
    try:
        ours, theirs = (list(score_pairs(pairs, clip, settings=PairSettings(block=8))) for _ in range(2))
    finally:
        use_cache(clip, VectorCache(10**8))
    assert ours == theirs


def test_a_wrong_caption_ranks_low_and_the_list_has_a_better_one(tmp_path: Path) -> None:
    numbers = list(range(40))
    path = write_pairs(tmp_path, numbers)
    lines = path.read_text().splitlines()
    lines[1], lines[2] = "0.png,thing 1", "1.png,thing 0"
    path.write_text("\n".join(lines))
    found = list(score_pairs(open_pairs(path), Subjects(revision="pairs")))
    wrong, right = found[:2], found[2:]
    assert [one.better_caption for one in wrong] == ["thing 0", "thing 1"]
    assert np.mean([one.rank == 1 for one in right]) > 0.6
    assert max(one.percentile or 0 for one in wrong) < np.median([one.percentile or 0 for one in right])
    assert all((one.better_percentile or 0) > (one.percentile or 0) for one in wrong)


def test_other_captions_of_the_same_picture_are_no_rivals() -> None:
    picture, other = paint(9, 9, 1), paint(9, 9, 2)
    pairs = [Pair(picture, "one", "p"), Pair(picture, "two", "p"), Pair(other, "one", "q"), Pair(other, "three", "q")]
    found = list(score_pairs(pairs, Bright()))
    assert [one.among for one in found] == [1, 1, 1, 1]  # of p only "three" is another's, of q only "two"
    assert next(iter(score_pairs(pairs[:2], Bright()))).rank is None


def test_only_the_captions_most_like_it_are_rivals() -> None:
    found = list(score_pairs(make_pairs(8), Bright(), settings=PairSettings(negatives=2)))
    assert {one.among for one in found} == {2}


def test_rows_that_cannot_be_scored_say_why_and_keep_their_places(tmp_path: Path) -> None:
    good = paint(9, 9)
    (tmp_path / "text.png").write_text("no picture")
    pairs: list[Pair | tuple[Source, str]]
    pairs = [(good, "x"), (tmp_path / "none.png", "x"), (good, "  "), (tmp_path / "text.png", "x"), (good, "\ud800")]
    found = list(score_pairs([*pairs, Pair(None, "x", "line 9", problem="is no row"), (good, "y")], Bright()))
    reasons = [one.rejected.partition(":")[0] for one in found]
    assert reasons[0] == reasons[6] == ""
    assert reasons[1] == "is not a file" and reasons[2] == "has no caption" and "is not a picture" in reasons[3]
    assert "broken character" in reasons[4] and reasons[5] == "is no row"
    assert [one.row for one in found] == [1, 2, 3, 4, 5, 6, 7]


def test_an_iterator_without_an_end_is_scored_as_it_comes() -> None:
    drawn: list[int] = []

    def endless() -> Iterator[tuple[Image.Image, str]]:
        while True:
            drawn.append(1)
            yield paint(9, 9, len(drawn)), f"number {len(drawn)}"

    scores = score_pairs(endless(), Bright(), settings=PairSettings(block=4))
    assert [next(scores).row for _ in range(6)] == [1, 2, 3, 4, 5, 6]
    assert len(drawn) <= 10


def test_large_pictures_in_memory_make_smaller_blocks(clip: Encoder) -> None:
    seen: list[PairScore] = list(
        score_pairs(iter(make_pairs(6)), clip, settings=PairSettings(block_bytes=2 * 42 * 32 * 4))
    )
    assert len(seen) == 6 and {one.among for one in seen} == {1}  # each block of two knows one other caption


def test_what_are_no_pairs_is_told() -> None:
    with pytest.raises(UsageError, match="is no pair"):
        list(score_pairs(["a.jpg"], Bright()))  # type: ignore[list-item]
    with pytest.raises(UsageError, match=r"clipsim\.load"):
        list(score_pairs([], "clip"))  # type: ignore[arg-type]


def test_refclipscore_is_the_authors_formula(clip: Encoder) -> None:
    """Hessel et al. 2021: CLIP-S = 2.5 max(cos(c, v), 0); RefCLIP-S = H(CLIP-S, max(max over r of cos(c, r), 0))."""
    pictures, references = [paint(32, 32, seed) for seed in range(4)], ("snow", "the dog")
    pairs = [Pair(picture, "z z", f"p{i}", references) for i, picture in enumerate(pictures)]
    found = list(score_pairs(pairs, clip))
    caption, *others = clip.encode_texts([f"A photo depicts {text}" for text in ("z z", *references)])
    for one, picture in zip(found, clip.encode_images(pictures), strict=True):
        of_picture = 2.5 * max(float(caption @ picture), 0.0)
        of_references = max(0.0, *(float(caption @ other) for other in others))
        assert one.clipscore == pytest.approx(of_picture, abs=1e-4)
        expected = 2 * of_picture * of_references / (of_picture + of_references)
        assert one.refclipscore == pytest.approx(expected, abs=1e-4)
