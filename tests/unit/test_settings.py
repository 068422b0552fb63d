"""The limits: read from the environment, and refused when they make no sense."""

import pytest

from clipsim import ClipsimError
from clipsim.settings import Limits


def test_the_environment_overrides_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPSIM_IMAGES", " 7 ")
    assert Limits.from_environment() == Limits(images=7)


def test_an_empty_variable_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPSIM_IMAGES", "")
    assert Limits.from_environment() == Limits()


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5", "1e3"])
def test_a_limit_that_is_no_whole_number_above_zero_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("CLIPSIM_QUEUE", value)
    with pytest.raises(ClipsimError, match="CLIPSIM_QUEUE"):
        Limits.from_environment()
