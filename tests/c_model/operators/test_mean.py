from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st


@st.composite
def reductions(draw: st.DrawFn) -> dict[str, Any]:
    shape = draw(st.lists(st.integers(1, 6), min_size=1, max_size=5))
    rank = len(shape)
    axes = draw(st.lists(st.integers(-rank, rank - 1), min_size=1, max_size=rank + 1))
    keep = draw(st.booleans())
    resolved = {axis % rank for axis in axes}
    out = [1 if d in resolved else n for d, n in enumerate(shape) if keep or d not in resolved]
    return {"shape": shape, "axes": axes, "keep": keep, "out": out, "seed": draw(st.integers(0, 2**32))}


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@given(r=reductions())
def test_mean(kernels: Any, tensor: Any, single_operator: Any, dtype: str, r: dict[str, Any]) -> None:
    rng = np.random.default_rng(r["seed"])
    scale = rng.uniform(0.01, 0.1)
    quantized: list[dict[str, Any]] = [{}, {}]
    if dtype == "int8":
        quantized = [
            {"scale": scale * factor, "zero_point": rng.integers(-128, 128)} for factor in (1, rng.uniform(0.2, 2))
        ]
    x = tensor(r["shape"], dtype, **quantized[0])
    axes = tensor([len(r["axes"])], "int32", data=r["axes"])
    raw = single_operator("MEAN", [x, axes], tensor(r["out"], dtype, **quantized[1]), keep_dims=r["keep"])
    values = rng.integers(-128, 128, r["shape"]) if dtype == "int8" else rng.normal(size=r["shape"])
    kernels.check(raw, [values.astype(dtype)])


@pytest.mark.parametrize("axes", [[1, 2], [2, 1], [0, 1, 2, 3]])
@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_mean_of_an_image(kernels: Any, tensor: Any, single_operator: Any, dtype: str, axes: list[int]) -> None:
    rng = np.random.default_rng(3)
    shape = [1, 25, 5, 64]
    out = [1 if d in axes else n for d, n in enumerate(shape)]
    quantized = {"scale": 0.1, "zero_point": -128} if dtype == "int8" else {}
    x = tensor(shape, dtype, **quantized)
    inputs = [x, tensor([len(axes)], "int32", data=axes)]
    raw = single_operator("MEAN", inputs, tensor(out, dtype, **quantized), keep_dims=True)
    values = rng.integers(-128, 128, shape) if dtype == "int8" else rng.normal(size=shape)
    kernels.check(raw, [values.astype(dtype)])
