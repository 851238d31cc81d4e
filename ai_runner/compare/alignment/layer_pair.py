"""A tensor of a node, and the pair that two of them make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from ai_runner.compare.alignment.arrangement import Arrangement
from ai_runner.model import NodeInfo, TensorInfo
from ai_runner.profile import NodeProfile


@dataclass(frozen=True)
class NodeTensor:
    """A tensor that a node writes: positions of the node in its profile and of the tensor in the node."""

    position: int
    output: int
    node: NodeInfo
    tensor: TensorInfo

    def data(self, nodes: Sequence[NodeProfile]) -> npt.NDArray[Any]:
        """What it held in a run, ``(batch,) + sample_shape``."""
        return nodes[self.position].data[self.output]

    def shown(self, nodes: Sequence[NodeProfile]) -> bool:
        """True when the run has its data."""
        return self.output < len(nodes[self.position].data)


@dataclass(frozen=True)
class LayerPair:
    """A layer and its counterpart.

    Attributes:
        reference, target: the two tensors.
        evidence: ``id``, ``order``, ``content`` or ``map``.
        arrangement: that brings the target's values into the order of the reference; None where they are in it.
        steps: positions of all nodes of the target that compute the layer, its own the last.
    """

    reference: NodeTensor
    target: NodeTensor
    evidence: str
    arrangement: Arrangement | None = None
    steps: tuple[int, ...] = ()

    def target_data(self, nodes: Sequence[NodeProfile]) -> npt.NDArray[Any]:
        """What the target's tensor held in a run, ``(batch, ...)``, in the order of the reference."""
        data = self.target.data(nodes)
        return data if self.arrangement is None else self.arrangement(data)


def layer_index(place: NodeTensor) -> int:
    """The layer's index in the original model; the node's position where the runtime does not know it."""
    return place.node.m_id if place.node.m_id >= 0 else place.position
