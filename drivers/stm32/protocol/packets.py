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
_END_OF_MESSAGE = 0x80  # in the first byte of a header
_LOOK_AHEAD = 2048
_SMALL = tuple(bytes((value,)) for value in range(0x80))
_ONE_BY_ONE = 4
_FEW = 64  # packets that are joined faster one by one


class Link(Enum):
    """What `PacketReader.next_message` returns besides a message."""

    SYNC = "the device asks for the next packet"
    MORE = "more bytes are needed"


_MORE = Link.MORE


def varint(value: int) -> bytes:
    """`value` as a protobuf varint."""
    if value < 0x80:
        return _SMALL[value]
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def lone_packet(message: bytes, header_bytes: int, size: int) -> bytes:
    """The only packet of a short host-to-device message; b"" for one that is not short enough."""
    length = len(message)
    if length >= min(size, len(_SMALL)):
        return b""
    return ((length + 1).to_bytes(header_bytes, "big") + _SMALL[length] + message).ljust(header_bytes + size, b"\0")


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
        self._prepared = b""

    @property
    def finished(self) -> bool:
        """True when the last packet has been taken."""
        return self._position >= len(self._stream)

    def next_packet(self) -> bytes:
        """The next packet; call while not `finished`."""
        if not self._prepared:
            self.prepare()
        taken, self._prepared = self._prepared, b""
        self._position += self._size
        return taken

    def prepare(self) -> None:
        """Makes the next packet, so that it is there at once when the device asks for it."""
        payload = self._stream[self._position : self._position + self._size]
        if len(payload) == self._size:
            self._prepared = self._full_header + payload
        elif payload:
            self._prepared = packet(payload, self._header_bytes, self._size)


class PacketReader:
    """Assembles device-to-host messages from a stream of bytes.

    Attributes:
        size: payload bytes of a packet; may be changed between messages.
    """

    def __init__(self, header_bytes: int, size: int = PACKET_SIZE) -> None:
        if header_bytes not in (1, 2):
            raise ValueError(f"a packet header has 1 or 2 bytes, not {header_bytes}")
        self._header_bytes = header_bytes
        self._end_mark = 0x80 << 8 * (header_bytes - 1)
        self._received = bytearray()
        self._looked_at = 0  # bytes at the front: full packets of the message that is arriving
        self.size = size

    @property
    def size(self) -> int:
        return self._size

    @size.setter
    def size(self, size: int) -> None:
        self._size = size
        self._step = self._header_bytes + size
        self._full = size.to_bytes(self._header_bytes, "big")

    def feed(self, data: bytes) -> None:
        """Stores received bytes."""
        self._received += data

    @property
    def held(self) -> int:
        """Bytes held, of packets and of a message that is not whole yet; without the headers of its full packets."""
        return len(self._received) - self._looked_at // self._step * self._header_bytes

    @property
    def unfinished(self) -> bool:
        """True when `next_message` has seen the begin of a message, and the last packet since does not end it."""
        start = self._looked_at
        if not start:
            return False
        packets = (len(self._received) - start) // self._step
        return not packets or self._received.startswith(self._full, start + (packets - 1) * self._step)

    def clear(self) -> None:
        """Forgets everything held."""
        self._received.clear()
        self._looked_at = 0

    def next_message(self, limit: int) -> bytes | Link:
        """The next whole message, a sync byte, or `Link.MORE`.

        Args:
            limit: bytes that a message may have.

        Raises:
            ProtocolError: a header that no device sends, or a message above the limit.
        """
        received = self._received
        while True:
            start = self._looked_at
            rest = len(received) - start
            if not rest:
                return _MORE
            mark = received[start]
            if mark == SYNC_BYTE:
                return self._take_sync_byte()
            if rest < self._step:
                return _MORE
            if mark & _END_OF_MESSAGE:
                return self._take_message(limit)
            self._skip_full_packets(rest // self._step, limit)

    def _take_sync_byte(self) -> Link:
        if self._looked_at:
            raise ProtocolError("a sync byte in the middle of a message", data=self._sample())
        del self._received[0]
        return Link.SYNC

    def _skip_full_packets(self, arrived: int, limit: int) -> None:
        """Looks at the headers of the next `arrived` packets, up to one that is not full."""
        received, step, full, start = self._received, self._step, self._full, self._looked_at
        if not received.startswith(full, start):
            raise self._no_header()
        packets = 1
        if arrived > _ONE_BY_ONE:
            # So many that the limit is noticed, and so few that looking ahead stays cheap when messages are short.
            packets = min(arrived, (limit - self._payload_bytes()) // self._size + 1, _LOOK_AHEAD)
            for i in range(self._header_bytes):  # a column of bytes at a time; the first that is not full ends the run
                column = received[start + i : start + packets * step : step]
                packets = len(column) - len(column.lstrip(full[i : i + 1]))
        self._looked_at = start + packets * step
        self._check(self._payload_bytes(), limit)

    def _take_message(self, limit: int) -> bytes:
        """The message whose last packet is the next one."""
        received, start = self._received, self._looked_at
        first = start + self._header_bytes
        count = int.from_bytes(received[start:first], "big") & ~self._end_mark
        if count > self._size:
            raise self._no_header()
        self._check(self._payload_bytes() + count, limit)
        self._looked_at = 0
        if start > _FEW * self._step:
            return self._take_many_packets(first + count, start + self._step)
        message = self._joined_packets(first + count)
        del received[: start + self._step]
        return message

    def _joined_packets(self, end: int) -> bytes:
        """The payload of the packets that lie before `end`."""
        received, step, size, first = self._received, self._step, self._size, self._header_bytes
        if end <= step:
            return bytes(received[first:end])
        if end <= 2 * step:
            return bytes(received[first:step] + received[step + first : end])
        view = memoryview(received)
        return b"".join([view[i : min(i + size, end)] for i in range(first, end, step)])

    def _take_many_packets(self, end: int, next_packet: int) -> bytes:
        """The same where they are many: in place, as every copy of a large tensor costs new pages of memory."""
        payload, self._received = self._received, self._received[next_packet:]
        del payload[end:]
        for width in range(self._step, self._size, -1):
            del payload[::width]
        return bytes(payload)

    def _payload_bytes(self) -> int:
        return self._looked_at // self._step * self._size

    def _check(self, size: int, limit: int) -> None:
        if size > limit:
            raise ProtocolError(
                f"a message of more than {limit} bytes",
                hint="a byte was lost, or the board sends tensors larger than the limit",
                data=self._sample(),
            )

    def _no_header(self) -> ProtocolError:
        header = self._received[self._looked_at : self._looked_at + self._header_bytes]
        return ProtocolError(
            f"no packet header: {header.hex()} with packets of {self._size} bytes",
            hint="another dialect, another baud rate, or a byte was lost",
            data=self._sample(),
        )

    def _sample(self) -> bytes:
        """What an error shows."""
        return bytes(self._received[self._looked_at : self._looked_at + 64])
