"""A line that fails at a random byte: right outputs or a typed error, and then the same driver works again.

`benchmarks/stm32_faults.py` does the same two thousand times.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner.deadline import Deadline
from ai_runner.descriptor import parse_descriptor
from ai_runner.driver import AiRunnerCallback
from ai_runner.drivers.stm32.driver import Stm32Driver
from ai_runner.errors import AiRunnerError, InvalidMsgError, LinkLostError
from ai_runner.model import Mode
from ai_runner.transport import Transport
from ai_runner.transport.fault_injector import Fault, FaultInjector, FaultKind, random_fault

WITH_DATA = Mode.PER_LAYER | Mode.PER_LAYER_WITH_DATA
FIRMWARES: list[dict[str, Any]] = [{}, {"large_packet": 4094}, {"dialect": "v3.1-1b"}, {"dialect": "v2.1"}]
SEEDS_EACH = 15


class FaultyBoard:
    """A driver on a line that can be told to fail.

    Attributes:
        line: the one opened last.
        expected: outputs and tensors of an undisturbed run, by mode.
        moved: bytes written and read by it.
    """

    def __init__(self, descriptor: str, options: str = "silence=0.06") -> None:
        self.line: Any = None
        self.driver = Stm32Driver(parse_descriptor(f"{descriptor}?{options}"), wrap=self._wrap)
        self.driver.open(Deadline(20))
        (tensor,) = self.driver.info("digits").inputs
        self.inputs = [np.random.default_rng(1).integers(-128, 128, (3, *tensor.sample_shape), np.int8)]
        self.expected, self.moved = {}, {}
        for mode in (Mode.IO_ONLY, WITH_DATA):
            before = self.line.written, self.line.read_bytes
            self.expected[mode] = self.run(mode)
            self.moved[mode] = self.line.written - before[0], self.line.read_bytes - before[1]

    def _wrap(self, transport: Transport) -> Transport:
        self.line = FaultInjector(transport)
        return self.line

    def run(self, mode: Mode = Mode.IO_ONLY, callback: AiRunnerCallback | None = None) -> list[bytes]:
        found = self.driver.invoke("digits", self.inputs, mode, callback)
        return [array.tobytes() for array in (*found.outputs, *(data for node in found.nodes for data in node.data))]

    def unnoticed(self, outgoing: bool) -> int:
        """How far from the end of a run a bit can be flipped so that outputs are wrong without an error."""
        for distance in range(1, self.moved[Mode.IO_ONLY][not outgoing], 5):
            self.flip(outgoing, distance)
            try:
                if self.run() != self.expected[Mode.IO_ONLY]:
                    return distance
            except AiRunnerError:
                self.run()  # brings the board back, which takes bytes as well
            self.line.clear()
        raise AssertionError("every flipped bit is noticed")

    def flip(self, outgoing: bool, distance: int) -> None:
        """Flips a bit of the byte that is so far from the end of the next run."""
        offset = self.moved[Mode.IO_ONLY][not outgoing] - distance
        self.line.inject(Fault(FaultKind.FLIP, outgoing, offset, mask=0x40))

    def close(self) -> None:
        self.driver.close()


class Listening(Transport):
    """A line whose bytes are kept."""

    def __init__(self, line: Transport) -> None:
        self.line = line
        self.written, self.heard = b"", b""

    def read(self, max_bytes: int, deadline: Deadline) -> bytes:
        data = self.line.read(max_bytes, deadline)
        self.heard += data
        return data

    def write(self, data: bytes, deadline: Deadline) -> None:
        self.written += data
        self.line.write(data, deadline)

    def close(self) -> None:
        self.line.close()

    def describe(self) -> str:
        return self.line.describe()


@pytest.fixture
def faulty_board(firmware_folder: Callable[..., Path]) -> Iterator[Callable[..., FaultyBoard]]:
    """Behind TCP, which has no baud rate: nothing has to wait for bits on a wire that there is not."""
    from ai_runner.firmware import start_firmware

    opened: list[FaultyBoard] = []
    with ExitStack() as stack:

        def make(options: str = "silence=0.06", **choices: Any) -> FaultyBoard:
            firmware = stack.enter_context(start_firmware(firmware_folder(**choices), tcp=0))
            opened.append(FaultyBoard(firmware.descriptor, options))
            return opened[-1]

        yield make
        for board in opened:
            board.close()


@pytest.mark.parametrize("choices", FIRMWARES, ids=str)
def test_right_outputs_or_a_typed_error_and_the_board_works_again(
    choices: dict[str, Any], faulty_board: Callable[..., FaultyBoard]
) -> None:
    board = faulty_board(**choices)
    for seed in range(SEEDS_EACH):
        source = random.Random(f"{choices}{seed}")
        mode = source.choice((Mode.IO_ONLY, WITH_DATA))
        fault = random_fault(source, *board.moved[mode], 0.1)
        board.line.inject(fault)
        try:
            found = board.run(mode)
        except AiRunnerError:
            pass
        else:
            assert found == board.expected[mode] or fault.kind is FaultKind.FLIP, f"seed {seed}: {fault}"
        board.line.clear()
        if fault.kind is FaultKind.DISCONNECT:
            board.driver.open(Deadline(20))
        assert board.run() == board.expected[Mode.IO_ONLY], f"seed {seed}: {fault}"


@pytest.mark.parametrize("choices", FIRMWARES, ids=str)
@pytest.mark.parametrize("outgoing", [True, False])
def test_a_byte_that_comes_late_disturbs_no_later_command(
    choices: dict[str, Any], outgoing: bool, faulty_board: Callable[..., FaultyBoard]
) -> None:
    """The last byte of a run is there twice: the run itself is right or an error, and the next one is right."""
    board = faulty_board("silence=0.15", **choices)  # nothing but the fault may look like one, on a busy machine either
    written, read = board.moved[Mode.IO_ONLY]
    board.line.inject(Fault(FaultKind.DUPLICATE, outgoing, (written if outgoing else read) - 1))
    with suppress(InvalidMsgError):
        assert board.run() == board.expected[Mode.IO_ONLY]
    assert board.line.fired
    assert board.run() == board.expected[Mode.IO_ONLY]


@pytest.mark.parametrize("choices", FIRMWARES, ids=str)
def test_a_garbled_name_is_no_other_model(choices: dict[str, Any], faulty_board: Callable[..., FaultyBoard]) -> None:
    """The board refuses to run what it does not know; that it was asked for it is the fault of the line."""
    board = faulty_board(**choices)
    wire = board.line._transport = Listening(board.line._transport)
    board.run()
    place = wire.written.index(b"digits")
    board.line.inject(Fault(FaultKind.FLIP, True, place + 2))
    assert board.run() == board.expected[Mode.IO_ONLY]
    assert board.line.fired


@pytest.mark.parametrize("choices", FIRMWARES, ids=str)
@pytest.mark.parametrize("outgoing", [True, False])
def test_two_runs_find_a_flipped_bit_that_one_does_not(
    choices: dict[str, Any], outgoing: bool, faulty_board: Callable[..., FaultyBoard]
) -> None:
    once = faulty_board(**choices)
    distance = once.unnoticed(outgoing)
    board = faulty_board("silence=0.06&verify=1", **choices)
    a_run = (board.moved[Mode.IO_ONLY][not outgoing] - once.moved[Mode.IO_ONLY][not outgoing]) // 3
    for earlier in (0, a_run):  # in the second and in the first run of the last sample
        board.flip(outgoing, distance + earlier)
        with pytest.raises(InvalidMsgError, match="two runs of sample 2"):
            board.run()
        assert board.run() == board.expected[Mode.IO_ONLY]


def test_a_pulled_cable_is_lost_until_the_driver_is_opened_again(faulty_board: Callable[..., FaultyBoard]) -> None:
    board = faulty_board()
    board.line.inject(Fault(FaultKind.DISCONNECT, False, 40))
    for _ in range(2):
        with pytest.raises(LinkLostError):
            board.run()
    board.driver.open(Deadline(20))
    assert board.run() == board.expected[Mode.IO_ONLY]
