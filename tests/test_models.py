"""The table of models, and the way from a name to an encoder with and without a network."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import clipsim
from clipsim import EncoderError
from clipsim.models import DEFAULT, MODELS, STAND_IN, fetch

BY_NAME = {model.name: model for model in MODELS}


@pytest.mark.parametrize(
    ("name", "hub_id", "width", "imagenet", "coco"),
    [
        ("clip-vit-b-32", "openai/clip-vit-base-patch32", 512, 63.3, 30.4),
        ("clip-vit-b-16", "openai/clip-vit-base-patch16", 512, None, None),
        ("clip-vit-l-14", "openai/clip-vit-large-patch14", 768, 75.5, 36.5),
        ("laion2b-vit-b-32", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K", 512, 66.6, 39.3),
        ("siglip2-b-16-224", "google/siglip2-base-patch16-224", 768, 78.2, 52.1),
    ],
)
def test_the_table_carries_the_published_figures(
    name: str, hub_id: str, width: int, imagenet: float | None, coco: float | None
) -> None:
    model = BY_NAME[name]
    assert (model.hub_id, model.width) == (hub_id, width)
    if imagenet is not None:
        assert (model.imagenet, model.coco) == (imagenet, coco)


def test_every_model_has_a_family_a_licence_and_a_name_of_its_own() -> None:
    assert len(BY_NAME) == len(MODELS) == 6
    assert {model.family for model in MODELS} == {"clip", "siglip", "stand-in"}
    assert all(model.licence for model in MODELS)
    assert (DEFAULT.name, STAND_IN.name) == ("clip-vit-b-32", "stand-in")


@pytest.mark.parametrize(
    "name", ["clip", "vit b 32", "", "a/b/c", "/no/such/folder", "stand in", pytest.param("x" * 5000, id="long")]
)
def test_an_unknown_name_is_answered_with_the_known_ones(name: str) -> None:
    with pytest.raises(EncoderError, match="is not known") as caught:
        clipsim.load(name)
    assert all(known in str(caught.value) for known in ["auto", *BY_NAME])


def test_auto_without_a_network_is_the_stand_in_within_a_second(no_network: Path) -> None:
    start = time.perf_counter()
    encoder = clipsim.load("auto", "cpu")
    assert time.perf_counter() - start < 1.0
    assert encoder.name == "stand-in"
    (note,) = encoder.notes  # type: ignore[attr-defined]
    assert "not CLIP" in note
    assert DEFAULT.hub_id in note
    assert "offline" in note.lower()
    assert not no_network.exists()


@pytest.mark.parametrize("name", [DEFAULT.name, DEFAULT.hub_id, "siglip2-b-16-224", "someone/some-clip"])
def test_a_model_asked_for_by_name_is_never_replaced(no_network: Path, name: str) -> None:
    start = time.perf_counter()
    with pytest.raises(EncoderError) as caught:
        clipsim.load(name, "cpu")
    assert time.perf_counter() - start < 1.0
    message = str(caught.value)
    hub_id = BY_NAME[name].hub_id if name in BY_NAME else name
    assert message.startswith(f"{hub_id} is not on this machine")
    assert "model hub" in message
    assert "stand-in" in message
    assert "\n" not in message
    assert caught.value.__cause__ is not None
    assert not no_network.exists()


def test_the_stand_in_asked_for_by_name_says_that_it_is_not_clip() -> None:
    (note,) = clipsim.load("stand-in", "cpu").notes  # type: ignore[attr-defined]
    assert "not CLIP" in note


def test_a_folder_is_named_by_its_last_part(tiny_clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny_clip)
    assert [clipsim.load(name, "cpu").name for name in (str(tiny_clip), f"{tiny_clip}/", ".")] == ["tiny-clip"] * 3


def test_a_folder_beside_a_short_name_does_not_hide_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stand-in").mkdir()
    assert clipsim.load("stand-in", "cpu").width == 384


def cached(cache: Path, checkpoint: Path, without: tuple[str, ...] = (), hub_id: str = DEFAULT.hub_id) -> Path:
    """Put a checkpoint into a cache as a download of `hub_id` leaves it, but for the files that match `without`."""
    commit = "0123456789" * 4
    repository = cache / f"models--{hub_id.replace('/', '--')}"
    snapshot = repository / "snapshots" / commit
    shutil.copytree(checkpoint, snapshot, ignore=shutil.ignore_patterns(*without))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    return snapshot


def test_auto_takes_clip_from_the_cache(no_network: Path, tiny_clip: Path) -> None:
    cached(no_network, tiny_clip)
    encoder = clipsim.load("auto", "cpu")
    assert encoder.name == DEFAULT.name
    assert encoder.notes == ()  # type: ignore[attr-defined]
    assert encoder.encode_texts(["the cat"]).shape == (1, 24)


@pytest.mark.parametrize("name", [DEFAULT.name, DEFAULT.hub_id])
def test_clip_by_name_comes_from_the_cache(no_network: Path, tiny_clip: Path, name: str) -> None:
    cached(no_network, tiny_clip)
    assert clipsim.load(name, "cpu").name == DEFAULT.name


def test_any_hub_id_comes_from_the_cache(no_network: Path, tiny_siglip: Path) -> None:
    cached(no_network, tiny_siglip, hub_id="someone/some-siglip")
    encoder = clipsim.load("someone/some-siglip", "cpu")
    assert (encoder.name, encoder.encode_texts(["the cat"]).shape) == ("someone/some-siglip", (1, 32))


LACKS = [
    ("*.safetensors", "token*", "*processor*"),
    ("*.safetensors",),
    ("token*",),
    ("*processor*",),
    ("config.json",),
]


@pytest.mark.parametrize("without", LACKS)
def test_a_cache_that_lacks_a_part_is_not_taken_for_clip(
    no_network: Path, tiny_clip: Path, without: tuple[str, ...]
) -> None:
    """A broken download leaves one, and so does another program that needs only some of the files."""
    cached(no_network, tiny_clip, without)
    assert clipsim.load("auto", "cpu").name == "stand-in"
    with pytest.raises(EncoderError, match="not on this machine"):
        clipsim.load(DEFAULT.name, "cpu")


@pytest.fixture
def silent_hub() -> Iterator[str]:
    """A server that takes every call and never answers: a network that swallows what is sent."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


ASK = """
import time, clipsim
from huggingface_hub import HfApi, snapshot_download
start = time.perf_counter()
encoder = clipsim.load("auto", "cpu")
print(encoder.name, time.perf_counter() - start)
print(*encoder.notes)
"""


def ask(tmp_path: Path, hub: str) -> tuple[str, float, str]:
    """What `auto` comes to with a hub at that address and an empty cache: the model, the seconds, the note."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    environment |= {"HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": hub}
    done = subprocess.run([sys.executable, "-c", ASK], env=environment, capture_output=True, text=True, check=True)
    model, seconds, note = done.stdout.replace("\n", " ", 1).split(" ", 2)
    return model, float(seconds), note


@pytest.mark.parametrize("hub", ["http://127.0.0.1:9", "http://no-such-host.invalid", "silent"])
def test_a_hub_that_does_not_answer_costs_less_than_a_second(
    tmp_path: Path, hub: str, request: pytest.FixtureRequest
) -> None:
    model, seconds, note = ask(tmp_path, request.getfixturevalue("silent_hub") if hub == "silent" else hub)
    assert model == "stand-in"
    assert seconds < 1.0
    assert DEFAULT.hub_id in note


def test_patience_is_what_a_silent_hub_gets(silent_hub: str, no_network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", silent_hub)
    start = time.perf_counter()
    with pytest.raises(EncoderError, match="model hub"):
        fetch("someone/some-clip", 0.2)
    assert 0.2 <= time.perf_counter() - start < 1.0
    assert not no_network.exists()


@pytest.mark.checkpoint
def test_clip_reads_photographs() -> None:
    """With the real checkpoint: the published logit scale and width, and a cheetah that is one."""
    gradio = pytest.importorskip("gradio")
    photographs = Path(gradio.__file__).parent / "media_assets" / "images"
    encoder = clipsim.load(DEFAULT.name)
    assert encoder.width == 512
    assert encoder.logit_scale == pytest.approx(100, abs=0.01)
    names = [photographs / f"{name}.jpg" for name in ("lion", "cheetah", "tower")]
    best = clipsim.score_images(names, "a photo of a cheetah", encoder).scores[0]
    assert best.name == "cheetah.jpg"
    assert 0.2 < best.cosine < 0.4
