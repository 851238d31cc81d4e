"""What is put on a line whose dialect and alignment are not known, and what the answers mean.

Only bytes and rules are here; who writes, waits and reads is the driver. The procedure, whose waits are the constants
below (seconds)::

    1. read and drop until DRAIN_SILENCE
    2. write first_probe(reqid); a 2-byte firmware answers it (find_sync_reply), a 1-byte firmware says SYNC_BYTE:
       then write rest_of_probe(reqid), which it answers. Neither within PROBE_WAIT: the board is misaligned
    3. write zeros(1) up to MAX_ZEROS times, reading for ALIGN_WAITS[0] after each (ALIGN_WAITS[1], [2] when the result
       makes no sense). SYNC_BYTE marks the start of a packet; a sync reply may come instead
    4. write zeros(33), SYNC_BYTE: 1-byte headers; else zeros(1) more, SYNC_BYTE: 2-byte headers
    5. write sync_packet(...). SYNC_BYTE in return: a message was half received; alternate filler_packet(...), at most
       largest input tensor / 32 of them, with sync_packet(...) until a sync reply comes, dropping everything else
    6. no answer to MAX_ZEROS zeros: large packets. zeros(LARGE_CHUNK) up to LARGE_LIMIT bytes until anything comes,
       then 3 near the next boundary, 4096 bytes on, and 5 with packets of 4094 bytes
    7. Connection(header_bytes, ...), which begins with a Sync of its own

The first probe never shows an idle firmware a header above 32, beyond which it would read past its buffer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ai_runner.drivers.stm32.protocol.codec_v3 import CodecV3
from ai_runner.drivers.stm32.protocol.codes import CommandCode
from ai_runner.drivers.stm32.protocol.commands import Request
from ai_runner.drivers.stm32.protocol.dialect import V3_1_1B, V3_1_2B
from ai_runner.drivers.stm32.protocol.errors import ProtocolError, UnsupportedDialectError
from ai_runner.drivers.stm32.protocol.events import SyncReply
from ai_runner.drivers.stm32.protocol.packets import PACKET_SIZE, packet, varint

DRAIN_SILENCE = 0.030
PROBE_WAIT = 0.250
ALIGN_WAITS = (0.020, 0.040, 0.060)
MAX_ZEROS = 80
LARGE_CHUNK = 64
LARGE_LIMIT = 16384
# Above, a sync request no longer has the 11 bytes that the first probe is made of.
MAX_PROBE_REQID = 127


@dataclass(frozen=True)
class FoundReply:
    """A sync reply in what was read.

    Attributes:
        header_bytes: of the packet it came in.
        reply: what the device says of itself.
        end: offset of the first byte after its packet.
    """

    header_bytes: int
    reply: SyncReply
    end: int


def sync_message(reqid: int) -> bytes:
    """A SYNC request with its length in front, as it stands in a packet."""
    # Requests are the same in both families.
    message = CodecV3(V3_1_2B).request(reqid, Request(CommandCode.SYNC))
    return varint(len(message)) + message


def first_probe(reqid: int) -> bytes:
    """34 bytes: a SYNC for 2-byte headers whose last padding byte is the header of a SYNC for 1-byte headers.

    Raises:
        ValueError: `reqid` is not in 0..MAX_PROBE_REQID.
    """
    if not 0 <= reqid <= MAX_PROBE_REQID:
        raise ValueError(f"request {reqid} makes no probe")
    message = sync_message(reqid)
    return packet(message, 2, PACKET_SIZE - 1) + bytes([len(message)])


def rest_of_probe(reqid: int) -> bytes:
    """32 bytes: what a 1-byte firmware that said SYNC_BYTE to the first probe still waits for."""
    return sync_message(reqid).ljust(PACKET_SIZE, b"\0")


def sync_packet(reqid: int, header_bytes: int, size: int = PACKET_SIZE) -> bytes:
    """A whole packet with a SYNC request."""
    return packet(sync_message(reqid), header_bytes, size)


def filler_packet(header_bytes: int, size: int = PACKET_SIZE) -> bytes:
    """A full packet of zeros: progress for a half-received message, and an empty message for an idle firmware."""
    return packet(bytes(size), header_bytes, size)


def zeros(count: int) -> bytes:
    """`count` zeros: empty packets, to which a firmware that waits for a packet says SYNC_BYTE."""
    return bytes(count)


def find_sync_reply(data: bytes, reqid: int) -> FoundReply | None:
    """The last reply to SYNC number `reqid` in everything that was read, whatever stands around it; None without one.

    A reply always travels in a packet of 32 payload bytes, and in one: its numbers, three of them 32 bits wide, take no
    more than 24. `reqid` is in 1..MAX_PROBE_REQID.

    Raises:
        UnsupportedDialectError: there is one, of a protocol that this library does not speak.
    """
    start = b"\x08" + bytes([reqid])
    position = data.rfind(start)
    while position >= 0:
        for header_bytes, count in _final_headers(data, position):
            found = _reply_in(data, position, header_bytes, count, reqid)
            if found is not None:
                return found
        position = data.rfind(start, 0, position)
    return None


def _final_headers(data: bytes, position: int) -> Iterator[tuple[int, int]]:
    """Widths and counts of the headers of a last packet that may end before `position`."""
    if position >= 2 and data[position - 2] == 0x80 and data[position - 1] <= PACKET_SIZE:
        yield 2, data[position - 1]
    if position >= 1 and 0x80 <= data[position - 1] <= 0x80 + PACKET_SIZE:
        yield 1, data[position - 1] & 0x7F


def _reply_in(data: bytes, position: int, header_bytes: int, count: int, reqid: int) -> FoundReply | None:
    end = position + PACKET_SIZE
    if end > len(data):
        return None
    codec = CodecV3(V3_1_1B if header_bytes == 1 else V3_1_2B)
    try:
        answer = codec.decode(data[position : position + count], PACKET_SIZE)
    except UnsupportedDialectError:
        raise
    except ProtocolError:
        return None
    event = answer.steps[0][1]
    return FoundReply(header_bytes, event, end) if isinstance(event, SyncReply) and answer.reqid == reqid else None
