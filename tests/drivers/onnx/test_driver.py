"""``onnx:`` against bare sessions of ONNX Runtime: what comes out, what is declared, what is refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from hashlib import md5
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner import AiRunner
from ai_runner.deadline import Deadline
from ai_runner.descriptor import parse_descriptor
from ai_runner.driver import AiRunnerCallback
from ai_runner.drivers.onnx.driver import OnnxDriver
from ai_runner.errors import InvalidModelError, InvalidParamError, MissingRuntimeError
from ai_runner.profile import TimeSource

Connect = Callable[..., OnnxDriver]


def inputs_of(driver: OnnxDriver, batch: int, seed: int = 0) -> list[Any]:
    random = np.random.default_rng(seed)
    infos = driver.info(driver.names()[0]).inputs
    return [(random.standard_normal((batch, *i.sample_shape)) * 3).astype(i.dtype) for i in infos]


def run(driver: OnnxDriver, inputs: list[Any], **keywords: Any) -> Any:
    return driver.invoke(driver.names()[0], inputs, **keywords)


@pytest.mark.parametrize("batch", [1, 2, 9, 70])
@pytest.mark.parametrize(("option", "level"), [("none", "ORT_DISABLE_ALL"), ("all", "ORT_ENABLE_ALL")])
def test_outputs_are_those_of_a_bare_session(
    models: Any, connect: Connect, bare: Any, batch: int, option: str, level: str
) -> None:
    for path in (models.mlp(), models.mlp(1, "fixed.onnx"), models.qdq()):
        driver = connect(path, optimize=option)
        x = inputs_of(driver, batch)
        np.testing.assert_array_equal(run(driver, x).outputs[0], bare(path, {"x": x[0]}, level)[0], strict=True)


def test_the_description(models: Any, connect: Connect) -> None:
    path = models.mlp(name="my-model.v2.onnx")
    driver = connect(path, threads=2)
    info = driver.info("my_model_v2")
    assert [(t.name, t.shape, t.dtype, t.tag) for t in info.inputs] == [("x", (1, 16), np.dtype("f4"), "I.0")]
    assert [(t.name, t.shape, t.dtype, t.tag) for t in info.outputs] == [("y", (1, 5), np.dtype("f4"), "O.0")]
    assert info.hash == f"0x{md5(path.read_bytes(), usedforsecurity=False).hexdigest()}"
    assert (info.n_nodes, info.macc, info.params[0].size) == (4, 0, (16 * 8 + 8 + 8 * 5) * 4)
    attributes = dict(info.runtime.attributes)
    assert attributes.pop("version") == ".".join(map(str, info.runtime.version))
    assert attributes == {"providers": "CPUExecutionProvider", "optimize": "none", "threads": "2"}
    assert "ONNX Runtime" in driver.describe()


class TestBatches:
    @given(st.integers(1, 140), st.integers(0, 2**32 - 1))
    def test_an_answer_does_not_depend_on_its_company(
        self, mlp: OnnxDriver, one_by_one: OnnxDriver, batch: int, seed: int
    ) -> None:
        x = inputs_of(mlp, batch, seed)
        np.testing.assert_array_equal(run(mlp, x).outputs[0], run(one_by_one, x).outputs[0], strict=True)

    @pytest.fixture(scope="class")
    @staticmethod
    def driver_of(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Any:
        pytest.importorskip("onnxruntime", reason="no runtime for .onnx models")
        onnx = pytest.importorskip("onnx", reason="onnx writes the model of this test")
        weights = onnx.numpy_helper.from_array(np.random.default_rng(1).standard_normal((20, 6), np.float32), "w")
        value, float32 = onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT
        graph = onnx.helper.make_graph(
            [onnx.helper.make_node("MatMul", ["x", "w"], ["h"]), onnx.helper.make_node("Softmax", ["h"], ["y"])],
            "mlp",
            [value("x", float32, ["N", 20])],
            [value("y", float32, ["N", 6])],
            [weights],
        )
        path = tmp_path_factory.mktemp("mlp") / "mlp.onnx"
        onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), path)

        def opened(option: str) -> OnnxDriver:
            driver = OnnxDriver(parse_descriptor(f"onnx:{path}?{option}"))
            driver.open(Deadline(None))
            request.addfinalizer(driver.close)
            return driver

        return opened

    @pytest.fixture(scope="class")
    @staticmethod
    def mlp(driver_of: Any) -> OnnxDriver:
        driver: OnnxDriver = driver_of("loop=batch")
        return driver

    @pytest.fixture(scope="class")
    @staticmethod
    def one_by_one(driver_of: Any) -> OnnxDriver:
        driver: OnnxDriver = driver_of("loop=sample")
        return driver

    def test_times_say_whether_samples_ran_alone(self, mlp: OnnxDriver, one_by_one: OnnxDriver) -> None:
        together, alone = run(mlp, inputs_of(mlp, 70)), run(one_by_one, inputs_of(mlp, 70))
        assert (together.source, alone.source) == (TimeSource.BATCH_MEAN, TimeSource.HOST)
        assert len(set(together.durations)) == 1
        assert len(together.exec_times) == 0
        assert len(alone.durations) == len(alone.exec_times) == 70
        assert run(mlp, inputs_of(mlp, 1)).source is TimeSource.HOST
        assert run(mlp, inputs_of(mlp, 3), callback=AiRunnerCallback()).source is TimeSource.HOST

    def test_a_first_dimension_that_mixes_samples_is_no_batch(self, models: Any, connect: Connect, bare: Any) -> None:
        nodes = [
            models.node("ReduceMean", ["x"], ["m"], axes=[0], keepdims=1),
            models.node("Sub", ["x", "m"], ["d"]),
            models.node("Add", ["d", "x"], ["y"]),
        ]
        path = models.write(nodes, {"x": ("FLOAT", ["N", 4])}, {"y": ("FLOAT", ["N", 4])})
        driver = connect(path)
        x = inputs_of(driver, 5)
        result = run(driver, x)
        np.testing.assert_array_equal(result.outputs[0], bare(path, {"x": x[0]})[0])
        assert result.source is TimeSource.HOST

    def test_a_model_that_refuses_several_samples_gets_one(self, models: Any, connect: Connect) -> None:
        nodes = [models.node("Reshape", ["x", "shape"], ["r"]), models.node("Relu", ["r"], ["y"])]
        constants = {"shape": np.array([1, 4], np.int64)}
        path = models.write(nodes, {"x": ("FLOAT", ["N", 2, 2])}, {"y": ("FLOAT", ["N", 4])}, constants)
        driver = connect(path)
        x = inputs_of(driver, 3)
        np.testing.assert_array_equal(run(driver, x).outputs[0], np.maximum(x[0], 0).reshape(3, 4))


class TestInputsAndOutputs:
    @pytest.mark.parametrize(
        ("kind", "dtype"),
        [("BOOL", "?"), ("INT64", "i8"), ("UINT8", "u1"), ("FLOAT16", "f2"), ("DOUBLE", "f8"), ("UINT32", "u4")],
    )
    def test_every_plain_type_goes_through(self, models: Any, connect: Connect, kind: str, dtype: str) -> None:
        path = models.write([models.node("Identity", ["x"], ["y"])], {"x": (kind, [1, 3])}, {"y": (kind, [1, 3])})
        driver = connect(path)
        x = inputs_of(driver, 4)
        assert x[0].dtype == np.dtype(dtype)
        np.testing.assert_array_equal(run(driver, x).outputs[0], x[0], strict=True)

    def test_a_string_is_refused(self, models: Any, connect: Connect) -> None:
        path = models.write([models.node("Identity", ["x"], ["y"])], {"x": ("STRING", [1])}, {"y": ("STRING", [1])})
        with pytest.raises(InvalidModelError, match=r"'x' has type tensor\(string\)"):
            connect(path)

    def test_a_model_without_input_is_refused(self, models: Any, connect: Connect) -> None:
        path = models.write([models.node("Identity", ["c"], ["y"])], {}, {"y": ("FLOAT", [1])}, {"c": np.ones(1, "f")})
        with pytest.raises(InvalidModelError, match="has no input"):
            connect(path)

    def test_an_input_with_a_default_need_not_be_given(self, models: Any, connect: Connect) -> None:
        ends = {"x": ("FLOAT", [1, 2]), "offset": ("FLOAT", [1, 2])}
        constants = {"offset": np.array([[5, 6]], np.float32)}
        driver = connect(
            models.write([models.node("Add", ["x", "offset"], ["y"])], ends, {"y": ("FLOAT", [1, 2])}, constants)
        )
        assert [t.name for t in driver.info("small").inputs] == ["x"]
        np.testing.assert_array_equal(run(driver, [np.ones((1, 2), np.float32)]).outputs[0], [[6, 7]])

    def test_scalars_fixed_batches_and_several_ends(self, models: Any, connect: Connect) -> None:
        nodes = [models.node("Mul", ["a", "b"], ["p"]), models.node("Identity", ["b"], ["q"])]
        ends = {"a": ("FLOAT", [3, 2]), "b": ("FLOAT", [])}
        driver = connect(models.write(nodes, ends, {"p": ("FLOAT", [3, 2]), "q": ("FLOAT", [])}))
        a, b = inputs_of(driver, 4)
        assert (a.shape, b.shape) == ((4, 3, 2), (4,))
        product, copy = run(driver, [a, b]).outputs
        np.testing.assert_array_equal(product, a * b[:, None, None])
        np.testing.assert_array_equal(copy, b)

    def test_an_output_that_is_listed_twice_has_two_names(self, models: Any, connect: Connect) -> None:
        import onnx

        path = models.write([models.node("Relu", ["x"], ["y"])], {"x": ("FLOAT", [1, 2])}, {"y": ("FLOAT", [1, 2])})
        model = onnx.load(path)
        model.graph.output.append(model.graph.output[0])
        onnx.save(model, path)
        driver = connect(path)
        assert [t.name for t in driver.info("small").outputs] == ["y", "y_1"]
        first, second = run(driver, inputs_of(driver, 2)).outputs
        np.testing.assert_array_equal(first, second)
        assert not np.shares_memory(first, second)


class TestOpenDimensions:
    def image(self, models: Any, dims: Any) -> Path:
        nodes = [models.node("GlobalAveragePool", ["x"], ["y"])]
        path: Path = models.write(nodes, {"x": ("FLOAT", dims)}, {"y": ("FLOAT", None)})
        return path

    def test_the_batch_needs_no_size_others_do(self, models: Any, connect: Connect) -> None:
        path = self.image(models, ["N", 3, "height", None])
        with pytest.raises(InvalidParamError, match="dimension 2 of input 'x' is open") as caught:
            connect(path)
        assert caught.value.hint == "give it one: ?dims=height:SIZE"
        with pytest.raises(InvalidParamError, match="dimension 3") as caught:
            connect(path, dims="height:4")
        assert caught.value.hint == "give it one: ?dims=x[3]:SIZE"
        driver = connect(path, dims="height:4,x[3]:5")
        info = driver.info("small")
        assert (info.inputs[0].shape, info.outputs[0].shape) == ((1, 3, 4, 5), (1, 3, 1, 1))
        x = inputs_of(driver, 3)
        np.testing.assert_allclose(
            run(driver, x).outputs[0], x[0].mean((2, 3), keepdims=True).reshape(3, 3, 1, 1), 1e-5
        )

    def test_a_size_given_to_the_batch_makes_it_part_of_a_sample(self, models: Any, connect: Connect) -> None:
        driver = connect(self.image(models, ["N", 1, 2, 2]), dims="N:4")
        assert driver.info("small").inputs[0].sample_shape == (4, 1, 2, 2)
        assert run(driver, inputs_of(driver, 3)).outputs[0].shape == (3, 4, 1, 1, 1)

    @pytest.mark.parametrize("dims", ["width", "width:0", "width:-1", ":4", "a:1,,b:2", "width:9999999999"])
    def test_what_is_no_size_is_refused_at_once(self, dims: str) -> None:
        with pytest.raises(InvalidParamError, match="name:size"):
            OnnxDriver(parse_descriptor(f"onnx:m.onnx?dims={dims}"))

    def test_a_dimension_that_is_not_there(self, models: Any, connect: Connect) -> None:
        with pytest.raises(InvalidParamError, match="'width'") as caught:
            connect(self.image(models, ["N", 1, "height", 2]), dims="width:3")
        assert caught.value.hint == "dims= takes N, height"

    def test_an_input_without_shape(self, models: Any, connect: Connect) -> None:
        with pytest.raises(InvalidModelError, match="'x' has no shape"):
            connect(self.image(models, None))

    @pytest.mark.parametrize("dims", [[1, 0], [1, 1 << 20, 1 << 20]])
    def test_absurd_shapes(self, models: Any, connect: Connect, dims: list[int]) -> None:
        path = models.write([models.node("Identity", ["x"], ["y"])], {"x": ("FLOAT", dims)}, {"y": ("FLOAT", dims)})
        with pytest.raises(InvalidModelError, match="shape"):
            connect(path)

    def test_an_output_as_long_as_the_data_says(self, models: Any, connect: Connect) -> None:
        path = models.write(
            [models.node("NonZero", ["x"], ["y"])], {"x": ("FLOAT", [1, 4])}, {"y": ("INT64", [2, "n"])}
        )
        with pytest.raises(InvalidModelError, match="output 'y' has shape"):
            connect(path)
        nodes = [models.node("Add", ["x", "one"], ["s"]), models.node("NonZero", ["s"], ["y"])]
        ends = {"x": ("FLOAT", [1, 4])}, {"y": ("INT64", [2, "n"])}
        driver = connect(models.write(nodes, *ends, {"one": np.ones((1, 4), np.float32)}))
        assert driver.info("small").outputs[0].shape == (2, 4)
        with pytest.raises(InvalidModelError, match=r"shape \[2, 3\] in this run, not \[2, 4\]"):
            run(driver, [np.array([[-1, 1, 1, 1]], np.float32)])


class TestProviders:
    @pytest.mark.parametrize("name", ["CPU", "cpu", "CPUExecutionProvider", "cpu,CPU"])
    def test_names_may_be_short(self, models: Any, connect: Connect, name: str) -> None:
        driver = connect(models.mlp(), providers=name)
        assert driver.info("mlp").runtime.attributes["providers"] == "CPUExecutionProvider"

    def test_one_that_is_not_there(self, models: Any, connect: Connect) -> None:
        with pytest.raises(InvalidParamError, match="'quantum'") as caught:
            connect(models.mlp(), providers="quantum,cpu")
        assert "CPUExecutionProvider" in caught.value.hint


def test_without_the_package_the_extra_is_named(models: Any, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    path = models.mlp()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingRuntimeError) as caught:
        connect(path)
    assert caught.value.hint == "pip install 'ai-runner[onnx]'"


def test_a_run_that_fails_names_the_runtime(models: Any, connect: Connect) -> None:
    nodes = [models.node("Gather", ["table", "x"], ["y"])]
    table = {"table": np.arange(3, dtype=np.float32)}
    driver = connect(models.write(nodes, {"x": ("INT64", [1, 1])}, {"y": ("FLOAT", [1, 1])}, table))
    with pytest.raises(InvalidModelError, match="ONNX Runtime failed to run"):
        run(driver, [np.array([[7]])])
    np.testing.assert_array_equal(run(driver, [np.array([[2]])]).outputs[0], [[2]])


def test_it_runs_in_a_child_process(models: Any) -> None:
    with AiRunner.open(f"onnx:{models.mlp()}?isolate=process") as runner:
        x = np.ones((2, 16), np.float32)
        with AiRunner.open(f"onnx:{models.mlp()}") as here:
            np.testing.assert_array_equal(runner.run(x).outputs[0], here.run(x).outputs[0])
