"""`clipsim.calibrate`: from captioned pictures to cut-offs that scores use from then on."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import cached_assets_path
from support import paint
from support.captioned import Subjects, write_pairs

import clipsim
from clipsim import CaptionError, Collection, Encoder, calibrate, index_folder, score_images
from clipsim.report.sentences import trust
from clipsim.scoring import find_calibration
from clipsim.scoring.keeping import find_own_calibration


@pytest.fixture(autouse=True)
def nothing_learned() -> Iterator[None]:
    """No calibration in the cache of assets, before and after."""
    folder = Path(cached_assets_path("clipsim", "calibration"))
    shutil.rmtree(folder, ignore_errors=True)
    yield
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """50 pictures, the fewest that will do."""
    return write_pairs(tmp_path_factory.mktemp("pairs"), range(50))


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """50 pictures that a small CLIP can look at."""
    path = write_pairs(tmp_path_factory.mktemp("painted"), range(50))
    for number in range(50):
        paint(40, 32, seed=number).save(path.parent / f"{number}.png")
    return path


@pytest.fixture
def checkpoint(tiny_clip: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_clip, tmp_path / "mine")


def test_scores_use_what_was_learned_also_where_the_model_was_used_before(pairs: Path) -> None:
    used, other = Subjects(revision="1", strength=3), Subjects(revision="1", strength=3)
    for encoder in (used, other):
        before = score_images(pairs.parent / "7.png", "thing 7", encoder)
        assert "unknown for this model" in trust(before, find_calibration(encoder))
    found = calibrate(pairs, used)
    assert found.calibration is not None
    for encoder in (used, other, Subjects(revision="1", strength=3)):
        known = find_calibration(encoder)
        assert known is not None
        assert known.cutoffs == found.cutoffs == found.calibration.cutoffs
        result = score_images(pairs.parent / "7.png", "thing 7", encoder)
        (score,) = result.scores
        assert score.percentile is not None
        assert score.verdict == known.cutoffs.verdict(score.percentile)
        assert "Measured on your own 50 captioned pictures" in trust(result, known)


def test_a_second_calibration_takes_the_place_of_the_first(pairs: Path, tmp_path: Path) -> None:
    encoder = Subjects(revision="1")
    first = calibrate(pairs, encoder)
    second = calibrate(write_pairs(tmp_path / "others", range(100, 160)), encoder)
    known = find_calibration(encoder)
    assert known is not None
    assert known.origin == "your own 60 captioned pictures"
    assert known.cutoffs == second.cutoffs != first.cutoffs
    assert second.kept == first.kept


def test_a_calibration_of_other_weights_or_another_prompt_is_not_used(pairs: Path) -> None:
    calibrate(pairs, Subjects(revision="1"))
    assert find_own_calibration(Subjects(revision="1")) is not None
    assert find_own_calibration(Subjects(revision="2")) is None
    assert find_own_calibration(Subjects("others", revision="1")) is None
    assert find_own_calibration(Subjects(revision="1"), "photo") is None
    calibrate(pairs, Subjects(revision="1"), prompt="photo")
    assert find_own_calibration(Subjects(revision="1"), "photo") is not None


def test_a_model_without_a_revision_is_taken_at_its_name_and_that_is_said(pairs: Path) -> None:
    found = calibrate(pairs, Subjects())
    assert any("any weights of that name" in note for note in found.notes)
    assert find_own_calibration(Subjects()) is not None
    assert not any("any weights" in note for note in calibrate(pairs, Subjects(revision="1")).notes)


def test_a_trial_changes_nothing(pairs: Path) -> None:
    encoder = Subjects(revision="1")
    found = calibrate(pairs, encoder, keep=False)
    assert found.kept is None
    assert find_own_calibration(encoder) is None


def test_fewer_than_50_pictures_are_refused_with_their_number(pairs: Path) -> None:
    rows = pairs.read_text("utf-8").splitlines()
    fewer = pairs.with_name("fewer.csv")
    fewer.write_text("\n".join(rows[:-1]), "utf-8")
    encoder = Subjects(revision="1")
    with pytest.raises(CaptionError, match=r"There are 49 pictures with captions, .* takes 50 at least"):
        calibrate(fewer, encoder)
    gone = pairs.with_name("gone.csv")
    gone.write_text("\n".join([*rows[:-1], "gone.png,a thing"]), "utf-8")
    with pytest.raises(CaptionError, match=r"49 pictures with captions that could be read \(1 could not: gone.png"):
        calibrate(gone, encoder)
    assert find_own_calibration(encoder) is None
    assert encoder.captions == 0


def test_a_picture_that_cannot_be_read_and_a_blank_caption_cost_the_others_nothing(pairs: Path) -> None:
    more = pairs.with_name("more.csv")
    more.write_text(pairs.read_text("utf-8") + "gone.png,thing 99\n1.png,\n1.png,Thing 1.\n", "utf-8")
    found = calibrate(more, Subjects(revision="1"), keep=False)
    assert (found.pictures, found.captions) == (50, 50)
    assert [one.name for one in found.rejected] == ["gone.png"]
    assert "1 captions are blank and left out." in found.notes


def test_five_captions_of_a_picture_are_taken(tmp_path: Path) -> None:
    found = calibrate(write_pairs(tmp_path, range(50), captions=7), Subjects(), keep=False)
    assert found.captions == 250
    assert "100 captions are left out: of each picture 5 are taken." in found.notes


def test_pictures_that_all_have_the_same_few_captions_are_refused(pairs: Path) -> None:
    same = [(pairs.parent / f"{number}.png", f"thing {number % 3}") for number in range(50)]
    with pytest.raises(CaptionError, match="3 different captions"):
        calibrate(same, Subjects())


def test_pairs_may_be_a_list_and_pictures_may_lie_elsewhere(pairs: Path, tmp_path: Path) -> None:
    listed = [(f"train/{number}.png", f"thing {number}") for number in range(50)]
    found = calibrate(listed, Subjects(), pictures=pairs.parent, keep=False)
    alone = Path(shutil.copy(pairs, tmp_path / "alone.csv"))
    assert calibrate(alone, Subjects(), pictures=pairs.parent, keep=False).rates == found.rates
    with pytest.raises(CaptionError, match="0 pictures"):
        calibrate(alone, Subjects())


def test_progress_comes_to_the_end(pairs: Path) -> None:
    steps: list[tuple[int, int]] = []
    calibrate(pairs, Subjects(), keep=False, progress=lambda done, total: steps.append((done, total)))
    assert steps[-1] == (100, 100)
    assert steps == sorted(steps)


def test_all_of_it_but_the_moments_is_plain_data(pairs: Path) -> None:
    read = json.loads(calibrate(pairs, Subjects(), keep=False, framing="pad").to_json())
    assert read["cutoffs"]["weak"] <= read["cutoffs"]["match"]
    assert (read["model"], read["framing"], read["pictures"]) == ("subjects", "pad", 50)
    assert set(read["rates"]["true pairs called match"]) == {"value", "low", "high"}
    assert "calibration" not in read


def test_neither_captions_nor_names_of_pictures_are_kept(pairs: Path) -> None:
    kept = calibrate(pairs, Subjects(revision="1")).kept
    assert kept is not None
    assert not re.search(r"thing \d", Path(kept).read_text("utf-8"))
    assert ".png" not in Path(kept).read_text("utf-8")


def test_a_checkpoint_in_a_folder_gets_the_files_and_stays_the_same_model(painted: Path, checkpoint: Path) -> None:
    before = clipsim.load(str(checkpoint), "cpu")
    found = calibrate(painted, str(checkpoint), device="cpu")
    assert found.kept == str(checkpoint / "calibration-clipsim.json")
    after = clipsim.load(str(checkpoint), "cpu")
    assert after.revision == before.revision
    known = find_calibration(after)
    assert known is not None
    assert known.cutoffs == found.cutoffs
    assert list(known.rates) == ["crop as-is as-written"]


def test_the_search_of_a_collection_uses_what_was_learned(painted: Path, checkpoint: Path, tmp_path: Path) -> None:
    index_folder(painted.parent, tmp_path / "collection", str(checkpoint), device="cpu")
    collection = Collection.open(tmp_path / "collection")
    before = collection.search("thing 3", top=50)
    found = calibrate(painted, str(checkpoint), device="cpu")
    after = collection.search("thing 3", top=50)
    assert [hit.path for hit in after] == [hit.path for hit in before]
    assert [hit.percentile for hit in after] != [hit.percentile for hit in before]
    for hit in after:
        assert hit.percentile is not None
        assert hit.verdict in (found.cutoffs.verdict(hit.percentile), "weak")


def test_the_stand_in_too_is_calibrated_by_its_users_pictures(stand_in: Encoder, painted: Path) -> None:
    shipped = find_calibration(stand_in)
    calibrate(painted, stand_in)
    own = find_calibration(stand_in)
    assert own is not None and shipped is not None
    assert own.origin == "your own 50 captioned pictures" != shipped.origin
