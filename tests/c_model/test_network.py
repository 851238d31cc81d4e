from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ai_runner.c_model.core_source import core_files
from ai_runner.c_model.legacy_source import legacy_file
from ai_runner.c_model.network import Place, build_network
from ai_runner.c_model.stai_source import stai_file
from ai_runner.errors import InvalidModelError
from ai_runner.tflite_model import TfliteModel


@pytest.fixture
def relus(graph: Callable[..., bytes], tensor: Any, operator: Any) -> Callable[..., TfliteModel]:
    """A float graph of RELUs given as (input, output), on tensors of shape (1, 4); tensor 9 is a constant."""

    def build(
        pairs: list[tuple[int, int]], inputs: list[int], outputs: list[int], shape: tuple[int, ...] = (1, 4)
    ) -> TfliteModel:
        tensors = [tensor(shape, "float32") for _ in range(9)] + [
            tensor((1, 4), "float32", data=np.arange(4, dtype=np.float32))
        ]
        operators = [operator("RELU", [a], [b]) for a, b in pairs]
        return TfliteModel.parse(graph(tensors, operators, inputs, outputs), "relus.tflite")

    return build


def test_a_chain_shares_memory(relus: Any) -> None:
    network = build_network(relus([(0, 1), (1, 2), (2, 3), (3, 4)], [0], [4]))
    assert [tensor.place for tensor in network.tensors] == [Place.INPUT, *[Place.ARENA] * 3, Place.OUTPUT]
    assert network.arena_bytes == 2 * 16
    assert network.copies == ()


def test_a_tensor_lives_until_its_last_use(relus: Any) -> None:
    network = build_network(relus([(0, 1), (1, 2), (2, 3), (0, 4)], [0], [3, 4]))
    offsets = [tensor.offset for tensor in network.tensors]
    assert all(offsets[0] != offset for offset in offsets[1:4])


def test_outputs_that_no_node_writes_are_copied(relus: Any) -> None:
    network = build_network(relus([(0, 1)], [0], [0, 9, 1, 1]))
    first, constant, result, again = network.outputs
    assert network.copies == ((0, first), ("tensor_9", constant), (result, again))
    assert [network.tensors[i].index for i in network.outputs] == [0, 1, 2, 3]
    assert len({network.tensors[i].offset for i in network.outputs}) == 4


def test_no_operators_are_a_network_too(relus: Any) -> None:
    network = build_network(relus([], [0], [0]))
    assert (network.nodes, network.copies, network.macc) == ((), ((0, 1),), 0)


def test_weights_are_counted_with_padding(single_operator: Any, tensor: Any) -> None:
    weights = np.ones((3, 5), np.int8)
    model = single_operator(
        "FULLY_CONNECTED",
        [tensor((1, 5), scale=1), tensor((3, 5), scale=1, data=weights), tensor((3,), "int32", data=[1, 2, 3])],
        tensor((1, 3), scale=1),
    )
    network = build_network(TfliteModel.parse(model))
    total = sum(array.values.nbytes for array in network.constants.values())
    assert network.weights_bytes >= total
    assert network.weights_bytes % 8 == 0


@pytest.mark.parametrize(
    ("pairs", "inputs", "outputs", "message"),
    [
        ([(0, 1)], [], [1], "its graph has no inputs"),
        ([(0, 1)], [0], [], "its graph has no outputs"),
        ([(0, 1)], [0, 0], [1], "its inputs list tensor 0 twice"),
        ([(0, 1)], [9], [1], "its input 0 is a constant"),
        ([(0, 1)], [0], [2], "output 0 needs tensor 2, which nothing computes"),
        ([(1, 2), (0, 1)], [0], [2], r"operator 0 \(RELU\) needs tensor 1, which nothing computes before"),
        ([(0, 1), (0, 1)], [0], [1], r"operator 1 \(RELU\) writes tensor 1 once more"),
        ([(0, 0)], [0], [0], "its output is one of its inputs"),
        ([(0, 9)], [0], [0], "is a constant"),
    ],
)
def test_graphs_that_make_no_sense(relus: Any, pairs: Any, inputs: Any, outputs: Any, message: str) -> None:
    with pytest.raises(InvalidModelError, match=message) as raised:
        build_network(relus(pairs, inputs, outputs))
    assert raised.value.message.startswith("relus.tflite: ")


@pytest.mark.parametrize("shape", [(-1, 4), (0, 4), (1, 2**30, 4)])
def test_sizes_that_cannot_be(relus: Any, shape: tuple[int, ...]) -> None:
    for pairs in ([], [(0, 1)]):
        with pytest.raises(InvalidModelError):
            build_network(relus(pairs, [0], [0], shape))


def test_a_zero_point_out_of_range(graph: Any, tensor: Any) -> None:
    raw = graph([tensor((1, 4), scale=0.5, zero_point=300)], [], [0], [0])
    with pytest.raises(InvalidModelError, match="tensor 0 of type INT8 has zero point 300"):
        build_network(TfliteModel.parse(raw))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_a_mutated_model_becomes_sources_or_one_error(data: st.DataObject, digits_int8: Path) -> None:
    raw = bytearray(digits_int8.read_bytes())
    words = st.integers(0, 64) | st.integers(-64, -1) | st.sampled_from([0x7FC00000, 0x7F800000, 2**31 - 1, -(2**31)])
    for place in data.draw(st.lists(st.integers(2, len(raw) // 4 - 1), min_size=1, max_size=3)):
        struct.pack_into("<i", raw, 4 * place, data.draw(words))
    try:
        network = build_network(TfliteModel.parse(bytes(raw), "mutated.tflite"))
    except InvalidModelError:
        return
    assert all(text.isascii() for text in core_files(network, "n").values())
    assert stai_file(network, "n").isascii()
    assert legacy_file(network, "n").isascii()
