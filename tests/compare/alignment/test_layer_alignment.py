"""Layers paired by id, by order and by content; what has no counterpart is listed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_runner.compare.alignment.layer_alignment import LayerAlignment, align_layers
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


def test_ids_of_another_file_say_nothing(tensors: Any) -> None:
    """The first operator of the one file is left out by the other: every id is off by one, and all shapes fit."""
    ours = [tensors.node(i, tensors.f32(f"t{i}", 16)) for i in range(4)]
    theirs = [tensors.node(i, tensors.f32(f"x{i}", 16)) for i in (1, 2, 3)]
    assert found(align_layers(ours, theirs, same_model=True)) == [(1, 0, "id"), (2, 1, "id"), (3, 2, "id")]
    assert found(align_layers(ours, theirs, same_model=False)) == [(0, 0, "order"), (1, 1, "order"), (2, 2, "order")]


def test_where_nobody_knows_the_file_ids_have_to_explain_as_much_as_order(tensors: Any) -> None:
    ours = [tensors.node(i, tensors.i8(f"t{i}", 8, scale=0.1 + i)) for i in range(4)]
    counted_from_one = [tensors.node(i + 1, tensors.i8(f"x{i}", 8, scale=0.1 + i)) for i in range(4)]
    assert found(align_layers(ours, counted_from_one)) == [(i, i, "order") for i in range(4)]
    assert found(align_layers(ours, counted_from_one, same_model=True)) == [(i, i, "order") for i in range(4)]
    # A layer of floats in between, and two that have changed places: ids explain more than order does.
    kinds = [
        tensors.i8("a", 8, scale=0.1),
        tensors.f32("b", 8),
        tensors.i8("d", 8, scale=3.1),
        tensors.i8("c", 8, scale=2.1),
    ]
    mixed = [tensors.node(i, tensor) for i, tensor in zip((0, 1, 3, 2), kinds, strict=True)]
    assert found(align_layers(ours, mixed)) == [(0, 0, "id"), (1, 1, "id"), (2, 3, "id"), (3, 2, "id")]


def test_one_file_counted_from_one_and_wrong_from_a_layer_on(tensors: Any) -> None:
    data = [noise(64) for _ in range(6)]
    ours = [tensors.node(i, tensors.f32(f"t{i}", 64), x) for i, x in enumerate(data)]
    theirs = [tensors.node(i + 1, tensors.f32(f"x{i}", 64), x if i < 3 else noise(64)) for i, x in enumerate(data)]
    assert found(align_layers(ours, theirs, same_model=True)) == [(i, i, "order") for i in range(6)]


def test_another_file_with_other_scales_is_paired_layer_by_layer(tensors: Any) -> None:
    ours = [tensors.node(i, tensors.i8(f"t{i}", 4 + i % 2, scale=0.1)) for i in range(4)]
    theirs = [tensors.node(i + 7, tensors.i8(f"x{i}", 4 + i % 2, scale=0.2)) for i in range(4)]
    assert found(align_layers(ours, theirs, same_model=False)) == [(i, i, "order") for i in range(4)]
    # One is missing: of its shape it cannot be said which.
    assert found(align_layers(ours, theirs[1:], same_model=False)) == [(1, 0, "order"), (3, 2, "order")]


def test_of_layers_that_order_cannot_tell_apart_those_are_paired_that_look_alike(tensors: Any) -> None:
    """The reference has convolution and activation, the target fuses them, and its second layer is wrong."""
    sums = [noise(64), noise(64)]
    ours = []
    for i, x in enumerate(sums):
        ours += [
            tensors.node(-1, tensors.f32(f"c{i}", 64), x),
            tensors.node(-1, tensors.f32(f"r{i}", 64), np.maximum(x, 0)),
        ]
    wrong = np.maximum(sums[1], 0) + 0.3 * noise(64)
    theirs = [
        tensors.node(-1, tensors.f32("x0", 64), np.maximum(sums[0], 0)),
        tensors.node(-1, tensors.f32("x1", 64), wrong),
    ]
    alignment = align_layers(ours, theirs)
    assert found(alignment) == [(1, 0, "order"), (3, 1, "order")]
    assert left(alignment) == [("reference", 0), ("reference", 2)]


def test_equal_constants_contradict_no_pair_and_make_none(tensors: Any) -> None:
    dead, alive = np.zeros((2, 16), np.float32), noise(16)
    ours = [tensors.node(i, tensors.f32(f"t{i}", 16), x) for i, x in enumerate((dead, alive))]
    stuck = [tensors.node(i, tensors.f32(f"x{i}", 16), x) for i, x in enumerate((noise(16), dead))]
    assert found(align_layers(ours, stuck, same_model=True)) == [(0, 0, "id"), (1, 1, "id")]


@pytest.mark.parametrize("shape", [(8, 8, 8), (4, 6, 5), (6, 5), (1, 6, 5)])
@pytest.mark.parametrize("wrong", [False, True])
def test_channels_first_against_channels_last(tensors: Any, shape: tuple[int, ...], wrong: bool) -> None:
    data = [noise(*shape), noise(*shape)]
    moved = [np.moveaxis(x, -1, 1) + (0.2 * np.moveaxis(noise(*shape), -1, 1) if wrong else 0) for x in data]
    ours = [tensors.node(i, tensors.f32(f"t{i}", *shape), x) for i, x in enumerate(data)]
    theirs = [tensors.node(i, tensors.f32(f"x{i}", *x.shape[1:]), x) for i, x in enumerate(moved)]
    alignment = align_layers(ours, theirs, same_model=False)
    assert [(a, b) for a, b, _ in found(alignment)] == [(0, 0), (1, 1)]
    for pair, x in zip(alignment.pairs, data, strict=True):
        difference = pair.target_data(theirs).reshape(x.shape) - x
        assert np.abs(difference).max() < (2 if wrong else 1e-6)
        assert np.corrcoef(pair.target_data(theirs).ravel(), x.ravel())[0, 1] > 0.9


def test_one_model_in_one_layout_is_never_turned(tensors: Any) -> None:
    """A target that writes one layer in another order is wrong, however well that would explain it."""
    plain, cube = noise(4, 6, 5), noise(8, 8, 8)
    ours = [tensors.node(0, tensors.f32("a", 4, 6, 5), plain), tensors.node(1, tensors.f32("b", 8, 8, 8), cube)]
    theirs = [
        tensors.node(0, tensors.f32("x", 4, 6, 5), plain),
        tensors.node(1, tensors.f32("y", 8, 8, 8), np.moveaxis(cube, -1, 1)),
    ]
    alignment = align_layers(ours, theirs, same_model=True)
    assert found(alignment) == [(0, 0, "id"), (1, 1, "id")]
    assert [pair.arrangement for pair in alignment.pairs] == [None, None]


def test_one_model_in_two_layouts_is_paired_by_id_all_the_same(tensors: Any) -> None:
    """As generated code has channels last where its .onnx has them first; the second layer is wrong."""
    data = [noise(5, 4, 6), noise(5, 4, 6)]
    theirs = [tensors.node(7 + i, tensors.f32(f"x{i}", 5, 4, 6), x) for i, x in enumerate((data[0], noise(5, 4, 6)))]
    ours = [tensors.node(7 + i, tensors.f32(f"t{i}", 6, 5, 4), np.moveaxis(x, -1, 1)) for i, x in enumerate(data)]
    alignment = align_layers(ours, theirs, same_model=True)
    assert found(alignment) == [(0, 0, "content"), (1, 1, "id")]
    assert all(pair.arrangement is not None and pair.arrangement.shape == (6, 5, 4) for pair in alignment.pairs)


kinds = st.sampled_from([("f32", (16,)), ("f32", (4, 2, 2)), ("i8", (16,)), ("i8", (2, 2, 4)), ("f32", (9,))])
scales = st.sampled_from([0.1, 0.2])
ids = st.integers(-1, 5)
sides = st.lists(st.tuples(kinds, scales, ids, st.booleans()), max_size=7)


def made(tensors: Any, described: Any, random: np.random.Generator) -> list[NodeProfile]:
    nodes = []
    for i, ((kind, shape), scale, m_id, shown) in enumerate(described):
        tensor = tensors.f32(f"t{i}", *shape) if kind == "f32" else tensors.i8(f"t{i}", *shape, scale=scale)
        nodes.append(tensors.node(m_id, tensor, random.integers(-99, 99, (2, *shape)) if shown else None))
    return nodes


@settings(deadline=None)
@given(mine=sides, other=sides, same_model=st.sampled_from([True, False, None]))
def test_every_tensor_is_in_one_pair_or_listed_once(tensors: Any, mine: Any, other: Any, same_model: Any) -> None:
    random = np.random.default_rng(1)
    reference, target = made(tensors, mine, random), made(tensors, other, random)
    alignment = align_layers(reference, target, same_model=same_model)
    for side, nodes, paired in (
        ("reference", reference, [pair.reference.position for pair in alignment.pairs]),
        ("target", target, [pair.target.position for pair in alignment.pairs]),
    ):
        listed = [one.name for one in alignment.unpaired if one.side == side]
        assert sorted([*(nodes[k].info.name for k in paired), *listed]) == sorted(node.info.name for node in nodes)
    sizes = [[np.prod(x.tensor.shape) for x in (pair.reference, pair.target)] for pair in alignment.pairs]
    assert all(one == two for one, two in sizes)


@settings(deadline=None)
@given(mine=sides, other=sides, renumbered=st.lists(ids, min_size=7, max_size=7))
def test_ids_of_another_file_change_nothing(tensors: Any, mine: Any, other: Any, renumbered: list[int]) -> None:
    again = [(kind, scale, m_id, shown) for (kind, scale, _, shown), m_id in zip(other, renumbered, strict=False)]
    one, two = (
        found(
            align_layers(
                made(tensors, mine, np.random.default_rng(1)),
                made(tensors, x, np.random.default_rng(2)),
                same_model=False,
            )
        )
        for x in (other, again)
    )
    assert one == two


@settings(deadline=None)
@given(mine=sides, same_model=st.sampled_from([True, False, None]))
def test_a_side_is_its_own_counterpart(tensors: Any, mine: Any, same_model: Any) -> None:
    unique = [(kind, scale, i, True) for i, (kind, scale, _, _) in enumerate(mine)]
    nodes = made(tensors, unique, np.random.default_rng(1))
    alignment = align_layers(nodes, nodes, same_model=same_model)
    assert [(a, b) for a, b, _ in found(alignment)] == [(i, i) for i in range(len(nodes))]
    assert not alignment.unpaired


@settings(deadline=None)
@given(data=st.data(), count=st.integers(1, 6), same_model=st.sampled_from([True, False, None]))
def test_content_finds_every_layer_wherever_it_is(tensors: Any, data: Any, count: int, same_model: Any) -> None:
    """Reordered, renamed, renumbered, missing; all of one shape and type. Of one file ids are right, of another any."""
    random = np.random.default_rng(count)
    values = [random.normal(size=(2, 64)) for _ in range(count)]
    kept = data.draw(st.permutations(range(count)))[: data.draw(st.integers(1, count))]
    numbers = kept if same_model else data.draw(st.lists(ids, min_size=len(kept), max_size=len(kept)))
    ours = [tensors.node(i, tensors.f32(f"t{i}", 64), x) for i, x in enumerate(values)]
    theirs = [tensors.node(m_id, tensors.f32(f"x{i}", 64), values[i]) for i, m_id in zip(kept, numbers, strict=True)]
    alignment = align_layers(ours, theirs, same_model=same_model)
    assert sorted((a, kept[b]) for a, b, _ in found(alignment)) == [(i, i) for i in sorted(kept)]


def test_content_is_not_looked_for_in_a_few_channels_only(tensors: Any) -> None:
    """A large tensor is looked at in steps; here 0 and 32 of its 64 channels are dead."""
    data = [noise(64, 64, 64), noise(64, 64, 64)]
    for x in data:
        x[..., ::32] = 0
    ours = [tensors.node(i, tensors.f32(f"t{i}", 64, 64, 64), x) for i, x in enumerate(data)]
    theirs = [tensors.node(i, tensors.f32(f"x{i}", 64, 64, 64), x) for i, x in enumerate(reversed(data))]
    assert found(align_layers(ours, theirs, same_model=False)) == [(0, 1, "content"), (1, 0, "content")]
