"""Second opinions of a server with a judge in a folder, as programs ask for them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file
from support import EXAMPLES, Server, serving

import clipsim
from clipsim import Encoder

CAPTION = "a golden retriever standing in the snow"


@pytest.fixture(scope="module")
def judging(tiny_blip: Path, tiny_qwen: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory, {"CLIPSIM_JUDGES": f"{tiny_blip}:{tiny_qwen}"}) as served:
        yield served


@pytest.fixture
def rest(judging: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{judging.url}/v1", timeout=120) as client:
        yield client


def ask(rest: httpx.Client, **values: str) -> httpx.Response:
    files = [("pictures", (path.name, path.read_bytes())) for path in EXAMPLES]
    return rest.post("/similarity", files=files, data={"caption": CAPTION, **values})


@pytest.mark.parametrize("judge", ["tiny-blip", "tiny-qwen"])
def test_the_opinions_are_those_that_python_gives(
    rest: httpx.Client, judge: str, tiny_blip: Path, tiny_qwen: Path, stand_in: Encoder
) -> None:
    folder = {"tiny-blip": tiny_blip, "tiny-qwen": tiny_qwen}[judge]
    expected = clipsim.score_images(list(EXAMPLES), CAPTION, stand_in, second_opinion=str(folder), opinions=3)
    found = ask(rest, second_opinion=judge, opinions="3").json()
    assert found["judge"] == judge == expected.judge
    for one, other in zip(found["scores"], expected, strict=True):
        assert one["second_opinion"] == pytest.approx(other.second_opinion, abs=2e-5)
        assert one["disagrees"] == other.disagrees


def test_a_judge_that_the_server_cannot_have_is_a_note_at_once(rest: httpx.Client) -> None:
    ask(rest)
    began = time.monotonic()
    answer = ask(rest, second_opinion="blip-itm")
    assert answer.status_code == httpx.codes.OK and time.monotonic() - began < 5
    assert len(answer.json()["scores"]) == len(EXAMPLES) and answer.json()["judge"] is None
    assert "could not be had from the model hub" in answer.json()["notes"][-1]


def test_a_judge_that_is_none_of_the_server_is_refused_with_those_that_are(rest: httpx.Client, tiny_clip: Path) -> None:
    answer = ask(rest, second_opinion=str(tiny_clip))
    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert answer.json()["error"]["code"] == "unknown_choice"
    assert "use blip-itm, vqascore, tiny-blip, tiny-qwen" in answer.json()["error"]["message"]
    assert [one["name"] for one in rest.get("/models").json()["judges"]][2:] == ["tiny-blip", "tiny-qwen"]


def test_the_pages_own_endpoint_takes_one_too(judging: Server) -> None:
    client = Client(judging.url, verbose=False)
    pictures = [{"image": handle_file(str(path))} for path in EXAMPLES[:2]]
    answer = client.predict(pictures=pictures, caption=CAPTION, second_opinion="tiny-blip", api_name="/score")
    assert "tiny-blip was asked for a second opinion on the best 2." in answer[0]
    assert "second_opinion" in Path(answer[4]).read_text(encoding="utf-8").splitlines()[0]
