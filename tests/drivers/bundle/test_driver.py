"""`bundle:` answers what was recorded, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner import AiRunner, AiRunnerCallback
from ai_runner.bundle.writer import BundleWriter
from ai_runner.errors import InvalidModelError, InvalidParamError, NotConnectedError
from ai_runner.model import DeviceInfo, Mode, ModelInfo, RuntimeInfo, TensorInfo
from ai_runner.profile import RunResult, TimeSource
from ai_runner.quantization import Quantization

X = TensorInfo("x", (1, 2, 3), np.dtype(np.int8), Quantization((0.5,), (3,)))
Y = TensorInfo("scores", (1, 2), np.dtype(np.float32), labels=("no", "yes"))
INFO = ModelInfo(
    "network",
    (X,),
    (Y,),
    RuntimeInfo("p", "ST.AI", (10, 2, 0), (2, 2, 0), compiler="GCC 13", attributes={"api": "st-ai"}),
    DeviceInfo("stm32", "a board", "0x450", sys_clock=480_000_000, attrs=("icache",)),
    n_nodes=3,
    hash="0xabc",
)
INPUTS = np.arange(24, dtype=np.int8).reshape(4, 2, 3)
OUTPUTS = np.arange(8, dtype=np.float32).reshape(4, 2)


def run(reference: bool, inputs: Any = INPUTS, outputs: Any = OUTPUTS) -> tuple[Any, RunResult]:
    times = (inputs[:, 0, 0] / 6 + 1.0).tolist()
    result = outputs + np.float32(100 if reference else 0)
    return [inputs], RunResult(INFO, Mode.IO_ONLY, (result,), times, TimeSource.DEVICE)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., str]:
    """Writes a bundle with a reference and target 1, in two chunks."""

    def write(name: str = "b", *more: tuple[Any, RunResult]) -> str:
        report = {
            "provenance": {"samples": 4, "time": "2026-01-02T03:04:05+00:00"},
            "reference": {"descriptor": "tflite:m"},
            "targets": [{"descriptor": "broken"}, {"descriptor": "serial:COM3"}],
        }
        with BundleWriter(tmp_path / name) as writer:
            writer.places = (1,)
            for rows in (slice(0, 3), slice(3, 4)):
                writer.ran(None, *run(True, INPUTS[rows], OUTPUTS[rows]))
                writer.ran(0, *run(False, INPUTS[rows], OUTPUTS[rows]))
            for inputs, result in more:
                writer.ran(0, inputs, result)
            writer.finish(report, INFO, {1: INFO})
        return f"bundle:{tmp_path / name}"

    return write


@pytest.mark.parametrize("name", ["b", "b.zip"])
def test_answers(make: Any, name: str) -> None:
    descriptor = make(name)
    order = [2, 0, 2, 3]
    with AiRunner.open(descriptor) as runner:
        result = runner.run([INPUTS[order]])
        np.testing.assert_array_equal(result.outputs[0], OUTPUTS[order])
        assert list(result.durations) == [3.0, 1.0, 3.0, 4.0]
        assert result.source is TimeSource.DEVICE
        assert result.warnings == (
            "answers from a bundle: outputs and times were recorded at 2026-01-02T03:04:05+00:00",
        )
        result.outputs[0][:] = 0
        np.testing.assert_array_equal(runner.run([INPUTS]).outputs[0], OUTPUTS)
    with AiRunner.open(f"{descriptor}?runtime=reference") as runner:
        np.testing.assert_array_equal(runner.run([INPUTS]).outputs[0], OUTPUTS + np.float32(100))
    with AiRunner.open(f"{descriptor}?runtime=1") as runner:
        np.testing.assert_array_equal(runner.run([INPUTS[:1]]).outputs[0], OUTPUTS[:1])


def test_it_says_of_itself_what_the_runtime_said(make: Any) -> None:
    with AiRunner.open(make()) as runner:
        info = runner.model_info()
    assert [(t.name, t.shape, t.dtype, t.quantization) for t in info.inputs] == [
        ("x", X.shape, X.dtype, X.quantization)
    ]
    assert info.outputs[0].labels == ("no", "yes")
    assert (info.hash, info.n_nodes, info.runtime.compiler) == ("0xabc", 3, "GCC 13")
    assert (info.runtime.attributes, info.runtime.tools_version) == ({"api": "st-ai"}, (2, 2, 0))
    assert (info.device.sys_clock, info.device.attrs) == (480_000_000, ("icache",))


def test_a_sample_that_it_does_not_know(make: Any) -> None:
    with (
        AiRunner.open(make()) as runner,
        pytest.raises(InvalidParamError, match="sample 1 of this batch is none of the 4"),
    ):
        runner.run([np.stack([INPUTS[0], INPUTS[0] + 1])])


def test_runtimes_that_are_not_there(make: Any) -> None:
    descriptor = make()
    for option, message in (("0", "no such runtime"), ("x", "is not a number"), ("-1", "is not a number")):
        with pytest.raises(InvalidParamError, match=message):
            AiRunner.open(f"{descriptor}?runtime={option}")
    with pytest.raises(InvalidParamError, match="cannot open the bundle"):
        AiRunner.open("bundle:/no/such/bundle")


def test_an_input_that_was_answered_in_two_ways(make: Any) -> None:
    same, other = run(False, INPUTS[:1], OUTPUTS[:1]), run(False, INPUTS[:1], OUTPUTS[1:2])
    with AiRunner.open(make("same", same)) as runner:
        assert len(runner.run([INPUTS]).warnings) == 1
    with AiRunner.open(make("other", other)) as runner:
        result = runner.run([INPUTS[:1]])
        np.testing.assert_array_equal(result.outputs[0], OUTPUTS[:1])
        assert "recorded more than once with different outputs" in result.warnings[1]
        assert len(runner.run([INPUTS[1:]]).warnings) == 1


def test_callbacks(make: Any) -> None:
    class Stop(AiRunnerCallback):
        seen: list[Any] = []

        def on_sample_end(self, idx: int, data: Any, logs: Any = None) -> bool:
            self.seen.append((idx, data[0].tolist(), logs["dur"]))
            return idx < 1

    with AiRunner.open(make()) as runner:
        outputs, _ = runner.invoke([INPUTS], callback=Stop())
    assert len(outputs[0]) == 2
    assert Stop.seen == [(0, [0.0, 1.0], 1.0), (1, [2.0, 3.0], 2.0)]


def test_life_cycle(make: Any) -> None:
    from ai_runner.deadline import Deadline
    from ai_runner.descriptor import parse_descriptor
    from ai_runner.registry import create_driver

    driver = create_driver(parse_descriptor(make()))
    driver.close()
    with pytest.raises(NotConnectedError):
        driver.names()
    for _ in range(2):
        driver.open(Deadline(5))
        assert driver.names() == ("network",)
        assert driver.info("network") is driver.info("network")
        driver.close()
    with pytest.raises(InvalidParamError, match="unknown option"):
        create_driver(parse_descriptor("bundle:b?isolate=process"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"samples": 5}, "the manifest says"),
        ({"samples": 10**15}, "the manifest says"),
        ({"folder": "nothing"}, "has no 'nothing/output-0.npy'"),
    ],
)
def test_manifests_that_do_not_fit(make: Any, tmp_path: Path, change: dict[str, Any], message: str) -> None:
    descriptor = make()
    path = tmp_path / "b" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["runtimes"][1] |= change
    path.write_text(json.dumps(manifest))
    with pytest.raises(InvalidModelError, match=message):
        AiRunner.open(descriptor)


def test_tensors_that_cannot_be(make: Any, tmp_path: Path) -> None:
    descriptor = make()
    path = tmp_path / "b" / "manifest.json"
    for side, change in (
        ("inputs", {"zero_point": [1, 2]}),
        ("inputs", {"zero_point": [10**30]}),
        ("inputs", {"scale": [1.0] * 7, "zero_point": [0] * 7, "axis": 1}),
        ("inputs", {"scale": [1.0] * 7, "zero_point": [0] * 7, "axis": 15}),
        ("inputs", {"shape": [2147483647] * 16}),
        ("inputs", {"shape": [1, 2147483647]}),
        ("outputs", {"dtype": "<f8"}),
        ("outputs", {"dtype": "<i3"}),
        ("outputs", {"shape": [1, 2, 4]}),
    ):
        manifest = json.loads(path.read_text())
        tensor = manifest["runtimes"][1]["model"][side][0]
        before = dict(tensor)
        tensor |= change
        path.write_text(json.dumps(manifest))
        with pytest.raises(InvalidModelError):
            AiRunner.open(descriptor)
        tensor.clear()
        tensor |= before
        path.write_text(json.dumps(manifest))
