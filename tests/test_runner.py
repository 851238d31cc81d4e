"""AiRunner's two faces, on a driver that computes in Python. Real runtimes: tests/conformance and tests/drivers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ai_runner.runner
from ai_runner import AiRunner, AiRunnerCallback, AiRunnerError, AiRunnerSession, Caps, Mode
from ai_runner.ai_runner import AiTensorDesc, AiTensorType, HwIOError, InvalidParamError, NotConnectedError
from ai_runner.deadline import Deadline
from ai_runner.descriptor import Descriptor
from ai_runner.driver import Array, Driver
from ai_runner.model import DeviceInfo, ModelInfo, NodeInfo, RuntimeInfo, TensorInfo
from ai_runner.profile import NodeProfile, RunResult, TimeSource
from ai_runner.quantization import Quantization

X = TensorInfo("x", (1, 2, 2, 1), np.dtype(np.int8), Quantization((0.5,), (-3,)), tag="I.0")
Y = TensorInfo("y", (1, 4), np.dtype(np.float32), tag="O.0")
NODE = NodeInfo("node_0", 7, 0x104, "Dense", (Y,))
NATIVE = RuntimeInfo("test", "Twice", capabilities=(Caps.IO_ONLY, Caps.PER_LAYER))


class Twice(Driver):
    """Two models: `twice` doubles, `broken` raises. No data of nodes."""

    OPTIONS = {"fail": "raise in open"}
    KEYWORDS = frozenset({"weights"})
    opened: list[Twice] = []

    def open(self, deadline: Deadline) -> None:
        assert deadline.remaining()
        if "fail" in self.descriptor.options:
            raise {"typed": HwIOError("the bench is down", hint="switch it on"), "bug": KeyError("oops")}[
                self.descriptor.options["fail"]
            ]
        Twice.opened.append(self)

    def names(self) -> tuple[str, ...]:
        return ("twice", "broken")

    def info(self, name: str) -> ModelInfo:
        return self.INFOS[name]

    INFOS = {
        name: ModelInfo(name, (X,), (Y,), NATIVE, DeviceInfo("HOST", "here", "h"), 1) for name in ("twice", "broken")
    }

    def invoke(
        self, name: str, inputs: Sequence[Array], mode: Mode = Mode.IO_ONLY, callback: AiRunnerCallback | None = None
    ) -> RunResult:
        if name == "broken":
            raise HwIOError("it broke")
        self.last_mode = mode
        batch = len(inputs[0])
        outputs = (inputs[0].reshape(batch, 4).astype(np.float32) * 2,)
        nodes = (NodeProfile(NODE, [0.5] * batch, TimeSource.DEVICE),) if Mode.PER_LAYER in mode else ()
        return RunResult(self.info(name), mode, outputs, [1.0] * batch, TimeSource.DEVICE, nodes, 3.0)

    def close(self) -> None:
        if self in Twice.opened:
            Twice.opened.remove(self)


@pytest.fixture(autouse=True)
def twice(monkeypatch: pytest.MonkeyPatch) -> None:
    Twice.opened.clear()

    def create(descriptor: Descriptor, **keywords: Any) -> Driver:
        return Twice(descriptor, **keywords)

    monkeypatch.setattr(ai_runner.runner, "create_driver", create)


@pytest.fixture
def runner() -> AiRunner:
    runner = AiRunner()
    assert runner.connect("twice:")
    return runner


INPUTS = np.arange(12, dtype=np.int8).reshape(3, 2, 2, 1)


class TestConnecting:
    def test_not_connected(self) -> None:
        runner = AiRunner()
        assert str(runner) == runner.short_desc() == "not connected"
        assert (runner.is_connected, runner.name, runner.names, runner.get_info()) == (False, None, [], {})
        assert runner.invoke(INPUTS) == ([], {})
        assert runner.session() is None
        assert runner.get_inputs() == runner.get_outputs() == runner.generate_rnd_inputs() == []
        assert runner.extension(cmd="self-test") is False
        assert runner.disconnect()
        with pytest.raises(NotConnectedError):
            runner.run(INPUTS)

    def test_connect_never_raises_and_the_reason_is_read_once(self) -> None:
        runner = AiRunner()
        assert runner.connect("twice:?fail=typed") is False
        assert runner.get_error() == "E801(HwIOError): the bench is down; switch it on"
        assert runner.get_error() is None
        assert runner.connect("twice:?fail=bug") is False
        assert "KeyError" in str(runner.get_error())
        assert runner.connect("twice:?typo=1") is False
        assert "typo" in str(runner.get_error())
        assert not runner.is_connected

    def test_open_raises(self) -> None:
        with pytest.raises(HwIOError) as caught:
            AiRunner.open("twice:?fail=typed")
        assert (caught.value.code(), caught.value.hint) == (801, "switch it on")
        with pytest.raises(InvalidParamError, match="unknown option 'typo'"):
            AiRunner.open("twice:?typo=1")
        with pytest.raises(InvalidParamError, match="unknown argument 'wieghts'"):
            AiRunner.open("twice:", wieghts=[])

    def test_arguments_of_other_drivers_are_ignored(self) -> None:
        assert AiRunner().connect("twice:", baudrate=921600, timeout=3, weights=[b""])

    def test_connecting_again_releases_the_previous_connection(self, runner: AiRunner) -> None:
        first = Twice.opened[0]
        session = runner.session()
        assert session
        assert runner.connect("twice:")
        assert first not in Twice.opened
        assert not session.is_active
        assert session.invoke(INPUTS) == ([], {})

    def test_with_closes(self) -> None:
        with AiRunner.open("twice:") as runner:
            assert len(Twice.opened) == 1
            assert runner.descriptor.scheme == "twice"
        assert not Twice.opened

    def test_an_active_session_keeps_the_link(self, runner: AiRunner) -> None:
        first, second = runner.session("twice"), runner.session(1)
        assert first
        assert second
        assert str(second) == "broken"
        assert runner.session("twice") is first
        assert not runner.disconnect(force_all=False)
        assert not first.disconnect()
        assert second.disconnect()
        assert not runner.is_connected

    def test_no_file_is_written(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        runner = AiRunner(debug=True, verbosity=2)
        runner.connect("twice:")
        runner.invoke(INPUTS)
        runner.disconnect()
        assert list(tmp_path.iterdir()) == []

    def test_two_runners_share_no_log_level(self) -> None:
        loud, quiet = AiRunner(debug=True), AiRunner()
        assert loud.get_logger().level == logging.DEBUG
        assert quiet.get_logger().level == logging.WARNING


class TestDescribing:
    def test_tensors(self, runner: AiRunner) -> None:
        assert runner.get_inputs() == [AiTensorDesc(AiTensorType.INPUT, "x", (1, 2, 2, 1), np.int8, [0.5], [-3])]
        assert runner.get_outputs() == [AiTensorDesc(AiTensorType.OUTPUT, "y", (1, 4), np.float32, [0.0], [0])]
        assert (
            str(runner.get_info()["inputs"][0]["io_tensor"])
            == "I.0 int8[1,2,2,1], 4 Bytes, QLinear(0.500000000,-3,int8), user"
        )

    def test_info_is_fresh_for_every_call(self, runner: AiRunner) -> None:
        info = runner.get_info()
        for part in (info, info["inputs"][0], info["runtime"], info["device"], info["mempools"]):
            part.clear()
        info_again = runner.get_info()
        assert info_again["inputs"][0]["name"] == "x"
        assert info_again["runtime"]["capabilities"] == [Caps.IO_ONLY, Caps.PER_LAYER]
        info_again["runtime"]["capabilities"].clear()
        assert runner.get_info()["runtime"]["capabilities"]

    @pytest.mark.parametrize("name", ["three", 2, -1])
    def test_unknown_name(self, runner: AiRunner, name: Any) -> None:
        assert runner.get_info(name) == {}
        assert runner.session(name) is None
        assert runner.invoke(INPUTS, name) == ([], {})
        with pytest.raises(InvalidParamError, match="no model"):
            runner.run(INPUTS, name)

    def test_random_inputs(self, runner: AiRunner) -> None:
        session = runner.session()
        for inputs in (runner.generate_rnd_inputs(batch_size=2), runner.generate_rnd_inputs(session, 2)):
            assert isinstance(inputs, list)
            assert (inputs[0].shape, inputs[0].dtype) == ((2, 2, 2, 1), np.int8)
        assert (runner.generate_rnd_inputs()[0] == runner.generate_rnd_inputs()[0]).all()

    def test_text(self, runner: AiRunner) -> None:
        lines: list[str] = []
        runner.summary(print_fn=lines.append, level=1)
        outputs, profiler = runner.invoke(INPUTS, mode=Mode.PER_LAYER)
        runner.print_profiling([INPUTS], profiler, outputs, print_fn=lines.append, debug=True)
        text = "\n".join(lines)
        for part in (
            "Twice",
            "int8[1,2,2,1]",
            "1.000 ms a sample, 1.000 to 1.000 ms (device)",
            "Dense (0x104)",
            "0.5000",
            "PER_LAYER",
        ):
            assert part in text


class TestRunning:
    def test_invoke_returns_outputs_and_profiler(self, runner: AiRunner) -> None:
        outputs, profiler = runner.invoke([INPUTS])
        assert isinstance(outputs, list)
        assert (outputs[0] == INPUTS.reshape(3, 4) * 2).all()
        assert profiler["mode"] is Mode.IO_ONLY
        assert profiler["c_durations"] == [1.0] * 3
        assert profiler["c_nodes"] == []
        assert profiler["info"]["name"] == "twice"
        assert profiler["debug"]["host_duration"] == 3.0

    def test_mode_is_reduced_by_invoke_and_refused_by_run(self, runner: AiRunner) -> None:
        _, profiler = runner.invoke(INPUTS, mode=Mode.PER_LAYER_WITH_DATA)
        assert profiler["mode"] == Mode.PER_LAYER
        node = profiler["c_nodes"][0]
        assert (node["m_id"], node["layer_desc"], node["c_durations"]) == (7, "Dense (0x104)", [0.5] * 3)
        assert [a.size for a in node["data"]] == [0]
        with pytest.raises(InvalidParamError, match="PER_LAYER_WITH_DATA"):
            runner.run(INPUTS, mode=Mode.PER_LAYER_WITH_DATA)
        assert runner.run(INPUTS, mode=Mode.PER_LAYER).nodes

    def test_perf_only_keeps_no_outputs(self, runner: AiRunner) -> None:
        outputs, profiler = runner.invoke(INPUTS, mode=Mode.PERF_ONLY | Mode.PER_LAYER)
        assert outputs == []
        assert profiler["mode"] == Mode.PERF_ONLY | Mode.PER_LAYER
        assert len(profiler["c_nodes"]) == 1
        assert Twice.opened[0].last_mode == Mode.PER_LAYER

    def test_io_mode(self, runner: AiRunner) -> None:
        real = np.array([[[[1.0], [0.0]], [[-1.0], [2.0]]]], np.float32)
        outputs, _ = runner.invoke(real, io_mode="quantize+dequantize")
        assert outputs[0].tolist() == [[-2.0, -6.0, -10.0, 2.0]]
        with pytest.raises(InvalidParamError, match="io_mode"):
            runner.invoke(real, io_mode="both")
        with pytest.raises(InvalidParamError, match="float32"):
            runner.invoke(real)

    def test_failures_are_typed(self, runner: AiRunner) -> None:
        with pytest.raises(AiRunnerError, match="E801"):
            runner.invoke(INPUTS, name="broken")

    def test_sessions_run_their_model(self, runner: AiRunner) -> None:
        session = runner.session()
        assert isinstance(session, AiRunnerSession)
        assert (session.invoke(INPUTS)[0][0] == runner.run(INPUTS).outputs[0]).all()
        assert session.run(INPUTS).info.name == "twice"
        assert session.get_info()["name"] == "twice"
        assert session.get_inputs() == runner.get_inputs()

    def test_warnings_are_logged(self, runner: AiRunner, monkeypatch: pytest.MonkeyPatch) -> None:
        float_x = TensorInfo("x", (1, 4), np.dtype(np.float32))
        info = ModelInfo("twice", (float_x,), (Y,), NATIVE, DeviceInfo("HOST", "here", "h"))
        monkeypatch.setitem(Twice.INFOS, "twice", info)
        result = runner.run(np.full((1, 4), np.nan, np.float32))
        assert result.warnings == ("input 0 'x' holds NaN",)
        assert result.to_dict()["debug"]["warnings"] == ["input 0 'x' holds NaN"]
        monkeypatch.setattr(Twice, "FINITE_ONLY", True)
        assert runner.run(np.full((1, 4), np.nan, np.float32)).warnings == ()  # such a driver looks by itself
