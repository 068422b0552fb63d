"""Every endpoint, called by gradio's Python and JavaScript clients: both get the same answer, whole."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from support import ROOT, Server

CAPTION = "a golden retriever standing in the snow"
NAMES = ("cat-in-rucksack.jpg", "hiking-golden-retriever.jpg", "golden-retriever-in-snow.jpg")
CAT, RETRIEVER, REFERENCE = (
    {"file": str(ROOT / "examples" / name)} for name in NAMES
)  # sent as each client sends them
PICTURES = [CAT, RETRIEVER]
FOUND = "golden-retriever-in-snow.jpg"
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("similarity", {"pictures": PICTURES, "caption": CAPTION, "words": True, "heatmap": True, "thumbnails": True}),
    ("similarity", {"pictures": PICTURES, "reference": REFERENCE}),
    ("captions", {"pictures": PICTURES, "captions": ["a cat in a rucksack", "a red tractor"]}),
    ("check", {"pictures": PICTURES, "caption": "A cat sits in a rucksack. There are no dogs."}),
    ("compare", {"pictures": PICTURES, "caption": CAPTION, "model": "stand-in", "other": "clip-vit-b-32"}),
    ("pairs", {"pictures": PICTURES, "captions": ["a cat", "a street at night"]}),
    ("models", {}),
    ("collections", {}),
    ("search", {"collection": "paintings", "caption": CAPTION, "top": 3}),
    ("search", {"collection": "paintings", "caption": "snow, no people", "path": "*.jpg", "after": "2020-01-01"}),
    ("search", {"collection": "paintings", "like": FOUND}),
    ("search", {"collection": "/etc", "caption": CAPTION}),
    ("score", {"pictures": [{"image": CAT}, {"image": RETRIEVER}], "caption": CAPTION}),
]
SCRIPT = """
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { Client } from "@gradio/client";

const [, , url, calls] = process.argv;
async function send(value) {
  if (Array.isArray(value)) return Promise.all(value.map(send));
  if (typeof value !== "object") return value;
  if (value.file) return new File([await readFile(value.file)], basename(value.file));
  const entries = Object.entries(value).map(async ([name, one]) => [name, await send(one)]);
  return Object.fromEntries(await Promise.all(entries));
}
const client = await Client.connect(url);
const answers = [];
for (const [name, values] of JSON.parse(await readFile(calls))) {
  try {
    const { data } = await client.predict(`/${name}`, await send(values));
    answers.push(name === "score" ? await (await fetch(data[5].url)).json() : data[0]);
  } catch (error) {
    answers.push({ error: error.message, title: error.title });
  }
}
console.log(JSON.stringify(answers));
"""
OWN = ("request_id", "seconds")  # of each call


@pytest.fixture(scope="module")
def client(search_server: Server) -> Client:
    return Client(search_server.url, verbose=False)


@pytest.fixture(scope="module")
def answers(client: Client) -> list[Any]:
    """What the Python client gets for each of the calls."""
    return [plain(ask(client, name, values)) for name, values in CALLS]


def ask(client: Client, name: str, values: Mapping[str, Any]) -> Any:
    try:
        answer = client.predict(**send(values), api_name=f"/{name}")
    except AppError as error:
        return {"error": str(error), "title": error.title}
    return json.loads(Path(answer[5]).read_text(encoding="utf-8")) if name == "score" else answer


def send(value: Any) -> Any:
    """Return values with files as the Python client takes them."""
    if isinstance(value, list):
        return [send(one) for one in value]
    if not isinstance(value, dict):
        return value
    return handle_file(value["file"]) if "file" in value else {name: send(one) for name, one in value.items()}


def plain(answer: Any) -> Any:
    """Return an answer without what is its call's own."""
    if isinstance(answer, list):
        return [plain(one) for one in answer]
    return {name: plain(one) for name, one in answer.items() if name not in OWN} if isinstance(answer, dict) else answer


def test_every_endpoint_that_the_server_lists_is_called_here(client: Client) -> None:
    listed = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert {f"/{name}" for name, _ in CALLS} == set(listed)


def test_the_python_client_gets_every_answer(answers: list[Any]) -> None:
    failed = {name: answer["title"] for (name, _), answer in zip(CALLS, answers, strict=True) if "error" in answer}
    # there is no model but the stand-in here, and no path is a name
    assert failed == {"compare": "model_unavailable", "search": "unknown_collection"}
    found = [
        answer["scores"]
        for (name, _), answer in zip(CALLS, answers, strict=True)
        if "scores" in answer and name == "search"
    ]
    assert [len(scores) for scores in found] == [3, 5, 4]
    assert all(score["name"].endswith(".jpg") and -1 <= score["cosine"] <= 1 for scores in found for score in scores)


def test_the_javascript_client_gets_the_same(
    search_server: Server, npm_folder: Path, tmp_path: Path, answers: list[Any]
) -> None:
    script, calls = npm_folder / "every_endpoint.mjs", tmp_path / "calls.json"
    script.write_text(SCRIPT, encoding="utf-8")
    calls.write_text(json.dumps(CALLS), encoding="utf-8")
    command = ["node", str(script), search_server.url, str(calls)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    for (name, _), theirs, ours in zip(CALLS, json.loads(done.stdout), answers, strict=True):
        assert plain(theirs) == ours, name


def find_files(value: Any, at: str = "") -> list[str]:
    """Return where an answer has what the Python client takes for a file to download: an object with a path."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    own = [at] if isinstance(value, dict) and isinstance(value.get("path"), str) else []
    return own + [place for key, one in inside for place in find_files(one, f"{at}/{key}")]


def test_no_answer_has_what_a_client_takes_for_a_file(answers: list[Any]) -> None:
    assert find_files(answers) == []
    assert find_files([{"hits": [{"path": "a.jpg"}]}]) == ["/0/hits/0"]
