"""Cutting operators out of a .tflite file by patching a copy of it.

FlatBuffers offsets lead forward only, so every operator can be reached from the first element of the operators
vector, and what is appended at the end can be reached from everywhere.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from ai_runner.tflite_model.flatbuffer import FlatBuffer, FlatTable


def cut_operators(
    buffer: FlatBuffer, operators: Sequence[int], inputs: Sequence[int], outputs: Sequence[int]
) -> bytes | None:
    """A copy of the file whose main graph has some of its operators only.

    Args:
        operators: their positions, ascending.
        inputs, outputs: tensor numbers that become the inputs and outputs of the graph.

    Constants that none of the operators reads are blanked, so that the copy tells nothing about the rest of the model.
    Nor does it ask for operators that it does not have: kernels that lack one would refuse the whole file.

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
    chosen = [tables[index] for index in operators]
    for start, size in _unused_constants(root, graph, chosen):
        patched[start : start + size] = bytes(size)
    for at, offset in _unused_codes(root, chosen):
        struct.pack_into("<I", patched, at, offset)
    signatures, _ = root.span(7, 4)
    if signatures:
        struct.pack_into("<I", patched, signatures - 4, 0)
    for field_at, tensors in ((inputs_at, inputs), (outputs_at, outputs)):
        patched += bytes(-len(patched) % 4)
        struct.pack_into("<I", patched, field_at, len(patched) - field_at)
        patched += struct.pack(f"<I{len(tensors)}i", len(tensors), *tensors)
    return bytes(patched)


def _unused_constants(root: FlatTable, graph: FlatTable, operators: Sequence[FlatTable]) -> list[tuple[int, int]]:
    """First byte and size of every constant of the graph that no operator uses; not of those behind the FlatBuffer."""
    tensors = graph.tables(0)
    used = {int(i) for operator in operators for slot in (1, 2) for i in operator.vector(slot, "Int32") if i >= 0}
    kept = {tensors[i].number(2, "Uint32", 0) for i in used}
    others = {tensor.number(2, "Uint32", 0) for tensor in tensors} - kept
    buffers = root.tables(4)
    return [buffers[number].span(0, 1) for number in others if number < len(buffers)]


def _unused_codes(root: FlatTable, operators: Sequence[FlatTable]) -> list[tuple[int, int]]:
    """Where operator codes that no operator uses are named, and the offset that names one in use instead."""
    used = {operator.number(0, "Uint32", 0) for operator in operators}
    codes, (first, _) = root.tables(1), root.span(1, 4)
    unused = [first + 4 * place for place in range(len(codes)) if place not in used]
    return [(at, codes[min(used)].position - at) for at in unused if used and codes[min(used)].position > at]
