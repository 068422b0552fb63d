"""Results in words."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from support.results import ALONE, CAPTIONS, CLIP, COMPARISON, NOT_SURE, NOTHING, OTHER, judged, result

from clipsim import Encoder, Result
from clipsim.embedding import Rejected
from clipsim.options import Framing, Options
from clipsim.report.numbers import percentile
from clipsim.report.sentences import agreement, answer, figures, label, labels, remarks, status, titles, trust
from clipsim.report.texts import read_texts
from clipsim.scoring import find_calibration


def test_a_label_is_rank_name_and_cosine() -> None:
    assert label(1, "hiking-golden-retriever", 0.31247) == "1 · hiking-golden-retriever · 0.312"
    assert labels(result(CLIP)) == ["1 · hiking-golden-retriever · 0.312", "2 · night street · -0.045"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["dog.jpg", "cat.png"], ["dog", "cat"]),
        (["dog.jpg", "dog.png"], ["dog.jpg", "dog.png"]),
        (["dog.jpg", "dog"], ["dog.jpg", "dog"]),
        (["dog.tar.jpg", "dog.tar"], ["dog.tar.jpg", "dog.tar"]),
        (["image 1", "dog.JPEG"], ["image 1", "dog"]),
        (["St. Bernard", "take 1.5"], ["St. Bernard", "take 1.5"]),
        ([".jpg", ""], [".jpg", ""]),
    ],
)
def test_a_title_is_the_name_without_its_file_ending(names: list[str], expected: list[str]) -> None:
    assert titles(names) == expected


def test_titles_of_different_names_are_different() -> None:
    pool = ["a", "a.jpg", "a.png", "a.b", "a.b.jpg", "b/a.jpg", "b/a", "a (2).jpg", ".jpg", "jpg"]
    for names in itertools.permutations(pool, 3):
        assert len(set(titles(names))) == 3, names


def test_figures_name_every_figure_that_is_defined() -> None:
    assert figures(CLIP[0]) == "cosine 0.312 · better than 99.5 % · match · CLIPScore 0.781 · share 90.0 %"
    assert figures(OTHER[1]) == "cosine -0.250 · share 25.0 %"
    assert figures(ALONE[0]) == "cosine 0.500"
    assert figures(replace(ALONE[0], percentile=99.99)) == "cosine 0.500 · better than 99.5 %"


def test_the_status_says_model_device_and_time() -> None:
    assert status(result(CLIP)) == "2 pictures · clip-vit-b-32 · cpu · 1.23 s"
    assert status(result(ALONE)).startswith("1 picture · ")
    assert status(result()).startswith("0 pictures · ")


def test_the_status_says_what_was_calculated_in_where_it_was_not_full() -> None:
    half, int8 = (replace(result(CLIP), options=Options(precision=one)) for one in ("half", "int8"))
    assert " · cpu, half precision · " in status(half)
    assert " · cpu, int8 precision · " in status(int8)
    assert " · cpu，int8 精度 · " in status(int8, read_texts()["zh"])


def test_remarks_are_the_notes_of_the_result_its_pictures_and_its_rejects() -> None:
    given = result(CLIP, notes=("Not CLIP.",), rejected=(Rejected("x.jpg", "is empty (0 bytes): send it again"),))
    assert remarks(given) == [
        "Not CLIP.",
        "night street.png: turned upright; first frame",
        "x.jpg is empty (0 bytes): send it again.",
    ]
    assert remarks(result(OTHER)) == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, "< 1 %"),
        (0.5, "< 1 %"),
        (0.51, "1 %"),
        (50.4, "50 %"),
        (97.3, "97 %"),
        (99.49, "99 %"),
        (99.5, "> 99.5 %"),
        (100.0, "> 99.5 %"),
    ],
)
def test_a_percentile_is_whole_and_no_higher_than_the_data_say(value: float, expected: str) -> None:
    assert percentile(value) == expected


def test_no_percentile_reads_as_nothing_or_everything() -> None:
    shown = {percentile(value / 100) for value in range(10_001)}
    assert not shown & {"0 %", "0.0 %", "100 %", "100.0 %"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            judged((99.93, "match"), (97.0, "weak"), (3.0, "no match"), whole="match"),
            "1 of 3 pictures matches: a (fits better than 99.5 % of unrelated captions).",
        ),
        (
            judged((99.99, "match"), (99.6, "match"), (3.0, "no match"), whole="match"),
            "2 of 3 pictures match, best a (fits better than 99.5 % of unrelated captions).",
        ),
        (
            judged((99.3, "match"), (99.2, "match"), whole="match"),
            "All 2 pictures match, best a (fits better than 99 % of unrelated captions).",
        ),
        (
            judged((96.0, "weak"), (97.0, "weak"), whole=NOTHING),
            "Nothing here matches: the best, a, is weak (fits better than 96 % of unrelated captions).",
        ),
        (
            judged((40.0, "no match"), (0.1, "no match"), whole=NOTHING),
            "Nothing here matches: the best, a, is no match (fits better than 40 % of unrelated captions).",
        ),
        (
            judged((98.0, "weak"), (3.0, "no match"), whole=NOT_SURE),
            "Not sure: the closest is a (fits better than 98 % of unrelated captions).",
        ),
        (
            judged((96.0, "weak"), (97.0, "weak"), whole=NOT_SURE),
            "Not sure: the closest is b (fits better than 97 % of unrelated captions).",
        ),
        (
            judged((96.0, "weak"), whole=NOT_SURE),
            "Not sure: a is weak (fits better than 96 % of unrelated captions).",
        ),
        (
            judged((99.0, None), (40.0, None), whole=None),
            "Best: a fits better than 99 % of unrelated captions; this model has no cut-offs yet, so that there is no "
            "verdict.",
        ),
        (
            judged((99.8, "match"), whole="match"),
            "It matches: a (fits better than 99.5 % of unrelated captions).",
        ),
        (
            judged((96.0, "weak"), whole=NOTHING),
            "It does not match: a is weak (fits better than 96 % of unrelated captions).",
        ),
        (
            judged((60.0, "not recognised"), whole=NOTHING),
            "Not recognised: a (fits better than 60 % of unrelated captions).",
        ),
        (
            judged((60.0, "not recognised"), (3.0, "no match"), whole=NOTHING),
            "Nothing here matches: the best, a, is not recognised (fits better than 60 % of unrelated captions).",
        ),
        (
            judged((0.2, "no match"), whole=NOTHING),
            "It does not match: a (fits better than less than 1 % of unrelated captions).",
        ),
        (
            judged((40.0, None), whole=None),
            "a fits better than 40 % of unrelated captions; "
            "this model has no cut-offs yet, so that there is no verdict.",
        ),
        (result(OTHER, reference="dog.jpg"), "Most alike: a."),
        (result(ALONE, reference="dog.jpg"), "a has the cosine 0.500."),
        (result(), ""),
    ],
)
def test_the_answer_is_one_sentence(given: Result, expected: str) -> None:
    assert answer(given) == expected


def test_the_answer_is_about_a_picture_that_bears_it_out() -> None:
    assert "matches: b (" in answer(judged((97.0, "weak"), (99.8, "match"), whole="match"))
    assert "the best, b, is weak" in answer(judged((90.0, "no match"), (97.0, "weak"), whole=NOTHING))


def test_trust_is_what_the_calibration_measured(stand_in: Encoder) -> None:
    known = find_calibration(stand_in)
    assert known is not None
    rates = {
        "true pairs called match": 0.9,
        "true pairs called match or weak": 0.998,
        "true pairs called no match": 0.001,
        "random pairs called match": 0.011,
        "random pairs called match or weak": 0.052,
        "galleries of 2 without a fitting picture called nothing here matches": 0.97,
        "galleries of 2 with a fitting picture called nothing here matches": 0.02,
        "galleries of 2 in which the fitting picture is named": 0.95,
        "galleries of 16 in which the fitting picture is named": 0.71,
        "galleries of 16 without a fitting picture called nothing here matches": 0.88,
        "galleries of 16 with a fitting picture called nothing here matches": 0.13,
    }
    known = replace(known, rates={"pad auto photo": rates}, origin="nine pictures", names=None)
    treated = replace(result(OTHER), options=Options("pad", "auto", "photo"))
    said = trust(treated, known)
    assert said.startswith(
        "Measured on nine pictures: of pairs that belong together 90 % were called match, 100 % match or weak and "
        "< 1 % no match, of random pairs 1 % match and 5 % match or weak."
    )
    assert "Of galleries of 2 pictures without a fitting one 97 % were rightly" in said
    assert "with one 2 % wrongly, and in 95 % it was named." in said
    many = replace(treated, scores=OTHER * 7)
    assert "Of galleries of 16 pictures without a fitting one 88 %" in trust(many, known)
    assert "galleries" not in trust(replace(treated, scores=ALONE), known)


def test_trust_is_that_of_the_form_of_the_caption(stand_in: Encoder) -> None:
    known = find_calibration(stand_in)
    assert known is not None
    assert known.names is not None
    name, sentence = (replace(result(OTHER), caption=one) for one in ("a golden retriever", "a dog in the snow"))
    assert trust(name, known).startswith("Measured for names of things, 3 words at most, on 700 photographs")
    assert trust(sentence, known).startswith("Measured for sentences on 700 photographs")


def test_trust_says_what_was_not_measured(stand_in: Encoder) -> None:
    known = find_calibration(stand_in)
    assert "not measured" in trust(replace(result(OTHER), options=Options("pad", "auto")), known)
    assert "framing pad, contrast auto, prompt as-written" in trust(
        replace(result(OTHER), options=Options("pad", "auto")), known
    )
    assert trust(result(OTHER), None) == "There are no cut-offs for this model yet: only the percentile counts."
    assert trust(result(OTHER, reference="dog.jpg"), known) == ""


@pytest.mark.parametrize("framing", ["crop", "pad", "tiles-best", "tiles-mean"])
def test_the_framings_of_the_stand_in_were_measured(stand_in: Encoder, framing: Framing) -> None:
    shown = replace(result(OTHER), caption="a dog in the snow", options=Options(framing))
    assert trust(shown, find_calibration(stand_in)).startswith("Measured for sentences on ")


def test_the_remarks_on_several_captions_are_notes_and_rejects() -> None:
    assert remarks(CAPTIONS) == ["Not CLIP.", "x.jpg is empty."]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1.0, "in the same order (rank correlation 1.00)"),
        (0.9, "much alike (rank correlation 0.90)"),
        (0.7, "much alike"),
        (0.5, "partly alike"),
        (0.0, "with little in common"),
        (-0.5, "in rather opposite orders (rank correlation -0.50)"),
    ],
)
def test_agreement_is_said_in_words(value: float, words: str) -> None:
    said = agreement(replace(COMPARISON, agreement=value))
    assert said.startswith("stand-in and clip-vit-b-32 rank the pictures ")
    assert words in said


def test_of_two_pictures_no_agreement_is_said() -> None:
    assert agreement(COMPARISON).startswith("With fewer than three pictures")


def test_remarks_on_models_name_the_model_and_say_the_rest_once() -> None:
    assert remarks(COMPARISON) == [
        "stand-in: Not CLIP.",
        "clip-vit-b-32: Cut.",
        "x.jpg is empty.",
        "b.jpg: turned upright",
    ]
