"""Pictures into vectors: their names, their batches, the ones that cannot be read, and several looks at one picture."""

from __future__ import annotations

import itertools
import math
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import ByMean, Counting, PictureFile, paint

import clipsim
from clipsim import ClipsimError, Encoder, EncoderError, Options
from clipsim.embedding import Embedded, Gallery, Item, PictureInfo, Rejected, embed, name_sources, stream, use_decoder
from clipsim.embedding.framing import frame
from clipsim.embedding.pipeline import Pace
from clipsim.encoders import BATCH
from clipsim.images import Here, Picture, read
from clipsim.images.decoding import Work
from clipsim.options import Framing, Precision

Colour = tuple[int, int, int]
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
AXES = np.eye(3, dtype=np.float32)  # what a caption that says "red", "green" or "blue" would become


def plain(colour: Colour, size: tuple[int, int] = (4, 4)) -> Image.Image:
    return Image.new("RGB", size, colour)


def numbered(number: int, size: tuple[int, int] = (4, 4)) -> Image.Image:
    """Pictures that `ByMean` tells apart by the angle of their red and green."""
    return plain((number, 255 - number, 0), size)


def halves(left: Colour, right: Colour, size: tuple[int, int] = (80, 40)) -> Image.Image:
    image = plain(left, size)
    image.paste(right, (size[0] // 2, 0, *size))
    return image


def names(items: list[Item]) -> list[str]:
    return [picture.name for picture in embed(items, ByMean()).pictures]


def test_pictures_are_named_by_file_pair_or_place(picture_file: Callable[..., Path]) -> None:
    path = picture_file("sub/dog.png")
    items: list[Item] = [path, str(path), path.read_bytes(), paint(9, 9), (path, "my dog"), (b"", "gone")]
    gallery = embed(items, ByMean())
    assert [picture.name for picture in gallery.pictures] == ["dog.png", "dog.png (2)", "image 3", "image 4", "my dog"]
    assert [rejected.name for rejected in gallery.rejected] == ["gone"]


@pytest.mark.parametrize(
    "given",
    [["a"] * 5, ["a", "a", "a (2)"], ["a (2)", "a", "a"], ["a", "a (2)", "a", "a (2)", "a (3)", "a"], ["image 2", ""]],
)
def test_names_are_made_unique_and_the_first_keeps_its_own(given: list[str]) -> None:
    unique = names([(plain(RED), name) for name in given])
    assert len(set(unique)) == len(given)
    assert all(name in unique for name in given)
    assert all(new.startswith(old) for new, old in zip(unique, given, strict=True))


def test_names_that_were_made_unique_stay_as_they_are() -> None:
    items: list[Item] = [(plain(RED), "a"), (plain(RED), "a"), plain(RED)]
    once = list(name_sources(items))
    assert [name for _, name in once] == ["a", "a (2)", "image 3"]
    assert name_sources(once) == once


@pytest.mark.parametrize("form", ["path", "text", "bytes", "image"])
def test_a_single_picture_needs_no_list(form: str, picture_file: Callable[..., Path]) -> None:
    path = picture_file("dog.png")
    item: Any = {"path": path, "text": str(path), "bytes": path.read_bytes(), "image": Image.open(path)}[form]
    gallery = embed(item, ByMean())
    assert (len(gallery.pictures), gallery.rejected) == (1, ())
    assert np.array_equal(gallery.vectors, embed([item], ByMean()).vectors)


def test_a_generator_of_pictures_is_enough() -> None:
    assert len(embed((plain(colour) for colour in (RED, GREEN)), ByMean()).pictures) == 2


@pytest.mark.parametrize("items", [[], (), iter(())])
def test_no_pictures_is_an_error(items: Any) -> None:
    with pytest.raises(ClipsimError, match="no pictures"):
        embed(items, ByMean())


def test_a_bad_picture_costs_the_others_nothing() -> None:
    good: list[Item] = [(plain(RED), "red"), (plain(GREEN), "green")]
    mixed = embed([(b"", "nothing.png"), good[0], (b"text", "notes.jpg"), good[1]], ByMean())
    assert np.array_equal(mixed.vectors, embed(good, ByMean()).vectors)
    assert [picture.name for picture in mixed.pictures] == ["red", "green"]
    assert [rejected.name for rejected in mixed.rejected] == ["nothing.png", "notes.jpg"]
    assert "empty" in mixed.rejected[0].reason
    assert "not a picture" in mixed.rejected[1].reason


@pytest.mark.parametrize("framing", ["crop", "tiles-best", "tiles-mean"])
def test_only_bad_pictures_make_an_empty_gallery(framing: Framing) -> None:
    gallery = embed([b"text", b""], ByMean(), Options(framing))
    assert (gallery.pictures, gallery.vectors.shape, gallery.starts.tolist()) == ((), (0, 3), [])
    assert gallery.cosines(AXES).shape == (0, 3)
    assert [rejected.name for rejected in gallery.rejected] == ["image 1", "image 2"]


@pytest.mark.parametrize(
    "items",
    [
        pytest.param([plain(RED)] * (2 * BATCH + 3), id="all good"),
        pytest.param([b""] + [plain(RED)] * BATCH + [b"", b""], id="some bad"),
        pytest.param([b"", b"text"], id="all bad"),
    ],
)
def test_progress_counts_up_to_all_pictures(items: list[Item]) -> None:
    calls: list[tuple[int, int]] = []
    embed(items, ByMean(), progress=lambda done, total: calls.append((done, total)))
    assert calls == sorted(calls)
    assert {total for _, total in calls} == {len(items)}
    assert calls[-1] == (len(items), len(items))


def test_many_pictures_are_encoded_in_batches_and_keep_their_own_vectors() -> None:
    encoder, count = ByMean(), 2 * BATCH + 5
    gallery = embed([(numbered(n), f"{n}") for n in range(count)], encoder)
    assert encoder.batches == [BATCH, BATCH, 5]
    assert [int(picture.name) for picture in gallery.pictures] == list(range(count))
    expected = [n / math.hypot(n, 255 - n) for n in range(count)]
    assert gallery.cosines(AXES)[:, 0] == pytest.approx(expected, abs=1e-6)


def test_large_pictures_share_no_batch() -> None:
    assert Pace().batch_pixels <= 100_000_000
    encoder = ByMean()
    sizes = [(10, 10), (30, 30), (30, 30), (50, 50), (10, 10), (10, 10)]
    gallery = embed(
        [(numbered(n, size), f"{n}") for n, size in enumerate(sizes)], encoder, pace=Pace(batch_pixels=1000)
    )
    assert encoder.batches == [2, 1, 1, 2]
    assert [picture.name for picture in gallery.pictures] == list("012345")


@pytest.mark.parametrize("framing", ["crop", "tiles-best"])
def test_one_batch_of_decoded_pictures_is_held_at_once(framing: Framing, picture_file: Callable[..., Path]) -> None:
    """Whatever is decoded is watched while the next picture is."""
    decoded: list[weakref.ref[Image.Image]] = []
    alive: list[int] = []

    def watched(work: Work[Any], *picture: Any) -> Any:
        alive.append(sum(image() is not None for image in decoded))
        done = Here()(work, *picture)
        decoded.append(weakref.ref(done.image))
        return done

    encoder = ByMean()
    use_decoder(encoder, watched)
    files = [picture_file(f"{n}.png", seed=n, size=(12, 9)) for n in range(3 * BATCH + 2)]
    embed(files, encoder, Options(framing))
    assert len(alive) == len(files)
    assert max(alive) <= BATCH + 1


def test_with_tiles_each_picture_has_its_own_run_of_vectors() -> None:
    encoder = ByMean()
    images = [halves(RED, GREEN), plain(BLUE, (40, 40)), paint(50, 90)]
    gallery = embed(images, encoder, Options("tiles-best"))
    each = [frame(image, encoder, Options("tiles-best")) for image in images]
    assert gallery.starts.tolist() == [0, len(each[0]), len(each[0]) + len(each[1])]
    assert gallery.vectors == pytest.approx(
        encoder.encode_views([look.image for looks in each for look in looks]), abs=1e-6
    )


def test_the_mean_of_tiles_is_one_vector_of_unit_length() -> None:
    encoder = ByMean()
    images = [halves(RED, GREEN), paint(50, 90)]
    gallery = embed(images, encoder, Options("tiles-mean"))
    assert gallery.starts.tolist() == [0, 1]
    for vector, image in zip(gallery.vectors, images, strict=True):
        mean = encoder.encode_views([look.image for look in frame(image, encoder, Options("tiles-best"))]).mean(axis=0)
        assert vector == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)


def test_tiles_are_kept_apart_across_batches() -> None:
    items: list[Item] = [(halves(RED, GREEN) if n % 3 else plain(BLUE), f"{n}") for n in range(BATCH + 4)]
    gallery = embed(items, ByMean(), Options("tiles-best"))
    blue = gallery.cosines(AXES)[:, 2]
    assert [n for n, cosine in enumerate(blue) if cosine > 0.9] == list(range(0, BATCH + 4, 3))


def test_the_best_look_counts_for_each_caption() -> None:
    """Half red and half green: in one of the tiles all of it is red, in another all is green."""
    whole = embed([halves(RED, GREEN)], ByMean()).cosines(AXES)
    best = embed([halves(RED, GREEN)], ByMean(), Options("tiles-best")).cosines(AXES)
    mean = embed([halves(RED, GREEN)], ByMean(), Options("tiles-mean")).cosines(AXES)
    assert best[0] == pytest.approx([1, 1, 0], abs=1e-6)
    assert whole[0] == pytest.approx([0.5**0.5, 0.5**0.5, 0], abs=1e-6)
    assert mean[0] == pytest.approx([0.5**0.5, 0.5**0.5, 0], abs=1e-6)


def test_the_best_of_negative_cosines_is_the_least_negative() -> None:
    vectors = np.asarray([[-1, 0], [-0.6, 0.8], [0.8, -0.6]], np.float32)
    gallery = Gallery(
        (PictureInfo("a", (), (1, 1), 1), PictureInfo("b", (), (1, 1), 1)), vectors, np.asarray([0, 2]), ()
    )
    assert gallery.cosines(np.asarray([[1, 0], [0, 1]], np.float32)).tolist() == pytest.approx(
        np.asarray([[-0.6, 0.8], [0.8, -0.6]])
    )


def test_rounding_never_lifts_a_cosine_above_one() -> None:
    vectors = np.asarray([[1.0000001, 0], [-1.0000001, 0], [0.6, 0.8]], np.float32)
    gallery = Gallery(tuple(PictureInfo(n, (), (1, 1), 1) for n in "abc"), vectors, np.arange(3), ())
    cosine = gallery.cosines(vectors[:1])
    assert cosine[:, 0].tolist() == pytest.approx([1, -1, 0.6])
    assert np.abs(cosine).max() <= 1


def test_looks_are_kept_only_if_they_are_wanted(clip: Encoder) -> None:
    assert embed([paint(80, 40)], clip).pictures[0].views == ()
    (look,) = embed([paint(80, 40)], clip, keep_views=True).pictures[0].views
    assert (look.image.size, look.box) == ((32, 32), (20, 0, 60, 40))


@pytest.mark.parametrize(("framing", "size"), [("crop", (100, 100)), ("pad", (160, 80)), ("tiles-mean", (160, 80))])
def test_a_thumbnail_is_cut_from_the_picture_and_is_finer_than_what_the_model_saw(
    clip: Encoder, framing: Framing, size: tuple[int, int]
) -> None:
    picture = paint(200, 100)
    (one,) = stream([picture], clip, Options(framing), thumbnail=160)
    assert isinstance(one, Embedded)
    small = Image.open(BytesIO(one.info.thumbnail))
    assert small.size == size
    seen = picture.crop((50, 0, 150, 100)) if framing == "crop" else picture.resize(size)
    assert np.abs(np.asarray(small, float) - np.asarray(seen, float)).mean() < 4
    (without,) = stream([picture], clip, Options(framing))
    assert isinstance(without, Embedded) and without.info.thumbnail == b""


@pytest.mark.parametrize(
    ("size", "share", "noted"), [((60, 60), 1, False), ((90, 60), 2 / 3, False), ((200, 60), 0.3, True)]
)
def test_a_picture_of_which_the_model_saw_less_than_half_says_so(
    clip: Encoder, size: tuple[int, int], share: float, noted: bool
) -> None:
    (cropped,) = embed([paint(*size)], clip).pictures
    assert cropped.coverage == pytest.approx(share, abs=0.02)
    assert cropped.notes == (("the model saw the middle 30%",) if noted else ())
    (padded,) = embed([paint(*size)], clip, Options("pad")).pictures
    assert padded.coverage == pytest.approx(1)
    assert padded.notes == ()


def test_what_was_done_to_a_picture_is_said_with_its_upright_size() -> None:
    (picture,) = embed([(Image.new("RGBA", (40, 30), (0, 255, 0, 128)), "clear")], ByMean()).pictures
    assert (picture.size, picture.notes) == ((40, 30), ("transparency flattened on white",))


def test_a_stream_gives_pictures_in_their_order_before_the_last_is_asked_for() -> None:
    asked = 0

    def endless() -> Iterator[Item]:
        nonlocal asked
        for number in itertools.count():
            asked += 1
            yield (b"" if number % 7 == 3 else numbered(number % 256)), f"{number}"

    encoder = ByMean()
    found = list(itertools.islice(stream(endless(), encoder), 40))
    assert [one.name if isinstance(one, Rejected) else one.info.name for one in found] == [str(n) for n in range(40)]
    assert [n for n, one in enumerate(found) if isinstance(one, Rejected)] == [3, 10, 17, 24, 31, 38]
    assert asked <= 40 + BATCH + Pace().workers


def test_however_many_pictures_come_few_are_held() -> None:
    alive: list[weakref.ref[Image.Image]] = []
    most = 0

    def many() -> Iterator[Item]:
        nonlocal most
        for number in range(12 * BATCH):
            image = plain((number % 256, 255 - number % 256, number // 256))
            alive.append(weakref.ref(image))
            yield image, f"{number}"
            del image
            most = max(most, sum(one() is not None for one in alive))

    assert len(embed(many(), ByMean()).pictures) == 12 * BATCH
    assert most <= 2 * (BATCH + Pace().workers)


def test_names_of_an_iterator_are_told_apart_as_they_come() -> None:
    given = ["a", "a", "a (2)", "b", "a"]
    unique = [name for _, name in name_sources((plain(RED), name) for name in given)]
    assert unique == ["a", "a (2)", "a (2) (2)", "b", "a (3)"]


def test_whoever_stops_early_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    for _ in range(5):
        next(iter(stream([numbered(n) for n in range(100)], ByMean())))
    until = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() <= before


def test_an_error_of_the_encoder_ends_a_stream_with_that_error() -> None:
    class Broken(ByMean):
        def encode_images(self, _: list[Image.Image]) -> np.ndarray:
            raise EncoderError("by mean is broken: mend it")

    with pytest.raises(EncoderError, match="mend it"):
        embed([numbered(n) for n in range(50)], Broken())


def test_very_large_pictures_are_decoded_two_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    pace = Pace(workers=6, large=100)
    at_once, most, lock = 0, 0, threading.Lock()

    def watched(*arguments: Any) -> Picture:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.01)
        picture = read(*arguments)
        with lock:
            at_once -= 1
        return picture

    monkeypatch.setattr("clipsim.embedding.pipeline.read", watched)
    embed([numbered(n, (20, 20)) for n in range(30)], ByMean(), pace=pace)
    assert most == 2
    embed([numbered(n, (4, 5)) for n in range(30)], ByMean(), pace=pace)
    assert most > 2


@pytest.mark.parametrize(("precision", "size"), [("full", (1600, 1200)), ("half", (200, 150))])
def test_large_jpegs_are_decoded_smaller_in_half_precision_only(
    tiny_clip: Path, picture_file: Callable[..., Path], precision: Precision, size: tuple[int, int]
) -> None:
    """At least `DRAFT_MARGIN` times 32 pixels a side are left; boxes are in the pixels of what was decoded."""
    encoder: Any = clipsim.load(str(tiny_clip), "cpu", precision)
    jpeg = picture_file("a.jpg", size=(1600, 1200))
    (picture,) = embed(jpeg, encoder, keep_views=True).pictures
    assert picture.size == size
    assert picture.coverage == pytest.approx(0.75, abs=0.02)
    full = embed(jpeg, clipsim.load(str(tiny_clip), "cpu", "full")).vectors
    assert embed(jpeg, encoder).vectors == pytest.approx(full, abs=0.05)
    (small,) = embed(picture_file("b.jpg", size=(160, 120)), encoder).pictures
    assert small.size == (160, 120)


def test_large_jpegs_are_decoded_smaller_for_an_encoder_in_int8(clip: Encoder, picture_file: PictureFile) -> None:
    narrow = Counting(clip)
    narrow.precision = "int8"
    (picture,) = embed(picture_file("a.jpg", size=(1600, 1200)), narrow).pictures
    assert picture.size == (200, 150)


def test_a_pil_image_of_the_callers_own_is_not_drafted(tiny_clip: Path, picture_file: Callable[..., Path]) -> None:
    image = Image.open(picture_file("a.jpg", size=(1600, 1200)))
    embed(image, clipsim.load(str(tiny_clip), "cpu", "half"))
    assert image.size == (1600, 1200)
    assert np.asarray(image).shape == (1200, 1600, 3)


class Overlapping(ByMean):
    """An encoder that takes two batches at once, and is done with one when the next has come.

    Attributes:
        last: the number of the batch after which none is awaited, nor after any later one.
        together: how many batches there were at once, at most.
    """

    in_flight, reads_ahead = 2, True

    def __init__(self, last: int, broken: int = 0) -> None:
        super().__init__()
        self.last, self.broken = last, broken
        self.together = self.now = 0
        self._changed = threading.Condition()

    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        with self._changed:
            vectors = super().encode_images(images)
            own = len(self.batches)
            self.now += 1
            self.together = max(self.together, self.now)
            self._changed.notify_all()
            if own < self.last:
                assert self._changed.wait_for(lambda: len(self.batches) > own, timeout=20)
            self._changed.wait(0.01)  # in which the next may come
            self.now -= 1
        if own == self.broken:
            raise EncoderError("the device is lost")
        return vectors


def test_a_gpu_is_given_the_next_batch_while_it_calculates_and_pictures_stay_in_order() -> None:
    items: list[Item] = [(numbered(n), f"{n}") for n in range(3 * BATCH + 5)]
    encoder = Overlapping(last=4)
    gallery, plain = embed(items, encoder), embed(items, ByMean())
    assert (encoder.batches, encoder.together) == ([BATCH, BATCH, BATCH, 5], 2)
    assert gallery.pictures == plain.pictures and np.array_equal(gallery.vectors, plain.vectors)


def test_what_goes_wrong_with_a_batch_that_was_handed_over_is_raised() -> None:
    with pytest.raises(EncoderError, match="the device is lost"):
        embed([numbered(n) for n in range(3 * BATCH)], Overlapping(last=3, broken=2))


def test_sizes_of_batches_are_tried_one_batch_at_a_time() -> None:
    encoder = Overlapping(last=0)
    encoder.batch_sizes = (2 * BATCH,)
    streamed = [*stream([numbered(n) for n in range(5 * BATCH)], encoder, pace=Pace(finds_batch=True))]
    assert (len(streamed), encoder.batches, encoder.together) == (5 * BATCH, [BATCH, 2 * BATCH, BATCH, BATCH], 1)
