"""Captions in parts: the rule by which they are joined, and that everything which scores goes by it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import EXAMPLES, Hashed, paint, unit
from support.captioned import make_gallery

import clipsim
from clipsim import Encoder, Score, score_captions, score_each, score_images
from clipsim.scoring import MATCH, NO_MATCH, NOT_RECOGNISED, WEAK, Part, Parts, encode_parts, judge_parts
from clipsim.scoring.combining import combine_percentiles, encode_part

WANTED, UNWANTED = Part("a dog", True), Part("snow", False)
ORDER = [MATCH, WEAK, NOT_RECOGNISED, NO_MATCH]


def test_one_wanted_part_keeps_its_percentile() -> None:
    percentiles = np.array([[12.5], [99.99]])
    assert combine_percentiles([WANTED], percentiles).tolist() == [12.5, 99.99]


def test_what_must_not_be_there_counts_against_a_picture() -> None:
    seen = np.array([[80.0, 25.0], [80.0, 50.0], [80.0, 99.0], [99.0, 99.0]])
    together = combine_percentiles([WANTED, UNWANTED], seen)
    assert (np.diff(together[:3]) < 0).all()
    assert together[2] < together[3] < 10
    assert combine_percentiles([UNWANTED], np.array([[25.0]])).tolist() == [75.0]


def test_what_is_wanted_and_what_is_not_are_a_percentile_together() -> None:
    chance = np.random.default_rng(0).uniform(0, 100, (20_000, 4))
    parts = [WANTED, UNWANTED, Part("a cat", True), Part("people", False)]
    for count in (2, 4):
        together = combine_percentiles(parts[:count], chance[:, :count])
        assert np.quantile(together, [0.1, 0.5, 0.9]) == pytest.approx([10, 50, 90], abs=1)


def test_several_wanted_parts_are_joined_by_fishers_method() -> None:
    chance = np.random.default_rng(0).uniform(0, 100, (20_000, 3))
    together = combine_percentiles([Part(name, True) for name in "abc"], chance)
    # the parts being unrelated, what they come to together is a percentile again
    assert np.quantile(together, [0.1, 0.5, 0.9]) == pytest.approx([10, 50, 90], abs=1)
    high = combine_percentiles([Part(name, True) for name in "ab"], np.array([[90.0, 90.0], [90.0, 50.0]]))
    assert high[0] > 90 > high[1]


def test_the_cosine_is_that_of_the_sum() -> None:
    vectors = unit(np.random.default_rng(1).normal(size=(3, 6)))
    parts = Parts((Part("a", True), Part("b", True), Part("c", False)), vectors)
    pictures = unit(np.random.default_rng(2).normal(size=(5, 6)))
    expected = pictures @ unit(vectors[0] + vectors[1] - vectors[2])
    assert parts.combine(pictures @ vectors.T) == pytest.approx(expected, abs=1e-6)
    assert parts.target[0] @ pictures[0] == pytest.approx(expected[0], abs=1e-6)


def test_parts_that_cancel_each_other_give_nothing() -> None:
    vector = unit([[1.0, 2.0]])
    parts = Parts((Part("dog", True), Part("dog", False)), np.concatenate([vector, vector]))
    assert parts.combine(np.ones((3, 2))).tolist() == [0, 0, 0]
    assert parts.target.tolist() == [[0, 0]]


def test_pictures_without_a_thing_come_first(stand_in: Encoder) -> None:
    result = score_images(EXAMPLES, "a scene with no dog", stand_in)
    assert [score.name for score in result][-2:] == ["golden-retriever-in-snow.jpg", "hiking-golden-retriever.jpg"]
    assert result.parts == (Part("a dog", False),)
    assert [score.verdict for score in result][-2:] == [NO_MATCH, NO_MATCH]
    assert "The caption is scored in parts: “a dog” must not be there." in result.notes
    assert not any("hardly changes the score" in note for note in result.notes)


def test_parts_are_scored_as_they_would_be_alone_and_the_worst_decides(stand_in: Encoder) -> None:
    result = score_images(EXAMPLES, "a dog, no snow", stand_in)
    alone = {score.name: score for score in score_images(EXAMPLES, "a dog", stand_in)}
    assert [score.percentile for score in result] == sorted((one.percentile for one in result), reverse=True)  # type: ignore[type-var]
    for score in result:
        assert score.parts is not None and score.share is None
        wanted, unwanted = score.parts
        assert (wanted.cosine, wanted.percentile) == (alone[score.name].cosine, alone[score.name].percentile)
        turned = ORDER[3 - ORDER.index(unwanted.verdict or "")]
        assert score.verdict == max([wanted.verdict or "", turned], key=ORDER.index)


def test_a_plain_caption_has_no_parts(stand_in: Encoder) -> None:
    result = score_images(EXAMPLES[:2], "a dog in the snow", stand_in)
    assert result.parts is None and all(score.parts is None and score.share for score in result)


def test_a_stream_a_table_and_a_gallery_agree(stand_in: Encoder) -> None:
    captions = ["a dog, no snow", "a cat", "snow + street"]
    table = score_captions(EXAMPLES, captions, stand_in)
    plain = score_captions(EXAMPLES, ["a cat"], stand_in)
    assert table.percentiles[1] == plain.percentiles[0] and table.verdicts and plain.verdicts
    assert table.verdicts[1] == plain.verdicts[0]
    for caption, percentiles, cosines, answer in zip(
        table.captions, table.percentiles, table.cosines, table.answers or (), strict=True
    ):
        result = score_images(EXAMPLES, caption, stand_in)
        by_name = {score.name: score for score in result}
        assert [by_name[name].percentile for name in table.pictures] == pytest.approx(percentiles)
        assert [by_name[name].cosine for name in table.pictures] == pytest.approx(cosines, abs=1e-6)
        assert result.verdict == answer
        each = [one for one in score_each(EXAMPLES, caption, stand_in) if isinstance(one, Score)]
        assert [one.percentile for one in each] == pytest.approx([by_name[one.name].percentile for one in each])


def test_people_are_looked_for_in_several_forms() -> None:
    encoder = Hashed()
    encode_part(Part("people", False), encoder, "as-written")
    assert {"a photo of a man", "there is a child in the picture"} <= set(encoder.read)
    encoder = Hashed()
    encode_part(Part("people", True), encoder, "as-written")
    assert encoder.read == ["people"]


def test_what_each_word_of_a_part_adds_is_told(stand_in: Encoder) -> None:
    result = score_images(EXAMPLES[:2], "a dog, no snow", stand_in, words=True, heatmap=True)
    assert result.words == ("a", "dog", "snow")
    assert all(score.words and len(score.words) == 3 and score.shuffled is None for score in result)
    assert all(score.heatmap for score in result)


def test_a_model_without_cut_offs_ranks_all_the_same() -> None:
    encoder = Hashed()
    parts = encode_parts("a dog, no snow", encoder)
    assert parts is not None
    found = judge_parts(make_gallery(unit(np.random.default_rng(3).normal(size=(4, 8)))), parts, encoder)
    assert found.judged.percentiles.shape == (4, 1) and len(found.scores[0]) == 2


def test_a_search_ranks_by_the_parts(stand_in: Encoder, tmp_path: Path) -> None:
    clipsim.index_folder(EXAMPLES[0].parent, tmp_path / "collection", stand_in)
    found = clipsim.Collection.open(tmp_path / "collection").search("a scene with no dog", stand_in, top=3)
    result = score_images(EXAMPLES, "a scene with no dog", stand_in)
    assert [hit.path for hit in found] == [score.name for score in result][:3]
    assert [hit.percentile for hit in found] == pytest.approx([score.percentile for score in result][:3])
    assert all(hit.parts and len(hit.parts) == 1 for hit in found)


def test_pictures_of_one_colour_are_scored_in_parts_too(stand_in: Encoder) -> None:
    pictures: list[Image.Image] = [paint(60, 40), Image.new("RGB", (40, 40))]
    assert len(score_images(pictures, "a wall -people", stand_in)) == 2
