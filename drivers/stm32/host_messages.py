"""The wire as a firmware hears it: packets of the host, put together and decoded so that they can be compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ai_runner.drivers.stm32.protocol.codes import CommandCode
from ai_runner.drivers.stm32.protocol.packets import PACKET_SIZE
from ai_runner.firmware_proto.messages import message_classes

_MAX_MESSAGE = 1 << 26
_MAX_LENGTH_BYTES = 5
_SHOWN_BYTES = 8
# What a firmware looks at in a tensor; the rest has to be there only.
_SHAPE_FIELDS = ("format", "n_batches", "height", "width", "channels")


class HostPackets:
    """Puts messages of a host together, as a firmware does that starts at the first byte of a packet.

    Attributes:
        size: payload bytes of a packet.
    """

    def __init__(self, header_bytes: int) -> None:
        self.size = PACKET_SIZE
        self._header_bytes = header_bytes
        self._received = bytearray()
        self._stream = bytearray()

    @property
    def partial(self) -> bool:
        """True while a message or a packet is not whole."""
        return bool(self._received or self._stream)

    def clear(self) -> None:
        """Forgets a message that is not whole, and a packet."""
        self._received.clear()
        self._stream.clear()

    def drop_message(self) -> None:
        """Forgets a message that is not whole."""
        self._stream.clear()

    def feed(self, data: bytes) -> Iterator[bytes | None]:
        """Messages in `data` and what came before; None where a firmware asks for the next packet."""
        self._received += data
        header_bytes = self._header_bytes
        while len(self._received) >= header_bytes + self.size:
            count = int.from_bytes(self._received[:header_bytes], "big")
            payload = self._received[header_bytes : header_bytes + min(count, self.size)]
            del self._received[: header_bytes + self.size]
            if count > self.size:  # noise, which a firmware drops without a word
                self._stream.clear()
                continue
            self._stream += payload
            yield self._message()

    def _message(self) -> bytes | None:
        length = 0
        for i, byte in enumerate(self._stream[:_MAX_LENGTH_BYTES]):
            length |= (byte & 0x7F) << 7 * i
            if byte < 0x80:
                begin = i + 1
                break
        else:
            if len(self._stream) < _MAX_LENGTH_BYTES:
                return None
            length, begin = 0, 0
        if length > _MAX_MESSAGE:
            length = 0
        if len(self._stream) - begin < length:
            return None
        message = bytes(self._stream[begin : begin + length])
        self._stream.clear()
        return message


@dataclass(frozen=True, slots=True)
class HostMessage:
    """A message of the host, without what may change from one client to the next.

    Attributes:
        kind: 'request', 'data' (elements of a tensor, or memory), 'ack', or 'noise'.
        fields: that count, in the order in which they are compared.
        reqid: of a request.
    """

    kind: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    reqid: int = 0

    def __str__(self) -> str:
        if self.kind == "request":
            name = self.fields["name"].decode("utf-8", "replace")
            return f"{_command(self.fields['cmd'])} {self.fields['param']}" + (f" of {name!r}" if name else "")
        return f"{len(self.fields['bytes'])} bytes of data" if self.kind == "data" else self.kind

    def difference(self, recorded: HostMessage) -> str:
        """The first difference, in words; '' where there is none."""
        if self.kind != recorded.kind:
            return f"{self} comes, recorded was {recorded}"
        for name, value in self.fields.items():
            before = recorded.fields.get(name)
            if value != before:
                return _difference(name, value, before)
        return ""


class HostDecoder:
    """Decodes messages of a host to a device of one family ('v2', 'v3'); imports protobuf when made."""

    def __init__(self, family: str) -> None:
        from google.protobuf.message import DecodeError

        self._error = DecodeError
        self._classes = message_classes(family)
        self._family = family

    def decode(self, message: bytes) -> HostMessage:
        """Kind and fields; 'noise' where it is none of them."""
        request = self._parsed("reqMsg", message)
        # All five fields are there in a request, and only there is a fifth.
        if request is not None and request.HasField("reqid") and request.HasField("opt"):
            fields = {name: getattr(request, name) for name in ("cmd", "name", "param", "opt")}
            return HostMessage("request", fields, request.reqid)
        data = self._parsed("aiBufferByteMsg" if self._family == "v2" else "aiDataMsg", message)
        if data is not None and data.HasField("datas"):
            if self._family == "v2":
                return HostMessage("data", {**{n: getattr(data.shape, n) for n in _SHAPE_FIELDS}, "bytes": data.datas})
            return HostMessage("data", {"addr": data.addr, "bytes": data.datas})
        ack = self._parsed("ackMsg", message)
        if ack is not None and ack.HasField("error"):
            return HostMessage("ack", {"param": ack.param, "error": ack.error})
        return HostMessage("noise", {"bytes": message})

    def _parsed(self, name: str, message: bytes) -> Any:
        try:
            return self._classes[name].FromString(message)
        except self._error:
            return None


def _difference(name: str, value: Any, before: Any) -> str:
    if name == "cmd":
        return f"{_command(value)} comes, recorded was {_command(before)}"
    if not isinstance(value, bytes):
        return f"{name} is {value}, recorded was {before}"
    if name == "name":
        return f"name is {value.decode('utf-8', 'replace')!r}, recorded was {before.decode('utf-8', 'replace')!r}"
    pairs = enumerate(zip(value, before, strict=False))
    place = next((i for i, (a, b) in pairs if a != b), None)
    if place is None:
        return f"{len(value)} bytes come, recorded were {len(before)}"
    now, then = (data[place : place + _SHOWN_BYTES].hex(" ") for data in (value, before))
    return f"byte {place} of {len(value)} bytes of data and what follows is {now}, recorded was {then}"


def _command(number: int) -> str:
    return CommandCode(number).name if number in tuple(CommandCode) else f"command {number}"
