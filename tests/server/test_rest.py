"""The REST door, as programs use it."""

from __future__ import annotations

import http.client
import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, get_args

import httpx
import jsonschema
import pytest
from support import EXAMPLES, Server, paint

import clipsim
from clipsim import Encoder
from clipsim.images import to_address
from clipsim.options import Framing
from clipsim.settings import Limits
from clipsim.web.forms import FIELD_BYTES

LIMITS = Limits()
CAPTION = "a golden retriever standing in the snow"


@pytest.fixture
def rest(search_server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{search_server.url}/v1", timeout=120) as client:
        yield client


def files(*paths: Path) -> list[tuple[str, tuple[str, bytes]]]:
    return [("pictures", (path.name, path.read_bytes())) for path in paths]


def picture(seed: int = 0) -> bytes:
    buffer = io.BytesIO()
    paint(24, 24, seed=seed).save(buffer, "PNG")
    return buffer.getvalue()


def refused(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, code and sentence of what was refused."""
    told = answer.json()
    assert set(told) == {"error", "request_id", "api_version"}
    return answer.status_code, told["error"]["code"], told["error"]["message"]


def test_pictures_in_a_form_are_scored_as_in_python(rest: httpx.Client, stand_in: Encoder) -> None:
    answer = rest.post("/similarity", files=files(*EXAMPLES), data={"caption": CAPTION, "words": "true"})
    assert answer.status_code == httpx.codes.OK
    found = answer.json()
    expected = clipsim.score_images(list(EXAMPLES), CAPTION, stand_in, words=True)
    assert [score["name"] for score in found["scores"]] == [score.name for score in expected]
    assert [score["cosine"] for score in found["scores"]] == pytest.approx([one.cosine for one in expected], abs=1e-5)
    assert found["scores"][0]["words"]
    assert found["api_version"] == "1"
    assert found["request_id"]


def test_pictures_are_compared_with_a_reference_image(rest: httpx.Client) -> None:
    reference = ("reference", (EXAMPLES[0].name, EXAMPLES[0].read_bytes()))
    found = rest.post("/similarity", files=[*files(*EXAMPLES[:2]), reference]).json()
    assert found["scores"][0]["name"] == EXAMPLES[0].name
    assert found["scores"][0]["cosine"] == pytest.approx(1, abs=1e-4)


def test_pictures_in_json_are_scored_too(rest: httpx.Client) -> None:
    addresses = [to_address(EXAMPLES[0].read_bytes())]
    in_json = rest.post("/similarity", json={"pictures": addresses, "caption": CAPTION, "model": None}).json()
    in_form = rest.post("/similarity", files=files(EXAMPLES[0]), data={"caption": CAPTION}).json()
    assert in_json["scores"][0]["cosine"] == pytest.approx(in_form["scores"][0]["cosine"], abs=1e-6)


def test_the_other_endpoints_answer(rest: httpx.Client) -> None:
    sent = files(*EXAMPLES[:2])
    table = rest.post("/captions", files=sent, data={"captions": ["a dog", "a cat"]}).json()
    assert (table["captions"], len(table["cosines"])) == (["a dog", "a cat"], 2)
    assert "stand-in" in [model["name"] for model in rest.get("/models").json()["models"]]
    (collection,) = rest.get("/collections").json()["collections"]
    asked = {"collection": collection["name"], "caption": CAPTION, "top": 2}
    by_address, by_json = rest.get("/search", params=asked).json(), rest.post("/search", json=asked).json()
    assert [one["name"] for one in by_address["scores"]] == [one["name"] for one in by_json["scores"]]
    assert len(by_json["scores"]) == 2


def test_a_picture_that_cannot_be_read_is_listed_and_costs_the_others_nothing(rest: httpx.Client) -> None:
    sent = [*files(EXAMPLES[0]), ("pictures", ("bad.jpg", b"no picture"))]
    answer = rest.post("/similarity", files=sent, data={"caption": CAPTION})
    assert answer.status_code == httpx.codes.OK
    assert [one["name"] for one in answer.json()["rejected"]] == ["bad.jpg"]


@pytest.mark.parametrize(
    ("path", "body", "refusal"),
    [
        ("/similarity", {}, (400, "no_pictures", "There are no pictures to score: add at least one.")),
        ("/similarity", {"pictures": []}, (400, "no_pictures", "There are no pictures")),
        ("/similarity", {"pictures": ["x"], "capton": "y"}, (400, "bad_value", "There is no field 'capton'")),
        ("/similarity", {"pictures": ["/etc/passwd"], "caption": "x"}, (400, "not_uploaded", "was not uploaded")),
        ("/similarity", {"pictures": ["http://x/y"], "caption": "x"}, (400, "web_address", "is a web address")),
        ("/similarity", {"pictures": 3, "caption": "x"}, (400, "", "")),
        ("/similarity", {"pictures": ["ok"], "caption": 3}, (400, "", "caption is not")),
        ("/similarity", {"pictures": ["ok"], "caption": "x" * 2001}, (413, "caption_too_long", "2001 characters")),
        ("/similarity", {"pictures": ["ok"], "caption": "x", "words": 3}, (400, "bad_value", "The value of words")),
        ("/similarity", {"pictures": ["ok"], "caption": "x", "model": "no"}, (400, "unknown_model", "use auto")),
        ("/similarity", {"pictures": ["ok"], "caption": "x", "framing": "no"}, (400, "unknown_choice", "use crop")),
        ("/similarity", {"pictures": ["ok"] * 101, "caption": "x"}, (413, "too_many_pictures", "limit is 100")),
        ("/search", {"collection": "no", "caption": "x"}, (404, "unknown_collection", "no")),
        ("/search", {"caption": "x"}, (400, "bad_value", "There is no collection: send it.")),
        ("/compare", {"pictures": ["ok"]}, (400, "bad_value", "There is no caption: send it.")),
        ("/models", {}, (405, "bad_value", "Method Not Allowed")),
        ("/nothing", {}, (404, "not_found", "There is nothing at this address")),
    ],
)
def test_what_is_wrong_is_told_with_a_status_and_a_code(
    rest: httpx.Client, path: str, body: dict[str, Any], refusal: tuple[int, str, str]
) -> None:
    address = to_address(picture())
    if isinstance(body.get("pictures"), list):
        body = body | {"pictures": [address if one == "ok" else one for one in body["pictures"]]}
    status, code, sentence = refused(rest.post(path, json=body))
    assert status == refusal[0]
    assert code == (refusal[1] or code)
    assert refusal[2] in sentence


@pytest.mark.parametrize(
    ("content", "kind", "sentence"),
    [
        (b"{", "application/json", "The call is not JSON"),
        (b"[" * 5000, "application/json", "nested"),
        (b"[]", "application/json", "The call is not a JSON object"),
        (b"x", "text/plain", "neither a form nor JSON"),
        (b"x", "multipart/form-data", "The form cannot be read"),
        (b"x", "multipart/form-data; boundary=b", "The form cannot be read"),
    ],
)
def test_a_body_in_another_form_is_told(rest: httpx.Client, content: bytes, kind: str, sentence: str) -> None:
    status, _, told = refused(rest.post("/similarity", content=content, headers={"Content-Type": kind}))
    assert status == httpx.codes.BAD_REQUEST
    assert sentence in told


def test_fields_of_a_form_that_are_wrong_are_told(rest: httpx.Client) -> None:
    def send(data: dict[str, Any], sent: Any = None) -> str:
        status, _, sentence = refused(rest.post("/similarity", files=sent or files(EXAMPLES[0]), data=data))
        assert status == httpx.codes.BAD_REQUEST
        return sentence

    assert "The value of words is not true or false" in send({"caption": "x", "words": "perhaps"})
    assert "There is no field" in send({"nothing": "x"})
    assert "is there twice" in send({"caption": ["x", "y"]})
    assert "A field is too long" in send({"caption": "x" * (FIELD_BYTES + 1)})
    assert "The field caption is a file" in send({}, [("caption", ("x.jpg", b"x"))])
    assert "The field pictures is no file" in send({"pictures": "x"})


def test_a_form_has_limits(rest: httpx.Client) -> None:
    many = [("pictures", (f"{i}.png", picture(0))) for i in range(LIMITS.images + 2)]
    status, code, _ = refused(rest.post("/similarity", files=many, data={"caption": "x"}))
    assert (status, code) == (413, "too_many_pictures")
    large = [("pictures", ("large.png", bytes(LIMITS.file_bytes + 1)))]
    status, code, sentence = refused(rest.post("/similarity", files=large, data={"caption": "x"}))
    assert (status, code, "20 MB" in sentence) == (413, "file_too_large", True)
    for kind, limit in (
        ("multipart/form-data; boundary=b", LIMITS.form_bytes),
        ("application/json", LIMITS.body_bytes),
    ):
        connection = http.client.HTTPConnection(rest.base_url.host, rest.base_url.port, timeout=20)
        connection.putrequest("POST", "/v1/similarity")
        connection.putheader("Content-Type", kind)
        connection.putheader("Content-Length", str(limit + 1))
        connection.endheaders()
        answer = connection.getresponse()
        assert answer.status == httpx.codes.REQUEST_ENTITY_TOO_LARGE
        assert json.loads(answer.read())["error"]["code"] == "body_too_large"


def test_nothing_stays_of_what_was_sent(rest: httpx.Client, search_server: Server) -> None:
    before = sorted(search_server.uploads.glob("v1-*"))
    rest.post("/similarity", files=files(*EXAMPLES), data={"caption": CAPTION})
    rest.post("/similarity", files=files(*EXAMPLES), data={"nothing": "x"})
    half = b"--b\r\nContent-Disposition: form-data; name=pictures; filename=x.jpg\r\n\r\n" + bytes(100_000)
    with socket.create_connection((rest.base_url.host, rest.base_url.port or 80)) as connection:
        head = "POST /v1/similarity HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
        connection.sendall(f"{head}Content-Type: multipart/form-data; boundary=b\r\n\r\n".encode() + half)
        time.sleep(0.5)
    until = time.monotonic() + 20
    while sorted(search_server.uploads.glob("v1-*")) != before:
        assert time.monotonic() < until
        time.sleep(0.1)


def test_the_description_holds_for_answers_and_errors(rest: httpx.Client) -> None:
    described = rest.get("/openapi.json").json()
    assert set(described["paths"]) == {
        f"/{name}"
        for name in ("similarity", "captions", "check", "compare", "pairs", "models", "search", "collections")
    }
    content = described["paths"]["/similarity"]["post"]["requestBody"]["content"]
    fields = content["multipart/form-data"]["schema"]["properties"]
    assert fields["framing"]["enum"] == list(get_args(Framing))
    assert "stand-in" in fields["model"]["enum"]

    def check(answer: httpx.Response, schema: str) -> None:
        whole = {"$ref": f"#/components/schemas/{schema}", "components": described["components"]}
        jsonschema.validate(answer.json(), whole)

    check(rest.post("/similarity", files=files(*EXAMPLES[:1]), data={"caption": "x"}), "SimilarityAnswer")
    check(rest.get("/models"), "ModelsAnswer")
    check(rest.get("/collections"), "CollectionsAnswer")
    check(rest.post("/similarity", json={}), "Error")


def test_other_origins_are_kept_from_a_server_on_loopback(rest: httpx.Client) -> None:
    answer = rest.get("/models", headers={"Origin": "https://elsewhere.example"})
    assert answer.headers.get("access-control-allow-origin") != "https://elsewhere.example"


def test_many_at_once_are_all_answered(rest: httpx.Client) -> None:
    def ask(i: int) -> int:
        answer = httpx.post(
            f"{rest.base_url}similarity", files=files(EXAMPLES[i % 5]), data={"caption": f"a dog {i}"}, timeout=120
        )
        return answer.status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(24))) == {200}
    assert json.loads(httpx.get(f"{rest.base_url}models").text)["auto"]
    assert threading.active_count() < 50
