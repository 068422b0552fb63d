"""The table of models, and the way from a name to an encoder with and without a network."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

import clipsim
from clipsim import ChoiceError, Encoder, EncoderError
from clipsim.encoders import DEFAULT, MODELS, STAND_IN, list_absent
from clipsim.encoders.hub import fetch

COMMIT = "0123456789" * 4
BY_NAME = {model.name: model for model in MODELS}


@pytest.mark.parametrize(
    ("name", "hub_id", "width", "imagenet", "coco"),
    [
        ("clip-vit-b-32", "openai/clip-vit-base-patch32", 512, 63.3, 30.4),
        ("clip-vit-b-16", "openai/clip-vit-base-patch16", 512, None, None),
        ("clip-vit-l-14", "openai/clip-vit-large-patch14", 768, 75.5, 36.5),
        ("laion2b-vit-b-32", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K", 512, 66.6, 39.3),
        ("siglip2-b-16-224", "google/siglip2-base-patch16-224", 768, 78.2, 52.1),
        ("siglip2-b-32-256", "google/siglip2-base-patch32-256", 768, 74.0, 47.2),
        ("siglip2-l-16-256", "google/siglip2-large-patch16-256", 1024, 82.5, 54.7),
        ("siglip2-so400m-384", "google/siglip2-so400m-patch16-384", 1152, 84.1, 56.0),
        ("siglip2-b-16-naflex", "google/siglip2-base-patch16-naflex", 768, 78.5, 51.1),
        ("tipsv2-b-14", "google/tipsv2-b14", 768, None, None),
        ("metaclip2-b-32", "facebook/metaclip-2-worldwide-b32", 512, None, None),
        ("tinyclip-8m", "wkcn/TinyCLIP-ViT-8M-16-Text-3M-YFCC15M", 512, 41.1, None),
        ("pe-core-b-16", "timm/PE-Core-B-16", 1024, 78.4, 50.9),
        ("mobileclip2-s2", "timm/MobileCLIP2-S2-OpenCLIP", 512, 77.2, 48.8),
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
    assert len(BY_NAME) == len(MODELS) == 15
    known = {"clip", "siglip", "siglip2", "metaclip_2", "tipsv2", "open_clip", "stand-in"}
    assert {model.family for model in MODELS} == known
    assert all(model.licence and " " not in model.licence for model in MODELS)
    assert (DEFAULT.name, STAND_IN.name) == ("clip-vit-b-32", "stand-in")


@pytest.mark.parametrize(
    "name", ["clip", "vit b 32", "", "a/b/c", "/no/such/folder", "stand in", pytest.param("x" * 5000, id="long")]
)
def test_an_unknown_name_is_answered_with_the_known_ones(name: str) -> None:
    with pytest.raises(ChoiceError, match="is not known") as caught:
        clipsim.load(name)
    assert all(known in str(caught.value) for known in ["auto", *BY_NAME])


def test_auto_without_a_network_is_the_stand_in_within_a_second(no_network: Path) -> None:
    start = time.perf_counter()
    encoder = clipsim.load("auto", "cpu")
    assert time.perf_counter() - start < 1.0
    assert encoder.name == "stand-in"
    (note,) = encoder.notes
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
    (note,) = clipsim.load("stand-in", "cpu").notes
    assert "not CLIP" in note


def test_a_folder_is_named_by_its_last_part(tiny_clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny_clip)
    assert [clipsim.load(name, "cpu").name for name in (str(tiny_clip), f"{tiny_clip}/", ".")] == ["tiny-clip"] * 3


def test_a_folder_beside_a_short_name_does_not_hide_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stand-in").mkdir()
    assert clipsim.load("stand-in", "cpu").width == 384


def cached(
    cache: Path,
    checkpoint: Path,
    without: tuple[str, ...] = (),
    hub_id: str = DEFAULT.hub_id,
    commit: str = DEFAULT.revision,
) -> Path:
    """Put a checkpoint into a cache as a download of `hub_id` leaves it, but for the files that match `without`."""
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
    assert encoder.notes == ()
    assert encoder.encode_texts(["the cat"]).shape == (1, 24)


@pytest.mark.parametrize("name", [DEFAULT.name, DEFAULT.hub_id])
def test_clip_by_name_comes_from_the_cache(no_network: Path, tiny_clip: Path, name: str) -> None:
    cached(no_network, tiny_clip)
    assert clipsim.load(name, "cpu").name == DEFAULT.name


def test_any_hub_id_comes_from_the_cache(no_network: Path, tiny_siglip: Path) -> None:
    cached(no_network, tiny_siglip, hub_id="someone/some-siglip")
    encoder = clipsim.load("someone/some-siglip", "cpu")
    assert (encoder.name, encoder.encode_texts(["the cat"]).shape) == ("someone/some-siglip", (1, 32))


def test_a_model_of_the_table_is_taken_from_its_commit_alone(no_network: Path, tiny_clip: Path) -> None:
    cached(no_network, tiny_clip, commit=COMMIT)
    assert clipsim.load("auto", "cpu").name == "stand-in"


UNPINNED = {"tipsv2-b-14", "metaclip2-b-32"}  # whose commit could not be had when the table was made


def test_every_model_of_the_hub_has_a_commit_but_for_two() -> None:
    pinned = [model for model in MODELS if model.hub_id and model.name not in UNPINNED]
    assert all(re.fullmatch("[0-9a-f]{40}", model.revision) for model in pinned)
    assert not any(BY_NAME[name].revision for name in UNPINNED)


def test_a_model_without_a_commit_keeps_that_of_its_first_download(hub: type[Hub]) -> None:
    encoder = clipsim.load("metaclip2-b-32", "cpu")
    assert hub.revisions == {"main"}
    assert encoder.revision == COMMIT
    hub.asked.clear()
    assert clipsim.load("metaclip2-b-32", "cpu").revision == COMMIT
    assert hub.asked == []


def test_every_row_tells_what_one_chooses_by() -> None:
    for model in MODELS:
        assert model.resolution and model.text_length and model.languages and model.use
        assert model.name == "stand-in" or model.source
    marked = {model.name: model.terms for model in MODELS if model.terms}
    assert marked.pop("metaclip2-b-32") == "non-commercial"
    assert marked == dict.fromkeys(
        ["clip-vit-b-32", "clip-vit-b-16", "clip-vit-l-14", "mobileclip2-s2"], "research only"
    )


def test_the_earlier_commit_of_the_same_weights_is_used_on_where_it_is(no_network: Path, tiny_clip: Path) -> None:
    cached(no_network, tiny_clip, commit=DEFAULT.earlier)
    assert DEFAULT.name not in list_absent()
    encoder = clipsim.load(DEFAULT.name, "cpu")
    assert (encoder.name, encoder.revision) == (DEFAULT.name, DEFAULT.earlier)


def test_a_model_of_open_clip_is_refused_at_once_without_that_library() -> None:
    if importlib.util.find_spec("open_clip"):
        pytest.skip("open_clip is installed")
    start = time.perf_counter()
    with pytest.raises(EncoderError, match=r"pip install .*open-clip"):
        clipsim.load("pe-core-b-16", "cpu")
    assert time.perf_counter() - start < 1.0


def test_a_name_without_a_hub_is_refused_in_a_second_with_what_to_do(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    environment |= {"HF_HOME": str(tmp_path), "HF_ENDPOINT": "http://127.0.0.1:9"}
    code = "import time, clipsim, clipsim.encoders.hub\nstart = time.perf_counter()\ntry:\n"
    code += "    clipsim.load('siglip2-b-32-256', 'cpu')\nexcept clipsim.EncoderError as error:\n"
    code += "    print(time.perf_counter() - start, error)"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    seconds, _, sentence = done.stdout.partition(" ")
    assert float(seconds) < 1.0
    assert f"hf download google/siglip2-base-patch32-256 --revision {BY_NAME['siglip2-b-32-256'].revision}" in sentence


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
import time, clipsim, clipsim.encoders.conse, httpx2, huggingface_hub
huggingface_hub.HfApi()
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


class Hub(BaseHTTPRequestHandler):
    """As much of the model hub as one public repository needs; its files lie in `folder`."""

    folder: Path
    asked: ClassVar[list[str]]
    revisions: ClassVar[set[str]]

    def do_GET(self) -> None:
        page, _, file = self.path.partition("/resolve/")
        commit, _, name = file.partition("/")
        names = sorted(path.name for path in self.folder.iterdir())
        if "/tree/" in page:
            tree = [
                {"type": "file", "path": name, "size": (self.folder / name).stat().st_size, "oid": name}
                for name in names
            ]
            body = json.dumps(tree).encode()
        elif page.startswith("/api/models/"):
            revision = page.partition("/revision/")[2]
            self.revisions.add(revision)
            siblings = [{"rfilename": name} for name in names]
            commit = COMMIT if revision == "main" else revision
            body = json.dumps({"id": "someone/some-clip", "sha": commit, "siblings": siblings}).encode()
        elif (self.folder / name).is_file():
            self.asked.append(name)
            body = (self.folder / name).read_bytes()
        else:
            return self.send_error(404)
        self.send_response(200)
        for header in (("X-Repo-Commit", commit), ("ETag", f'"{name}"'), ("Content-Length", str(len(body)))):
            self.send_header(*header)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
        return None

    do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

    def log_message(self, *_: object) -> None:
        """Keep the tests' own output clean."""


@pytest.fixture
def hub(no_network: Path, tiny_clip: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    """A hub that serves the small CLIP, also in a form for another library, and nothing cached."""
    folder = Path(shutil.copytree(tiny_clip, no_network.with_name("served")))
    (folder / "flax_model.msgpack").write_bytes(b"weights for another library")
    (folder / "open_clip_model.safetensors").write_bytes(b"weights for another library")
    handler = type("OneHub", (Hub,), {"folder": folder, "asked": [], "revisions": set()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    files = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", files)
    yield handler
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", ["auto", "clip-vit-b-32", "someone/some-clip"])
def test_what_the_hub_has_is_downloaded_once(hub: type[Hub], clip: Encoder, name: str) -> None:
    encoder = clipsim.load(name, "cpu")
    assert encoder.name == (DEFAULT.name if name == "auto" else name)
    assert encoder.encode_texts(["the cat"]) == pytest.approx(clip.encode_texts(["the cat"]), abs=1e-6)
    assert "model.safetensors" in hub.asked
    assert hub.revisions == {"main" if name == "someone/some-clip" else DEFAULT.revision}
    assert not {"flax_model.msgpack", "open_clip_model.safetensors"} & set(hub.asked)
    hub.asked.clear()
    clipsim.load(name, "cpu")
    assert hub.asked == []


def pickle_weights(folder: Path) -> None:
    """Put a checkpoint's weights into the older form."""
    import torch
    from safetensors.torch import load_file

    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def test_pickled_weights_are_taken_of_the_row_that_has_no_others(hub: type[Hub], clip: Encoder) -> None:
    pickle_weights(hub.folder)
    (hub.folder / "open_clip_model.safetensors").unlink()
    vectors = clipsim.load("clip-vit-b-16", "cpu").encode_texts(["the cat"])
    assert vectors == pytest.approx(clip.encode_texts(["the cat"]), abs=1e-6)
    assert [model.name for model in MODELS if model.pickled] == ["clip-vit-b-16"]


@pytest.mark.parametrize("name", ["someone/some-clip", "laion2b-vit-b-32"])
def test_pickled_weights_of_any_other_are_refused_with_what_to_do(hub: type[Hub], name: str) -> None:
    pickle_weights(hub.folder)
    (hub.folder / "open_clip_model.safetensors").unlink()
    with pytest.raises(EncoderError, match=r"pickle.*model\.safetensors"):
        clipsim.load(name, "cpu")
    assert "pytorch_model.bin" not in hub.asked


def test_pickled_weights_in_the_cache_are_refused_too(no_network: Path, tiny_clip: Path) -> None:
    pickle_weights(cached(no_network, tiny_clip, hub_id="someone/some-clip"))
    with pytest.raises(EncoderError, match="pickle"):
        clipsim.load("someone/some-clip", "cpu")


def test_code_of_a_repository_is_not_even_downloaded(hub: type[Hub]) -> None:
    (hub.folder / "modeling.py").write_text("raise SystemExit")
    clipsim.load("someone/some-clip", "cpu").encode_texts(["the cat"])
    assert "modeling.py" not in hub.asked


def test_what_another_program_left_in_the_cache_is_completed(hub: type[Hub], no_network: Path, tiny_clip: Path) -> None:
    cached(no_network, tiny_clip, without=("token*", "*processor*"))
    assert clipsim.load("auto", "cpu").encode_texts(["the cat"]).shape == (1, 24)
    assert "tokenizer.json" in hub.asked


def test_a_hub_that_breaks_off_leaves_the_stand_in_and_the_reason(hub: type[Hub]) -> None:
    (hub.folder / "model.safetensors").unlink()
    (hub.folder / "model.safetensors").mkdir()  # listed, and not to be had
    encoder = clipsim.load("auto", "cpu")
    assert encoder.name == "stand-in"
    assert DEFAULT.hub_id in encoder.notes[0]


def test_a_download_tells_how_many_bytes_it_has(hub: type[Hub]) -> None:
    told: list[tuple[int, int]] = []
    clipsim.load("someone/some-clip", "cpu", progress=lambda *bytes_: told.append(bytes_))
    size = sum((hub.folder / name).stat().st_size for name in set(hub.asked))
    assert told[-1] == (size, size)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    told.clear()
    clipsim.load("someone/some-clip", "cpu", progress=lambda *bytes_: told.append(bytes_))
    assert told == []


def test_who_is_told_of_a_download_can_end_it(hub: type[Hub]) -> None:
    def end(done: int, total: int) -> None:
        raise clipsim.ClipsimError(f"ended at {done} of {total}")

    with pytest.raises(clipsim.ClipsimError, match="ended at"):
        clipsim.load("auto", "cpu", progress=end)
    assert clipsim.load("auto", "cpu").name == DEFAULT.name
    assert hub.asked


def test_absent_are_the_models_whose_files_are_not_here(no_network: Path, tiny_clip: Path) -> None:
    assert list_absent() == frozenset(BY_NAME) - {"stand-in"}
    cached(no_network, tiny_clip)
    assert list_absent() == frozenset(BY_NAME) - {"stand-in", DEFAULT.name}


def test_what_was_downloaded_is_found_without_a_network(hub: type[Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    clipsim.load(DEFAULT.name, "cpu")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert clipsim.load(DEFAULT.name, "cpu").name == DEFAULT.name
    assert DEFAULT.name not in list_absent()
    assert hub.asked
