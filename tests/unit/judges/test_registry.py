"""From a name to a judge: the table is pinned, and what cannot be had is told at once."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from clipsim import ChoiceError, EncoderError, UsageError, load_judge
from clipsim.judges import JUDGES, check_judge, list_absent_judges, list_judges


def test_every_judge_is_pinned_to_a_commit_and_has_its_licence() -> None:
    assert [row.name for row in JUDGES] == ["blip-itm", "vqascore"]
    assert all(re.fullmatch(r"[0-9a-f]{40}", row.revision) and row.licence and row.size for row in JUDGES)


@pytest.mark.parametrize("name", [row.name for row in JUDGES])
def test_a_judge_that_cannot_be_had_is_told_in_less_than_a_second_with_what_to_do(name: str, no_network: Path) -> None:
    began = time.monotonic()
    with pytest.raises(EncoderError) as caught:
        load_judge(name, "cpu")
    assert time.monotonic() - began < 1
    assert re.search("give the folder of a checkpoint of it, or leave|take blip-itm", str(caught.value))
    assert not no_network.exists()
    assert list_absent_judges() == {row.name for row in JUDGES}


def test_an_unknown_name_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ChoiceError, match=r"'nonsense' is not known: use blip-itm, vqascore, a local folder"):
        check_judge("nonsense")
    for name in ("", "x" * 9000, "a\0b", "Salesforce/blip-itm-base-coco"):
        with pytest.raises(ChoiceError):
            load_judge(name)


def test_a_wrong_device_or_precision_is_refused(tiny_blip: Path) -> None:
    with pytest.raises(ChoiceError, match="device"):
        load_judge(str(tiny_blip), "gpu")
    with pytest.raises(ChoiceError, match="precision"):
        load_judge(str(tiny_blip), "cpu", "double")  # type: ignore[arg-type]
    with pytest.raises(EncoderError, match="not on this machine"):
        load_judge(str(tiny_blip), "cuda:77")


def test_folders_of_the_environment_are_known_by_their_last_part(
    tiny_blip: Path, tiny_qwen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIPSIM_JUDGES", f"{tiny_blip}:{tiny_qwen}")
    assert [row.name for row in list_judges()] == ["blip-itm", "vqascore", "tiny-blip", "tiny-qwen"]
    assert load_judge("tiny-qwen", "cpu").name == "tiny-qwen"


@pytest.mark.parametrize("second", ["/nowhere", "{same}", "{known}"])
def test_folders_of_the_environment_that_are_none_or_called_alike_are_refused(
    tiny_blip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, second: str
) -> None:
    known = tmp_path / "blip-itm"
    known.symlink_to(tmp_path / "real" / "blip-itm")
    (tmp_path / "real" / "blip-itm").mkdir(parents=True)
    (known / "config.json").write_text("{}")
    monkeypatch.setenv("CLIPSIM_JUDGES", f"{tiny_blip}:{second.format(same=tiny_blip, known=known)}")
    with pytest.raises(UsageError, match="CLIPSIM_JUDGES names"):
        list_judges()
