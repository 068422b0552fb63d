"""What people have to tune with: read from its forms, refused with a reason, split by picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import unit
from support.captioned import write_pairs
from support.labelled import COLOURS, draw, write_labelled

from clipsim import CaptionError
from clipsim.tuning.data import FOLDS, read_material, split_pictures


def test_a_csv_of_labels_is_read_as_labels(tmp_path: Path) -> None:
    given = read_material(write_labelled(tmp_path))
    assert given.labelled
    assert len(given.files) == 30
    assert given.texts["0.png"] == ("cat",)
    assert given.files["0.png"] == tmp_path / "0.png"


def test_a_folder_for_each_label_is_read_as_labels(tmp_path: Path) -> None:
    for label, colour in COLOURS.items():
        (tmp_path / f"a_{label}").mkdir()
        for number in range(7):
            draw(colour, number).save(tmp_path / f"a_{label}" / f"{number}.png")
    given = read_material(tmp_path)
    assert given.labelled
    assert given.texts["a_dog/3.png"] == ("a dog",)


def test_captions_are_read_as_evaluate_reads_them(tmp_path: Path) -> None:
    given = read_material(write_pairs(tmp_path, range(20), captions=7))
    assert not given.labelled
    assert len(given.texts["3.png"]) == 5
    assert any("40 captions are left out" in note for note in given.notes)


def test_a_list_of_pairs_is_read_too(tmp_path: Path) -> None:
    write_pairs(tmp_path, range(20))
    given = read_material([(f"{number}.png", f"thing {number}") for number in range(20)], tmp_path)
    assert given.files["7.png"] == tmp_path / "7.png"


def test_a_csv_of_captions_and_labels_is_one_of_captions(tmp_path: Path) -> None:
    path = tmp_path / "both.csv"
    path.write_text("\n".join(["file,label,caption", *(f"{i}.png,x,thing {i}" for i in range(20))]), "utf-8")
    assert not read_material(path).labelled


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([f"{i}.png,thing {i}" for i in range(19)], "19 pictures, and tuning takes 20 at least"),
        ([f"{i}.png,A thing." for i in range(20)], "the same caption"),
        ([f"{i}.png,a thing" for i in range(20)], "the same caption"),
    ],
)
def test_what_teaches_nothing_is_refused(tmp_path: Path, lines: list[str], said: str) -> None:
    path = tmp_path / "captions.csv"
    path.write_text("\n".join(["file,caption", *lines]), "utf-8")
    with pytest.raises(CaptionError, match=said):
        read_material(path)


def test_one_label_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptionError, match="the same label"):
        read_material(write_labelled(tmp_path, 20, ["dog"]))


def test_a_picture_with_two_labels_is_refused(tmp_path: Path) -> None:
    path = write_labelled(tmp_path)
    path.write_text(path.read_text("utf-8") + "0.png,dog\n", "utf-8")
    with pytest.raises(CaptionError, match=r"0.png has 2 labels"):
        read_material(path)


def test_a_collection_is_told_to_have_no_captions(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}", "utf-8")
    with pytest.raises(CaptionError, match="is a collection"):
        read_material(tmp_path)


def test_a_folder_without_folders_is_refused(tmp_path: Path) -> None:
    write_labelled(tmp_path)
    with pytest.raises(CaptionError, match="folders named by labels"):
        read_material(tmp_path)


def test_the_split_holds_out_a_fifth_of_each_label() -> None:
    vectors = unit(np.random.default_rng(0).normal(size=(100, 16)))
    split = split_pictures(vectors, np.arange(100) % 5, 0)
    assert [split.test[np.arange(100) % 5 == kind].sum() for kind in range(5)] == [4] * 5
    assert np.bincount(split.fold, minlength=FOLDS).min() > 10


def test_near_duplicates_stay_together() -> None:
    vectors = unit(np.random.default_rng(0).normal(size=(60, 16)))
    vectors[1::2] = vectors[::2]
    split = split_pictures(vectors, np.zeros(60, int), 0)
    assert (split.test[1::2] == split.test[::2]).all()
    assert (split.fold[1::2] == split.fold[::2]).all()
    assert (split.groups[1::2] == split.groups[::2]).all()


def test_the_seed_decides_the_split() -> None:
    vectors = unit(np.random.default_rng(0).normal(size=(60, 16)))
    first, again, other = (split_pictures(vectors, np.zeros(60, int), seed) for seed in (0, 0, 1))
    assert (first.test == again.test).all() and (first.fold == again.fold).all()
    assert (first.test != other.test).any()
