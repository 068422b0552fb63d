"""Vectors that are kept: found again by content, bounded, and never mixed up."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import ByMean, Counting, paint

import clipsim
from clipsim import ClipsimError, Encoder, Options, score_images
from clipsim.embedding import VectorCache, embed, use_cache, vector_key
from clipsim.embedding.cache import OVERHEAD
from clipsim.scoring.calibration import read_background_captions

PictureFile = Callable[..., Path]


@pytest.fixture
def counting(clip: Encoder) -> Counting:
    return Counting(clip)


def row(number: int, count: int = 1) -> np.ndarray:
    return np.full((count, 8), number, np.float32)


def test_what_was_put_comes_back_with_what_was_said_of_it() -> None:
    kept = VectorCache(10_000)
    kept.put(b"a", row(1, 3), ["note", 5])
    vectors, about = kept.get(b"a") or (None, None)
    assert vectors is not None and vectors.dtype == np.float32
    assert np.array_equal(vectors, row(1, 3))
    assert about == ["note", 5]
    assert kept.get(b"b") is None


def test_the_least_recently_used_goes_first_and_the_bound_holds() -> None:
    kept = VectorCache(20 * (OVERHEAD + 36))
    for number in range(20):
        kept.put(bytes([number]), row(number))
    assert kept.get(bytes([0]))  # asked for just now
    for number in range(20, 30):
        kept.put(bytes([number]), row(number))
        assert kept.bytes <= kept.max_bytes
    assert kept.get(bytes([0])) and kept.get(bytes([29]))
    assert kept.get(bytes([1])) is None


def test_what_is_larger_than_the_whole_cache_is_not_kept() -> None:
    kept = VectorCache(100)
    kept.put(b"a", row(1))
    assert (kept.get(b"a"), kept.bytes) == (None, 0)


def test_a_cache_may_be_shared_between_threads() -> None:
    kept = VectorCache(30 * (OVERHEAD + 36))

    def work(seed: int) -> bool:
        for number in np.random.default_rng(seed).integers(0, 60, 200):
            kept.put(bytes([number]), row(number))
            found = kept.get(bytes([number]))
            if found and found[0][0, 0] != number:
                return False
        return kept.bytes <= kept.max_bytes

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))


def test_a_file_keeps_vectors_for_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "vectors.db"
    VectorCache(10_000, path).put(b"a", row(1))
    again = VectorCache(10_000, path)
    entry = again.get(b"a")
    assert entry and np.array_equal(entry[0], row(1))
    assert again.bytes > 0
    VectorCache(10_000, path).put(b"b", row(2))  # another process
    assert again.get(b"b")


@pytest.mark.parametrize("where", ["notes.txt", "folder", "missing/vectors.db"])
def test_a_file_that_is_no_cache_is_refused_and_left_alone(tmp_path: Path, where: str) -> None:
    (tmp_path / "notes.txt").write_text("my notes, which are longer than a header " * 20)
    (tmp_path / "folder").mkdir()
    with pytest.raises(ClipsimError, match="cannot be used to keep vectors"):
        VectorCache(10_000, tmp_path / where)
    assert "my notes" in (tmp_path / "notes.txt").read_text()


def test_the_same_picture_is_encoded_once_in_whatever_form_it_comes(
    picture_file: PictureFile, counting: Counting
) -> None:
    path = picture_file("a.png", seed=1)
    first = embed(path, counting)
    copy = Path(shutil.copy(path, path.with_name("b.png")))
    for item in (path, str(path), copy, path.read_bytes()):
        assert np.array_equal(embed(item, counting).vectors, first.vectors)
    assert counting.pictures == 1
    image = Image.open(path).convert("RGB")
    assert embed(image, counting).vectors == pytest.approx(first.vectors, abs=1e-6)
    embed(image.copy(), counting)
    assert counting.pictures == 2  # a decoded picture has no file to be known by, but it has pixels


def test_the_same_caption_is_encoded_once(clip: Encoder) -> None:
    counting = Counting(clip, revision="of its own")  # another test's background captions are on disk
    for caption in ("a cat", "a dog", "a cat"):
        score_images([paint(40, 40)], caption, counting)
    assert counting.captions - len(read_background_captions()) == 2 * 2  # for the cosine, and for CLIPScore


def test_another_caption_on_the_same_pictures_encodes_no_picture(picture_file: PictureFile, counting: Counting) -> None:
    paths = [picture_file(f"{n}.png", seed=n) for n in range(5)]
    first = score_images(paths, "a cat", counting)
    before = counting.pictures  # those from which cut-offs are learned at first use too
    again = score_images(paths, "a dog", counting)
    assert counting.pictures == before
    assert {score.name for score in again.scores} == {score.name for score in first.scores}
    same = score_images(paths, "a cat", counting)
    assert [(s.name, s.cosine, s.percentile, s.seen, s.notes) for s in same.scores] == [
        (s.name, s.cosine, s.percentile, s.seen, s.notes) for s in first.scores
    ]


@pytest.mark.parametrize("settled", [2.0, -1.0])
def test_a_picture_that_was_changed_is_encoded_again(
    picture_file: PictureFile, counting: Counting, settled: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where it has the old size and time again, just now or long after."""
    monkeypatch.setattr("clipsim.images.reading.SETTLED", settled)
    path = picture_file("a.png", seed=1)
    before, time = embed(path, counting).vectors, path.stat()
    assert np.array_equal(embed(path, counting).vectors, before)
    paint(48, 40, seed=2).save(path)
    path.write_bytes(path.read_bytes().ljust(time.st_size, b"\0")[: max(time.st_size, path.stat().st_size)])
    os.utime(path, ns=(time.st_atime_ns, time.st_mtime_ns))
    assert np.abs(embed(path, counting).vectors - before).max() > 1e-3


@pytest.mark.parametrize("chosen", [Options("pad"), Options("tiles-best"), Options(contrast="auto")])
def test_each_treatment_has_vectors_of_its_own(counting: Counting, chosen: Options) -> None:
    picture = Image.blend(paint(90, 40), Image.new("RGB", (90, 40), "grey"), 0.7)
    usual = embed(picture, counting)
    other = embed(picture, counting, chosen)
    assert other.vectors.shape != usual.vectors.shape or np.abs(other.vectors - usual.vectors).max() > 1e-4
    for treatment, expected in ((Options(), usual), (chosen, other)):
        again = embed(picture, counting, treatment)
        assert np.array_equal(again.vectors, expected.vectors)
        assert again.pictures == expected.pictures


def test_looks_are_made_anew_where_they_are_wanted_but_not_encoded(counting: Counting) -> None:
    embed(paint(80, 40), counting)
    (picture,) = embed(paint(80, 40), counting, keep_views=True).pictures
    assert picture.views[0].image.size == (32, 32)
    assert counting.pictures == 1


@pytest.mark.parametrize("difference", ["name", "revision", "precision"])
def test_models_revisions_and_precisions_do_not_share(clip: Encoder, difference: str) -> None:
    other = Counting(clip)
    assert vector_key(clip, [b"x"]) == vector_key(other, [b"x"])
    setattr(other, difference, "other")
    assert vector_key(clip, [b"x"]) != vector_key(other, [b"x"])


def test_parts_of_a_key_do_not_run_into_each_other(clip: Encoder) -> None:
    keys = [vector_key(clip, parts) for parts in (["ab", "c"], ["a", "bc"], ["abc"], ["abc", ""])]
    assert len(set(keys)) == len(keys)


def test_an_encoder_without_a_revision_shares_with_none_but_itself() -> None:
    one, other = ByMean(), ByMean()
    assert vector_key(one, ["x"]) == vector_key(one, ["x"])
    assert vector_key(one, ["x"]) != vector_key(other, ["x"])


def test_a_checkpoint_that_is_written_over_has_another_revision(tiny_clip: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_clip, tmp_path / "checkpoint"))
    before = clipsim.load(str(folder), "cpu")
    assert clipsim.load(str(folder), "cpu").revision == before.revision
    weights = folder / "model.safetensors"
    os.utime(weights, ns=(0, weights.stat().st_mtime_ns + 1))
    after = clipsim.load(str(folder), "cpu")
    assert after.revision != before.revision


def test_neither_pictures_nor_captions_are_in_the_file(
    tmp_path: Path, picture_file: PictureFile, clip: Encoder
) -> None:
    encoder, kept = Counting(clip), VectorCache(1_000_000, tmp_path / "vectors.db")
    use_cache(encoder, kept)
    path = picture_file("family-secret.png")
    score_images(path, "a caption that nobody shall read", encoder)
    kept.close()
    written = b"".join(file.read_bytes() for file in tmp_path.glob("vectors.db*"))
    assert len(written) > 1000
    for secret in (b"nobody shall", b"family-secret", path.read_bytes()[40:80]):
        assert secret not in written
