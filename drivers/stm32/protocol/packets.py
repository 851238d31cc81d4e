"""Packets: messages in fixed-size pieces, both ways.

Host to device, a message is ``varint(length) + bytes`` in packets of `size` payload bytes; after each but the last the
device asks for the next with one sync byte. Device to host there is no length and no handshake: the packet that ends
the message says so in its header, and is empty where the message fills its packets exactly. A packet is always sent
whole; what follows its `count` payload bytes is padding, from the device stale memory.
"""

from __future__ import annotations

from enum import Enum

from ai_runner.drivers.stm32.protocol.errors import ProtocolError
from ai_runner.drivers.stm32.protocol.events import Elements

SYNC_BYTE = 0xAA
PACKET_SIZE = 32
MAX_PACKET_SIZE = 4094
_END_OF_MESSAGE = 0x80  # in the first byte of a header
_LOOK_AHEAD = 2048
_SMALL = tuple(bytes((value,)) for value in range(0x80))
_ONE_BY_ONE = 4
_LARGE = 256  # payload bytes of packets that are joined faster one by one than by removing the headers between them
_ROOM = 1 << 13  # bytes for what is received, at first
_KEPT_ROOM = 1 << 22  # bytes: more is given back after a message

Message = bytes | bytearray


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


def lone_packet(message: bytes, header_bytes: int, size: int, elements: Elements = b"") -> bytes:
    """The only packet of a short host-to-device message, which `elements` end; b"" for one that is not short enough."""
    length = len(message) + len(elements)
    if length >= size or length >= 0x80:
        return b""
    header = (length + 1).to_bytes(header_bytes, "big")
    return b"".join((header, _SMALL[length], message, elements)).ljust(header_bytes + size, b"\0")


def packet(payload: bytes, header_bytes: int, size: int) -> bytes:
    """One host-to-device packet: header, payload of at most `size` bytes, padding."""
    return len(payload).to_bytes(header_bytes, "big") + payload.ljust(size, b"\0")


class MessageWriter:
    """Cuts one host-to-device message into packets of `size` payload bytes.

    `elements` end the message; they are not copied before they are packed, and have to stay as they are until then.
    """

    def __init__(self, message: bytes, header_bytes: int, size: int, elements: Elements = b"") -> None:
        self._head = varint(len(message) + len(elements)) + message
        self._elements = elements
        self._length = len(self._head) + len(elements)
        self._position = 0
        self._header_bytes = header_bytes
        self._size = size
        self._full_header = size.to_bytes(header_bytes, "big")
        self._prepared = b""

    @property
    def finished(self) -> bool:
        """True when the last packet has been taken."""
        return self._position >= self._length

    def next_packet(self) -> bytes:
        """The next packet; call while not `finished`."""
        if not self._prepared:
            self.prepare()
        taken, self._prepared = self._prepared, b""
        self._position += self._size
        return taken

    def prepare(self) -> None:
        """Makes the next packet, so that it is there at once when the device asks for it."""
        start, end = self._position, self._position + self._size
        begin = len(self._head)
        if start >= begin and end <= self._length:
            self._prepared = b"".join((self._full_header, self._elements[start - begin : end - begin]))
        elif start < self._length:
            payload = b"".join((self._head[start:end], self._elements[max(start - begin, 0) : max(end - begin, 0)]))
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
        # Kept and reused: room that grows and is given back with every large tensor costs more than all the rest.
        self._received = bytearray(_ROOM)
        self._begin = 0  # of what is held
        self._looked_at = 0  # up to here: full packets of the message that is arriving
        self._end = 0
        self.size = size

    @property
    def size(self) -> int:
        return self._size

    @size.setter
    def size(self, size: int) -> None:
        self._size = size
        self._step = self._header_bytes + size
        self._full = size.to_bytes(self._header_bytes, "big")

    def feed(self, data: bytes) -> bool:
        """Stores received bytes.

        Returns:
            True when `next_message` has seen the begin of a message, and the last packet since does not end it.
        """
        begin = self._end
        end = begin + len(data)
        if end > len(self._received):
            self._make_room(len(data))
            begin, end = self._end, self._end + len(data)
        self._received[begin:end] = data
        self._end = end
        start = self._looked_at
        if start == self._begin:
            return False
        packets = (end - start) // self._step
        return not packets or self._received.startswith(self._full, start + (packets - 1) * self._step)

    @property
    def held(self) -> int:
        """Bytes held, of packets and of a message that is not whole yet; without the headers of its full packets."""
        return self._end - self._begin - (self._looked_at - self._begin) // self._step * self._header_bytes

    def clear(self) -> None:
        """Forgets everything held."""
        self._received = bytearray(_ROOM)
        self._begin = self._looked_at = self._end = 0

    def next_message(self, limit: int) -> Message | Link:
        """The next whole message, a sync byte, or `Link.MORE`.

        Args:
            limit: bytes that a message may have.

        Raises:
            ProtocolError: a header that no device sends, or a message above the limit.
        """
        received = self._received
        while True:
            start = self._looked_at
            rest = self._end - start
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
        if self._looked_at > self._begin:
            raise ProtocolError("a sync byte in the middle of a message", data=self._sample())
        self._forget(self._begin + 1)
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

    def _take_message(self, limit: int) -> Message:
        """The message whose last packet is the next one."""
        received, start = self._received, self._looked_at
        first = start + self._header_bytes
        count = int.from_bytes(received[start:first], "big") & ~self._end_mark
        if count > self._size:
            raise self._no_header()
        self._check(self._payload_bytes() + count, limit)
        message = self._joined_packets(first + count)
        self._forget(start + self._step)
        return message

    def _joined_packets(self, end: int) -> Message:
        """The payload of the packets that lie before `end`."""
        received, begin, step, header = self._received, self._begin, self._step, self._header_bytes
        length = end - begin
        if length <= step:
            return bytes(received[begin + header : end])
        if length <= 2 * step:
            return bytes(received[begin + header : begin + step] + received[begin + step + header : end])
        if self._size >= _LARGE:
            with memoryview(received) as view:
                starts = range(begin + header, end, step)
                return bytearray().join([view[start : min(start + self._size, end)] for start in starts])
        payload = received[begin:end]
        for width in range(step, self._size, -1):
            del payload[::width]
        return payload

    def _forget(self, end: int) -> None:
        """Drops what lies before `end`."""
        if end < self._end:
            self._begin = self._looked_at = end
            return
        self._begin = self._looked_at = self._end = 0
        if len(self._received) > _KEPT_ROOM:
            self._received = bytearray(_ROOM)

    def _make_room(self, size: int) -> None:
        """Lets `size` bytes fit behind what is held."""
        del self._received[self._end :]
        del self._received[: self._begin]
        self._looked_at -= self._begin
        self._end -= self._begin
        self._begin = 0
        self._received += bytes(self._end + size)

    def _payload_bytes(self) -> int:
        return (self._looked_at - self._begin) // self._step * self._size

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
        return bytes(self._received[self._looked_at : min(self._end, self._looked_at + 64)])
