"""A judge is asked of pictures from anywhere, once of each, and one that cannot be read does not cost the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import PictureFile, paint
from support.judges import Counting

from clipsim import load_judge
from clipsim.embedding import Rejected, VectorCache, use_cache
from clipsim.images import Source
from clipsim.judges import Judge, ask
from clipsim.judges.framing import FitPixels


def grey(light: int) -> Image.Image:
    return Image.new("RGB", (8, 8), (light, light, light))


def test_pictures_of_every_kind_come_in_their_order(picture_file: PictureFile) -> None:
    path = picture_file("dark.png")
    grey(0).save(path)
    pictures: list[tuple[Source, str]] = [(grey(255), "bright"), (path, "dark"), (path.read_bytes(), "bytes")]
    assert list(ask(Counting(), pictures, "a cat")) == [("bright", 1.0), ("dark", 0.0), ("bytes", 0.0)]


def test_nothing_is_asked_twice_of_the_same_content(picture_file: PictureFile) -> None:
    judge, path = Counting(), picture_file("a.png", seed=1)
    copy = path.with_name("b.png")
    copy.write_bytes(path.read_bytes())
    first = dict(one for one in ask(judge, [(path, "a")], "a cat") if not isinstance(one, Rejected))
    assert list(ask(judge, [(copy, "b"), (path.read_bytes(), "c")], "a cat")) == [("b", first["a"]), ("c", first["a"])]
    assert judge.asked == ["a cat"]
    list(ask(judge, [(copy, "b")], "a dog"))
    path.write_bytes(picture_file("other.png", seed=2).read_bytes())
    list(ask(judge, [(path, "a")], "a cat"))
    assert judge.asked == ["a cat", "a dog", "a cat"]


def test_another_judge_or_revision_is_asked_anew_and_the_cache_has_a_limit(picture_file: PictureFile) -> None:
    path, cache = picture_file("a.png"), VectorCache(2000)
    judges = [Counting(), Counting(), Counting()]
    judges[1].revision = "2"
    judges[2].name = "other"
    for judge in judges:
        use_cache(judge, cache)
        list(ask(judge, [(path, "a")], "a cat"))
        assert judge.asked == ["a cat"]
    for i in range(50):
        list(ask(judges[0], [(path, "a")], f"caption {i}"))
    assert cache.bytes <= 2000


def test_pixels_in_memory_are_known_by_what_they_show_and_not_by_their_numbers_alone() -> None:
    judge = Counting()
    striped = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8)).convert("P")
    other = striped.copy()
    striped.putpalette([0, 0, 0, 255, 255, 255])
    other.putpalette([9, 9, 9, 20, 20, 20])
    rated = [one for one in ask(judge, [(striped, "a"), (other, "b")], "a cat") if not isinstance(one, Rejected)]
    assert len({probability for _, probability in rated}) == 2


def test_what_cannot_be_read_is_told_beside_the_others(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    pictures: list[tuple[Source, str]] = [(broken, "broken.jpg"), (grey(255), "a"), (tmp_path / "gone.png", "gone.png")]
    one, other, last = ask(Counting(), pictures, "a cat")
    assert other == ("a", 1.0)
    assert isinstance(one, Rejected) and isinstance(last, Rejected) and last.name == "gone.png"


@pytest.mark.parametrize("batch", [1, 2, 16])
def test_a_real_judge_says_the_same_of_a_file_and_of_its_pixels(
    tiny_blip: Path, picture_file: PictureFile, batch: int
) -> None:
    judge: Judge = load_judge(str(tiny_blip), "cpu")
    judge.ensure_loaded()
    judge.batch = batch
    paths = [picture_file(f"{i}.png", seed=i) for i in range(3)]
    from_files = list(ask(judge, [(path, path.name) for path in paths], "the cat"))
    in_memory: list[tuple[Source, str]] = [(paint(48, 40, seed=i), f"{i}.png") for i in range(3)]
    use_cache(judge, VectorCache(1))
    again = list(ask(judge, in_memory, "the cat"))
    for one, other in zip(from_files, again, strict=True):
        assert not isinstance(one, Rejected) and not isinstance(other, Rejected)
        assert one[0] == other[0] and one[1] == pytest.approx(other[1], abs=2e-5)


@pytest.mark.parametrize("size", [(1, 1), (31, 33), (640, 480), (4000, 3000), (3000, 20), (20, 3000), (100, 9000)])
def test_pixels_are_fitted_as_qwens_own_processor_fits_them(size: tuple[int, int]) -> None:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

    height, width = smart_resize(size[1], size[0], factor=32, min_pixels=4096, max_pixels=1_843_200)
    fit = FitPixels(32, 4096, 1_843_200)
    assert fit.size(*size) == (width, height)
    assert fit(Image.new("RGB", size)).size == (width, height)


def test_a_strip_that_its_processor_would_refuse_is_squeezed() -> None:
    width, height = FitPixels(32, 4096, 1_843_200).size(50_000, 1)
    assert height < width <= 200 * height and 4096 <= width * height <= 1_843_200
