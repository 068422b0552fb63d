"""What strangers send on purpose: damaged pictures, odd captions, too much of everything, half of a request."""

from __future__ import annotations

import io
import json
import math
import os
import random
import re
import socket
import struct
import sys
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import support
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from support import EXAMPLES, ROOT
from support.held_page import QUEUE

import clipsim
from benchmarks.performance.load import Caller, QueueFullError, Served, ServerError, serving
from clipsim.encoders import Encoder
from clipsim.errors import CaptionError
from clipsim.settings import Limits
from clipsim.web.page import CACHE_SECONDS

LIMITS = Limits()
CAPTION = "a golden retriever standing in the snow"
MEMORY = 2_000_000_000  # bytes that one request may take beyond the idle server with its model
FORMATS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "AVIF": "avif", "GIF": "gif", "BMP": "bmp", "TIFF": "tif"}
File = tuple[str, bytes]
Mutation = Callable[[random.Random, bytes, bytes], bytes]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    with serving(folder, HF_HUB_OFFLINE="1", HF_HOME=str(folder)) as server:
        yield server


@pytest.fixture
def caller(served: Served) -> Caller:
    return Caller(served.url)


@pytest.fixture(scope="module")
def bases() -> list[File]:
    """Every example, small, in every format that people send."""
    files = []
    for path in EXAMPLES:
        with Image.open(path) as opened:
            small = opened.convert("RGB").resize((72, 54))
        files += [(f"{path.stem}.{suffix}", saved(small, form)) for form, suffix in FORMATS.items()]
    return files


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def small_picture(seed: int) -> bytes:
    colours = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    return saved(Image.fromarray(colours).resize((48, 32)), "PNG")


def cosines(answer: dict[str, Any]) -> dict[str, float]:
    return {score["name"]: score["cosine"] for score in answer["scores"]}


def expected(files: list[File], caption: str, encoder: Encoder) -> dict[str, float]:
    result = clipsim.score_images([(data, name) for name, data in files], caption, encoder)
    return {score.name: score.cosine for score in result.scores}


def is_a_sentence(text: str) -> bool:
    return bool(re.fullmatch(r"\S.{10,}\S", text, re.DOTALL)) and "Traceback" not in text


# Damage. Each takes a source of chance, the picture, and another one in another format.


def bits_flipped(chance: random.Random, data: bytes, _: bytes) -> bytes:
    changed = bytearray(data)
    for _bit in range(chance.choice([1, 2, 8, 40])):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def head_damaged(chance: random.Random, data: bytes, _: bytes) -> bytes:
    """As above, but where sizes, offsets and counts are."""
    changed = bytearray(data)
    for _byte in range(chance.choice([1, 2, 6])):
        changed[chance.randrange(min(200, len(changed)))] = chance.choice([0, 1, 0x7F, 0x80, 0xFF])
    return bytes(changed)


def cut_short(chance: random.Random, data: bytes, _: bytes) -> bytes:
    return data[: chance.choice([0, 1, 2, 8, len(data) - 1, chance.randrange(len(data))])]


def header_swapped(chance: random.Random, data: bytes, other: bytes) -> bytes:
    size = chance.choice([2, 4, 8, 12, 26, 64])
    return other[:size] + data[size:]


def piece_moved(chance: random.Random, data: bytes, _: bytes) -> bytes:
    start, end = sorted(chance.randrange(len(data)) for _ in range(2))
    piece = data[start:end]
    return chance.choice(
        [
            data[:start] + data[end:],
            data[:end] + piece + data[end:],
            data[:start] + bytes(len(piece)) + data[end:],
            data[:start] + chance.randbytes(len(piece)) + data[end:],
        ]
    )


def polyglot(chance: random.Random, data: bytes, other: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("run.sh", "echo hello")
    foreign = chance.choice(
        [
            b"<html><script>alert(1)</script></html>",
            b"<?xml version='1.0'?><!DOCTYPE s [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><svg>&e;</svg>",
            b"%PDF-1.7\n%%EOF\n",
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
            b"#!/bin/sh\necho hello\n",
            b"\x7fELF\x02\x01\x01" + bytes(57),
            archive.getvalue(),
            other,
        ]
    )
    return chance.choice([data + foreign, foreign + data, data[:20] + foreign + data[20:]])


def bomb(chance: random.Random, data: bytes, _: bytes) -> bytes:
    """A small file that says it is huge, or that unpacks to something huge."""
    width, height = (chance.choice([0, 1, 6_000, 8_000, 50_000, 65_535]) for _ in range(2))
    header = struct.pack(">IIBBBBB", width, height, *chance.choice([(8, 2), (16, 0), (16, 6), (1, 3)]), 0, 0, 0)
    start, pixels = _chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(bytes(2_000_000)))
    packed = zlib.compress(bytes(30_000_000), 9)
    sizes = struct.pack("<HH", width, height)
    return chance.choice(
        [
            _PNG + start + pixels + _chunk(b"IEND", b""),
            _PNG + start + _chunk(b"zTXt", b"Comment\0\0" + packed) + pixels + _chunk(b"IEND", b""),
            _PNG + start + _chunk(b"iCCP", b"profile\0\0" + packed) + pixels + _chunk(b"IEND", b""),
            b"GIF89a" + sizes + b"\xf0\0\0" + bytes(6) + b"," + bytes(4) + sizes + b"\0\2" + data[-40:],
            re.sub(rb"(?<=\xff[\xc0\xc2]..\x08)....", b"\xff\xff\xff\xff", data, count=1, flags=re.DOTALL),
            b"BM" + bytes(8) + struct.pack("<IIiiHHIIIIII", 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0) + data,
            _tiff(width, height) + data,
            b"RIFF" + struct.pack("<I", 30) + b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + b"\xff" * 6 + data,
        ]
    )


def chunks_made_up(chance: random.Random, data: bytes, _: bytes) -> bytes:
    """A PNG whose checksums are right and whose contents are not."""
    depth_and_colour = chance.choice(
        [(8, 3), (1, 3), (1, 0), (8, 0), (16, 0), (8, 2), (16, 2), (8, 4), (8, 6), (16, 6)]
    )
    names = [b"PLTE", b"tRNS", b"eXIf", b"iCCP", b"acTL", b"fcTL", b"gAMA", b"cHRM", b"tEXt", b"iTXt", b"zTXt", b"pHYs"]
    extra = (
        _chunk(name, chance.randbytes(chance.choice([0, 1, 2, 3, 8, 9, 256, 768])))
        for name in chance.sample(names, chance.randrange(4))
    )
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", 24, 24, *depth_and_colour, 0, 0, chance.randrange(2)))
    pixels = _chunk(b"IDAT", zlib.compress(bytes(chance.choice([9, 5_000])) + data[:100]))
    return b"".join([_PNG, header, *extra, pixels, _chunk(b"IEND", b"")])


_PNG = b"\x89PNG\r\n\x1a\n"


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _tiff(width: int, height: int) -> bytes:
    tags = [(256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 8), (278, height), (279, 100)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)


MUTATIONS: list[Mutation] = [
    bits_flipped,
    head_damaged,
    cut_short,
    header_swapped,
    piece_moved,
    polyglot,
    bomb,
    chunks_made_up,
]


def mutated(bases: list[File], place: int) -> File:
    """The picture of that number, damaged in the way of that number: the same at every run."""
    chance = random.Random(place)
    mutation = MUTATIONS[place % len(MUTATIONS)]
    name, data = bases[chance.randrange(len(bases))]
    other = chance.choice([base for base in bases if base[0].rpartition(".")[2] != name.rpartition(".")[2]])[1]
    return f"{place}-{mutation.__name__}-{name}", mutation(chance, data, other)


@pytest.mark.parametrize("count", [99, pytest.param(3000, marks=pytest.mark.slow)])
def test_every_damaged_picture_is_scored_or_rejected_with_a_reason(
    caller: Caller, bases: list[File], stand_in: Encoder, count: int
) -> None:
    sound = (EXAMPLES[0].name, EXAMPLES[0].read_bytes())
    right = expected([sound], CAPTION, stand_in)[sound[0]]
    size = LIMITS.images - 1
    done = {"scores": 0, "rejected": 0}
    for first in range(0, count, size):
        files = [mutated(bases, place) for place in range(first, min(first + size, count))]
        answer = caller.similarity(caller.upload([*files, sound]), CAPTION)
        scores, rejected = cosines(answer), {row["name"]: row["reason"] for row in answer["rejected"]}
        assert scores.pop(sound[0]) == pytest.approx(right, abs=1e-5), "a sound picture is scored as ever"
        assert sorted([*scores, *rejected]) == sorted(name for name, _ in files)
        assert all(-1 <= cosine <= 1 for cosine in scores.values())
        assert all(is_a_sentence(reason) for reason in rejected.values()), rejected
        done["scores"] += len(scores)
        done["rejected"] += len(rejected)
    assert min(done.values()) > count / 10, f"the damage is neither harmless nor complete: {done}"


def test_a_request_of_nothing_but_rubbish_is_answered_with_the_reasons(caller: Caller) -> None:
    rubbish = [("empty.jpg", b""), ("noise.png", random.Random(1).randbytes(5000)), ("page.gif", b"<html></html>")]
    with pytest.raises(ServerError, match=r"Nothing could be scored.*empty\.jpg.*noise\.png.*page\.gif"):
        caller.similarity(caller.upload(rubbish), CAPTION)


# Captions

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=300)  # half surrogates among them
ODD = [
    "\x00",
    "\x1b[31mred\x07\x08\x7f",
    "\u202eevil\u202c \u2066left\u2069",
    "كلب ذهبي يقف في الثلج",
    "כלב \u200f(dog) בשלג",
    "👩‍👩‍👧‍👦" * 30,
    "e" + "\u0301" * 1000,
    "\ufeff\u200b\u2060",
    "\ud83d",
    "\udc15 dog \ud83d",
    "&lt;b&gt; %s %d {0} {{x}} ${y} \\ ' \" `",
    "<|startoftext|><|endoftext|>[CLS][SEP][MASK]<pad></s>",
    "\n\t\r ",
    "\U0010ffff\ufffe",
    "𝒶 ﷽ ㍿ ½",
    "a" * LIMITS.caption,
]
LONG = [
    "a" * 100_000,
    "dog " * 25_000,
    "🦮" * 100_000,
    "\u202e" * 100_000,
    "&amp;" * 20_000,
    " " * 100_000,
    "雪" * 99_999 + "\ud800",
]


def scored_or_told(caption: str, encoder: Encoder) -> None:
    try:
        result = clipsim.score_images(Image.new("RGB", (32, 32), "teal"), caption, encoder)
    except CaptionError as error:
        assert is_a_sentence(str(error))
    else:
        assert math.isfinite(result.scores[0].cosine) and -1 <= result.scores[0].cosine <= 1
        json.dumps(result.to_dict(), allow_nan=False).encode()


no_hurry = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])


@settings(no_hurry, max_examples=300)
@given(caption=ANY_TEXT)
def test_any_caption_is_scored_or_refused_by_clip_and_siglip(clip: Encoder, siglip: Encoder, caption: str) -> None:
    scored_or_told(caption, clip)
    scored_or_told(caption, siglip)


@settings(no_hurry, max_examples=50)
@given(caption=ANY_TEXT)
def test_any_caption_is_scored_or_refused_by_the_stand_in(stand_in: Encoder, caption: str) -> None:
    scored_or_told(caption, stand_in)


@pytest.mark.parametrize("caption", [*ODD, *LONG], ids=lambda caption: ascii(caption[:4]))
def test_odd_captions_are_scored_or_refused_by_every_encoder(
    clip: Encoder, siglip: Encoder, stand_in: Encoder, caption: str
) -> None:
    for encoder in (clip, siglip, stand_in):
        scored_or_told(caption, encoder)


@settings(no_hurry, max_examples=40)
@given(caption=ANY_TEXT)
@example(caption=ODD[0])
def test_any_caption_is_scored_or_refused_by_the_endpoint(caller: Caller, caption: str) -> None:
    endpoint_scores_or_tells(caller, caption)


@pytest.mark.parametrize("caption", [*ODD, *LONG], ids=lambda caption: ascii(caption[:4]))
def test_odd_captions_are_scored_or_refused_by_the_endpoint(caller: Caller, caption: str) -> None:
    endpoint_scores_or_tells(caller, caption)


def endpoint_scores_or_tells(caller: Caller, caption: str) -> None:
    try:
        answer = caller.similarity(caller.upload([("one.png", small_picture(0))]), caption)
    except ServerError as error:
        assert is_a_sentence(str(error))
    else:
        assert answer["caption"] == caption.strip()
        assert -1 <= answer["scores"][0]["cosine"] <= 1


# Limits


def test_as_many_pictures_as_the_limit_allows_are_scored(caller: Caller) -> None:
    uploaded = caller.upload([(f"{i}.png", small_picture(i)) for i in range(LIMITS.images)])
    assert len(caller.similarity(uploaded, CAPTION)["scores"]) == LIMITS.images


def test_one_picture_more_is_refused_with_the_limit(caller: Caller) -> None:
    uploaded = caller.upload([(f"{i}.png", small_picture(i)) for i in range(LIMITS.images + 1)])
    with pytest.raises(ServerError, match=f"{LIMITS.images + 1} pictures, and the limit is {LIMITS.images}"):
        caller.similarity(uploaded, CAPTION)


def test_one_character_more_than_the_limit_is_refused_with_the_limit(caller: Caller) -> None:
    uploaded = caller.upload([("one.png", small_picture(0))])
    with pytest.raises(ServerError, match=f"{LIMITS.caption + 1} characters, and the limit is {LIMITS.caption}"):
        caller.similarity(uploaded, "a" * (LIMITS.caption + 1))


def test_a_file_at_the_limit_is_scored_and_a_larger_one_is_refused(caller: Caller) -> None:
    picture = small_picture(0)
    full = picture + bytes(LIMITS.file_bytes - len(picture))
    assert caller.similarity(caller.upload([("full.png", full)]), CAPTION)["scores"]
    with pytest.raises(httpx.HTTPStatusError) as refusal:
        caller.upload([("larger.png", full + b"\0")])
    assert refusal.value.response.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE
    assert "maximum allowed size" in refusal.value.response.text


def test_a_full_queue_says_so_and_loses_nobody_who_is_in_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    gate = tmp_path_factory.mktemp("gate")
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    command: list[str | Path] = [sys.executable, "-m", "support.held_page", gate]
    with support.serving(tmp_path_factory, {"PYTHONPATH": paths}, command) as server:
        caller = Caller(server.url)
        uploaded = caller.upload([("one.png", small_picture(0))])
        request: list[Any] = [uploaded, CAPTION, None, "auto"]
        begun = [caller.begin(request)]
        until = time.monotonic() + 60
        while not (gate / "held").exists():  # from then on the first request is scored, and does not wait
            assert time.monotonic() < until
            time.sleep(0.05)
        begun += [caller.begin(request) for _ in range(QUEUE)]
        with pytest.raises(QueueFullError, match=str(QUEUE)):
            caller.begin(request)
        (gate / "released").touch()
        assert all("event: complete" in caller.http.get(address).text for address in begun)
        assert caller.similarity(uploaded, CAPTION)["scores"], "there is room again"


# People


def test_a_client_that_goes_away_does_not_keep_the_next_one_from_being_served(served: Served) -> None:
    leaving, staying = Caller(served.url), Caller(served.url)
    many = leaving.upload([(f"{i}.png", small_picture(i)) for i in range(20)])
    never_fetched = leaving.begin([many, CAPTION, None, "auto"])
    for _ in range(3):
        address = leaving.begin([many, CAPTION, None, "auto"])
        with leaving.http.stream("GET", address) as stream:
            assert stream.status_code == httpx.codes.OK
    _half_an_upload(served.url)
    leaving.http.close()
    file = ("one.png", small_picture(0))
    start = time.monotonic()
    assert staying.similarity(staying.upload([file]), CAPTION)["scores"][0]["name"] == "one.png"
    assert time.monotonic() - start < 60
    assert "event: complete" in staying.http.get(never_fetched).text


def _half_an_upload(url: str) -> None:
    head = (
        "POST /gradio_api/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
        'Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\nContent-Disposition: form-data; name="files"; '
        'filename="half.jpg"\r\n\r\n'
    )
    with socket.create_connection((httpx.URL(url).host, httpx.URL(url).port or 80)) as connection:
        connection.sendall(head.encode() + bytes(500_000))


def test_users_at_the_same_time_get_their_own_names_and_scores(served: Served, stand_in: Encoder) -> None:
    captions = [CAPTION, "a cat", "a street at night"]
    wrong: list[str] = []

    def user(number: int) -> None:
        # "photo.png" is everybody's, with another picture in it for each
        caller, caption = Caller(served.url), captions[number]
        for turn in range(4):
            seeds = {"photo.png": 100 * number + turn, f"user{number}-{turn}.png": 100 * number + 50 + turn}
            files = [(name, small_picture(seed)) for name, seed in seeds.items()]
            answer = caller.similarity(caller.upload(files), caption)
            right = expected(files, caption, stand_in)
            if answer["caption"] != caption or cosines(answer) != pytest.approx(right, abs=1e-5):
                wrong.append(f"user {number}, turn {turn}: {answer} instead of {right}")

    users = [threading.Thread(target=user, args=(number,)) for number in range(len(captions))]
    for one in users:
        one.start()
    for one in users:
        one.join(120)
    assert not wrong and not any(one.is_alive() for one in users)


def test_after_a_kill_and_a_restart_left_overs_are_cleared_and_young_files_kept(tmp_path: Path) -> None:
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    outside = tmp_path / "outside.jpg"
    outside.write_bytes(EXAMPLES[0].read_bytes())
    with serving(tmp_path, **offline) as first:
        caller = Caller(first.url)
        uploaded = caller.upload([("old.png", small_picture(1)), ("young.png", small_picture(2))])
        assert caller.similarity(uploaded, CAPTION)["scores"]
        first.process.kill()
        first.process.wait()
        old, young = (Path(file["path"]) for file in uploaded)
        link = first.uploads / "link.jpg"
        link.symlink_to(outside)
        _age(old, CACHE_SECONDS + 60)
        _age(outside, CACHE_SECONDS + 60)
        _age(young, CACHE_SECONDS - 600)
    with serving(tmp_path, **offline) as second:
        until = time.monotonic() + 10
        while old.exists() and time.monotonic() < until:
            time.sleep(0.1)
        assert not old.exists() and young.exists()
        assert outside.exists(), "a link is not followed"
        caller = Caller(second.url)
        assert caller.similarity([{"path": str(young)}], CAPTION)["scores"]


def _age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


SECRET = "xyzzy-secret"
SENT: list[list[Any]] = [
    [[{"path": f"/etc/{SECRET}.jpg"}], CAPTION, None, "auto"],
    [[], SECRET, None, "auto"],
    [[f"data:image/png;base64,{SECRET}"], SECRET, None, "auto"],
    [[f"https://{SECRET}.example/x.jpg"], CAPTION, None, "auto"],
    [SECRET, CAPTION, None, "auto"],
    [[], f"{SECRET}\ud800", None, "auto"],
    [[{"path": 1, "orig_name": SECRET}], {SECRET: 1}, SECRET, SECRET],
]
MALFORMED: list[list[Any]] = [
    [SECRET],
    [SECRET] * 9,
    [[{"path": f"/etc/{SECRET}.jpg", "meta": {"_type": "gradio.FileData"}}], CAPTION, None, "auto"],
    [[{"path": f"http://127.0.0.1:9/{SECRET}", "meta": {"_type": "gradio.FileData"}}], CAPTION, None, "auto"],
]


@pytest.mark.parametrize("requests", [SENT, MALFORMED], ids=["refused by clipsim", "refused by gradio"])
def test_nothing_that_users_send_is_logged(served: Served, caller: Caller, requests: list[list[Any]]) -> None:
    before = len(served.log.read_text())
    files = [(f"{SECRET}.png", small_picture(0)), (f"{SECRET}.jpg", SECRET.encode()), (f"{SECRET}.gif", b"")]
    assert caller.similarity(caller.upload(files), SECRET)["rejected"]
    for data in requests:
        assert "event: error" in caller.http.get(caller.begin(data)).text
    Caller(served.url).http.post("/call/similarity", content=f'{{"data": "{SECRET}"}}')
    Caller(served.url).http.post(f"/call/{SECRET}", json={"data": []})
    logged = served.log.read_text()[before:]
    assert SECRET not in logged and str(served.uploads) not in logged, logged


# Memory


def flat(mode: str, form: str, size: tuple[int, int] = (7_000, 7_000), **options: Any) -> bytes:
    colour: Any = {"RGBA": (9, 99, 199, 99), "LA": (99, 99), "CMYK": (9, 99, 199, 9)}.get(mode, 99)
    return saved(Image.new(mode, size, colour), form, **options)


def at_the_pixel_limit() -> list[File]:
    """Pictures of 49 megapixels, in the forms that take the most memory to decode and to make plain."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return [
        ("grey-16-bit.png", flat("I;16", "PNG")),
        ("transparent.png", flat("RGBA", "PNG")),
        ("grey-transparent.png", flat("LA", "PNG")),
        ("palette-transparent.png", flat("P", "PNG", transparency=99)),
        ("float.tif", flat("F", "TIFF", compression="tiff_deflate")),
        ("integer.tif", flat("I", "TIFF", compression="tiff_deflate")),
        ("print.jpg", flat("CMYK", "JPEG")),
        ("turned.jpg", flat("RGB", "JPEG", exif=exif)),
        ("progressive.jpg", flat("RGB", "JPEG", progressive=True)),
        ("transparent.webp", flat("RGBA", "WEBP", quality=1, method=0)),
        ("transparent.gif", flat("P", "GIF", transparency=99)),
        ("strip.png", flat("RGBA", "PNG", (50_000_000, 1))),
    ]


@pytest.mark.slow
def test_a_request_at_every_limit_at_once_fits_in_memory(tmp_path: Path) -> None:
    large = at_the_pixel_limit()
    assert all(len(data) <= LIMITS.file_bytes for _, data in large)
    few = [(name, data + bytes(LIMITS.file_bytes - len(data))) for name, data in large[:4]]  # at the limit of bytes too
    files = [*few, *large, *((f"{i}.png", small_picture(i)) for i in range(LIMITS.images - len(few) - len(large)))]
    with serving(tmp_path, HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path)) as served:
        caller = Caller(served.url)
        assert caller.similarity(caller.upload([("one.png", small_picture(0))]), CAPTION)["scores"]
        idle = served.resident()
        uploaded = [place for file in files for place in caller.upload([file])]
        answer = caller.similarity(uploaded, "a" * LIMITS.caption, None)
        assert len(answer["scores"]) == LIMITS.images, answer["rejected"]
        taken = served.peak() - idle
    assert taken < MEMORY, f"{taken / 1e6:.0f} MB beyond the idle server"
