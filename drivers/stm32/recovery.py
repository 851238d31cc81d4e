"""A board after a fault: synchronised again on the same line, or waited for and opened again, as far as was asked."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from ai_runner.deadline import Deadline
from ai_runner.drivers.stm32 import connecting
from ai_runner.drivers.stm32.board import Board, read_board
from ai_runner.drivers.stm32.evidence import PortEvidence
from ai_runner.drivers.stm32.link import Link
from ai_runner.drivers.stm32.options import LinkOptions
from ai_runner.drivers.stm32.protocol.packets import PACKET_SIZE
from ai_runner.drivers.stm32.replugging import PortIdentity, Unplugged, is_same_board
from ai_runner.errors import (
    AiRunnerError,
    HwIOError,
    InvalidModelError,
    InvalidMsgError,
    LinkLostError,
    LinkTimeoutError,
)

T = TypeVar("T")
_log = logging.getLogger(__name__)

REALIGN_TIMEOUT = 10.0  # s for bringing a board back on its line
# s for the same within a command, whose own time has been used up: of small packets, of large ones, and of a wire that
# carries some of them.
_REPEAT_TIMEOUT, _REPEAT_LARGE_TIMEOUT, _REPEAT_PACKETS = 1.0, 2.5, 8
_LOOK_AGAIN = 0.1  # s between looks at the ports
_ONE_TRY = 5.0  # s for one try to connect: a board that starts meanwhile may need another
_MOST_FAULTS = 3  # in a row of one sample: then it is no accident


class Recovery:
    """For one open board.

    Args:
        link: to it.
        board: as it described itself.
        options: `resume` says how long a board that went away is waited for.
        port: where it was; None where the line cannot be opened again.
        wrap: what a line goes through when it is opened.

    Attributes:
        in_doubt: another board may be there now: bring it back before it is asked anything.
    """

    def __init__(
        self, link: Link, board: Board, options: LinkOptions, port: PortIdentity | None, wrap: connecting.Wrap
    ) -> None:
        self.in_doubt = False
        self._link = link
        self._board = board
        self._options = options
        self._port = port
        self._wrap = wrap

    def bring_back(self) -> None:
        """Before a command, after a fault: on the same line, else, where that was asked for, on a new one.

        Raises:
            HwIOError, InvalidMsgError: it does not come back.
            InvalidModelError: it comes back with other models.
        """
        if self._options.resume:
            self._resume()
        else:
            self.realign(REALIGN_TIMEOUT)

    def realign(self, seconds: float) -> None:
        """Synchronises the same line, where a board still is; raises as `bring_back`."""
        link = self._link
        deadline = link.transport.deadline(seconds)
        link.resume(connecting.realign(link.transport, link.connection, deadline))
        _log.info("%s: synchronised again", link.transport.describe())
        self._check_board()

    def realign_soon(self) -> None:
        """The same where a command waits for it."""
        rate, size = self._link.transport.baudrate, self._link.connection.packet_size
        seconds = _REPEAT_TIMEOUT if size == PACKET_SIZE else _REPEAT_LARGE_TIMEOUT
        self.realign(seconds + (_REPEAT_PACKETS * 10 * (size + 2) / rate if rate else 0.0))

    def attempts(self) -> Attempts:
        """For one batch: which of its faults are mended."""
        return Attempts(self, bool(self._options.resume))

    def repeated(self, command: Callable[[], T], is_repeatable: bool) -> T:
        """What `command` returns, said a second time where it failed at first and that does no harm."""
        try:
            return command()
        except (LinkTimeoutError, InvalidMsgError) as error:
            if not (is_repeatable and error.retryable):
                raise
            try:
                self.realign_soon()
            except (HwIOError, InvalidMsgError) as another:
                raise error from another
        return command()

    def _check_board(self) -> None:
        self.in_doubt = True
        # A second look, because no dialect has a checksum of its messages.
        self.in_doubt = not any(is_same_board(read_board(self._link), self._board) for _ in range(2))
        if self.in_doubt:
            raise InvalidModelError(
                f"{self._link.transport.describe()}: the board has other models than before", hint="connect again"
            )

    def _resume(self) -> None:
        """On the same line, where it is alive, else wherever the board turns up within the time."""
        deadline = Deadline(self._options.resume)
        try:
            self.realign(min(self._options.resume, REALIGN_TIMEOUT))
            return
        except (HwIOError, InvalidMsgError) as error:
            if self._port is None:
                raise
            _log.warning("%s; waiting for it up to %g s", error.message, self._options.resume)
        self._unplug()
        while not self._reconnected(deadline):
            if deadline.expired:
                raise LinkLostError(
                    f"{self._port} has not come back within {self._options.resume:g} s",
                    hint="plug the board in; ?resume=SECONDS waits longer",
                    evidence={"port": self._port.address},
                    retryable=True,
                )
            time.sleep(_LOOK_AGAIN)

    def _unplug(self) -> None:
        rate = self._link.transport.baudrate
        if rate:
            self._options = replace(self._options, bauds=(rate,))
        line = self._link.transport.describe()
        self._link.transport.close()
        self._link.transport = Unplugged(line)

    def _reconnected(self, deadline: Deadline) -> bool:
        address = self._port.now() if self._port is not None else ""
        if not address:
            return False
        seconds = min(_ONE_TRY, deadline.remaining() or 0.0)
        found = connecting.try_port(PortEvidence(address), self._options, seconds, self._wrap)
        if found is None:
            return False
        self._link.transport = found.transport
        self._link.resume(found.connection)
        try:
            self._check_board()
        except (HwIOError, InvalidMsgError) as error:
            _log.debug("gone again: %s", error)
            self._unplug()
            return False
        _log.info("%s: the board is back", found.transport.describe())
        return True


class Attempts:
    """The faults of one batch, and whether each is mended so that its sample may run again."""

    def __init__(self, recovery: Recovery, resumes: bool) -> None:
        self._recovery = recovery
        self._resumes = resumes
        self._sample = -1
        self._faults = 0

    def mend(self, sample: int, error: AiRunnerError, begun: bool) -> None:
        """Brings the board to rest, so that `sample` may run again.

        Args:
            error: what went wrong.
            begun: the board had answered something of this sample.

        Raises:
            AiRunnerError: `error`, or why the board could not be brought back.
        """
        self._faults = self._faults + 1 if sample == self._sample else 1
        self._sample = sample
        if self._faults > 1 and isinstance(error, InvalidModelError):
            error.retryable = False  # refused again: no accident of the line
        if not error.retryable or self._faults > _MOST_FAULTS:
            raise error
        if self._resumes:
            _log.warning("sample %d is run again: %s", sample, error.message)
            self._recovery.bring_back()
            return
        # A byte too many of an earlier command shows when the next one begins. Then that may be said again; within a
        # batch it may not, because the outputs of the sample before are in doubt.
        if begun or sample or self._faults > 1 or isinstance(error, LinkLostError):
            raise error
        if not isinstance(error, InvalidModelError):
            _log.warning("bytes were lost or doubled before this run, or in the one before: %s", error.message)
        try:
            self._recovery.realign_soon()
        except (HwIOError, InvalidMsgError) as another:
            raise error from another
