"""The project's firmware, recorded in every dialect it can be built for, and played to the driver."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_runner import AiRunner, Mode, RunResult
from ai_runner.deadline import Deadline
from ai_runner.descriptor import parse_descriptor
from ai_runner.drivers.stm32 import connecting
from ai_runner.drivers.stm32.alignment import Aligner
from ai_runner.drivers.stm32.driver import Stm32Driver
from ai_runner.drivers.stm32.protocol.probing import sync_packet, zeros
from ai_runner.drivers.stm32.replay import RecordedBoard
from ai_runner.errors import AiRunnerError, InvalidMsgError, InvalidParamError
from ai_runner.firmware import build_firmware, start_firmware
from ai_runner.transport import Transport
from ai_runner.transport.cassette import Cassette, Piece, read_cassette
from ai_runner.transport.player import Player, ReplayMismatchError
from ai_runner.transport.wrapping import WrappingTransport

KINDS = [("v2.1", 0), ("v3.1-1b", 0), ("v3.1-2b", 0), ("v3.1-2b", 4094)]
MODE = Mode.PER_LAYER | Mode.PER_LAYER_WITH_DATA
HEADER_BYTES = {"v2.1": 1, "v3.1-1b": 1, "v3.1-2b": 2}


class OneByte(WrappingTransport):
    """Moves every byte on its own."""

    def read(self, max_bytes: int, deadline: Deadline) -> bytes:
        return self._transport.read(1, deadline)

    def write(self, data: bytes, deadline: Deadline) -> None:
        for i in range(len(data)):
            self._transport.write(data[i : i + 1], deadline)


@pytest.fixture(scope="module")
def inputs() -> np.ndarray[Any, Any]:
    return np.random.default_rng(7).integers(-128, 128, (3, 8, 8, 1)).astype(np.int8)


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: f"{kind[0]}-{kind[1] or 32}")
def recorded(
    request: pytest.FixtureRequest,
    digits_int8: Path,
    compiler: str,
    inputs: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[str, Path, RunResult]:
    """Dialect, cassette of one run with everything, and what the run returned."""
    dialect, large = request.param
    folder = tmp_path_factory.mktemp("recorded")
    build_firmware({"digits": digits_int8}, folder / "out", dialect=dialect, large_packet=large, cflags="-O0")
    with (
        start_firmware(folder / "out", tcp=0) as firmware,
        AiRunner.open(firmware.descriptor, record=str(folder / "a.cassette")) as runner,
    ):
        result = runner.run(inputs, mode=MODE)
    return dialect, folder / "a.cassette", result


@pytest.fixture
def cassette(recorded: tuple[str, Path, RunResult]) -> Cassette:
    return read_cassette(recorded[1])


def same(result: RunResult, expected: RunResult) -> None:
    assert list(result.durations) == list(expected.durations)
    assert result.info == expected.info
    np.testing.assert_array_equal(result.outputs[0], expected.outputs[0])
    assert len(result.nodes) == len(expected.nodes) > 3
    for node, wanted in zip(result.nodes, expected.nodes, strict=True):
        assert list(node.durations) == list(wanted.durations)
        np.testing.assert_array_equal(node.data[0], wanted.data[0])


def played(line: Transport, inputs: Any) -> RunResult:
    driver = Stm32Driver(parse_descriptor("serial"), transport=line)
    driver.open(Deadline(60))
    try:
        return driver.invoke(driver.names()[0], [inputs], MODE)
    finally:
        driver.close()


def test_a_recording_is_complete_and_ends_small(recorded: Any, cassette: Cassette) -> None:
    assert cassette.complete
    assert not recorded[1].with_name("a.cassette.part").exists()
    assert cassette.pieces


def test_a_replay_returns_what_the_board_returned(recorded: Any, inputs: Any) -> None:
    with AiRunner.open(f"replay:{recorded[1]}") as runner:
        result = runner.run(inputs, mode=MODE)
        same(result, recorded[2])
        assert str(runner.descriptor) == f"replay:{recorded[1]}"


def test_one_byte_at_a_time(recorded: Any, cassette: Cassette, inputs: Any) -> None:
    same(played(OneByte(Player(RecordedBoard(cassette.pieces), "x")), inputs), recorded[2])


def test_recorded_in_single_bytes(recorded: Any, cassette: Cassette, inputs: Any) -> None:
    single = [replace(p, data=p.data[i : i + 1]) for p in cassette.pieces for i in range(len(p.data))]
    same(played(Player(RecordedBoard(single), "x"), inputs), recorded[2])


@pytest.mark.parametrize("start", [1, 60, 125])
def test_other_request_numbers(
    start: int, recorded: Any, cassette: Cassette, inputs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def aligner(transport: Transport, deadline: Deadline, seen: Any, reqid: int = 0) -> Aligner:
        return Aligner(transport, deadline, seen, reqid + start)

    monkeypatch.setattr(connecting, "Aligner", aligner)
    same(played(Player(RecordedBoard(cassette.pieces), "x"), inputs), recorded[2])


@pytest.mark.parametrize("stray", ["1 zero", "33 zeros", "70 zeros", "sync of the other width", "text"])
def test_other_probing(stray: str, recorded: Any, cassette: Cassette, inputs: Any) -> None:
    width = HEADER_BYTES[recorded[0]]
    line = Player(RecordedBoard(cassette.pieces), "x")
    others = {"sync of the other width": sync_packet(5, 3 - width), "text": b"hello board, are you there?"}
    line.write(others.get(stray) or zeros(int(stray.split()[0])), line.deadline(1))
    line.read(4096, line.deadline(1))
    same(played(line, inputs), recorded[2])


def test_a_changed_input_is_an_error_that_shows_where(recorded: Any, inputs: Any) -> None:
    changed = inputs.copy()
    changed[1, 0, 5, 0] ^= 0x55
    old, new = inputs[1, 0, 5, 0].tobytes().hex(), changed[1, 0, 5, 0].tobytes().hex()
    shown = rf"command 2 \(NETWORK_RUN .*byte 5 of 64 .* {new} .* was {old}"
    with AiRunner.open(f"replay:{recorded[1]}") as runner, pytest.raises(ReplayMismatchError, match=shown):
        runner.run(changed, mode=MODE)


def test_another_mode_is_an_error(recorded: Any, inputs: Any) -> None:
    shown = r"command 1 .*: param is \d, recorded was \d"
    with AiRunner.open(f"replay:{recorded[1]}") as runner, pytest.raises(ReplayMismatchError, match=shown):
        runner.run(inputs)


def test_a_run_too_many_is_an_error(recorded: Any, inputs: Any) -> None:
    with AiRunner.open(f"replay:{recorded[1]}") as runner:
        runner.run(inputs, mode=MODE)
        with pytest.raises(ReplayMismatchError, match="has ended before"):
            runner.run(inputs, mode=MODE)


def test_a_crash_while_recording_leaves_a_board_that_falls_silent(cassette: Cassette, inputs: Any) -> None:
    half = cassette.pieces[: len(cassette.pieces) * 2 // 3]
    with pytest.raises(AiRunnerError):
        played(Player(RecordedBoard(half), "x"), inputs)


def test_only_what_has_a_wire_can_be_recorded(digits_int8: Path, recorded: Any, tmp_path: Path) -> None:
    for desc in (f"tflite:{digits_int8}", f"replay:{recorded[1]}"):
        with pytest.raises(InvalidParamError):
            AiRunner.open(desc, record=str(tmp_path / "a"))
    assert list(tmp_path.iterdir()) == []


def test_a_recording_without_a_board_says_so() -> None:
    with pytest.raises(InvalidMsgError, match="no aiValidation firmware answers"):
        RecordedBoard([Piece(0.0, True, bytes(34)), Piece(0.1, False, b"boot banner")])


PIECES = st.lists(st.builds(Piece, st.just(0.0), st.booleans(), st.binary(min_size=1, max_size=80)), max_size=10)


@given(pieces=PIECES, said=st.lists(st.binary(max_size=100), max_size=5))
@settings(max_examples=50)
def test_random_bytes_are_a_board_or_a_typed_error(pieces: list[Piece], said: list[bytes]) -> None:
    try:
        board = RecordedBoard(pieces)
        for data in said:
            list(board.answer(data))
    except AiRunnerError:
        return


@dataclass(frozen=True)
class Damage:
    """What happens to one byte of one piece: it comes `copies` times, changed."""

    piece: int
    place: int
    flip: int
    copies: int

    def of(self, pieces: list[Piece]) -> None:
        piece = pieces[self.piece % len(pieces)]
        place = self.place % len(piece.data)
        noise = bytes([piece.data[place] ^ self.flip]) * self.copies
        damaged = piece.data[:place] + noise + piece.data[place + 1 :]
        pieces[self.piece % len(pieces)] = replace(piece, data=damaged or b"\0")


PLACES = st.integers(0, 100_000)
DAMAGE = st.builds(Damage, PLACES, PLACES, st.integers(1, 255), st.sampled_from([0, 1, 40]))


@given(damage=st.lists(DAMAGE, min_size=1, max_size=3))
@settings(max_examples=40)
def test_a_damaged_recording_is_a_result_or_a_typed_error(damage: list[Damage], recorded: Any, inputs: Any) -> None:
    pieces = list(read_cassette(recorded[1]).pieces)
    for one in damage:
        one.of(pieces)
    try:
        result = played(Player(RecordedBoard(pieces), "x"), inputs)
    except AiRunnerError:
        return
    assert len(result.outputs[0]) == len(inputs)
