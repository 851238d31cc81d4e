"""How wide a name is on the page: which font a reader has is not known, so that of a broad one is taken."""

from __future__ import annotations

from unicodedata import east_asian_width

from ai_runner.report.printable import shortened

# In em, by the advances of DejaVu Sans, one of the broadest faces that stand behind `sans-serif`.
_NARROW = dict.fromkeys("iljI|.,:;'![]()/\\ -tfr", 0.4)
_BROAD = dict.fromkeys("mwMWQO@%<>=+~#", 1.0)
_KNOWN = {**_NARROW, **_BROAD}
_LOWER, _UPPER, _FOREIGN, _IDEOGRAPH = 0.64, 0.78, 0.9, 1.3  # the last is an emoji's, too
_LONGEST = 120  # characters that are looked at


def text_width(text: str) -> float:
    """An upper bound in em, for the scripts that fonts usually have."""
    return sum(map(_advance, text))


def fitted(text: str, room: float) -> str:
    """`text` cut in its middle until it is at most `room` em wide."""
    for length in range(min(len(text), _LONGEST), 0, -1):
        cut = shortened(text, length)
        if text_width(cut) <= room:
            return cut
    return ""


def _advance(character: str) -> float:
    if character in _KNOWN:
        return _KNOWN[character]
    if not character.isascii():
        return _IDEOGRAPH if east_asian_width(character) in "WF" else _FOREIGN
    return _UPPER if character.isupper() else _LOWER
