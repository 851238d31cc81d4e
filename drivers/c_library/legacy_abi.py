"""Structures and error words of the legacy C API, platform API 1.2 (X-CUBE-AI 7.1 and later, ST Edge AI Core 1 to 4).

Layouts are the same for System V and Windows x64; they hold for 64-bit hosts.
"""

from __future__ import annotations

import ctypes
from ctypes import c_float, c_int32, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p

MAPS_MAGIC = 0xA1FACADE
# Larger than any report known, so that an unknown one does not write beyond it.
REPORT_BYTES = 512

EVENT_PRE, EVENT_POST = 2, 4

SCALE_IS_FLOAT = 1
_ZERO_POINT_TYPES = {2: ctypes.c_uint8, 4: ctypes.c_int8, 8: ctypes.c_uint16, 16: ctypes.c_int16}

_SHAPE_BCWH = 1
_CHANNELS_LAST = {2: (0, 1), 3: (0, 2, 1), 4: (0, 3, 2, 1), 5: (0, 3, 2, 4, 1), 6: (0, 3, 2, 4, 5, 1)}


class Shape(ctypes.Structure):
    """`type_and_rank`: type in bits 0-7 (1: B, C, W, H, (D, (E))), number of dimensions above."""

    _fields_ = (("type_and_rank", c_uint32), ("dimensions", c_void_p))


class Buffer(ctypes.Structure):
    """``ai_buffer``: `size` in elements, padding included."""

    _fields_ = (
        ("format", c_int32),
        ("data", c_void_p),
        ("meta", c_void_p),
        ("flags", c_uint32),
        ("size", c_uint32),
        ("shape", Shape),
    )


class BufferArray(ctypes.Structure):
    """``ai_buffer_array``: `buffers` points to `size` times Buffer."""

    _fields_ = (("flags", c_uint16), ("size", c_uint16), ("buffers", c_void_p))


class Meta(ctypes.Structure):
    """Bit 0 of `flags`: `quantization` points to a QuantizationList."""

    _fields_ = (("flags", c_uint32), ("quantization", c_void_p))


class QuantizationList(ctypes.Structure):
    """`size` pairs of scale and zero point, whose types follow `flags`."""

    _fields_ = (("flags", c_uint16), ("size", c_uint16), ("info", c_void_p))


class QuantizationArrays(ctypes.Structure):
    """Addresses of the two arrays."""

    _fields_ = (("scale", c_void_p), ("zero_point", c_void_p))


class Pair(ctypes.Structure):
    """Parameters without magic: one buffer of weights, one of activations."""

    _fields_ = (("weights", Buffer), ("activations", Buffer))


class Maps(ctypes.Structure):
    """Parameters with magic: several buffers of each."""

    _fields_ = (("magic", c_uint32), ("weights", BufferArray), ("activations", BufferArray))


class Params(ctypes.Union):
    """``ai_network_params``: `maps` where its first word is the magic, else `pair`."""

    _fields_ = (("pair", Pair), ("maps", Maps))


class Version(ctypes.Structure):
    """``ai_platform_version``."""

    _fields_ = (("major", c_uint8), ("minor", c_uint8), ("micro", c_uint8), ("reserved", c_uint8))


class Report(ctypes.Structure):
    """``ai_network_report``. Up to offset 72 it is the same in all generations of the tools."""

    _fields_ = (
        ("model_name", c_void_p),
        ("model_signature", c_void_p),
        ("model_datetime", c_void_p),
        ("compile_datetime", c_void_p),
        ("runtime_revision", c_void_p),
        ("runtime_version", Version),
        ("tool_revision", c_void_p),
        ("tool_version", Version),
        ("tool_api_version", Version),
        ("api_version", Version),
        ("interface_api_version", Version),
        ("macc", c_uint64),
        ("n_inputs", c_uint16),
        ("n_outputs", c_uint16),
        ("inputs", c_void_p),
        ("outputs", c_void_p),
        ("params", Params),
        ("n_nodes", c_uint32),
        ("signature", c_uint32),
    )


class NodeTensor(ctypes.Structure):
    """``ai_io_tensor``; scale 1.0 and zero point 0 without quantisation."""

    _fields_ = (
        ("format", c_int32),
        ("data", c_void_p),
        ("scale", c_float),
        ("zero_point", c_int32),
        ("shape", Shape),
    )


class NodeEvent(ctypes.Structure):
    """``ai_observer_io_node``; `elapsed` in ms."""

    _fields_ = (
        ("c_idx", c_uint16),
        ("type", c_uint16),
        ("id", c_uint16),
        ("n_tensors", c_uint16),
        ("elapsed", c_float),
        ("tensors", ctypes.POINTER(NodeTensor)),
    )


NodeCallback = ctypes.CFUNCTYPE(c_uint32, c_uint32, ctypes.POINTER(NodeEvent))

_ERROR_TYPES = {
    0x00: "None",
    0x01: "Tools Platform API Mismatch",
    0x02: "Types Mismatch",
    0x10: "Invalid Handle",
    0x11: "Invalid State",
    0x12: "Invalid Input",
    0x13: "Invalid Output",
    0x14: "Invalid Param",
    0x15: "Invalid Signature",
    0x16: "Invalid Size",
    0x17: "Invalid Value",
    0x30: "Init Failed",
    0x31: "Allocation Failed",
    0x32: "Deallocation Failed",
    0x33: "Create Failed",
}
_ERROR_CODES = {
    0x00: "None",
    0x10: "Network",
    0x11: "Network Params",
    0x12: "Network Weights",
    0x13: "Network Activations",
    0x14: "Layer",
    0x15: "Tensor",
    0x16: "Array",
    0x17: "Invalid Pointer",
    0x18: "Invalid Size",
    0x19: "Invalid Format",
    0x20: "Out Of Range",
    0x21: "Invalid Batch",
    0x30: "Missed Init",
    0x40: "In Use",
    0x41: "Lock",
}


def error_text(word: int) -> str:
    """An ``ai_error`` as ST prints it: ``type="Init Failed"(0x30), code="Network Activations"(0x13)``."""
    kind, code = word & 0xFF, word >> 8 & 0xFFFFFF
    kind_name, code_name = _ERROR_TYPES.get(kind, "Unknown"), _ERROR_CODES.get(code, "Unknown")
    return f'type="{kind_name}"(0x{kind:02x}), code="{code_name}"(0x{code:02x})'


def zero_point_type(flags: int) -> type[ctypes.c_int8] | None:
    """ctypes type of the zero points of a QuantizationList; None when the flags name none."""
    return next((kind for bit, kind in _ZERO_POINT_TYPES.items() if flags & bit), None)  # type: ignore[return-value]


def channels_last(shape_type: int, dimensions: list[int]) -> tuple[int, ...]:
    """Dimensions as B, H, W, (D, (E,)) C, with the batch set to 1: a run may leave its own batch there."""
    order = _CHANNELS_LAST.get(len(dimensions), tuple(range(len(dimensions))))
    shape = [dimensions[i] for i in order] if shape_type == _SHAPE_BCWH else dimensions
    return (1, *shape[1:])
