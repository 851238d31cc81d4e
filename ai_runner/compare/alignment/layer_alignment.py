"""Which node of the target computes which layer of the reference.

Three kinds of evidence, the strongest first:

1. The node id (`NodeInfo.m_id`, position in the original model), where shape, dtype and quantization agree with it.
   Of several nodes with one id the last carries the layer's output. Ids are compared only where both sides count the
   nodes of one model: where it is the same file, or where nobody says which file it is and ids pair at least as many
   layers as order alone does. Some runtimes count from 1: also of the same file ids are not compared where order alone
   pairs more layers, and more that are alike.
2. Shape, dtype, quantization and order: the longest common subsequence of what is left, for nodes whose id says
   nothing; of all nodes where ids are not compared.
3. Content, as far as the first chunk of data shows it: what is left is paired when it correlates, and a pair whose
   contents contradict it is dissolved when one of the two clearly matches a tensor elsewhere (a fused activation, ids
   of another numbering). A layer that is merely wrong keeps its pair, for that is what is being looked for.

What is left then and agrees in shape and in id, or in order where ids are not compared, is a layer that the target
stores in another type or scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ai_runner.compare.alignment.arrangement import declared_arrangement, same_dimensions, shape_without_ones
from ai_runner.compare.alignment.layer_content import Contents, clearly_better
from ai_runner.compare.alignment.layer_map import LayerMap
from ai_runner.compare.alignment.layer_pair import LayerPair, NodeTensor, layer_index
from ai_runner.compare.alignment.layer_steps import steps_by_id, steps_by_reading
from ai_runner.compare.tolerance import same_scale
from ai_runner.model import TensorInfo
from ai_runner.profile import NodeProfile


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
    reference: Sequence[NodeProfile],
    target: Sequence[NodeProfile],
    layer_map: LayerMap | None = None,
    same_model: bool | None = None,
) -> LayerAlignment:
    """Pairs the nodes of one run over the same samples on both sides; works without data as well, on less evidence.

    Args:
        layer_map: goes before all evidence.
        same_model: whether both sides were made from one file; None where nobody knows.

    Raises:
        InvalidParamError: `layer_map` names what there is not.
    """
    references, targets = _tensors(reference), _tensors(target)
    mapped, references, targets = (layer_map or LayerMap()).apply(references, targets)
    contents = Contents(reference, target, moving=True)
    pairs, ids_hold = _pair_by_description(references, targets, contents, same_model)
    if ids_hold and any(_tells_layout(pair) for pair in pairs):
        contents = Contents(reference, target, moving=False)
    pairs = _settle_by_content(pairs, references, targets, contents)
    left = _without(pairs, references, targets)
    changed = _pair_changed(*left) if ids_hold else _pair_as_many_left(*left, pairs)
    pairs += [*changed, *mapped]
    pairs = _with_steps(_arranged(pairs, contents), target, ids_hold)
    pairs.sort(key=lambda pair: (pair.reference.position, pair.reference.output))
    left_references, left_targets = _without(pairs, references, targets)
    within = _within(pairs, reference)
    unpaired = [_left_reference(place, targets, within.get(place.position), ids_hold) for place in left_references]
    unpaired += [_left_target(place, references, pairs, ids_hold) for place in left_targets]
    return LayerAlignment(tuple(pairs), tuple(unpaired))


def _with_steps(pairs: list[LayerPair], target: Sequence[NodeProfile], ids_hold: bool) -> list[LayerPair]:
    nodes, paired = [profile.info for profile in target], [pair.target for pair in pairs]
    by_id, by_reading = steps_by_id(paired, nodes), steps_by_reading(paired, nodes)
    # Where ids hold, what leads there with another id is a layer of its own.
    others = [(place.position,) for place in paired] if ids_hold else by_reading
    return [
        replace(pair, steps=own if pair.evidence == "id" else other)
        for pair, own, other in zip(pairs, by_id, others, strict=True)
    ]


def _within(pairs: list[LayerPair], reference: Sequence[NodeProfile]) -> dict[int, LayerPair]:
    """By the position of a node of the reference, the layer that it leads to."""
    steps = steps_by_reading([pair.reference for pair in pairs], [profile.info for profile in reference])
    return {position: pair for pair, positions in zip(pairs, steps, strict=True) for position in positions}


def _tells_layout(pair: LayerPair) -> bool:
    """Whether two tensors of one shape have their channels at the same place: with others they had another shape."""
    tensor = pair.reference.tensor
    shape = shape_without_ones(tensor)
    return len(shape) > 1 and len(set(shape)) > 1 and shape == shape_without_ones(pair.target.tensor)


def _arranged(pairs: list[LayerPair], contents: Contents) -> list[LayerPair]:
    """The pairs with what brings their targets into the order of the reference: as contents show, else as shapes do."""
    return [
        replace(
            pair,
            arrangement=contents.likeness(pair.reference, pair.target).arrangement
            or declared_arrangement(pair.reference.tensor, pair.target.tensor),
        )
        for pair in pairs
    ]


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
    return shape_without_ones(one) == shape_without_ones(other) and _same_storage(one, other)


def _same_storage(one: TensorInfo, other: TensorInfo) -> bool:
    mine, theirs = one.quantization, other.quantization
    if one.dtype != other.dtype or mine is None or theirs is None:
        return one.dtype == other.dtype
    return mine.zero_point == theirs.zero_point and all(map(same_scale, mine.scale, theirs.scale))


def _pair_by_description(
    references: list[NodeTensor], targets: list[NodeTensor], contents: Contents, same_model: bool | None
) -> tuple[list[LayerPair], bool]:
    """By id and order, or by order alone; and whether ids are compared."""
    numbered = all(any(place.node.m_id >= 0 for place in side) for side in (references, targets))
    if same_model is False or not numbered:
        return _pair_by_order(references, targets, contents), False
    by_id = _pair_by_id(references, targets)
    rest, others = _without(by_id, references, targets)
    # Where ids hold, a target whose id says something is another layer and takes no part.
    with_ids = by_id + _pair_by_order(rest, [p for p in others if p.node.m_id < 0 or not by_id], contents)
    if len(with_ids) == min(len(references), len(targets)):
        return with_ids, True  # no order pairs more
    by_order = _pair_by_order(references, targets, contents)
    order_explains_more = len(by_order) > len(with_ids)
    if order_explains_more and same_model:
        order_explains_more = _alike(by_order, contents) > _alike(with_ids, contents)
    return (by_order, False) if order_explains_more else (with_ids, True)


def _alike(pairs: list[LayerPair], contents: Contents) -> int:
    return sum(contents.likeness(pair.reference, pair.target).same for pair in pairs)


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


def _pair_by_order(references: list[NodeTensor], targets: list[NodeTensor], contents: Contents) -> list[LayerPair]:
    """Longest common subsequence; of several the one whose contents agree best."""
    rows, columns = len(references), len(targets)
    gain, best = np.zeros((rows, columns)), np.zeros((rows + 1, columns + 1))
    for row in range(rows - 1, -1, -1):
        for column in range(columns - 1, -1, -1):
            mine, theirs = references[row], targets[column]
            if _compatible(mine.tensor, theirs.tensor):
                likeness = contents.likeness(mine, theirs)
                # Less than another pair, however many of them there are.
                gain[row, column] = 1 + max(likeness.correlation, float(likeness.constant), 0.0) / (2 * rows)
            together = best[row + 1, column + 1] + gain[row, column]
            best[row, column] = max(together, best[row + 1, column], best[row, column + 1])
    pairs = []
    row = column = 0
    while row < rows and column < columns:
        if gain[row, column] and best[row, column] == best[row + 1, column + 1] + gain[row, column]:
            pairs.append(LayerPair(references[row], targets[column], "order"))
            row, column = row + 1, column + 1
        elif best[row + 1, column] >= best[row, column + 1]:
            row += 1
        else:
            column += 1
    return pairs


def _settle_by_content(
    pairs: list[LayerPair], references: list[NodeTensor], targets: list[NodeTensor], contents: Contents
) -> list[LayerPair]:
    if not contents.known():
        return pairs
    firm = [pair for pair in pairs if contents.likeness(pair.reference, pair.target).same]
    doubtful = [pair for pair in pairs if not contents.likeness(pair.reference, pair.target).same]
    own = {
        id(place): contents.likeness(pair.reference, pair.target).correlation
        for pair in doubtful
        for place in (pair.reference, pair.target)
    }
    matches = []
    free_references, free_targets = _without(firm, references, targets)
    for place in free_references:
        for other in free_targets:
            found = contents.likeness(place, other).correlation
            if clearly_better(found, max(own.get(id(place), 0.0), own.get(id(other), 0.0))):
                stored_otherwise = not _same_storage(place.tensor, other.tensor)
                matches.append((stored_otherwise, -round(found, 6), place.position, other.position, place, other))
    matches.sort(key=lambda match: match[:4])
    settled, taken = list(firm), set[int]()
    for *_, place, other in matches:
        if id(place) not in taken and id(other) not in taken:
            taken |= {id(place), id(other)}
            settled.append(LayerPair(place, other, "content"))
    return settled + [p for p in doubtful if id(p.reference) not in taken and id(p.target) not in taken]


def _pair_changed(references: list[NodeTensor], targets: list[NodeTensor]) -> list[LayerPair]:
    """Layers that the target stores otherwise: same id and shape, another type or scale."""
    pairs = []
    left = list(targets)
    for place in references:
        for other in reversed(left):
            if place.node.m_id == other.node.m_id >= 0 and same_dimensions(place.tensor, other.tensor):
                left.remove(other)
                pairs.append(LayerPair(place, other, "id"))
                break
    return pairs


def _pair_as_many_left(
    references: list[NodeTensor], targets: list[NodeTensor], pairs: list[LayerPair]
) -> list[LayerPair]:
    """Layers of one shape, channels first or last, of which as many are left on both sides between the same pairs."""
    before = {id(place): _before(place, [pair.reference for pair in pairs]) for place in references}
    before |= {id(place): _before(place, [pair.target for pair in pairs]) for place in targets}
    found: list[LayerPair] = []
    left = list(references)
    while left:
        mine, theirs = (
            [p for p in side if before[id(p)] == before[id(left[0])] and same_dimensions(p.tensor, left[0].tensor)]
            for side in (left, targets)
        )
        if len(mine) == len(theirs):
            found += [LayerPair(*both, "order") for both in zip(mine, theirs, strict=True)]
        left = [place for place in left[1:] if all(place is not other for other in mine)]
    return found


def _before(place: NodeTensor, paired: Sequence[NodeTensor]) -> frozenset[int]:
    """Which of the paired tensors are written before this one."""
    mine = place.position, place.output
    return frozenset(k for k, other in enumerate(paired) if (other.position, other.output) < mine)


def _left_reference(place: NodeTensor, targets: list[NodeTensor], within: LayerPair | None, ids_hold: bool) -> Unpaired:
    same_id = [other for other in targets if ids_hold and other.node.m_id == place.node.m_id >= 0]
    reason = f"no node of the target matches it in {_evidence(ids_hold)}" if targets else "the target shows no nodes"
    if same_id and not any(_compatible(place.tensor, other.tensor) for other in same_id):
        reason = f"the target's node of this id writes {_kind(same_id[-1].tensor)}, not {_kind(place.tensor)}"
    elif same_id:
        reason = "the target's node of this id computes another layer: it is fused"
    elif within is not None:
        layer = layer_index(within.reference)
        reason = f"the target has no node for it on the way to layer {layer}: it is fused into that, or missing"
    return Unpaired("reference", layer_index(place), place.node.name, place.node.type_name, reason)


def _left_target(place: NodeTensor, references: list[NodeTensor], pairs: list[LayerPair], ids_hold: bool) -> Unpaired:
    reason = f"no layer of the reference matches it in {_evidence(ids_hold)}"
    if not references:
        reason = "the reference shows no nodes"
    for pair in pairs:
        if place.position in pair.steps:
            reason = f"a step of layer {layer_index(pair.reference)}, whose output '{pair.target.node.name}' carries"
    return Unpaired("target", layer_index(place), place.node.name, place.node.type_name, reason)


def _evidence(ids_hold: bool) -> str:
    return "id, shape and content" if ids_hold else "shape, order and content"


def _kind(tensor: TensorInfo) -> str:
    text = f"{tensor.dtype.name} {list(tensor.shape)}"
    if tensor.quantization is not None and not tensor.quantization.per_channel:
        text += f" scale {tensor.quantization.scale[0]:.6g} zero point {tensor.quantization.zero_point[0]}"
    return text
