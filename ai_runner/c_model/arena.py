"""Where run-time tensors lie in one block of memory: tensors that never live at the same time share bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

ALIGNMENT = 16


@dataclass(frozen=True)
class Block:
    """Memory that is needed for a while.

    Attributes:
        size: bytes.
        first: the step that writes it.
        last: the last step that needs it, `first` or later.
    """

    size: int
    first: int
    last: int

    def overlaps(self, other: Block) -> bool:
        """True when there is a step at which both are needed."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class Plan:
    """Offset of every block, in bytes and a multiple of ALIGNMENT, and the size of the whole."""

    offsets: tuple[int, ...]
    size: int


def plan(blocks: Sequence[Block]) -> Plan:
    """Places the blocks greedily, the largest first, each at the lowest offset where it fits.

    Placing them in the order of their first use is sometimes better; the smaller of both plans is returned.
    """
    orders: tuple[Callable[[Block], tuple[int, int]], ...] = (
        lambda block: (-block.size, block.first),
        lambda block: (block.first, -block.size),
    )
    return min((_place(blocks, order) for order in orders), key=lambda result: result.size)


def _place(blocks: Sequence[Block], order: Callable[[Block], tuple[int, int]]) -> Plan:
    offsets: dict[int, int] = {}
    for i in sorted(range(len(blocks)), key=lambda i: order(blocks[i])):
        taken = sorted((offsets[j], blocks[j].size) for j in offsets if blocks[i].overlaps(blocks[j]))
        offset = 0
        for start, size in taken:
            if offset + blocks[i].size <= start:
                break
            offset = max(offset, _aligned(start + size))
        offsets[i] = offset
    end = max((offsets[i] + block.size for i, block in enumerate(blocks)), default=0)
    return Plan(tuple(offsets[i] for i in range(len(blocks))), _aligned(end))


def _aligned(offset: int) -> int:
    return -(-offset // ALIGNMENT) * ALIGNMENT
