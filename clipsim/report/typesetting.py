"""Text that fits: lines broken to a width, in letters that the fonts at hand have."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from typing import Any

from matplotlib.font_manager import FontProperties, findfont, get_font, get_font_names
from matplotlib.textpath import text_to_path

LONGEST_TEXT = 600  # letters that are laid out, of captions and names without an end
# The first comes with matplotlib; the others have what it lacks, where the system has them.
FONTS = (
    "DejaVu Sans",
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Source Han Sans SC"),
    *("WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Droid Sans Fallback"),
    *("PingFang SC", "Hiragino Sans GB", "Apple SD Gothic Neo"),  # macOS
    *("Microsoft YaHei", "Yu Gothic", "Malgun Gothic", "Arial Unicode MS"),  # Windows
    *("Noto Sans Devanagari", "Nirmala UI", "Noto Sans Thai", "Noto Sans Symbols2", "Segoe UI Symbol"),
)
_BREAKS = " -_/.,;·"  # a line may end after one of these


class Typesetter:
    """The fonts at hand: what they can show, and how wide it is."""

    def __init__(self) -> None:
        """Look up which of `FONTS` there are; the first always is."""
        installed = set(get_font_names())
        self._families = [family for family in FONTS if family in installed]
        self._fonts = [get_font(findfont(family)) for family in self._families]
        self._advance = cache(self._measure)  # which takes a millisecond

    def style(self, lines: Sequence[str], size: float, *, bold: bool = False, colour: str = "black") -> dict[str, Any]:
        """Return what makes matplotlib write lines as they were measured, and take them literally: "$" is a dollar."""
        bold = bold and all(self._can_be_bold(letter) for line in lines for letter in line)
        face = {"fontfamily": self._families[: 1 if bold else None], "fontweight": "bold" if bold else "normal"}
        return face | {"fontsize": size, "fontstyle": "normal", "color": colour, "parse_math": False, "usetex": False}

    def wrap(self, text: str, width: float, size: float, lines: int, *, bold: bool = False) -> list[str]:
        """Break text into lines of so many inches at most; of too long a text the middle is left out."""
        text = "".join(map(self._replace, unicodedata.normalize("NFC", text)))
        count = min(len(text), LONGEST_TEXT)
        broken = self._break(_shorten(text, count), width, size, bold)
        if len(broken) <= lines:
            return broken
        fits = bisect_right(
            range(count), lines, key=lambda count: len(self._break(_shorten(text, count), width, size, bold))
        )
        return self._break(_shorten(text, fits - 1), width, size, bold)

    def width(self, text: str, size: float) -> float:
        """Return the width of a line in inches, a little generous: screens round letters to whole pixels."""
        return sum(self._advance(letter, False) for letter in text) * size

    def _measure(self, letter: str, bold: bool) -> float:
        """Return inches from a letter to the next at one point."""
        bold = bold and self._can_be_bold(letter)
        font = FontProperties(family=self._families[: 1 if bold else None], size=1, weight="bold" if bold else "normal")
        ten, none = (  # between bars, as only ink is measured, of which a space has none
            text_to_path.get_text_width_height_descent(f"|{letters}|", font, ismath=False)[0]
            for letters in (letter * 10, "")
        )
        return float(1.04 * (ten - none) / 10 / 72)

    def _can_be_bold(self, letter: str) -> bool:
        """Tell whether the first font has it; the others need have no bold face, of which matplotlib would warn."""
        return bool(self._fonts[0].get_char_index(ord(letter)))

    def _replace(self, letter: str) -> str:
        """Return a box for a letter that no font has, of which matplotlib would warn; an accent alone is no letter."""
        if any(font.get_char_index(ord(letter)) for font in self._fonts):
            return letter
        return "" if unicodedata.category(letter).startswith("M") else "□"

    def _break(self, text: str, width: float, size: float, bold: bool) -> list[str]:
        lines = []
        while text:
            reach = accumulate(self._advance(letter, bold) * size for letter in text)
            end = max(1, bisect_right(list(reach), width))
            if end < len(text) and text[end] != " ":
                after = max(text.rfind(mark, 0, end) for mark in _BREAKS) + 1
                end = after if after > end / 2 else end  # rather break a word than leave half of a line empty
            lines.append(text[:end].rstrip())
            text = text[end:].lstrip()
        return lines


def _shorten(text: str, count: int) -> str:
    """Leave out the middle, as file names often differ only at their end, unless the text has no more letters."""
    last = count // 3
    return text if len(text) <= count else f"{text[: count - last]}…{text[len(text) - last :]}"
