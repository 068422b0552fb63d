"""Calls that no endpoint takes, by every route: a sentence and a code at once, and never a bare error."""

from __future__ import annotations

import json
from typing import Any

import httpx
import jsonschema
import pytest
from support import Server

from clipsim.web.schema import describe_answers

SESSION = "0123456789"


@pytest.fixture(scope="module")
def http(search_server: Server) -> httpx.Client:
    return httpx.Client(base_url=f"{search_server.url}/gradio_api", timeout=60)


def ask(http: httpx.Client, path: str, body: str) -> dict[str, Any]:
    """Call, fetch what comes if it is queued, and return the error: of the event as of a plain answer."""
    answer = http.post(path, content=body, headers={"Content-Type": "application/json"})
    if not answer.is_success:
        jsonschema.validate(answer.json(), describe_answers()["ErrorAnswer"])
        return dict(answer.json())
    event = answer.json()["event_id"]
    if path == "/queue/join":
        lines = http.get("/queue/data", params={"session_hash": SESSION}).text.strip().splitlines()
        messages = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
        output = next(
            one["output"] for one in messages if one["msg"] == "process_completed" and one["event_id"] == event
        )
    else:
        kind, data = http.get(f"{path}/{event}").text.strip().splitlines()[-2:]
        assert kind == "event: error", data[:200]
        output = json.loads(data.removeprefix("data: "))
    return {"error": output["error"], "code": output["title"]}


DEEP = "[" * 900 + "]" * 900
PICTURES = '[{"path": "data:image/png;base64,AAAA"}]'
WRONG = {
    "deep lists": DEEP,
    "deep objects": '{"a": ' * 900 + "1" + "}" * 900,
    "too deep for JSON": "[" * 20_000 + "]" * 20_000,
    "NaN": "NaN",
    "infinity": "1e999",
    "a list": '[["x"]]',
    "a huge integer": "1" + "0" * 400,
    "too huge for JSON": "1" + "0" * 5000,
}
PLACES = [("similarity", one) for one in ("pictures", "caption", "model", "words")]
PLACES += [("captions", "captions"), ("compare", "other"), ("search", "collection"), ("search", "top")]


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize(("endpoint", "parameter"), PLACES)
def test_a_value_in_the_wrong_form_is_told_by_name(
    http: httpx.Client, endpoint: str, parameter: str, wrong: str
) -> None:
    needed = {
        "similarity": {"pictures": PICTURES},
        "captions": {"pictures": PICTURES, "captions": '["x"]'},
        "compare": {"pictures": PICTURES, "caption": '"x"', "model": '"auto"', "other": '"stand-in"'},
        "search": {"collection": '"paintings"', "caption": '"x"'},
    }[endpoint]
    body = ", ".join(f'"{name}": {value}' for name, value in {**needed, parameter: WRONG[wrong]}.items())
    refused = ask(http, f"/call/v2/{endpoint}", f"{{{body}}}")
    assert refused["error"] and refused["code"] in ("bad_value", "bad_caption", "not_uploaded")


@pytest.mark.parametrize("wrong", [DEEP, "NaN", "null", "5"])
@pytest.mark.parametrize("route", ["/call/similarity", "/call/search", "/call/score", "/queue/join"])
def test_values_in_the_wrong_place_are_told_by_every_route(
    search_server: Server, http: httpx.Client, route: str, wrong: str
) -> None:
    endpoints = {one["api_name"]: one["id"] for one in http.get(f"{search_server.url}/config").json()["dependencies"]}
    plain = f'"data": [{wrong}, {wrong}, {wrong}]'
    joined = f'{{{plain}, "fn_index": {endpoints["similarity"]}, "session_hash": "{SESSION}"}}'
    refused = ask(http, route, joined if route == "/queue/join" else f"{{{plain}}}")
    assert refused["error"] and refused["code"] not in ("internal", "failed", "Error")


BODIES = {
    "an endpoint that is not there": ("/call/nonsense", '{"data": []}', 404, "use /score, /similarity"),
    "one by name that is not there": ("/call/v2/nonsense", "{}", 404, "use /score, /similarity"),
    "a function that is not there": (
        "/queue/join",
        '{"data": [], "fn_index": 9999, "session_hash": "x"}',
        404,
        "no such endpoint",
    ),
    "what is needed is missing": ("/call/v2/similarity", "{}", 400, "needs pictures"),
    "a parameter that is unknown": ("/call/v2/models", '{"colour": 1}', 400, "takes nothing"),
    "a text for a list": ("/call/similarity", '{"data": "x"}', 422, "not in the form"),
    "a list for an object": ("/call/v2/models", "[]", 400, "not a JSON object"),
    "half of a body": ("/call/similarity", '{"data": [', 400, "not JSON"),
    "a NaN in a wrong place": ("/queue/join", '{"data": [], "session_hash": NaN}', 422, "not in the form"),
    "past the queue": ("/api/similarity", '{"data": []}', 404, "join the queue"),
    "an endpoint past the queue": ("/run/nonsense", '{"data": []}', 404, "no such endpoint"),
}


@pytest.mark.parametrize("what", BODIES)
def test_a_call_that_no_endpoint_takes_is_refused_at_once_with_a_status(http: httpx.Client, what: str) -> None:
    path, body, status, sentence = BODIES[what]
    answer = http.post(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    jsonschema.validate(answer.json(), describe_answers()["ErrorAnswer"])
    assert sentence in answer.json()["error"] and answer.json()["detail"]
    assert answer.json()["code"] == ("not_found" if status == 404 else "bad_value")


def test_long_values_are_refused_and_not_quoted(http: httpx.Client) -> None:
    long = "x" * 50_000
    several: list[list[Any]] = [[[], long], [[], "", None, long], [[long], "x"]]
    for values in several:
        refused = ask(http, "/call/similarity", json.dumps({"data": values}))
        assert refused["code"] in ("caption_too_long", "text_too_long", "no_pictures") and len(refused["error"]) < 200


def test_an_answer_has_the_id_that_the_call_was_given(http: httpx.Client) -> None:
    event = http.post("/call/v2/search", json={"collection": "paintings", "caption": "a cat", "top": 1}).json()
    *_, data = http.get(f"/call/v2/search/{event['event_id']}").text.strip().splitlines()
    (answer,) = json.loads(data.removeprefix("data: "))
    assert (answer["api_version"], answer["request_id"]) == ("1", event["event_id"])
