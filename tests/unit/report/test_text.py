"""A result in the forms that people and programs read."""

from __future__ import annotations

import csv
import io
import itertools
import json
from dataclasses import replace

import pytest
from support import paint

from clipsim import CaptionTable, Comparison, Encoder, Result, Score, compare_models, score_captions, score_images
from clipsim.report.text import (
    CAPTION_COLUMNS,
    COLUMNS,
    NOT_COMPARABLE,
    agreement,
    aligned,
    answer,
    captions_csv,
    captions_table,
    figures,
    label,
    labels,
    model_title,
    models_csv,
    models_table,
    percentile,
    remarks,
    rows,
    status,
    titles,
    to_csv,
    to_json,
    to_table,
    trust,
    word_rows,
    words_table,
)
from clipsim.scoring import find_calibration
from clipsim.scoring.score import Rejected

AWKWARD = ['comma, "quote"', "line\nbreak", "tab\tand\r\nreturn", "Hündin 🐕 雪.jpg", "'=1+1", "semi;colon", " edge "]


def result(
    scores: tuple[Score, ...] = (),
    model: str = "clip-vit-b-32",
    reference: str | None = None,
    notes: tuple[str, ...] = (),
    rejected: tuple[Rejected, ...] = (),
    verdict: str | None = None,
) -> Result:
    caption = None if reference else "a golden retriever"
    return Result(caption, reference, model, "cpu", scores, rejected, notes, 1.234, verdict)


def judged(*verdicts: tuple[float, str | None], whole: str | None) -> Result:
    """Pictures a.jpg, b.jpg, ... of these percentiles and verdicts, best cosine first."""
    scores = tuple(
        Score(f"{chr(97 + i)}.jpg", i + 1, 0.5 - i / 10, percentile=value, verdict=verdict)
        for i, (value, verdict) in enumerate(verdicts)
    )
    return result(scores, verdict=whole)


CLIP = (
    Score("hiking-golden-retriever.jpg", 1, 0.31247, 0.781175, 0.9, (), 99.87, "match", 0.75),
    Score("night street.png", 2, -0.0449, 0.0, 0.1, ("turned upright", "first frame"), 31.4, "no match"),
)
OTHER = (Score("a.jpg", 1, 0.5, None, 0.75), Score("b.jpg", 2, -0.25, None, 0.25))
ALONE = (Score("a.jpg", 1, 0.5, None, None),)


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


def test_rows_carry_every_figure_whole() -> None:
    assert rows(result(CLIP)) == [
        {
            "rank": 1,
            "name": "hiking-golden-retriever.jpg",
            "cosine": 0.31247,
            "percentile": 99.87,
            "verdict": "match",
            "clipscore": 0.781175,
            "share": 0.9,
            "seen": 0.75,
            "notes": "",
            "model": "clip-vit-b-32",
        },
        {
            "rank": 2,
            "name": "night street.png",
            "cosine": -0.0449,
            "percentile": 31.4,
            "verdict": "no match",
            "clipscore": 0.0,
            "share": 0.1,
            "seen": 1.0,
            "notes": "turned upright; first frame",
            "model": "clip-vit-b-32",
        },
    ]


@pytest.mark.parametrize("name", AWKWARD)
def test_csv_gives_back_what_went_in(name: str) -> None:
    score = Score(name, 1, -0.123456789, None, None, (name, "second"))
    (row,) = csv.DictReader(io.StringIO(to_csv(result((score,))), newline=""))
    assert tuple(row) == COLUMNS
    assert row["name"] == name
    assert row["notes"] == f"{name}; second"
    assert float(row["cosine"]) == -0.123456789
    assert [row[column] for column in ("percentile", "verdict", "clipscore", "share")] == [""] * 4


def test_csv_without_scores_is_its_head() -> None:
    assert to_csv(result()) == ",".join(COLUMNS) + "\n"


@pytest.mark.parametrize("name", AWKWARD)
def test_json_gives_back_the_whole_result(name: str) -> None:
    scores = (Score(name, 1, -0.123456789, None, None, (name,)), CLIP[1])
    given = result(scores, notes=(name,), rejected=(Rejected(name, "is empty"),))
    read = json.loads(to_json(given))
    assert list(read) == list(Result.__dataclass_fields__)
    scores_read = tuple(Score(**{**score, "notes": tuple(score["notes"])}) for score in read.pop("scores"))
    rejected = tuple(Rejected(**entry) for entry in read.pop("rejected"))
    notes = tuple(read.pop("notes"))
    assert Result(**read, scores=scores_read, rejected=rejected, notes=notes) == given


def test_json_keeps_letters_readable() -> None:
    assert "Hündin 🐕 雪.jpg" in to_json(result((Score("Hündin 🐕 雪.jpg", 1, 0.1, None, None),)))


def test_the_stand_in_is_called_not_clip_in_every_table() -> None:
    by_stand_in = result(OTHER, model="stand-in")
    assert "not CLIP" in model_title(by_stand_in)
    assert "not CLIP" in to_table(by_stand_in)
    assert "not CLIP" in status(by_stand_in)
    assert all("not CLIP" in row["model"] for row in rows(by_stand_in))
    assert to_csv(by_stand_in).count("not CLIP") == 2
    assert json.loads(to_json(by_stand_in))["model"] == "stand-in"


def test_clip_is_not_called_not_clip() -> None:
    assert "not CLIP" not in to_table(result(CLIP)) + to_csv(result(CLIP))


def test_figures_name_every_figure_that_is_defined() -> None:
    assert figures(CLIP[0]) == "cosine 0.312 · better than 99.9 % · match · CLIPScore 0.781 · share 90.0 %"
    assert figures(OTHER[1]) == "cosine -0.250 · share 25.0 %"
    assert figures(ALONE[0]) == "cosine 0.500"
    assert figures(replace(ALONE[0], percentile=99.99)) == "cosine 0.500 · better than 99.9 %"


def test_the_status_says_model_device_and_time() -> None:
    assert status(result(CLIP)) == "2 pictures · clip-vit-b-32 · cpu · 1.23 s"
    assert status(result(ALONE)).startswith("1 picture · ")
    assert status(result()).startswith("0 pictures · ")


def test_the_text_table_is_aligned_and_says_what_was_asked() -> None:
    lines = to_table(result(CLIP)).splitlines()
    assert "a golden retriever" in lines[0]
    assert "clip-vit-b-32" in lines[1]
    assert lines[-3:] == [
        "rank  cosine  better than  verdict   CLIPScore   share   sees  picture",
        "   1   0.312       99.9 %  match         0.781  90.0 %   75 %  hiking-golden-retriever.jpg",
        "   2  -0.045         31 %  no match      0.000  10.0 %  100 %  night street.png",
    ]


def test_the_text_table_gives_the_answer_above_the_figures() -> None:
    given = result(CLIP, verdict="match")
    head = to_table(given).split("\n\n", maxsplit=1)[0].splitlines()
    assert [line.split()[0] for line in head] == ["caption", "model", "answer"]
    assert head[2] == f"answer     {answer(given)}"
    assert "answer" not in to_table(result())


def test_the_text_table_names_a_treatment_that_is_not_the_usual_one() -> None:
    assert "treated" not in to_table(result(CLIP))
    assert "treated    framing pad, prompt photo\n" in to_table(
        replace(result(CLIP), framing="pad", prompt="photo", contrast="as-is")
    )


def test_how_much_was_seen_is_a_column_only_if_something_was_not() -> None:
    assert "sees" not in to_table(result(OTHER))
    sliver = replace(ALONE[0], seen=0.001)
    assert to_table(result((sliver, OTHER[1]))).count("%") == 3  # its own, the other's, and one share
    assert "< 1 %  a.jpg" in to_table(result((sliver,)))


def test_a_column_without_values_is_left_out_of_the_text_table() -> None:
    assert to_table(result(OTHER)).splitlines()[-3] == "rank  cosine   share  picture"
    assert to_table(result(ALONE)).splitlines()[-2] == "rank  cosine  picture"


def test_the_text_table_names_the_reference() -> None:
    table = to_table(result(OTHER, reference="dog.jpg"))
    assert "dog.jpg" in table.splitlines()[0]
    assert "caption" not in table


def test_every_picture_is_one_line_of_the_text_table() -> None:
    table = to_table(result((Score("line\nbreak.jpg", 1, 0.5, None, None),)))
    assert len(table.splitlines()) == len(to_table(result(ALONE)).splitlines())


def test_columns_are_aligned_to_their_sides() -> None:
    assert aligned([["a", "b", "c"], ["xx", "", "1"], ["x", "", "22"]], "<<>") == "a    c\nxx   1\nx   22"


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
        (99.5, "99.5 %"),
        (99.71, "99.7 %"),
        (99.94, "99.9 %"),
        (99.95, "> 99.9 %"),
        (100.0, "> 99.9 %"),
    ],
)
def test_a_percentile_is_whole_but_exact_near_the_top(value: float, expected: str) -> None:
    assert percentile(value) == expected


def test_no_percentile_reads_as_nothing_or_everything() -> None:
    shown = {percentile(value / 100) for value in range(10_001)}
    assert not shown & {"0 %", "0.0 %", "100 %", "100.0 %"}


NOTHING = "nothing here matches"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            judged((99.93, "match"), (97.0, "weak"), (3.0, "no match"), whole="match"),
            "1 of 3 pictures matches: a (fits better than 99.9 % of unrelated captions).",
        ),
        (
            judged((99.99, "match"), (99.6, "match"), (3.0, "no match"), whole="match"),
            "2 of 3 pictures match, best a (fits better than 99.9 % of unrelated captions).",
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
            judged((99.0, None), (40.0, None), whole=None),
            "Best: a fits better than 99 % of unrelated captions; this model has no cut-offs yet, so that there is no "
            "verdict.",
        ),
        (
            judged((99.8, "match"), whole="match"),
            "It matches: a (fits better than 99.8 % of unrelated captions).",
        ),
        (
            judged((96.0, "weak"), whole=NOTHING),
            "It does not match: a is weak (fits better than 96 % of unrelated captions).",
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
        "random pairs called match": 0.011,
        "random pairs called match or weak": 0.052,
        "galleries of 2 without a fitting picture called nothing here matches": 0.97,
        "galleries of 2 with a fitting picture called nothing here matches": 0.02,
        "galleries of 16 without a fitting picture called nothing here matches": 0.88,
        "galleries of 16 with a fitting picture called nothing here matches": 0.13,
    }
    known = replace(known, rates={"pad auto photo": rates}, origin="nine pictures")
    treated = replace(result(OTHER), framing="pad", contrast="auto", prompt="photo")
    said = trust(treated, known)
    assert said.startswith(
        "Measured on nine pictures: of pairs that belong together 90 % were called match and 99.8 % "
    )
    assert "random pairs 1 % and 5 %." in said
    assert "Of galleries of 2 pictures without a fitting one 97 % were rightly" in said
    assert "with one 2 % wrongly." in said
    many = replace(treated, scores=OTHER * 7)
    assert "Of galleries of 16 pictures without a fitting one 88 %" in trust(many, known)
    assert "galleries" not in trust(replace(treated, scores=ALONE), known)


def test_trust_says_what_was_not_measured(stand_in: Encoder) -> None:
    known = find_calibration(stand_in)
    assert "not measured" in trust(replace(result(OTHER), framing="pad", contrast="auto"), known)
    assert "framing pad, contrast auto, prompt as-written" in trust(
        replace(result(OTHER), framing="pad", contrast="auto"), known
    )
    assert trust(result(OTHER), None) == "There are no cut-offs for this model yet: only the percentile counts."
    assert trust(result(OTHER, reference="dog.jpg"), known) == ""


@pytest.mark.parametrize("framing", ["crop", "pad", "tiles-best", "tiles-mean"])
def test_the_framings_of_the_stand_in_were_measured(stand_in: Encoder, framing: str) -> None:
    assert trust(replace(result(OTHER), framing=framing), find_calibration(stand_in)).startswith("Measured on ")


WORDS = replace(
    result(
        tuple(
            Score(f"{i}.jpg", i, 0.9 - i / 10, words=(i / 100, -i / 1000, -0.0001), shuffled=0.1 * i)
            for i in range(1, 9)
        )
    ),
    words=("a", "gol\nden", "狗"),
)


def test_word_rows_are_the_contributions_to_each_picture_best_first() -> None:
    read = word_rows(WORDS)
    assert [word for word, _ in read] == ["a", "gol\nden", "狗"]
    assert [values[:2] for _, values in read] == [[0.01, 0.02], [-0.001, -0.002], [-0.0001, -0.0001]]
    assert all(len(values) == 8 for _, values in read)
    assert word_rows(result(CLIP)) == word_rows(replace(WORDS, scores=())) == []


def test_word_rows_are_those_of_the_result(stand_in: Encoder) -> None:
    scored = score_images([paint(80, 80, 1), paint(80, 80, 2)], "a red house", stand_in, words=True)
    rows_read = word_rows(scored)
    assert [word for word, _ in rows_read] == ["a", "red", "house"]
    for i, (_, values) in enumerate(rows_read):
        assert values == [score.words[i] for score in scored.scores if score.words]


def test_the_words_table_is_signed_aligned_and_six_pictures_wide() -> None:
    head, _, *lines = words_table(WORDS).splitlines()
    assert head == "What each word adds to the cosine, for the best 6 of 8 pictures:"
    assert lines[0].split() == ["word", *(part for i in range(1, 7) for part in ("rank", str(i)))]
    assert lines[1].split() == ["a", "+0.010", "+0.020", "+0.030", "+0.040", "+0.050", "+0.060"]
    assert lines[2].split()[:2] == ["gol\\nden", "-0.001"]
    assert "-0.000" not in lines[3]
    assert lines[4].split()[-6:-4] == ["+0.800", "+0.700"]
    assert lines[5].split()[-6:-4] == ["+0.100", "+0.200"]
    assert len({len(line) for line in [*lines[:3], *lines[4:]]}) == 1
    assert len(lines[3]) == len(lines[1]) - 1  # 狗 is two columns of a terminal wide


def test_a_words_table_without_other_orders_leaves_them_out() -> None:
    plain = replace(WORDS, scores=tuple(replace(score, shuffled=None) for score in WORDS.scores[:6]))
    assert "other orders" in words_table(WORDS)
    assert "other orders" not in words_table(plain)
    assert "best 6 of" not in words_table(plain)
    assert words_table(result(CLIP)) == ""


CAPTIONS = CaptionTable(
    captions=("a dog", "a cat, black", "food"),
    pictures=("dog.jpg", "cat\n1.jpg"),
    cosines=((0.5, 0.1), (0.0, 0.4), (-0.1, -0.2)),
    percentiles=((99.99, 70.0), (3.0, 99.2), (99.1, 0.2)),
    verdicts=(("match", "no match"), ("no match", "match"), ("weak", "no match")),
    best_pictures=("dog.jpg", "cat\n1.jpg", "dog.jpg"),
    best_captions=("a dog", "a cat, black"),
    answers=("match", "match", NOTHING),
    model="stand-in",
    device="cpu",
    rejected=(Rejected("x.jpg", "is empty"),),
    notes=("Not CLIP.",),
    seconds=1.234,
    framing="pad",
    contrast="as-is",
    prompt="as-written",
)


def test_the_captions_table_has_a_line_for_each_caption_and_each_picture() -> None:
    assert captions_table(CAPTIONS).splitlines() == [
        "model      2 pictures · stand-in (not CLIP) · cpu · 1.23 s",
        "treated    framing pad",
        "",
        "   answer                best picture  caption",
        "1  match                 dog.jpg       a dog",
        "2  match                 cat\\n1.jpg    a cat, black",
        "3  nothing here matches  dog.jpg       food",
        "",
        "How much better each caption fits than unrelated captions do; * is a match:",
        "",
        "best caption         1       2        3    picture",
        "           1  > 99.9 % *   3 %     99 %    dog.jpg",
        "           2      70 %    99 % *  < 1 %    cat\\n1.jpg",
    ]


def test_a_captions_table_without_cut_offs_has_no_verdicts() -> None:
    text = captions_table(replace(CAPTIONS, verdicts=None, answers=None))
    assert not {"answer", "match", "*"} & set(text.split())
    assert "99 %" in text


def test_many_captions_stand_below_each_other_six_at_a_time() -> None:
    count = 14
    wide = replace(
        CAPTIONS,
        captions=tuple(f"caption number {i}" for i in range(1, count + 1)),
        cosines=((0.1, 0.2),) * count,
        percentiles=tuple((float(i), 50.0) for i in range(1, count + 1)),
        verdicts=(("no match", "no match"),) * count,
        best_pictures=("dog.jpg",) * count,
        best_captions=("caption number 14", "caption number 1"),
        answers=(NOTHING,) * count,
    )
    groups = captions_table(wide).split("\n\n")[3:]
    heads = [group.splitlines()[0].split() for group in groups]
    assert [head[2:-1] for head in heads] == [
        [str(i) for i in range(start, stop)] for start, stop in ((1, 7), (7, 13), (13, 15))
    ]
    assert groups[2].splitlines()[1].split() == ["14", "13", "%", "14", "%", "dog.jpg"]


def test_captions_csv_has_a_row_for_each_caption_with_each_picture() -> None:
    read = list(csv.DictReader(io.StringIO(captions_csv(CAPTIONS), newline="")))
    assert tuple(read[0]) == CAPTION_COLUMNS
    assert [(row["caption"], row["picture"]) for row in read] == list(
        itertools.product(CAPTIONS.captions, CAPTIONS.pictures)
    )
    assert [float(row["cosine"]) for row in read] == [0.5, 0.1, 0.0, 0.4, -0.1, -0.2]
    assert [float(row["percentile"]) for row in read] == [99.99, 70.0, 3.0, 99.2, 99.1, 0.2]
    assert {row["model"] for row in read} == {"stand-in (not CLIP)"}


def test_a_match_by_chance_is_called_weak_as_it_is_for_the_caption_alone() -> None:
    read = list(csv.DictReader(io.StringIO(captions_csv(CAPTIONS))))
    assert [row["verdict"] for row in read] == ["match", "no match", "no match", "match", "weak", "no match"]


def test_captions_and_one_caption_have_the_same_verdicts(stand_in: Encoder) -> None:
    pictures = [(paint(60 + 20 * seed, 80, seed), f"{seed}.jpg") for seed in range(6)]
    asked = ["a colourful blur", "a dog", "an abstract painting"]
    read = csv.DictReader(io.StringIO(captions_csv(score_captions(pictures, asked, stand_in))))
    together = {(row["caption"], row["picture"]): row["verdict"] for row in read}
    alone = {
        (caption, score.name): score.verdict
        for caption in asked
        for score in score_images(pictures, caption, stand_in).scores
    }
    assert together == alone
    assert len(set(alone.values())) > 1


def test_the_remarks_on_several_captions_are_notes_and_rejects() -> None:
    assert remarks(CAPTIONS) == ["Not CLIP.", "x.jpg is empty."]


COMPARISON = Comparison(
    (
        replace(
            judged((99.99, "match"), (97.0, "weak"), whole="match"),
            model="stand-in",
            notes=("Not CLIP.",),
            rejected=(Rejected("x.jpg", "is empty"),),
        ),
        replace(
            result(
                (
                    Score("b.jpg", 1, 0.3, percentile=88.0, notes=("turned upright",)),
                    Score("a.jpg", 2, 0.2, percentile=40.0),
                ),
                rejected=(Rejected("x.jpg", "is empty"),),
                notes=("Cut.",),
            ),
            framing="crop",
        ),
    ),
    ("a.jpg", "b.jpg"),
    None,
)


def test_the_models_table_has_a_line_for_each_picture() -> None:
    text = models_table(COMPARISON)
    assert text.splitlines()[-3:] == [
        "mean rank  A rank  A better than  A verdict  B rank  B better than  picture",
        "      1.5       1       > 99.9 %  match           2           40 %  a.jpg",
        "      1.5       2           97 %  weak            1           88 %  b.jpg",
    ]
    head = text.split("\n\n", maxsplit=1)[0]
    assert "model A    2 pictures · stand-in (not CLIP)" in head
    assert "model B    2 pictures · clip-vit-b-32" in head
    assert NOT_COMPARABLE in head
    for one in COMPARISON.results:
        assert answer(one) in head


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


def test_models_csv_is_the_rows_of_each_model_under_one_head() -> None:
    read = list(csv.reader(io.StringIO(models_csv(COMPARISON))))
    assert tuple(read[0]) == COLUMNS
    assert [(row[0], row[1], row[-1]) for row in read[1:]] == [
        ("1", "a.jpg", "stand-in (not CLIP)"),
        ("2", "b.jpg", "stand-in (not CLIP)"),
        ("1", "b.jpg", "clip-vit-b-32"),
        ("2", "a.jpg", "clip-vit-b-32"),
    ]


def test_remarks_on_models_name_the_model_and_say_the_rest_once() -> None:
    assert remarks(COMPARISON) == [
        "stand-in: Not CLIP.",
        "clip-vit-b-32: Cut.",
        "x.jpg is empty.",
        "b.jpg: turned upright",
    ]


def test_several_captions_and_models_as_json_are_whole(stand_in: Encoder, clip: Encoder) -> None:
    pictures = [paint(80, 80, 1), paint(80, 80, 2)]
    asked = score_captions(pictures, ["a dog", "a cat"], stand_in)
    assert json.loads(to_json(asked)) == asked.to_dict()
    compared = compare_models(pictures, "a dog", [stand_in, clip])
    assert json.loads(to_json(compared)) == compared.to_dict()
    assert models_table(compared).count("image 1") == 2  # an answer is about it, too, and its own line
