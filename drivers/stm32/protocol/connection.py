"""The conversation with one device: commands in, bytes out; bytes in, events out. See the package for its use."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Literal

from ai_runner.drivers.stm32.protocol import commands
from ai_runner.drivers.stm32.protocol.codec import Answer, Codec
from ai_runner.drivers.stm32.protocol.codec_v2 import CodecV2
from ai_runner.drivers.stm32.protocol.codec_v3 import CodecV3
from ai_runner.drivers.stm32.protocol.dialect import V3_1_1B, V3_1_2B, Dialect
from ai_runner.drivers.stm32.protocol.errors import ProtocolError
from ai_runner.drivers.stm32.protocol.events import (
    Acknowledged,
    Elements,
    Event,
    InputsTaken,
    InputWanted,
    MemoryData,
    StaleAnswer,
    SyncReply,
    SystemInfo,
)
from ai_runner.drivers.stm32.protocol.memory import Reading, Writing
from ai_runner.drivers.stm32.protocol.packets import (
    PACKET_SIZE,
    SYNC_BYTE,
    Link,
    Message,
    MessageWriter,
    PacketReader,
    lone_packet,
)
from ai_runner.drivers.stm32.protocol.transitions import HEARING, SAYING, Heard, State
from ai_runner.errors import InvalidParamError

# A request with a number above takes one byte more, and a SYNC has to fit the shortest probe.
_MAX_REQID = 127
_SYNC = bytes((SYNC_BYTE,))
# Found once: looking a member of an enumeration up is slow in Python 3.11.
_MORE = Link.MORE
_LOG, _LAST_LOG, _ACK_ERROR = Heard.LOG, Heard.LAST_LOG, Heard.ACK_ERROR
_CARRIES_TENSORS = frozenset({State.RUNNING, State.NODE_OPEN, State.OUTPUTS, State.READING, State.TESTING})
# What a v2 message tells besides its tensor, and an earlier message of the node or run has told before.
_REPEATED = frozenset({(State.NODE_OPEN, Heard.NODE), (State.OUTPUTS, Heard.REPORT)})
_FAILED = State.FAILED
_AT_REST = frozenset({State.UNSYNCED, State.READY, State.FAILED})


class _NeedData(Enum):
    NEED_DATA = "NEED_DATA"

    def __repr__(self) -> str:
        return "NEED_DATA"


NEED_DATA: Final = _NeedData.NEED_DATA


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a device can make a host hold.

    Attributes:
        control_bytes: of a message, elements of tensors not counted.
        message_bytes: of a message with elements.
        command_messages, command_bytes: that a command may be answered with.
    """

    control_bytes: int = 1 << 18
    message_bytes: int = 1 << 26
    command_messages: int = 1 << 17
    command_bytes: int = 1 << 30


class Connection:
    """A device on a line that is synchronised: its next byte is the first of a packet.

    Attributes:
        state: whose turn it is.
        dialect: None until the first SyncReply.
        packet_size: payload bytes of a packet.
        reqid: of the last request.
    """

    def __init__(
        self, header_bytes: int, *, packet_size: int = PACKET_SIZE, reqid: int = 0, limits: Limits | None = None
    ) -> None:
        """`header_bytes`, `packet_size`: as probing found them. `reqid`: the last one used on this line."""
        self.state = State.UNSYNCED
        self.dialect: Dialect | None = None
        self.packet_size = packet_size
        self.reqid = reqid
        self._limits = limits or Limits()
        self._header_bytes = header_bytes
        self._reader = PacketReader(header_bytes, packet_size)
        # Both families say SYNC alike, so that either codec can ask for the dialect.
        self._codec: Codec = CodecV3(V3_1_1B if header_bytes == 1 else V3_1_2B)
        self._events: deque[Event] = deque()
        self._writers: deque[MessageWriter] = deque()
        self._outbox = bytearray()
        self._failure: ProtocolError | None = None
        self._messages = 0
        self._bytes = 0
        self._inputs = 0
        self._input = commands.SendTensor(b"")
        self._reading = Reading(0, 0)
        self._writing = Writing(0, b"")

    @property
    def busy(self) -> bool:
        """True while a command is not over or an event of it has not been taken."""
        return bool(self._events) or self.state not in _AT_REST

    @property
    def sending(self) -> bool:
        """True while packets of a message are left, each of which the device has to ask for with a sync byte."""
        return bool(self._writers)

    @property
    def held(self) -> int:
        """Bytes received of a message that is not whole yet."""
        return self._reader.held

    def send(self, command: commands.Command) -> bytes:
        """Says `command`.

        Returns:
            The bytes to write, those of `data_to_send` included. A message of several packets goes on with
            `data_to_send`, whenever the device has asked for a packet.

        Raises:
            InvalidParamError: the command is not possible in this state or dialect; nothing has changed.
        """
        after = SAYING[self.state].get(type(command))
        if after is None:
            raise InvalidParamError(f"{type(command).__name__} cannot be sent: {self.state.value}")
        elements: Elements = b""
        if isinstance(command, commands.SendTensor):
            message, elements = self._codec.tensor_message(command), command.data
            self._input = command
        elif isinstance(command, commands.Acknowledge):
            message = self._codec.acknowledgement(command.param, command.error)
        else:
            message = self._start(command)
        self.state = after
        self._queue(message, elements)
        if isinstance(command, commands.Sync | commands.Disconnect):
            self._set_packet_size(PACKET_SIZE)
        return self.data_to_send()

    def receive_data(self, data: bytes) -> bool:
        """Stores what was read; `next_event` looks at it.

        Returns:
            True in the middle of a message of several packets: `next_event` would want more data.
        """
        return self.state is not _FAILED and self._reader.feed(data)

    def requested_packet(self, data: bytes) -> bytes:
        """The bytes to write when `data`, all that was read, is one sync byte that asks for the next packet.

        The short way through `receive_data`, `next_event` and `data_to_send` for long messages; b"" where `data` is
        anything else, and still to be received.
        """
        if data != _SYNC or not self._writers or self._reader.held or self._events:
            return b""
        writer = self._writers[0]
        if len(self._writers) == 1 and not self._outbox:
            packet = writer.next_packet()
            if writer.finished:
                self._writers.clear()
            return packet
        self._write_packets()
        return self.data_to_send()

    def prepare_packet(self) -> None:
        """Makes the packet that the device will ask for next; a good time is while it takes the one before."""
        if self._writers:
            self._writers[0].prepare()

    def data_to_send(self) -> bytes:
        """Bytes that the conversation itself wants written: further packets of a message, acks. May be empty."""
        if not self._outbox:
            return b""
        data = bytes(self._outbox)
        self._outbox.clear()
        return data

    def next_event(self) -> Event | Literal[_NeedData.NEED_DATA]:
        """The next thing the device has told, or NEED_DATA.

        Raises:
            ProtocolError: what came is not allowed here. The connection has failed and stays so: synchronise the line
                again and make a new one. No other exception is raised for whatever a device sends.
        """
        while not self._events:
            if self._failure is not None:
                raise ProtocolError(f"failed before: {self._failure.message}", hint=self._failure.hint)
            try:
                received = self._reader.next_message(self._message_limit())
                if received is _MORE:
                    return NEED_DATA
                if isinstance(received, Link):
                    self._continue_message()
                else:
                    self._hear(received)
            except ProtocolError as error:
                self._fail(error)
                raise
        return self._events.popleft()

    def _start(self, command: commands.Command) -> bytes:
        reqid = self.reqid % _MAX_REQID + 1
        message = self._codec.command(reqid, command)
        self.reqid = reqid
        self._messages = self._bytes = self._inputs = 0
        if isinstance(command, commands.ReadMemory):
            self._reading = Reading(command.address, command.size)
        elif isinstance(command, commands.WriteMemory):
            self._writing = Writing(command.address, command.data)
        return message

    def _queue(self, message: bytes, elements: Elements = b"") -> None:
        if not self._writers:
            packet = lone_packet(message, self._header_bytes, self.packet_size, elements)
            if packet:
                self._outbox += packet
                return
        self._writers.append(MessageWriter(message, self._header_bytes, self.packet_size, elements))
        if len(self._writers) == 1:
            self._write_packets()

    def _write_packets(self) -> None:
        writers = self._writers
        while writers:
            self._outbox += writers[0].next_packet()
            if not writers[0].finished:
                break
            writers.popleft()

    def _continue_message(self) -> None:
        if not self._writers:
            raise ProtocolError(
                f"the device asks for more of a message that is complete, {self.state.value}",
                hint="it is in the middle of an earlier message, or a byte was lost",
            )
        self._write_packets()

    def _set_packet_size(self, size: int) -> None:
        self.packet_size = self._reader.size = size

    def _message_limit(self) -> int:
        large = self.state in _CARRIES_TENSORS
        return self._limits.message_bytes if large else self._limits.control_bytes

    def _fail(self, error: ProtocolError) -> None:
        self.state = State.FAILED
        self._failure = error
        self._reader.clear()
        self._writers.clear()
        self._outbox.clear()
        self._events.clear()

    def _hear(self, message: Message) -> None:
        self._messages += 1
        self._bytes += len(message)
        limits = self._limits
        if self._messages > limits.command_messages or self._bytes > limits.command_bytes:
            raise ProtocolError(f"no end after {self._messages} messages and {self._bytes} bytes")
        if self.state is State.UNSYNCED:
            raise ProtocolError(f"a message, but {self.state.value}", data=message)
        answer = self._codec.decode(message, limits.control_bytes)
        kind, first = answer.steps[0]
        if self._writers and kind is not _ACK_ERROR:
            raise ProtocolError(f"{kind.value} came before all of a message was taken", data=message)
        if kind is _LOG or (kind is _LAST_LOG and kind not in HEARING[self.state]):
            self._events.append(first)
        elif answer.reqid == self.reqid:
            self._take(answer)
        elif self.state is State.SYNCING:
            self._events.append(StaleAnswer(answer.reqid))
            return
        else:
            raise ProtocolError(f"an answer to request {answer.reqid}, not {self.reqid}", data=message)
        if answer.wants_ack:
            self._queue(self._codec.acknowledgement())

    def _take(self, answer: Answer) -> None:
        for heard, event in answer.steps:
            before = self.state
            after = HEARING[before].get(heard)
            if after is None:
                if self._codec.REPEATS and (before, heard) in _REPEATED:
                    continue
                raise ProtocolError(f"{heard.value} came, {before.value}")
            self.state = after
            action = _ACTIONS.get((before, heard))
            told = event if action is None else action(self, event)
            if told is not None:
                self._events.append(told)
            if heard is _ACK_ERROR:
                self._writers.clear()

    def _synchronised(self, event: SyncReply) -> Event:
        self.dialect = event.dialect
        if self._codec.dialect != self.dialect:
            self._codec = (CodecV2 if self.dialect.family == "v2" else CodecV3)(self.dialect)
        return event

    def _system_information(self, event: SystemInfo) -> Event:
        self._set_packet_size(event.packet_size)
        return event

    def _run_accepted(self, event: Acknowledged) -> Event:
        return InputWanted(0, event.param)

    def _input_taken(self, event: Acknowledged) -> Event:
        size, desc = len(self._input.data), self._input.desc
        # v2 counts bytes or elements, depending on its minor version.
        elements = desc.size if self._codec.FAMILY == "v2" and desc is not None else size
        if event.param not in (size, elements):
            raise ProtocolError(f"the device took {event.param} of the {size} bytes of input {self._inputs}")
        self._inputs += 1
        self._queue(self._codec.acknowledgement())
        return InputsTaken() if self.state is State.RUNNING else InputWanted(self._inputs, None)

    def _read_accepted(self, event: Acknowledged) -> None:
        return None

    def _memory(self, event: MemoryData) -> Event:
        return self._reading.take(event, is_last=self.state is State.READY)

    def _write_accepted(self, event: Acknowledged) -> None:
        self._writing.accept(event.param)
        self._send_chunk()

    def _chunk_taken(self, event: Acknowledged) -> Event | None:
        done = self.state is State.READY
        self._writing.check(event.param, done)
        if not done:
            self._send_chunk()
        return event if done else None

    def _send_chunk(self) -> None:
        address, chunk = self._writing.next_chunk()
        self._queue(self._codec.data_message(len(chunk), address), chunk)


# What else a step does besides moving to the next state and telling its event.
_ACTIONS: dict[tuple[State, Heard], Callable[[Connection, Any], Event | None]] = {
    (State.SYNCING, Heard.SYNC): Connection._synchronised,
    (State.SYSTEM_INFO_AWAITED, Heard.SYSTEM_INFO): Connection._system_information,
    (State.RUN_REQUESTED, Heard.ACK_WAITING): Connection._run_accepted,
    (State.INPUT_SENT, Heard.ACK_WAITING): Connection._input_taken,
    (State.INPUT_SENT, Heard.ACK_PROCESSING): Connection._input_taken,
    (State.READING, Heard.ACK_PROCESSING): Connection._read_accepted,
    (State.READING, Heard.DATA): Connection._memory,
    (State.READING, Heard.LAST_DATA): Connection._memory,
    (State.WRITE_REQUESTED, Heard.ACK_WAITING): Connection._write_accepted,
    (State.WRITING, Heard.ACK_WAITING): Connection._chunk_taken,
    (State.WRITING, Heard.ACK_DONE): Connection._chunk_taken,
}
