"""Structures and return codes of the st-ai C API 1.0.0 (ST Edge AI Core 2 to 4).

Layouts are the same for System V and Windows x64; they hold for 64-bit hosts.
"""

from __future__ import annotations

import ctypes
from ctypes import c_int16, c_int32, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p

RUN_SYNCHRONOUSLY = 1
SUCCESS, DONE = 0, 0x12
EVENT_START = 1

FLAG_ACTIVATIONS, FLAG_INPUTS, FLAG_OUTPUTS, FLAG_STATES, FLAG_WEIGHTS = (1 << bit for bit in range(26, 31))
_FLAG_NAMES = {
    FLAG_ACTIVATIONS: "flag_activations",
    FLAG_INPUTS: "flag_inputs",
    FLAG_OUTPUTS: "flag_outputs",
    FLAG_STATES: "flag_states",
    FLAG_WEIGHTS: "flag_weights",
}


class Array(ctypes.Structure):
    """`size` elements at `data`."""

    _fields_ = (("size", c_uint32), ("data", c_void_p))


class Version(ctypes.Structure):
    """major, minor, micro."""

    _fields_ = (("major", c_uint8), ("minor", c_uint8), ("micro", c_uint8), ("reserved", c_uint8))


class Tensor(ctypes.Structure):
    """``stai_tensor``: shape int32, scale float, zero point int16 whatever the tensor's format."""

    _fields_ = (
        ("size_bytes", c_uint32),
        ("flags", c_int32),
        ("format", c_int32),
        ("shape", Array),
        ("scale", Array),
        ("zero_point", Array),
        ("name", c_void_p),
    )


class NetworkInfo(ctypes.Structure):
    """``stai_network_info``; each list of tensors has its count further up."""

    _fields_ = (
        ("model_signature", c_void_p),
        ("compile_datetime", c_void_p),
        ("model_name", c_void_p),
        ("model_datetime", c_void_p),
        ("signature", c_uint32),
        ("runtime_version", Version),
        ("tool_version", Version),
        ("api_version", Version),
        ("macc", c_uint64),
        ("n_nodes", c_uint32),
        ("flags", c_int32),
        ("n_inputs", c_uint16),
        ("n_outputs", c_uint16),
        ("n_activations", c_uint16),
        ("n_weights", c_uint16),
        ("n_states", c_uint16),
        ("inputs", c_void_p),
        ("outputs", c_void_p),
        ("activations", c_void_p),
        ("weights", c_void_p),
        ("states", c_void_p),
    )


class NodeDetails(ctypes.Structure):
    """``stai_node_details``: `inputs` and `outputs` are indices (int32) into the tensors of NetworkDetails."""

    _fields_ = (("id", c_int32), ("type", c_int16), ("inputs", Array), ("outputs", Array))


class NetworkDetails(ctypes.Structure):
    """``stai_network_details``; the number of tensors is not said."""

    _fields_ = (("tensors", c_void_p), ("nodes", c_void_p), ("n_nodes", c_uint32))


class Addresses(ctypes.Structure):
    """`size` addresses."""

    _fields_ = (("size", c_uint32), ("data", ctypes.POINTER(c_void_p)))


class NodeEvent(ctypes.Structure):
    """Payload of a node event: addresses of the inputs at START, of the outputs at STOP."""

    _fields_ = (("node_id", c_int32), ("buffers", Addresses))


NodeCallback = ctypes.CFUNCTYPE(None, c_void_p, c_int32, ctypes.POINTER(NodeEvent))
# The same for a callback that does not look at the payload, and so is called faster.
TimeCallback = ctypes.CFUNCTYPE(None, c_void_p, c_int32, c_void_p)

_RETURN_CODES = {
    0x000000: "success",
    0x000010: "running, no wait for event",
    0x000011: "running, wait for event",
    0x000012: "done",
    0x020000: "generic error",
    0x020001: "invalid arguments",
    0x030000: "invalid context handle",
    0x030001: "invalid context size",
    0x030002: "invalid context alignment",
    0x030010: "invalid info",
    0x030020: "invalid run",
    0x030030: "invalid runtime",
    0x040000: "invalid activations pointer",
    0x040001: "invalid number of activations",
    0x040010: "invalid inputs pointer",
    0x040011: "invalid number of inputs",
    0x040020: "invalid outputs pointer",
    0x040021: "invalid number of outputs",
    0x040030: "invalid states pointer",
    0x040031: "invalid number of states",
    0x040040: "invalid weights pointer",
    0x040041: "invalid number of weights",
    0x040050: "invalid callback",
    0x040060: "not implemented",
    0x040070: "invalid buffer alignment",
    0x050000: "network still running, or not the current one",
    0x050001: "network still running",
    0x060000: "runtime init failed",
    0x060001: "runtime deinit failed",
}


def code_text(code: int) -> str:
    """A return code as text: ``invalid weights pointer (0x040040)``."""
    return f"{_RETURN_CODES.get(code, 'unknown code')} (0x{code & 0xFFFFFFFF:06x})"


def flags_text(flags: int) -> str:
    """Network flags by name, joined by commas."""
    return ",".join(name for flag, name in _FLAG_NAMES.items() if flags & flag)
