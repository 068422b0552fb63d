"""What a visitor asked before, as the browser keeps it."""

from typing import Any

from clipsim.web.history import show_history


def test_earlier_answers_are_buttons_and_what_is_no_answer_is_left_out() -> None:
    entries = [{"key": "k", "asked": "“<b>a dog</b>”", "answer": "Not sure"}, {"key": 1}, "x"]
    shown = show_history(entries)
    assert shown.count("<li>") == 1 and 'data-key="k"' in shown and "&lt;b&gt;a dog" in shown
    nothings: list[Any] = [None, [], "x", [{}]]
    for nothing in nothings:
        assert show_history(nothing) == ""
