"""A tensor of a node, and the pair that two of them make."""

from __future__ import annotations

from dataclasses import dataclass

from ai_runner.model import NodeInfo, TensorInfo


@dataclass(frozen=True)
class NodeTensor:
    """A tensor that a node writes: positions of the node in its profile and of the tensor in the node."""

    position: int
    output: int
    node: NodeInfo
    tensor: TensorInfo


@dataclass(frozen=True)
class LayerPair:
    """A layer and its counterpart.

    Attributes:
        reference, target: the two tensors.
        evidence: ``id``, ``order``, ``content`` or ``map``.
    """

    reference: NodeTensor
    target: NodeTensor
    evidence: str


def layer_index(place: NodeTensor) -> int:
    """The layer's index in the original model; the node's position where the runtime does not know it."""
    return place.node.m_id if place.node.m_id >= 0 else place.position
