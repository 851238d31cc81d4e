"""One conversation with an engine: ids given to requests, replies told apart by them."""

from __future__ import annotations

import json
from typing import Any, Final

from ai_runner.drivers.eim.protocol.errors import ProtocolError
from ai_runner.drivers.eim.protocol.events import Answer, Event, OldReply, Printed, Refused
from ai_runner.drivers.eim.protocol.framing import MAX_REPLY, Frames, Framing
from ai_runner.drivers.eim.protocol.requests import Request
from ai_runner.errors import InvalidParamError

# Engines before December 2025 exit at 10 MiB, and none tells its limit; the newest read one byte less than 32 MiB.
MAX_MESSAGE = 10 * 1024 * 1024
_MAX_ID = (1 << 31) - 1


class NeedData:
    """Type of NEED_DATA."""

    def __repr__(self) -> str:
        return "NEED_DATA"


NEED_DATA: Final = NeedData()


class Connection:
    """Requests to bytes, bytes to events. One request is in flight at a time.

    Args:
        framing: how the engine ends its replies.
        max_message: bytes that the engine's buffer has; a message is shorter.
        max_reply: bytes of the longest reply, terminator included.
    """

    def __init__(self, framing: Framing, max_message: int = MAX_MESSAGE, max_reply: int = MAX_REPLY) -> None:
        self.framing = framing
        self._max_message = max_message
        self._frames = Frames(framing, max_reply)
        self._awaited: int | None = None
        self._given_up: list[int] = []
        self._last_id = 0
        self._failure: ProtocolError | None = None

    @property
    def busy(self) -> bool:
        """True while a reply is waited for."""
        return self._awaited is not None

    @property
    def owed(self) -> int:
        """Replies to requests that were given up, and are still to come."""
        return len(self._given_up)

    @property
    def held(self) -> int:
        """Bytes of a reply that is not whole."""
        return self._frames.held

    def send(self, request: Request) -> bytes:
        """The message that asks `request`; its reply is waited for from now on.

        Raises:
            InvalidParamError: it is longer than the engine's buffer.
            ProtocolError: the connection has failed before.
        """
        if self._failure is not None:
            raise self._failure
        if self._awaited is not None:
            raise RuntimeError("a request is in flight")
        number = self._last_id % _MAX_ID + 1
        # The newline is skipped, and starts the clock of the timing that engines call stdin.
        message = f'{{{request.members},"id":{number}}}\n'.encode("ascii")
        if len(message) >= self._max_message:
            raise InvalidParamError(
                f"{request.name}: a message of {len(message)} bytes is more than an engine reads ({self._max_message})",
                hint="engines with shared memory take inputs of any size; max_message=32 where the engine is newer "
                "than December 2025",
            )
        self._last_id = self._awaited = number
        return message

    def give_up(self) -> None:
        """Waits for the reply no longer; when it comes, it is an `OldReply`."""
        if self._awaited is not None:
            self._given_up.append(self._awaited)
            self._awaited = None

    def receive_data(self, data: bytes) -> None:
        """Takes what was read; errors in it come from `next_event`."""
        if self._failure is None:
            try:
                self._frames.receive(data)
            except ProtocolError as error:
                self._failure = error

    def next_event(self) -> Event | NeedData:
        """What comes next, NEED_DATA when that is not known yet.

        Raises:
            ProtocolError: no reply, or a reply to nothing; from then on always.
        """
        frame = self._frames.next()
        if frame is None:
            if self._failure is not None:
                raise self._failure
            return NEED_DATA
        try:
            return self._line(frame) if self.framing is Framing.LINE else self._event(_object(frame), frame)
        except ProtocolError as error:
            self._failure = error
            raise

    def _line(self, line: bytes) -> Event:
        """In stdin mode whatever is no reply was printed by the engine, before a reply on the same line as well."""
        start = line.find(b"{")
        if start >= 0 and (self._awaited is not None or self._given_up):
            try:
                fields = _object(line[start:])
            except ProtocolError:
                pass
            else:
                if fields.get("id") in (self._awaited, *self._given_up) or _is_error_without_id(fields):
                    return self._event(fields, line)
        return Printed(line.decode("utf-8", "replace"))

    def _event(self, fields: dict[str, Any], frame: bytes) -> Event:
        number = fields.pop("id", None)
        if number is None and ("error" in fields or fields.get("success") is False):
            # The engine could not read the id, so the error belongs to what was asked first.
            number = self._given_up[0] if self._given_up else self._awaited
        if type(number) is int and number in self._given_up:
            self._given_up.remove(number)
            return OldReply(number)
        if type(number) is not int or number != self._awaited:
            asked = "nothing was asked" if self._awaited is None else f"{self._awaited} was asked"
            raise ProtocolError(f"a reply with id {str(number)[:20]!r}, and {asked}", data=frame)
        self._awaited = None
        if fields.pop("success", "error" not in fields) is True:
            return Answer(number, fields)
        return Refused(number, str(fields.get("error", "no reason given")))


def _is_error_without_id(fields: dict[str, Any]) -> bool:
    return "id" not in fields and isinstance(fields.get("error"), str)


def _not_json(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


_DECODE = json.JSONDecoder(parse_constant=_not_json).raw_decode


def _object(frame: bytes) -> dict[str, Any]:
    try:
        text = frame.decode("utf-8").strip(" \t\r\n")
        value, end = _DECODE(text)
        if end != len(text):
            raise ValueError(f"more than one value: {text[end : end + 20]!r}")
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode("utf-8")  # half a surrogate pair could not be printed
    except (ValueError, RecursionError) as error:
        what = "nested too deep" if isinstance(error, RecursionError) else f"not JSON: {error}"
        raise ProtocolError(f"a reply of {len(frame)} bytes is {what}", data=frame) from None
    if not isinstance(value, dict):
        raise ProtocolError(f"a reply is no object, but {type(value).__name__}", data=frame)
    return value
