"""A recorded board: it says to a host that asks the same what the board said then.

What it hears is decoded first. Request numbers, padding, probing and how messages are cut into packets and writes do
not count; a command, a parameter or an element of a tensor does. The board itself answers SYNC, from any state and in
any way of probing, as firmware does. Commands that only ask for a description are answered whenever they come, all
others in the order of the recording. What a faulty line garbled is left out: there the board is silent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ai_runner.drivers.stm32.host_messages import HostDecoder, HostMessage, HostPackets
from ai_runner.drivers.stm32.protocol import SYNC_BYTE, ProtocolError, SyncReply, SystemInfo
from ai_runner.drivers.stm32.protocol.codec import Answer, Codec
from ai_runner.drivers.stm32.protocol.codec_v2 import CodecV2
from ai_runner.drivers.stm32.protocol.codec_v3 import CodecV3
from ai_runner.drivers.stm32.protocol.codes import CommandCode
from ai_runner.drivers.stm32.protocol.packets import PACKET_SIZE, Link, PacketReader, varint
from ai_runner.drivers.stm32.protocol.probing import MAX_PROBE_REQID, FoundReply, find_sync_reply
from ai_runner.drivers.stm32.protocol.transitions import Heard
from ai_runner.errors import InvalidMsgError
from ai_runner.transport.cassette import Piece
from ai_runner.transport.player import RecordedPeer, ReplayMismatchError

_DESCRIBING = frozenset({CommandCode.SYS_INFO, CommandCode.NETWORK_INFO})
_MAX_MESSAGE = 1 << 26
_MAX_CONTROL = 1 << 18
_RECENT_BYTES = 8192
_MAX_SEARCHES = 10_000


@dataclass(frozen=True, slots=True)
class Said:
    """A message of the board: s after the message of the host that it answers, the bytes, and the payload bytes of
    packets from then on, None where that does not change."""

    delay: float
    message: bytes
    packet_size: int | None = None


@dataclass(slots=True)
class Step:
    """A message of the host and what the board said to it."""

    heard: HostMessage
    answers: list[Said] = field(default_factory=list)


@dataclass(slots=True)
class Exchange:
    """A command: the request, then the data and acks that belong to it; `cut` where the line was lost within a message
    of the host."""

    steps: list[Step]
    cut: bool = False


class Conversation:
    """What was said on a recorded line.

    Attributes:
        header_bytes: of packets; 0 where no board answered.
        sync_reply: the message that answered a SYNC last.
        family: of messages.
        exchanges: in order.
    """

    def __init__(self, pieces: Iterable[Piece]) -> None:
        self.header_bytes = 0
        self.sync_reply = b""
        self.family = ""
        self.exchanges: list[Exchange] = []
        self._reader: PacketReader | None = None
        self._recent = b""
        self._searches = 0
        self._asked_at = 0.0
        self._open: Exchange | None = None
        self._reqid = 0
        for piece in pieces:
            if piece.begins:
                self._cut()
            if piece.written:
                self._host(piece)
            else:
                self._board(piece)
        self._cut()

    def _cut(self) -> None:
        """The line ends here."""
        if self._open is not None:
            self._open.cut = self._packets.partial
        self._reader, self._recent, self._open = None, b"", None

    def _host(self, piece: Piece) -> None:
        if self._reader is None:
            return
        self._asked_at = piece.time
        for message in self._packets.feed(piece.data):
            if not message:
                continue
            heard = self._decoder.decode(message)
            if heard.kind == "request":
                self._request(heard)
            elif self._open is not None and heard.kind != "noise":
                self._open.steps.append(Step(heard))

    def _request(self, heard: HostMessage) -> None:
        self._reqid = heard.reqid
        if heard.fields["cmd"] in (CommandCode.SYNC, CommandCode.DISCONNECT):
            self._open = None
            self._set_packet_size(PACKET_SIZE)
        else:
            self._open = Exchange([Step(heard)])
            self.exchanges.append(self._open)

    def _board(self, piece: Piece) -> None:
        if self._reader is not None:
            self._listen(self._reader, piece.data, piece.time)
            return
        self._recent = (self._recent + piece.data)[-_RECENT_BYTES - len(piece.data) :]
        found = self._search()
        if found is not None:
            self._reader = self._align(found)
            self._listen(self._reader, self._recent[found.end :], piece.time)

    def _listen(self, reader: PacketReader, data: bytes, time: float) -> None:
        reader.feed(data)
        try:
            while (message := reader.next_message(_MAX_MESSAGE)) is not Link.MORE:
                if not isinstance(message, Link):
                    self._answer(bytes(message), time)
        except ProtocolError:
            self._reader, self._recent, self._open = None, b"", None

    def _search(self) -> FoundReply | None:
        self._searches += 1
        if self._searches > _MAX_SEARCHES:
            raise InvalidMsgError(f"no board has answered within {_MAX_SEARCHES} reads of this recording")
        found = []
        for reqid in range(1, MAX_PROBE_REQID + 1):
            try:
                reply = find_sync_reply(self._recent, reqid)
            except ProtocolError:
                continue
            if reply is not None:
                found.append(reply)
        return max(found, key=lambda reply: reply.end, default=None)

    def _align(self, found: FoundReply) -> PacketReader:
        """From a reply to SYNC on, both sides are at the first byte of a packet."""
        begin = found.end - PACKET_SIZE
        self.sync_reply = self._recent[begin : begin + (self._recent[begin - 1] & 0x7F)]
        self.header_bytes = found.header_bytes
        dialect = found.reply.dialect
        self.family = dialect.family
        self._codec: Codec = (CodecV2 if self.family == "v2" else CodecV3)(dialect)
        self._decoder = HostDecoder(self.family)
        self._packets = HostPackets(self.header_bytes)
        self._open, self._reqid = None, 0
        return PacketReader(self.header_bytes)

    def _answer(self, message: bytes, time: float) -> None:
        answer = self._decoded(message)
        events = [event for _, event in answer.steps] if answer is not None else []
        if any(isinstance(event, SyncReply) for event in events):
            self.sync_reply = message
            self._packets.clear()
            self._set_packet_size(PACKET_SIZE)
            return
        if self._open is None or (answer is not None and not self._is_ours(answer)):
            return
        size = next((event.packet_size for event in events if isinstance(event, SystemInfo)), None)
        self._open.steps[-1].answers.append(Said(max(time - self._asked_at, 0.0), message, size))
        if size is not None:
            self._set_packet_size(size)
        if answer is not None and answer.steps[0][0] is Heard.ACK_ERROR:
            self._packets.drop_message()

    def _decoded(self, message: bytes) -> Answer | None:
        try:
            return self._codec.decode(message, _MAX_CONTROL)
        except ProtocolError:
            return None  # it is played all the same: what to think of it is the connection's business

    def _is_ours(self, answer: Answer) -> bool:
        return answer.reqid == self._reqid or answer.steps[0][0] in (Heard.LOG, Heard.LAST_LOG)

    def _set_packet_size(self, size: int) -> None:
        self._packets.size = size
        if self._reader is not None:
            self._reader.size = size


class RecordedBoard(RecordedPeer):
    """Answers as the recorded board did.

    Raises:
        InvalidMsgError: no aiValidation firmware answered when it was recorded.
    """

    def __init__(self, pieces: Sequence[Piece]) -> None:
        told = Conversation(pieces)
        if not told.header_bytes:
            raise InvalidMsgError(
                "no aiValidation firmware answers in this recording", hint="record a session that connects"
            )
        self._header_bytes = told.header_bytes
        self._sync_reply = told.sync_reply
        self._packets = HostPackets(told.header_bytes)
        self._decoder = HostDecoder(told.family)
        self._exchanges = told.exchanges
        self._next = 0
        self._count = 0
        self._command = ""
        self._steps: deque[Step] = deque()
        self._is_cut = False
        self._reqid = 0
        self._probing = True

    @property
    def finished(self) -> bool:
        return self._next == len(self._exchanges) and not self._steps and not self._probing

    def answer(self, data: bytes) -> Iterator[tuple[float, bytes]]:
        for message in self._packets.feed(data):
            if message is None:
                yield 0.0, bytes([SYNC_BYTE])
            elif message:
                yield from self._reply(self._decoder.decode(message))

    def _reply(self, heard: HostMessage) -> Iterator[tuple[float, bytes]]:
        if heard.kind == "request":
            return self._reply_to_request(heard)
        if self._probing:
            return iter(())
        if not self._steps and self._is_cut:
            return iter(())
        if not self._steps:
            raise ReplayMismatchError(f"{self._place()}: {heard} comes, recorded was nothing more of it")
        self._compare(heard, self._steps[0].heard)
        return self._say(self._steps.popleft().answers)

    def _reply_to_request(self, heard: HostMessage) -> Iterator[tuple[float, bytes]]:
        self._reqid = heard.reqid
        if heard.fields["cmd"] in (CommandCode.SYNC, CommandCode.DISCONNECT):
            self._probing = True
            self._steps.clear()
            self._packets.size = PACKET_SIZE
            is_sync = heard.fields["cmd"] == CommandCode.SYNC
            return self._say([Said(0.0, self._sync_reply)] if is_sync else [])
        self._probing, self._command = False, str(heard)
        if self._steps:
            raise ReplayMismatchError(f"{self._place()}: {heard} comes, recorded was {self._steps[0].heard}")
        exchange = self._exchange(heard)
        first, *later = exchange.steps
        self._steps, self._is_cut = deque(later), exchange.cut
        return self._say(first.answers)

    def _exchange(self, heard: HostMessage) -> Exchange:
        if _describes(heard):
            return self._description(heard)
        self._count += 1
        for place, exchange in enumerate(self._exchanges[self._next :], self._next + 1):
            if not _describes(exchange.steps[0].heard):
                self._compare(heard, exchange.steps[0].heard)
                self._next = place
                return exchange
        raise ReplayMismatchError(f"{self._place()}: {heard} comes, and the recording has ended before")

    def _description(self, heard: HostMessage) -> Exchange:
        """The one that comes next, which may have been left unanswered; else any that was answered."""
        for place, exchange in enumerate(self._exchanges[self._next :], self._next + 1):
            recorded = exchange.steps[0].heard
            if not _describes(recorded):
                break
            if not heard.difference(recorded):
                self._next = place
                return exchange
        equal = [exchange for exchange in self._exchanges if not heard.difference(exchange.steps[0].heard)]
        if not equal:
            raise ReplayMismatchError(f"{heard} was not asked")
        return next((exchange for exchange in equal if exchange.steps[0].answers), equal[0])

    def _compare(self, heard: HostMessage, recorded: HostMessage) -> None:
        difference = heard.difference(recorded)
        if difference:
            raise ReplayMismatchError(f"{self._place()}: {difference}")

    def _place(self) -> str:
        return f"command {self._count} ({self._command})"

    def _say(self, answers: Iterable[Said]) -> Iterator[tuple[float, bytes]]:
        for said in answers:
            yield said.delay, _packets(_numbered(said.message, self._reqid), self._header_bytes, self._packets.size)
            if said.packet_size is not None:
                self._packets.size = said.packet_size


def _describes(heard: HostMessage) -> bool:
    return heard.fields["cmd"] in _DESCRIBING


def _numbered(message: bytes, reqid: int) -> bytes:
    """`message` as an answer to another request; the number is its first field, and the rest stays as it was sent."""
    if message[:1] != b"\x08":
        return message
    end = next((i for i, byte in enumerate(message[1:11], 2) if byte < 0x80), 1)
    return b"\x08" + varint(reqid) + message[end:]


def _packets(message: bytes, header_bytes: int, size: int) -> bytes:
    """A message of the board in packets; the last one says that it is, and may be empty."""
    end_mark = 0x80 << 8 * (header_bytes - 1)
    whole, rest = divmod(len(message), size)
    full = size.to_bytes(header_bytes, "big")
    said = b"".join(full + message[i * size : (i + 1) * size] for i in range(whole))
    return said + (end_mark | rest).to_bytes(header_bytes, "big") + message[whole * size :].ljust(size, b"\0")
