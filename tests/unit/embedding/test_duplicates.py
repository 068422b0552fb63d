"""Near duplicates: joined by chains, across blocks."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from support import paint

from clipsim.embedding.duplicates import MOST_BITS, group_duplicates, hash_picture


@pytest.mark.parametrize("block", [1, 7, 40, 4_096])
def test_duplicates_are_joined_by_chains_across_blocks(block: int) -> None:
    angles = np.deg2rad([0, 90, 10, 180, 20, 91])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    groups = group_duplicates(6, lambda rows: vectors[rows], np.cos(np.deg2rad(11)), block)
    assert [group.tolist() for group in groups] == [[0, 2, 4], [1, 5]]


def test_a_hash_stays_nearly_the_same_when_a_picture_is_resized_or_encoded_again() -> None:
    picture = paint(480, 400, 1)
    original = hash_picture(encode(picture, quality=95))
    for copy in (encode(picture, quality=15), encode(picture.resize((120, 100))), encode(picture.convert("L"))):
        assert np.count_nonzero(hash_picture(copy) != original) <= MOST_BITS
    assert np.count_nonzero(hash_picture(encode(paint(480, 400, 2))) != original) > MOST_BITS
    assert set(original.tolist()) == {-1, 1}


def test_what_is_flat_or_missing_has_no_hash() -> None:
    for data in (b"", encode(Image.new("RGB", (64, 64), "white")), encode(Image.new("RGB", (64, 64)))):
        assert not hash_picture(data).any()


def encode(picture: Image.Image, quality: int = 75) -> bytes:
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=quality)
    return data.getvalue()
