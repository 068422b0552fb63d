"""The table of models on the page: every model, what one chooses by, and by what a click sorts."""

from __future__ import annotations

import re

from clipsim.encoders import MODELS
from clipsim.web.form import model_choices, second_choices
from clipsim.web.menu import COLUMNS, show_menu


def test_every_model_has_a_row_with_what_it_is_sorted_by() -> None:
    shown = show_menu()
    bodies = re.findall(r"<tr>\n?<th scope=\"row\".*?</tr>", shown, re.DOTALL)
    assert len(bodies) == len(MODELS)
    for body, model in zip(bodies, MODELS, strict=True):
        orders = re.findall(r'data-order="([^"]*)"', body)
        assert len(orders) == len(COLUMNS)
        assert orders[0] == model.name
        assert orders[1] == ("" if model.imagenet is None else str(model.imagenet))
        assert model.licence in body
        assert model.terms in body


def test_headings_are_buttons() -> None:
    assert len(re.findall(r"<th scope=\"col\"><button type=\"button\" data-sort=", show_menu())) == len(COLUMNS)


def test_every_model_can_be_chosen_and_its_terms_are_said() -> None:
    titles = {name: title for title, name in model_choices()}
    assert [*titles] == ["auto", *(model.name for model in MODELS)]
    assert all(model.terms in titles[model.name] for model in MODELS)
    marked = {name: title for title, name in second_choices({model.name: "absent" for model in MODELS})}
    assert all(marked[model.name].endswith("absent") for model in MODELS)
