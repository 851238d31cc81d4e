"""Foreign text, made safe to show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.report.printable import printable, shortened


def test_plain_text_stays() -> None:
    assert printable("conv_2d/ReLU;größe") == "conv_2d/ReLU;größe"


@pytest.mark.parametrize(
    ("text", "shown"), [("a\x1b[31m", "a\\x1b[31m"), ("a\nb\tc", "a\\nb\\tc"), ("\0", "\\x00"), ("\u202e", "\\u202e")]
)
def test_control_characters_are_shown(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_whatever_comes_is_printable(text: str) -> None:
    assert printable(text).isprintable()


@given(st.text(max_size=60), st.integers(0, 50))
def test_cut_text_fits(text: str, width: int) -> None:
    assert len(shortened(text, width)) <= width
    assert shortened(text, 60) == text


def test_the_ends_are_kept() -> None:
    assert shortened("model/block_1/conv_2d/kernel", 16) == "model..2d/kernel"
