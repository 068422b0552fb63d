"""Child processes give the vectors and notes that this process gives, to the last bit, whatever the framing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import ByMean, paint

import clipsim
from clipsim import Encoder, Options, index_folder, score_images
from clipsim.collections import Collection
from clipsim.embedding import Gallery, Item, VectorCache, embed, use_cache, use_decoder
from clipsim.images import Children, Decoder, Here
from clipsim.options import Contrast, Framing
from clipsim.scoring import map_picture


@pytest.fixture(scope="module")
def children() -> Iterator[Children]:
    pool = Children(60, 600_000_000, 3)
    yield pool
    pool.close()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Item]:
    """Of several forms and sizes, a large one with a small part in its middle, and some that cannot be read."""
    folder = tmp_path_factory.mktemp("pictures")
    forms = {"a.jpg": "RGB", "b.png": "RGBA", "c.tif": "CMYK", "d.png": "P", "e.tif": "F", "f.webp": "RGB"}
    for seed, (name, mode) in enumerate(forms.items()):
        paint(300 + 40 * seed, 500 - 60 * seed, seed=seed).convert(mode).save(folder / name)
    paint(2400, 1800, seed=9).save(folder / "large.jpg")
    paint(900, 100, seed=9).save(folder / "wide.jpg")
    (folder / "damaged.jpg").write_bytes((folder / "a.jpg").read_bytes()[:900])
    data = BytesIO()
    paint(50, 60, seed=8).save(data, "PNG")
    return [*sorted(folder.iterdir()), folder / "gone.jpg", (data.getvalue(), "in the call")]


def decoded_by(decode: Decoder, encoder: Encoder) -> Encoder:
    """The encoder, with an empty cache."""
    use_cache(encoder, VectorCache(100_000_000))
    use_decoder(encoder, decode)
    return encoder


def both(children: Children, pictures: list[Item], encoder: Encoder, options: Options) -> tuple[Gallery, Gallery]:
    here, there = (
        embed(pictures, decoded_by(decode, encoder), options, keep_views=True) for decode in (Here(), children)
    )
    return here, there


@pytest.mark.parametrize(
    ("name", "framing", "contrast"),
    [
        ("stand_in", "crop", "as-is"),
        ("clip", "crop", "auto"),
        ("clip", "pad", "auto"),
        ("clip", "tiles-best", "as-is"),
        ("siglip", "crop", "as-is"),
    ],
)
def test_children_give_the_vectors_of_this_process(
    children: Children,
    pictures: list[Item],
    name: str,
    framing: Framing,
    contrast: Contrast,
    request: pytest.FixtureRequest,
) -> None:
    encoder = request.getfixturevalue(name)
    here, there = both(children, pictures, encoder, Options(framing, contrast))
    assert np.array_equal(here.vectors, there.vectors)
    assert here.rejected == there.rejected
    for one, other in zip(here.pictures, there.pictures, strict=True):
        assert (one.name, one.notes, one.size, one.coverage) == (other.name, other.notes, other.size, other.coverage)
        for view, same in zip(one.views, other.views, strict=True):
            assert view.box == same.box
            assert np.array_equal(np.asarray(view.image), np.asarray(same.image))


def test_a_model_that_alone_knows_how_it_frames_gets_whole_pictures(children: Children, pictures: list[Item]) -> None:
    here, there = both(children, pictures, ByMean(), Options())
    assert np.array_equal(here.vectors, there.vectors)
    assert here.rejected == there.rejected


def test_answers_of_every_kind_are_the_same(
    children: Children, pictures: list[Item], stand_in: Encoder, tmp_path: Path
) -> None:
    answers, pictures, few = [], pictures[:2], tmp_path / "few"
    few.mkdir()
    paint(300, 200).save(few / "a.png")
    for decode, place in ((Here(), "here"), (children, "there")):
        encoder = decoded_by(decode, stand_in)
        result = score_images(pictures, "a dog", encoder, words=True, heatmap=True, thumbnails=True)
        like = score_images(pictures, None, encoder, reference=pictures[0])
        table = clipsim.score_captions(pictures, ["a dog", "a cat"], encoder)
        source = pictures[0]
        maps = map_picture(source, "a dog", encoder, words=("a", "dog"))
        index_folder(few, tmp_path / place, encoder)
        hits = Collection.open(tmp_path / place).search("a dog", encoder, thumbnails=True)[0]
        answers.append((result.scores, result.rejected, like.scores, table.cosines, maps, replace(hits, collection="")))
    assert answers[0] == answers[1]


def test_a_picture_in_memory_is_scored_too(children: Children, stand_in: Encoder) -> None:
    image = Image.new("RGB", (300, 200), "red")
    here, there = both(children, [image], stand_in, Options())
    assert np.array_equal(here.vectors, there.vectors)
