"""The endpoints for programs: every answer fits its schema, every wrong value has a sentence and a code."""

from __future__ import annotations

import base64
import inspect
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import gradio as gr
import jsonschema
import pytest
from support import Bright, paint

from clipsim import Encoder
from clipsim.errors import CODES
from clipsim.settings import Limits
from clipsim.web.api import Api
from clipsim.web.schema import ANSWERS, describe_answer
from clipsim.web.server_collections import ServerCollections
from clipsim.web.service import Service


def inline(seed: int) -> str:
    data = BytesIO()
    paint(48, 40, seed).save(data, "PNG")
    return "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()


RIGHT: dict[str, dict[str, Any]] = {
    "similarity": {"pictures": [inline(0), inline(1)], "caption": "a cat"},
    "captions": {"pictures": [inline(0)], "captions": ["a cat", "a dog"]},
    "check": {"pictures": [inline(0)], "caption": "A cat sits. There are no dogs."},
    "compare": {"pictures": [inline(0)], "caption": "a cat", "model": "clip-vit-b-32", "other": "stand-in"},
    "pairs": {"pictures": [inline(0), inline(1)], "captions": ["a cat", "a dog"]},
    "models": {},
    "search": {"collection": "paintings", "caption": "a golden retriever"},
    "collections": {},
}
Endpoints = dict[str, Callable[..., Any]]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, paintings: Path, stand_in: Encoder) -> gr.Blocks:
    def load(name: str, *_: Any, **__: Any) -> Encoder:
        return stand_in if name == "auto" else Bright(name)

    service = Service(Limits(), tmp_path_factory.mktemp("uploads"), load)
    page: gr.Blocks = gr.Blocks()
    with page:
        Api(service, ServerCollections(service, {"paintings": paintings})).add_to(page, {})
    return page


@pytest.fixture(scope="module")
def endpoints(page: gr.Blocks) -> Endpoints:
    return {str(fn.api_name): fn.fn for fn in page.fns.values() if fn.fn}


def refuse(endpoint: Callable[..., Any], values: dict[str, Any]) -> gr.Error:
    """Call an endpoint as gradio does, with a value for each parameter, and return the error."""
    parameters = inspect.signature(endpoint).parameters
    with pytest.raises(gr.Error) as refused:
        endpoint(*(values.get(name, one.default) for name, one in parameters.items()))
    return refused.value


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_as_its_schema_says(endpoints: Endpoints, name: str) -> None:
    answer = endpoints[name](*RIGHT[name].values())
    jsonschema.validate(answer, describe_answer(name))
    assert list(answer) == describe_answer(name)["required"]
    assert answer["api_version"] == "1" and len(answer["request_id"]) == 32


def test_a_caption_in_parts_tells_them(endpoints: Endpoints) -> None:
    answer = endpoints["similarity"](RIGHT["similarity"]["pictures"], "a cat, no dogs")
    assert answer["parts"] == [{"text": "a cat", "wanted": True}, {"text": "dogs", "wanted": False}]
    assert all(len(score["parts"]) == 2 for score in answer["scores"])
    found = endpoints["search"]("paintings", "a painting -people")
    assert found["scores"] and all(len(score["parts"]) == 2 for score in found["scores"])


def test_a_check_says_what_each_statement_comes_to(endpoints: Endpoints) -> None:
    answer = endpoints["check"](*RIGHT["check"].values())
    (picture,) = answer["pictures"]
    assert answer["statements"] == ["A cat sits", "There are no dogs"]
    assert len(picture["statements"]) == 2 and len(picture["statements"][0]["place"]) == 2
    long = {**RIGHT["check"], "caption": " ".join(f"A cat number {i}." for i in range(60))}
    assert refuse(endpoints["check"], long).title == "too_many_captions"


def test_each_answer_has_a_request_id_of_its_own(endpoints: Endpoints) -> None:
    assert len({endpoints["models"]()["request_id"] for _ in range(3)}) == 3


def test_no_answer_has_a_dict_with_a_path_which_clients_would_download(endpoints: Endpoints) -> None:
    found = endpoints["search"]("paintings", "a golden retriever")
    assert found["scores"] and all("path" not in score and score["name"] for score in found["scores"])
    like = endpoints["search"]("paintings", "", found["scores"][0]["name"])
    assert found["scores"][0]["name"] not in [score["name"] for score in like["scores"]]


PARAMETERS = [
    (endpoint, parameter)
    for endpoint in RIGHT
    for parameter in inspect.signature(getattr(Api, endpoint)).parameters
    if parameter != "self"
]
DEEP: list[Any] = []
for _ in range(900):
    DEEP = [DEEP]
WRONG = {"nan": float("nan"), "infinity": float("inf"), "a list": [["x"]], "an object": {"a": 1}, "huge": 10**400}
WRONG |= {"nested deeply": DEEP}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize(("endpoint", "parameter"), PARAMETERS)
def test_a_value_of_another_type_is_refused_with_a_code(
    endpoints: Endpoints, endpoint: str, parameter: str, wrong: str
) -> None:
    error = refuse(endpoints[endpoint], {**RIGHT[endpoint], parameter: WRONG[wrong]})
    codes = {"pictures": {"not_uploaded"}, "reference": {"not_uploaded"}, "captions": {"bad_caption"}}
    assert error.title in codes.get(parameter, {"bad_value"})


@pytest.mark.parametrize(
    ("endpoint", "parameter"),
    [
        one
        for one in PARAMETERS
        if one[1] not in ("words", "heatmap", "thumbnails", "top", "checks", "places", "opinions")
    ],
)
def test_every_text_has_a_limit_and_is_not_quoted_beyond_it(
    endpoints: Endpoints, endpoint: str, parameter: str
) -> None:
    error = refuse(endpoints[endpoint], {**RIGHT[endpoint], parameter: "x" * 100_000})
    wanted = "caption_too_long" if parameter in ("caption", "captions") else "text_too_long"
    assert error.title == wanted and len(str(error)) < 100


@pytest.mark.parametrize("parameter", ["model", "framing", "contrast", "prompt", "precision"])
def test_a_choice_that_is_not_known_is_answered_with_the_list(endpoints: Endpoints, parameter: str) -> None:
    error = refuse(endpoints["similarity"], {**RIGHT["similarity"], parameter: "nonsense"})
    assert error.title == ("unknown_model" if parameter == "model" else "unknown_choice")
    assert "'nonsense' is not known: use a" in str(error) or "use crop, pad" in str(error)


def test_what_is_left_out_and_what_contradicts_have_codes_of_their_own(endpoints: Endpoints) -> None:
    pictures, search = RIGHT["similarity"], RIGHT["search"]
    cases = [
        ("similarity", {"pictures": [], "caption": "x"}, "no_pictures"),
        ("similarity", {**pictures, "caption": " "}, "no_caption"),
        ("similarity", {**pictures, "caption": None}, "no_caption"),
        ("similarity", {**pictures, "reference": inline(2)}, "caption_and_reference"),
        ("similarity", {**pictures, "pictures": ["/etc/passwd"]}, "not_uploaded"),
        ("similarity", {**pictures, "pictures": ["https://example.org/a.jpg"]}, "web_address"),
        ("similarity", {**pictures, "pictures": [{"path": "data:;base64,AAAA"}]}, "nothing_scored"),
        ("similarity", {**pictures, "pictures": [inline(0)] * 101}, "too_many_pictures"),
        ("captions", {**pictures, "captions": None}, "no_caption"),
        ("captions", {**pictures, "captions": []}, "no_caption"),
        ("captions", {**pictures, "captions": ["x"] * 51}, "too_many_captions"),
        ("compare", {**RIGHT["compare"], "other": "clip-vit-b-32"}, "same_model"),
        ("pairs", {**pictures, "captions": ["x"]}, "bad_value"),
        ("pairs", {"pictures": [], "captions": []}, "no_pictures"),
        ("pairs", {"pictures": [inline(0)] * 101, "captions": ["x"] * 101}, "too_many_pictures"),
        ("pairs", {**pictures, "captions": ["", " "]}, "nothing_scored"),
        ("search", {**search, "collection": "/etc"}, "unknown_collection"),
        ("search", {**search, "collection": None}, "unknown_collection"),
        ("search", {**search, "collection": f"own-{'0' * 32}"}, "not_kept"),
        ("search", {**search, "caption": ""}, "no_caption"),
        ("search", {**search, "like": "x"}, "caption_and_reference"),
        ("search", {**search, "caption": "", "like": "x"}, "unknown_picture"),
        ("search", {**search, "top": 0}, "bad_value"),
        ("search", {**search, "top": True}, "bad_value"),
        ("search", {**search, "after": "yesterday"}, "bad_value"),
    ]
    for endpoint, values, code in cases:
        assert code in CODES
        assert refuse(endpoints[endpoint], values).title == code, (endpoint, values)


def test_parameters_that_are_chosen_list_their_choices(page: gr.Blocks) -> None:
    described = page.get_api_info()["named_endpoints"]
    for endpoint in ("/similarity", "/captions", "/check", "/compare", "/pairs"):
        chosen = {one["parameter_name"]: one["type"].get("enum") for one in described[endpoint]["parameters"]}
        assert chosen["model"][:2] == ["auto", "clip-vit-b-32"] and chosen["model"][-1] == "stand-in"
        assert chosen["framing"] == ["crop", "pad", "tiles-best", "tiles-mean"]
        assert chosen["contrast"] == ["as-is", "auto"] and chosen["precision"] == ["auto", "full", "half", "int8"]
        assert chosen["prompt"] == ["as-written", "photo", "ensemble"]
    assert described["/search"]["returns"][0]["type"] == describe_answer("search")
