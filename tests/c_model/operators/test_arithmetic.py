from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

OPERATORS = ["ADD", "SUB", "MUL"]
ACTIVATIONS = st.sampled_from(["NONE", "RELU", "RELU6", "RELU_N1_TO_1"])


@st.composite
def operand_shapes(draw: st.DrawFn) -> tuple[list[int], list[int], list[int]]:
    """Two shapes of rank 0 to 6 that can be broadcast, and the result."""
    out = draw(st.lists(st.integers(1, 4), max_size=6))
    shapes = []
    for _ in range(2):
        rank = draw(st.integers(0, len(out)))
        shapes.append([draw(st.sampled_from([size, size, 1])) for size in out[len(out) - rank :]])
    return shapes[0], shapes[1], list(np.broadcast_shapes(*map(tuple, shapes)))


def run_time(inputs: list[Any], x: list[np.ndarray]) -> list[np.ndarray]:
    return [value for spec, value in zip(inputs, x, strict=True) if spec.data is None]


@pytest.mark.parametrize("operator", OPERATORS)
@given(
    shapes=operand_shapes(),
    constant=st.sampled_from([None, 0, 1]),
    activation=ACTIVATIONS,
    spread=st.floats(0.2, 5),
    seed=st.integers(0, 2**32),
)
def test_int8(
    kernels: Any,
    tensor: Any,
    single_operator: Any,
    operator: str,
    shapes: tuple[list[int], ...],
    constant: int | None,
    activation: str,
    spread: float,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    scale_a, scale_b = np.float32(10 ** rng.uniform(-3, 0, 2))
    fits = 128 * scale_a * scale_b if operator == "MUL" else max(scale_a, scale_b)
    x = [rng.integers(-128, 128, shape).astype(np.int8) for shape in shapes[:2]]
    inputs = [
        tensor(shape, scale=scale, zero_point=rng.integers(-128, 128), data=value if i == constant else None)
        for i, (shape, scale, value) in enumerate(zip(shapes[:2], (scale_a, scale_b), x, strict=True))
    ]
    out = tensor(shapes[2], scale=np.float32(fits * spread), zero_point=rng.integers(-128, 128))
    raw = single_operator(operator, inputs, out, fused_activation_function=activation)
    kernels.check(raw, run_time(inputs, x))


@pytest.mark.parametrize("operator", OPERATORS)
@given(
    shapes=operand_shapes(), constant=st.sampled_from([None, 0, 1]), activation=ACTIVATIONS, seed=st.integers(0, 2**32)
)
def test_float(
    kernels: Any,
    tensor: Any,
    single_operator: Any,
    operator: str,
    shapes: tuple[list[int], ...],
    constant: int | None,
    activation: str,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    x = [(rng.normal(size=shape) * 4).astype(np.float32) for shape in shapes[:2]]
    inputs = [
        tensor(shape, "float32", data=value if i == constant else None)
        for i, (shape, value) in enumerate(zip(shapes[:2], x, strict=True))
    ]
    raw = single_operator(operator, inputs, tensor(shapes[2], "float32"), fused_activation_function=activation)
    kernels.check(raw, run_time(inputs, x))


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_pair_of_int8_values(kernels: Any, tensor: Any, single_operator: Any, operator: str) -> None:
    every = np.arange(-128, 128).astype(np.int8)
    a, b = every.reshape(1, 256), every.reshape(256, 1)
    for scale_a, scale_b, scale in ((0.02, 0.03, 0.05), (0.5, 0.25, 0.25), (0.1, 0.1, 0.1)):
        inputs = [tensor([1, 256], scale=scale_a, zero_point=3), tensor([256, 1], scale=scale_b, zero_point=-128)]
        kernels.check(single_operator(operator, inputs, tensor([256, 256], scale=scale, zero_point=-1)), [a, b])


def test_special_floats(kernels: Any, tensor: Any, single_operator: Any) -> None:
    special = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, 3e38, -3e38, 1.0], np.float32)
    inputs = [tensor([9, 1], "float32"), tensor([1, 9], "float32")]
    for operator in OPERATORS:
        for activation in ("NONE", "RELU", "RELU6"):
            raw = single_operator(operator, inputs, tensor([9, 9], "float32"), fused_activation_function=activation)
            kernels.check(raw, [special.reshape(9, 1), special.reshape(1, 9)])
