"""What strangers send on purpose: damaged pictures, odd captions, too much of everything, half of a request."""

from __future__ import annotations

import json
import math
import os
import random
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import support
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from support import EXAMPLES, ROOT
from support.held_page import QUEUE
from support.hostile import CAPTION, File, check_damaged, cosines, expected, is_a_sentence, small_picture

import clipsim
from benchmarks.performance.load import Caller, QueueFullError, Served, ServerError, serving
from clipsim.encoders import Encoder
from clipsim.errors import CaptionError
from clipsim.settings import Limits
from clipsim.web.sweeper import KEPT_SECONDS

LIMITS = Limits()


def test_every_damaged_picture_is_scored_or_rejected_with_a_reason(
    caller: Caller, bases: list[File], stand_in: Encoder
) -> None:
    check_damaged(caller, bases, stand_in, 99)


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


def test_a_share_of_the_queue_that_is_full_says_so_and_loses_nobody_who_is_in_it(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
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
        begun += [caller.begin(request) for _ in range(QUEUE - 1)]
        with pytest.raises(QueueFullError, match=f"{QUEUE - 1} requests of your network wait already"):
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
        _age(old, KEPT_SECONDS + 60)
        _age(outside, KEPT_SECONDS + 60)
        _age(young, KEPT_SECONDS - 600)
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
