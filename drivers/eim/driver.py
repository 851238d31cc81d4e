"""`eim:PATH`: an Edge Impulse executable, or the socket that somebody else's listens on."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ai_runner.deadline import Deadline
from ai_runner.descriptor import Descriptor
from ai_runner.driver import AiRunnerCallback, Array, reduced_mode
from ai_runner.drivers.eim.engine import Engine
from ai_runner.drivers.eim.execution import Execution
from ai_runner.drivers.eim.extension import extend
from ai_runner.drivers.eim.link import Link
from ai_runner.drivers.eim.protocol import Connection
from ai_runner.drivers.eim.starting import OPTIONS, EngineOptions, open_line
from ai_runner.errors import InvalidMsgError, InvalidParamError, NotConnectedError
from ai_runner.exclusive_use import ExclusiveUse
from ai_runner.host import host_device
from ai_runner.impulse.description import model_info
from ai_runner.model import Mode, ModelInfo, model_name
from ai_runner.profile import RunResult
from ai_runner.transport import Transport
from ai_runner.transport.process import ProcessTransport
from ai_runner.transport.wire import WireDriver

_log = logging.getLogger(__name__)

_MODES = Mode.PER_LAYER | Mode.PERF_ONLY


class EimDriver(WireDriver):
    """An engine in a process of its own, started at `open` and ended at `close`; or one that runs already.

    The input is ``features``, the raw features that Studio shows; outputs are those of `ai_runner.impulse.result`.
    Times of samples are round trips on the host's clock; those of stages under PER_LAYER are the engine's, in whole
    milliseconds.

    Features go through shared memory where the engine offers it. On a line that is recorded or replayed they go as
    JSON, because a recording has the bytes of the line only.
    """

    OPTIONS: ClassVar[Mapping[str, str]] = OPTIONS
    FINITE_ONLY: ClassVar[bool] = True

    def __init__(self, descriptor: Descriptor, **keywords: Any) -> None:
        super().__init__(descriptor, **keywords)
        self._options = EngineOptions.of(descriptor)
        self._is_recorded = bool({"transport", "wrap"} & self.keywords.keys())
        if self._is_recorded and self._options.shm == "always":
            raise InvalidParamError(
                f"{descriptor}: shared memory cannot be recorded", hint="leave shm=always out while recording"
            )
        self._execution: Execution | None = None
        self._use = ExclusiveUse(descriptor, self._release)

    def open(self, deadline: Deadline) -> None:
        """Starts the engine, or connects to it, and says hello; see `Driver.open`.

        A freeform model without shared memory is run once, to learn the sizes of its outputs.

        Raises:
            InvalidModelError: the file cannot be executed here, or its model has no output.
            TargetCrashError: the engine ended at once.
            LinkTimeoutError: it did not listen, or did not answer.
        """
        self.close()
        seconds = self._options.start_timeout
        remaining = deadline.remaining()
        if remaining is not None:
            seconds = min(seconds, remaining)
        limit = Deadline(seconds)
        with self._use:
            engine = Engine(self._link(limit), self._options)
            try:
                engine.greet(max(limit.remaining() or 0.0, 0.001), "never" if self._is_recorded else self._options.shm)
                self._execution = Execution(engine, self._described(engine))
            except BaseException as error:
                if isinstance(error, InvalidMsgError):
                    engine.link.explain(error)
                self._leave(engine)
                raise

    def names(self) -> tuple[str, ...]:
        """The one name: the file's stem as an identifier."""
        return (self._connected().info.name,)

    def info(self, name: str) -> ModelInfo:
        """Description of the model; `runtime.attributes` has what the engine's hello says."""
        execution = self._connected()
        if name != execution.info.name:
            raise self._unknown(name, execution)
        return execution.info

    def invoke(
        self, name: str, inputs: Sequence[Array], mode: Mode = Mode.IO_ONLY, callback: AiRunnerCallback | None = None
    ) -> RunResult:
        """Runs a batch, sample by sample; see `Driver.invoke`.

        Raises:
            InvalidModelError: the engine refused to classify.
            InvalidMsgError: its replies are none, or of another kind of model than its hello.
            InvalidParamError: a feature is not finite, or a command of this connection is going on.
        """
        with self._use:
            execution = self._connected()
            if name != execution.info.name:
                raise self._unknown(name, execution)
            if mode is not Mode.IO_ONLY:
                mode = reduced_mode(mode, execution.info.runtime.capabilities) & _MODES
            try:
                return execution.run(inputs[0], mode, callback)
            except InvalidMsgError as error:
                execution.engine.link.explain(error)
                raise

    def extension(self, name: str | None, **command: Any) -> Any:
        """Hello, raw replies, thresholds, as `ai_runner.drivers.eim.extension` describes."""
        if "cmd" not in command:
            return False
        with self._use:
            engine = self._connected().engine
            try:
                return extend(engine, command)
            except InvalidMsgError as error:
                engine.link.explain(error)
                raise

    def close(self) -> None:
        """Ends the engine, or leaves it where it is somebody else's; from a callback, when its run has ended."""
        self._use.close()

    def describe(self) -> str:
        """One line: process or socket, project, engine."""
        if self._execution is None:
            return super().describe()
        attributes = self._execution.info.runtime.attributes
        project = f", project {attributes['project']}" if "project" in attributes else ""
        return f"{self._execution.engine.link.transport.describe()}{project}, {attributes['engine']}"

    # -- inside -----------------------------------------------------------------------------------------------------

    def _link(self, deadline: Deadline) -> Link:
        """To the engine of the descriptor, or of the transport that was given."""
        given: Transport | None = self.keywords.get("transport")
        line = given or open_line(self.descriptor, self._options, deadline)
        try:
            transport = self.keywords["wrap"](line) if "wrap" in self.keywords else line
        except BaseException:
            if given is None:
                line.close()
            raise
        child = line.child if isinstance(line, ProcessTransport) else None
        return Link(transport, Connection(self._options.framing, self._options.max_message), child)

    def _connected(self) -> Execution:
        if self._execution is None:
            raise NotConnectedError(f"{self.descriptor}: not open", hint="open it first")
        return self._execution

    def _unknown(self, name: str, execution: Execution) -> InvalidParamError:
        return InvalidParamError(f"{self.descriptor}: no model {name!r}", hint=f"it has {execution.info.name!r}")

    def _release(self) -> None:
        execution, self._execution = self._execution, None
        if execution is not None:
            self._leave(execution.engine)

    def _leave(self, engine: Engine) -> None:
        engine.close()
        if "transport" not in self.keywords:
            engine.link.transport.close()
        if engine.link.child is not None:
            engine.unlink()

    def _described(self, engine: Engine) -> ModelInfo:
        sizes: list[int] = []
        if engine.hello.is_freeform and not engine.hello.freeform_shm:
            sizes = engine.freeform_sizes()
        attributes = {"features": f"as JSON: {engine.why_json}" if engine.why_json else "in shared memory"}
        where = "stdin and stdout" if self._options.framing.value == "stdin" else "a Unix socket"
        return model_info(
            engine.hello,
            model_name(self.descriptor.address),
            f"Edge Impulse EIM, JSON over {where}",
            host_device(),
            sizes,
            attributes,
            self._options.scale,
        )
