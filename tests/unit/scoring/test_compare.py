"""Several captions against one gallery, and several models side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import ROOT, Bright, paint

from clipsim import (
    CaptionError,
    CaptionTable,
    ClipsimError,
    Encoder,
    Options,
    compare_models,
    score_captions,
    score_images,
)

EXAMPLES = sorted((ROOT / "examples").glob("*.jpg"))
CAPTIONS = ["a golden retriever standing in the snow", "a cat", "a photo", "a red tractor"]
PICTURES = [(paint(60, 40, seed=n), f"p{n}") for n in range(5)]


def greys(count: int) -> Iterator[tuple[Image.Image, str]]:
    """A generator of pictures, darkest first."""
    return ((Image.new("RGB", (8, 8), (20 * n, 20 * n, 20 * n)), f"grey {n}") for n in range(count))


@pytest.fixture(scope="module")
def table(stand_in: Encoder) -> CaptionTable:
    return score_captions(EXAMPLES, CAPTIONS, stand_in)


@pytest.mark.parametrize("options", [Options(), Options("tiles-best", "auto"), Options(prompt="ensemble")])
def test_a_table_says_what_one_request_for_each_caption_says(stand_in: Encoder, options: Options) -> None:
    files, captions = EXAMPLES[:3], CAPTIONS[:3]
    table = score_captions(files, captions, stand_in, options=options)
    assert table.verdicts is not None
    assert table.answers is not None
    for i, caption in enumerate(captions):
        result = score_images(files, caption, stand_in, options=options)
        scores = {score.name: score for score in result.scores}
        alone = [scores[name] for name in table.pictures]
        assert table.cosines[i] == pytest.approx([score.cosine for score in alone], abs=1e-5)
        assert table.percentiles[i] == pytest.approx([score.percentile for score in alone], abs=0.05)
        assert table.answers[i] == result.verdict
        assert table.best_pictures[i] == result.scores[0].name
        assert table.options == result.options


def test_the_best_picture_of_each_caption_is_named(table: CaptionTable) -> None:
    assert table.best_pictures[:2] == ("golden-retriever-in-snow.jpg", "cat-in-rucksack.jpg")
    for row, best in zip(table.cosines, table.best_pictures, strict=True):
        assert row[table.pictures.index(best)] == max(row)


def test_the_best_caption_of_each_picture_goes_by_percentile(table: CaptionTable) -> None:
    best = dict(zip(table.pictures, table.best_captions, strict=True))
    assert best["golden-retriever-in-snow.jpg"] == best["hiking-golden-retriever.jpg"] == CAPTIONS[0]
    assert best["cat-in-rucksack.jpg"] == "a cat"
    for j, caption in enumerate(table.best_captions):
        column = [row[j] for row in table.percentiles]
        assert column[table.captions.index(caption)] == max(column)


def test_a_caption_that_spreads_wide_is_not_the_best_for_its_cosine_alone(stand_in: Encoder) -> None:
    wide, narrow = "a dog with a ball in its mouth", "a school of silver fish turning together"
    table = score_captions([ROOT / "examples" / "children-playing-in-snow.jpg"], [wide, narrow], stand_in)
    assert table.cosines[0] > table.cosines[1]
    assert table.percentiles[0] < table.percentiles[1]
    assert table.best_captions == (narrow,)


def test_a_table_says_which_captions_nothing_matches(table: CaptionTable) -> None:
    assert table.answers == ("not sure", "match", "nothing here matches", "nothing here matches")


def test_a_caption_that_comes_twice_counts_once(stand_in: Encoder) -> None:
    table = score_captions(EXAMPLES[:2], ["a dog", " a dog\n", "a cat", "a dog", "A dog"], stand_in)
    assert table.captions == ("a dog", "a cat", "A dog")
    assert len(table.cosines) == len(table.percentiles) == len(table.best_pictures) == 3


@pytest.mark.parametrize("captions", [[], iter(())])
def test_no_captions_is_an_error(captions: Any) -> None:
    with pytest.raises(CaptionError, match="no captions"):
        score_captions(PICTURES, captions, Bright("a"))


@pytest.mark.parametrize(("captions", "told"), [([""], "empty"), (["a dog", " \n"], "empty"), (["\ud83d"], "broken")])
def test_an_empty_or_broken_caption_is_an_error(captions: list[str], told: str) -> None:
    with pytest.raises(CaptionError, match=told):
        score_captions(PICTURES, captions, Bright("a"))


def test_no_pictures_and_unknown_choices_are_errors() -> None:
    with pytest.raises(ClipsimError, match="no pictures"):
        score_captions([], ["a dog"], Bright("a"))
    with pytest.raises(ClipsimError, match="crop, pad"):
        score_captions(PICTURES, ["a dog"], Bright("a"), framing="squeeze")  # type: ignore[arg-type]
    with pytest.raises(ClipsimError, match="ensemble"):
        score_captions(PICTURES, ["a dog"], Bright("a"), prompt="poem")  # type: ignore[arg-type]


def test_a_model_that_tells_no_captions_apart_gives_no_verdicts() -> None:
    table = score_captions(PICTURES, ["the dog", "the cat"], Bright("a"))
    assert (table.verdicts, table.answers) == (None, None)
    assert np.shape(table.percentiles) == (2, 5)


def test_pictures_that_cannot_be_read_are_listed_and_cost_the_others_nothing(stand_in: Encoder) -> None:
    mixed = score_captions([(b"text", "notes.jpg"), *PICTURES[:2]], ["a dog", "a cat"], stand_in)
    good = score_captions(PICTURES[:2], ["a dog", "a cat"], stand_in)
    assert [rejected.name for rejected in mixed.rejected] == ["notes.jpg"]
    assert mixed.pictures == good.pictures
    assert np.asarray(mixed.cosines) == pytest.approx(np.asarray(good.cosines), abs=1e-6)


def test_a_table_without_a_readable_picture_has_captions_and_nothing_else(stand_in: Encoder) -> None:
    table = score_captions([b"text"], ["a dog", "a cat"], stand_in)
    assert (table.captions, table.pictures, table.cosines) == (("a dog", "a cat"), (), ((), ()))
    assert (table.best_pictures, table.best_captions, table.answers) == ((), (), None)


def test_captions_that_are_cut_are_noted_beside_the_encoders_own_notes(clip: Encoder, stand_in: Encoder) -> None:
    long = " ".join("abcdefghijklmnopqrstuvwxyz")
    notes = score_captions(PICTURES, ["the dog", long], clip).notes
    assert len(notes) == 1
    assert notes[0].endswith("“s t u v w x y z”")
    assert score_captions(PICTURES, ["the dog"], stand_in).notes == stand_in.notes


def test_progress_counts_up_to_all_pictures() -> None:
    calls: list[tuple[int, int]] = []
    score_captions([*PICTURES, b""], ["a", "b"], Bright("a"), progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (6, 6) or calls == [(5, 6), (6, 6)]


def test_a_generator_of_pictures_serves_every_caption() -> None:
    table = score_captions(greys(4), (caption for caption in ("a dog", "a cat")), Bright("a"))
    assert np.shape(table.cosines) == (2, 4)
    assert table.best_pictures == ("grey 3", "grey 3")


def test_a_table_as_a_dict_is_ready_for_json(table: CaptionTable) -> None:
    plain = table.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert list(plain) == [*list(CaptionTable.__dataclass_fields__)[:-1], *Options().to_dict()]


@pytest.mark.parametrize(("sign", "agreement"), [(1, 1), (-1, -1)])
def test_models_that_rank_alike_agree_and_those_that_rank_the_other_way_do_not(sign: int, agreement: int) -> None:
    comparison = compare_models(greys(6), "bright", [Bright("one"), Bright("two", sign)])
    assert comparison.agreement == pytest.approx(agreement)
    assert [result.model for result in comparison.results] == ["one", "two"]
    assert [len(result.scores) for result in comparison.results] == [6, 6]


def test_spearmans_correlation_is_that_of_the_ranks(clip: Encoder, siglip: Encoder) -> None:
    comparison = compare_models(PICTURES, "the dog", [clip, siglip])
    ranks = [{score.name: score.rank for score in result.scores} for result in comparison.results]
    squares = sum((ranks[0][name] - ranks[1][name]) ** 2 for name in ranks[0])
    assert comparison.agreement == pytest.approx(1 - 6 * squares / (5 * (25 - 1)))


def test_pictures_are_ordered_by_mean_rank() -> None:
    one, two, three = Bright("one"), Bright("two"), Bright("three", -1)
    assert compare_models(greys(4), "bright", [one, two, three]).pictures == ("grey 3", "grey 2", "grey 1", "grey 0")
    assert compare_models(greys(4), "bright", [one, three]).agreement == pytest.approx(-1)


@pytest.mark.parametrize("count", [1, 2])
def test_with_fewer_than_three_pictures_there_is_no_agreement(count: int) -> None:
    comparison = compare_models(greys(count), "bright", [Bright("one"), Bright("two")])
    assert comparison.agreement is None
    assert len(comparison.pictures) == count


def test_each_model_scores_as_it_does_alone(clip: Encoder, siglip: Encoder) -> None:
    comparison = compare_models(PICTURES, "the dog", [clip, siglip], framing="pad")
    for result, encoder in zip(comparison.results, [clip, siglip], strict=True):
        alone = score_images(PICTURES, "the dog", encoder, framing="pad")
        assert [(s.name, s.rank) for s in result.scores] == [(s.name, s.rank) for s in alone.scores]
        assert [s.cosine for s in result.scores] == pytest.approx([s.cosine for s in alone.scores], abs=1e-6)


@pytest.mark.parametrize("names", [["one", "one"], ["one", "two", "one"], ["one"], []])
def test_the_same_model_twice_or_a_single_one_is_an_error(names: list[str]) -> None:
    with pytest.raises(ClipsimError, match="two different"):
        compare_models(greys(3), "bright", [Bright(name) for name in names])


def test_pictures_that_share_a_name_are_told_apart() -> None:
    items = [(image, "same") for image, _ in greys(3)]
    comparison = compare_models(items, "bright", [Bright("one"), Bright("two")])
    assert comparison.pictures == ("same (3)", "same (2)", "same")


@pytest.mark.parametrize("single", [EXAMPLES[0], str(EXAMPLES[0]), EXAMPLES[0].read_bytes(), paint(9, 9)])
def test_a_single_picture_needs_no_list(single: Any) -> None:
    assert len(compare_models(single, "bright", [Bright("one"), Bright("two")]).pictures) == 1
    assert len(score_captions(single, ["a", "b"], Bright("one")).pictures) == 1


def test_pictures_that_cannot_be_read_are_listed_by_each_model() -> None:
    comparison = compare_models([*greys(3), (b"x", "bad")], "bright", [Bright("one"), Bright("two")])
    assert [[rejected.name for rejected in result.rejected] for result in comparison.results] == [["bad"], ["bad"]]
    assert "bad" not in comparison.pictures
    nothing = compare_models([b"x"], "bright", [Bright("one"), Bright("two")])
    assert (nothing.pictures, nothing.agreement) == ((), None)


def test_a_comparison_as_a_dict_is_ready_for_json() -> None:
    plain = compare_models(greys(4), "bright", [Bright("one"), Bright("two")], words=True).to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert list(plain) == ["results", "pictures", "agreement"]
