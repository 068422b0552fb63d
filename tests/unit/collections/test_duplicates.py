"""Near duplicates of a collection."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from PIL import Image
from support import paint
from support.collections import fill, make_rows, random_vectors

from clipsim import Collection, Encoder, index_folder
from clipsim.collections.store import EmbeddingConfig, Writer


def test_near_duplicates_are_grouped(folder: Path) -> None:
    vectors = random_vectors(40, 64)
    vectors[[3, 20, 39]] = vectors[3]
    vectors[30] = vectors[11]
    assert fill(folder, vectors).duplicates() == [["3.jpg", "20.jpg", "39.jpg"], ["11.jpg", "30.jpg"]]


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    """Two pictures, one of them four times: as it is, smaller, coarser, and again to the byte."""
    source = tmp_path / "pictures"
    source.mkdir()
    picture = paint(480, 400, 1)
    picture.save(source / "a.png")
    picture.resize((240, 200)).save(source / "half.jpg", quality=60)
    picture.save(source / "coarse.jpg", quality=15)
    shutil.copy(source / "a.png", source / "again.png")
    paint(480, 400, 2).save(source / "other.png")
    return source


def test_copies_are_found_that_were_resized_and_encoded_again(copies: Path, folder: Path, stand_in: Encoder) -> None:
    index_folder(copies, folder, stand_in)
    collection = Collection.open(folder)
    assert collection.duplicates(2) == [["a.png", "again.png", "coarse.jpg", "half.jpg"]]  # no cosine is that high
    assert collection.duplicates() == collection.duplicates(2)


def test_copies_to_the_byte_are_found_by_digest_alone(copies: Path, folder: Path, stand_in: Encoder) -> None:
    index_folder(copies, folder, stand_in)
    assert Collection.open(folder).duplicates(exact=True) == [["a.png", "again.png"]]


def test_pictures_without_digest_or_thumbnail_are_not_alike_for_that(folder: Path) -> None:
    assert fill(folder, random_vectors(6, 64)).duplicates(exact=True) == []
    assert Collection.open(folder).duplicates() == []


def test_segments_are_joined_by_what_is_equal_in_them(folder: Path) -> None:
    flat = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(flat, "JPEG")
    with Writer(folder, EmbeddingConfig("made-up", "", 64)) as writer:
        for first, digest in ((0, "a"), (1, "b"), (2, "a")):
            row = make_rows(1, first).to_pylist()[0] | {"digest": digest, "thumbnail": flat.getvalue()}
            writer.add(pa.Table.from_pylist([row], make_rows(0).schema), random_vectors(1, 64, first))
    collection = Collection.open(folder)
    assert collection.duplicates(exact=True) == [["0.jpg", "2.jpg"]]
    assert collection.duplicates() == []  # flat pictures have no look of their own
