"""What a stranger sends: taken if it was uploaded or is inline, refused by name otherwise; and the care around it."""

import base64
import shutil
from pathlib import Path
from typing import Any

import pytest
from support import ByMean, Counting, paint

from clipsim import ClipsimError, Encoder, EncoderError, ImageError, LimitError
from clipsim.settings import Limits
from clipsim.web.examples import place, read_examples
from clipsim.web.service import Question, Service

LIMITS = Limits()


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    folder = tmp_path / "uploads"
    folder.mkdir()
    return folder


@pytest.fixture
def service(uploads: Path) -> Service:
    return Service(LIMITS, uploads)


def test_an_uploaded_file_is_taken_under_its_own_name(service: Service, uploads: Path) -> None:
    file = uploads / "blob"
    paint(20, 20).save(file, "PNG")
    assert service.receive(str(file)) == (file, "blob")
    assert service.receive({"path": str(file), "orig_name": "../dog.png"}) == (file, "dog.png")


def test_a_data_address_is_taken_as_it_is(service: Service) -> None:
    assert service.receive("data:image/png;base64," + base64.b64encode(b"abc").decode()) == (b"abc", "picture")


PATHS = ["/etc/passwd", "app.py", "../secret.png", "\0", "x" * 4000, "", {"path": "/etc/passwd"}]
ADDRESSES = ["http://localhost/a.png", "https://example.org/a.png", "data:image/png,abc", "data:;base64,***", "data:"]


@pytest.mark.parametrize("sent", [*PATHS, *ADDRESSES, "data:;base64", None, 5, {}, {"path": None}])
def test_anything_else_is_refused(service: Service, sent: Any) -> None:
    with pytest.raises(ImageError):
        service.receive(sent)


@pytest.mark.parametrize("sent", ["x" * 5000, "http://" + "x" * 5000, {"path": "data:", "orig_name": "x" * 5000}])
def test_a_name_or_path_over_the_limit_is_refused_and_not_quoted(service: Service, sent: Any) -> None:
    with pytest.raises(LimitError, match=r"^A text has \d+ characters, and the limit is 4096: shorten it\.$"):
        service.receive(sent)


def test_a_model_over_the_limit_is_refused_and_not_quoted(service: Service) -> None:
    for model, other in (("x" * 5000, "auto"), ("auto", "x" * 5000)):
        with pytest.raises(LimitError, match="5000 characters"):
            service.answer_models(Question([], "a cat", model=model), other)


def test_a_picture_of_a_video_is_no_upload(service: Service, uploads: Path) -> None:
    (uploads / "clip.mp4").write_bytes(b"whatever FFmpeg would open")
    with pytest.raises(ImageError, match=r"clip\.mp4@0s was not uploaded"):
        service.receive(str(uploads / "clip.mp4@0s"))


def test_a_link_out_of_the_upload_folder_is_refused(service: Service, uploads: Path, tmp_path: Path) -> None:
    paint(20, 20).save(tmp_path / "secret.png")
    (uploads / "link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(ImageError, match=r"link\.png was not uploaded"):
        service.receive(str(uploads / "link.png"))


def test_a_file_over_the_limit_is_refused(uploads: Path) -> None:
    service = Service(Limits(file_bytes=10), uploads)
    (uploads / "large.png").write_bytes(bytes(11))
    with pytest.raises(ImageError, match=r"large\.png is larger than 1e-05 MB"):
        service.receive(str(uploads / "large.png"))
    with pytest.raises(ImageError, match="A data: address is larger"):
        service.receive("data:;base64," + "a" * 16)


def test_too_many_pictures_and_too_long_captions_are_refused(service: Service) -> None:
    with pytest.raises(LimitError, match="101 pictures"):
        service.answer(Question([paint(9, 9)] * 101, "x"))
    with pytest.raises(LimitError, match="2001 characters"):
        service.answer(Question([paint(9, 9)], "x" * 2001))
    with pytest.raises(LimitError, match="51 captions"):
        service.answer_captions(Question([paint(9, 9)], None), ["x"] * 51)


def test_a_request_that_takes_too_long_is_ended_with_a_sentence(uploads: Path) -> None:
    service = Service(Limits(seconds=0), uploads, lambda *_, **__: ByMean())
    with pytest.raises(ClipsimError, match=r"After 0 s only \d+ of 40 pictures"):
        service.answer(Question([paint(9, 9, seed) for seed in range(40)], "x"))


def test_one_encoder_serves_all_and_two_at_most_are_kept(uploads: Path) -> None:
    loaded: list[str] = []

    def load(name: str, precision: str, **_: Any) -> Encoder:
        loaded.append(f"{name} {precision}")
        return ByMean()

    service = Service(LIMITS, uploads, load)
    first = service.encoder("a")
    assert service.encoder("a") is first and service.encoder("b") is not first
    assert service.encoder("a") is first
    service.encoder("c")  # b was asked for longest ago
    assert service.encoder("a") is first
    service.encoder("b", "half")
    assert loaded == ["a auto", "b auto", "c auto", "b half"] and len(service.models.loaded()) == 2


def test_encoders_share_one_cache_that_outlives_them(uploads: Path) -> None:
    made: list[Counting] = []

    def load(_: str, precision: str, **__: Any) -> Encoder:
        made.append(Counting(ByMean(), f"weights in {precision}"))
        return made[-1]

    service = Service(LIMITS, uploads, load)
    for name in ("a", "b", "c", "a"):
        service.answer(Question([paint(9, 9)], "x", model=name))
    assert [encoder.pictures for encoder in made] == [1, 0, 0, 0]


def test_a_model_that_cannot_be_had_is_asked_for_anew(service: Service, no_network: Path) -> None:
    assert not no_network.exists()
    for _ in range(2):
        with pytest.raises(EncoderError):
            service.encoder("clip-vit-l-14")


def test_examples_are_placed_below_the_upload_folder_and_again_when_cleared_away(
    service: Service, uploads: Path
) -> None:
    examples, published = read_examples()
    assert examples[0].title == "Golden retriever in the snow"
    for _ in range(2):
        placed = place(examples[0], uploads)
        assert all(service.receive(str(path)) for path in placed.pictures)
        assert [path.name for path in placed.pictures] == [*published]
        shutil.rmtree(uploads / "examples")
