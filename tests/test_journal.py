"""Runs that are killed and resumed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner import AiRunner, Mode, RunResult
from ai_runner.errors import AiRunnerError, HwIOError, InvalidModelError, InvalidParamError
from ai_runner.journal import Journal

pytest.importorskip("ai_edge_litert", reason="no runtime for .tflite models")

LAYERS = Mode.PER_LAYER | Mode.PER_LAYER_WITH_DATA
QUESTION = {"data": "some", "samples": 3}


@pytest.fixture(scope="module")
def runner(digits_int8: Path) -> Iterator[AiRunner]:
    with AiRunner.open(f"tflite:{digits_int8}?kernels=reference") as opened:
        yield opened


class Counting:
    """A runner that counts the samples it runs, and may die."""

    def __init__(self, runner: AiRunner, dies_after: float = float("inf")) -> None:
        self.descriptor, self.names, self.model_info = runner.descriptor, runner.names, runner.model_info
        self.samples = 0
        self._runner = runner
        self._dies_after = dies_after

    def run(self, inputs: Any, **options: Any) -> RunResult:
        if self.samples >= self._dies_after:
            raise KeyboardInterrupt
        self.samples += len(inputs[0])
        return self._runner.run(inputs, **options)


def assert_same(one: RunResult, other: RunResult) -> None:
    assert one.mode == other.mode
    for a, b in zip(one.outputs, other.outputs, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)
    for mine, theirs in zip(one.nodes, other.nodes, strict=True):
        assert mine.info == theirs.info
        for a, b in zip(mine.data, theirs.data, strict=True):
            np.testing.assert_array_equal(a, b, strict=True)


@pytest.mark.parametrize("mode", [Mode.IO_ONLY, LAYERS])
@pytest.mark.parametrize("dies_after", [0, 1, 5, 15, 30])
def test_what_was_run_is_not_run_again(runner: AiRunner, tmp_path: Path, mode: Mode, dies_after: int) -> None:
    inputs = runner.generate_rnd_inputs(batch_size=40)
    first = Counting(runner, dies_after)
    with pytest.raises(KeyboardInterrupt), Journal(tmp_path / "j", QUESTION) as journal:
        journal.session(first, "target").run(inputs, mode=mode)  # type: ignore[arg-type]
    second = Counting(runner)
    with Journal(tmp_path / "j", QUESTION) as journal:
        result = journal.session(second, "target").run(inputs, mode=mode)  # type: ignore[arg-type]
    assert_same(result, runner.run(inputs, mode=mode))
    assert first.samples + second.samples == 40
    assert journal.resumed == first.samples
    assert len(result.durations) == 40


def test_calls_are_told_apart(runner: AiRunner, tmp_path: Path) -> None:
    inputs = runner.generate_rnd_inputs(batch_size=4)
    for _ in range(2):
        with Journal(tmp_path / "j", QUESTION) as journal:
            session = journal.session(runner, "target")
            assert_same(session.run(inputs), runner.run(inputs))
            assert_same(session.run([inputs[0][:1]]), runner.run([inputs[0][:1]]))
    with Journal(tmp_path / "j", QUESTION) as journal:
        other = journal.session(runner, "target")
        with pytest.raises(InvalidModelError, match="for other inputs"):
            other.run([inputs[0][::-1]])


def test_another_question_is_refused(tmp_path: Path) -> None:
    Journal(tmp_path / "j", QUESTION).close()
    with pytest.raises(InvalidParamError, match="samples was 3, is 4"):
        Journal(tmp_path / "j", {**QUESTION, "samples": 4})
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(InvalidParamError, match="holds files and no journal"):
        Journal(tmp_path / "full", QUESTION)
    with pytest.raises(InvalidParamError, match="cannot be a journal"):
        Journal(tmp_path / "full" / "file", QUESTION)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["file"]


def test_one_run_at_a_time(tmp_path: Path) -> None:
    with Journal(tmp_path / "j", QUESTION), pytest.raises(InvalidParamError, match="another run is using"):
        Journal(tmp_path / "j", QUESTION)
    Journal(tmp_path / "j", QUESTION).close()


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_killed_run_holds_nothing(tmp_path: Path) -> None:
    code = "import sys; from ai_runner.journal import Journal; j = Journal(sys.argv[1], {'a': 1}); print(); input()"
    command = [sys.executable, "-u", "-c", code, str(tmp_path / "j")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(InvalidParamError, match="another run is using"):
            Journal(tmp_path / "j", {"a": 1})
        process.kill()
    Journal(tmp_path / "j", {"a": 1}).close()


def test_what_is_left_of_a_run_that_was_killed_at_once(tmp_path: Path) -> None:
    for name in ("journal.part", "lock"):
        (tmp_path / name).write_bytes(b'{"sch')
    Journal(tmp_path, QUESTION).close()
    Journal(tmp_path, QUESTION).close()


def test_another_runtime_is_refused(digits_int8: Path, tmp_path: Path) -> None:
    """Also one with the same model, name and version: other kernels, or a library that was compiled anew."""
    copy = tmp_path / "copy.tflite"
    copy.write_bytes(digits_int8.read_bytes())

    def keep(text: str) -> None:
        with AiRunner.open(text) as runner, Journal(tmp_path / "j", QUESTION) as journal:
            journal.session(runner, "target-0").run([np.zeros((1, 8, 8, 1), np.int8)])

    keep(f"tflite:{copy}?kernels=reference")
    with pytest.raises(InvalidParamError, match=r"is the journal of another target-0: options was .*builtin"):
        keep(f"tflite:{copy}?kernels=builtin")
    copy.write_bytes(digits_int8.read_bytes() + b"!")
    with pytest.raises(InvalidParamError, match="is the journal of another target-0: model was"):
        keep(f"tflite:{copy}?kernels=reference")
    copy.write_bytes(digits_int8.read_bytes())
    keep(f"tflite:{copy}?kernels=reference")


def test_a_library_that_was_compiled_anew_is_another(digits_descriptors: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "c-model"
    shutil.copytree(digits_descriptors["st-ai"].removeprefix("file:"), folder)
    for content in (b"", b"x"):
        with (folder / "libai_network.so").open("ab") as file:
            file.write(content)
        with AiRunner.open(f"file:{folder}") as runner, Journal(tmp_path / "j", QUESTION) as journal:
            if content:
                with pytest.raises(InvalidParamError, match="files was"):
                    journal.session(runner, "target-0")
            else:
                journal.session(runner, "target-0")


def test_a_runtime_that_keeps_state_is_refused(runner: AiRunner, tmp_path: Path) -> None:
    info = runner.model_info()
    keeps = Counting(runner)
    keeps.model_info = lambda name=None: replace(info, runtime=replace(info.runtime, attributes={"state": "keep"}))
    with Journal(tmp_path / "j", QUESTION) as journal, pytest.raises(InvalidParamError, match="cannot be resumed"):
        journal.session(keeps, "target-0")  # type: ignore[arg-type]


def test_a_journal_that_cannot_be_written(runner: AiRunner, tmp_path: Path) -> None:
    with Journal(tmp_path / "j", QUESTION) as journal:
        (tmp_path / "j" / "target-0").touch()
        with pytest.raises(HwIOError, match="target-0: cannot be made"):
            journal.session(runner, "target-0")


@pytest.fixture(scope="module")
def piece(runner: AiRunner, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    folder = tmp_path_factory.mktemp("damaged") / "j"
    with Journal(folder, QUESTION) as journal:
        journal.session(runner, "target").run([np.zeros((1, 8, 8, 1), np.int8)])
    (path,) = (folder / "target").glob("*.piece")
    return path, path.read_bytes()


@given(data=st.data())
def test_damaged_pieces_are_run_again(runner: AiRunner, piece: tuple[Path, bytes], data: st.DataObject) -> None:
    path, content = piece
    cut = data.draw(st.integers(0, len(content) - 1))
    flipped = bytearray(content)
    flipped[cut] ^= data.draw(st.integers(1, 255))
    for damaged in (content[:cut], bytes(flipped), data.draw(st.binary(max_size=200))):
        path.write_bytes(damaged)
        inputs = [np.zeros((1, 8, 8, 1), np.int8)]
        with Journal(path.parents[1], QUESTION) as journal:
            assert_same(journal.session(runner, "target").run(inputs), runner.run(inputs))
        assert (journal.resumed, journal.damaged) == (0, 1)


@given(content=st.binary(max_size=100))
def test_any_head_is_a_journal_or_an_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("head")
    (folder / "journal.json").write_bytes(content)
    with pytest.raises(AiRunnerError):
        Journal(folder, QUESTION)


@pytest.fixture
def validate(digits_descriptors: dict[str, str], digits_test: Path, tmp_path: Path) -> Callable[..., Any]:
    """Starts `validate` with a journal in a process of its own."""

    def start(report: str, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "ai_runner.cli", "validate", "-m", digits_descriptors["tflite"]]
        command += ["-d", digits_descriptors["st-ai"], "--inputs", str(digits_test), "--per-layer"]
        command += ["--json", str(tmp_path / report), *options]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    return start


def comparable(path: Path) -> Any:
    """The report without what differs from run to run: times and notes."""

    def without_times(value: Any) -> Any:
        if isinstance(value, dict):
            dropped = ("time", "notes", "c_duration_ms", "latency")
            return {key: without_times(item) for key, item in value.items() if key not in dropped}
        return [without_times(item) for item in value] if isinstance(value, list) else value

    return without_times(json.loads(path.read_text()))


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_killed_validation_is_resumed(validate: Callable[..., Any], tmp_path: Path) -> None:
    with validate("whole.json") as whole:
        assert whole.wait() == 0
    folder = tmp_path / "journal"
    for pieces in (1, 3, 6, 9):
        with validate("resumed.json", "--journal", str(folder)) as killed:
            while killed.poll() is None and len(list(folder.glob("target-0/*.piece"))) < pieces:
                pass
            killed.send_signal(signal.SIGKILL)
    with validate("resumed.json", "--journal", str(folder)) as finished:
        _, said = finished.communicate()
    assert finished.returncode == 0, said
    assert comparable(tmp_path / "resumed.json") == comparable(tmp_path / "whole.json")
    assert "were taken from the journal" in json.loads((tmp_path / "resumed.json").read_text())["notes"][-1]
