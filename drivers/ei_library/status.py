"""What the numbers mean that a library returns."""

from __future__ import annotations

# Of this package's interface, ei_c_api.h.
LENGTH = -10001
NOT_INITIALISED = -10002
ARGUMENT = -10003
UNKNOWN_BLOCK = -10004
EXCEPTION = -10005
MEMORY = -10006
# Of the SDK.
INFERENCE_ERROR = -22
UNKNOWN_THRESHOLD = -34

_WORDS = {
    -1: "shapes do not match",
    -2: "cancelled",
    -3: "error of TensorFlow Lite",
    -5: "error of the signal processing",
    -6: "the tensor arena cannot be allocated",
    -7: "error of Cube.AI",
    -8: "no memory",
    -9: "possible for images only",
    -10: "unsupported inferencing engine",
    -11: "no memory",
    -13: "no input tensor",
    -14: "no output tensor",
    -15: "no score tensor",
    -16: "no label tensor",
    -17: "TensorRT cannot be initialised",
    -18: "error of DRP-AI",
    -19: "error of DRP-AI",
    -20: "model of a kind no longer supported",
    -21: "last layer not available",
    INFERENCE_ERROR: "inference failed",
    -23: "error of Akida",
    -24: "invalid size",
    -25: "error of ONNX",
    -26: "error of MemryX",
    -27: "the device cannot be initialised",
    -28: "last layer not supported",
    -29: "error of the post-processing",
    -30: "error of the normalisation",
    -31: "no place for a freeform output",
    -32: "a freeform output has another size",
    -33: "output tensor not found",
    UNKNOWN_THRESHOLD: "no threshold of this name",
    -35: "call no longer supported",
    -36: "error of Nordic Axon",
    LENGTH: "wrong number of features",
    NOT_INITIALISED: "not initialised",
    ARGUMENT: "impossible argument",
    UNKNOWN_BLOCK: "no block of this number has a threshold",
    EXCEPTION: "its C++ code threw an exception",
    MEMORY: "no memory",
}


def words(status: int) -> str:
    """A status in words, with its number."""
    known = _WORDS.get(status, "error of the signal processing" if -2000 < status <= -1000 else "unknown error")
    return f"{known} ({status})"
