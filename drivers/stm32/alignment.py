"""Finding the start of a packet, and the width of its header, on a line whose state is not known.

The procedure, its bytes and its waits are those of `protocol.probing`; here they are said to a transport. It has been
tested by its authors against firmware of every dialect in 16 starting states; see `probing` for what it relies on.
"""

from __future__ import annotations

from dataclasses import dataclass

from ai_runner.deadline import Deadline
from ai_runner.drivers.stm32.evidence import Attempt
from ai_runner.drivers.stm32.protocol import SYNC_BYTE, SyncReply, UnsupportedDialectError
from ai_runner.drivers.stm32.protocol.packets import MAX_PACKET_SIZE, PACKET_SIZE
from ai_runner.drivers.stm32.protocol.probing import (
    ALIGN_WAITS,
    DRAIN_SILENCE,
    LARGE_CHUNK,
    LARGE_LIMIT,
    MAX_PROBE_REQID,
    MAX_ZEROS,
    PROBE_WAIT,
    FoundReply,
    filler_packet,
    find_sync_reply,
    first_probe,
    rest_of_probe,
    sync_packet,
    zeros,
)
from ai_runner.errors import LinkTimeoutError
from ai_runner.transport import Transport

_READY = bytes([SYNC_BYTE])
_READ_SIZE = 4096
_REPLY_BYTES = 34
_DRAIN_LIMIT = 0.25  # s: a board that prints all the time is never silent
_SETTLED = 0.1  # s of silence
_WRITE_WAIT = 2.0  # s
_LARGE_PACKET = MAX_PACKET_SIZE + 2
_COARSE, _MEDIUM = 256, 16  # zeros at a time
_SOON_LIMIT = 2 * _LARGE_PACKET + _COARSE  # the first packet may end in a message that is dropped silently
_MAX_SILENCE = 4  # pairs of packets without any answer
# Pairs of packets that fill up an abandoned message: few while the width of headers may still be a wrong guess, at last
# enough for the largest input tensor.
_PAIRS = 64
_LAST_PAIRS = 1 << 18


@dataclass(frozen=True)
class AlignedPort:
    """A board at rest: its next byte, and ours, is the first of a packet of 32 payload bytes.

    Attributes:
        header_bytes: of a packet.
        reply: what it said to the last SYNC.
        reqid: of that SYNC.
        baudrate: at which it answered; None where the line has none.
    """

    header_bytes: int
    reply: SyncReply
    reqid: int
    baudrate: int | None


class Aligner:
    """The procedure on one line at one baud rate.

    Every step returns None where it failed and may be followed by the next. All raise LinkTimeoutError when the
    deadline passes, LinkLostError, and UnsupportedDialectError when a board answers that cannot be talked to.

    Attributes:
        reqid: of the last request.
    """

    def __init__(self, transport: Transport, deadline: Deadline, seen: Attempt, reqid: int = 0) -> None:
        """`reqid`: the last one used on this line."""
        self._transport = transport
        self._deadline = deadline
        self._seen = seen
        self.reqid = reqid
        self._recent = b""
        self._found: FoundReply | None = None

    def drain(self) -> None:
        """Step 1: drops what is pending, a boot banner for instance, until the line is silent."""
        limit = self._transport.deadline(_DRAIN_LIMIT)
        while not limit.expired:
            data = self._transport.read(_READ_SIZE, self._bounded(DRAIN_SILENCE))
            if not data:
                return
            self._seen.greeted(data)

    def probe(self) -> AlignedPort | None:
        """Step 2, which an idle board of either header width answers and which harms none."""
        self._seen.steps.append("probe")
        self._next_reqid()
        heard = self._say(first_probe(self.reqid), PROBE_WAIT)
        if not self._answered() and heard.endswith(_READY):
            # Another request: a late answer to the first one would mean that these bytes are too many.
            self._next_reqid()
            self._say(rest_of_probe(self.reqid), PROBE_WAIT)
        return self._aligned()

    def resume(self, header_bytes: int, packet_size: int) -> AlignedPort | None:
        """Steps 5 and, where the packets are large, 6, for a board whose framing is known."""
        self._seen.steps.append("resume")
        wait = ALIGN_WAITS[0]
        if self._at_boundary(header_bytes + packet_size, wait):
            self._synchronise(header_bytes, packet_size, wait)
        elif packet_size > PACKET_SIZE and not self._answered():
            self._resume_large(wait)
        return self._aligned()

    def recover(self, thorough: bool) -> AlignedPort | None:
        """Steps 3 to 6, with longer waits each time that something has come back and made no sense.

        Args:
            thorough: look for large packets as far as there can be any, instead of reporting a silent board soon.
        """
        for wait in ALIGN_WAITS:
            before = self._seen.answered
            if self._round(wait, LARGE_LIMIT if thorough else _SOON_LIMIT):
                return self._aligned()
            if self._seen.answered == before:
                break
            self._settle()
        return None

    def _round(self, wait: float, large_limit: int) -> bool:
        self._seen.steps.append(f"zeros, {wait * 1000:.0f} ms each")
        aligned = self._zeros_until_ready(MAX_ZEROS, wait) > 0
        if self._answered():
            return self._confirm(wait)
        header_bytes = self._measure(wait) if aligned else 0
        if header_bytes:
            self._seen.steps.append(f"{header_bytes}-byte headers")
            return self._synchronise(header_bytes, PACKET_SIZE, wait)
        return self._resume_large(wait, large_limit)

    def _resume_large(self, wait: float, limit: int = LARGE_LIMIT) -> bool:
        self._seen.steps.append("large packets")
        size = self._measure_large(wait, limit)
        if self._answered():
            return self._confirm(wait)
        return size > 0 and self._synchronise(2, size, wait)

    def _at_boundary(self, packet_bytes: int, wait: float) -> bool:
        """Whether the next byte is the first of a packet: an empty one is answered after its last byte, not before.

        Of a misaligned board every packet asks for more, as one does that is filling up an abandoned message.
        """
        return not self._say(zeros(packet_bytes - 1), wait) and self._say(zeros(1), wait).endswith(_READY)

    def _settle(self) -> None:
        """Drops late answers, so that none is taken for the answer to what is said next."""
        limit = self._bounded(_DRAIN_LIMIT)
        while self._transport.read(_READ_SIZE, self._bounded(_SETTLED)) and not limit.expired:
            continue

    def _zeros_until_ready(self, limit: int, wait: float, step: int = 1) -> int:
        """Step 3: zeros, `step` at a time; how many it took to the start of a packet, 0 when it did not come."""
        for count in range(step, limit + 1, step):
            heard = self._say(zeros(step), wait)
            if self._answered() or heard.endswith(_READY):
                return count
        return 0

    def _measure(self, wait: float) -> int:
        """Step 4, from the start of a packet: the width of its header, 0 when it is not one of small packets."""
        if self._say(zeros(PACKET_SIZE + 1), wait).endswith(_READY):
            return 1
        return 2 if self._say(zeros(1), wait).endswith(_READY) else 0

    def _measure_large(self, wait: float, limit: int) -> int:
        """Step 6: leads to the start of a packet; its payload bytes, 0 when there is none."""
        if not self._zeros_until_ready(limit, wait, _COARSE) or self._answered():
            return 0
        # Nearly always packets are as large as they can be. The next boundary is then at most a coarse step after
        # these zeros, the one after it at most a medium step after the zeros in between.
        for step, finer in ((_COARSE, _MEDIUM), (_MEDIUM, 1)):
            if self._say(zeros(_LARGE_PACKET - step), wait):
                return 0 if self._answered() else self._measure_smaller(wait)
            if not self._zeros_until_ready(step + finer, wait, finer) or self._answered():
                return 0
        return MAX_PACKET_SIZE

    def _measure_smaller(self, wait: float) -> int:
        """The same for packets of an unusual size."""
        limit = _LARGE_PACKET + LARGE_CHUNK
        if not self._zeros_until_ready(limit, wait, LARGE_CHUNK) or self._answered():
            return 0
        spacing = self._zeros_until_ready(limit, wait, LARGE_CHUNK)
        if not spacing or self._answered():
            return 0
        # A boundary every `spacing` bytes, known to a chunk: find the next to a byte, then the one after it.
        self._say(zeros(max(spacing - 2 * LARGE_CHUNK, 0)), wait)
        if not self._zeros_until_ready(3 * LARGE_CHUNK, wait) or self._answered():
            return 0
        ahead = max(spacing - LARGE_CHUNK, 0)
        self._say(zeros(ahead), wait)
        rest = self._zeros_until_ready(2 * LARGE_CHUNK, wait)
        return ahead + rest - 2 if rest and not self._answered() else 0

    def _synchronise(self, header_bytes: int, size: int, wait: float) -> bool:
        """Step 5: gets a board at the start of a packet out of whatever it is doing."""
        self._next_reqid()
        request = sync_packet(self.reqid, header_bytes, size)
        if not self._say(request, PROBE_WAIT):
            return False
        if self._answered():
            return True
        self._seen.steps.append("filling up an abandoned message")
        filler = filler_packet(header_bytes, size)
        silence = 0
        for _ in range(_LAST_PAIRS if wait >= ALIGN_WAITS[-1] else _PAIRS):
            heard = self._say(filler, wait)
            if not self._answered():
                heard += self._say(request, PROBE_WAIT if silence else wait)
            if self._answered():
                return self._confirm(wait)
            silence = 0 if heard else silence + 1
            if silence == _MAX_SILENCE:
                return False
        return False

    def _confirm(self, wait: float) -> bool:
        """One clean SYNC: nothing of the former conversation is left."""
        header_bytes = self._found.header_bytes if self._found is not None else 0
        self._listen(wait)
        self._next_reqid()
        self._say(sync_packet(self.reqid, header_bytes), PROBE_WAIT)
        return self._answered()

    def _answered(self) -> bool:
        return self._found is not None

    def _aligned(self) -> AlignedPort | None:
        if self._found is None:
            return None
        self._seen.reply, self._seen.header_bytes = self._found.reply, self._found.header_bytes
        return AlignedPort(self._found.header_bytes, self._found.reply, self.reqid, self._seen.baudrate)

    def _next_reqid(self) -> None:
        self._found = None
        self._recent = b""
        self.reqid = self.reqid % MAX_PROBE_REQID + 1

    def _say(self, data: bytes, wait: float) -> bytes:
        """Writes, and listens for `wait` seconds after the last bit has gone out."""
        if self._deadline.expired:
            raise LinkTimeoutError("no aiValidation firmware has answered within the deadline", retryable=True)
        self._transport.write(data, self._bounded(_WRITE_WAIT))
        return self._listen(wait, len(data) + _REPLY_BYTES)

    def _listen(self, wait: float, wire_bytes: int = 0) -> bytes:
        """What comes, until it is a sync byte alone, holds the reply to our SYNC, or time is over."""
        rate = self._seen.baudrate
        until = self._bounded(wait + (10 * wire_bytes / rate if rate else 0.0))
        heard = b""
        while heard != _READY:
            data = self._transport.read(_READ_SIZE, until)
            if not data:
                break
            heard += data
            self._seen.heard(data)
            self._recent = (self._recent + data)[-2 * _READ_SIZE :]
            self._found = self._reply()
            if self._found is not None:
                break
        return heard

    def _reply(self) -> FoundReply | None:
        try:
            return find_sync_reply(self._recent, self.reqid)
        except UnsupportedDialectError as error:
            self._seen.refusal = error.message
            raise

    def _bounded(self, seconds: float) -> Deadline:
        remaining = self._deadline.remaining()
        return self._transport.deadline(seconds if remaining is None else min(seconds, remaining))
