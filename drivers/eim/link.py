"""A connection joined to a line: a request asked, its reply awaited under a deadline."""

from __future__ import annotations

from ai_runner.deadline import Deadline
from ai_runner.drivers.eim.protocol import (
    NEED_DATA,
    Answer,
    Connection,
    Event,
    NeedData,
    Printed,
    Refused,
    Request,
)
from ai_runner.errors import HwIOError, InvalidMsgError, LinkLostError, LinkTimeoutError, TargetCrashError
from ai_runner.transport import Transport
from ai_runner.transport.child_process import ChildProcess
from ai_runner.transport.process import last_line

_READ_SIZE = 1 << 16


class Link:
    """Asks one request at a time.

    A request that timed out is not forgotten: its reply is awaited, and dropped, before the next one is sent, because
    until then the engine may still read from shared memory. Where only a part of a request went out, nothing can follow
    it: the link is broken.

    Args:
        transport: the line.
        connection: who speaks on it.
        child: the engine's process; None where somebody else's engine answers.
    """

    def __init__(self, transport: Transport, connection: Connection, child: ChildProcess | None) -> None:
        self.transport = transport
        self.child = child
        self._connection = connection
        self._broken = False

    def ask(self, request: Request, seconds: float) -> Answer | Refused:
        """The reply to `request`, which may take `seconds`.

        Raises:
            LinkTimeoutError: it did not come; the next request waits for it first.
            TargetCrashError, LinkLostError: the engine is gone.
            ProtocolError: what came is not allowed.
            InvalidParamError: the request is too long.
        """
        deadline = self.transport.deadline(seconds)
        connection = self._connection
        if self._broken or connection.owed:
            self.settle(request, seconds)
        try:
            self._write(connection.send(request), deadline)
            while True:
                event = self._next(request, seconds, deadline)
                if isinstance(event, Answer | Refused):
                    return event
        finally:
            connection.give_up()

    def settle(self, request: Request, seconds: float) -> None:
        """Waits for replies to requests that timed out, so that `request` can be prepared; raises as `ask` does."""
        if self._broken:
            raise HwIOError(
                f"{self.transport.describe()}: an earlier request went out in part only", hint="connect again"
            )
        deadline = self.transport.deadline(seconds)
        while self._connection.owed:
            self._next(request, seconds, deadline)

    @property
    def owes(self) -> bool:
        """True while a reply to a request that timed out is still to come."""
        return self._connection.owed > 0

    def said(self) -> list[str]:
        """The last lines that the engine printed."""
        return [] if self.child is None else self.child.said()

    def _write(self, message: bytes, deadline: Deadline) -> None:
        self._broken = True
        try:
            self.transport.write(message, deadline)
        except (LinkLostError, TargetCrashError):
            self._broken = False  # nobody is there to misread what follows: that shall say the same
            raise
        self._broken = False

    def _next(self, request: Request, seconds: float, deadline: Deadline) -> Event | NeedData:
        """What comes next."""
        connection = self._connection
        while (event := connection.next_event()) is NEED_DATA:
            data = self.transport.read(_READ_SIZE, deadline)
            if not data:
                raise self._timeout(request, seconds)
            connection.receive_data(data)
        if isinstance(event, Printed):
            if self.child is not None:
                self.child.keep(f"{event.text}\n".encode())
            if deadline.expired:  # there is always something to read of an engine that prints without end
                raise self._timeout(request, seconds)
        return event

    def _timeout(self, request: Request, seconds: float) -> LinkTimeoutError:
        state = ""
        evidence: dict[str, object] = {"bytes of a reply that is not whole": self._connection.held}
        if self.child is not None:
            state = f", and {self.child.obituary()}{last_line(self.child)}"
            evidence |= self.child.evidence()
        return LinkTimeoutError(
            f"{self.transport.describe()} did not answer {request.name} within {round(seconds, 3):g} s{state}",
            hint="?timeout=SECONDS allows more, ?first_timeout=SECONDS for the first classification",
            evidence=evidence,
            retryable=True,
        )

    def explain(self, error: InvalidMsgError) -> None:
        """Puts into `error` who said it, and what was printed."""
        if "output" in error.evidence:
            return  # it is the one that the connection failed with before
        if not error.message.startswith(self.transport.describe()):
            error.message = f"{self.transport.describe()}: {error.message}"
        if self.child is not None:
            error.message += last_line(self.child)
            error.evidence |= self.child.evidence()
