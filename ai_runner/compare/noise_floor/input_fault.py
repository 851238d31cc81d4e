"""Whether the first layer is at fault, or got something else than the inputs that were sent.

A target that casts or reorders its inputs computes its first layer correctly on the wrong numbers. So the usual ways to
spoil an input (`spoiled_inputs`) are tried: when trusted kernels give the target's result on one of them, the input is
at fault. Where an input and the layer could be at fault alike, it is the layer: a constant shift of integers is also
what a wrong zero point in the layer makes, and the values of the sample before are also what a stale output holds.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ai_runner.compare.noise_floor.introduced import Array, Exhibit
from ai_runner.compare.noise_floor.spoiled_inputs import spoiled_inputs
from ai_runner.model import TensorInfo
from ai_runner.rerun import MODEL_INPUT, TensorPlace

Judge = Callable[[Exhibit], bool]


# What they write is what they were given: they make no constant of something else.
PASSED_ON = frozenset(
    {"QUANTIZE", "DEQUANTIZE", "CAST", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "PAD", "PADV2", "TRANSPOSE"}
)


def input_fault(exhibit: Exhibit, inputs: tuple[TensorInfo, ...], explains: Judge, operator: str = "") -> str:
    """What happened to an input, one clause; '' when nothing that is known explains the target's result.

    Args:
        exhibit: samples in which a layer that reads the model's inputs lies outside of its band.
        inputs: of the model.
        explains: whether trusted kernels give the target's result on the inputs of an exhibit.
        operator: that the layer is, as LiteRT names it; '' for the whole model.
    """
    constant = np.ptp(np.nan_to_num(exhibit.target.astype(np.float64))) == 0.0
    if constant and (operator not in PASSED_ON or not exhibit.target.any()):
        return ""  # many inputs lead to a constant, and zeros are also what nobody wrote
    with np.errstate(all="ignore"):
        for place, array in exhibit.inputs.items():
            if place[0] == MODEL_INPUT:
                found = _what_happened(exhibit, place, array, inputs[place[1]], explains)
                if found:
                    return f"the target computes as if input {place[1]} '{inputs[place[1]].name}' {found}"
    return ""


def _what_happened(exhibit: Exhibit, place: TensorPlace, array: Array, tensor: TensorInfo, explains: Judge) -> str:
    tried: set[bytes] = set()
    for description, spoiled in spoiled_inputs(array, tensor):
        content = spoiled.tobytes()
        if content in tried or _is_shift(spoiled, array):
            continue
        tried.add(content)
        if _explains(exhibit, place, spoiled, explains):
            return description
    return ""


def _explains(exhibit: Exhibit, place: TensorPlace, spoiled: Array, explains: Judge) -> bool:
    """Tries one sample before all of them: most explanations fail there."""
    whole = {**exhibit.inputs, place: spoiled}
    first = {key: array[:1] for key, array in whole.items()}
    return (len(spoiled) == 1 or explains(exhibit.on(first))) and explains(exhibit.on(whole))


def _is_shift(spoiled: Array, array: Array) -> bool:
    """Whether integers differ by one number everywhere, or not at all."""
    if array.dtype.kind not in "iu":
        return np.array_equal(spoiled, array)
    return bool(np.ptp(spoiled.astype(np.int64) - array.astype(np.int64)) == 0)
