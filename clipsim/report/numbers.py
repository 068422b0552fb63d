"""Figures as people read them."""

from clipsim.scoring import CEILING


def percent(share: float) -> str:
    """Return a share, 0 to 1, as a percentage with one decimal."""
    return f"{share:.1%}".replace("%", " %")


def small_percent(share: float) -> str:
    """Return a share, 0 to 1, that is mostly small, as a percentage with one decimal; 0 is never told."""
    return "< 0.1 %" if share < 0.0005 else percent(share)


def whole_percent(share: float) -> str:
    """Return a share, 0 to 1, as a whole percentage; 0 only if it is nothing."""
    return "< 1 %" if 0 < share < 0.005 else f"{share:.0%}".replace("%", " %")


def percentile(value: float) -> str:
    """Return a percentile, 0 to 100, as a whole one: never 0, and not beyond `CEILING`."""
    return f"> {CEILING} %" if value >= CEILING else "< 1 %" if value <= 0.5 else f"{value:.0f} %"
