"""`serial:` and `socket:`: an STM32 board with ST's aiValidation firmware, whatever its dialect."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from ai_runner.deadline import Deadline
from ai_runner.descriptor import Descriptor
from ai_runner.driver import AiRunnerCallback, Array
from ai_runner.drivers.stm32 import connecting
from ai_runner.drivers.stm32.board import Board, read_board
from ai_runner.drivers.stm32.description import model_info, runtime_number, time_source
from ai_runner.drivers.stm32.execution import Execution, ServedModel, least_seconds
from ai_runner.drivers.stm32.extension import extend, is_repeatable
from ai_runner.drivers.stm32.link import Link
from ai_runner.drivers.stm32.options import OPTIONS, LinkOptions
from ai_runner.drivers.stm32.protocol import Disconnect, Sync
from ai_runner.drivers.stm32.protocol.packets import PACKET_SIZE
from ai_runner.drivers.stm32.recovery import Recovery
from ai_runner.drivers.stm32.replay import RecordedBoard
from ai_runner.drivers.stm32.replugging import PortIdentity
from ai_runner.errors import (
    AiRunnerError,
    InvalidMsgError,
    InvalidParamError,
    LinkLostError,
    NotConnectedError,
)
from ai_runner.exclusive_use import ExclusiveUse
from ai_runner.model import Mode, ModelInfo
from ai_runner.model_hash import check_expected, expected_hash
from ai_runner.profile import RunResult
from ai_runner.transport.cassette import Piece
from ai_runner.transport.player import RecordedPeer
from ai_runner.transport.wire import WireDriver

_log = logging.getLogger(__name__)

_LEAVE_TIMEOUT = 2.0  # s for bringing it back when nobody waits for it any more


class Stm32Driver(WireDriver):
    """A board on a serial line, behind a relay, or whatever `transport` leads to.

    Keyword arguments of connect():
        baudrate: Bd, as the option.
        timeout: s, as the option.
        io_hw_log: log every byte at level DEBUG.
        transport, wrap: as `WireDriver` says.

    After a fault the next command first brings the board back on the same line. A run that is interrupted (Ctrl-C)
    leaves the board at rest. With `resume`, a run outlives a reset board and a pulled cable.
    """

    OPTIONS: ClassVar[Mapping[str, str]] = {
        **OPTIONS,
        "expect": "hash or .tflite of the model that has to be on the board",
    }
    KEYWORDS: ClassVar[frozenset[str]] = WireDriver.KEYWORDS | {"baudrate", "timeout", "io_hw_log"}
    MODES: ClassVar[Mode] = Mode.CONST_VALUE | Mode.PERF_ONLY

    def __init__(self, descriptor: Descriptor, **keywords: Any) -> None:
        super().__init__(descriptor, **keywords)
        self._options = LinkOptions.of(descriptor, self.keywords)
        self._link: Link | None = None
        self._recovery: Recovery | None = None
        self._models: dict[str, ServedModel] = {}
        self._use = ExclusiveUse(descriptor, self._release)

    @classmethod
    def recorded_peer(cls, pieces: Sequence[Piece]) -> RecordedPeer:
        """A board that compares what it hears as decoded; see `ai_runner.drivers.stm32.replay`."""
        return RecordedBoard(pieces)

    def open(self, deadline: Deadline) -> None:
        """Finds the board, synchronises with it and asks for its models; see `Driver.open`.

        Raises:
            InvalidModelError: the board has no model, or not the expected one.
        """
        self.close()
        expected = self.descriptor.options.get("expect", "")
        wanted = expected_hash(expected) if expected else ""
        with self._use:
            transport, connection, address = connecting.establish(self.descriptor, self.keywords, deadline)
            self._link = Link(transport, connection, self._options.silence, bool(self.keywords.get("io_hw_log")))
            try:
                board = read_board(self._link)
                self._recovery = self._recovery_of(board, address)
                self._models = {model.name: _served(board, i) for i, model in enumerate(board.models)}
                if wanted:
                    infos = [model.info for model in self._models.values()]
                    hint = "flash the application that was generated from it"
                    check_expected(infos, wanted, expected, transport.describe(), hint)
            except BaseException:
                self._release()
                raise

    def names(self) -> tuple[str, ...]:
        """Names of the models, in the order of the board."""
        self._connected()
        return tuple(self._models)

    def info(self, name: str) -> ModelInfo:
        """Description of a model; see `Driver.info`."""
        return self._model(name).info

    def invoke(
        self, name: str, inputs: Sequence[Array], mode: Mode = Mode.IO_ONLY, callback: AiRunnerCallback | None = None
    ) -> RunResult:
        """Runs a batch; see `Driver.invoke`.

        Raises:
            InvalidModelError: the board refused the run, or has other models than when it was opened.
            InvalidMsgError: the board broke the protocol.
            InvalidParamError: a command of this connection is going on, in a callback or another thread.
        """
        model = self._model(name)
        with self._at_rest() as (link, recovery):
            execution = Execution(link, model, inputs, mode, callback, recovery.attempts(), self._options.verify)
            return execution.run()

    def least_seconds(self, name: str, samples: int) -> float | None:
        """By the rate of the line, which a pseudo-terminal does not keep; see `Driver.least_seconds`."""
        model, rate = self._model(name), self._connected().transport.baudrate
        sizes = (tensor.size_bytes for tensor in (*model.info.inputs, *model.info.outputs))
        return least_seconds(sum(sizes), samples, rate) if rate else None

    def extension(self, name: str | None, **command: Any) -> Any:
        """Memory, Intel HEX files and self-tests, as `ai_runner.drivers.stm32.extension` describes."""
        if "cmd" not in command:
            return False
        capabilities = next(iter(self._models.values())).info.runtime.capabilities if self._models else ()
        with self._at_rest() as (link, recovery):
            return recovery.repeated(lambda: extend(link, capabilities, command), is_repeatable(command))

    def close(self) -> None:
        """Leaves the board at rest and in small packets, and the port; from a callback, when its run has ended."""
        self._use.close()

    def describe(self) -> str:
        """One line: line, dialect, device."""
        if self._link is None or not self._models:
            return super().describe()
        info = next(iter(self._models.values())).info
        return f"{self._link.transport.describe()}, {info.runtime.protocol}, {info.device.desc}"

    # -- inside -----------------------------------------------------------------------------------------------------

    def _release(self) -> None:
        link, self._link, self._recovery = self._link, None, None
        self._models = {}
        if link is not None:
            try:
                self._leave(link)
            finally:
                if "transport" not in self.keywords:
                    link.transport.close()

    def _recovery_of(self, board: Board, address: str) -> Recovery:
        link = self._connected()
        can_reopen = self._options.resume and "transport" not in self.keywords
        port = PortIdentity.of(address) if can_reopen else None
        return Recovery(link, board, self._options, port, self.keywords.get("wrap") or connecting.unwrapped)

    def _connected(self) -> Link:
        if self._link is None:
            raise NotConnectedError(f"{self.descriptor}: not open", hint="open it first")
        return self._link

    def _model(self, name: str) -> ServedModel:
        self._connected()
        if name not in self._models:
            raise InvalidParamError(f"{self.descriptor}: no model {name!r}", hint=f"models: {', '.join(self._models)}")
        return self._models[name]

    @contextmanager
    def _at_rest(self) -> Iterator[tuple[Link, Recovery]]:
        """The link for one command, at rest before, and after an interrupt at rest again."""
        with self._use:
            link, recovery = self._connected(), self._recovery
            if recovery is None:
                raise NotConnectedError(f"{self.descriptor}: not open", hint="open it first")
            if recovery.in_doubt or not link.at_rest:
                recovery.bring_back()
            try:
                yield link, recovery
            except InvalidMsgError as error:
                where = link.transport.describe()
                if not error.message.startswith(where):
                    error.message = f"{where}: {error.message}"
                raise
            except Exception:
                raise  # the next command brings the board back: this one ends within its deadline
            except BaseException:
                _leave_at_rest(link, recovery)
                raise

    def _leave(self, link: Link) -> None:
        try:
            if not link.at_rest:
                deadline = link.transport.deadline(_LEAVE_TIMEOUT)
                link.resume(connecting.realign(link.transport, link.connection, deadline))
            if link.connection.packet_size != PACKET_SIZE:
                dialect = link.connection.dialect
                if dialect is not None and dialect.version >= (3, 2):
                    link.say(Disconnect())
                else:
                    link.answer(Sync())
        except LinkLostError:
            pass  # nobody is there to be left
        except AiRunnerError as error:
            _log.debug("the board is left as it is: %s", error)


def _leave_at_rest(link: Link, recovery: Recovery) -> None:
    """Before an interrupt goes on: the board at rest, where that takes no long."""
    try:
        if not link.at_rest:
            recovery.realign(_LEAVE_TIMEOUT)
    except AiRunnerError as error:
        _log.debug("the board is left as it is: %s", error)


def _served(board: Board, index: int) -> ServedModel:
    desc = board.models[index]
    return ServedModel(
        desc=desc,
        info=model_info(desc, board.sync, board.system, board.settings.get(desc.name, {})),
        source=time_source(desc),
        runtime=runtime_number(desc, board.sync),
        constant_on_board=board.sync.dialect.family == "v3",
    )
