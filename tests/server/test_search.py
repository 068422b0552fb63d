"""The collections of a server, through its API."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from support import ROOT, Server, call

from clipsim.web.server_collections import VARIABLE

CAPTION = "a golden retriever standing in the snow"


def answer(server: Server, *data: Any, endpoint: str = "search") -> dict[str, Any]:
    event, text = re.findall(r"event: (\w+)\ndata: (.*)", call(server, endpoint, list(data)))[-1]
    return {"event": event, **(json.loads(text) if event == "error" else json.loads(text)[0])}


def test_a_server_with_a_collection_that_is_gone_does_not_start(tmp_path: Path) -> None:
    environment = os.environ | {VARIABLE: str(tmp_path / "gone"), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "app.py"]
    ended = subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode and "There is no collection in" in ended.stderr


def test_the_api_searches_and_lists(search_server: Server) -> None:
    listed = answer(search_server, endpoint="collections")
    assert listed["collections"] == [{"name": "paintings", "pictures": 5, "model": "stand-in"}]
    found = answer(search_server, "paintings", CAPTION, "", 2)
    assert [hit["rank"] for hit in found["scores"]] == [1, 2]
    assert found["scores"][0]["thumbnail"].startswith("data:image/jpeg;base64,")
    like = answer(search_server, "paintings", "", found["scores"][0]["name"])
    assert found["scores"][0]["name"] not in [hit["name"] for hit in like["scores"]]
    assert {hit["collection"] for hit in found["scores"]} == {"paintings"}
    assert answer(search_server, "*", CAPTION, "", 2)["scores"] == found["scores"]
    refused = answer(search_server, "/etc", CAPTION)
    assert refused["event"] == "error" and "use paintings" in refused["error"]


def test_numbers_that_are_none_and_texts_that_are_too_long_are_answered_with_a_sentence(search_server: Server) -> None:
    for top in (float("nan"), 1e999, -1e999):
        assert "ask for 1 to 100" in answer(search_server, "paintings", CAPTION, "", top)["error"]
    for texts in (["[" * 80_000], ["", "x" * 5_000], ["", "", "y" * 5_000]):
        refused = answer(search_server, "paintings", CAPTION, "", 2, *texts)["error"]
        assert "characters, and the limit is 4096" in refused
