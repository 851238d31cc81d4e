"""Outputs, description, state and errors of `tflite:`; its layers are in test_layers.py."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner.deadline import Deadline
from ai_runner.descriptor import parse_descriptor
from ai_runner.drivers.tflite import runtime
from ai_runner.drivers.tflite.driver import TfliteDriver
from ai_runner.errors import InvalidModelError, InvalidParamError, MissingRuntimeError, NotConnectedError
from ai_runner.model import Caps, Mode, TensorRole
from ai_runner.profile import TimeSource
from ai_runner.registry import create_driver

Connect = Callable[..., TfliteDriver]
KERNELS = ("xnnpack", "builtin", "reference")
SHARED = (
    *("ad01_fp32", "ad01_int8", "kws_ref_model", "kws_ref_model_float32", "pretrainedResnet"),
    *("pretrainedResnet_quant", "str_ww_ref_model", "vww_96_float", "vww_96_int8"),
)


def bare_outputs(path: Path, samples: Any, **options: Any) -> Any:
    """What a script with a bare Interpreter gets for a model of one input and one output."""
    litert = pytest.importorskip("ai_edge_litert.interpreter", reason="compares with a bare LiteRT")

    interpreter = litert.Interpreter(str(path), **options)
    interpreter.allocate_tensors()
    outputs = []
    for sample in samples:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], sample[np.newaxis])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])
    return np.stack(outputs)


def random_inputs(driver: TfliteDriver, batch: int, seed: int = 0) -> list[Any]:
    random = np.random.default_rng(seed)
    inputs = []
    for tensor in driver.info(driver.names()[0]).inputs:
        shape = (batch, *tensor.sample_shape)
        if tensor.dtype.kind == "f":
            inputs.append(random.standard_normal(shape).astype(tensor.dtype))
        else:
            limits = np.iinfo(tensor.dtype)
            inputs.append(random.integers(limits.min, limits.max, shape, tensor.dtype, endpoint=True))
    return inputs


def run(driver: TfliteDriver, *inputs: Any, mode: Mode = Mode.IO_ONLY) -> Any:
    return driver.invoke(driver.names()[0], [np.asarray(x) for x in inputs], mode)


@pytest.mark.parametrize("stem", SHARED)
def test_the_default_is_what_a_bare_interpreter_gives(shared_models: Path, connect: Connect, stem: str) -> None:
    path = shared_models / f"{stem}.tflite"
    driver = connect(path)
    (x,) = random_inputs(driver, 5)
    result = run(driver, x)
    np.testing.assert_array_equal(result.outputs[0], bare_outputs(path, x), strict=True)
    assert len(result.durations) == len(result.exec_times) == 5
    assert all(0 < inner <= outer for inner, outer in zip(result.durations, result.exec_times, strict=True))
    assert result.source is TimeSource.HOST
    assert result.nodes == ()


def test_kernel_sets_are_those_of_the_runtime(digits_int8: Path, connect: Connect) -> None:
    litert = pytest.importorskip("ai_edge_litert.interpreter", reason="compares with a bare LiteRT")

    (x,) = random_inputs(connect(digits_int8), 20)
    for kernels, resolver in zip(KERNELS, ("BUILTIN", "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "BUILTIN_REF"), strict=True):
        driver = connect(digits_int8, kernels=kernels, threads=2)
        expected = bare_outputs(
            digits_int8, x, experimental_op_resolver_type=getattr(litert.OpResolverType, resolver), num_threads=2
        )
        np.testing.assert_array_equal(run(driver, x).outputs[0], expected, strict=True)
        attributes = driver.info("digits_int8").runtime.attributes
        assert (attributes["kernels"], attributes["threads"]) == (kernels, "2")


def test_xnnpack_that_takes_nothing_is_told(models: Any, connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    tensors = [models.tensor((1, 3), "INT32"), models.tensor((1, 3), "INT32")]
    path = models.write(tensors, [models.operator("NEG", [0], [1])], [0], [1])
    driver = connect(path, kernels="xnnpack")
    assert driver.info("small").runtime.attributes["kernels"] == "builtin"
    assert "takes none of its operators" in caplog.text
    assert run(driver, np.int32([[1, 2, 3]])).outputs[0].tolist() == [[-1, -2, -3]]


def test_the_bundled_model_knows_its_digits(digits_int8: Path, digits_test: Path, connect: Connect) -> None:
    driver = connect(digits_int8)
    info = driver.info("digits_int8")
    with np.load(digits_test) as data:
        q = info.inputs[0].quantization.quantize(data["m_inputs_1"], np.int8)
        accuracy = np.mean(run(driver, q).outputs[0].argmax(1) == data["labels"])
    assert accuracy > 0.85


def test_description(digits_int8: Path, connect: Connect) -> None:
    driver = connect(digits_int8)
    assert driver.names() == ("digits_int8",)
    info = driver.info("digits_int8")
    assert info is driver.info("digits_int8")
    assert info.hash == "0x" + hashlib.md5(digits_int8.read_bytes()).hexdigest()
    assert (info.inputs[0].shape, info.inputs[0].dtype, info.inputs[0].role) == (
        (1, 8, 8, 1),
        np.int8,
        TensorRole.INPUT,
    )
    assert info.inputs[0].quantization is not None
    assert (info.outputs[0].shape, info.outputs[0].tag) == ((1, 10), "O.0")
    assert info.n_nodes == 7
    assert 0 < info.params[0].size < digits_int8.stat().st_size
    assert info.device.dev_type == "HOST"
    assert info.runtime.name in {"LiteRT", "TensorFlow Lite", "tflite-runtime"}
    assert info.runtime.version > (0, 0, 0)
    assert info.runtime.attributes["kernels"] in {"xnnpack", "builtin"}
    assert info.runtime.attributes["threads"] == "1"
    assert info.runtime.capabilities == (Caps.IO_ONLY, Caps.PER_LAYER, Caps.PER_LAYER_WITH_DATA)
    assert info.runtime.name in driver.describe()


@pytest.mark.parametrize(
    ("file", "name"),
    [("my-model.v2.tflite", "my_model_v2"), ("9.tflite", "_9"), ("a b", "a_b"), (".tflite", "_tflite")],
)
def test_the_name_is_an_identifier(digits_int8: Path, tmp_path: Path, connect: Connect, file: str, name: str) -> None:
    shutil.copy(digits_int8, tmp_path / file)
    assert connect(tmp_path / file).names() == (name,)


def test_several_inputs_and_outputs_in_the_order_of_the_graph(models: Any, connect: Connect) -> None:
    tensors = [
        models.tensor((1, 3), name="b"),
        models.tensor((1, 3), name="a"),
        models.tensor((1, 3), name=""),
        models.tensor((1, 3), name="difference"),
    ]
    operators = [models.operator("ADD", [0, 1], [2], "AddOptions"), models.operator("SUB", [0, 1], [3], "SubOptions")]
    driver = connect(models.write(tensors, operators, [1, 0], [3, 2]))
    info = driver.info("small")
    assert [t.name for t in info.inputs] == ["a", "b"]
    assert [t.name for t in info.outputs] == ["difference", "output_2"]
    a, b = np.float32([[1, 2, 3], [4, 5, 6]]), np.float32([[10, 20, 30], [1, 1, 1]])
    difference, total = run(driver, a, b).outputs
    np.testing.assert_array_equal(difference, b - a, strict=True)
    np.testing.assert_array_equal(total, a + b, strict=True)


@pytest.mark.parametrize("shape", [(), (1,), (3,), (4, 2), (1, 1, 2)])
def test_shapes_with_and_without_a_batch_dimension(models: Any, connect: Connect, shape: tuple[int, ...]) -> None:
    operators = [models.operator("ADD", [0, 1], [2], "AddOptions")]
    one = models.tensor((), data=np.float32(1))
    driver = connect(
        models.write([models.tensor(shape), one, models.tensor(shape)], operators, [0], [2]), kernels="reference"
    )
    tensor = driver.info("small").inputs[0]
    assert tensor.shape == shape
    x = np.arange(5 * np.prod(tensor.sample_shape, dtype=int), dtype=np.float32).reshape(5, *tensor.sample_shape)
    result = run(driver, x, mode=Mode.PER_LAYER_WITH_DATA)
    np.testing.assert_array_equal(result.outputs[0], x + 1, strict=True)
    np.testing.assert_array_equal(result.nodes[0].data[0], x + 1, strict=True)


def test_a_dynamic_dimension_is_taken_as_declared(models: Any, connect: Connect) -> None:
    tensors = [models.tensor((1, 3), signature=(-1, 3)), models.tensor((1, 3), signature=(-1, 3))]
    driver = connect(models.write(tensors, [models.operator("RELU", [0], [1])], [0], [1]))
    assert driver.info("small").inputs[0].shape == (1, 3)


def test_a_shape_that_is_only_known_after_a_run(models: Any, connect: Connect) -> None:
    # The shape that RESHAPE gets is computed, as it is where a converter saw a batch of any size.
    tensors = [
        models.tensor((1, 6)),
        models.tensor((2,), "INT32"),
        models.tensor((2,), "INT32", np.int32([0, 1])),
        models.tensor((2,), "INT32"),
        models.tensor((1, 1)),
    ]
    operators = [
        models.operator("SHAPE", [0], [1], "ShapeOptions", {"outType": 2}),
        models.operator("MAXIMUM", [1, 2], [3], "MaximumMinimumOptions"),
        models.operator("RESHAPE", [0, 3], [4], "ReshapeOptions"),
    ]
    driver = connect(models.write(tensors, operators, [0], [4]))
    assert driver.info("small").outputs[0].shape == (1, 6)
    x = np.arange(12, dtype=np.float32).reshape(2, 6)
    np.testing.assert_array_equal(run(driver, x, mode=Mode.PER_LAYER_WITH_DATA).outputs[0], x, strict=True)


def test_a_shape_that_depends_on_the_data_is_a_typed_error(models: Any, connect: Connect) -> None:
    tensors = [models.tensor((1, 4)), models.tensor((2,), "INT32"), models.tensor((1, 4))]
    operators = [models.operator("RESHAPE", [0, 1], [2], "ReshapeOptions")]
    driver = connect(models.write(tensors, operators, [0, 1], [2]))
    x = np.zeros((1, 4), np.float32)
    run(driver, x, np.int32([[1, 4]]))
    with pytest.raises(InvalidModelError, match=r"has shape \[2, 2\] in this run, not \[1, 4\]"):
        run(driver, x, np.int32([[2, 2]]))
    with pytest.raises(InvalidModelError, match="failed to run"):
        run(driver, x, np.int32([[7, 7]]))
    assert run(driver, x, np.int32([[1, 4]])).outputs[0].shape == (1, 4)


@pytest.mark.parametrize("kernels", KERNELS)
def test_state_is_reset_between_samples_or_kept(models: Any, connect: Connect, kernels: str) -> None:
    path, ones = models.counter(), np.ones((4, 2), np.float32)
    reset = connect(path, kernels=kernels)
    assert run(reset, ones).outputs[0][:, 0].tolist() == [1, 1, 1, 1]
    assert reset.info("counter").runtime.attributes["state"] == "reset"
    keep = connect(path, kernels=kernels, state="keep")
    assert run(keep, ones[:2]).outputs[0][:, 0].tolist() == [1, 2]
    assert run(keep, ones[:2], mode=Mode.PER_LAYER_WITH_DATA).nodes[0].data[0][:, 0].tolist() == [3, 3]
    assert run(keep, ones[:2]).outputs[0][:, 0].tolist() == [3, 3]


@pytest.mark.parametrize("kernels", KERNELS)
def test_resource_variables_are_reset_or_kept(models: Any, connect: Connect, kernels: str) -> None:
    path, ones = models.accumulator(), np.ones((3, 2), np.float32)
    reset = connect(path, kernels=kernels)
    result = run(reset, ones, mode=Mode.PER_LAYER_WITH_DATA)
    assert result.outputs[0][:, 0].tolist() == [1, 1, 1]
    types = [node.info.type_name for node in result.nodes]
    assert types == ["CALL_ONCE", "VAR_HANDLE", "READ_VARIABLE", "ADD", "ASSIGN_VARIABLE"]
    assert result.nodes[3].data[0][:, 0].tolist() == [1, 1, 1]
    assert [node.info.outputs for node in result.nodes[:2]] == [(), ()]
    keep = connect(path, kernels=kernels, state="keep")
    assert run(keep, ones).outputs[0][:, 0].tolist() == [1, 2, 3]
    assert keep.info("accumulator").runtime.capabilities == (Caps.IO_ONLY,)
    assert run(keep, ones, mode=Mode.PER_LAYER).mode is Mode.IO_ONLY


def test_layers_of_kept_state_are_those_of_the_outputs(models: Any, connect: Connect) -> None:
    keep = connect(models.counter(), state="keep")
    ones = np.ones((2, 2), np.float32)
    for expected in ([1, 2], [3, 3]):
        result = run(keep, ones, mode=Mode.PER_LAYER_WITH_DATA)
        assert result.outputs[0][:, 0].tolist() == expected
        assert result.nodes[0].data[0][:, 0].tolist() == expected
        assert result.warnings == ()


def test_returned_arrays_are_the_callers(digits_int8: Path, connect: Connect) -> None:
    driver = connect(digits_int8)
    (x,) = random_inputs(driver, 3)
    first = run(driver, x, mode=Mode.PER_LAYER_WITH_DATA)
    arrays = [*first.outputs, *(array for node in first.nodes for array in node.data)]
    before = [array.copy() for array in arrays]
    (y,) = random_inputs(driver, 3, seed=1)
    run(driver, y, mode=Mode.PER_LAYER_WITH_DATA)
    driver.close()
    for array, expected in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, expected)
        assert array.flags.owndata
        array.fill(0)


def test_modes_beyond_the_driver_are_left_out(digits_int8: Path, connect: Connect) -> None:
    driver = connect(digits_int8)
    (x,) = random_inputs(driver, 2)
    assert run(driver, x, mode=Mode.FIXED_INPUT | Mode.DEBUG | Mode.PER_LAYER).mode is Mode.PER_LAYER
    silent = run(driver, x, mode=Mode.PERF_ONLY)
    assert (silent.mode, silent.outputs, len(silent.durations)) == (Mode.PERF_ONLY, (), 2)


def test_isolated_it_answers_the_same(digits_int8: Path, connect: Connect) -> None:
    here = connect(digits_int8)
    (x,) = random_inputs(here, 4)
    there = create_driver(parse_descriptor(f"tflite:{digits_int8}?isolate=process"))
    there.open(Deadline(60))
    try:
        assert there.info("digits_int8") == here.info("digits_int8")
        a, b = (run(driver, x, mode=Mode.PER_LAYER_WITH_DATA) for driver in (here, there))
    finally:
        there.close()
    np.testing.assert_array_equal(a.outputs[0], b.outputs[0], strict=True)
    for left, right in zip(a.nodes, b.nodes, strict=True):
        assert left.info == right.info
        np.testing.assert_array_equal(left.data[0], right.data[0], strict=True)


@pytest.mark.parametrize(
    ("option", "words"),
    [("threads=0", "threads"), ("threads=x", "threads"), ("kernels=fast", "kernels"), ("state=on", "state")]
    + [("isolate=yes", "isolate"), ("speed=1", "unknown option")],
)
def test_wrong_options(option: str, words: str) -> None:
    with pytest.raises(InvalidParamError, match=words):
        create_driver(parse_descriptor(f"tflite:x.tflite?{option}"))


def test_a_missing_file_and_a_wrong_name(tmp_path: Path, digits_int8: Path, connect: Connect) -> None:
    for path in (tmp_path / "none.tflite", tmp_path):
        with pytest.raises(InvalidParamError):
            connect(path)
    with pytest.raises(InvalidParamError, match="no model 'other'"):
        connect(digits_int8).info("other")


@pytest.mark.parametrize("content", [b"", b"text", bytes(100), b"\x1c\0\0\0TFL3" + bytes(40)])
def test_a_file_that_is_no_model(tmp_path: Path, connect: Connect, content: bytes) -> None:
    (tmp_path / "x.tflite").write_bytes(content)
    with pytest.raises(InvalidModelError):
        connect(tmp_path / "x.tflite")


def test_truncated_models_are_typed_errors(tmp_path: Path, digits_int8: Path, connect: Connect) -> None:
    raw = digits_int8.read_bytes()
    for size in range(8, len(raw), len(raw) // 40):
        (tmp_path / "x.tflite").write_bytes(raw[:size])
        with pytest.raises(InvalidModelError):
            connect(tmp_path / "x.tflite")


def test_a_corrupt_model_is_not_taken_for_a_missing_runtime(
    tmp_path: Path, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "CANDIDATES", {})
    (tmp_path / "x.tflite").write_bytes(b"text")
    with pytest.raises(InvalidModelError):
        connect(tmp_path / "x.tflite")


def test_no_runtime_is_told_as_such(digits_int8: Path, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "CANDIDATES", {})
    with pytest.raises(MissingRuntimeError):
        connect(digits_int8)


def test_an_operator_that_the_runtime_lacks(models: Any, connect: Connect) -> None:
    path = models.write(
        [models.tensor((1, 4)), models.tensor((1, 4))], [models.operator("CUSTOM", [0], [1], custom="Odd")], [0], [1]
    )
    with pytest.raises(InvalidModelError, match="refuses the model: Encountered unresolved custom op: Odd") as caught:
        connect(path)
    assert "\n" not in caught.value.message
    assert str(path) in caught.value.message


def test_a_model_that_cannot_be_planned(models: Any, connect: Connect) -> None:
    tensors = [models.tensor((1, 4)), models.tensor((1, 5)), models.tensor((1, 5))]
    path = models.write(tensors, [models.operator("ADD", [0, 1], [2], "AddOptions")], [0, 1], [2])
    with pytest.raises(InvalidModelError, match="refuses the model"):
        connect(path, kernels="reference")


@pytest.mark.parametrize("kind", ["STRING", "COMPLEX64", "RESOURCE", "INT4"])
def test_types_that_arrays_cannot_hold(models: Any, connect: Connect, kind: str) -> None:
    with pytest.raises(InvalidModelError, match=kind):
        connect(models.write([models.tensor((1, 4), kind)], [], [0], [0]))


def test_life_cycle(digits_int8: Path, connect: Connect) -> None:
    driver = connect(digits_int8)
    (x,) = random_inputs(driver, 1)
    driver.close()
    driver.close()
    for use in (driver.names, lambda: driver.info("digits_int8"), lambda: driver.invoke("digits_int8", [x])):
        with pytest.raises(NotConnectedError):
            use()
    driver.open(Deadline(None))
    driver.open(Deadline(None))
    assert driver.invoke("digits_int8", [x]).outputs[0].shape == (1, 10)
