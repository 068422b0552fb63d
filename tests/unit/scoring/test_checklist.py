"""A long caption, statement by statement: what each comes to, and the total."""

from __future__ import annotations

import pytest
from PIL import Image
from support import EXAMPLES, paint

from clipsim import CaptionError, Encoder, LimitError, check_text, score_captions, score_images
from clipsim.scoring.calibration import VERDICTS
from clipsim.scoring.checklist import MOST

TEXT = "A golden retriever is standing in the snow. A cat sits in a rucksack. There are no people."


def test_each_statement_has_what_a_caption_of_its_own_has(stand_in: Encoder) -> None:
    found = check_text(EXAMPLES, TEXT, stand_in, places=False)
    table = score_captions(EXAMPLES, found.statements, stand_in)
    assert found.statements == (
        "A golden retriever is standing in the snow",
        "A cat sits in a rucksack",
        "There are no people",
    )
    for one in found.pictures:
        place = table.pictures.index(one.name)
        assert [part.percentile for part in one.statements] == pytest.approx(
            [table.percentiles[i][place] for i in range(3)]
        )


def test_the_total_follows_its_rule(stand_in: Encoder) -> None:
    found = check_text(EXAMPLES, TEXT, stand_in, places=False)
    assert [one.rank for one in found.pictures] == [1, 2, 3, 4, 5]
    means = [one.percentile for one in found.pictures]
    assert means == sorted(means, reverse=True)
    for one in found.pictures:
        verdicts = [part.verdict or "" for part in one.statements]
        assert one.verdict == max(verdicts, key=VERDICTS.index)
        assert one.holding == sum(verdict in ("match", "weak") for verdict in verdicts)
        assert one.percentile == pytest.approx(sum(part.percentile for part in one.statements) / 3)


def test_a_false_statement_is_told_from_true_ones(stand_in: Encoder) -> None:
    text = "A golden retriever stands in the snow. A brown dog is outside in winter. A chef is cooking pasta."
    (picture,) = check_text([EXAMPLES[2]], text, stand_in).pictures
    percentiles = [one.percentile for one in picture.statements]
    assert min(percentiles) == percentiles[2]
    assert picture.statements[2].verdict == picture.verdict == "no match"


def test_weak_words_and_places_are_told(stand_in: Encoder) -> None:
    found = check_text([EXAMPLES[2]], "A dog and a tractor in the snow. No people.", stand_in)
    first, second = found.pictures[0].statements
    assert "tractor" in first.weakest and not {"a", "and", "in", "the"} & set(first.weakest)
    assert first.place is not None and all(0 <= share <= 1 for share in first.place)
    assert second.place is None  # of what must not be there


def test_beside_it_stands_the_whole_text_as_one_caption(stand_in: Encoder) -> None:
    text = "A dog stands in the snow. It is cold."
    found = check_text([EXAMPLES[2]], text, stand_in, places=False)
    plain = score_images([EXAMPLES[2]], text, stand_in).scores[0]
    assert found.pictures[0].plain.percentile == pytest.approx(plain.percentile)


def test_what_is_cut_from_the_whole_text_is_said(clip: Encoder) -> None:
    found = check_text([paint(40, 40)], "the cat in the snow. " * 3 + "the dog photo", clip, places=False)
    assert any("these words were left out" in note and "dog photo" in note for note in found.notes)


def test_a_bad_picture_costs_nothing(stand_in: Encoder) -> None:
    found = check_text([b"text", Image.new("RGB", (30, 30))], "A dog. A cat.", stand_in)
    assert len(found.pictures) == len(found.rejected) == 1
    assert check_text([b"text"], "A dog. A cat.", stand_in).pictures == ()


def test_a_text_without_words_or_with_too_many_statements_is_refused(stand_in: Encoder) -> None:
    with pytest.raises(CaptionError):
        check_text([paint(9, 9)], " ", stand_in)
    with pytest.raises(LimitError, match="41 statements"):
        check_text([paint(9, 9)], " ".join(f"A dog number {i}." for i in range(MOST + 1)), stand_in)
