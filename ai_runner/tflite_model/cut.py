"""Cutting operators out of a .tflite file by patching a copy of it.

FlatBuffers offsets lead forward only, so every operator can be reached from the first element of the operators
vector, and what is appended at the end can be reached from everywhere.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from ai_runner.tflite_model.flatbuffer import FlatBuffer


def cut_operators(
    buffer: FlatBuffer, operators: Sequence[int], inputs: Sequence[int], outputs: Sequence[int]
) -> bytes | None:
    """A copy of the file whose main graph has some of its operators only.

    Args:
        operators: their positions, ascending.
        inputs, outputs: tensor numbers that become the inputs and outputs of the graph.

    Returns:
        The patched file; None where the graph has no fields for inputs and outputs that could be patched.
    """
    root = buffer.root()
    graph = root.tables(2)[0]
    inputs_at, outputs_at = graph.field_position(1), graph.field_position(2)
    if inputs_at is None or outputs_at is None:
        return None
    patched = bytearray(buffer.raw)
    first, _ = graph.span(3, 4)
    tables = graph.tables(3)
    # An element moves towards the front of the vector, so that its operator still lies behind it.
    offsets = [tables[index].position - (first + 4 * place) for place, index in enumerate(operators)]
    struct.pack_into(f"<I{len(offsets)}I", patched, first - 4, len(offsets), *offsets)
    signatures, _ = root.span(7, 4)
    if signatures:
        struct.pack_into("<I", patched, signatures - 4, 0)
    for field_at, tensors in ((inputs_at, inputs), (outputs_at, outputs)):
        patched += bytes(-len(patched) % 4)
        struct.pack_into("<I", patched, field_at, len(patched) - field_at)
        patched += struct.pack(f"<I{len(tensors)}i", len(tensors), *tensors)
    return bytes(patched)
