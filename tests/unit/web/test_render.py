"""Results as fragments of the page: the answer's words and weight go together."""

from dataclasses import replace
from typing import Any

import pytest
from support.results import ALONE, CAPTIONS, NOT_SURE, NOTHING, WORDS, judged, result

from clipsim import Options, Score
from clipsim.collections import Hit
from clipsim.embedding import Rejected
from clipsim.images import decode_here
from clipsim.scoring import CheckedPicture, CheckList, Part, PartScore, StatementScore
from clipsim.web import render
from clipsim.web.checked import MOST_CHECKED, show_checklist
from clipsim.web.examples import read_examples
from clipsim.web.kept import Answer
from clipsim.web.server_collections import SearchResult
from clipsim.web.service import Question

FITS, ABSENT = PartScore(0.4, 99.0, "match"), PartScore(-0.1, 12.0, "no match")


@pytest.mark.parametrize(
    ("value", "verdict", "whole", "shown"),
    [
        (99.9, "match", "match", '<b class="cs-answer">1 of 2 pictures matches: a '),
        (97.0, "weak", NOT_SURE, '<b class="cs-answer cs-unsure">Not sure: the closest is a '),
        (40.0, "no match", NOTHING, '<b class="cs-answer cs-nothing">Nothing here matches: the best, a, '),
    ],
)
def test_each_of_the_three_answers_heads_the_page_in_its_own_way(
    value: float, verdict: str, whole: str, shown: str
) -> None:
    assert shown in render.status(judged((value, verdict), (3.0, "no match"), whole=whole))


def test_the_table_of_captions_says_where_the_answer_is_not_sure() -> None:
    assert f'<span class="cs-said">{NOT_SURE}</span>' in render.several(
        replace(CAPTIONS, answers=("match", NOT_SURE, NOTHING))
    )


def test_what_was_left_out_stands_in_the_headline_with_its_reason() -> None:
    rejected = tuple(Rejected(f"{i}.jpg", "is empty (0 bytes): send the file again") for i in range(5))
    shown = render.status(replace(judged((99.9, "match"), whole="match"), rejected=rejected))
    assert "1 of 6 scored; 0.jpg skipped: it is empty (0 bytes)" in shown and "and 2 more." in shown
    assert "skipped" not in render.status(judged((99.9, "match"), whole="match"))


def test_the_best_picture_comes_large_with_its_words_then_all_of_them() -> None:
    shown = render.grid(WORDS, decode_here)
    assert shown.count("<li>") == 8 and shown.index("cs-best") < shown.index("<li>")
    assert shown.count('class="cs-caption"') == 10  # beside the best, and in what a click on a picture shows


def test_twelve_pictures_and_twenty_bars_are_seen_before_the_others_are_unfolded() -> None:
    result = judged(*[(50.0, "no match")] * 26, whole=NOTHING)
    for shown, first in ((render.grid(result, decode_here), 12), (render.bars(result), 20)):
        before, unfolded = shown.split("<details")
        assert before.count("<li") == first and unfolded.count("<li") == 26 - first
        assert "Show all 26" in unfolded


def test_a_bar_lies_from_zero_to_its_value_in_the_colour_of_its_verdict() -> None:
    shown = render.bars(result((Score("a.jpg", 1, 0.5, verdict="match"), Score("b.jpg", 2, -0.25))))
    assert "--match:#005a9c" in shown
    assert 'class="cs-bar cs-match" style="left:33.33%;width:60.61%"' in shown
    assert 'class="cs-bar cs-none" style="left:3.03%;width:30.30%"' in shown


def test_what_was_found_is_a_tile_each_with_a_link_to_more_like_it() -> None:
    verdicts: list[tuple[float | None, str | None]] = [(99.9, "match"), *[(None, None)] * 13]
    given: dict[str, Any] = {"thumbnail": b"x", "collection": "the sea"}
    hits = [Hit(f"2026/<b>&{i}.jpg", i + 1, 0.3, *verdict, **given) for i, verdict in enumerate(verdicts)]
    found = render.hits(SearchResult("the sea", 20, "a dog", None, "stand-in", hits))
    tiles, unfolded, *_ = found.split("<details")
    assert tiles.count("<li>") == 12 and unfolded.count("<li>") == 2 and "Show all 14" in unfolded
    assert "match" in tiles and tiles.count("better than") == 1 and tiles.count("cosine 0.300") == 12
    assert 'href="?collection=the+sea&amp;like=2026%2F%3Cb%3E%260.jpg"' in tiles and "<b>" not in found
    assert render.hits(SearchResult("the sea", 20, "a dog", None, "stand-in", [])) == ""


def test_no_visitor_is_told_how_the_server_is_set_up() -> None:
    assert "CLIPSIM" not in render.fill("search_empty.html") + render.fill("search_ready.html")


def test_names_are_shown_as_text_and_may_be_broken_between_words() -> None:
    named = result((Score("<b>a_b.jpg", 1, 0.5), Score("c.jpg", 2, 0.4)))
    assert "&lt;b&gt;a_<wbr>b" in render.grid(named, decode_here) and "<b>a" not in render.grid(named, decode_here)


def test_the_note_on_the_stand_in_unfolds_and_others_stand_open() -> None:
    folded = render.fill("banner.html", note="The stand-in model is in use: the hub cannot be reached.")
    assert "<details" in folded and "the hub cannot be reached" in folded
    assert "<details" not in render.fill("banner.html", note="The model could not be loaded.")


def test_a_link_asks_the_same_with_what_is_not_usual_and_an_example_only_if_it_is_one() -> None:
    examples, _ = read_examples()
    example = examples[0]
    pictures = [(path, path.name) for path in example.pictures]
    own = Answer(Question(pictures[:1], "a dog & a cat"), judged((99.9, "match"), whole="match"))
    assert render.link_to(own, examples) == "caption=a+dog+%26+a+cat&model=auto"
    given = Question(pictures, example.caption, options=Options("pad", precision="half"), model="stand-in")
    link = render.link_to(replace(own, question=given), examples)
    assert link.startswith("example=Golden+retriever+in+the+snow&caption=a+golden+retriever")
    assert link.endswith("&model=stand-in&framing=pad&precision=half")


def test_addresses_that_were_not_fetched_are_named_and_escaped() -> None:
    shown = render.missed('[["https://x.example/<b>.jpg", "it answers 404"], ["nonsense", ""]]')
    assert "https://x.example/&lt;b&gt;.jpg (it answers 404), nonsense was not fetched" in shown
    for nothing in ("", "[]", "{", "5"):
        assert render.missed(nothing) == ""


def test_captions_that_better_the_same_percentage_are_a_tie() -> None:
    alone = render.several(CAPTIONS)
    assert "a tie" not in alone and "<td>a dog</td>" in alone
    tied = render.several(replace(CAPTIONS, percentiles=((91.2, 70.0), (3.0, 99.2), (90.9, 0.2))))
    assert "<td>a tie: a dog, food</td>" in tied and "<td>a cat, black</td>" in tied
    assert "the one with the higher cosine comes first" in tied


def test_each_cell_of_the_table_of_captions_has_its_verdict() -> None:
    shown = render.several(CAPTIONS)
    assert shown.count("cs-chip") == 6 and shown.count("cs-chip cs-match") == 2
    assert "cs-chip" not in render.several(replace(CAPTIONS, verdicts=None, answers=None))


def test_the_words_in_a_close_up_can_be_reached_and_pointed_at() -> None:
    shown = render.grid(WORDS, decode_here)
    assert shown.count('data-word="1"') == 9 and "<template>" in shown  # of each tile, and of the best


def test_labels_lead_with_what_can_be_read() -> None:
    shown = render.list_labels(judged((99.9, "match"), (0.2, "no match"), whole="match"))
    assert shown == ["1 · a · match · better than 99.5 %", "2 · b · no match · better than less than 1 %"]
    assert render.list_labels(result(ALONE, reference="x.jpg")) == ["1 · a · cosine 0.500"]


def test_a_caption_in_parts_shows_what_each_comes_to() -> None:
    scores = (Score("a.jpg", 1, 0.3, percentile=80.0, verdict="weak", parts=(FITS, ABSENT)),)
    in_parts = replace(result(scores, verdict="not sure"), parts=(Part("a <dog>", True), Part("people", False)))
    shown = render.grid(in_parts, decode_here)
    assert shown.count("✓ match") == 2 * 2  # no people is what was asked for
    assert "“a &lt;dog&gt;” 99" in shown and "not “people” 12" in shown and "all parts 80" in shown
    assert "better than unrelated captions: “a &lt;dog&gt;” 99 %, not “people” 12 %" in render.status(in_parts)


def test_a_check_list_shows_every_statement_of_the_best_pictures() -> None:
    statements = (
        StatementScore(0.3, 99.0, "match", ("blue",), (0.1, 0.9)),
        StatementScore(0.1, 40.0, "no match", ("<cat>",)),
    )
    picture = CheckedPicture("a.jpg", 1, "no match", 69.5, 1, statements, FITS)
    texts = ("A blue dog sits", "A <cat> sleeps")
    found = CheckList("...", texts, (picture,) * 9, "rule", "clip", "cpu", (), ("A note.",), 1.0, Options())
    shown = show_checklist(found)
    assert shown.count("A &lt;cat&gt; sleeps") == MOST_CHECKED and "<cat>" not in shown
    assert "1 of 2 statements hold" in shown and "lower left" in shown and "A note." in shown
