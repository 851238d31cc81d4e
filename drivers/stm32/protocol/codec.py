"""Between commands, events and the messages of one dialect: what both families of messages have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, ClassVar, NamedTuple

from ai_runner.drivers.stm32.protocol import commands
from ai_runner.drivers.stm32.protocol.bulk import Path, cut_elements
from ai_runner.drivers.stm32.protocol.codes import AnswerState, Capability, CommandCode
from ai_runner.drivers.stm32.protocol.dialect import Dialect, dialect_of
from ai_runner.drivers.stm32.protocol.errors import ProtocolError
from ai_runner.drivers.stm32.protocol.events import (
    Acknowledged,
    Event,
    LogMessage,
    Refused,
    RuntimeId,
    SyncReply,
    Version,
)
from ai_runner.drivers.stm32.protocol.packets import varint
from ai_runner.drivers.stm32.protocol.transitions import Heard
from ai_runner.errors import InvalidParamError
from ai_runner.firmware_proto.messages import message_classes

MAX_NAME_BYTES = 63
_U32 = 0xFFFFFFFF


class Answer(NamedTuple):
    """A decoded message of the device.

    Attributes:
        reqid: of the request it answers.
        state: as sent.
        steps: what it means, in order; several where one message tells of a node and its tensor.
        wants_ack: the device waits for an ack, whatever the state of the conversation.
    """

    reqid: int
    state: AnswerState
    steps: tuple[tuple[Heard, Event], ...]
    wants_ack: bool = False


class Codec(ABC):
    """One dialect: requests and data to bytes, messages to answers. Imports protobuf when made.

    Attributes:
        FAMILY: of the messages.
        BULK: payloads of an answer that carry tensor elements, and where, as field numbers.
        REPEATS: every tensor message tells again which node or run it belongs to; only the first one counts.
    """

    FAMILY: ClassVar[str]
    BULK: ClassVar[Mapping[str, Path]]
    REPEATS: ClassVar[bool] = False

    def __init__(self, dialect: Dialect) -> None:
        from google.protobuf.message import DecodeError

        self.dialect = dialect
        self.classes: Mapping[str, Any] = message_classes(self.FAMILY)
        self._decode_error = DecodeError
        self._answer = self.classes["respMsg"]
        self._runs: dict[commands.Run, bytes] = {}
        self._readers: dict[str, Callable[..., Answer]] = {
            "sync": self._read_sync,
            "ack": self._read_ack,
            "log": self._read_log,
            **self.readers(),
        }

    @abstractmethod
    def readers(self) -> dict[str, Callable[..., Answer]]:
        """Payload of `respMsg` -> the method that reads an answer with it, given its state.

        Those of `BULK` may be given the elements, too, as a view: then the answer comes without them.
        """

    @abstractmethod
    def run_request(self, run: commands.Run) -> commands.Request:
        """The request of a run; raises InvalidParamError for what the dialect cannot do."""

    @abstractmethod
    def tensor_message(self, tensor: commands.SendTensor) -> bytes:
        """The message that carries an input tensor, up to the tensor's elements, which end it."""

    def data_message(self, size: int, address: int) -> bytes:
        """The message that carries a chunk of memory, up to its `size` bytes, which end it."""
        raise InvalidParamError(f"protocol {self.dialect.name} writes no memory")

    def request_of(self, command: commands.Command) -> commands.Request:
        """The request that starts `command`.

        Raises:
            InvalidParamError: the dialect has no such command, or a number does not fit its field.
        """
        match command:
            case commands.Run():
                return self.run_request(command)
            case commands.Request():
                return command
            case commands.Sync():
                return commands.Request(CommandCode.SYNC)
            case commands.GetSystemInfo():
                return commands.Request(CommandCode.SYS_INFO)
            case commands.GetModel(index, name):
                return commands.Request(CommandCode.NETWORK_INFO, index, name)
            case commands.SelfTest(number, extra, opt, name):
                return commands.Request(CommandCode.TEST, extra << 16 | number, name, opt)
        raise InvalidParamError(f"protocol {self.dialect.name} has no {type(command).__name__}")

    def command(self, reqid: int, command: commands.Command) -> bytes:
        """A serialized `reqMsg` that starts `command`; raises as `request_of`."""
        if not isinstance(command, commands.Run):
            return self.request(reqid, self.request_of(command))
        fields = self._runs.get(command)
        if fields is None:
            if len(self._runs) >= _KEPT_RUNS:
                self._runs.clear()
            fields = self._runs[command] = self._fields(self.request_of(command))
        return _REQID + varint(reqid) + fields

    def request(self, reqid: int, request: commands.Request) -> bytes:
        """A serialized `reqMsg`: all five fields, because firmware drops an incomplete one without a word."""
        return _REQID + varint(reqid) + self._fields(request)

    def _fields(self, request: commands.Request) -> bytes:
        """A `reqMsg` but for its number."""
        name = request.name.encode("utf-8")
        if len(name) > MAX_NAME_BYTES or b"\0" in name:
            raise InvalidParamError(f"{request.name!r} cannot name a model: at most {MAX_NAME_BYTES} bytes, no NUL")
        for number in (request.code, request.param, request.opt):
            if not 0 <= number <= _U32:
                raise InvalidParamError(f"{number} does not fit 32 bits without sign")
        message = self.classes["reqMsg"](cmd=int(request.code), param=request.param, name=name, opt=request.opt)
        encoded: bytes = message.SerializeToString()
        return encoded

    def acknowledgement(self, param: int = 0, error: int = 0) -> bytes:
        """A serialized `ackMsg`, which the host sends bare."""
        if not param and not error:
            return _ACK
        encoded: bytes = self.classes["ackMsg"](param=param, error=error).SerializeToString()
        return encoded

    def decode(self, message: bytes | bytearray, overhead: int) -> Answer:
        """Reads a message of the device.

        Args:
            message: an assembled `respMsg`; large tensor elements stay views of it.
            overhead: bytes that a message may have besides tensor elements.

        Raises:
            ProtocolError: it is none, or one that no firmware of this dialect sends.
        """
        elements = None
        if len(message) > _PARSED_WHOLE:
            rest, elements = cut_elements(message, self.BULK.values(), overhead)
        else:
            rest = bytes(message)
        try:
            answer = self._answer.FromString(rest)
        except self._decode_error:
            raise ProtocolError("an undecodable message", data=message) from None
        payload = answer.WhichOneof("payload")
        state = answer.state
        if payload is None or state > _ERROR or (state == _ERROR and payload not in _OF_ERRORS):
            raise ProtocolError(f"a message with payload {payload} in state {state}", data=message)
        if elements is None:
            return self._readers[payload](answer, _STATES[state])
        if payload not in self.BULK:
            raise ProtocolError(f"a message with payload {payload} and elements of a tensor", data=message)
        return self._readers[payload](answer, _STATES[state], elements)

    def _read_sync(self, answer: Any, state: AnswerState) -> Answer:
        sync = answer.sync
        version = (sync.version >> 8 & 0xFF, sync.version & 0xFF)
        dialect = dialect_of(self.dialect.header_bytes, version)
        runtime = runtime_id(sync.rtid, dialect) if sync.HasField("rtid") else None
        event = SyncReply(dialect, version, capabilities(sync.capability, dialect), runtime)
        return Answer(answer.reqid, state, ((Heard.SYNC, event),))

    def _read_ack(self, answer: Any, state: AnswerState) -> Answer:
        ack = answer.ack
        if state == _ERROR:
            return Answer(answer.reqid, state, ((Heard.ACK_ERROR, Refused(ack.error, ack.param)),))
        return Answer(answer.reqid, state, ((_ACKS[state], Acknowledged(state, ack.param)),))

    def _read_log(self, answer: Any, state: AnswerState) -> Answer:
        event = LogMessage(answer.log.level, text(answer.log.str))
        return Answer(answer.reqid, state, ((Heard.LOG, event),), wants_ack=True)


_REQID = b"\x08"  # the key of field 1, a varint
_ACK = b"\x08\0\x10\0"  # param 0, error 0
_KEPT_RUNS = 64
_PARSED_WHOLE = 1 << 13  # bytes: cutting elements out costs more than copying so few
_STATES = tuple(AnswerState)
_ERROR = int(AnswerState.ERROR)
_OF_ERRORS = frozenset({"ack", "log"})
_ACKS = {
    AnswerState.IDLE: Heard.ACK_DONE,
    AnswerState.WAITING: Heard.ACK_WAITING,
    AnswerState.PROCESSING: Heard.ACK_PROCESSING,
    AnswerState.DONE: Heard.ACK_DONE,
}
_V2_CAPABILITIES = {1: Capability.OBSERVER, 2: Capability.FIXED_POINT, 128: Capability.SELF_TEST}


def text(raw: bytes) -> str:
    """Text of the device, which may lack its end or be clipped inside a character."""
    return raw.partition(b"\0")[0].decode("utf-8", "replace")


def milliseconds(message: Any, field: str) -> float | None:
    """A duration; None where it is absent or no duration."""
    value: float = getattr(message, field)
    return value if message.HasField(field) and isfinite(value) and value >= 0 else None


def version_of(number: int) -> Version:
    """major << 24 | minor << 16 | patch << 8."""
    return number >> 24 & 0xFF, number >> 16 & 0xFF, number >> 8 & 0xFF


def runtime_id(rtid: int, dialect: Dialect) -> RuntimeId:
    """Decodes `rtid`, whose bytes moved between 3.0 and 3.1."""
    first, second, third, fourth = (rtid >> shift & 0xFF for shift in (0, 8, 16, 24))
    if dialect.has_api_in_rtid:
        return RuntimeId(first, api=second, tool=third, not_given=fourth)
    return RuntimeId(first, tool=second)


def capabilities(number: int, dialect: Dialect) -> Capability:
    """`syncMsg.capability`; bits of v2 that are not known are dropped, because v3 uses them otherwise."""
    if dialect.family == "v3":
        return Capability(number & ~Capability.FIXED_POINT)
    found = Capability(0)
    for bit, capability in _V2_CAPABILITIES.items():
        if number & bit:
            found |= capability
    return found
