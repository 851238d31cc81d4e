from __future__ import annotations

import ctypes
import hashlib
import subprocess
from collections.abc import Callable
from ctypes import POINTER, c_bool, c_int32, c_uint16, c_uint32, c_void_p
from typing import Any

import numpy as np
import pytest

NAMES = (
    "create create_and_init destroy init get_error get_report get_info inputs_get outputs_get run forward"
    " data_params_get data_weights_buffer_get data_activations_buffer_get data_weights_get"
)
S8, FLOAT = 0x00840440, 0x00821040
INPUT_DIMS = [1, 2, 3, 2]  # batch, channel, width, height of an image of 2 x 3 with 2 channels


class Network:
    """The network of a library."""

    def __init__(self, library: Any, abi: Any) -> None:
        self.library, self.abi = library, abi
        self.alive: list[Any] = []
        self.handle = c_void_p()
        error = self.function("create", abi.LegacyError)(ctypes.byref(self.handle), None)
        assert (error.type, error.code) == (0, 0)

    def function(self, name: str, result: Any) -> Any:
        function = getattr(self.library, f"ai_network_{name}")
        function.restype = result
        return function

    def error(self) -> tuple[int, int]:
        error = self.function("get_error", self.abi.LegacyError)(self.handle)
        return error.type, error.code

    def params(self) -> Any:
        params = self.abi.LegacyParams()
        assert self.function("data_params_get", c_bool)(ctypes.byref(params))
        return params

    def report(self) -> Any:
        report = self.abi.LegacyReport()
        assert self.function("get_report", c_bool)(self.handle, ctypes.byref(report))
        return report

    def arena(self) -> int:
        memory, address = self.abi.aligned_block(self.report().params.maps.activations.buffers[0].size, 8)
        self.alive.append(memory)
        return int(address)

    def init(self) -> None:
        params = self.params()
        params.maps.activations.buffers[0].data = self.arena()
        assert self.function("init", c_bool)(self.handle, ctypes.byref(params))

    def buffer(self, array: np.ndarray | None, batch: int, like: Any, word: int = S8) -> Any:
        dims = (c_uint32 * 4)(batch, *like.shape.data[1:4])
        buffer = self.abi.LegacyBuffer(format=word, data=None if array is None else array.ctypes.data)
        buffer.shape.type, buffer.shape.size = 1, 4
        buffer.shape.data = ctypes.cast(dims, POINTER(c_uint32))
        self.alive += [dims, array]
        return buffer

    def arrays(self, inputs: list[Any], outputs: list[Any]) -> tuple[Any, Any]:
        report = self.report()
        given = [self.buffer(a, len(a), report.inputs[i]) for i, a in enumerate(inputs)]
        taken = [self.buffer(a, len(a), report.outputs[i]) for i, a in enumerate(outputs)]
        return (self.abi.LegacyBuffer * 2)(*given), (self.abi.LegacyBuffer * 2)(*taken)

    def run(self, inputs: Any, outputs: Any) -> int:
        return int(self.function("run", c_int32)(self.handle, inputs, outputs))


@pytest.fixture
def library(built: Callable[[str], Any]) -> Any:
    return ctypes.CDLL(str(built("legacy").library))


@pytest.fixture
def network(library: Any, abi: Any) -> Network:
    """Created anew: the library has one instance only."""
    network = Network(library, abi)
    assert network.function("destroy", c_void_p)(network.handle) is None
    return Network(library, abi)


def batch_of(case: Any) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """All samples as one batch, outputs to fill and what they must become."""
    inputs = [np.concatenate([sample[i] for sample in case.inputs]) for i in range(2)]
    wanted = [np.concatenate([tensors[i] for tensors in case.tensors]) for i in (5, 2)]
    return inputs, [np.zeros_like(array) for array in wanted], wanted


def test_exports_the_interface_and_nothing_else(built: Any) -> None:
    listed = subprocess.run(["nm", "-D", "--defined-only", built("legacy").library], capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("no nm here")
    names = {line.split()[-1] for line in listed.stdout.splitlines()} - {"_init", "_fini"}
    assert names == {f"ai_network_{name}" for name in NAMES.split()}


def test_report(network: Network, case: Any, built: Any) -> None:
    report = network.report()
    assert report.signature.decode() == "0x" + hashlib.md5(case.path.read_bytes()).hexdigest()
    assert report.name == b"network"
    assert b"AiRunner" in report.runtime_revision
    assert (report.tool.major, report.tool.minor) == (2, 2)
    assert (report.runtime.major, report.runtime.minor) == (10, 2)
    assert (report.api.major, report.api.minor) == (1, 2)
    assert (report.macc, report.n_nodes) == (built("legacy").macc, 4)
    assert (report.n_inputs, report.n_outputs) == (2, 2)
    assert report.params.maps.magic == 0xA1FACADE
    assert report.params.maps.weights.buffers[0].shape.data[1] == built("legacy").weights_bytes
    assert report.params.maps.activations.buffers[0].shape.data[1] == built("legacy").arena_bytes


def test_inputs_and_outputs(network: Network) -> None:
    report = network.report()
    x, probabilities = report.inputs[0], report.outputs[0]
    assert (x.format, x.data, x.size) == (S8 | 1 << 27, None, 12)
    assert (x.shape.type, x.shape.data[: x.shape.size]) == (1, INPUT_DIMS)
    assert probabilities.shape.data[:4] == [1, 4, 1, 1]
    quantization = x.meta.contents.quantization.contents
    assert (quantization.flags, quantization.size) == (1 | 4, 1)
    assert quantization.info.contents.scales[0] == 0.5
    assert ctypes.cast(quantization.info.contents.zero_points, POINTER(ctypes.c_int8))[0] == 1


def test_a_batch_in_one_call(network: Network, case: Any) -> None:
    network.init()
    inputs, outputs, wanted = batch_of(case)
    assert network.run(*network.arrays(inputs, outputs)) == 3
    assert network.error() == (0, 0)
    for got, expected in zip(outputs, wanted, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_inputs_and_outputs_in_the_arena(network: Network, case: Any) -> None:
    network.init()
    count = c_uint16()
    inputs = network.function("inputs_get", POINTER(network.abi.LegacyBuffer))(network.handle, ctypes.byref(count))
    assert count.value == 2
    outputs = network.function("outputs_get", POINTER(network.abi.LegacyBuffer))(network.handle, ctypes.byref(count))
    for i, value in enumerate(case.inputs[2]):
        ctypes.memmove(inputs[i].data, value.ctypes.data, 12)
    assert network.function("forward", c_int32)(network.handle, inputs) == 1
    assert ctypes.string_at(outputs[0].data, 4) == case.tensors[2][5].tobytes()
    assert ctypes.string_at(outputs[1].data, 12) == case.tensors[2][2].tobytes()
    assert network.report().outputs[0].data == outputs[0].data


def test_init_with_single_buffers(network: Network, abi: Any, case: Any) -> None:
    params = abi.LegacyParams()
    weights = network.function("data_weights_get", c_void_p)()
    params.single.weights = network.function("data_weights_buffer_get", abi.LegacyBuffer)(c_void_p(weights))
    arena = c_void_p(network.arena())
    params.single.activations = network.function("data_activations_buffer_get", abi.LegacyBuffer)(arena)
    assert network.function("init", c_bool)(network.handle, ctypes.byref(params))
    inputs, outputs, wanted = batch_of(case)
    assert network.run(*network.arrays(inputs, outputs)) == 3
    np.testing.assert_array_equal(outputs[0], wanted[0])


def test_create_and_init(network: Network, abi: Any, case: Any) -> None:
    handle, activations = c_void_p(), (c_void_p * 1)(network.arena())
    create = network.function("create_and_init", abi.LegacyError)
    assert create(ctypes.byref(handle), activations, None).type == 0
    assert handle.value == network.handle.value
    inputs, outputs, wanted = batch_of(case)
    assert network.run(*network.arrays(inputs, outputs)) == 3
    np.testing.assert_array_equal(outputs[1], wanted[1])
    error = create(ctypes.byref(handle), None, None)
    assert (error.type, error.code) == (0x30, 0x13)


def test_replaced_weights_are_used(network: Network, abi: Any, case: Any) -> None:
    params = network.params()
    size = params.maps.weights.buffers[0].size
    memory, blank = abi.aligned_block(size, 8)
    params.maps.weights.buffers[0].data = blank
    params.maps.activations.buffers[0].data = network.arena()
    assert network.function("init", c_bool)(network.handle, ctypes.byref(params))
    inputs, outputs, wanted = batch_of(case)
    assert network.run(*network.arrays(inputs, outputs)) == 3
    assert not np.array_equal(outputs[0], wanted[0])
    del memory


# ---- errors ----


def test_run_before_init(network: Network, case: Any) -> None:
    inputs, outputs, _ = batch_of(case)
    assert network.run(*network.arrays(inputs, outputs)) == 0
    assert network.error() == (0x11, 0x30)
    assert network.error() == (0, 0)


@pytest.mark.parametrize(("part", "code"), [("weights", 0x12), ("activations", 0x13)])
@pytest.mark.parametrize("how", ["absent", "misaligned", "several"])
def test_init_without_memory(network: Network, part: str, code: int, how: str) -> None:
    params = network.params()
    params.maps.activations.buffers[0].data = network.arena()
    array = getattr(params.maps, part)
    if how == "several":
        array.size = 2
    else:
        array.buffers[0].data = None if how == "absent" else array.buffers[0].data + 2
    assert not network.function("init", c_bool)(network.handle, ctypes.byref(params))
    assert network.error() == (0x30, code)


def test_init_without_params(network: Network) -> None:
    assert not network.function("init", c_bool)(network.handle, None)
    assert network.error() == (0x30, 0x11)


def wrong_format(inputs: Any, outputs: Any) -> None:
    inputs[1].format = FLOAT


def wrong_shape(inputs: Any, outputs: Any) -> None:
    inputs[0].shape.data[1] = 5


def wrong_rank(inputs: Any, outputs: Any) -> None:
    inputs[0].shape.size = 3


def no_data(inputs: Any, outputs: Any) -> None:
    inputs[1].data = None


def no_batch(inputs: Any, outputs: Any) -> None:
    inputs[0].shape.data[0] = 0


def two_batches(inputs: Any, outputs: Any) -> None:
    inputs[1].shape.data[0] = 2


def short_output(inputs: Any, outputs: Any) -> None:
    outputs[0].shape.data[0] = 1


def wrong_output_format(inputs: Any, outputs: Any) -> None:
    outputs[1].format = FLOAT


def no_output_data(inputs: Any, outputs: Any) -> None:
    outputs[0].data = None


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (wrong_format, (0x12, 0x19)),
        (wrong_shape, (0x12, 0x18)),
        (wrong_rank, (0x12, 0x18)),
        (no_data, (0x12, 0x17)),
        (no_batch, (0x12, 0x21)),
        (two_batches, (0x12, 0x21)),
        (short_output, (0x13, 0x21)),
        (wrong_output_format, (0x13, 0x19)),
        (no_output_data, (0x13, 0x17)),
    ],
)
def test_run_with_wrong_buffers(network: Network, case: Any, damage: Any, error: tuple[int, int]) -> None:
    network.init()
    arrays = batch_of(case)
    inputs, outputs = network.arrays(*arrays[:2])
    damage(inputs, outputs)
    assert network.run(inputs, outputs) == 0
    assert network.error() == error
    assert not arrays[1][1].any()


def test_only_the_first_error_is_kept(network: Network, case: Any) -> None:
    inputs, outputs, _ = batch_of(case)
    network.run(*network.arrays(inputs, outputs))
    network.function("init", c_bool)(network.handle, None)
    assert network.error() == (0x11, 0x30)


def test_null_arrays(network: Network, case: Any) -> None:
    network.init()
    inputs, _ = network.arrays(*batch_of(case)[:2])
    assert network.run(None, None) == 0
    assert network.error() == (0x12, 0x17)
    assert network.run(inputs, None) == 3


def test_a_handle_of_somebody_else(network: Network, abi: Any) -> None:
    foreign = ctypes.create_string_buffer(64)
    handle = c_void_p(ctypes.addressof(foreign))
    error = network.function("get_error", abi.LegacyError)(handle)
    assert (error.type, error.code) == (0x10, 0x10)
    assert not network.function("init", c_bool)(handle, None)
    assert not network.function("get_report", c_bool)(handle, ctypes.byref(abi.LegacyReport()))
    assert network.function("run", c_int32)(handle, None, None) == 0
    assert network.function("destroy", c_void_p)(handle) == handle.value
    assert network.function("create", abi.LegacyError)(None, None).type == 0x33
    assert network.function("destroy", c_void_p)(network.handle) is None
    assert network.function("run", c_int32)(network.handle, None, None) == 0
