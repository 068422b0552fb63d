"""The sentences that people read: complete in every language, with the same values in them."""

import re
import string

import pytest
from support.results import judged

from clipsim import report

LANGUAGES = ["en", "de", "fr", "es", "zh", "ja"]


def test_every_sentence_is_there_in_six_languages_with_the_same_values() -> None:
    known = report.read_texts()
    assert [*known] == LANGUAGES
    for key, english in known["en"].sentences.items():
        for language in LANGUAGES[1:]:
            sentence = known[language].sentences[key]
            assert sentence.strip(), (language, key)
            assert _values(sentence) == _values(english), (language, key)


def _values(sentence: str) -> set[str | None]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_few_sentences_are_as_in_english(language: str) -> None:
    """Names of things and figures are; a sentence is not."""
    known = report.read_texts()
    same = [key for key, text in known["en"].sentences.items() if known[language].sentences[key] == text]
    assert all(len(re.findall(r"\w+", known["en"](key))) < 4 or key == "page.example" for key in same), same


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("de-DE,de;q=0.9,en;q=0.8", "de"),
        ("pt-BR,pt;q=0.9,ja;q=0.2,fr;q=0.5", "fr"),
        ("zh-TW", "zh"),
        ("pt", "en"),
        ("", "en"),
        ("*", "en"),
        ("de;q=0,fr;q=0.1", "fr"),
        ("de;q=x, es", "es"),
    ],
)
def test_the_language_is_the_one_that_is_liked_best(accepted: str, language: str) -> None:
    assert report.choose_texts(accepted).language == language


def test_an_answer_is_told_in_the_language_that_is_asked_for() -> None:
    result = judged((99.9, "match"), (3.0, "no match"), whole="match")
    assert report.answer(result).startswith("1 of 2 pictures matches: a")
    german = report.answer(result, report.read_texts()["de"])
    assert "pictures" not in german and "2" in german and "99.5 %" in german
