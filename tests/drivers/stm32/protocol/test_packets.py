"""Messages in packets, both ways."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.drivers.stm32.protocol import ProtocolError
from ai_runner.drivers.stm32.protocol.packets import Link, MessageWriter, PacketReader, packet, varint

LIMIT = 1 << 20


def from_device(message: bytes, header_bytes: int, size: int) -> bytes:
    """Packets of a device: full ones, then one with the end mark and whatever count is left, 0 included."""
    full, rest = divmod(len(message), size)
    stream = b""
    for start in range(0, full * size, size):
        stream += size.to_bytes(header_bytes, "big") + message[start : start + size]
    end = rest | (0x80 if header_bytes == 1 else 0x8000)
    return stream + end.to_bytes(header_bytes, "big") + message[full * size :] + b"\xaa" * (size - rest)


framings = st.one_of(
    st.tuples(st.just(1), st.just(32)), st.tuples(st.just(2), st.sampled_from([32, 1, 5, 126, 255, 256, 4094]))
)


@given(framing=framings, messages=st.lists(st.binary(max_size=300), max_size=4), cuts=st.lists(st.integers(0, 2000)))
def test_messages_of_a_device_arrive_whole_however_they_are_cut(
    framing: tuple[int, int], messages: list[bytes], cuts: list[int]
) -> None:
    header_bytes, size = framing
    stream = b"\xaa".join(from_device(message, header_bytes, size) for message in messages)
    reader = PacketReader(header_bytes, size)
    found: list[bytes | Link] = []
    marks = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    for start, end in pairwise(marks):
        reader.feed(stream[start:end])
        while (got := reader.next_message(LIMIT)) is not Link.MORE:
            found.append(got)
    assert [got for got in found if got is not Link.SYNC] == messages
    assert found.count(Link.SYNC) == max(len(messages) - 1, 0)
    assert reader.held == 0


@pytest.mark.parametrize("length", [0, 1, 31, 32, 33, 63, 64, 65, 3200])
def test_a_message_that_fills_its_packets_is_ended_by_an_empty_one(length: int) -> None:
    message = bytes(i % 251 for i in range(length))
    for header_bytes in (1, 2):
        stream = from_device(message, header_bytes, 32)
        assert len(stream) == (length // 32 + 1) * (32 + header_bytes)
        reader = PacketReader(header_bytes)
        reader.feed(stream[:-1])
        assert reader.next_message(LIMIT) is Link.MORE
        reader.feed(stream[-1:])
        assert reader.next_message(LIMIT) == message


@given(framing=framings, message=st.binary(max_size=300))
def test_a_device_can_put_a_message_of_the_host_together(framing: tuple[int, int], message: bytes) -> None:
    header_bytes, size = framing
    writer = MessageWriter(message, header_bytes, size)
    stream = b""
    while not writer.finished:
        piece = writer.next_packet()
        assert len(piece) == header_bytes + size
        count = int.from_bytes(piece[:header_bytes], "big")
        assert 0 < count <= size
        assert piece[header_bytes + count :] == bytes(size - count)
        stream += piece[header_bytes : header_bytes + count]
    assert stream == varint(len(message)) + message


@pytest.mark.parametrize(("value", "encoded"), [(0, "00"), (127, "7f"), (128, "8001"), (300, "ac02")])
def test_varint(value: int, encoded: str) -> None:
    assert varint(value).hex() == encoded


def test_packet_is_padded_with_zeros() -> None:
    assert packet(b"ab", 1, 4) == b"\x02ab\0\0"
    assert packet(b"ab", 2, 4) == b"\0\x02ab\0\0"


@pytest.mark.parametrize(
    ("header_bytes", "head"),
    [(1, "21"), (1, "ff"), (1, "1f"), (1, "00"), (2, "0021"), (2, "8021"), (2, "0000"), (2, "2000")],
)
def test_a_header_that_no_device_sends(header_bytes: int, head: str) -> None:
    reader = PacketReader(header_bytes)
    reader.feed(bytes.fromhex(head).ljust(header_bytes + 32, b"\0"))
    with pytest.raises(ProtocolError, match="no packet header"):
        reader.next_message(LIMIT)


def test_a_sync_byte_inside_of_a_message_is_an_error() -> None:
    reader = PacketReader(1)
    reader.feed(b"\x20" + bytes(32) + b"\xaa")
    with pytest.raises(ProtocolError, match="in the middle"):
        reader.next_message(LIMIT)


@pytest.mark.parametrize("together", [True, False])
def test_a_message_above_the_limit_is_noticed_before_all_of_it_is_held(together: bool) -> None:
    reader = PacketReader(2)
    packets = [b"\0\x20" + bytes(32)] * 1000
    pieces = [b"".join(packets)] if together else packets

    def feed() -> None:
        for piece in pieces:
            reader.feed(piece)
            assert reader.next_message(320) is Link.MORE
            assert reader.held <= 320

    with pytest.raises(ProtocolError, match="more than 320 bytes"):
        feed()
    assert reader.held <= len(pieces[-1]) + 320


def test_header_width_is_checked() -> None:
    with pytest.raises(ValueError, match="1 or 2"):
        PacketReader(3)
