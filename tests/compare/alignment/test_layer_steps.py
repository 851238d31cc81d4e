"""Layers of several nodes: their time and what is told about the nodes between."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ai_runner.compare.alignment.layer_alignment import align_layers
from ai_runner.compare.alignment.layer_steps import steps_by_reading
from ai_runner.profile import NodeProfile
from ai_runner.rerun import MODEL_INPUT

RNG = np.random.default_rng(4)


def reading(node: NodeProfile, *positions: int) -> NodeProfile:
    return replace(node, info=replace(node.info, reads=tuple((position, 0) for position in positions)))


def test_a_split_layer_is_all_that_leads_to_it(tensors: Any) -> None:
    """x -> conv -> relu -> y; one side has conv and relu in one node, the ids are those of two files."""
    sums, other = RNG.normal(size=(2, 64)), RNG.normal(size=(2, 64))
    whole = [
        reading(tensors.node(0, tensors.f32("a", 64), np.maximum(sums, 0)), MODEL_INPUT),
        reading(tensors.node(1, tensors.f32("y", 64), other), 0),
    ]
    split = [
        reading(tensors.node(0, tensors.f32("conv", 64), sums), MODEL_INPUT),
        reading(tensors.node(1, tensors.f32("relu", 64), np.maximum(sums, 0)), 0),
        reading(tensors.node(2, tensors.f32("y", 64), other), 1),
    ]
    alignment = align_layers(whole, split, same_model=False)
    assert [(pair.target.position, pair.steps) for pair in alignment.pairs] == [(1, (0, 1)), (2, (2,))]
    assert [one.reason for one in alignment.unpaired] == ["a step of layer 0, whose output 'relu_node' carries"]
    alignment = align_layers(split, whole, same_model=False)
    assert [pair.steps for pair in alignment.pairs] == [(0,), (1,)]
    assert [(one.index, one.reason) for one in alignment.unpaired] == [
        (0, "the target has no node for it on the way to layer 1: it is fused into that, or missing")
    ]


def test_nodes_with_one_id_are_one_layer(tensors: Any) -> None:
    whole = [tensors.node(0, tensors.i8("a", 8)), tensors.node(1, tensors.i8("y", 4))]
    split = [
        tensors.node(0, tensors.i8("s", 3)),
        tensors.node(0, tensors.i8("t", 8)),
        tensors.node(1, tensors.i8("u", 4)),
    ]
    alignment = align_layers(whole, split, same_model=True)
    assert [(pair.target.position, pair.steps) for pair in alignment.pairs] == [(1, (0, 1)), (2, (2,))]


def test_what_two_layers_read_belongs_to_the_first(tensors: Any) -> None:
    nodes = [
        reading(tensors.node(-1, tensors.f32("shared", 4)), MODEL_INPUT),
        reading(tensors.node(-1, tensors.f32("a", 4)), 0),
        reading(tensors.node(-1, tensors.f32("b", 4)), 0, 1),
        tensors.node(-1, tensors.f32("unknown", 4)),
    ]
    (pair,) = align_layers(nodes[1:2], nodes[1:2]).pairs
    paired = [replace(pair.target, position=position) for position in (1, 2, 3)]
    assert steps_by_reading(paired, [node.info for node in nodes]) == [(0, 1), (2,), (3,)]
    assert steps_by_reading(paired[1:], [node.info for node in nodes]) == [(0, 1, 2), (3,)]
