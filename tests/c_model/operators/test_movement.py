from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

DTYPES = st.sampled_from(["int8", "uint8", "int16", "int32", "float32", "bool"])
SHAPES = st.lists(st.integers(1, 5), min_size=1, max_size=5)
SEEDS = st.integers(0, 2**32)


def quantization(dtype: str) -> dict[str, Any]:
    return {"scale": 0.1, "zero_point": 5} if dtype in ("int8", "uint8") else {}


def values(dtype: str, shape: Any, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if dtype == "float32":
        return np.asarray(rng.normal(size=shape), np.float32)
    limits = (0, 1) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return np.asarray(rng.integers(limits[0], limits[1] + 1, shape)).astype(dtype)


@given(shape=SHAPES, dtype=DTYPES, seed=SEEDS)
def test_reshape(kernels: Any, tensor: Any, single_operator: Any, shape: list[int], dtype: str, seed: int) -> None:
    out, q = [int(np.prod(shape)), 1], quantization(dtype)
    inputs = [tensor(shape, dtype, **q), tensor([2], "int32", data=out)]
    raw = single_operator("RESHAPE", inputs, tensor(out, dtype, **q), new_shape=out)
    kernels.check(raw, [values(dtype, shape, seed)])


@given(shape=SHAPES, dtype=st.sampled_from(["int8", "float32"]), seed=SEEDS)
def test_squeeze(kernels: Any, tensor: Any, single_operator: Any, shape: list[int], dtype: str, seed: int) -> None:
    shape, q = [1, *shape, 1], quantization(dtype)
    raw = single_operator(
        "SQUEEZE", [tensor(shape, dtype, **q)], tensor(shape[1:-1], dtype, **q), squeeze_dims=[0, len(shape) - 1]
    )
    kernels.check(raw, [values(dtype, shape, seed)])


@given(data=st.data(), shape=st.lists(st.integers(1, 5), min_size=1, max_size=6), seed=SEEDS)
def test_transpose(
    kernels: Any, tensor: Any, single_operator: Any, data: st.DataObject, shape: list[int], seed: int
) -> None:
    dtype = data.draw(st.sampled_from(["int8", "uint8", "int32", "float32", "bool"]))
    order = data.draw(st.permutations(range(len(shape))))
    q = quantization(dtype)
    inputs = [tensor(shape, dtype, **q), tensor([len(shape)], "int32", data=order)]
    raw = single_operator("TRANSPOSE", inputs, tensor([shape[d] for d in order], dtype, **q))
    kernels.check(raw, [values(dtype, shape, seed)])


@pytest.mark.parametrize("operator", ["PAD", "PADV2"])
@given(data=st.data(), shape=SHAPES, seed=SEEDS)
def test_pad(
    kernels: Any,
    tensor: Any,
    single_operator: Any,
    operator: str,
    data: st.DataObject,
    shape: list[int],
    seed: int,
) -> None:
    dtype = data.draw(st.sampled_from(["int8", "uint8", "int32", "float32"]))
    amounts = [data.draw(st.tuples(st.integers(0, 3), st.integers(0, 3))) for _ in shape]
    q = quantization(dtype)
    inputs = [tensor(shape, dtype, **q), tensor([len(shape), 2], "int32", data=amounts)]
    if operator == "PADV2":
        inputs.append(tensor([1], dtype, data=[7], **q))
    out = tensor([n + before + after for n, (before, after) in zip(shape, amounts, strict=True)], dtype, **q)
    kernels.check(single_operator(operator, inputs, out), [values(dtype, shape, seed)])


@st.composite
def slices(draw: st.DrawFn) -> dict[str, Any]:
    shape = draw(st.lists(st.integers(1, 6), min_size=1, max_size=5))
    begin, end, step, out = [], [], [], []
    begin_mask = end_mask = shrink_mask = 0
    for d, size in enumerate(shape):
        shrink = draw(st.booleans()) and draw(st.booleans())
        stride = 1 if shrink else draw(st.sampled_from([1, 1, 2, 3, -1, -2]))
        first = draw(st.integers(-size, size - 1))
        last = draw(st.integers(-size - 2, size + 2))
        masks = draw(st.tuples(st.booleans(), st.booleans()))
        begin_mask |= masks[0] << d
        end_mask |= masks[1] << d
        chosen = range(size)[slice(None if masks[0] else first, None if masks[1] else last, stride)]
        if not shrink and len(chosen) == 0:
            end_mask |= 1 << d
            chosen = range(size)[slice(None if masks[0] else first, None, stride)]
        begin.append(first)
        end.append(last)
        step.append(stride)
        shrink_mask |= shrink << d
        if not shrink:
            out.append(len(chosen))
    return {
        "shape": shape,
        "operands": [begin, end, step],
        "out": out,
        "masks": {"begin_mask": begin_mask, "end_mask": end_mask, "shrink_axis_mask": shrink_mask},
    }


@given(s=slices(), dtype=DTYPES, seed=SEEDS)
def test_strided_slice(
    kernels: Any, tensor: Any, single_operator: Any, s: dict[str, Any], dtype: str, seed: int
) -> None:
    q = quantization(dtype)
    inputs = [tensor(s["shape"], dtype, **q), *(tensor([len(v)], "int32", data=v) for v in s["operands"])]
    raw = single_operator("STRIDED_SLICE", inputs, tensor(s["out"], dtype, **q), **s["masks"])
    kernels.check(raw, [values(dtype, s["shape"], seed)])


@pytest.mark.parametrize(
    ("begin", "end", "out", "masks"),
    [
        ([1], [3], [2, 5, 3], {}),
        ([1, 2, 0], [2, 2, 3], [2, 2, 3], {"offset": True}),
        ([0, 1], [0, 3], [4, 5, 2], {"ellipsis_mask": 1}),
        ([1, 0, 2], [3, 0, 3], [2, 5, 1], {"ellipsis_mask": 2}),
        ([0, 1], [0, 3], [1, 2, 5, 3], {"new_axis_mask": 1}),
        ([1, 0, 2], [3, 0, 4], [2, 1, 2, 3], {"new_axis_mask": 2}),
        ([0, 0, 1], [0, 0, 2], [1, 4, 5], {"new_axis_mask": 1, "ellipsis_mask": 2, "shrink_axis_mask": 4}),
    ],
)
def test_strided_slice_forms(
    kernels: Any, tensor: Any, single_operator: Any, begin: list[int], end: list[int], out: list[int], masks: Any
) -> None:
    n = len(begin)
    inputs = [tensor([4, 5, 3], "float32"), *(tensor([n], "int32", data=v) for v in (begin, end, [1] * n))]
    raw = single_operator("STRIDED_SLICE", inputs, tensor(out, "float32"), **masks)
    kernels.check(raw, [values("float32", [4, 5, 3], 0)])


@given(data=st.data(), shape=SHAPES, dtype=st.sampled_from(["int8", "uint8", "int32", "float32"]), seed=SEEDS)
def test_concatenation(
    kernels: Any,
    tensor: Any,
    single_operator: Any,
    data: st.DataObject,
    shape: list[int],
    dtype: str,
    seed: int,
) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))
    constant = data.draw(st.integers(0, len(sizes)))
    q = quantization(dtype)
    shapes = [[size if d == axis % len(shape) else n for d, n in enumerate(shape)] for size in sizes]
    x = [values(dtype, s, seed + i) for i, s in enumerate(shapes)]
    inputs = [tensor(s, dtype, data=x[i] if i == constant else None, **q) for i, s in enumerate(shapes)]
    out = list(shape)
    out[axis] = sum(sizes)
    raw = single_operator("CONCATENATION", inputs, tensor(out, dtype, **q), axis=axis)
    kernels.check(raw, [value for i, value in enumerate(x) if i != constant])


@given(
    image=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    size=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    mode=st.sampled_from([{}, {"align_corners": True}, {"half_pixel_centers": True}]),
    dtype=st.sampled_from(["int8", "uint8", "float32"]),
    channels=st.integers(1, 4),
    seed=SEEDS,
)
def test_resize_nearest_neighbor(
    kernels: Any,
    tensor: Any,
    single_operator: Any,
    image: tuple[int, int],
    size: tuple[int, int],
    mode: dict[str, bool],
    dtype: str,
    channels: int,
    seed: int,
) -> None:
    shape, q = [2, *image, channels], quantization(dtype)
    inputs = [tensor(shape, dtype, **q), tensor([2], "int32", data=size)]
    raw = single_operator("RESIZE_NEAREST_NEIGHBOR", inputs, tensor([2, *size, channels], dtype, **q), **mode)
    kernels.check(raw, [values(dtype, shape, seed)])
