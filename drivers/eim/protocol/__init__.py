"""The protocol of Edge Impulse executables: requests to bytes, bytes to events.

Nothing here reads, writes or waits, or knows what time it is::

    connection = Connection(Framing.NUL)                 # over a socket; Framing.LINE over stdin and stdout
    wire.write(connection.send(HELLO))
    while connection.busy:
        event = connection.next_event()
        if event is NEED_DATA:
            connection.receive_data(wire.read(...))
        elif isinstance(event, Answer): ...              # or Refused; Printed and OldReply may come before

After a time-out `give_up()`: the reply is dropped when it comes. What an engine sends is checked here as far as it can
be without knowing the model: size, JSON, ids. A violation is a ProtocolError, and the connection has failed for good.
"""

from __future__ import annotations

from ai_runner.drivers.eim.protocol.connection import MAX_MESSAGE, NEED_DATA, Connection, NeedData
from ai_runner.drivers.eim.protocol.errors import ProtocolError
from ai_runner.drivers.eim.protocol.events import Answer, Event, OldReply, Printed, Refused
from ai_runner.drivers.eim.protocol.framing import MAX_REPLY, Framing
from ai_runner.drivers.eim.protocol.requests import (
    HELLO,
    Request,
    classify,
    classify_shared,
    request,
    set_threshold,
)

__all__ = [
    "HELLO",
    "MAX_MESSAGE",
    "MAX_REPLY",
    "NEED_DATA",
    "Answer",
    "Connection",
    "Event",
    "Framing",
    "NeedData",
    "OldReply",
    "Printed",
    "ProtocolError",
    "Refused",
    "Request",
    "classify",
    "classify_shared",
    "request",
    "set_threshold",
]
