"""Names of things that photographs show, with a WordNet of ten nouns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.results import NOTHING

from clipsim.scoring import MATCH, Calibration
from clipsim.scoring.calibration import Cutoffs
from clipsim.scoring.null_distribution import NullDistribution
from clipsim.tuning import Aims
from tools.names import PARTS, Nouns, Things, find_captioned, learn_names
from tools.stand_in_data import find_synsets, list_hypernyms, read_wordnet

NOUNS = {  # number: (words, numbers of what is above)
    10: (["thing"], []),
    20: (["animal", "beast"], [10]),
    30: (["dog"], [20]),
    40: (["puppy"], [30]),
    50: (["person"], [10]),
    60: (["man"], [50]),
    70: (["crane"], [20]),  # the bird
    80: (["crane"], [10]),  # the machine
    90: (["berry"], [10]),
    95: (["terrier", "fox_terrier"], [30]),
}


@pytest.fixture
def wordnet(tmp_path: Path) -> Path:
    """Files as WordNet's, whose licence stands at the beginning in lines that begin with blanks (wndb(5))."""
    data, senses = ["  1 licence"], dict[str, list[int]]()
    for number, (words, above) in NOUNS.items():
        for word in words:
            senses.setdefault(word, []).append(number)
        pointers = " ".join(f"@ {one:08d} n 0000" for one in above)
        named = " ".join(f"{word} 0" for word in words)
        data.append(f"{number:08d} 03 n {len(words):02x} {named} {len(above):03d} {pointers} | gloss")
    index = [
        f"{word} n {len(own)} 1 @ {len(own)} 0 {' '.join(f'{n:08d}' for n in own)}" for word, own in senses.items()
    ]
    (tmp_path / "data.noun").write_text("\n".join(data) + "\n", "ascii")
    (tmp_path / "index.noun").write_text("\n".join(["  1 licence", *index]) + "\n", "ascii")
    return tmp_path


def test_wordnets_files_are_read(wordnet: Path) -> None:
    synsets, above = read_wordnet(wordnet)
    assert synsets["crane"] == [70, 80]
    assert above[95] == ("terrier", [30])
    assert list_hypernyms(40, above) == ["puppy", "dog", "animal", "thing"]


def test_the_order_of_classes_tells_homonyms_apart(wordnet: Path) -> None:
    synsets, _ = read_wordnet(wordnet)
    assert find_synsets(["dog", "crane", "fox terrier"], synsets) == [30, 70, 95]
    assert find_synsets(["crane", "crane", "fox terrier"], synsets) == [70, 80, 95]


@pytest.mark.parametrize(
    ("word", "above"), [("puppies", "dog"), ("men", "person"), ("dogs", "animal"), ("berries", "berry"), ("xs", None)]
)
def test_words_are_found_by_their_singular_and_what_is_above_it(word: str, above: str | None, wordnet: Path) -> None:
    found = Nouns(wordnet).list_above(word)
    assert above in found if above else not found


def test_a_thing_is_shown_where_three_captions_name_it_and_absent_where_none_does(wordnet: Path) -> None:
    captions = ["A puppy runs.", "a dog", "two dogs and a man", "a man", "it", "nothing here"]
    things = find_captioned(captions, np.array([0, 0, 0, 0, 0, 1]), Nouns(wordnet))
    dog, person = things.names.index("a dog"), things.names.index("a person")
    assert things.shown[:, dog].tolist() == [True, False]
    assert things.absent[:, dog].tolist() == [False, True]
    assert things.shown[:, person].tolist() == things.absent[:1, person].tolist() * 2 == [False, False]
    assert things.absent[1].all()


def judged(seed: int, apart: float) -> tuple[Things, np.ndarray]:
    chance = np.random.default_rng(seed)
    shown = chance.random((300, 20)) < 0.1
    return Things([f"a {i}" for i in range(20)], shown, ~shown), chance.normal(size=shown.shape) + apart * shown


def test_cut_offs_of_names_let_through_what_they_aim_at() -> None:
    aims = Aims(false_matches=0.01, false_weak=0.05, false_galleries=0.05, unsure_galleries=0.35, missed=0.05)
    blank = Calibration(
        Cutoffs(100, 100, 0, 0), {}, "", NullDistribution.fit(np.array([0.0, 1.0])), np.ones(4), np.ones((2, 4)), 1.0
    )
    learned = learn_names([judged(0, 3.0), judged(1, 3.0)], blank, aims, 200)
    (rates,) = learned.rates.values()
    assert rates["random pairs called match"] == pytest.approx(0.01, abs=0.005)
    assert rates["random pairs called match or weak"] == pytest.approx(0.05, abs=0.015)
    assert rates["true pairs called no match"] == pytest.approx(0.05, abs=0.03)
    assert rates["true pairs called match or weak"] > 0.85
    assert rates[f"galleries of 8 without a fitting picture called {MATCH}"] < 0.1
    assert rates[f"galleries of 8 with a fitting picture called {NOTHING}"] < 0.2
    things, t = judged(2, 3.0)
    percentiles = learned.null.percentile(t)
    assert np.mean(percentiles[things.absent] >= learned.cutoffs.match) == pytest.approx(0.01, abs=0.005)


def test_what_a_cut_off_is_tried_on_did_not_teach_it() -> None:
    things, t = judged(0, 3.0)
    inside, _ = things.split(t, 1, 2, outside=False)
    outside, _ = things.split(t, 1, 2, outside=True)
    assert not set(inside.names) & set(outside.names)
    assert len(inside.shown) + len(outside.shown) == len(things.shown)
    assert inside.shown.shape == (len(things.shown) // PARTS, len(things.names) // PARTS)
