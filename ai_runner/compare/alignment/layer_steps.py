"""The nodes that compute a layer together: a runtime may split what another one has in one node."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ai_runner.compare.alignment.layer_pair import NodeTensor
from ai_runner.model import NodeInfo


def steps_by_id(paired: Sequence[NodeTensor], nodes: Sequence[NodeInfo]) -> list[tuple[int, ...]]:
    """For each paired tensor the positions of the nodes that share its id, its own the last."""
    found = []
    for place in paired:
        same = [k for k, node in enumerate(nodes) if node.m_id == place.node.m_id >= 0 and k != place.position]
        found.append((*same, place.position))
    return found


def steps_by_reading(paired: Sequence[NodeTensor], nodes: Sequence[NodeInfo]) -> list[tuple[int, ...]]:
    """For each paired tensor the positions of the nodes that lead to it from paired ones, its own the last.

    As far as the runtime tells what its nodes read; a node that leads to two layers belongs to the first.
    """
    free = set(range(len(nodes))) - {place.position for place in paired}
    found: dict[int, tuple[int, ...]] = {}
    for position in sorted({place.position for place in paired}):
        steps = sorted(_leading_to(position, nodes, free))
        free.difference_update(steps)
        found[position] = (*steps, position)
    return [found[place.position] for place in paired]


def _leading_to(position: int, nodes: Sequence[NodeInfo], free: set[int]) -> Iterator[int]:
    open_ends, seen = [position], {position}
    while open_ends:
        for read, _ in nodes[open_ends.pop()].reads:
            if read in free and read not in seen:
                seen.add(read)
                open_ends.append(read)
                yield read
