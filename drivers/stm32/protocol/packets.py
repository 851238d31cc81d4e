"""Packets: messages in fixed-size pieces, both ways.

Host to device, a message is ``varint(length) + bytes`` in packets of `size` payload bytes; after each but the last the
device asks for the next with one sync byte. Device to host there is no length and no handshake: the packet that ends
the message says so in its header, and is empty where the message fills its packets exactly. A packet is always sent
whole; what follows its `count` payload bytes is padding, from the device stale memory.
"""

from __future__ import annotations

from enum import Enum

from ai_runner.drivers.stm32.protocol.errors import ProtocolError

SYNC_BYTE = 0xAA
PACKET_SIZE = 32
MAX_PACKET_SIZE = 4094
_LOOK_AHEAD = 2048


class Link(Enum):
    """What `PacketReader.next_message` returns besides a message."""

    SYNC = "the device asks for the next packet"
    MORE = "more bytes are needed"


def varint(value: int) -> bytes:
    """`value` as a protobuf varint."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def packet(payload: bytes, header_bytes: int, size: int) -> bytes:
    """One host-to-device packet: header, payload of at most `size` bytes, padding."""
    return len(payload).to_bytes(header_bytes, "big") + payload.ljust(size, b"\0")


class MessageWriter:
    """Cuts one host-to-device message into packets of `size` payload bytes."""

    def __init__(self, message: bytes, header_bytes: int, size: int) -> None:
        self._stream = varint(len(message)) + message
        self._position = 0
        self._header_bytes = header_bytes
        self._size = size
        self._full_header = size.to_bytes(header_bytes, "big")

    @property
    def finished(self) -> bool:
        """True when the last packet has been taken."""
        return self._position >= len(self._stream)

    def next_packet(self) -> bytes:
        """The next packet; call while not `finished`."""
        payload = self._stream[self._position : self._position + self._size]
        self._position += self._size
        if len(payload) == self._size:
            return self._full_header + payload
        return packet(payload, self._header_bytes, self._size)


class PacketReader:
    """Assembles device-to-host messages from a stream of bytes.

    Attributes:
        size: payload bytes of a packet; may be changed between messages.
    """

    def __init__(self, header_bytes: int, size: int = PACKET_SIZE) -> None:
        if header_bytes not in (1, 2):
            raise ValueError(f"a packet header has 1 or 2 bytes, not {header_bytes}")
        self.size = size
        self._header_bytes = header_bytes
        self._end_mark = 0x80 << 8 * (header_bytes - 1)
        self._received = bytearray()
        self._message = bytearray()

    def feed(self, data: bytes) -> None:
        """Stores received bytes."""
        self._received += data

    @property
    def held(self) -> int:
        """Bytes held, of packets and of a message that is not whole yet."""
        return len(self._received) + len(self._message)

    def clear(self) -> None:
        """Forgets everything held."""
        self._received.clear()
        self._message.clear()

    def next_message(self, limit: int) -> bytes | Link:
        """The next whole message, a sync byte, or `Link.MORE`.

        Args:
            limit: bytes that a message may have.

        Raises:
            ProtocolError: a header that no device sends, or a message above the limit.
        """
        header_bytes, received = self._header_bytes, self._received
        while received:
            if received[0] == SYNC_BYTE:
                return self._take_sync_byte()
            if len(received) < header_bytes + self.size:
                return Link.MORE
            header = int.from_bytes(received[:header_bytes], "big")
            count = header & ~self._end_mark
            if count > self.size or (count < self.size and header == count):
                raise ProtocolError(
                    f"no packet header: {received[:header_bytes].hex()} with packets of {self.size} bytes",
                    hint="another dialect, another baud rate, or a byte was lost",
                    data=bytes(received[:64]),
                )
            if header == count:
                self._take_full_packets(limit)
                continue
            self._message += received[header_bytes : header_bytes + count]
            del received[: header_bytes + self.size]
            self._check(limit)
            message = bytes(self._message)
            self._message.clear()
            return message
        return Link.MORE

    def _take_sync_byte(self) -> Link:
        if self._message:
            raise ProtocolError("a sync byte in the middle of a message", data=bytes(self._received[:64]))
        del self._received[0]
        return Link.SYNC

    def _take_full_packets(self, limit: int) -> None:
        """Moves all full packets at the front, of which there is at least one, into the message."""
        step = self._header_bytes + self.size
        full = self.size.to_bytes(self._header_bytes, "big")
        # So many that the limit is noticed, and so few that looking ahead stays cheap when messages are short.
        wanted = min(len(self._received) // step, (limit - len(self._message)) // self.size + 1, _LOOK_AHEAD)
        # The headers of these packets, a column of bytes at a time; the first that is not full ends the run.
        columns = [self._received[i : wanted * step : step] for i in range(self._header_bytes)]
        packets = min(len(c) - len(c.lstrip(full[i : i + 1])) for i, c in enumerate(columns))
        taken = self._received[: packets * step]
        del self._received[: len(taken)]
        for width in range(step, self.size, -1):
            del taken[::width]
        self._message += taken
        self._check(limit)

    def _check(self, limit: int) -> None:
        if len(self._message) > limit:
            raise ProtocolError(
                f"a message of more than {limit} bytes",
                hint="a byte was lost, or the board sends tensors larger than the limit",
                data=bytes(self._message[:64]),
            )
