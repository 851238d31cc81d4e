"""Recordings of what is not a smooth run: commands beyond inference, lost lines, faults that were mended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner import AiRunner
from ai_runner.deadline import Deadline
from ai_runner.descriptor import parse_descriptor
from ai_runner.drivers.stm32.driver import Stm32Driver
from ai_runner.errors import AiRunnerError, LinkLostError
from ai_runner.model import Mode
from ai_runner.registry import create_driver
from ai_runner.transport import Transport
from ai_runner.transport.cassette import read_cassette
from ai_runner.transport.fault_injector import Fault, FaultInjector, FaultKind
from ai_runner.transport.recorder import Recording

FIRMWARES: list[dict[str, Any]] = [{}, {"large_packet": 4094}, {"dialect": "v3.1-1b"}, {"dialect": "v2.1"}]
INPUTS = [np.random.default_rng(2).integers(-128, 128, (2, 8, 8, 1), np.int8)]


class RecordedLine:
    """A driver whose line fails where it is told to, and is recorded behind that."""

    def __init__(self, descriptor: str, path: Path) -> None:
        self.recording = Recording(path, descriptor)
        self.lines: list[FaultInjector] = []
        self.driver = Stm32Driver(parse_descriptor(descriptor), wrap=self._wrap)
        self.driver.open(Deadline(20))

    def _wrap(self, transport: Transport) -> Transport:
        self.lines.append(FaultInjector(transport))
        return self.recording.wrap(self.lines[-1])

    def close(self) -> None:
        self.driver.close()
        self.recording.finish()


@pytest.fixture
def recorded_line(firmware_folder: Callable[..., Path], tmp_path: Path) -> Any:
    from ai_runner.firmware import start_firmware

    @contextmanager
    def make(options: str = "silence=0.06", **choices: Any) -> Iterator[RecordedLine]:
        with start_firmware(firmware_folder(**choices), tcp=0) as firmware:
            line = RecordedLine(f"{firmware.descriptor}?{options}", tmp_path / "a.cassette")
            try:
                yield line
            finally:
                line.close()

    return make


def outcome(driver: Any, mode: Mode = Mode.IO_ONLY) -> Any:
    """Outputs of a run, or what kind of error it was."""
    try:
        return [array.tobytes() for array in driver.invoke("digits", INPUTS, mode).outputs]
    except AiRunnerError as error:
        return error.code()


def replayed(path: Path) -> Any:
    driver = create_driver(parse_descriptor(f"replay:{path}"))
    driver.open(Deadline(60))
    return driver


@pytest.mark.parametrize("choices", FIRMWARES, ids=str)
def test_memory_and_self_tests(choices: dict[str, Any], firmware_folder: Callable[..., Path], tmp_path: Path) -> None:
    from ai_runner.firmware import start_firmware

    def session(board: AiRunner) -> list[Any]:
        found = [board.extension(cmd="self-test"), board.extension(cmd="unit-test", test_id=0)]
        if choices.get("dialect") != "v2.1":
            address = board.model_info("digits").inputs[0].address
            found.append(board.extension(cmd="write-in-memory", target_addr=address, data=bytes(range(64))))
            found.append(board.extension(cmd="read-in-memory", target_addr=address, size=64))
            found.append(board.extension(cmd="checksum-in-memory", target_addr=address, size=64))
        found.append([array.tobytes() for array in board.run(INPUTS, "digits").outputs])
        return found

    path = tmp_path / "a.cassette"
    with (
        start_firmware(firmware_folder(**choices), tcp=0) as firmware,
        AiRunner.open(f"{firmware.descriptor}?silence=0.5", record=str(path)) as board,
    ):
        expected = session(board)
    assert expected[0]["error"] == 0
    with AiRunner.open(f"replay:{path}") as board:
        assert session(board) == expected


@pytest.mark.parametrize("choices", FIRMWARES, ids=str)
@pytest.mark.parametrize("outgoing", [True, False])
def test_a_lost_line_is_lost_again_at_the_same_place(
    choices: dict[str, Any], outgoing: bool, recorded_line: Any, tmp_path: Path
) -> None:
    with recorded_line(**choices) as line:
        expected = outcome(line.driver)
        line.lines[-1].inject(Fault(FaultKind.DISCONNECT, outgoing, 70))
        for _ in range(2):
            with pytest.raises(LinkLostError, match="disconnected by a fault"):
                line.driver.invoke("digits", INPUTS)
    assert "disconnected by a fault" in read_cassette(tmp_path / "a.cassette").lost
    driver = replayed(tmp_path / "a.cassette")
    assert outcome(driver) == expected
    for _ in range(2):
        with pytest.raises(LinkLostError, match="disconnected by a fault"):
            driver.invoke("digits", INPUTS)
    driver.close()


def test_a_resumed_run_is_played_as_if_the_cable_had_stayed(recorded_line: Any, tmp_path: Path) -> None:
    with recorded_line("silence=0.06&resume=5") as line:
        expected = outcome(line.driver)
        line.lines[-1].inject(Fault(FaultKind.DISCONNECT, True, 250))
        assert outcome(line.driver) == expected
        assert len(line.lines) == 2
    driver = replayed(tmp_path / "a.cassette")
    assert [outcome(driver), outcome(driver)] == [expected, expected]
    driver.close()
