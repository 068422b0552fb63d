"""Pictures as strangers send them on purpose: damaged in eight ways, and what must be answered to them."""

from __future__ import annotations

import io
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image

import clipsim
from benchmarks.performance.load import Caller
from clipsim.encoders import Encoder
from clipsim.settings import Limits
from support import EXAMPLES

LIMITS = Limits()
CAPTION = "a golden retriever standing in the snow"
FORMATS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "AVIF": "avif", "GIF": "gif", "BMP": "bmp", "TIFF": "tif"}
FORMATS["HEIF"] = "heic"
pillow_heif.register_heif_opener()  # for its encoder
File = tuple[str, bytes]
Mutation = Callable[[random.Random, bytes, bytes], bytes]


def make_bases() -> list[File]:
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


def check_damaged(caller: Caller, bases: list[File], encoder: Encoder, count: int) -> None:
    """Send `count` damaged pictures: each is scored or rejected with a reason, and costs no sound one its score."""
    sound = (EXAMPLES[0].name, EXAMPLES[0].read_bytes())
    right = expected([sound], CAPTION, encoder)[sound[0]]
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
