"""Finding out what is on a line, against the packet layer of a firmware as the protocol describes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ai_runner.drivers.stm32.protocol import SYNC_BYTE, UnsupportedDialectError, probing

REQID = 42


class Firmware:
    """Takes fixed-size packets, says a sync byte when it needs more, answers SYNC, drops what it cannot decode."""

    def __init__(self, device: Any) -> None:
        self._device = device
        self._held = b""
        self._message = b""

    def take(self, data: bytes) -> bytes:
        width, said = self._device.dialect.header_bytes, b""
        self._held += data
        while len(self._held) >= width + 32:
            count = int.from_bytes(self._held[:width], "big")
            assert count <= 32, "the firmware reads past its buffer"
            self._message += self._held[width : width + count]
            self._held = self._held[width + 32 :]
            if not self._message or len(self._message) <= self._message[0]:
                said += bytes([SYNC_BYTE])
                continue
            message, self._message = self._message[1 : 1 + self._message[0]], b""
            if message and len(message) == 10:
                request = self._device.classes["reqMsg"].FromString(message)
                said += self._device.sync(request.reqid)
        return said


def test_first_probe_is_two_requests_in_one() -> None:
    probe = probing.first_probe(REQID)
    message = bytes.fromhex("0a082a10001800220028" + "00")
    assert probing.sync_message(REQID) == message
    assert len(probe) == 34
    assert probe[:2] == b"\x00\x0b"
    assert probe[-1] == 11
    assert probing.rest_of_probe(REQID) == probing.sync_packet(REQID, 1)[1:] == message.ljust(32, b"\0")
    assert probe[-1:] + probing.rest_of_probe(REQID) == probing.sync_packet(REQID, 1)
    assert probe[:2] + probe[2:-1] + b"\0" == probing.sync_packet(REQID, 2)
    assert probing.filler_packet(2, 4094) == b"\x0f\xfe" + bytes(4094)
    for reqid in (-1, 128):
        with pytest.raises(ValueError, match="makes no probe"):
            probing.first_probe(reqid)


def test_captured_probes(named_capture: Callable[[str], Any]) -> None:
    for name in ("v21_probe", "v31-1b_probe", "v31-2b_probe"):
        capture = named_capture(name)
        written = probing.first_probe(REQID)
        said = capture.exchanges[1][1]
        if said[0] == SYNC_BYTE:
            written += probing.rest_of_probe(REQID)
        assert written == capture.bytes_of("h2d")
        found = probing.find_sync_reply(capture.bytes_of("d2h"), REQID)
        assert found is not None
        assert found.header_bytes == capture.expected["header_bytes"]
        assert list(found.reply.version) == capture.expected["version"]
        assert found.end == len(capture.bytes_of("d2h"))


def test_an_idle_board_answers_the_first_probe(device: Any) -> None:
    firmware = Firmware(device)
    heard = firmware.take(probing.first_probe(REQID))
    if heard == bytes([SYNC_BYTE]):
        heard = firmware.take(probing.rest_of_probe(REQID))
    found = probing.find_sync_reply(heard, REQID)
    assert found is not None
    assert (found.header_bytes, found.reply.dialect) == (device.dialect.header_bytes, device.dialect)


@given(before=st.binary(max_size=60), after=st.binary(max_size=60))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_reply_is_found_among_anything(device: Any, before: bytes, after: bytes) -> None:
    reply = device.sync(REQID)
    # Noise that begins a reply itself may stand for one.
    if bytes([8, REQID]) in before + reply[:3] + after:
        before = after = b""
    found = probing.find_sync_reply(before + reply + after, REQID)
    assert found is not None
    assert (found.reply.dialect, found.end) == (device.dialect, len(before + reply))


def test_the_longest_reply_fits_one_packet(device: Any) -> None:
    most = (1 << 32) - 1
    major, minor = device.dialect.version
    numbers = {"version": major << 8 | minor, "capability": most, "rtid": most}
    reply = device.answer(probing.MAX_PROBE_REQID, 0, sync=numbers)
    assert len(reply) == device.dialect.header_bytes + 32
    found = probing.find_sync_reply(reply, probing.MAX_PROBE_REQID)
    assert found is not None
    assert found.reply.dialect == device.dialect


def test_what_is_no_reply_is_not_found(device: Any) -> None:
    reply = device.sync(REQID)
    for data in (b"", reply[:-1], reply[2:], device.sync(REQID + 1), device.ack(REQID, 0), b"\x08\x2a" * 40):
        assert probing.find_sync_reply(data, REQID) is None


@given(data=st.binary(max_size=200))
@settings(max_examples=50)
def test_noise_is_no_reply_and_no_error(data: bytes) -> None:
    assert probing.find_sync_reply(data.replace(b"R", b""), REQID) is None


def test_a_reply_in_another_protocol_is_told(device: Any) -> None:
    with pytest.raises(UnsupportedDialectError, match=r"protocol 2\.0|protocol 1\.0"):
        probing.find_sync_reply(device.sync(REQID, version=0x0100), REQID)
