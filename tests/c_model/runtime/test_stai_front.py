from __future__ import annotations

import ctypes
import hashlib
import threading
from collections.abc import Callable
from ctypes import c_int32, c_uint32, c_void_p
from typing import Any

import numpy as np
import pytest

ST_NAMES = (
    "get_context_size init deinit get_error get_info set_callback run set_activations set_weights set_states set_inputs"
    " set_outputs get_activations get_weights get_states get_inputs get_outputs"
)
S8, U8 = 0x00840440, 0x00040440


class Network:
    """One context of a library, in memory of its own."""

    def __init__(self, library: Any, abi: Any) -> None:
        self.library, self.abi = library, abi
        self.memory, self.context = abi.aligned_block(library.stai_network_get_context_size(), 8)
        self.alive: list[Any] = []
        assert self("init") == 0

    def __call__(self, function: str, *arguments: Any) -> int:
        call = getattr(self.library, f"stai_network_{function}")
        call.restype = c_int32
        return int(call(c_void_p(self.context), *arguments))

    def info(self) -> Any:
        info = self.abi.StaiInfo()
        assert self("get_info", ctypes.byref(info)) == 0
        return info

    def give(self, function: str, *addresses: int | None) -> int:
        pointers = (c_void_p * max(len(addresses), 1))(*addresses)
        self.alive.append(pointers)
        return self(function, pointers, c_uint32(len(addresses)))

    def addresses(self, function: str, n: int) -> list[int | None]:
        pointers, count = (c_void_p * n)(), c_uint32(0)
        assert self(function, pointers, ctypes.byref(count)) == 0
        assert count.value == n
        return list(pointers)

    def start(self) -> None:
        memory, arena = self.abi.aligned_block(self.info().activations[0].size_bytes, 8)
        self.alive.append(memory)
        assert self.give("set_activations", arena) == 0

    def infer(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """One run with inputs and outputs in the arena."""
        for address, value in zip(self.addresses("get_inputs", len(inputs)), inputs, strict=True):
            ctypes.memmove(address, value.ctypes.data, value.nbytes)
        assert self("run", c_int32(1)) == 0
        outputs = self.info().outputs
        return [
            np.frombuffer(ctypes.string_at(address, outputs[i].size_bytes), np.int8)
            for i, address in enumerate(self.addresses("get_outputs", 2))
        ]


@pytest.fixture
def library(built: Callable[[str], Any]) -> Any:
    return ctypes.CDLL(str(built("st-ai").library))


@pytest.fixture
def network(library: Any, abi: Any) -> Network:
    return Network(library, abi)


def expected(case: Any, sample: int) -> list[np.ndarray]:
    return [case.tensors[sample][i].ravel() for i in (5, 2)]


def test_exports_the_interface_and_nothing_else(library: Any, built: Any) -> None:
    import subprocess

    listed = subprocess.run(["nm", "-D", "--defined-only", built("st-ai").library], capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("no nm here")
    names = {line.split()[-1] for line in listed.stdout.splitlines()} - {"_init", "_fini"}
    assert names == {f"stai_network_{name}" for name in ST_NAMES.split()} | {"g_network_details"}


def test_info(network: Network, case: Any, built: Any) -> None:
    info = network.info()
    assert info.signature.decode() == "0x" + hashlib.md5(case.path.read_bytes()).hexdigest()
    assert info.name == b"network"
    assert info.model_datetime.decode().endswith("+0000")
    assert len(info.compile_datetime) == len("Jan  1 2026 00:00:00")
    assert (info.macc, info.n_nodes) == (built("st-ai").macc, 4)
    assert (info.n_inputs, info.n_outputs, info.n_activations, info.n_weights, info.n_states) == (2, 2, 1, 1, 0)
    assert not info.states
    assert info.flags == 1 << 27 | 1 << 28 | 1 << 30
    assert info.activations[0].size_bytes == built("st-ai").arena_bytes
    assert info.weights[0].size_bytes == built("st-ai").weights_bytes
    assert (info.weights[0].format, info.weights[0].shape.data[0]) == (U8, built("st-ai").weights_bytes)


def test_inputs_and_outputs(network: Network) -> None:
    info = network.info()
    x, total = info.inputs[0], info.outputs[1]
    assert (x.name, x.format, x.size_bytes) == (b"x", S8, 12)
    assert x.shape.data[: x.shape.size] == [1, 2, 3, 2]
    assert (x.scale.size, x.scale.data[0], x.zero_point.data[0]) == (1, 0.5, 1)
    assert total.shape.data[: total.shape.size] == [1, 2, 3, 2]
    assert total.name is None  # too long for ST's client
    assert info.outputs[0].shape.data[:2] == [1, 4]
    assert x.flags & 0x181 == 0x181


def test_details(library: Any, abi: Any) -> None:
    details = abi.StaiDetails.in_dll(library, "g_network_details")
    nodes = [details.nodes[i] for i in range(details.n_nodes)]
    assert [(node.id, node.type) for node in nodes] == [(0, nodes[0].type), (1, nodes[1].type), (2, 0x104), (3, 0x10C)]

    def names(tensors: Any) -> list[bytes]:
        return [details.tensors[i].name for i in tensors.data[: tensors.size]]

    assert [names(node.inputs) for node in nodes] == [
        [b"x", b"y"],
        [b"a name of more than twenty characters"],
        [b"flat"],
        [b"dense"],
    ]
    assert [names(node.outputs) for node in nodes][1:] == [[b"flat"], [b"dense"], [b"probabilities"]]


def test_runs_in_the_arena(network: Network, case: Any) -> None:
    assert network.addresses("get_inputs", 2) == [None, None]
    network.start()
    for sample, inputs in enumerate(case.inputs):
        for got, wanted in zip(network.infer(inputs), expected(case, sample), strict=True):
            np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("activations_first", [True, False])
def test_runs_in_memory_of_the_caller(network: Network, case: Any, activations_first: bool) -> None:
    inputs = [value.copy() for value in case.inputs[0]]
    outputs = [np.zeros(4, np.int8), np.zeros(12, np.int8)]
    if activations_first:
        network.start()
    assert network.give("set_inputs", *(value.ctypes.data for value in inputs)) == 0
    assert network.give("set_outputs", *(value.ctypes.data for value in outputs)) == 0
    if not activations_first:
        network.start()
    assert network.addresses("get_outputs", 2) == [value.ctypes.data for value in outputs]
    assert network("run", c_int32(2)) == 0
    for got, wanted in zip(outputs, expected(case, 0), strict=True):
        np.testing.assert_array_equal(got, wanted)
    for value, original in zip(inputs, case.inputs[0], strict=True):
        np.testing.assert_array_equal(value, original)


def test_contexts_are_independent_in_threads(library: Any, abi: Any, case: Any) -> None:
    networks = [Network(library, abi) for _ in range(4)]
    for network in networks:
        network.start()
    wrong: list[int] = []

    def work(network: Network, start: int) -> None:
        for round_ in range(200):
            sample = (start + round_) % 3
            got = network.infer(case.inputs[sample])
            if any(not np.array_equal(a, b) for a, b in zip(got, expected(case, sample), strict=True)):
                wrong.append(sample)

    threads = [threading.Thread(target=work, args=(network, i)) for i, network in enumerate(networks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_replaced_weights_are_used(network: Network, library: Any, abi: Any, case: Any) -> None:
    network.start()
    size = network.info().weights[0].size_bytes
    [own] = network.addresses("get_weights", 1)
    memory, copy = abi.aligned_block(size, 8)
    ctypes.memmove(copy, own, size)
    assert network.give("set_weights", copy) == 0
    assert network.addresses("get_weights", 1) == [copy]
    np.testing.assert_array_equal(network.infer(case.inputs[0])[0], expected(case, 0)[0])
    ctypes.memset(copy, 0, size)
    assert not np.array_equal(network.infer(case.inputs[0])[0], expected(case, 0)[0])
    del memory


def test_events_carry_ids_and_data(network: Network, abi: Any, case: Any) -> None:
    events: list[tuple[int, int, int, list[bytes]]] = []
    sizes = {0: ([12, 12], [12]), 1: ([12], [12]), 2: ([12], [4]), 3: ([4], [4])}

    def on_event(cookie: int, event: int, payload: Any) -> None:
        node = payload.contents
        data = node.buffers.data[: node.buffers.size]
        lengths = sizes[node.node_id][event - 1]
        events.append(
            (cookie, event, node.node_id, [ctypes.string_at(a, n) for a, n in zip(data, lengths, strict=True)])
        )

    callback = abi.StaiCallback(on_event)
    network.start()
    assert network("set_callback", callback, c_void_p(77)) == 0
    network.infer(case.inputs[1])
    assert [(cookie, event, node) for cookie, event, node, _ in events] == [
        (77, event, node) for node in range(4) for event in (1, 2)
    ]
    layers = case.tensors[1]
    assert events[0][3] == [layers[0].tobytes(), layers[1].tobytes()]
    assert [data for _, event, _, data in events if event == 2] == [[layers[i].tobytes()] for i in (2, 3, 4, 5)]
    assert network("set_callback", None, None) == 0
    network.infer(case.inputs[1])
    assert len(events) == 8


def test_observer_measures_nodes(network: Network, abi: Any, case: Any, built: Any) -> None:
    observer = ctypes.CDLL(str(built("st-ai").observer))
    seen: list[tuple[int, int, float]] = []

    def nested(cookie: int, event: int, payload: Any) -> None:
        record = abi.StaiCookie.from_address(cookie)
        seen.append((event, record.c_idx, record.elapsed_ms))

    callback = abi.StaiCallback(nested)
    cookie = abi.StaiCookie(nested=ctypes.cast(callback, c_void_p), c_idx=-1)
    network.start()
    assert network("set_callback", observer.stai_callback_per_layer, ctypes.byref(cookie)) == 0
    network.infer(case.inputs[0])
    assert [(event, c_idx) for event, c_idx, _ in seen] == [(event, node) for node in range(4) for event in (1, 2)]
    assert seen[0][2] == 0.0
    assert all(0.0 < elapsed < 60_000.0 for _, _, elapsed in seen[1:])


# ---- errors ----


def test_a_context_that_is_none(network: Network, library: Any) -> None:
    assert library.stai_network_init(None) == 0x030000
    assert library.stai_network_run(None, 1) == 0x030000
    assert library.stai_network_init(c_void_p(network.context + 4)) == 0x030002
    ctypes.memset(network.context, 0, 8)
    for function in ("run", "get_error", "deinit", "get_info"):
        assert network(function, None) == 0x030000
    network("init")
    assert network("deinit") == 0
    assert network("get_error") == 0x030000


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda n: n("get_info", None), 0x030010),
        (lambda n: n("run", c_int32(1)), 0x040000),
        (lambda n: n("run", c_int32(7)), 0x020001),
        (lambda n: n("set_activations", None, c_uint32(1)), 0x020001),
        (lambda n: n.give("set_activations", None), 0x040000),
        (lambda n: n.give("set_activations", 64, 64), 0x040001),
        (lambda n: n.give("set_activations", n.context + 4), 0x040070),
        (lambda n: n("set_weights", None, c_uint32(1)), 0x020001),
        (lambda n: n.give("set_weights", None), 0x040040),
        (lambda n: n.give("set_weights"), 0x040041),
        (lambda n: n.give("set_weights", n.context + 1), 0x040070),
        (lambda n: n.give("set_inputs", 64), 0x040011),
        (lambda n: n.give("set_inputs", 64, None), 0x040010),
        (lambda n: n("set_inputs", None, c_uint32(2)), 0x020001),
        (lambda n: n.give("set_outputs", 64, 64, 64), 0x040021),
        (lambda n: n.give("set_outputs", None, 64), 0x040020),
        (lambda n: n.give("set_states", 64), 0x040031),
        (lambda n: n("get_inputs", None, None), 0x020001),
    ],
)
def test_the_first_error_sticks_until_init(network: Network, call: Callable[[Network], int], code: int) -> None:
    assert call(network) == code
    assert network("get_error") == code
    assert network("run", c_int32(1)) == code
    assert network("set_callback", None, None) == code
    assert network("init") == 0
    assert network("get_error") == 0


def test_states_are_none(network: Network) -> None:
    count = c_uint32(5)
    assert network.give("set_states") == 0
    assert network("get_states", None, ctypes.byref(count)) == 0
    assert count.value == 0
