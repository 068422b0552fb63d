"""How many pictures a model takes best in one pass: tried on the first ones, none of them encoded twice."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import Hashed, paint

import clipsim
from clipsim import Encoder, index_folder
from clipsim.collections import Collection
from clipsim.embedding import Embedded, Pace, stream
from clipsim.embedding.batching import BatchTrial

SIZES = (4, 2, 8)


class Paced(Hashed):
    """An encoder on whose clock a picture takes so many seconds, by how many come together; some have no room.

    Attributes:
        now: what its clock shows.
        given: how many pictures came with each call.
    """

    batch, batch_sizes = SIZES[0], SIZES[1:]

    def __init__(self, seconds: Mapping[int, float], room: int = 100) -> None:
        super().__init__()
        self.seconds, self.room = seconds, room
        self.now = 0.0
        self.given: list[int] = []

    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        if len(images) > self.batch:
            parts = range(0, len(images), self.batch)
            return np.concatenate([self.encode_images(images[start : start + self.batch]) for start in parts])
        if len(images) > self.room:
            raise MemoryError
        self.given.append(len(images))
        self.now += self.seconds.get(len(images), 1.0) * len(images)
        return super().encode_images(images)


def encode(encoder: Paced, count: int) -> list[np.ndarray]:
    """Encode so many pictures as a trial wants them, and return their vectors."""
    trial, vectors = BatchTrial(encoder, clock=lambda: encoder.now), []
    pictures = [paint(4, 4, seed=seed) for seed in range(count)]
    while pictures:
        together, pictures = pictures[: encoder.batch], pictures[encoder.batch :]
        vectors += [*trial.encode_views(together)]
    return vectors


@pytest.mark.parametrize("best", SIZES)
def test_the_quickest_size_is_found_on_pictures_that_are_encoded_once(best: int) -> None:
    encoder = Paced({best: 0.5})
    found, plain = encode(encoder, 80), Paced({}).encode_images([paint(4, 4, seed=seed) for seed in range(80)])
    assert encoder.batch == best and np.array_equal(found, plain)
    assert encoder.given[:6] == [*SIZES, *SIZES] and set(encoder.given[12:-1]) == {best}


def test_what_gains_next_to_nothing_is_no_reason_for_another_size() -> None:
    encoder = Paced({8: 0.99, 2: 0.96})
    encode(encoder, 80)
    assert encoder.batch == 4


def test_a_model_is_tried_once() -> None:
    encoder = Paced({8: 0.5})
    encode(encoder, 80)
    encoder.given.clear()
    encode(encoder, 24)
    assert encoder.given == [8, 8, 8]


def test_a_size_for_which_there_is_no_room_is_given_up_and_costs_no_picture() -> None:
    encoder = Paced({2: 2.0}, room=7)
    assert len(encode(encoder, 80)) == sum(encoder.given) == 80
    assert encoder.batch == 4 and max(encoder.given) == 4
    with pytest.raises(MemoryError):
        encode(Paced({}, room=3), 4)


def test_batches_that_are_not_full_tell_nothing() -> None:
    encoder = Paced({})
    trial = BatchTrial(encoder, clock=lambda: encoder.now)
    for _ in range(20):
        trial.encode_views([paint(4, 4)])
    assert encoder.batch == 4


@pytest.mark.parametrize("finds_batch", [True, False])
def test_sizes_are_tried_where_that_is_asked_for_and_pictures_keep_their_vectors(finds_batch: bool) -> None:
    encoder, pictures = Paced({}), [paint(4, 4, seed=seed) for seed in range(30)]
    streamed = [*stream(pictures, encoder, pace=Pace(finds_batch=finds_batch))]
    assert encoder.given[:3] == ([4, 2, 8] if finds_batch else [4, 4, 4])
    vectors = np.concatenate([one.vectors for one in streamed if isinstance(one, Embedded)])
    assert np.array_equal(vectors, Paced({}).encode_images(pictures))


def read_by_path(folder: Path) -> dict[str, bytes]:
    collection = Collection.open(folder)
    paths = collection.table(["path"])["path"].to_pylist()
    return {path: vector.tobytes() for path, vector in zip(paths, collection.vectors(), strict=True)}


def test_a_collection_is_the_same_whatever_size_was_found(tmp_path: Path, tiny_clip: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for seed in range(90):
        paint(40, 30, seed=seed).save(pictures / f"{seed:02}.png")
    vectors = []
    for batch in (8, 16, 32):
        encoder = clipsim.load(str(tiny_clip), "cpu")
        encoder.batch = batch
        index_folder(pictures, tmp_path / str(batch), encoder)
        vectors.append(read_by_path(tmp_path / str(batch)))
    assert vectors[0] == vectors[1] == vectors[2]


def test_the_stand_in_keeps_its_batch_on_which_the_bits_of_its_vectors_depend(stand_in: Encoder) -> None:
    assert stand_in.batch_sizes == ()
