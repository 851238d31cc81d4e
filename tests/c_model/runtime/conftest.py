"""A small network with two inputs and two outputs behind both interfaces, what LiteRT makes of it, and ctypes layouts.

The layouts are written down here a second time, from the specification, so that a wrong one in the C sources or in the
driver is not mirrored.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from ctypes import (
    POINTER,
    c_char_p,
    c_float,
    c_int16,
    c_int32,
    c_uint8,
    c_uint16,
    c_uint32,
    c_uint64,
    c_void_p,
)
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ai_runner.c_model import generate


@dataclass
class Case:
    """A model, inputs for it (one array a sample and input) and LiteRT's tensors by number, one list a sample."""

    path: Path
    inputs: list[list[np.ndarray[Any, Any]]]
    tensors: list[dict[int, np.ndarray[Any, Any]]]


def litert_tensors(path: Path, numbers: Sequence[int], samples: Any) -> list[dict[int, np.ndarray[Any, Any]]]:
    """What reference kernels compute: tensors 0 to the last, by number."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        str(path),
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    results = []
    for sample in samples:
        for i, value in zip(numbers, sample, strict=True):
            interpreter.set_tensor(i, value)
        interpreter.invoke()
        results.append({i: np.array(interpreter.get_tensor(i)) for i in range(8)})
    return results


@pytest.fixture(scope="session")
def case(graph: Callable[..., bytes], tensor: Any, operator: Any, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """ADD(x, y) -> sum; RESHAPE; FULLY_CONNECTED; SOFTMAX -> probabilities. Outputs: probabilities, sum."""
    rng = np.random.default_rng(5)
    image = (1, 2, 3, 2)
    tensors = [
        tensor(image, scale=0.5, zero_point=1),
        tensor(image, scale=0.25, zero_point=-2),
        tensor(image, scale=0.75, zero_point=3),
        tensor((1, 12), scale=0.75, zero_point=3),
        tensor((1, 4), scale=0.5, zero_point=-5),
        tensor((1, 4), scale=1 / 256, zero_point=-128),
        tensor((4, 12), scale=0.01, data=rng.integers(-127, 128, (4, 12), np.int8)),
        tensor((4,), "int32", scale=0.0075, data=rng.integers(-500, 500, 4, np.int32)),
    ]
    operators = [
        operator("ADD", [0, 1], [2]),
        operator("RESHAPE", [2], [3], {"new_shape": [1, 12]}),
        operator("FULLY_CONNECTED", [3, 6, 7], [4]),
        operator("SOFTMAX", [4], [5], {"beta": 1.0}),
    ]
    path = tmp_path_factory.mktemp("case") / "case.tflite"
    names = ["x", "y", "a name of more than twenty characters", "flat", "dense", "probabilities", "w", "b"]
    path.write_bytes(graph(tensors, operators, [0, 1], [5, 2], names))
    inputs = [[rng.integers(-128, 128, image, np.int8) for _ in range(2)] for _ in range(3)]
    return Case(path, inputs, litert_tensors(path, [0, 1], inputs))


@pytest.fixture(scope="session")
def built(case: Case, compiler: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """The build of `case` with an interface, made once."""
    builds: dict[str, Any] = {}

    def get(api: str) -> Any:
        if api not in builds:
            builds[api] = generate(case.path, tmp_path_factory.mktemp("built") / api, api=api, cflags="-O1 -g")
        return builds[api]

    return get


def aligned_block(size: int, alignment: int = 16) -> tuple[Any, int]:
    """Memory and an address in it with an alignment of exactly `alignment`."""
    memory = ctypes.create_string_buffer(size + 4 * alignment)
    address = -(-ctypes.addressof(memory) // (2 * alignment)) * 2 * alignment + alignment
    return memory, address


def array_type(element: Any) -> Any:
    """{u32 size, pointer}"""
    return type("Array", (ctypes.Structure,), {"_fields_": [("size", c_uint32), ("data", POINTER(element))]})


class Version(ctypes.Structure):
    _fields_ = [("major", c_uint8), ("minor", c_uint8), ("micro", c_uint8), ("reserved", c_uint8)]


class StaiTensor(ctypes.Structure):
    _fields_ = [
        ("size_bytes", c_uint32),
        ("flags", c_int32),
        ("format", c_int32),
        ("shape", array_type(c_int32)),
        ("scale", array_type(c_float)),
        ("zero_point", array_type(c_int16)),
        ("name", c_char_p),
    ]


class StaiInfo(ctypes.Structure):
    _fields_ = [
        *((name, c_char_p) for name in ("signature", "compile_datetime", "name", "model_datetime")),
        ("c_signature", c_uint32),
        *((name, Version) for name in ("runtime", "tool", "api")),
        ("macc", c_uint64),
        ("n_nodes", c_uint32),
        ("flags", c_int32),
        *((f"n_{name}", c_uint16) for name in ("inputs", "outputs", "activations", "weights", "states")),
        *((name, POINTER(StaiTensor)) for name in ("inputs", "outputs", "activations", "weights", "states")),
    ]


class StaiNode(ctypes.Structure):
    _fields_ = [("id", c_int32), ("type", c_int16), ("inputs", array_type(c_int32)), ("outputs", array_type(c_int32))]


class StaiDetails(ctypes.Structure):
    _fields_ = [("tensors", POINTER(StaiTensor)), ("nodes", POINTER(StaiNode)), ("n_nodes", c_uint32)]


class StaiEvent(ctypes.Structure):
    _fields_ = [("node_id", c_int32), ("buffers", array_type(c_void_p))]


class StaiCookie(ctypes.Structure):
    _fields_ = [
        ("elapsed_ms", c_float),
        ("timer_name", c_char_p),
        ("timer_start", c_uint32),
        ("timer_elapsed", c_uint32),
        ("nested", c_void_p),
        ("details", c_void_p),
        ("c_idx", c_int32),
    ]


StaiCallback = ctypes.CFUNCTYPE(None, c_void_p, c_int32, POINTER(StaiEvent))


class LegacyError(ctypes.Structure):
    _fields_ = [("type", c_uint32, 8), ("code", c_uint32, 24)]


class LegacyShape(ctypes.Structure):
    _fields_ = [("type", c_uint32, 8), ("size", c_uint32, 24), ("data", POINTER(c_uint32))]


class LegacyQuantization(ctypes.Structure):
    _fields_ = [("scales", POINTER(c_float)), ("zero_points", c_void_p)]


class LegacyQuantizationList(ctypes.Structure):
    _fields_ = [("flags", c_uint16), ("size", c_uint16), ("info", POINTER(LegacyQuantization))]


class LegacyMeta(ctypes.Structure):
    _fields_ = [("flags", c_uint32), ("quantization", POINTER(LegacyQuantizationList))]


class LegacyBuffer(ctypes.Structure):
    _fields_ = [
        ("format", c_int32),
        ("data", c_void_p),
        ("meta", POINTER(LegacyMeta)),
        ("flags", c_uint32),
        ("size", c_uint32),
        ("shape", LegacyShape),
    ]


class LegacyBuffers(ctypes.Structure):
    _fields_ = [("flags", c_uint16), ("size", c_uint16), ("buffers", POINTER(LegacyBuffer))]


class LegacySingle(ctypes.Structure):
    _fields_ = [("weights", LegacyBuffer), ("activations", LegacyBuffer)]


class LegacyMaps(ctypes.Structure):
    _fields_ = [("magic", c_uint32), ("weights", LegacyBuffers), ("activations", LegacyBuffers)]


class LegacyParams(ctypes.Union):
    _fields_ = [("single", LegacySingle), ("maps", LegacyMaps)]


class LegacyReport(ctypes.Structure):
    _fields_ = [
        *((name, c_char_p) for name in ("name", "signature", "model_datetime", "compile_datetime", "runtime_revision")),
        ("runtime", Version),
        ("tool_revision", c_char_p),
        *((name, Version) for name in ("tool", "tool_api", "api", "interface_api")),
        ("macc", c_uint64),
        ("n_inputs", c_uint16),
        ("n_outputs", c_uint16),
        ("inputs", POINTER(LegacyBuffer)),
        ("outputs", POINTER(LegacyBuffer)),
        ("params", LegacyParams),
        ("n_nodes", c_uint32),
        ("c_signature", c_uint32),
    ]


class LegacyIoTensor(ctypes.Structure):
    _fields_ = [
        ("format", c_int32),
        ("data", c_void_p),
        ("scale", c_float),
        ("zero_point", c_int32),
        ("shape", LegacyShape),
    ]


class LegacyIoNode(ctypes.Structure):
    _fields_ = [
        *((name, c_uint16) for name in ("c_idx", "type", "id", "n_tensors")),
        ("elapsed_ms", c_float),
        ("tensors", POINTER(LegacyIoTensor)),
    ]


LegacyCallback = ctypes.CFUNCTYPE(c_uint32, c_uint32, POINTER(LegacyIoNode))


@pytest.fixture(scope="session")
def abi() -> SimpleNamespace:
    """The layouts by name, and `aligned_block`."""
    sizes = {StaiTensor: 72, StaiInfo: 120, StaiNode: 40, StaiDetails: 24, StaiEvent: 24, StaiCookie: 48}
    sizes |= {LegacyBuffer: 48, LegacyParams: 96, LegacyReport: 208, LegacyIoNode: 24, LegacyIoTensor: 40}
    assert {kind: ctypes.sizeof(kind) for kind in sizes} == sizes
    kinds = {kind.__name__: kind for kind in [*sizes, LegacyError]}
    callbacks = {"StaiCallback": StaiCallback, "LegacyCallback": LegacyCallback}
    return SimpleNamespace(aligned_block=aligned_block, **kinds, **callbacks)
