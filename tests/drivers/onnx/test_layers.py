"""What ``onnx:`` shows of the nodes of a model: which they are, what they write, how long they take."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner.driver import AiRunnerCallback
from ai_runner.drivers.onnx import layers
from ai_runner.drivers.onnx.driver import OnnxDriver
from ai_runner.drivers.onnx.execution import Execution
from ai_runner.model import Caps, Mode
from ai_runner.profile import RunResult, TimeSource
from ai_runner.quantization import Quantization

Connect = Callable[..., OnnxDriver]
WITH_DATA = Mode.PER_LAYER | Mode.PER_LAYER_WITH_DATA


def look(driver: OnnxDriver, batch: int = 3, mode: Mode = WITH_DATA, **keywords: Any) -> tuple[Any, RunResult]:
    name = driver.names()[0]
    random = np.random.default_rng(5)
    inputs = [random.standard_normal((batch, *t.sample_shape)).astype(t.dtype) for t in driver.info(name).inputs]
    return inputs[0], driver.invoke(name, inputs, mode, **keywords)


def test_nodes_are_those_of_the_file(models: Any, connect: Connect) -> None:
    _, result = look(connect(models.mlp()))
    assert [(n.info.name, n.info.m_id, n.info.type_name) for n in result.nodes] == [
        ("first", 0, "Gemm"),
        ("relu_1", 1, "Relu"),
        ("matmul_2", 2, "MatMul"),
        ("softmax_3", 3, "Softmax"),
    ]
    assert [t.tag for n in result.nodes for t in n.info.outputs] == ["N.0.0", "N.1.0", "N.2.0", "N.3.0"]


def test_data_is_what_the_runtime_computes_when_asked_for_each_tensor(models: Any, connect: Connect, bare: Any) -> None:
    import onnx

    path = models.qdq()
    x, result = look(connect(path), 4)
    model = onnx.load(path)
    names = [t.name for n in result.nodes for t in n.info.outputs if t.name != "y"]
    assert names == ["xq", "xd", "c", "r", "yq", "moved"]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    onnx.save(model, path)
    expected = dict(zip(["y", *names], bare(path, {"x": x}), strict=True))
    for node in result.nodes:
        for tensor, data in zip(node.info.outputs, node.data, strict=True):
            np.testing.assert_array_equal(data, expected[tensor.name], strict=True)


def test_a_model_may_have_no_node(models: Any, connect: Connect) -> None:
    ends = {"x": ("FLOAT", [1, 4])}
    x, result = look(connect(models.write([], ends, ends)))
    np.testing.assert_array_equal(result.outputs[0], x)
    assert result.nodes == ()


def test_what_depends_on_no_input_is_no_tensor_of_a_layer(models: Any, connect: Connect) -> None:
    _, result = look(connect(models.qdq()))
    weights = result.nodes[2]
    assert (weights.info.type_name, weights.info.outputs, weights.data) == ("DequantizeLinear", (), ())
    assert len(weights.durations) == 3


def test_integers_between_operators_have_their_scale(models: Any, connect: Connect) -> None:
    driver = connect(models.qdq())
    _, result = look(driver)
    found = {t.name: (t.dtype.name, t.quantization) for n in result.nodes for t in n.info.outputs}
    x, y = Quantization((float(np.float32(0.02)),), (3,)), Quantization((float(np.float32(0.05)),), (-128,))
    assert found == {
        "xq": ("int8", x),
        **dict.fromkeys(("xd", "c", "r", "y"), ("float32", None)),
        **dict.fromkeys(("yq", "moved"), ("int8", y)),
    }
    info = driver.info("qdq")
    assert [t.quantization for t in (*info.inputs, *info.outputs)] == [None, None]


def test_a_fused_node_stands_for_the_last_operator_it_replaces(models: Any, connect: Connect) -> None:
    driver = connect(models.mlp(), optimize="all")
    _, result = look(driver)
    assert driver.info("mlp").n_nodes == len(result.nodes) < 4
    assert [n.info.m_id for n in result.nodes][-2:] == [2, 3]
    assert result.nodes[0].info.m_id == 1
    _, plain = look(connect(models.mlp()))
    np.testing.assert_allclose(result.nodes[0].data[0], plain.nodes[1].data[0], 1e-5, 1e-6)


class TestTimes:
    @pytest.mark.parametrize("mode", [Mode.PER_LAYER, WITH_DATA])
    def test_every_node_has_one_for_each_sample(self, models: Any, connect: Connect, mode: Mode) -> None:
        _, result = look(connect(models.qdq()), 6, mode)
        for node in result.nodes:
            assert node.source is TimeSource.HOST
            assert len(node.durations) == 6
            assert all(0 <= t < 1000 for t in node.durations)

    def test_they_grow_with_the_work(self, models: Any, connect: Connect) -> None:
        weights = {"small": np.ones((400, 2), np.float32), "large": np.ones((400, 4000), np.float32)}
        nodes = [models.node("MatMul", ["x", key], [f"y_{key}"]) for key in weights]
        ends = {"x": ("FLOAT", [1, 400])}, {f"y_{key}": ("FLOAT", [1, w.shape[1]]) for key, w in weights.items()}
        _, result = look(connect(models.write(nodes, *ends, weights)), 20, Mode.PER_LAYER)
        small, large = (min(node.durations) for node in result.nodes)
        assert large > small

    def test_a_long_batch_is_spread_over_several_profiles(
        self, models: Any, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(layers, "_EVENTS", 8)
        profiles: list[str] = []
        end_profile = Execution.end_profile

        def noted(execution: Execution) -> str:
            profiles.append(end_profile(execution))
            return profiles[-1]

        monkeypatch.setattr(Execution, "end_profile", noted)
        _, result = look(connect(models.mlp()), 5)
        assert len(profiles) == 3
        assert [len(node.durations) for node in result.nodes] == [5] * 4
        assert not any(Path(path).exists() for path in profiles)

    def test_a_profile_with_events_missing_gives_no_times(
        self, models: Any, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def lossy(content: str, nodes: int, runs: int) -> list[list[float] | None]:
            return [None, *([[1.0] * runs] * (nodes - 1))]

        monkeypatch.setattr(layers, "kernel_times", lossy)
        _, result = look(connect(models.mlp()), 2)
        assert [(len(node.durations), node.source) for node in result.nodes][:2] == [(0, None), (2, TimeSource.HOST)]


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_left_on_disk(
    models: Any,
    connect: Connect,
    fails: bool,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = tmp_path_factory.mktemp("place")
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    monkeypatch.chdir(place)
    driver = connect(models.mlp())

    class Fails(AiRunnerCallback):
        def on_node_end(self, *_: Any) -> None:
            # Nothing that a killed process would leave, either: where the system allows it, the profile has no name.
            assert os.name == "nt" or list(place.iterdir()) == []
            if fails:
                raise KeyboardInterrupt

    if fails:
        with pytest.raises(KeyboardInterrupt):
            look(driver, callback=Fails())
    else:
        look(driver, callback=Fails())
    driver.close()
    assert list(place.iterdir()) == []


def test_callbacks_see_what_goes_into_a_node_and_what_comes_out(models: Any, connect: Connect) -> None:
    seen: list[tuple[str, int, Any]] = []

    class Watch(AiRunnerCallback):
        def on_node_begin(self, idx: int, data: list[Any], logs: Any = None) -> None:
            seen.append(("in", idx, [x.copy() for x in data]))

        def on_node_end(self, idx: int, data: list[Any], logs: Any = None) -> None:
            seen.append(("out", idx, [x.copy() for x in data]))
            assert logs["shape"] == [list(x.shape) for x in data]

    x, result = look(connect(models.mlp()), 1, Mode.PER_LAYER, callback=Watch())
    assert [event[:2] for event in seen] == [(way, k) for k in range(4) for way in ("in", "out")]
    np.testing.assert_array_equal(seen[0][2][0], x)
    for k in range(3):
        np.testing.assert_array_equal(seen[2 * k + 1][2][0], seen[2 * k + 2][2][0])
    np.testing.assert_array_equal(seen[-1][2][0], result.outputs[0])


def test_a_look_that_changes_an_output_is_told(models: Any, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = connect(models.mlp())
    assert look(driver)[1].warnings == ()
    plain = driver.loaded._plain
    original = plain.run

    def off(values: Any) -> Any:
        (output,), time = original(values)
        return [output + np.float32(1)], time

    monkeypatch.setattr(plain, "run", off)
    _, result = look(driver)
    assert len(result.warnings) == 1
    assert "changes output 'y' in 3 samples" in result.warnings[0]


def test_a_tensor_whose_shape_changes_has_no_data(models: Any, connect: Connect) -> None:
    nodes = [
        models.node("NonZero", ["x"], ["places"]),
        models.node("Cast", ["places"], ["numbers"], to=1),
        models.node("ReduceSum", ["numbers"], ["y"], keepdims=0),
    ]
    driver = connect(models.write(nodes, {"x": ("FLOAT", [1, 4])}, {"y": ("FLOAT", [])}))
    x = np.array([[1, 1, 1, 1], [0, 0, 1, 1], [1, 1, 1, 1]], np.float32)
    result = driver.invoke("small", [x], WITH_DATA)
    assert [len(node.data) for node in result.nodes] == [0, 0, 1]
    np.testing.assert_array_equal(result.nodes[2].data[0], result.outputs[0])
    assert len(result.warnings) == 2
    assert all("changes from sample to sample" in warning for warning in result.warnings)


def test_inner_graphs_count_as_one_node(models: Any, connect: Connect) -> None:
    from onnx import TensorProto, helper

    def branch(operator: str) -> Any:
        output = helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, 2])
        return helper.make_graph([helper.make_node(operator, ["x"], ["z"], name="ai-runner/0")], "branch", [], [output])

    nodes = [models.node("If", ["c"], ["y"], then_branch=branch("Neg"), else_branch=branch("Abs"))]
    driver = connect(models.write(nodes, {"c": ("BOOL", []), "x": ("FLOAT", [1, 2])}, {"y": ("FLOAT", [1, 2])}))
    x = np.array([[1, -2], [3, -4]], np.float32)
    result = driver.invoke("small", [np.array([True, False]), x], WITH_DATA)
    np.testing.assert_array_equal(result.outputs[0], [[-1, 2], [3, 4]])
    assert [(n.info.type_name, len(n.durations)) for n in result.nodes] == [("If", 2)]


def test_what_the_runtime_cannot_write_down_is_run_without_layers(
    models: Any, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(path: Path) -> bytes:
        if path.name == "executed.onnx":
            raise OSError("disk full")
        return original(path)

    original = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", unreadable)
    driver = connect(models.mlp())
    assert driver.info("mlp").runtime.capabilities == (Caps.IO_ONLY,)
    assert driver.info("mlp").n_nodes == 4
    _, result = look(driver)
    assert (result.mode, result.nodes) == (Mode.IO_ONLY, ())
