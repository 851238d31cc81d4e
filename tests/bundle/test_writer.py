"""Writing bundles: streamed, whole or not at all, the worst samples whatever the chunks are."""

from __future__ import annotations

import errno
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.bundle.worst_samples import KEPT, Chunk, WorstSamples
from ai_runner.bundle.writer import BundleWriter
from ai_runner.errors import HwIOError, InvalidParamError
from ai_runner.model import DeviceInfo, MemoryPool, Mode, ModelInfo, NodeInfo, RuntimeInfo, TensorInfo
from ai_runner.profile import NodeProfile, RunResult, TimeSource
from ai_runner.quantization import Quantization
from ai_runner.result_bundle.bundle import Bundle
from ai_runner.result_bundle.description import model_of

X = TensorInfo("x", (1, 4), np.dtype(np.float32))
INFO = ModelInfo("network", (X,), (X,), RuntimeInfo("p", "n"), DeviceInfo("HOST", "d", "i"))
REPORT = {
    "provenance": {"samples": 0},
    "reference": {"descriptor": "a"},
    "targets": [{"descriptor": "b"}],
}


def result(outputs: Any, data: bool = False) -> RunResult:
    nodes = (NodeProfile(NodeInfo("n", 0, 0, "N", (X,)), data=(outputs + 1,)),) if data else ()
    return RunResult(INFO, Mode.IO_ONLY, (outputs,), [0.5] * len(outputs), TimeSource.HOST, nodes)


def write(path: Path, chunks: Any, width: int = 4) -> None:
    with BundleWriter(path) as writer:
        for chunk in chunks:
            writer.ran(None, [chunk], result(chunk, data=True))
            writer.ran(0, [chunk], result(chunk * 2, data=True))
            writer.differed(0, np.abs(chunk).sum(axis=1).astype(np.float64))
        writer.finish(REPORT, INFO, {0: INFO})


def test_memory_does_not_grow_with_the_samples(tmp_path: Path, peak_memory: Any) -> None:
    def write_chunks(chunks: int) -> None:
        random = np.random.default_rng(1)
        shutil.rmtree(tmp_path / "b", ignore_errors=True)
        write(tmp_path / "b", (random.normal(size=(32, 4096)).astype(np.float32) for _ in range(chunks)))

    few = peak_memory(lambda: write_chunks(4))
    many = peak_memory(lambda: write_chunks(40))
    assert (tmp_path / "b" / "reference" / "output-0.npy").stat().st_size > 20_000_000
    assert many < few + 1_000_000  # the samples are 18 MB more


@pytest.mark.parametrize("name", ["b", "b.zip"])
def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def full(self: Any, values: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("ai_runner.bundle.writer.SampleWriter.write", full)
    with pytest.raises(HwIOError, match="cannot be written: No space left on device"):
        write(tmp_path / name, [np.ones((1, 4), np.float32)])
    assert list(tmp_path.iterdir()) == []


def test_an_exception_leaves_nothing(tmp_path: Path) -> None:
    def chunks() -> Any:
        yield np.ones((1, 4), np.float32)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write(tmp_path / "b", chunks())
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_that_nobody_reads_is_not_the_disk(tmp_path: Path) -> None:
    with pytest.raises(BrokenPipeError), BundleWriter(tmp_path / "b"):
        raise BrokenPipeError
    assert list(tmp_path.iterdir()) == []


def test_an_old_bundle_stays_where_the_new_one_fails(tmp_path: Path) -> None:
    write(tmp_path / "b.zip", [np.ones((3, 4), np.float32)])
    before = (tmp_path / "b.zip").read_bytes()
    with pytest.raises(ZeroDivisionError), BundleWriter(tmp_path / "b.zip"):
        raise ZeroDivisionError
    assert (tmp_path / "b.zip").read_bytes() == before
    write(tmp_path / "b", [np.ones((3, 4), np.float32)])
    with pytest.raises(InvalidParamError, match="exists already"):
        BundleWriter(tmp_path / "b")


def test_a_runtime_without_times_and_one_that_never_ran(tmp_path: Path) -> None:
    ones = np.ones((2, 4), np.float32)
    silent = RunResult(INFO, Mode.IO_ONLY, (ones,), (), TimeSource.HOST)
    with BundleWriter(tmp_path / "b") as writer:
        writer.ran(None, [ones], silent)
        writer.finish(REPORT, INFO, {}, b"# a policy")
    with Bundle(tmp_path / "b") as bundle:
        bundle.verify()
        (runtime,) = bundle.manifest["runtimes"]
        assert (runtime["c_duration_source"], runtime["samples"]) == (None, 2)
        assert np.isnan(bundle.array("reference/durations.npy")).all()
        assert bundle.read("policy.toml") == b"# a policy"
        assert bundle.manifest["worst"] == []


@given(
    errors=st.lists(st.sampled_from([0.0, 1.0, 2.0, 2.5, float("inf")]), max_size=60),
    length=st.integers(1, 40),
)
def test_the_worst_samples_whatever_the_chunks_are(
    tmp_path_factory: pytest.TempPathFactory, errors: list[float], length: int
) -> None:
    folder = tmp_path_factory.mktemp("worst")
    worst = WorstSamples(folder)
    values = np.arange(len(errors) * 4, dtype=np.float32).reshape(-1, 4)
    for start in range(0, len(errors), length):
        rows = values[start : start + length]
        chunk = Chunk(start, [rows], result(rows, data=True))
        worst.update(np.array(errors[start : start + length]), chunk, chunk)
    expected = sorted(range(len(errors)), key=lambda k: (-errors[k], k))[:KEPT]
    listed = worst.listing()
    assert [sample for sample, _, _ in listed] == expected
    assert sorted(path.name for path in folder.iterdir()) == sorted(name for _, _, name in listed)
    for sample, error, name in listed:
        assert error == (None if np.isinf(errors[sample]) else errors[sample])
        tensors = np.load(folder / name)
        np.testing.assert_array_equal(tensors["target.node.0.0"], values[sample] + 1)


NAN = float("nan")
ODD = [
    replace(INFO, runtime=replace(INFO.runtime, version=(1, 2))),
    replace(INFO, runtime=replace(INFO.runtime, tools_version=(1, -2, 3, 4))),
    replace(INFO, macc=-5, n_nodes=-1, params=(MemoryPool("w", -1),)),
    replace(INFO, device=replace(INFO.device, sys_clock=NAN, bus_clock=-1)),  # type: ignore[arg-type]
    replace(INFO, name="n" * 5000, outputs=(replace(X, name="\ud800\n" * 5000),)),
    replace(INFO, outputs=(replace(X, quantization=Quantization((0.0,), (0,))),)),
    replace(INFO, outputs=(replace(X, dtype=np.dtype(np.int8), quantization=Quantization((NAN,), (0,))),)),
]


@pytest.mark.parametrize("info", ODD)
def test_what_a_driver_says_of_itself_costs_nobody_a_long_run(tmp_path: Path, info: ModelInfo) -> None:
    ones = np.ones((2, 4), info.outputs[0].dtype)
    with BundleWriter(tmp_path / "b") as writer:
        writer.ran(None, [ones], RunResult(info, Mode.IO_ONLY, (ones,), (), TimeSource.HOST))
        writer.finish(REPORT, info, {})
    with Bundle(tmp_path / "b") as bundle:
        bundle.verify()
        model_of(bundle.manifest["runtimes"][0])
