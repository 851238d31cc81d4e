"""Running single operators again on recorded tensors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner import AiRunner, Mode, RunResult
from ai_runner.errors import InvalidParamError, NotConnectedError
from ai_runner.quantization import Quantization
from ai_runner.rerun import MODEL_INPUT, MODEL_OUTPUTS, Rerun, TensorPlace
from ai_runner.tflite_model import TfliteModel

pytest.importorskip("ai_edge_litert", reason="no runtime for .tflite models")

LAYERS = Mode.PER_LAYER | Mode.PER_LAYER_WITH_DATA
Arrays = dict[TensorPlace, np.ndarray]


@pytest.fixture(scope="module")
def runner(digits_int8: Path) -> Iterator[AiRunner]:
    with AiRunner.open(f"tflite:{digits_int8}?kernels=reference") as opened:
        yield opened


@pytest.fixture(scope="module")
def inputs(runner: AiRunner) -> list[np.ndarray]:
    return runner.generate_rnd_inputs(batch_size=5)


def recorded(inputs: list[np.ndarray], result: RunResult) -> Arrays:
    tensors = {(MODEL_INPUT, k): array for k, array in enumerate(inputs)}
    return tensors | {(i, k): array for i, node in enumerate(result.nodes) for k, array in enumerate(node.data)}


def rerun(runner: AiRunner, node: int, tensors: Arrays) -> Rerun:
    found = runner.rerun(node, tensors)
    assert found is not None
    return found


@pytest.mark.parametrize("kernels", ["reference", "builtin", "xnnpack"])
def test_each_kernel_set_gives_what_it_gave_in_the_whole_model(
    digits_int8: Path, runner: AiRunner, inputs: list[np.ndarray], kernels: str
) -> None:
    with AiRunner.open(f"tflite:{digits_int8}?kernels={kernels}") as other:
        result = other.run(inputs, mode=LAYERS)
    for position, node in enumerate(result.nodes):
        again = rerun(runner, position, recorded(inputs, result))
        assert again.operators == 1
        assert again.inputs == node.info.reads
        np.testing.assert_array_equal(again.outputs[kernels][0], node.data[0], strict=True)


def test_what_was_not_recorded_is_computed_from_what_was(runner: AiRunner, inputs: list[np.ndarray]) -> None:
    result = runner.run(inputs, mode=LAYERS)
    tensors = recorded(inputs, result)
    del tensors[(1, 0)], tensors[(2, 0)]
    again = rerun(runner, 3, tensors)
    assert again.operators == 3
    assert again.inputs == ((0, 0),)
    np.testing.assert_array_equal(again.outputs["reference"][0], result.nodes[3].data[0])


def test_the_whole_model_runs_from_its_inputs(runner: AiRunner, inputs: list[np.ndarray]) -> None:
    result = runner.run(inputs)
    again = rerun(runner, 6, {(MODEL_INPUT, 0): inputs[0]})
    assert again.operators == 7
    np.testing.assert_array_equal(again.outputs["reference"][0], result.outputs[0].reshape(5, 10))


def test_the_inputs_are_those_given(runner: AiRunner, inputs: list[np.ndarray]) -> None:
    tensors = recorded(inputs, runner.run(inputs, mode=LAYERS))
    zeros = rerun(runner, 5, tensors | {(4, 0): np.zeros_like(tensors[(4, 0)])})
    assert len(np.unique(zeros.outputs["reference"][0], axis=0)) == 1


def test_the_model_of_a_rerun_computes_it(runner: AiRunner, inputs: list[np.ndarray], tmp_path: Path) -> None:
    tensors = recorded(inputs, runner.run(inputs, mode=LAYERS))
    again = rerun(runner, 2, tensors)
    path = tmp_path / "conv.tflite"
    path.write_bytes(again.model)
    (operator,) = TfliteModel.read(path).operators
    assert operator.name == "CONV_2D"
    constants = {t.index: t.data for t in TfliteModel.read(path).tensors if t.data is not None}
    assert all(values.any() == (index in operator.inputs) for index, values in constants.items())
    with AiRunner.open(f"tflite:{path}?kernels=reference") as alone:
        np.testing.assert_array_equal(alone.run(tensors[(1, 0)]).outputs[0], again.outputs["reference"][0])


def test_a_cut_asks_for_no_operator_but_its_own(runner: AiRunner, inputs: list[np.ndarray]) -> None:
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    tensors = recorded(inputs, runner.run(inputs, mode=LAYERS))
    for node, operators in ((2, {"CONV_2D"}), (5, {"FULLY_CONNECTED"}), (6, {"SOFTMAX"})):
        model = schema.Model.GetRootAs(rerun(runner, node, tensors).model)
        codes = {model.OperatorCodes(i).BuiltinCode() for i in range(model.OperatorCodesLength())}
        assert codes == {getattr(schema.BuiltinOperator, name) for name in operators}


def test_real_arithmetic_rounded_once(runner: AiRunner, inputs: list[np.ndarray], digits_int8: Path) -> None:
    model = TfliteModel.read(digits_int8)
    tensors = recorded(inputs, runner.run(inputs, mode=LAYERS))
    x, weights, bias = (model.tensors[i] for i in model.operators[5].inputs)
    (y,) = (model.tensors[i] for i in model.operators[5].outputs)
    assert x.quantization
    assert weights.quantization
    assert bias.quantization
    assert y.quantization
    assert weights.data is not None
    assert bias.data is not None
    real = x.quantization.dequantize(tensors[(4, 0)]).astype(np.float64)
    real = real @ weights.quantization.dequantize(weights.data).T + bias.quantization.dequantize(bias.data)
    (once,) = rerun(runner, 5, tensors).rounded_once()
    np.testing.assert_array_equal(once, y.quantization.quantize(real, np.int8))
    for node in range(7):
        found = rerun(runner, node, tensors)
        (once,) = found.rounded_once()
        assert once.shape == found.outputs["reference"][0].shape
        for result in found.outputs.values():
            assert np.abs(once.astype(int) - result[0]).max() <= 1


def test_real_arithmetic_is_rounded_after_every_operator(runner: AiRunner, inputs: list[np.ndarray]) -> None:
    tensors = recorded(inputs, runner.run(inputs, mode=LAYERS))
    for node in range(7):
        (tensors[(node, 0)],) = rerun(runner, node, tensors).rounded_once()
    whole = rerun(runner, MODEL_OUTPUTS, {(MODEL_INPUT, 0): inputs[0]})
    assert whole.operators == 7
    np.testing.assert_array_equal(whole.rounded_once()[0], tensors[(6, 0)], strict=True)


def test_an_operator_that_kernels_lack_keeps_no_other_from_them(models: Any) -> None:
    tensors = [models.tensor((1, 4)) for _ in range(3)]
    operators = [models.operator("RELU", [0], [1]), models.operator("ELU", [1], [2])]
    values = np.array([[-1.0, 0.0, 2.0, -3.0]], np.float32)
    with AiRunner.open(f"tflite:{models.write(tensors, operators, [0], [2])}?kernels=builtin") as opened:
        assert set(rerun(opened, 0, {(MODEL_INPUT, 0): values}).outputs) == {"xnnpack", "builtin", "reference"}
        assert set(rerun(opened, 1, {(0, 0): values}).outputs) == {"xnnpack", "builtin"}


def test_what_is_computed_from_constants_is_the_same_for_every_sample(models: Any) -> None:
    half, real = models.tensor((1, 4), "FLOAT16", data=np.array([[1, 2, 3, 4]], np.float16)), models.tensor((1, 4))
    operators = [
        models.operator("DEQUANTIZE", [0], [1]),
        models.operator("ADD", [1, 2], [3], "AddOptions"),
    ]
    values = np.ones((3, 4), np.float32)
    with AiRunner.open(f"tflite:{models.write([half, real, real, real], operators, [2], [3])}") as opened:
        found = rerun(opened, 0, {(MODEL_INPUT, 0): values})
        assert (found.inputs, found.operators) == ((), 0)
        assert set(found.outputs) == {"reference", "builtin"}
        for (result,) in found.outputs.values():
            np.testing.assert_array_equal(result, [[1, 2, 3, 4]] * 3)
        whole = rerun(opened, 1, {(MODEL_INPUT, 0): values})
        np.testing.assert_array_equal(whole.outputs["builtin"][0], [[2, 3, 4, 5]] * 3)


def test_real_outputs_that_stand_for_integers(models: Any) -> None:
    real, stored = models.tensor((1, 4)), models.tensor((1, 4), "INT8", scale=(0.5,), zero_point=(3,))
    operators = [models.operator("QUANTIZE", [0], [1]), models.operator("DEQUANTIZE", [1], [2])]
    values = np.array([[-1.2, 0.0, 2.3, 1.0]], np.float32)
    with AiRunner.open(f"tflite:{models.write([real, stored, real], operators, [0], [2])}") as opened:
        whole = rerun(opened, MODEL_OUTPUTS, {(MODEL_INPUT, 0): values})
        assert whole.stored_as == (Quantization((0.5,), (3,)),)
        np.testing.assert_array_equal(whole.rounded_once()[0], [[-1.0, 0.0, 2.5, 1.0]])
        last = rerun(opened, 1, {(0, 0): np.array([[1, 3, 8, 5]], np.int8)})
        assert last.stored_as == (None,)


def test_what_is_real_stands_for_no_integers(digits_float: Path) -> None:
    with AiRunner.open(f"tflite:{digits_float}?kernels=reference") as floats:
        given = floats.generate_rnd_inputs(batch_size=2)
        assert rerun(floats, 0, recorded(given, floats.run(given, mode=LAYERS))).stored_as == (None,)


def test_without_its_inputs_a_node_cannot_be_run(runner: AiRunner) -> None:
    assert runner.rerun(0, {}) is None


def test_names_are_checked(runner: AiRunner) -> None:
    with pytest.raises(InvalidParamError, match="no model 'other'"):
        runner.rerun(0, {}, "other")
    with pytest.raises(NotConnectedError):
        AiRunner().rerun(0, {})
