"""Results as text for terminals."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console
from support import paint
from support.results import ALONE, CAPTIONS, CLIP, COMPARISON, NOTHING, OTHER, WORDS, result

from clipsim import CaptionTable, Comparison, Encoder, Options, Result, Score, score_images
from clipsim.report import TextTable, answer, model_title, status, to_blocks, to_csv, to_json
from clipsim.report.export import rows
from clipsim.report.sentences import NOT_COMPARABLE


def plain(found: Result | CaptionTable | Comparison) -> str:
    """Return what is printed where the output is piped."""
    return "\n\n".join(map(str, to_blocks(found)))


def test_the_stand_in_is_called_not_clip_in_every_table() -> None:
    by_stand_in = result(OTHER, model="stand-in")
    assert "not CLIP" in model_title(by_stand_in)
    assert "not CLIP" in plain(by_stand_in)
    assert "not CLIP" in status(by_stand_in)
    assert all("not CLIP" in row["model"] for row in rows(by_stand_in))
    assert to_csv(by_stand_in).count("not CLIP") == 2
    assert json.loads(to_json(by_stand_in))["model"] == "stand-in"


def test_clip_is_not_called_not_clip() -> None:
    assert "not CLIP" not in plain(result(CLIP)) + to_csv(result(CLIP))


def test_the_text_table_is_aligned_and_says_what_was_asked() -> None:
    lines = plain(result(CLIP)).splitlines()
    assert "a golden retriever" in lines[0]
    assert "clip-vit-b-32" in lines[1]
    assert lines[-3:] == [
        "rank  cosine  better than  verdict   CLIPScore   share   seen  picture",
        "   1   0.312     > 99.5 %  match         0.781  90.0 %   75 %  hiking-golden-retriever.jpg",
        "   2  -0.045         31 %  no match      0.000  10.0 %  100 %  night street.png",
    ]


def test_the_text_table_gives_the_answer_above_the_figures() -> None:
    given = result(CLIP, verdict="match")
    head = plain(given).split("\n\n", maxsplit=1)[0].splitlines()
    assert [line.split()[0] for line in head] == ["caption", "model", "answer"]
    assert head[2] == f"answer     {answer(given)}"
    assert "answer" not in plain(result())


def test_the_text_table_names_a_treatment_that_is_not_the_usual_one() -> None:
    assert "treated" not in plain(result(CLIP))
    assert "treated    framing pad, prompt photo\n" in plain(
        replace(result(CLIP), options=Options("pad", prompt="photo"))
    )


def test_how_much_was_seen_is_a_column_only_if_something_was_not() -> None:
    assert "seen" not in plain(result(OTHER))
    sliver = replace(ALONE[0], seen=0.001)
    assert plain(result((sliver, OTHER[1]))).count("%") == 3  # its own, the other's, and one share
    assert "< 1 %  a.jpg" in plain(result((sliver,)))


def test_a_column_without_values_is_left_out_of_the_text_table() -> None:
    assert plain(result(OTHER)).splitlines()[-3] == "rank  cosine   share  picture"
    assert plain(result(ALONE)).splitlines()[-2] == "rank  cosine  picture"


def test_the_text_table_names_the_reference() -> None:
    table = plain(result(OTHER, reference="dog.jpg"))
    assert "dog.jpg" in table.splitlines()[0]
    assert "caption" not in table


def test_every_picture_is_one_line_of_the_text_table() -> None:
    table = plain(result((Score("line\nbreak.jpg", 1, 0.5, None, None),)))
    assert len(table.splitlines()) == len(plain(result(ALONE)).splitlines())


def test_columns_are_aligned_to_their_sides_and_empty_ones_left_out() -> None:
    table = TextTable(["a", "b", "none", "c"], [["xx", "", "", "1"], ["x", "y", "", "22"]], "<<<>")
    assert str(table) == "a   b   c\nxx      1\nx   y  22"


def test_a_table_without_titles_has_no_head() -> None:
    assert str(TextTable(["", ""], [["model", "a"], ["framing", "b"]], "<<")) == "model    a\nframing  b"
    assert "\n" not in drawn(TextTable(["", ""], [["model", "a"]], "<<")).strip("\n")


def drawn(table: TextTable, width: int = 60) -> str:
    """Return what rich draws on a terminal."""
    output = io.StringIO()
    Console(file=output, width=width, force_terminal=True, color_system="standard").print(table)
    return output.getvalue()


@pytest.mark.parametrize("name", ["[red]dog[/red].jpg", "dog :smile:.jpg", "[/].jpg", "狗狗.jpg"])
def test_a_name_is_drawn_as_it_is_and_never_read_as_markup(name: str) -> None:
    table = TextTable(["rank", "picture"], [["1", name]], "><")
    assert name in drawn(table) and name in str(table)


def test_what_a_terminal_would_obey_is_escaped() -> None:
    table = TextTable(["picture"], [["a\x1b[2Jb\nc\udcff.jpg"]], "<")
    assert str(table) == "picture\na\\x1b[2Jb\\nc\\udcff.jpg"
    assert "a\\x1b[2Jb\\nc\\udcff.jpg" in drawn(table)


def test_a_long_name_is_folded_on_a_terminal_and_whole_in_a_pipe() -> None:
    table = TextTable(["rank", "picture"], [["1", "long" * 50]], "><")
    folded = drawn(table, 40).splitlines()[1:]
    assert all(len(line) <= 40 for line in folded)
    assert "".join(folded).count("long") > 40
    assert str(table).splitlines()[1] == f"   1  {'long' * 50}"


def test_verdicts_have_a_colour_on_a_terminal_only() -> None:
    table = TextTable(["verdict"], [["match"]], "<")
    assert "\x1b[32mmatch" in drawn(table) and "\x1b" not in str(table)


def test_more_rows_than_rich_is_quick_with_are_drawn_plainly() -> None:
    table = TextTable(["verdict", "picture"], [["match", str(i)] for i in range(2000)], "<<")
    assert drawn(table) == f"{table}\n"


def table_of_words(found: Result) -> list[str]:
    """Return the lines of the blocks on words."""
    return plain(found).split("\n\n", maxsplit=2)[2].splitlines()


def test_the_words_table_is_that_of_the_result(stand_in: Encoder) -> None:
    scored = score_images([paint(80, 80, 1), paint(80, 80, 2)], "a red house", stand_in, words=True)
    lines = [line.split() for line in table_of_words(scored)[3:6]]
    assert [line[0] for line in lines] == ["a", "red", "house"]
    for i, (_, *added) in enumerate(lines):
        assert [float(one) for one in added] == [
            pytest.approx(score.words[i], abs=6e-4) for score in scored.scores if score.words
        ]


def test_the_words_table_is_signed_aligned_and_six_pictures_wide() -> None:
    head, _, *lines = table_of_words(WORDS)
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
    unshuffled = replace(WORDS, scores=tuple(replace(score, shuffled=None) for score in WORDS.scores[:6]))
    assert "other orders" in plain(WORDS)
    assert "other orders" not in plain(unshuffled)
    assert "best 6 of" not in plain(unshuffled)
    assert "What each word" not in plain(result(CLIP)) + plain(replace(WORDS, scores=()))


def test_the_captions_table_has_a_line_for_each_caption_and_each_picture() -> None:
    assert plain(CAPTIONS).splitlines() == [
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
        "           1  > 99.5 % *   3 %     99 %    dog.jpg",
        "           2      70 %    99 % *  < 1 %    cat\\n1.jpg",
    ]


def test_a_captions_table_without_cut_offs_has_no_verdicts() -> None:
    text = plain(replace(CAPTIONS, verdicts=None, answers=None))
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
    groups = plain(wide).split("\n\n")[3:]
    heads = [group.splitlines()[0].split() for group in groups]
    assert [head[2:-1] for head in heads] == [
        [str(i) for i in range(start, stop)] for start, stop in ((1, 7), (7, 13), (13, 15))
    ]
    assert groups[2].splitlines()[1].split() == ["14", "13", "%", "14", "%", "dog.jpg"]


def test_the_models_table_has_a_line_for_each_picture() -> None:
    text = plain(COMPARISON)
    assert text.splitlines()[-3:] == [
        "mean rank  A rank  A better than  A verdict  B rank  B better than  picture",
        "      1.5       1       > 99.5 %  match           2           40 %  a.jpg",
        "      1.5       2           97 %  weak            1           88 %  b.jpg",
    ]
    head = text.split("\n\n", maxsplit=1)[0]
    assert "model A    2 pictures · stand-in (not CLIP)" in head
    assert "model B    2 pictures · clip-vit-b-32" in head
    assert NOT_COMPARABLE in head
    for one in COMPARISON.results:
        assert answer(one) in head
