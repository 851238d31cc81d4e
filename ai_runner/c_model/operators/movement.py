"""Operators that move elements without computing: they work on every type that has a size in bytes."""

from __future__ import annotations

import math

import numpy as np

from ai_runner.c_model.node import CNode, NodeType, ParamValue
from ai_runner.c_model.operators.operator_view import OperatorView, c_array
from ai_runner.c_model.operators.strided import Dimension, loop_params, merged, row_major


def reshape(op: OperatorView) -> CNode:
    """RESHAPE and SQUEEZE: the elements keep their order."""
    x, y = op.input(0), op.output
    _same_type(op)
    op.require(math.prod(x.shape) == math.prod(y.shape), f"shapes {list(x.shape)} and {list(y.shape)} differ in size")
    size = math.prod(x.shape) * op.itemsize(x)
    return op.node("reshape", "movement", "reshape_params", {"size": size}, [x])


def transpose(op: OperatorView) -> CNode:
    """Any constant permutation."""
    x = op.input(0)
    _same_type(op)
    rank = len(x.shape)
    order = [axis + rank if axis < 0 else axis for axis in op.constant_integers(1, "permutation")]
    op.require(sorted(order) == list(range(rank)), f"permutation {order} of an input with {rank} dimensions")
    op.require_output_shape([x.shape[axis] for axis in order])
    strides = row_major(x.shape, op.itemsize(x))
    params = _strided_copy(op, [x.shape[a] for a in order], [strides[a] for a in order], _out_strides(op))
    return op.node("strided_copy", "movement", "strided_copy_params", params, [x], node_type=NodeType.TRANSPOSE)


def pad(op: OperatorView) -> CNode:
    """PAD and PADV2 with constant amounts."""
    x = op.input(0)
    _same_type(op)
    amounts = np.array(op.constant_integers(1, "paddings"), np.int64)
    op.require(amounts.size == 2 * len(x.shape), f"{amounts.size} paddings for {len(x.shape)} dimensions")
    before, after = amounts.reshape(-1, 2).T.tolist() if x.shape else ([], [])
    op.require(min([*before, *after], default=0) >= 0, f"negative paddings {amounts.tolist()}")
    op.require_output_shape([b + size + a for b, size, a in zip(before, x.shape, after, strict=True)])
    out_strides = _out_strides(op)
    start = sum(b * stride for b, stride in zip(before, out_strides, strict=True))
    inner = _strided_copy(op, x.shape, row_major(x.shape, op.itemsize(x)), out_strides, out_start=start)
    value = _padding_value(op)
    params: dict[str, ParamValue] = {f"inner.{name}": field for name, field in inner.items()} | {
        "out_size": math.prod(op.output.shape) * op.itemsize(x),
        "value_size": len(value),
        "value": [*value, *bytes(8 - len(value))],
    }
    return op.node("pad", "movement", "pad_params", params, [x], node_type=NodeType.PAD)


def _padding_value(op: OperatorView) -> bytes:
    """One element: the constant of PADV2, else real 0."""
    y = op.output
    op.require(op.itemsize(y) <= 8, f"padding of type {y.type_name} is not supported")
    if op.operator.name == "PADV2":
        value = op.constant(op.input(2), "padding value")
        op.require(value.size == 1 and value.dtype == y.dtype, "its padding value does not fit its input")
        return value.tobytes()
    zero_point = op.quantization(y)[1] if y.quantization is not None else 0
    return np.array(zero_point, y.dtype).tobytes()


def strided_slice(op: OperatorView) -> CNode:
    """Constant begin, end and strides, with every mask."""
    x = op.input(0)
    _same_type(op)
    in_strides = row_major(x.shape, op.itemsize(x))
    start, sizes, strides = 0, [], []
    taken, out_shape = _slices(op, x.shape)
    for d, chosen in enumerate(taken):
        op.require(len(chosen) > 0, f"its slice of dimension {d} is empty")
        start += chosen.start * in_strides[d]
        sizes.append(len(chosen))
        strides.append(chosen.step * in_strides[d])
    op.require_output_shape(out_shape)
    params = _strided_copy(op, sizes, strides, row_major(sizes, op.itemsize(x)), in_start=start)
    return op.node("strided_copy", "movement", "strided_copy_params", params, [x], node_type=NodeType.SLICE)


def _slices(op: OperatorView, shape: tuple[int, ...]) -> tuple[list[range], list[int]]:
    """The indices taken of every input dimension, and the shape of the output.

    An entry of begin, end and strides is a slice of the next dimension, a new axis, or the ellipsis, which leaves as
    many dimensions whole as the others do not mention.
    """
    begin, end, step = (op.constant_integers(i, name) for i, name in ((1, "begin"), (2, "end"), (3, "strides")))
    n = len(begin)
    op.require(len(end) == len(step) == n, "begin, end and strides differ in length")
    op.require(all(step), f"strides {step}")
    op.require(not op.option("offset") or n == len(shape), "relative ends of a part of the dimensions")
    added = [bool(op.option("new_axis_mask") >> i & 1) for i in range(n)]
    ellipsis = [bool(op.option("ellipsis_mask") >> i & 1) for i in range(n)]
    op.require(sum(ellipsis) <= 1, "more than one ellipsis")
    whole = len(shape) - sum(not a and not e for a, e in zip(added, ellipsis, strict=True))
    op.require(whole >= 0, f"{n} slices of an input with {len(shape)} dimensions")
    taken: list[range] = []
    out_shape: list[int] = []
    for i in range(n):
        if ellipsis[i]:
            for size in shape[len(taken) : len(taken) + whole]:
                taken.append(range(size))
                out_shape.append(size)
        elif added[i]:
            out_shape.append(1)
        else:
            taken.append(_chosen(op, i, shape[len(taken)], begin[i], end[i], step[i]))
            if not op.option("shrink_axis_mask") >> i & 1:
                out_shape.append(len(taken[-1]))
    rest = shape[len(taken) :]
    return [*taken, *map(range, rest)], [*out_shape, *rest]


def _chosen(op: OperatorView, i: int, size: int, begin: int, end: int, step: int) -> range:
    """The indices that entry `i` takes of a dimension of `size` elements."""
    if op.option("shrink_axis_mask") >> i & 1:
        op.require(step > 0, f"stride {step} of a dimension that is removed")
        index = 0 if op.option("begin_mask") >> i & 1 else begin + size if begin < 0 else begin
        op.require(0 <= index < size, f"index {begin} of a dimension with {size} elements")
        return range(index, index + 1)
    if op.option("offset"):
        end += begin
    first = None if op.option("begin_mask") >> i & 1 else begin
    last = None if op.option("end_mask") >> i & 1 else end
    return range(*slice(first, last, step).indices(size))


def concatenation(op: OperatorView) -> CNode:
    """Tensors of one type and quantization."""
    inputs, y = op.inputs, op.output
    op.require(len(inputs) > 0, "no inputs")
    op.require(op.option("fused_activation_function") == "NONE", "a fused activation is not supported")
    rank = len(y.shape)
    axis = op.option("axis") + rank if op.option("axis") < 0 else op.option("axis")
    op.require(0 <= axis < rank, f"axis {op.option('axis')} of an output with {rank} dimensions")
    for x in inputs:
        op.require(x.type_name == y.type_name, f"types {x.type_name} and {y.type_name}")
        op.require(x.quantization is None or x.quantization == y.quantization, "its tensors are quantised differently")
        op.require(len(x.shape) == rank, f"inputs with {len(x.shape)} and {rank} dimensions")
        op.require(
            x.shape[:axis] + x.shape[axis + 1 :] == y.shape[:axis] + y.shape[axis + 1 :],
            f"shapes {list(x.shape)} and {list(y.shape)} do not fit along dimension {axis}",
        )
    op.require(sum(x.shape[axis] for x in inputs) == y.shape[axis], f"output of shape {list(y.shape)}")
    params: dict[str, ParamValue] = {
        "rows": math.prod(y.shape[:axis]),
        "inputs": len(inputs),
        "run": c_array("int32_t", [math.prod(x.shape[axis:]) * op.itemsize(x) for x in inputs]),
    }
    return op.node(
        "concatenation",
        "movement",
        "concatenation_params",
        params,
        inputs,
        node_type=NodeType.CONCAT,
        inputs_as_array=True,
    )


def resize_nearest_neighbor(op: OperatorView) -> CNode:
    """Images [batch, height, width, channel] to a constant size."""
    x = op.input(0)
    _same_type(op)
    op.require(len(x.shape) == 4, f"its input has {len(x.shape)} dimensions instead of 4")
    size = op.constant_integers(1, "size")
    op.require(len(size) == 2 and min(size) > 0, f"size {size}")
    batches, in_height, in_width, channels = x.shape
    op.require_output_shape([batches, *size, channels])
    params: dict[str, ParamValue] = {
        "batches": batches,
        "in_height": in_height,
        "in_width": in_width,
        "out_height": size[0],
        "out_width": size[1],
        "pixel": channels * op.itemsize(x),
        "row": c_array("int32_t", _nearest(op, in_height, size[0])),
        "column": c_array("int32_t", _nearest(op, in_width, size[1])),
    }
    return op.node(
        "resize_nearest_neighbor",
        "movement",
        "resize_nearest_neighbor_params",
        params,
        [x],
        node_type=NodeType.RESIZE,
    )


def _nearest(op: OperatorView, size: int, out_size: int) -> list[int]:
    """The input index of every output index, in float32 as LiteRT computes it."""
    align, half = op.option("align_corners"), op.option("half_pixel_centers")
    if align and out_size > 1:
        scale = np.float32(size - 1) / np.float32(out_size - 1)
    else:
        scale = np.float32(size) / np.float32(out_size)
    position = (np.arange(out_size, dtype=np.float32) + np.float32(0.5 if half else 0)) * scale
    position = np.floor(position.astype(np.float64) + (0.5 if align else 0))
    return [max(0, min(int(i), size - 1)) for i in position]


def _same_type(op: OperatorView) -> None:
    x, y = op.input(0), op.output
    op.require(x.type_name == y.type_name, f"types {x.type_name} and {y.type_name}")


def _out_strides(op: OperatorView) -> list[int]:
    """Strides of the output in bytes."""
    return row_major(op.output.shape, op.itemsize(op.output))


def _strided_copy(
    op: OperatorView,
    sizes: tuple[int, ...] | list[int],
    in_strides: list[int],
    out_strides: list[int],
    in_start: int = 0,
    out_start: int = 0,
) -> dict[str, ParamValue]:
    """The fields of a `strided_copy_params`: the innermost elements that lie together become one run."""
    dimensions = merged(Dimension(*d) for d in zip(sizes, in_strides, out_strides, strict=True))
    run = op.itemsize(op.output)
    if dimensions and dimensions[-1].a == dimensions[-1].b == run:
        run *= dimensions.pop().size
    runs = loop_params(op, "runs", dimensions)
    return runs | {"run": run, "in_start": in_start, "out_start": out_start}
