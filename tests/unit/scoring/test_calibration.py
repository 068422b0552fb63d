"""How strong a score is: percentiles that no caption and no picture gets for fitting everything, and verdicts."""

from __future__ import annotations

import csv
import gc
import importlib
import json
import shutil
import sqlite3
import weakref
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import cached_assets_path
from PIL import Image
from support import ROOT, paint, unit

import clipsim
from clipsim import Encoder, score_captions, score_images
from clipsim.embedding import Gallery, PictureInfo
from clipsim.options import PROMPTS, Prompt
from clipsim.scoring import (
    MATCH,
    NO_MATCH,
    NOT_RECOGNISED,
    NOT_SURE,
    NOTHING,
    WEAK,
    Calibration,
    encode_background,
    find_calibration,
)
from clipsim.scoring.calibration import (
    USUAL,
    BackgroundCaptions,
    Cutoffs,
    compute_percentiles,
    compute_strengths,
    neutral_weights,
    read_background_captions,
    read_calibration,
)
from clipsim.scoring.null_distribution import NullDistribution
from clipsim.tuning import DIRECTIONS, make_pairs
from clipsim.tuning.learning import learn_moments
from tools import calibrate

# `clipsim.scoring.calibration.calibration` is a function of the module's own name
module = importlib.import_module("clipsim.scoring.calibration")
EXAMPLES = sorted((ROOT / "examples").glob("*.jpg"))
RETRIEVERS = {"golden-retriever-in-snow.jpg", "hiking-golden-retriever.jpg"}
WIDTH = 64
COUNT = 60  # pictures of the small world below


def chance(key: str, rows: int = 1) -> np.ndarray:
    return np.random.default_rng(zlib.crc32(key.encode())).normal(size=(rows, WIDTH))


class World(Encoder):
    """An encoder whose pictures have a direction in common, and whose captions have another one.

    "subject 7" is what picture 7 shows; "anything" fits every picture. Every other caption shows something else. It
    counts the texts that it reads.
    """

    name = "world"
    width = WIDTH
    logit_scale = 10.0

    def __init__(self) -> None:
        self.read: Counter[str] = Counter()

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        self.read.update(texts)
        rows = [5 * chance("pictures") if text == "anything" else chance(text) for text in texts]
        return unit(unit(np.concatenate(rows)) + 0.5 * unit(chance("captions")))

    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        return self.pictures()[[np.asarray(image)[0, 0, 0] % COUNT for image in images]]

    def pictures(self) -> np.ndarray:
        """Of `COUNT` pictures."""
        subjects = np.concatenate([chance(f"subject {n}") for n in range(COUNT)])
        rows = unit(subjects) + unit(chance("pictures")) + 0.3 * unit(chance("grain", COUNT))
        return unit(rows)


SUBJECTS = [f"subject {n}" for n in range(COUNT)]


def gallery(vectors: np.ndarray) -> Gallery:
    pictures = tuple(PictureInfo(f"p{n}", (), (9, 9), 1.0) for n in range(len(vectors)))
    return Gallery(pictures, vectors, np.arange(len(vectors)), ())


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def learned(world: World) -> Calibration:
    """From captioned pictures; cut-offs are not wanted here."""
    vectors, background = world.encode_texts(SUBJECTS), encode_background(world)
    pairs = make_pairs(gallery(world.pictures()), SUBJECTS, vectors, np.arange(COUNT), background)
    return learn_moments(pairs, np.arange(COUNT))


def strength(
    world: World, asked: list[str], known: Calibration | None, pictures: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and percentiles of every picture with every caption."""
    vectors = world.encode_texts(asked)
    shown = gallery(world.pictures() if pictures is None else pictures)
    cosines, background = shown.cosines(vectors), encode_background(world)
    return cosines, compute_percentiles(cosines, vectors, shown.cosines(background.vectors), background, known)


def test_a_caption_that_fits_every_picture_has_no_high_percentile(world: World, learned: Calibration) -> None:
    cosines, percent = strength(world, ["anything"], learned)
    assert cosines.min() > 0.3
    assert np.median(percent) < 80
    assert np.mean(percent > 99) < 0.1
    _, uncorrected = strength(world, ["anything"], None)
    assert np.median(uncorrected) > 99


@pytest.mark.parametrize(("calibrated", "grain"), [(True, 2), (False, 2), (False, 0)])
def test_a_picture_that_every_caption_fits_has_no_high_percentile(
    world: World, learned: Calibration, calibrated: bool, grain: float
) -> None:
    """Twenty pictures of what captions have in common, more or less pure."""
    shown = unit(unit(chance("captions")) + grain * unit(chance("every", 20)))
    asked = [f"thing {n}" for n in range(100)]
    usual, _ = strength(world, asked, None)
    cosines, percent = strength(world, asked, learned if calibrated else None, shown)
    assert np.median(cosines) > usual.mean() + 1.5 * usual.std()
    assert np.median(percent) < 90
    assert np.mean(percent > 99) < (0.2 if calibrated else 0.02)


def test_what_pictures_commonly_have_of_the_mean_is_not_held_against_them(world: World, learned: Calibration) -> None:
    background, vectors = encode_background(world), world.encode_texts(SUBJECTS)

    def strengths(pictures: np.ndarray, usual: float) -> np.ndarray:
        shown, known = gallery(pictures), replace(learned, usual=usual)
        return compute_strengths(shown.cosines(vectors), vectors, shown.cosines(background.vectors), background, known)[
            0
        ]

    common = world.pictures()
    left = np.isclose(strengths(common, USUAL), strengths(common, np.inf)).all(axis=1)
    assert 0.8 < left.mean() < 1
    odd = unit(unit(chance("captions")) + 0.1 * unit(chance("every", 20)))  # which every caption fits
    assert (strengths(odd, USUAL) < strengths(odd, np.inf) - 1).all()
    assert (strengths(odd, 0) < strengths(odd, USUAL)).all()


@pytest.mark.parametrize("calibrated", [True, False])
def test_a_caption_that_fits_its_own_picture_has_a_high_percentile_there_alone(
    world: World, learned: Calibration, calibrated: bool
) -> None:
    _, percent = strength(world, SUBJECTS, learned if calibrated else None)
    own = np.eye(COUNT, dtype=bool)
    assert np.median(percent[own]) > 99
    assert np.mean(percent[own] > 95) > 0.95
    assert np.median(percent[~own]) < 70


@pytest.mark.parametrize("calibrated", [True, False])
def test_percentiles_rise_with_the_cosine_and_stay_between_0_and_100(
    world: World, learned: Calibration, calibrated: bool
) -> None:
    cosines = np.linspace(-1, 1, 801)[None, :].repeat(3, axis=0)
    vectors = world.encode_texts(["subject 1"]).repeat(801, axis=0)
    unrelated = gallery(world.pictures()[:3]).cosines(encode_background(world).vectors)
    percent = compute_percentiles(
        cosines, vectors, unrelated, encode_background(world), learned if calibrated else None
    )
    assert percent.shape == (3, 801)
    assert (np.diff(percent, axis=1) >= 0).all()
    assert percent.min() >= 0
    assert percent.max() <= 100
    assert (percent[:, 0] < 1).all()
    assert (percent[:, -1] > 99.9).all()
    middle = (percent > 5) & (percent < 99.9)
    rising = np.diff(percent, axis=1)[middle[:, 1:] & middle[:, :-1]]
    assert rising.min() >= 0
    assert np.mean(rising > 0) > 0.9


def test_beyond_what_was_seen_the_percentile_still_rises() -> None:
    null = NullDistribution.fit(np.random.default_rng(0).normal(size=5000))
    percent = null.percentile(np.linspace(1, 8, 200))
    assert (np.diff(percent) > 0).all()
    assert percent[-1] < 100


def test_percentiles_of_unrelated_pairs_are_spread_evenly() -> None:
    drawn = np.random.default_rng(1).normal(size=(2, 20_000))
    percent = NullDistribution.fit(drawn[0]).percentile(drawn[1])
    for share in (0.1, 0.5, 0.85, 0.95, 0.99):
        assert np.mean(percent < 100 * share) == pytest.approx(share, abs=0.02)


def test_where_the_tail_begins_there_is_no_step() -> None:
    null = NullDistribution.fit(np.random.default_rng(2).normal(size=1000))
    below, above = null.percentile(null.t[-1] + np.asarray([-1e-9, 1e-9]))
    assert above - below == pytest.approx(0, abs=1e-3)
    assert below == pytest.approx(90, abs=0.2)


@pytest.mark.parametrize("t", [np.zeros(2), np.zeros(500), np.asarray([0.0, 1.0]), np.asarray([-1e9, 0.0, 1e9])])
def test_a_spread_of_few_or_equal_values_gives_percentiles_too(t: np.ndarray) -> None:
    percent = NullDistribution.fit(t).percentile(np.linspace(-2e9, 2e9, 41))
    assert np.isfinite(percent).all()
    assert (np.diff(percent) >= 0).all()
    assert (percent.min(), percent.max()) == (pytest.approx(0, abs=1e-6), pytest.approx(100, abs=15))


def banks() -> Iterator[Any]:
    draw = np.random.default_rng(3)
    common = unit(draw.normal(size=(50, 16)) + 2)
    yield pytest.param(unit(draw.normal(size=(200, 16))), id="spread")
    yield pytest.param(common, id="common direction")
    yield pytest.param(np.concatenate([common, common[:5].repeat(40, axis=0)]), id="some subjects many times")
    yield pytest.param(np.eye(16, dtype=np.float32), id="orthogonal")
    yield pytest.param(np.eye(16, dtype=np.float32)[[3] * 7], id="all the same")
    yield pytest.param(np.eye(16, dtype=np.float32)[:1], id="one")


def check_weights(vectors: np.ndarray) -> None:
    weights = neutral_weights(vectors)
    assert weights.shape == (len(vectors),)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1)
    assert np.linalg.norm(weights @ vectors) <= np.linalg.norm(vectors.mean(axis=0)) + 1e-6


@pytest.mark.parametrize("vectors", list(banks()))
def test_neutral_weights_add_up_to_one_and_shorten_the_mean(vectors: np.ndarray) -> None:
    check_weights(vectors)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_shipped_banks_weights_shorten_its_mean(stand_in: Encoder, prompt: Prompt) -> None:
    background = encode_background(stand_in, prompt)
    check_weights(background.vectors)
    assert np.allclose(background.weights, neutral_weights(background.vectors))
    plain = np.linalg.norm(background.vectors.mean(axis=0))
    assert np.linalg.norm(background.weights @ background.vectors) < 0.9 * plain


def test_a_subject_that_the_bank_has_many_times_weighs_no_more_for_it() -> None:
    vectors = np.eye(4, dtype=np.float32)[[0] * 30 + [1, 2, 3]]
    weights = neutral_weights(vectors)
    assert weights[:30].sum() == pytest.approx(weights[30], rel=0.05)


def test_the_verdict_turns_at_the_cut_offs() -> None:
    cutoffs = Cutoffs(match=99, weak=95, gallery=0.05, unsure=0.4)
    assert [cutoffs.verdict(p) for p in (100, 99, 98.99, 95, 94.99, 0)] == [
        MATCH,
        MATCH,
        WEAK,
        WEAK,
        NO_MATCH,
        NO_MATCH,
    ]


def test_between_weak_and_no_match_a_picture_is_not_recognised() -> None:
    cutoffs = Cutoffs(match=99, weak=95, gallery=0.05, unsure=0.4, no_match=60)
    assert [cutoffs.verdict(p) for p in (99, 95, 94.99, 60, 59.99)] == [
        MATCH,
        WEAK,
        NOT_RECOGNISED,
        NOT_RECOGNISED,
        NO_MATCH,
    ]


@pytest.mark.parametrize(("best", "others", "whole"), [(99.5, 0, MATCH), (99.5, 30, NOT_SURE), (99.95, 30, MATCH)])
def test_of_many_pictures_the_best_has_to_be_better(best: float, others: int, whole: str) -> None:
    verdict, each = Cutoffs(match=99, weak=95, gallery=0.05, unsure=0.4).verdicts(np.asarray([best, *[50.0] * others]))
    assert verdict == whole
    assert each == [MATCH if whole == MATCH else WEAK, *[NO_MATCH] * others]


@pytest.mark.parametrize(
    ("percent", "answer"),
    [([98.0], NOT_SURE), ([98.9, 96.0], NOT_SURE), ([94.0, 93.0], NOTHING), ([10.0, 0.0], NOTHING)],
)
def test_where_none_passes_alone_the_answer_is_at_most_not_sure(percent: list[float], answer: str) -> None:
    verdict, each = Cutoffs(match=99, weak=95, gallery=0.5, unsure=0.5).verdicts(np.asarray(percent))
    assert verdict == answer
    assert MATCH not in each


def test_the_correction_for_the_galleries_size_is_sidaks() -> None:
    """Best at 99.9: by chance in 1 - 0.999 ** n, which passes 0.05 between 51 and 52 pictures."""
    cutoffs = Cutoffs(match=99, weak=95, gallery=0.05, unsure=0.4)
    verdicts = [cutoffs.verdicts(np.asarray([99.9, *[0.0] * (n - 1)]))[0] for n in (51, 52)]
    assert verdicts == [MATCH, NOT_SURE]


@pytest.mark.parametrize(
    ("percent", "among", "whole"),
    [
        ([99.5, 50.0], 0, MATCH),
        ([99.5, *[50.0] * 30], 0, NOT_SURE),  # by chance in 14 of 100
        ([99.5, *[50.0] * 99], 0, NOT_SURE),  # 39.4
        ([99.5, *[50.0] * 101], 0, NOTHING),  # 40.0
        ([99.5, 50.0], 100, NOT_SURE),
        ([99.5, 50.0], 102, NOTHING),
        ([98.0, 50.0], 0, NOT_SURE),  # rarely by chance, and still no match
        ([94.0, 10.0], 0, NOTHING),  # by chance in 12 of 100, but not even weak
    ],
)
def test_between_a_match_and_nothing_the_answer_is_not_sure(percent: list[float], among: int, whole: str) -> None:
    verdict, each = Cutoffs(match=99, weak=95, gallery=0.06, unsure=0.4).verdicts(np.asarray(percent), among)
    assert verdict == whole
    assert (MATCH in each) == (whole == MATCH)


def test_a_picture_that_would_match_alone_is_weak_where_the_answer_is_not_sure() -> None:
    cutoffs = Cutoffs(match=99, weak=95, gallery=0.06, unsure=0.4)
    assert cutoffs.verdicts(np.asarray([99.5, 96.0, *[0.0] * 29])) == (NOT_SURE, [WEAK, WEAK, *[NO_MATCH] * 29])


def test_a_gallerys_verdict_is_that_of_the_result(stand_in: Encoder) -> None:
    """The same example that matches alone is lost among pictures of noise, if it fits weakly enough."""
    known = find_calibration(stand_in)
    assert known is not None
    for caption in ("a golden retriever", "an elephant", "a red tractor"):
        result = score_images(EXAMPLES, caption, stand_in)
        percentiles = np.asarray([score.percentile for score in result.scores])
        whole, each = known.of(caption).cutoffs.verdicts(percentiles)
        assert (result.verdict, [score.verdict for score in result.scores]) == (whole, each)


@pytest.mark.parametrize("caption", ["golden retriever", "a dog"])
def test_the_retrievers_match_and_no_other_picture_does(stand_in: Encoder, caption: str) -> None:
    result = score_images(EXAMPLES, caption, stand_in)
    assert result.verdict == MATCH
    assert {score.name for score in result.scores if score.verdict == MATCH} == RETRIEVERS


def test_the_retrievers_come_first_by_a_sentence_and_no_other_picture_is_near(stand_in: Encoder) -> None:
    result = score_images(EXAMPLES, "a golden retriever standing in the snow", stand_in)
    assert result.verdict in {MATCH, NOT_SURE}
    assert result.best is not None
    assert result.best.name in RETRIEVERS
    assert {score.name for score in result.scores if score.verdict in {MATCH, WEAK}} == RETRIEVERS


@pytest.mark.parametrize("caption", ["a red tractor", "a plate of spaghetti", "an airplane in the sky", "a piano"])
def test_what_no_example_shows_matches_nothing(stand_in: Encoder, caption: str) -> None:
    result = score_images(EXAMPLES, caption, stand_in)
    assert result.verdict == NOTHING
    assert MATCH not in {score.verdict for score in result.scores}


@pytest.mark.parametrize("caption", ["a photo", "something", "an image"])
def test_a_caption_that_says_nothing_matches_nothing(stand_in: Encoder, caption: str) -> None:
    result = score_images(EXAMPLES, caption, stand_in)
    assert result.verdict == NOTHING
    assert {score.verdict for score in result.scores} <= {NOT_RECOGNISED, NO_MATCH}


def test_the_bank_is_encoded_once_for_each_encoder_and_prompt() -> None:
    encoder, pictures = World(), [Image.new("RGB", (9, 9), (n, 0, 0)) for n in range(3)]
    background = read_background_captions()
    for _ in range(2):
        score_images(pictures, "subject 1", encoder)
        score_captions(pictures, ["subject 1", "subject 2"], encoder)
    assert {encoder.read[caption] for caption in background} == {1}
    for _ in range(2):
        score_images(pictures, "subject 1", encoder, prompt="photo")
    assert {encoder.read[f"a photo of {caption}"] for caption in background} == {1}
    assert {encoder.read[caption] for caption in background} == {1}
    second = World()
    score_images(pictures, "subject 1", second)
    assert {second.read[caption] for caption in background} == {1}


def test_a_reference_image_needs_no_bank() -> None:
    encoder = World()
    score_images([Image.new("RGB", (9, 9))], None, encoder, reference=Image.new("RGB", (9, 9)))
    assert not encoder.read


def test_the_background_of_an_encoder_goes_with_it() -> None:
    encoder = World()
    vectors = weakref.ref(encode_background(encoder).vectors)
    assert vectors() is not None
    del encoder
    gc.collect()
    assert vectors() is None


@pytest.fixture
def disk() -> Iterator[Path]:
    """The file of the background captions' vectors, which is gone before and after."""
    place = Path(cached_assets_path("clipsim", "background")) / "vectors.sqlite"
    for path in place.parent.glob("vectors.sqlite*"):
        path.unlink()
    yield place
    for path in place.parent.glob("vectors.sqlite*"):
        path.unlink()


@pytest.mark.parametrize("statement", ["INSERT", "UPDATE"])
def test_a_disk_that_takes_nothing_costs_no_score(statement: str, disk: Path) -> None:
    first, second = World(), World()
    first.revision = second.revision = "1"
    background = encode_background(first)
    with closing(sqlite3.connect(disk)) as rows, rows:
        if statement == "INSERT":  # else what is there is found, and its time of use is what cannot be written
            rows.execute("DELETE FROM vectors")
        rows.execute(f"CREATE TRIGGER full BEFORE {statement} ON vectors BEGIN SELECT RAISE(ABORT, 'full'); END")
    assert np.array_equal(encode_background(second).vectors, background.vectors)


def test_the_background_captions_are_many_and_different() -> None:
    assert len(read_background_captions()) > 400
    assert len(set(read_background_captions())) == len(read_background_captions())
    assert all(
        caption == caption.strip() != "" and not caption.startswith("#") for caption in read_background_captions()
    )


def test_a_checkpoint_that_bears_a_calibrated_models_name_has_cut_offs_of_its_own(
    tiny_clip: Path, tmp_path: Path
) -> None:
    encoder = clipsim.load(str(shutil.copytree(tiny_clip, tmp_path / "stand-in")), "cpu")
    assert encoder.name == "stand-in"
    known = find_calibration(encoder)
    assert known is not None
    assert known.mean.shape == (encoder.width,)
    assert known.rates == {}


def test_the_shipped_rates_are_what_the_project_promises_of_sentences(stand_in: Encoder) -> None:
    known = find_calibration(stand_in)
    assert known is not None
    rates = known.rates["crop as-is as-written"]
    assert rates["true pairs called match"] >= 0.45
    assert rates["true pairs called match or weak"] >= 0.74
    assert rates["true pairs called no match"] <= 0.08
    assert rates["random pairs called match"] <= 0.015
    assert rates["random pairs called match or weak"] <= 0.055
    assert rates["area under the ROC curve, percentile"] >= 0.945
    assert rates["area under the ROC curve, percentile"] > rates["area under the ROC curve, cosine"]
    assert rates["galleries of 8 in which the fitting picture is named"] >= 0.6
    assert rates[f"galleries of 8 with a fitting picture called {NOTHING}"] <= 0.2
    assert rates[f"galleries of 8 without a fitting picture called {MATCH}"] <= 0.06
    assert rates[f"galleries of 8 without a fitting picture called {NOTHING}"] >= 0.6


def test_the_shipped_rates_are_what_the_project_promises_of_names(stand_in: Encoder) -> None:
    known = find_calibration(stand_in)
    assert known is not None
    assert known.names is not None
    rates = known.names.rates["crop as-is as-written"]
    assert rates["true pairs called match or weak"] >= 0.45
    assert rates["true pairs called no match"] <= 0.08
    assert rates["random pairs called match"] <= 0.02
    assert rates["random pairs called match or weak"] <= 0.06


def test_a_caption_of_up_to_three_words_is_judged_as_a_name(stand_in: Encoder) -> None:
    known = find_calibration(stand_in)
    assert known is not None
    assert known.of("a golden retriever") is known.names
    assert known.of("a golden retriever outside") is known
    assert replace(known, names=None).of("dog").names is None


def test_captions_of_both_forms_are_judged_beside_each_other_as_alone(stand_in: Encoder) -> None:
    captions = ["a dog", "a dog standing in the snow", "a cat"]
    together = score_captions(EXAMPLES, captions, stand_in)
    for i, caption in enumerate(captions):
        alone = score_captions(EXAMPLES, [caption], stand_in)
        assert together.percentiles[i] == pytest.approx(alone.percentiles[0], abs=1e-6)
        assert together.verdicts is not None
        assert alone.verdicts is not None
        assert together.verdicts[i] == alone.verdicts[0]


def test_there_are_rates_for_every_treatment_that_changes_one_thing(stand_in: Encoder) -> None:
    known = find_calibration(stand_in)
    assert known is not None
    assert set(known.rates) == {f"{one.framing} {one.contrast} {one.prompt}" for one in calibrate.TREATMENTS}


def test_the_shipped_moments_can_be_used(stand_in: Encoder) -> None:
    known = find_calibration(stand_in)
    assert known is not None
    assert 90 < known.cutoffs.weak < known.cutoffs.match < 100
    assert 0 < known.cutoffs.gallery < 1
    assert known.directions.shape == (DIRECTIONS, 384)
    assert (np.diff(known.null.t) >= 0).all()
    assert (np.diff(known.null.below) >= 0).all()
    assert min(known.null.excess, known.rest) > 0
    assert known.origin


@pytest.fixture
def pictures_with_captions(tmp_path: Path) -> Path:
    """As many as the largest gallery needs in four fifths."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    with (folder / "captions.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "caption"])
        for n in range(48):
            paint(40, 32, seed=n).save(folder / f"{n}.png")
            rows.writerow([f"{n}.png", f"the dog, number {n}"])
            if n % 4 == 0:
                rows.writerow([f"{n}.png", f'a "cat", {n}'])
    return folder


def test_a_model_is_calibrated_from_a_folder_of_captioned_pictures(
    pictures_with_captions: Path, tiny_clip: Path, clip: Encoder, tmp_path: Path
) -> None:
    to = tmp_path / "learned"
    to.mkdir()
    calibrate.main([str(pictures_with_captions), "--model", str(tiny_clip), "--to", str(to), "--draws", "20"])
    assert {path.name for path in to.iterdir()} == {"calibration-tiny-clip.json", "calibration-tiny-clip.npz"}
    known = read_calibration("tiny-clip", to)
    assert known is not None
    assert known.mean.shape == (24,)
    assert known.origin == "48 captioned pictures (pictures)"
    assert set(known.rates) == {f"{one.framing} {one.contrast} {one.prompt}" for one in calibrate.TREATMENTS}
    assert all(0 <= rate <= 1 for rates in known.rates.values() for rate in rates.values())
    assert known.cutoffs.weak <= known.cutoffs.match
    text = (to / "calibration-tiny-clip.json").read_text(encoding="utf-8")
    assert "number" not in text
    assert json.loads(text)["model"] == "tiny-clip"
    vectors = clip.encode_texts(["the dog"])
    shown = gallery(clip.encode_images([paint(40, 32, seed=n) for n in range(48)]))
    background = encode_background(clip)
    percent = compute_percentiles(shown.cosines(vectors), vectors, shown.cosines(background.vectors), background, known)
    assert 0 <= percent.min() < percent.max() <= 100


def test_captions_and_labels_are_read_with_their_pictures(pictures_with_captions: Path, tmp_path: Path) -> None:
    files, said, owner = calibrate.captioned(pictures_with_captions)
    assert (len(files), len(said), len(owner)) == (48, 60, 60)
    assert said[:2] == ["the dog, number 0", 'a "cat", 0']
    assert owner[:3].tolist() == [0, 0, 1]
    (tmp_path / "labels.csv").write_text("file,label\na.png,golden_retriever\nb.png,tench\n", encoding="utf-8")
    files, said, owner = calibrate.captioned(tmp_path)
    assert [path.name for path in files] == ["a.png", "b.png"]
    assert said[0] == "golden retriever"
    assert said[2] == "a golden retriever standing in the snow"
    assert owner.tolist() == [0] * len(calibrate.SENTENCES) + [1] * len(calibrate.SENTENCES)


def test_no_caption_at_all_gives_no_percentile() -> None:
    background = BackgroundCaptions(np.eye(4, dtype=np.float32), np.full(4, 0.25))
    empty = compute_percentiles(np.zeros((0, 2)), np.eye(4)[:2], np.zeros((0, 4)), background, None)
    assert empty.shape == (0, 2)
