"""Answers that are kept: the first example's, and the last ones, which their key alone finds again."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import ByMean, paint
from support.results import CLIP, result

from clipsim import ClipsimError, Encoder
from clipsim.settings import Limits
from clipsim.web.kept import Answer, KeptAnswer, RecentAnswers
from clipsim.web.service import Question, Service


def test_a_kept_answer_is_had_once_and_asked_for_anew_after_a_failure(tmp_path: Path) -> None:
    encoder, failures = ByMean(), [ClipsimError("not yet")]

    def load(*_: Any, **__: Any) -> Encoder:
        if failures:
            raise failures.pop()
        return encoder

    kept = KeptAnswer(Service(Limits(), tmp_path, load), lambda: Question([paint(9, 9)], "x"))
    with pytest.raises(ClipsimError, match="not yet"):
        kept.start().result(timeout=30)
    answer = kept.start().result(timeout=30)
    assert answer.scores and kept.start().result(timeout=30) is answer


ANSWER = Answer(Question([], "a golden retriever"), result(CLIP))


def test_an_answer_is_found_again_by_its_key_alone() -> None:
    recent = RecentAnswers()
    key = recent.keep(ANSWER)
    assert recent.find(key) == ANSWER
    for other in ("", key[:-1], key.upper() + "0"):
        with pytest.raises(ClipsimError, match="no longer kept: score the pictures again"):
            recent.find(other)


def asked() -> Answer:
    return Answer(Question([], "a golden retriever"), result(CLIP))


def test_only_the_last_answers_are_kept_and_without_thumbnails() -> None:
    recent = RecentAnswers(most=2)
    pictured = replace(CLIP[0], thumbnail="data:image/jpeg;base64,")
    keys = [recent.keep(replace(asked(), result=result((pictured,)))) for _ in range(3)]
    with pytest.raises(ClipsimError):
        recent.find(keys[0])
    assert all(recent.find(key).result.scores[0].thumbnail is None for key in keys[1:])


def test_an_answer_that_is_shown_again_is_kept_once_and_longest() -> None:
    recent = RecentAnswers(most=2)
    first, second = asked(), asked()
    assert recent.keep(first) == recent.keep(first) == first.key != recent.keep(second)
    for _ in range(5):
        assert recent.keep(recent.find(first.key)) == first.key
    recent.keep(asked())
    assert recent.find(first.key).key == first.key
    with pytest.raises(ClipsimError):
        recent.find(second.key)


def test_fewer_answers_are_kept_where_they_are_large() -> None:
    large = replace(asked(), question=Question([], "x" * 100_000))
    recent = RecentAnswers(most_bytes=250_000)
    keys = [recent.keep(replace(large, key=key)) for key in ("a", "b", "b", "c")]
    with pytest.raises(ClipsimError):
        recent.find("a")
    assert [recent.find(key).key for key in keys[1:]] == ["b", "b", "c"]
    recent.keep(replace(large, question=Question([], "x" * 900_000)))
    with pytest.raises(ClipsimError):
        recent.find("c")
