"""Names fit into their place on the page, whatever they are made of."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ai_runner.report.html.text_width import fitted, text_width


@given(st.text(max_size=300), st.floats(0.0, 40.0))
def test_a_name_is_cut_to_its_room(text: str, room: float) -> None:
    cut = fitted(text, room)
    assert text_width(cut) <= room
    assert fitted(cut, room) == cut


def test_what_fits_is_left_alone_and_both_ends_stay() -> None:
    assert fitted("conv_2d_3", 20.0) == "conv_2d_3"
    cut = fitted("12 model/block_13_expand/FusedBatchNormV3", 14.0)
    assert cut.startswith("12 ")
    assert cut.endswith("NormV3")


def test_broad_letters_and_ideographs_count_for_more() -> None:
    assert text_width("illi") < text_width("abcd") < text_width("ABCD") < text_width("WWWW") < text_width("\u5c42" * 4)
