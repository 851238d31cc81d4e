"""Text from models, libraries and boards, made safe to show."""

from __future__ import annotations


def printable(text: str) -> str:
    """`text` with control characters escaped: a name in a model cannot steer the terminal or fake a line."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _escaped(c) for c in text)


def shortened(text: str, width: int) -> str:
    """`text` cut in its middle to `width` characters: the ends of a layer's name tell most."""
    if len(text) <= width or width < 5:
        return text[: max(width, 0)] if len(text) > width else text
    tail = (width - 2) * 2 // 3
    return f"{text[: width - 2 - tail]}..{text[-tail:]}"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii") if ord(character) > 0 else "\\x00"
