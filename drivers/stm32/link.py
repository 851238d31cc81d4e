"""A connection joined to a line: commands asked, events yielded, every wait with an end."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from ai_runner.drivers.stm32.protocol import (
    NEED_DATA,
    Command,
    Connection,
    Event,
    LogMessage,
    ProtocolError,
    StaleAnswer,
    State,
)
from ai_runner.errors import LinkTimeoutError
from ai_runner.transport import Transport

_log = logging.getLogger(__name__)

SILENCE = 5.0  # s that a board may need for an answer; ST's client waits 0.5 to 10 s, command by command
RUN_SILENCE = 60.0  # s that it may be silent while a model, or one node of it, runs
_READ_SIZE = 1 << 14
_AT_ONCE = 1 << 18  # bytes of a message before they are looked at
_BITS_PER_BYTE = 10  # 8N1
_AT_REST = frozenset({State.READY, State.UNSYNCED})
_RUNNING = State.RUNNING
_LOG_LEVELS = {0: logging.DEBUG, 1: logging.INFO, 2: logging.DEBUG, 3: logging.WARNING}


class Link:
    """Asks commands on a line that is synchronised.

    Attributes:
        transport: the line.
        connection: who speaks on it; replaced after the line had to be synchronised anew.
    """

    def __init__(
        self, transport: Transport, connection: Connection, timeout: float | None = None, trace: bool = False
    ) -> None:
        """`timeout`: s that the board may be silent, also while it runs a model. `trace`: log every byte."""
        self.transport = transport
        self.connection = connection
        self._silence = SILENCE if timeout is None else timeout
        self._run_silence = RUN_SILENCE if timeout is None else timeout
        self._trace = trace
        self._settled = True
        baudrate = transport.baudrate
        self._byte_seconds = _BITS_PER_BYTE / baudrate if baudrate else 0.0

    @property
    def at_rest(self) -> bool:
        """True while the board waits for a command and nothing is left over of the one before."""
        connection = self.connection
        return self._settled and not connection.busy and not connection.held and connection.state in _AT_REST

    def ask(self, command: Command) -> Iterator[Event]:
        """The events of one command; log lines have been logged as well.

        Raises:
            InvalidParamError: the dialect has no such command.
            LinkTimeoutError: the board was silent.
            LinkLostError: the line is gone.
            ProtocolError: what came is not allowed here.
        """
        connection = self.connection
        self.say(command)
        while connection.busy:
            self._settled = False
            try:
                event = connection.next_event()
            except ProtocolError as error:
                error.message = f"{self.transport.describe()}: {error.message}"
                raise
            pending = connection.data_to_send()
            if pending:
                self._write(pending)
            self._settled = True
            if event is NEED_DATA:
                self._listen()
                continue
            if isinstance(event, LogMessage):
                log_target_message(event)
            yield event

    def resume(self, connection: Connection) -> None:
        """Goes on with a connection that was made after the line had been synchronised anew."""
        self.connection = connection
        self._settled = True

    def answer(self, command: Command) -> Event:
        """The one event, log lines apart, that ends a command; raises as `ask` does."""
        *_, last = (event for event in self.ask(command) if not isinstance(event, LogMessage | StaleAnswer))
        return last

    def say(self, command: Command) -> None:
        """Writes a command that begins or continues a conversation."""
        data = self.connection.send(command)
        self._settled = False
        self._write(data)
        self._settled = True

    def _listen(self) -> None:
        """Takes what comes next: of long messages much at once, and answers while the device only asks for packets."""
        connection = self.connection
        data = self._read()
        while connection.sending and (packet := connection.requested_packet(data)):
            self._write(packet)
            connection.prepare_packet()
            data = self._read()
        if connection.receive_data(data):
            self._listen_on()

    def _listen_on(self) -> None:
        """Takes more of a message of several packets. Time counts here: the device sends while this runs."""
        receive_data, read, taken = self.connection.receive_data, self.transport.read, 0
        deadline = self.transport.deadline(self._patience)
        while taken < _AT_ONCE:
            data = read(_READ_SIZE, deadline)
            if not data:
                data = self._read()  # that the deadline has passed while bytes were coming says nothing
            elif self._trace:
                _log.debug("< %s", data.hex(" "))
            if not receive_data(data):
                break
            taken += len(data)

    @property
    def _patience(self) -> float:
        """Seconds that the board may be silent now."""
        return self._run_silence if self.connection.state is _RUNNING else self._silence

    def _write(self, data: bytes) -> None:
        if self._trace:
            _log.debug("> %s", data.hex(" "))
        transport = self.transport
        transport.write(data, transport.deadline(self._silence + len(data) * self._byte_seconds))

    def _read(self) -> bytes:
        seconds, transport = self._patience, self.transport
        data = transport.read(_READ_SIZE, transport.deadline(seconds))
        if not data:
            raise self._silent(seconds)
        if self._trace:
            _log.debug("< %s", data.hex(" "))
        return data

    def _silent(self, seconds: float) -> LinkTimeoutError:
        connection = self.connection
        return LinkTimeoutError(
            f"{self.transport.describe()}: the board was silent for {seconds:g} s, {connection.state.value}",
            hint="was it reset, or does it need longer? ?timeout=SECONDS allows more",
            evidence={"bytes of a message that is not whole": connection.held},
            retryable=True,
        )


def log_target_message(message: LogMessage) -> None:
    """Puts a line of the board into the log; lines for machines (``s:...``) at level DEBUG."""
    level = _LOG_LEVELS.get(message.level, logging.ERROR)
    if message.text.startswith("s:"):
        level = logging.DEBUG
    _log.log(level, "[TARGET:%d] %s", message.level, message.text)
