"""The error budget, the stage of a divergence, and what is declared otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ai_runner.compare.health.structure import tensor_differences
from ai_runner.compare.stages.error_budget import ErrorBudget, budget_sentence
from ai_runner.compare.validation import validate
from ai_runner.compare.verdict import TargetResult
from ai_runner.errors import InvalidModelError
from ai_runner.model import TensorInfo
from ai_runner.quantization import Quantization

Array = npt.NDArray[Any]
vectors = hnp.arrays(np.float32, (5, 3), elements=st.floats(-8, 8, width=32))


@given(vectors, vectors, vectors, vectors)
def test_shares_add_up_to_one(a: Array, b: Array, c: Array, d: Array) -> None:
    budget = ErrorBudget(("quantisation", "code_generation", "target"), ("a", "b", "c", "d"))
    for rows in (slice(0, 2), slice(2, 5)):
        budget.update([[x[rows]] for x in (a, b, c, d)])
    shares = [share.share for share in budget.result()]
    if float(np.abs(d - a).max()) < 1e-3:
        return
    assert sum(share for share in shares if share is not None) == pytest.approx(1.0, abs=1e-6)


def test_orthogonal_stages_have_the_shares_of_their_squares() -> None:
    budget = ErrorBudget(("quantisation", "target"), ("f", "q", "t"))
    budget.update([[np.zeros((1, 2))], [np.array([[3.0, 0.0]])], [np.array([[3.0, 4.0]])]])
    first, second = budget.result()
    assert (first.share, second.share) == (pytest.approx(9 / 25), pytest.approx(16 / 25))
    assert (first.source, first.result, second.result) == ("f", "q", "t")
    assert budget_sentence((first, second)).startswith("64% of the error at the outputs comes from the target")


def test_no_error_has_no_shares() -> None:
    budget = ErrorBudget(("quantisation", "target"), ("f", "q", "t"))
    budget.update([[np.ones((1, 2))]] * 3)
    assert [share.share for share in budget.result()] == [None, None]
    assert budget_sentence(budget.result()) == "no stage changes the outputs"


@pytest.fixture
def station(tensors: Any, fake_session: Any) -> Callable[..., Any]:
    """A model of two layers, x + first and 2 * that, somewhere on the way to a target."""

    def make(first: float = 0.0, where: str = "tflite", quantisation: float = 0.0) -> Any:
        def nodes(inputs: list[Array]) -> list[Any]:
            begun = inputs[0] + np.float32(first)
            return [
                tensors.node(0, tensors.f32("a", 6), begun, kind="ADD"),
                tensors.node(1, tensors.f32("y", 6), begun * 2 + np.float32(quantisation), kind="MUL"),
            ]

        session = fake_session(
            [tensors.f32("x", 6)], [tensors.f32("y", 6)], lambda x: [nodes(x)[1].data[0]], nodes, descriptor=where
        )
        device = replace(session.info.device, dev_type="STM32" if where == "board" else "HOST")
        runtime = replace(session.info.runtime, generated_code=where in ("c-model", "board"))
        session.info = replace(session.info, device=device, runtime=runtime)
        return session

    return make


@pytest.fixture
def run(station: Callable[..., Any], array_source: Any) -> Callable[..., list[TargetResult]]:
    source = array_source(np.random.default_rng(6).normal(size=(20, 6)).astype(np.float32))

    def judge(*targets: Any, trained: Any = None) -> list[TargetResult]:
        return list(validate(station(), targets, source, per_layer=True, float_reference=trained).targets)

    return judge


def stages(found: TargetResult) -> list[str]:
    return [share.stage for share in found.error_budget]


def test_a_c_model_on_the_host_tells_code_generation_from_target(
    station: Callable[..., Any], run: Callable[..., list[TargetResult]]
) -> None:
    host, board = run(station(where="c-model"), station(1.0, where="board"))
    assert host.first_divergence is None
    assert board.first_divergence is not None
    assert (board.first_divergence.layer, board.first_divergence.stage) == (0, "target")
    assert stages(board) == ["code_generation", "target"]
    assert [share.share for share in board.error_budget] == [0.0, 1.0]
    assert stages(host) == []

    host, board = run(station(1.0, where="c-model"), station(1.0, where="board"))
    assert host.first_divergence is not None
    assert board.first_divergence is not None
    assert (host.first_divergence.stage, board.first_divergence.stage) == ("code_generation",) * 2


def test_a_c_model_of_another_file_is_no_station(
    station: Callable[..., Any], run: Callable[..., list[TargetResult]]
) -> None:
    host, board = station(where="c-model"), station(1.0, where="board")
    host.info, board.info = replace(host.info, hash="0x" + 32 * "a"), replace(board.info, hash="0x" + 32 * "b")
    found = run(host, board)[1]
    assert found.first_divergence is not None
    assert (found.first_divergence.stage, stages(found)) == ("deployment", [])


def test_without_one_they_are_not_told_apart(
    station: Callable[..., Any], run: Callable[..., list[TargetResult]]
) -> None:
    (board,) = run(station(1.0, where="board"))
    assert board.first_divergence is not None
    assert board.first_divergence.stage == "deployment"
    (other,) = run(station(1.0, where="tflite"), trained=station(where="float"))
    assert stages(other) == ["quantisation", "deployment"]


def test_the_float_model_tells_what_quantisation_does(
    station: Callable[..., Any], run: Callable[..., list[TargetResult]]
) -> None:
    host, board = run(
        station(where="c-model"), station(where="board"), trained=station(quantisation=0.5, where="float")
    )
    assert stages(host) == ["quantisation", "code_generation"]
    assert stages(board) == ["quantisation", "code_generation", "target"]
    assert [share.share for share in board.error_budget] == [1.0, 0.0, 0.0]
    assert board.error_budget[0].rmse == pytest.approx(0.5)


def test_another_model_is_no_float_reference(
    station: Callable[..., Any], run: Callable[..., list[TargetResult]], tensors: Any, fake_session: Any
) -> None:
    other = fake_session([tensors.f32("x", 5)], [tensors.f32("y", 6)], lambda x: [np.zeros((len(x[0]), 6))])
    with pytest.raises(InvalidModelError):
        run(station(), trained=other)


def test_a_float_reference_with_labels_in_another_order_has_no_share_of_its_own(
    tensors: Any, fake_session: Any, array_source: Any
) -> None:
    def model(labels: tuple[str, ...], order: list[int], error: float = 0.0) -> Any:
        output = replace(tensors.f32("y", 3), labels=labels)
        return fake_session([tensors.f32("x", 3)], [output], lambda x: [x[0][:, order] + np.float32(error)])

    reference, target = model(("a", "b", "c"), [0, 1, 2]), model(("a", "b", "c"), [0, 1, 2], error=1.0)
    trained = model(("c", "a", "b"), [2, 0, 1])
    source = array_source(np.random.default_rng(6).normal(size=(20, 3)).astype(np.float32))
    (found,) = validate(reference, [target], source, float_reference=trained).targets
    assert [share.share for share in found.error_budget] == [0.0, pytest.approx(1.0)]


def test_differences_of_a_tensor() -> None:
    mine = TensorInfo("y", (1, 1, 10), np.dtype(np.int8), Quantization((0.5,), (3,)))
    assert tensor_differences("output 0", mine, replace(mine, shape=(10,))) == []
    assert tensor_differences("output 0", mine, replace(mine, quantization=None)) == []
    theirs = replace(mine, shape=(11,), quantization=Quantization((0.505,), (4,)))
    assert [str(difference) for difference in tensor_differences("output 0", mine, theirs)] == [
        "output 0: shape is [11], the reference has [1, 1, 10]",
        "output 0: scale is 0.505, the reference has 0.5",
        "output 0: zero point is 4, the reference has 3",
    ]
    real = TensorInfo("y", (10,), np.dtype(np.float32))
    assert [d.what for d in tensor_differences("output 0", mine, real)] == ["dtype"]
