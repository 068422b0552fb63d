"""What tests share and need not be a fixture: pictures, fake encoders, the app as a process."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from clipsim import Encoder
from clipsim.encoders import Box
from clipsim.options import Prompt

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.jpg"))
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

PictureFile = Callable[..., Path]  # the fixture `picture_file`


class Run(NamedTuple):
    """How a command of the command line ended, and what it printed."""

    code: int
    out: str
    err: str


Command = Callable[..., Run]


def paint(width: int, height: int, seed: int = 0) -> Image.Image:
    """Paint soft random colours: an upright RGB picture in which every region differs."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def unit(rows: Any) -> np.ndarray:
    """Scale rows, shape (n, width), to unit-length float32 vectors."""
    matrix = np.asarray(rows, np.float64)
    return np.asarray(matrix / np.linalg.norm(matrix, axis=-1, keepdims=True), np.float32)


class ByMean(Encoder):
    """A picture's vector is its mean colour; every caption asks for red. It remembers what it was shown.

    Attributes:
        batches: how many pictures came with each call.
        sizes: width and height of every picture.
        read: the captions.
    """

    name, width, logit_scale = "by mean", 3, 10.0

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.sizes: list[tuple[int, int]] = []
        self.read: list[str] = []

    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        self.batches.append(len(images))
        self.sizes += [image.size for image in images]
        means = [np.asarray(image, np.float64).mean(axis=(0, 1)) for image in images]
        return unit([mean if mean.any() else np.ones(3) for mean in means]).reshape(-1, 3)  # black counts as grey

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        self.read += texts
        return np.tile(np.array([1, 0, 0], np.float32), (len(texts), 1))


class Bright(Encoder):
    """The brighter a picture, the nearer to every caption but "dark"; `sign` -1 turns that round."""

    width, logit_scale = 2, 10.0

    def __init__(self, name: str = "bright", sign: int = 1) -> None:
        self.name, self.sign = name, sign

    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        light = np.array([np.asarray(image, np.float64).mean() / 255 for image in images])
        angle = (0.5 - self.sign * (light - 0.5)) * np.pi / 2
        return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        return np.array([[0, 1] if text == "dark" else [1, 0] for text in texts], np.float32).reshape(-1, 2)


class ByColour(Encoder):
    """A picture's vector goes by the colour of its first pixel; every caption's is (1, 0).

    Attributes:
        batches: how many pictures came with each call.
    """

    name, width, logit_scale = "by colour", 2, 10.0

    def __init__(self, vectors: Mapping[tuple[int, int, int], tuple[float, float]]) -> None:
        self.vectors = vectors
        self.batches: list[int] = []

    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        self.batches.append(len(images))
        colours = [tuple(np.asarray(image)[0, 0].tolist()) for image in images]
        return np.array([self.vectors[colour] for colour in colours], np.float32).reshape(-1, 2)

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        return np.array([(1, 0)] * len(texts), np.float32).reshape(-1, 2)


class Hashed(Encoder):
    """Each picture and each caption has a vector of its own, whatever stands beside it.

    Attributes:
        read: the captions that it encoded.
    """

    name, width, logit_scale = "hashed", 8, 10.0

    def __init__(self) -> None:
        self.read: list[str] = []

    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        return self._vectors([image.tobytes() for image in images])

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        self.read += texts
        return self._vectors([text.encode() for text in texts])

    def _vectors(self, keys: list[bytes]) -> np.ndarray:
        rows = [np.random.default_rng(zlib.crc32(key)).normal(size=self.width) for key in keys]
        return unit(np.reshape(rows, (-1, self.width)))


class Counting(Encoder):
    """Another encoder that counts the pictures and captions which it is given; `revision` may be another one.

    Attributes:
        pictures: how many pictures it encoded.
        captions: how many captions it encoded.
    """

    def __init__(self, inner: Encoder, revision: str | None = None) -> None:
        self.inner = inner
        self.name, self.device, self.precision, self.family = inner.name, inner.device, inner.precision, inner.family
        self.logit_scale, self.notes, self.batch = inner.logit_scale, inner.notes, inner.batch
        self.revision = inner.revision if revision is None else revision
        self.input_size, self.folder = inner.input_size, inner.folder
        self.pictures = self.captions = 0

    @property
    def width(self) -> int:
        return self.inner.width

    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        self.pictures += len(images)
        return self.inner.encode_images(images)

    def encode_views(self, views: list[Image.Image]) -> np.ndarray:
        self.pictures += len(views)
        return self.inner.encode_views(views)

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        self.captions += len(texts)
        return self.inner.encode_texts(texts)

    def view(self, image: Image.Image) -> Image.Image:
        return self.inner.view(image)

    def crop_box(self, size: tuple[int, int]) -> Box:
        return self.inner.crop_box(size)

    def background(self, prompt: Prompt) -> np.ndarray | None:
        return self.inner.background(prompt)


@dataclass(frozen=True)
class Server:
    """The app as a process of its own: `url` to call it, `uploads` where it keeps what it is sent."""

    url: str
    uploads: Path


@contextmanager
def serving(
    folders: pytest.TempPathFactory,
    settings: dict[str, str] | None = None,
    command: Sequence[str | Path] = (sys.executable, "app.py"),
    place: Path = ROOT,
) -> Iterator[Server]:
    """Serve the app as a process of its own, started in `place` with `settings` in its environment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    uploads = folders.mktemp("uploads")
    log = folders.mktemp("log") / "app.log"
    environment = os.environ | {
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(uploads),
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(folders.mktemp("no-models")),
        **(settings or {}),
    }
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=place, env=environment, stdout=output, stderr=output)
    try:
        url = f"http://127.0.0.1:{port}"
        until = time.monotonic() + 120
        while not _answers(url):
            assert process.poll() is None and time.monotonic() < until, log.read_text()
            time.sleep(0.2)
        yield Server(url, uploads)
    finally:
        process.terminate()
        process.wait(20)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


def call(server: Server, endpoint: str, data: list[Any]) -> str:
    """What the endpoint answers to raw data, as text; the way of curl."""
    request = urllib.request.Request(
        f"{server.url}/gradio_api/call/{endpoint}",
        json.dumps({"data": data}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        event = json.load(response)["event_id"]
    with urllib.request.urlopen(f"{server.url}/gradio_api/call/{endpoint}/{event}", timeout=60) as response:
        return str(response.read().decode())
