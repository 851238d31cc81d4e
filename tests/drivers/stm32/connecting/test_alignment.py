"""The probing procedure against a simulated packet layer of every dialect, from every state a board can be left in."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.drivers.stm32.connecting import align, realign
from ai_runner.drivers.stm32.evidence import PortEvidence
from ai_runner.drivers.stm32.protocol import Connection, GetSystemInfo, State, UnsupportedDialectError
from ai_runner.errors import LinkTimeoutError

STATES = (
    "idle",
    *(f"zeros {count}" for count in (1, 7, 20, 32, 33, 34, 40)),
    "text hello",
    "text \x05abc and some more of it, which is longer than a packet",
    *("foreign 1", "foreign 2"),
    *("run", "input 1", "input 20"),
)
LARGE_STATES = ("large", "large zeros 100", "large text hello", "large input 1")


def check(host: Any, firmware: Any, header_bytes: int, aligned: Any) -> None:
    assert aligned.header_bytes == header_bytes
    assert aligned.reply.version == divmod(firmware.kind.version, 256)
    assert firmware.idle
    assert firmware.size == 32
    assert host.read(100, host.deadline(0)) == b""


@pytest.mark.parametrize("state", STATES)
def test_a_board_in_any_state_is_brought_to_rest(kind: Any, board: Any, leave: Any, state: str) -> None:
    host, firmware = board(kind)
    leave(host, kind, state)
    check(host, firmware, kind.header_bytes, align(host, host.deadline(20)))


@pytest.mark.parametrize("state", LARGE_STATES)
@pytest.mark.parametrize("large", [4094, 126, 1000])
@pytest.mark.parametrize("name", ["v3.1-2b", "v3.2"])
def test_a_board_in_large_packets_is_brought_to_rest(
    name: str, large: int, state: str, kinds: Any, board: Any, leave: Any
) -> None:
    kind = replace(kinds[name], large=large)
    host, firmware = board(kind)
    leave(host, kind, state)
    check(host, firmware, 2, align(host, host.deadline(60), recover=True))


@pytest.mark.parametrize("latency", [0.015, 0.03, 0.055])
@pytest.mark.parametrize("state", STATES)
def test_an_adapter_that_answers_late_costs_time_only(
    kind: Any, board: Any, leave: Any, state: str, latency: float
) -> None:
    host, firmware = board(kind, latency=latency)
    leave(host, kind, state, wait=0.1)
    check(host, firmware, kind.header_bytes, align(host, host.deadline(30)))


def test_an_idle_board_answers_at_once(kind: Any, board: Any) -> None:
    host, firmware = board(kind)
    start = host.deadline(0.1)
    check(host, firmware, kind.header_bytes, align(host, host.deadline(5)))
    assert not start.expired


def test_an_idle_board_is_asked_nothing_but_sync(kind: Any, board: Any) -> None:
    host, firmware = board(kind)
    align(host, host.deadline(5))
    assert firmware.requests == [0]


@given(stray=st.binary(max_size=200))
def test_stray_bytes_that_announce_no_long_message_do_no_harm(board_of: Any, stray: bytes) -> None:
    # Every byte small: no text can announce more than the procedure fills up within its time.
    host, firmware = board_of()
    host.write(bytes(byte & 0x3F for byte in stray), host.deadline(1))
    host.read(1 << 20, host.deadline(0))
    check(host, firmware, firmware.kind.header_bytes, align(host, host.deadline(60), recover=True))


@pytest.fixture(params=["v2.1", "v3.1-2b"], scope="session")
def board_of(request: pytest.FixtureRequest, kinds: Any, board: Any) -> Callable[[], Any]:
    return lambda: board(kinds[request.param])


def test_a_silent_line_is_reported_within_five_seconds(board: Any, kinds: Any) -> None:
    host, _ = board(kinds["v2.1"], rate=115200, speaks_at=1)
    patience = host.deadline(5)
    with pytest.raises(LinkTimeoutError) as caught:
        align(host, host.deadline(60), bauds=(115200, 921600, 460800, 230400))
    assert not patience.expired
    (seen,) = caught.value.evidence.values()
    assert [attempt.baudrate for attempt in seen.attempts] == [115200, 921600, 460800, 230400]
    assert [attempt.steps for attempt in seen.attempts] == [["probe"]] * 4


def test_a_silent_line_at_a_given_rate_is_reported_within_five_seconds(board: Any, kinds: Any) -> None:
    host, _ = board(kinds["v2.1"], rate=115200, speaks_at=1)
    patience = host.deadline(5)
    with pytest.raises(LinkTimeoutError, match="no aiValidation firmware"):
        align(host, host.deadline(60), bauds=(115200,))
    assert not patience.expired


def test_the_rate_of_the_board_is_found(kind: Any, board: Any) -> None:
    host, firmware = board(kind, rate=9600, speaks_at=460800)
    aligned = align(host, host.deadline(20), bauds=(115200, 921600, 460800, 230400))
    assert aligned.baudrate == host.baudrate == 460800
    check(host, firmware, kind.header_bytes, aligned)


def test_only_rates_where_something_came_back_are_recovered(kinds: Any, board: Any, leave: Any) -> None:
    kind = kinds["v3.1-1b"]
    host, firmware = board(kind, rate=230400, speaks_at=230400)
    leave(host, kind, "zeros 7")
    check(host, firmware, 1, align(host, host.deadline(20), bauds=(115200, 230400)))


def test_the_deadline_ends_the_procedure(kinds: Any, board: Any) -> None:
    host, _ = board(kinds["v2.1"], rate=115200, speaks_at=1)
    with pytest.raises(LinkTimeoutError):
        align(host, host.deadline(0.4), bauds=(115200,), recover=True)
    assert host.deadline(0).remaining() == 0.0


def test_an_older_protocol_is_refused(kinds: Any, board: Any) -> None:
    host, _ = board(replace(kinds["v2.1"], version=0x0200))
    with pytest.raises(UnsupportedDialectError, match=r"2\.0"):
        align(host, host.deadline(5))


def test_a_banner_is_kept(kinds: Any, board: Any) -> None:
    host, firmware = board(kinds["v2.1"], speaks_at=1)
    firmware.say(b"\r\nAI Validation 7.0\r\nProtocol version = 2.1\r\n")
    with pytest.raises(LinkTimeoutError, match=r"protocol 2\.1 has started") as caught:
        align(host, host.deadline(20))
    (seen,) = caught.value.evidence.values()
    assert isinstance(seen, PortEvidence)
    assert b"Protocol version" in seen.attempts[0].banner
    assert "Protocol version = 2.1" in str(seen)
    assert json.dumps(seen.to_dict())


def test_a_board_that_prints_all_the_time_is_given_up(kinds: Any, board: Any) -> None:
    host, firmware = board(kinds["v2.1"])
    firmware.take = lambda: None
    other = firmware._device
    other.on_data = lambda: (other.read(1 << 16, other.deadline(0)), firmware.say(b"temperature 21.5\r\n"))
    with pytest.raises(LinkTimeoutError, match="another application runs") as caught:
        align(host, host.deadline(30))
    assert "flash" in caught.value.hint


@pytest.mark.parametrize("state", ["idle", "zeros 7", "text hello", "run", "input 1", "input 20"])
def test_a_fault_in_the_middle_is_mended_on_the_same_line(kind: Any, board: Any, leave: Any, state: str) -> None:
    host, firmware = board(kind)
    before = Connection(kind.header_bytes, reqid=align(host, host.deadline(5)).reqid)
    leave(host, kind, state)
    after = realign(host, before, host.deadline(20))
    assert after.state is State.READY
    assert after.dialect is not None
    assert after.dialect.name == kind.name
    assert firmware.idle


@pytest.mark.parametrize("state", ["idle", "zeros 100", "text hello", "run", "input 1"])
def test_a_fault_in_large_packets_is_mended(kinds: Any, board: Any, leave: Any, state: str) -> None:
    kind = replace(kinds["v3.1-2b"], large=4094)
    host, firmware = board(kind)
    before = realign(host, Connection(2, reqid=align(host, host.deadline(5)).reqid), host.deadline(5))
    host.write(before.send(GetSystemInfo()), host.deadline(1))
    before.receive_data(host.read(4096, host.deadline(1)))
    before.next_event()
    assert before.packet_size == firmware.size == 4094
    leave(host, kind, state, 4094)
    after = realign(host, before, host.deadline(60))
    assert after.packet_size == firmware.size == 32
    assert firmware.idle


def captures() -> list[Path]:
    folder = Path(__file__).resolve().parents[4].parent / "shared" / "captures" / "stm32"
    return sorted(folder.glob("*_probe.jsonl"))


@pytest.mark.parametrize("path", captures(), ids=lambda path: path.stem)
def test_the_simulation_answers_a_probe_as_real_firmware_does(path: Path, kinds: Any, board: Any) -> None:
    header, *exchanges = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    kind = kinds[header["dialect"]]
    kind = replace(kind, capability=header["expected"]["capability"], runtime=header["expected"]["rtid"])
    host, _ = board(kind)
    for exchange in exchanges:
        data = bytes.fromhex(exchange["hex"])
        if exchange["dir"] == "h2d":
            host.write(data, host.deadline(1))
            continue
        heard = host.read(1 << 16, host.deadline(0))
        count = len(data) if data == b"\xaa" else (data[kind.header_bytes - 1] & 0x7F) + kind.header_bytes
        assert heard[:count] == data[:count]  # what follows is padding
        assert len(heard) == len(data)


def test_there_are_captures_to_compare_with() -> None:
    if not captures():
        pytest.skip("no captures beside the checkout")
    assert len(captures()) == 3
