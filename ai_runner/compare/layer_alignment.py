"""Which node of the target computes which layer of the reference.

Three kinds of evidence, the strongest first:

1. The node id (`NodeInfo.m_id`, position in the original model), where shape, dtype and quantization agree with it.
   Of several nodes with one id the last carries the layer's output.
2. Shape, dtype, quantization and order: the longest common subsequence of what is left, for nodes whose id says
   nothing.
3. Content, as far as the first chunk of data shows it: what is left is paired when it correlates, and a pair whose
   contents contradict it is dissolved when one of the two clearly matches a tensor elsewhere (a fused activation, ids
   of another numbering). A layer that is merely wrong keeps its pair, for that is what is being looked for.

What is left then and agrees in id and shape is a layer that the target stores in another type or scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isclose, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.compare.layer_map import LayerMap
from ai_runner.compare.layer_pair import LayerPair, NodeTensor, layer_index
from ai_runner.compare.metrics import dot
from ai_runner.compare.tensor_alignment import shape_without_ones
from ai_runner.compare.tensor_pair import real_values
from ai_runner.model import TensorInfo
from ai_runner.profile import NodeProfile

Array = npt.NDArray[Any]

_SAME_CONTENT = 0.99  # correlation from which two tensors are taken for the same one
_CLEARLY_BETTER = 10.0  # how many times closer to 1 a match elsewhere has to be before a pair is dissolved
_LOOKED_AT = 1 << 16  # values of a tensor that its content is judged by
_TOO_FEW = 8  # fewer values correlate by chance (two always do)


@dataclass(frozen=True)
class Unpaired:
    """A node without counterpart.

    Attributes:
        side: ``reference`` or ``target``.
        index: the layer's index in the original model where it is known, else the node's position.
        name, type: of the node.
        reason: why it has none, one clause.
    """

    side: str
    index: int
    name: str
    type: str
    reason: str


@dataclass(frozen=True)
class LayerAlignment:
    """The pairs in the order of the reference, and what is left on both sides."""

    pairs: tuple[LayerPair, ...]
    unpaired: tuple[Unpaired, ...]


def align_layers(
    reference: Sequence[NodeProfile], target: Sequence[NodeProfile], layer_map: LayerMap | None = None
) -> LayerAlignment:
    """Pairs the nodes of one run over the same samples on both sides; works without data as well, on less evidence.

    What `layer_map` says goes before all evidence; raises InvalidParamError when it names what there is not.
    """
    references, targets = _tensors(reference), _tensors(target)
    mapped, references, targets = (layer_map or LayerMap()).apply(references, targets)
    pairs = _pair_by_id(references, targets)
    pairs += _pair_by_order(*_without(pairs, references, targets), bool(pairs))
    pairs = _settle_by_content(pairs, references, targets, _Contents(reference), _Contents(target))
    pairs += [*_pair_changed(*_without(pairs, references, targets)), *mapped]
    pairs.sort(key=lambda pair: (pair.reference.position, pair.reference.output))
    left_references, left_targets = _without(pairs, references, targets)
    unpaired = [_left_reference(place, targets) for place in left_references]
    unpaired += [_left_target(place, references, pairs) for place in left_targets]
    return LayerAlignment(tuple(pairs), tuple(unpaired))


def _tensors(nodes: Sequence[NodeProfile]) -> list[NodeTensor]:
    return [
        NodeTensor(position, output, profile.info, tensor)
        for position, profile in enumerate(nodes)
        for output, tensor in enumerate(profile.info.outputs)
    ]


def _without(
    pairs: list[LayerPair], references: list[NodeTensor], targets: list[NodeTensor]
) -> tuple[list[NodeTensor], list[NodeTensor]]:
    taken = {id(pair.reference) for pair in pairs} | {id(pair.target) for pair in pairs}
    return [p for p in references if id(p) not in taken], [p for p in targets if id(p) not in taken]


def _compatible(one: TensorInfo, other: TensorInfo) -> bool:
    if one.dtype != other.dtype or shape_without_ones(one) != shape_without_ones(other):
        return False
    mine, theirs = one.quantization, other.quantization
    if mine is None or theirs is None:
        return True
    return mine.zero_point == theirs.zero_point and all(map(_close, mine.scale, theirs.scale))


def _close(one: float, other: float) -> bool:
    return isclose(one, other, rel_tol=1e-6)


def _pair_by_id(references: list[NodeTensor], targets: list[NodeTensor]) -> list[LayerPair]:
    candidates: dict[int, list[NodeTensor]] = {}
    for place in reversed(targets):
        if place.node.m_id >= 0:
            candidates.setdefault(place.node.m_id, []).append(place)
    pairs = []
    for place in references:
        known = candidates.get(place.node.m_id, [])
        # Nodes with several outputs: the same one first.
        known = sorted(known, key=lambda other: (-other.position, other.output != place.output))
        match = next((other for other in known if _compatible(place.tensor, other.tensor)), None)
        if match is not None:
            candidates[place.node.m_id].remove(match)
            pairs.append(LayerPair(place, match, "id"))
    return pairs


def _pair_by_order(references: list[NodeTensor], targets: list[NodeTensor], ids_hold: bool) -> list[LayerPair]:
    """Longest common subsequence; a target whose id is known to hold is something else and takes no part."""
    if ids_hold:
        targets = [place for place in targets if place.node.m_id < 0]
    rows, columns = len(references), len(targets)
    length = np.zeros((rows + 1, columns + 1), np.int32)
    for row in range(rows - 1, -1, -1):
        for column in range(columns - 1, -1, -1):
            if _compatible(references[row].tensor, targets[column].tensor):
                length[row, column] = length[row + 1, column + 1] + 1
            else:
                length[row, column] = max(length[row + 1, column], length[row, column + 1])
    pairs = []
    row = column = 0
    while row < rows and column < columns:
        if _compatible(references[row].tensor, targets[column].tensor):
            pairs.append(LayerPair(references[row], targets[column], "order"))
            row, column = row + 1, column + 1
        elif length[row + 1, column] >= length[row, column + 1]:
            row += 1
        else:
            column += 1
    return pairs


def _pair_changed(references: list[NodeTensor], targets: list[NodeTensor]) -> list[LayerPair]:
    """Layers that the target stores otherwise: same id and shape, another type or scale."""
    pairs = []
    left = list(targets)
    for place in references:
        for other in reversed(left):
            same_shape = shape_without_ones(place.tensor) == shape_without_ones(other.tensor)
            if place.node.m_id == other.node.m_id >= 0 and same_shape:
                left.remove(other)
                pairs.append(LayerPair(place, other, "id"))
                break
    return pairs


class _Contents:
    """The data of one side's tensors as unit vectors, made when asked for."""

    def __init__(self, nodes: Sequence[NodeProfile]) -> None:
        self._nodes = nodes
        self._units: dict[tuple[int, int], npt.NDArray[np.float64] | None] = {}

    def has_data(self) -> bool:
        return any(profile.data for profile in self._nodes)

    def unit(self, place: NodeTensor) -> npt.NDArray[np.float64] | None:
        """The tensor's values without their mean, of norm 1; None for no data, a constant, NaN or Inf."""
        key = (place.position, place.output)
        if key not in self._units:
            self._units[key] = self._make_unit(place)
        return self._units[key]

    def _make_unit(self, place: NodeTensor) -> npt.NDArray[np.float64] | None:
        data = self._nodes[place.position].data
        if place.output >= len(data) or data[place.output].size < _TOO_FEW:
            return None
        stored = data[place.output].reshape(-1)
        if place.tensor.quantization is None or not place.tensor.quantization.per_channel:
            stored = stored[:: -(-stored.size // _LOOKED_AT)]
        else:
            stored = data[place.output]
        values = real_values(place.tensor, stored).astype(np.float64).reshape(-1)
        if not np.isfinite(values).all():
            return None
        values = values - values.mean()
        norm = sqrt(dot(values, values))
        return values / norm if norm > 0.0 else None


def _correlation(one: npt.NDArray[np.float64] | None, other: npt.NDArray[np.float64] | None) -> float:
    """Pearson's r; 0 where nothing can be said."""
    if one is None or other is None or one.size != other.size:
        return 0.0
    return dot(one, other)


def _settle_by_content(
    pairs: list[LayerPair],
    references: list[NodeTensor],
    targets: list[NodeTensor],
    of_reference: _Contents,
    of_target: _Contents,
) -> list[LayerPair]:
    if not (of_reference.has_data() and of_target.has_data()):
        return pairs
    agreement = {id(p): _correlation(of_reference.unit(p.reference), of_target.unit(p.target)) for p in pairs}
    doubtful = [pair for pair in pairs if agreement[id(pair)] < _SAME_CONTENT]
    own = {id(place): agreement[id(pair)] for pair in doubtful for place in (pair.reference, pair.target)}
    firm = [pair for pair in pairs if agreement[id(pair)] >= _SAME_CONTENT]
    free_references, free_targets = _without(firm, references, targets)
    matches = []
    for place in free_references:
        for other in free_targets:
            found = _correlation(of_reference.unit(place), of_target.unit(other))
            held = max(own.get(id(place), 0.0), own.get(id(other), 0.0))
            if found >= _SAME_CONTENT and (1.0 - found) * _CLEARLY_BETTER <= 1.0 - held:
                matches.append((-round(found, 6), place.position, other.position, place, other))
    matches.sort(key=lambda match: match[:3])
    settled, taken = list(firm), set[int]()
    for *_, place, other in matches:
        if id(place) not in taken and id(other) not in taken:
            taken |= {id(place), id(other)}
            settled.append(LayerPair(place, other, "content"))
    return settled + [p for p in doubtful if id(p.reference) not in taken and id(p.target) not in taken]


def _left_reference(place: NodeTensor, targets: list[NodeTensor]) -> Unpaired:
    same_id = [other for other in targets if other.node.m_id == place.node.m_id >= 0]
    reason = "no node of the target matches it in id, shape and content" if targets else "the target shows no nodes"
    if same_id and not any(_compatible(place.tensor, other.tensor) for other in same_id):
        reason = f"the target's node of this id writes {_kind(same_id[-1].tensor)}, not {_kind(place.tensor)}"
    elif same_id:
        reason = "the target's node of this id computes another layer: it is fused"
    return Unpaired("reference", layer_index(place), place.node.name, place.node.type_name, reason)


def _left_target(place: NodeTensor, references: list[NodeTensor], pairs: list[LayerPair]) -> Unpaired:
    reason = "no layer of the reference matches it in id, shape and content"
    if not references:
        reason = "the reference shows no nodes"
    for pair in pairs:
        if pair.target.node.m_id == place.node.m_id >= 0:
            reason = f"a step of layer {layer_index(pair.reference)}, whose output '{pair.target.node.name}' carries"
    return Unpaired("target", layer_index(place), place.node.name, place.node.type_name, reason)


def _kind(tensor: TensorInfo) -> str:
    text = f"{tensor.dtype.name} {list(tensor.shape)}"
    if tensor.quantization is not None and not tensor.quantization.per_channel:
        text += f" scale {tensor.quantization.scale[0]:.6g} zero point {tensor.quantization.zero_point[0]}"
    return text
