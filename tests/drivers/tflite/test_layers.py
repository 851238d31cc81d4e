"""What `tflite:` shows of single operators: order, tensors, times, events, and that looking does not change outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner.driver import AiRunnerCallback, Array
from ai_runner.drivers.tflite import execution, operator_times
from ai_runner.drivers.tflite.driver import TfliteDriver
from ai_runner.drivers.tflite.layers import OutputDifference
from ai_runner.drivers.tflite.operator_times import constant_tensors
from ai_runner.drivers.tflite.runtime import Runtime
from ai_runner.model import Mode
from ai_runner.profile import TimeSource
from ai_runner.tflite_model import TfliteModel

Connect = Callable[..., TfliteDriver]
KERNELS = ("default", "xnnpack", "builtin", "reference")
SHARED = ("ad01_int8", "kws_ref_model", "pretrainedResnet_quant", "str_ww_ref_model", "vww_96_float")


def run(driver: TfliteDriver, *inputs: Any, mode: Mode = Mode.PER_LAYER_WITH_DATA, callback: Any = None) -> Any:
    return driver.invoke(driver.names()[0], [np.asarray(x) for x in inputs], mode, callback)


def digits(batch: int) -> Array:
    return np.random.default_rng(3).integers(-128, 128, (batch, 8, 8, 1)).astype(np.int8)


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("stem", SHARED)
def test_one_entry_an_operator_with_what_the_interpreter_holds(
    shared_models: Path, connect: Connect, stem: str, kernels: str
) -> None:
    litert = pytest.importorskip("ai_edge_litert.interpreter", reason="compares with a bare LiteRT")

    path = shared_models / f"{stem}.tflite"
    model = TfliteModel.read(path)
    driver = connect(path, kernels=kernels)
    tensor = driver.info(driver.names()[0]).inputs[0]
    random = np.random.default_rng(1)
    x = random.integers(-100, 100, (2, *tensor.sample_shape)).astype(tensor.dtype)
    plain, looked = run(driver, x, mode=Mode.IO_ONLY), run(driver, x)
    assert [node.info.type_name for node in looked.nodes] == [operator.name for operator in model.operators]
    assert [node.info.m_id for node in looked.nodes] == list(range(len(model.operators)))
    assert len({node.info.name for node in looked.nodes}) == len(looked.nodes)
    for a, b in zip(plain.outputs, looked.outputs, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)
    resolver = {"builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "reference": "BUILTIN_REF"}.get(kernels, "AUTO")
    with pytest.warns() if resolver == "AUTO" else nullcontext():
        keeping = litert.Interpreter(
            str(path),
            experimental_op_resolver_type=getattr(litert.OpResolverType, resolver),
            experimental_preserve_all_tensors=True,
        )
    keeping.allocate_tensors()
    for i, sample in enumerate(x):
        keeping.set_tensor(model.inputs[0], sample[np.newaxis])
        keeping.invoke()
        for node, operator in zip(looked.nodes, model.operators, strict=True):
            assert len(node.data) == len(node.info.outputs) == len(operator.outputs)
            for data, info, index in zip(node.data, node.info.outputs, operator.outputs, strict=True):
                np.testing.assert_array_equal(data[i].reshape(info.shape), keeping.get_tensor(index), strict=True)
                assert info.quantization == model.tensors[index].quantization
    np.testing.assert_array_equal(looked.nodes[-1].data[0], looked.outputs[0])


def test_times_are_estimates_measured_once(digits_int8: Path, connect: Connect) -> None:
    driver = connect(digits_int8)
    first, second = run(driver, digits(3), mode=Mode.PER_LAYER), run(driver, digits(2))
    assert [len(node.durations) for node in first.nodes] == [3] * 7
    for a, b in zip(first.nodes, second.nodes, strict=True):
        assert a.source is b.source is TimeSource.ISOLATED
        assert set(a.durations) == set(b.durations)
        assert a.durations[0] > 0
        assert a.data == ()
        assert len(b.data[0]) == 2
    assert first.source is TimeSource.HOST


@pytest.mark.parametrize("batch", [0, 1])
def test_small_batches(digits_int8: Path, connect: Connect, batch: int) -> None:
    result = run(connect(digits_int8), digits(batch))
    assert result.outputs[0].shape == (batch, 10)
    assert [len(node.data[0]) for node in result.nodes] == [batch] * 7
    assert [len(node.durations) for node in result.nodes] == [batch] * 7


def test_an_operator_that_refuses_to_run_alone_has_no_time(
    digits_int8: Path, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = TfliteModel.single_operator
    cuts = {1: None, 2: b"nonsense", 3: b"\x1c\0\0\0TFL3" + bytes(40)}
    monkeypatch.setattr(TfliteModel, "single_operator", lambda self, i: cuts.get(i, original(self, i)))
    nodes = run(connect(digits_int8), digits(2), mode=Mode.PER_LAYER).nodes
    assert [i for i, node in enumerate(nodes) if not node.durations] == [1, 2, 3]
    assert {node.source for node in nodes[1:4]} == {None}


def test_operators_with_state_have_no_time(models: Any, connect: Connect) -> None:
    for path in (models.counter(), models.accumulator()):
        nodes = run(connect(path), np.ones((2, 2), np.float32)).nodes
        stateful = {"SVDF", "CALL_ONCE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"}
        assert {node.info.type_name for node in nodes if not node.durations} <= stateful
        assert all(node.durations == () for node in nodes if node.info.type_name in stateful)


def test_measuring_has_a_budget(digits_int8: Path, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    class Clock:
        now = 0.0

        def __call__(self) -> float:
            self.now += 1.0
            calls.append(self.now)
            return self.now

    monkeypatch.setattr(operator_times, "perf_counter", Clock())
    nodes = run(connect(digits_int8), digits(1), mode=Mode.PER_LAYER).nodes
    # For each operator: the end of its budget, three runs with two readings each, and one look that it is used up.
    assert len(calls) == 7 * (1 + 3 * 2 + 1)
    assert [node.durations for node in nodes] == [(1000.0,)] * 7


@pytest.mark.parametrize("kernels", KERNELS)
def test_float16_weights(models: Any, connect: Connect, kernels: str) -> None:
    weights = np.arange(12, dtype=np.float16).reshape(3, 4)
    tensors = [
        models.tensor((1, 4)),
        models.tensor((3, 4), "FLOAT16", weights),
        models.tensor((3, 4)),
        models.tensor((1, 3)),
    ]
    operators = [
        models.operator("DEQUANTIZE", [1], [2], "DequantizeOptions"),
        models.operator("FULLY_CONNECTED", [0, 2, -1], [3], "FullyConnectedOptions"),
    ]
    path = models.write(tensors, operators, [0], [3])
    assert constant_tensors(TfliteModel.read(path)) == {2}
    x = np.float32([[1, 2, 3, 4], [0, 1, 0, 0]])
    unpack, dense = run(connect(path, kernels=kernels), x).nodes
    np.testing.assert_allclose(dense.data[0], x @ weights.T.astype(np.float32))
    assert unpack.info.type_name == "DEQUANTIZE"
    assert unpack.durations == dense.durations == ()
    if kernels in ("builtin", "reference"):
        np.testing.assert_array_equal(unpack.data[0], [weights.astype(np.float32)] * 2)
    else:
        assert unpack.data == ()  # XNNPACK unpacks by itself and never writes the tensor


def test_a_layer_whose_shape_changes_has_no_data(models: Any, connect: Connect) -> None:
    tensors = [models.tensor((1, 4)), models.tensor((2,), "INT32"), models.tensor((1, 4)), models.tensor(())]
    operators = [
        models.operator("RESHAPE", [0, 1], [2], "ReshapeOptions"),
        models.operator("SUM", [2, 4], [3], "ReducerOptions"),
    ]
    tensors.append(models.tensor((2,), "INT32", np.int32([0, 1])))
    driver = connect(models.write(tensors, operators, [0, 1], [3]), kernels="reference")
    x, shapes = np.float32([[1, 2, 3, 4]] * 2), np.int32([[1, 4], [2, 2]])
    result = run(driver, x, shapes)
    assert result.outputs[0].tolist() == [10, 10]
    assert [len(node.data) for node in result.nodes] == [0, 1]
    assert any("its shape changes" in warning for warning in result.warnings)
    assert run(driver, x[:1], shapes[:1]).warnings == ()


class Recorder(AiRunnerCallback):
    def __init__(self, stop_after: int | None = None) -> None:
        self.events: list[str] = []
        self.nodes: list[tuple[int, list[Array], list[Array], Mapping[str, Any]]] = []
        self.stop_after = stop_after
        self.inputs: list[Array] = []

    def on_sample_begin(self, idx: int) -> None:
        self.events.append(f"begin {idx}")

    def on_sample_end(self, idx: int, data: list[Array], logs: Mapping[str, Any] | None = None) -> bool | None:
        assert logs is not None
        assert logs["dur"] > 0
        self.events.append(f"end {idx}")
        self.nodes.append((-1, [], [d.copy() for d in data], logs))
        return None if self.stop_after is None else idx + 1 < self.stop_after

    def on_node_begin(self, idx: int, data: list[Array], logs: Mapping[str, Any] | None = None) -> None:
        self.events.append(f"node {idx}")
        self.inputs = [d.copy() for d in data]

    def on_node_end(self, idx: int, data: list[Array], logs: Mapping[str, Any] | None = None) -> None:
        assert logs is not None
        self.nodes.append((idx, self.inputs, [d.copy() for d in data], logs))


@pytest.mark.parametrize("mode", [Mode.PER_LAYER, Mode.PER_LAYER_WITH_DATA])
def test_node_events_have_inputs_outputs_and_logs(digits_int8: Path, connect: Connect, mode: Mode) -> None:
    driver, recorder = connect(digits_int8), Recorder()
    result = run(driver, digits(2), mode=mode, callback=recorder)
    expected = run(driver, digits(2))
    per_sample = [f"node {k}" for k in range(7)]
    assert recorder.events == ["begin 0", *per_sample, "end 0", "begin 1", *per_sample, "end 1"]
    for sample in (0, 1):
        events = recorder.nodes[sample * 8 : sample * 8 + 8]
        np.testing.assert_array_equal(events[0][1][0][0], digits(2)[sample])
        np.testing.assert_array_equal(events[7][2][0], result.outputs[0][sample], strict=True)
        for k in range(7):
            index, inputs, outputs, logs = events[k]
            assert index == k
            np.testing.assert_array_equal(outputs[0][0], expected.nodes[k].data[0][sample])
            assert logs["m_id"] == k
            assert logs["shape"] == [list(expected.nodes[k].info.outputs[0].shape)]
            assert logs["dur"] == result.nodes[k].durations[sample]
            if k:
                np.testing.assert_array_equal(inputs[0], events[k - 1][2][0])


def test_without_layers_no_node_speaks(digits_int8: Path, connect: Connect) -> None:
    recorder = Recorder()
    run(connect(digits_int8), digits(2), mode=Mode.IO_ONLY, callback=recorder)
    assert recorder.events == ["begin 0", "end 0", "begin 1", "end 1"]


@pytest.mark.parametrize("mode", [Mode.IO_ONLY, Mode.PER_LAYER, Mode.PER_LAYER_WITH_DATA])
def test_false_stops_and_keeps_what_was_done(digits_int8: Path, connect: Connect, mode: Mode) -> None:
    driver = connect(digits_int8)
    stopped = run(driver, digits(5), mode=mode, callback=Recorder(stop_after=2))
    whole = run(driver, digits(5), mode=mode)
    assert len(stopped.durations) == len(stopped.exec_times) == 2
    np.testing.assert_array_equal(stopped.outputs[0], whole.outputs[0][:2], strict=True)
    assert stopped.outputs[0].flags.owndata
    for a, b in zip(stopped.nodes, whole.nodes, strict=True):
        assert len(a.durations) == 2
        for left, right in zip(a.data, b.data, strict=True):
            np.testing.assert_array_equal(left, right[:2], strict=True)


@pytest.mark.parametrize("error", [ValueError, RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("event", ["on_sample_begin", "on_node_begin", "on_node_end", "on_sample_end"])
def test_what_a_callback_raises_is_not_taken_for_the_models(
    digits_int8: Path, connect: Connect, event: str, error: type[BaseException]
) -> None:
    def fail(*_: Any) -> None:
        raise error("of the user")

    callback = AiRunnerCallback()
    setattr(callback, event, fail)
    driver = connect(digits_int8)
    with pytest.raises(error, match="of the user") as caught:
        run(driver, digits(2), callback=callback)
    assert type(caught.value) is error
    assert run(driver, digits(2)).outputs[0].shape == (2, 10)


class Disturbed:
    """An interpreter whose output 0 is one too large in every odd sample when it keeps all tensors."""

    def __init__(self, model_content: bytes, experimental_preserve_all_tensors: bool = False, **options: Any) -> None:
        litert = pytest.importorskip("ai_edge_litert.interpreter", reason="compares with a bare LiteRT")

        self._keeps = experimental_preserve_all_tensors
        self._inner = litert.Interpreter(
            model_content=model_content, experimental_preserve_all_tensors=experimental_preserve_all_tensors, **options
        )
        self._runs = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def invoke(self) -> None:
        self._runs += 1
        self._inner.invoke()

    def get_tensor(self, index: int) -> Array:
        value: Array = self._inner.get_tensor(index)
        is_output = index == self._inner.get_output_details()[0]["index"]
        # The first run is the one that layers are described from.
        return value ^ np.int8(1) if self._keeps and is_output and self._runs % 2 else value


def test_outputs_that_keeping_tensors_changes_are_told_and_not_returned(
    digits_int8: Path, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = connect(digits_int8)
    expected = run(driver, digits(5), mode=Mode.IO_ONLY).outputs[0]
    original = Runtime.allocate

    def disturbed(self: Runtime, *args: Any) -> Any:
        return original(Runtime(self.name, self.version, Disturbed, self.resolver_types), *args)

    monkeypatch.setattr(Runtime, "allocate", disturbed)
    driver = connect(digits_int8)
    result = run(driver, digits(5))
    np.testing.assert_array_equal(result.outputs[0], expected, strict=True)
    (warning,) = result.warnings
    assert "up to 1 in 2 samples" in warning
    assert run(driver, digits(5), mode=Mode.PER_LAYER).warnings == ()


def test_dumps_of_tflite_runtime_are_marked(
    digits_int8: Path, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = execution.Execution.__init__

    def older(self: Any, runtime: Runtime, *args: Any) -> None:
        original(self, Runtime("tflite-runtime", "2.14.0", runtime.interpreter, runtime.resolver_types), *args)

    monkeypatch.setattr(execution.Execution, "__init__", older)
    driver = connect(digits_int8)
    assert any("overwrites the operand" in warning for warning in run(driver, digits(1)).warnings)
    assert run(driver, digits(1), mode=Mode.IO_ONLY).warnings == ()


@pytest.mark.parametrize(
    ("plain", "kept", "largest"),
    [
        ([1.0, 2.0], [1.0, 2.5], "0.5"),
        ([np.nan, np.inf], [np.nan, np.inf], None),
        ([np.nan, np.inf, 1.0], [np.nan, np.inf, 1.25], "0.25"),
        ([np.nan, 1.0], [1.0, 1.0], "inf"),
        ([np.inf], [-np.inf], "inf"),
        ([1.0], [1.0, 2.0], "inf"),
        ([0.0], [-0.0], None),
    ],
)
def test_differences_of_outputs(plain: list[float], kept: list[float], largest: str | None) -> None:
    difference = OutputDifference(["y"])
    difference.add([np.float32(plain)], [np.float32(kept)])
    warnings = difference.warnings()
    if largest is None:
        assert warnings == []
    else:
        assert f"up to {largest} in 1 samples" in warnings[0]


def test_differences_of_unsigned_outputs_do_not_wrap() -> None:
    difference = OutputDifference(["y", "z"])
    difference.add([np.uint8([0]), np.bool_([True])], [np.uint8([255]), None])
    (warning,) = difference.warnings()
    assert "'y' by up to 255" in warning
