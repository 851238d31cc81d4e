"""Layers paired by id, by order and by content; what has no counterpart is listed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.compare.layer_alignment import LayerAlignment, align_layers
from ai_runner.model import NodeInfo
from ai_runner.profile import NodeProfile

RNG = np.random.default_rng(3)


def noise(*shape: int) -> npt.NDArray[np.float32]:
    return RNG.normal(size=(2, *shape)).astype(np.float32)


def found(alignment: LayerAlignment) -> list[tuple[int, int, str]]:
    return [(pair.reference.position, pair.target.position, pair.evidence) for pair in alignment.pairs]


def left(alignment: LayerAlignment) -> list[tuple[str, int]]:
    return [(node.side, node.index) for node in alignment.unpaired]


def test_by_id(tensors: Any) -> None:
    ours = [tensors.node(i, tensors.f32(f"t{i}", 16)) for i in range(3)]
    theirs = [tensors.node(i, tensors.f32(f"x{i}", 1, 16)) for i in (0, 2)]
    alignment = align_layers(ours, theirs)
    assert found(alignment) == [(0, 0, "id"), (2, 1, "id")]
    assert left(alignment) == [("reference", 1)]
    assert alignment.unpaired[0].reason == "no node of the target matches it in id, shape and content"


def test_of_several_nodes_with_one_id_the_last_carries_the_output(tensors: Any) -> None:
    ours = [tensors.node(0, tensors.f32("a", 8)), tensors.node(1, tensors.f32("b", 8))]
    theirs = [
        tensors.node(0, tensors.f32("x", 8)),
        tensors.node(1, tensors.f32("y", 8)),
        tensors.node(1, tensors.f32("z", 8)),
    ]
    alignment = align_layers(ours, theirs)
    assert found(alignment) == [(0, 0, "id"), (1, 2, "id")]
    assert left(alignment) == [("target", 1)]
    assert alignment.unpaired[0].reason == "a step of layer 1, whose output 'z_node' carries"


def test_an_id_with_another_shape_is_no_evidence(tensors: Any) -> None:
    ours = [tensors.node(0, tensors.i8("a", 8)), tensors.node(1, tensors.i8("b", 4))]
    theirs = [tensors.node(0, tensors.i8("x", 8)), tensors.node(1, tensors.i8("y", 5))]
    alignment = align_layers(ours, theirs)
    assert found(alignment) == [(0, 0, "id")]
    assert left(alignment) == [("reference", 1), ("target", 1)]
    assert "writes int8 [1, 5] scale 0.5 zero point 3, not int8 [1, 4]" in alignment.unpaired[0].reason


def test_by_shape_type_quantization_and_order_without_ids(tensors: Any) -> None:
    scales = [0.1, 0.2, 0.3, 0.4]
    ours = [tensors.node(i, tensors.i8(f"t{i}", 8, scale=scale)) for i, scale in enumerate(scales)]
    # The second is missing, and there is one more in the middle.
    theirs = [tensors.node(-1, tensors.i8(f"x{i}", 8, scale=s)) for i, s in enumerate([0.1, 0.3, 0.9, 0.4])]
    alignment = align_layers(ours, theirs)
    assert found(alignment) == [(0, 0, "order"), (2, 1, "order"), (3, 3, "order")]
    assert left(alignment) == [("reference", 1), ("target", 2)]


def test_ids_of_another_numbering_are_seen_through_by_content(tensors: Any) -> None:
    data = [noise(32) for _ in range(4)]
    ours = [tensors.node(i, tensors.f32(f"t{i}", 32), data[i]) for i in range(4)]
    theirs = [tensors.node(i + 1, tensors.f32(f"x{i}", 32), data[i]) for i in range(4)]
    alignment = align_layers(ours, theirs)
    assert [(a, b) for a, b, _ in found(alignment)] == [(0, 0), (1, 1), (2, 2), (3, 3)]
    assert left(alignment) == []


def test_a_fused_activation_goes_to_the_layer_that_it_computes(tensors: Any) -> None:
    convolution = noise(64)
    activation = np.maximum(convolution, 0)
    ours = [
        tensors.node(0, tensors.f32("conv", 64), convolution),
        tensors.node(1, tensors.f32("relu", 64), activation),
    ]
    theirs = [tensors.node(0, tensors.f32("conv_relu", 64), activation)]
    alignment = align_layers(ours, theirs)
    assert found(alignment) == [(1, 0, "content")]
    assert left(alignment) == [("reference", 0)]
    assert alignment.unpaired[0].reason == "the target's node of this id computes another layer: it is fused"


def test_a_wrong_layer_keeps_its_pair(tensors: Any) -> None:
    data = [noise(64) for _ in range(3)]
    ours = [tensors.node(i, tensors.f32(f"t{i}", 64), data[i]) for i in range(3)]
    wrong = [data[0], noise(64), noise(64)]
    theirs = [tensors.node(i, tensors.f32(f"x{i}", 64), wrong[i]) for i in range(3)]
    assert found(align_layers(ours, theirs)) == [(0, 0, "id"), (1, 1, "id"), (2, 2, "id")]


def test_an_activation_that_was_forgotten_keeps_its_pair(tensors: Any) -> None:
    convolution = noise(64)
    ours = [
        tensors.node(0, tensors.f32("conv", 64), convolution),
        tensors.node(1, tensors.f32("relu", 64), np.maximum(convolution, 0)),
    ]
    theirs = [
        tensors.node(0, tensors.f32("conv", 64), convolution),
        tensors.node(1, tensors.f32("relu", 64), convolution),
    ]
    assert found(align_layers(ours, theirs)) == [(0, 0, "id"), (1, 1, "id")]


def test_other_types_are_paired_by_content(tensors: Any) -> None:
    data = [noise(64) for _ in range(2)]
    ours = [tensors.node(i, tensors.f32(f"t{i}", 64), data[i]) for i in range(2)]
    quantized = [tensors.i8(f"x{i}", 64, scale=0.05, zero_point=0) for i in range(2)]
    theirs = [tensors.node(-1, q, q.quantization.quantize(data[1 - i], np.int8)) for i, q in enumerate(quantized)]
    assert found(align_layers(ours, theirs)) == [(0, 1, "content"), (1, 0, "content")]


def test_few_values_are_no_content(tensors: Any) -> None:
    # Two values always correlate perfectly, one way or the other.
    ours = [tensors.node(0, tensors.f32("a", 2), noise(2)), tensors.node(1, tensors.f32("b", 2), noise(2))]
    theirs = [tensors.node(1, tensors.f32("y", 2), noise(2)), tensors.node(0, tensors.f32("x", 2), noise(2))]
    assert found(align_layers(ours, theirs)) == [(0, 1, "id"), (1, 0, "id")]


def test_constants_and_nan_say_nothing(tensors: Any) -> None:
    constant, broken = np.zeros((2, 16), np.float32), np.full((2, 16), np.nan, np.float32)
    ours = [tensors.node(i, tensors.f32(f"t{i}", 16), constant) for i in range(2)]
    theirs = [tensors.node(0, tensors.f32("x0", 16), broken), tensors.node(1, tensors.f32("x1", 16), constant)]
    assert found(align_layers(ours, theirs)) == [(0, 0, "id"), (1, 1, "id")]


def test_nodes_with_several_outputs(tensors: Any) -> None:
    info = NodeInfo("split", 0, 0, "SPLIT", (tensors.f32("a", 8), tensors.f32("b", 8)))
    first, second = noise(8), noise(8)
    ours = [NodeProfile(info, data=(first, second))]
    alignment = align_layers(ours, [NodeProfile(info, data=(first, second))])
    assert [(pair.reference.output, pair.target.output) for pair in alignment.pairs] == [(0, 0), (1, 1)]


def test_a_target_without_nodes_leaves_all_layers(tensors: Any) -> None:
    alignment = align_layers([tensors.node(4, tensors.f32("a", 8))], [])
    assert found(alignment) == []
    assert left(alignment) == [("reference", 4)]
    assert alignment.unpaired[0].reason == "the target shows no nodes"
    assert align_layers([], [tensors.node(4, tensors.f32("a", 8))]).unpaired[0].reason == "the reference shows no nodes"
