"""The contract of ai_runner.driver, checked on every specimen."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from ai_runner.deadline import Deadline
from ai_runner.driver import AiRunnerCallback, Array, Driver, reduced_mode
from ai_runner.errors import AiRunnerError, InvalidModelError, InvalidParamError
from ai_runner.model import Caps, Mode, TensorRole
from ai_runner.profile import NodeProfile, RunResult, TimeSource

RandomInputs = Callable[..., list[Array]]
MODES = [Mode.IO_ONLY, Mode.PER_LAYER, Mode.PER_LAYER | Mode.PER_LAYER_WITH_DATA]
OPEN_S = 60.0


def possible(driver: Driver, name: str, mode: Mode) -> Mode:
    """`mode` when the driver is capable of it; skips otherwise."""
    if reduced_mode(mode, driver.info(name).runtime.capabilities) != mode:
        pytest.skip(f"not capable of {mode}")
    return mode


def assert_same_outputs(a: RunResult, b: RunResult) -> None:
    for left, right in zip(a.outputs, b.outputs, strict=True):
        np.testing.assert_array_equal(left, right, strict=True)


def in_a_thread(do: Callable[[], None]) -> None:
    thread = threading.Thread(target=do)
    thread.start()
    thread.join()


def arrays_of(result: RunResult) -> list[Array]:
    return [*result.outputs, *(array for node in result.nodes for array in node.data)]


class TestLifeCycle:
    def test_it_can_be_closed_before_it_is_opened(self, specimen: Any) -> None:
        driver = specimen.driver()
        driver.close()
        driver.close()

    def test_use_before_open_and_after_close_is_a_typed_error(self, specimen: Any) -> None:
        driver: Driver = specimen.driver()
        with pytest.raises(AiRunnerError):
            driver.info("network")
        driver.open(Deadline(OPEN_S))
        name = driver.names()[0]
        inputs = [np.zeros((1, *t.sample_shape), t.dtype) for t in driver.info(name).inputs]
        for _ in range(3):
            driver.close()
        with pytest.raises(AiRunnerError):
            driver.info(name)
        with pytest.raises(AiRunnerError):
            driver.invoke(name, inputs)

    def test_it_can_be_opened_again(self, specimen: Any) -> None:
        driver: Driver = specimen.driver()
        seen = []
        for _ in range(2):
            driver.open(Deadline(OPEN_S))
            info = driver.info(driver.names()[0])
            inputs = [np.ones((2, *t.sample_shape), t.dtype) for t in info.inputs]
            seen.append((driver.names(), info.inputs, driver.invoke(info.name, inputs)))
            driver.close()
        assert seen[0][0] == seen[1][0]
        assert [t.shape for t in seen[0][1]] == [t.shape for t in seen[1][1]]
        assert_same_outputs(seen[0][2], seen[1][2])

    def test_two_connections_do_not_disturb_each_other(self, specimen: Any, driver: Driver, name: str) -> None:
        inputs = [np.ones((2, *t.sample_shape), t.dtype) for t in driver.info(name).inputs]
        before = driver.invoke(name, inputs)
        other: Driver = specimen.driver()
        other.open(Deadline(OPEN_S))
        assert_same_outputs(other.invoke(name, inputs), before)
        other.close()
        assert_same_outputs(driver.invoke(name, inputs), before)

    def test_what_does_not_exist_is_a_typed_error(self, specimen: Any, tmp_path: Any) -> None:
        driver: Driver = specimen.elsewhere(str(tmp_path / "nothing" / "here"))
        with pytest.raises(AiRunnerError):
            driver.open(Deadline(OPEN_S))
        driver.close()

    def test_unknown_options_and_arguments_are_refused_at_once(self, specimen: Any) -> None:
        with pytest.raises(InvalidParamError, match="no_such_option"):
            specimen.driver("no_such_option=1")
        with pytest.raises(InvalidParamError, match="no_such_argument"):
            specimen.driver(no_such_argument=1)

    def test_what_other_runtimes_take_is_ignored(self, specimen: Any) -> None:
        specimen.driver(baudrate=115200, timeout=3.0, io_hw_log=False)


class TestDescription:
    def test_names_and_infos_stay(self, driver: Driver, name: str, random_inputs: RandomInputs) -> None:
        names, info = driver.names(), driver.info(name)
        assert isinstance(names, tuple)
        assert len(set(names)) == len(names) >= 1
        result = driver.invoke(name, random_inputs(2))
        assert driver.names() == names
        assert driver.info(name) is info
        assert result.info is info
        assert info.name == name

    def test_tensors_are_complete(self, driver: Driver, name: str) -> None:
        info = driver.info(name)
        for tensors, role in ((info.inputs, TensorRole.INPUT), (info.outputs, TensorRole.OUTPUT)):
            assert tensors
            assert len({tensor.name for tensor in tensors}) == len(tensors)
            for tensor in tensors:
                assert tensor.name
                assert tensor.role is role
                assert tensor.dtype.isnative
                assert all(d > 0 for d in tensor.shape)
                if tensor.quantization is not None:
                    assert len(tensor.quantization.scale) == len(tensor.quantization.zero_point)

    def test_the_runtime_says_what_it_is(self, driver: Driver, name: str) -> None:
        info = driver.info(name)
        assert info.runtime.name
        assert info.runtime.protocol
        assert len(info.runtime.version) == 3
        assert Caps.IO_ONLY in info.runtime.capabilities
        assert info.device.dev_type
        assert info.n_nodes >= 0
        assert isinstance(info.to_dict() if hasattr(info, "to_dict") else {}, dict)

    def test_it_describes_itself_in_one_line(self, driver: Driver) -> None:
        assert driver.describe()
        assert "\n" not in driver.describe()

    def test_another_name_is_a_typed_error(self, driver: Driver, random_inputs: RandomInputs) -> None:
        with pytest.raises(AiRunnerError):
            driver.info("no such model")
        with pytest.raises(AiRunnerError):
            driver.invoke("no such model", random_inputs(1))

    def test_a_command_that_it_does_not_have(self, driver: Driver, name: str) -> None:
        assert driver.extension(name, no_such_command=1) is False


class TestOutputs:
    @pytest.mark.parametrize("batch", [1, 7])
    def test_they_are_right(
        self, specimen: Any, driver: Driver, name: str, random_inputs: RandomInputs, batch: int
    ) -> None:
        inputs = random_inputs(batch)
        outputs = driver.invoke(name, inputs).outputs
        for output, tensor in zip(outputs, driver.info(name).outputs, strict=True):
            assert output.shape == (batch, *tensor.sample_shape)
            assert output.dtype == tensor.dtype
            assert output.flags.c_contiguous
        if specimen.expected is not None:
            for output, expected in zip(outputs, specimen.expected(inputs), strict=True):
                np.testing.assert_array_equal(output, expected.reshape(output.shape))

    def test_a_batch_is_its_samples_one_by_one(self, driver: Driver, name: str, random_inputs: RandomInputs) -> None:
        inputs = random_inputs(9)
        whole = driver.invoke(name, inputs).outputs
        single = [driver.invoke(name, [x[i : i + 1] for x in inputs]).outputs for i in range(9)]
        for k, output in enumerate(whole):
            np.testing.assert_array_equal(output, np.concatenate([outputs[k] for outputs in single]), strict=True)

    @pytest.mark.parametrize("mode", MODES)
    def test_they_do_not_depend_on_mode_or_callback(
        self, driver: Driver, name: str, random_inputs: RandomInputs, mode: Mode
    ) -> None:
        inputs = random_inputs(3)
        plain = driver.invoke(name, inputs)
        assert_same_outputs(driver.invoke(name, inputs, possible(driver, name, mode)), plain)
        assert_same_outputs(driver.invoke(name, inputs, mode, AiRunnerCallback()), plain)

    @pytest.mark.parametrize("mode", MODES)
    def test_they_are_the_callers_own(self, driver: Driver, name: str, random_inputs: RandomInputs, mode: Mode) -> None:
        inputs = random_inputs(3)
        given = [x.copy() for x in inputs]
        first = driver.invoke(name, inputs, possible(driver, name, mode))
        kept = [array.copy() for array in arrays_of(first)]
        second = driver.invoke(name, random_inputs(3, seed=1), mode)
        for array in arrays_of(first):
            assert array.flags.writeable
            others = [*inputs, *arrays_of(second), *(a for a in arrays_of(first) if a is not array)]
            assert not any(np.shares_memory(array, other) for other in others)
        driver.close()
        for array, expected in zip(arrays_of(first), kept, strict=True):
            np.testing.assert_array_equal(array, expected)
            array.fill(0)
        for x, before in zip(inputs, given, strict=True):
            np.testing.assert_array_equal(x, before)

    def test_read_only_inputs_are_enough(self, driver: Driver, name: str, random_inputs: RandomInputs) -> None:
        inputs = random_inputs(2)
        expected = driver.invoke(name, inputs)
        for x in inputs:
            x.flags.writeable = False
        assert_same_outputs(driver.invoke(name, inputs), expected)


class TestMeasurements:
    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("batch", [1, 4])
    def test_every_sample_has_a_time_with_a_source(
        self, driver: Driver, name: str, random_inputs: RandomInputs, mode: Mode, batch: int
    ) -> None:
        result = driver.invoke(name, random_inputs(batch), possible(driver, name, mode))
        assert result.mode == mode
        assert isinstance(result.source, TimeSource)
        assert len(result.durations) == batch
        assert all(math.isfinite(t) and t >= 0 for t in result.durations)
        assert len(result.exec_times) in (0, batch)
        assert result.host_duration > 0
        assert all("\n" not in warning for warning in result.warnings)

    def test_without_layers_there_are_no_nodes(self, driver: Driver, name: str, random_inputs: RandomInputs) -> None:
        assert driver.invoke(name, random_inputs(2)).nodes == ()

    @pytest.mark.parametrize("mode", MODES[1:])
    def test_every_node_has_its_profile(
        self, driver: Driver, name: str, random_inputs: RandomInputs, mode: Mode
    ) -> None:
        result = driver.invoke(name, random_inputs(3), possible(driver, name, mode))
        assert len(result.nodes) == driver.info(name).n_nodes > 0
        assert len({node.info.name for node in result.nodes}) == len(result.nodes)
        for node in result.nodes:
            assert node.info.type_name
            self.check_times(node, 3)
            if Mode.PER_LAYER_WITH_DATA not in mode:
                assert node.data == ()

    def check_times(self, node: NodeProfile, batch: int) -> None:
        if node.source is None:
            assert len(node.durations) == 0
        else:
            assert len(node.durations) == batch
            assert all(math.isfinite(t) and t >= 0 for t in node.durations)

    def test_data_is_what_the_nodes_declare(self, driver: Driver, name: str, random_inputs: RandomInputs) -> None:
        result = driver.invoke(name, random_inputs(3), possible(driver, name, MODES[2]))
        assert any(node.data for node in result.nodes)
        for node in result.nodes:
            assert len(node.data) in (0, len(node.info.outputs))
            for array, tensor in zip(node.data, node.info.outputs, strict=bool(node.data)):
                assert array.shape == (3, *tensor.sample_shape)
                assert array.dtype == tensor.dtype
                assert tensor.name

    def test_data_of_a_batch_is_that_of_its_samples(
        self, driver: Driver, name: str, random_inputs: RandomInputs
    ) -> None:
        inputs = random_inputs(3)
        whole = driver.invoke(name, inputs, possible(driver, name, MODES[2]))
        for i in range(3):
            single = driver.invoke(name, [x[i : i + 1] for x in inputs], MODES[2])
            for a, b in zip(whole.nodes, single.nodes, strict=True):
                for left, right in zip(a.data, b.data, strict=True):
                    np.testing.assert_array_equal(left[i : i + 1], right, strict=True)


class Recorder(AiRunnerCallback):
    """Writes everything down and goes on, as None does."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int]] = []
        self.outputs: list[list[Array]] = []
        self.node_logs: list[Mapping[str, Any]] = []

    def on_sample_begin(self, idx: int) -> None:
        self.events.append(("sample begin", idx))

    def on_sample_end(self, idx: int, data: list[Array], logs: Mapping[str, Any] | None = None) -> bool | None:
        self.events.append(("sample end", idx))
        self.outputs.append([np.array(array) for array in data])
        assert logs is None or logs.get("dur", 0.0) >= 0
        return None

    def on_node_begin(self, idx: int, data: list[Array], logs: Mapping[str, Any] | None = None) -> None:
        self.events.append(("node begin", idx))
        assert all(isinstance(array, np.ndarray) for array in data)

    def on_node_end(self, idx: int, data: list[Array], logs: Mapping[str, Any] | None = None) -> None:
        self.events.append(("node end", idx))
        assert logs is not None
        self.node_logs.append(logs)
        assert all(isinstance(array, np.ndarray) for array in data)


class TestCallbacks:
    @pytest.mark.parametrize("mode", MODES)
    def test_events_come_in_order(self, driver: Driver, name: str, random_inputs: RandomInputs, mode: Mode) -> None:
        recorder = Recorder()
        result = driver.invoke(name, random_inputs(2), possible(driver, name, mode), recorder)
        n_nodes = driver.info(name).n_nodes if Mode.PER_LAYER in mode else 0
        nodes = [(event, k) for k in range(n_nodes) for event in ("node begin", "node end")]
        expected = []
        for i in (0, 1):
            expected += [("sample begin", i), *nodes, ("sample end", i)]
        assert recorder.events == expected
        for i, outputs in enumerate(recorder.outputs):
            for output, whole in zip(outputs, result.outputs, strict=True):
                np.testing.assert_array_equal(output.reshape(whole[i].shape), whole[i])
        for logs in recorder.node_logs:
            assert {"shape", "m_id", "layer_type"} <= logs.keys()

    @pytest.mark.parametrize("mode", MODES)
    def test_false_stops(self, driver: Driver, name: str, random_inputs: RandomInputs, mode: Mode) -> None:
        class Stop(AiRunnerCallback):
            def on_sample_end(self, idx: int, data: list[Array], logs: Mapping[str, Any] | None = None) -> bool:
                return idx != 1

        inputs = random_inputs(5)
        stopped = driver.invoke(name, inputs, possible(driver, name, mode), Stop())
        assert len(stopped.durations) == 2
        assert_same_outputs(stopped, driver.invoke(name, [x[:2] for x in inputs]))
        for node in stopped.nodes:
            assert len(node.durations) in (0, 2)
            assert all(len(array) == 2 for array in node.data)

    @pytest.mark.parametrize("event", ["on_sample_begin", "on_sample_end", "on_node_begin", "on_node_end"])
    def test_what_they_raise_arrives_and_the_driver_lives_on(
        self, driver: Driver, name: str, random_inputs: RandomInputs, event: str
    ) -> None:
        mode = possible(driver, name, Mode.PER_LAYER) if "node" in event else Mode.IO_ONLY
        inputs = random_inputs(3)
        before = driver.invoke(name, inputs)
        error = InvalidModelError("of the user")

        def fail(*_: Any, **__: Any) -> None:
            raise error

        callback = AiRunnerCallback()
        setattr(callback, event, fail)
        with pytest.raises(InvalidModelError) as caught:
            driver.invoke(name, inputs, mode, callback)
        assert caught.value is error
        assert_same_outputs(driver.invoke(name, inputs), before)

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    def test_what_is_not_finite_is_refused_by_who_says_so(
        self, driver: Driver, name: str, random_inputs: RandomInputs, value: float
    ) -> None:
        inputs = random_inputs(2)
        if not driver.FINITE_ONLY or inputs[0].dtype.kind != "f":
            pytest.skip("takes any number")
        before = driver.invoke(name, inputs)
        spoiled = [array.copy() for array in inputs]
        spoiled[0].reshape(-1)[-1] = value
        with pytest.raises(InvalidParamError):
            driver.invoke(name, spoiled)
        assert_same_outputs(driver.invoke(name, inputs), before)

    def test_a_run_within_a_run_disturbs_nothing(self, driver: Driver, name: str, random_inputs: RandomInputs) -> None:
        inputs = random_inputs(3)
        before = driver.invoke(name, inputs)
        refused: list[AiRunnerError] = []

        class Nested(AiRunnerCallback):
            def on_sample_end(self, idx: int, data: list[Array], logs: Mapping[str, Any] | None = None) -> None:
                try:
                    driver.invoke(name, random_inputs(2, seed=1))
                except AiRunnerError as error:
                    refused.append(error)

        assert_same_outputs(driver.invoke(name, inputs, Mode.IO_ONLY, Nested()), before)
        assert len(refused) in (0, 3)

    @pytest.mark.parametrize("by", [lambda close: close(), in_a_thread], ids=["itself", "another thread"])
    def test_closing_from_a_callback_takes_effect(
        self, driver: Driver, name: str, random_inputs: RandomInputs, by: Callable[..., None]
    ) -> None:
        inputs = random_inputs(3)
        before = driver.invoke(name, inputs)

        class Close(AiRunnerCallback):
            def on_sample_begin(self, idx: int) -> None:
                by(driver.close)

        try:
            result = driver.invoke(name, inputs, Mode.IO_ONLY, Close())
        except AiRunnerError:
            pass
        else:
            assert_same_outputs(result, before)
        with pytest.raises(AiRunnerError):
            driver.invoke(name, inputs)

    def test_opening_within_a_run_leaves_nothing_open_twice(
        self, driver: Driver, name: str, random_inputs: RandomInputs
    ) -> None:
        inputs = random_inputs(3)
        before = driver.invoke(name, inputs)
        refused: list[AiRunnerError] = []

        class Open(AiRunnerCallback):
            def on_sample_begin(self, idx: int) -> None:
                try:
                    driver.open(Deadline(OPEN_S))
                except AiRunnerError as error:
                    refused.append(error)

        assert_same_outputs(driver.invoke(name, inputs, Mode.IO_ONLY, Open()), before)
        assert len(refused) in (0, 3)
        driver.open(Deadline(OPEN_S))
        assert_same_outputs(driver.invoke(name, inputs), before)
