"""A server that offers a tuned model beside its base."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from support import EXAMPLES, Server, serving

import clipsim
from clipsim.encoders.residual import Residual
from clipsim.encoders.tuned import Base, write_tuned

CAPTION = "a dog"


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-in with a head drawn at random."""
    folder = tmp_path_factory.mktemp("models") / "mine"
    folder.mkdir()
    weights = np.random.default_rng(0).normal(size=(1280, 384)).astype(np.float32)
    residual = Residual(weights, np.zeros(384, np.float32), 0.5)
    write_tuned(folder, Base("stand-in", clipsim.load("stand-in", "cpu").revision), (residual,))
    return folder


@pytest.fixture(scope="module")
def server(mine: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory, {"CLIPSIM_MODELS": str(mine)}) as served:
        yield served


def test_it_is_listed_and_scores_as_the_folder_does(server: Server, mine: Path) -> None:
    client = Client(server.url, verbose=False)
    rows = client.predict(api_name="/models")["models"]
    assert [row["name"] for row in rows][-2:] == ["stand-in", "mine"]
    pictures = [handle_file(path) for path in EXAMPLES[:2]]
    answer = client.predict(pictures=pictures, caption=CAPTION, model="mine", api_name="/similarity")
    own = clipsim.score(EXAMPLES[:2], CAPTION, model=str(mine), device="cpu")
    assert answer["model"] == "mine"
    assert [one["cosine"] for one in answer["scores"]] == pytest.approx([one.cosine for one in own.scores], abs=1e-4)


def test_it_is_compared_with_its_base(server: Server) -> None:
    client = Client(server.url, verbose=False)
    pictures = [handle_file(path) for path in EXAMPLES[:2]]
    answer = client.predict(pictures=pictures, caption=CAPTION, model="stand-in", other="mine", api_name="/compare")
    assert [one["model"] for one in answer["results"]] == ["stand-in", "mine"]


def test_the_page_offers_it(server: Server) -> None:
    shown = Client(server.url, verbose=False).config["components"]
    choices = [choice for one in shown for choice in one["props"].get("choices", ()) if "mine" in choice]
    assert choices and all(choice == ("mine · tuned", "mine") for choice in map(tuple, choices))
