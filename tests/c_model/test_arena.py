from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from ai_runner.c_model.arena import ALIGNMENT, Block, plan


@st.composite
def blocks(draw: st.DrawFn) -> Block:
    first = draw(st.integers(-1, 12))
    return Block(draw(st.integers(1, 400)), first, draw(st.integers(first, 13)))


@given(st.lists(blocks(), max_size=30))
def test_live_blocks_never_share_bytes(wanted: list[Block]) -> None:
    layout = plan(wanted)
    assert all(offset % ALIGNMENT == 0 for offset in layout.offsets)
    placed = list(zip(wanted, layout.offsets, strict=True))
    assert all(offset >= 0 and offset + block.size <= layout.size for block, offset in placed)
    for (a, at), (b, bt) in combinations(placed, 2):
        live_together = max(a.first, b.first) <= min(a.last, b.last)
        assert not live_together or at + a.size <= bt or bt + b.size <= at


@given(st.lists(blocks(), min_size=1, max_size=30))
def test_size_lies_between_the_peak_and_the_sum(wanted: list[Block]) -> None:
    def aligned(size: int) -> int:
        return -(-size // ALIGNMENT) * ALIGNMENT

    peak = max(sum(b.size for b in wanted if b.first <= step <= b.last) for step in range(-1, 14))
    assert peak <= plan(wanted).size <= sum(aligned(b.size) for b in wanted)


def test_a_chain_needs_its_two_largest_neighbours() -> None:
    chain = [Block(size, step - 1, step) for step, size in enumerate([64, 320, 160, 32])]
    assert plan(chain).size == 320 + 160


def test_nothing_needs_nothing() -> None:
    assert plan([]).size == 0
