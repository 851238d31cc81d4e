"""AiRunner: one object for every runtime. The face of ST's `stm_ai_runner`, and a strict one beside it.

For new code::

    with AiRunner.open("file:build/st-ai") as runner:      raises a typed error
        result = runner.run(inputs, mode=Mode.PER_LAYER)   raises; a frozen RunResult

For existing scripts `connect()` returns a bool and `invoke()` returns ``outputs, profiler``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ai_runner.deadline import Deadline
from ai_runner.descriptor import Descriptor, parse_descriptor
from ai_runner.driver import AiRunnerCallback, Array, Driver, reduced_mode
from ai_runner.errors import AiRunnerError, HwIOError, InvalidParamError, NotConnectedError
from ai_runner.inputs import check_inputs, generate_rnd, nan_warnings
from ai_runner.io_mode import IoMode
from ai_runner.model import Caps, Mode, ModelInfo, TensorRole
from ai_runner.profile import RunResult
from ai_runner.registry import create_driver
from ai_runner.rerun import Rerun, TensorPlace
from ai_runner.session import AiRunnerSession
from ai_runner.tensor_desc import AiTensorDesc, tensor_desc

if TYPE_CHECKING:
    import logging

    from ai_runner.transport.recorder import Recording

OPEN_TIMEOUT = 60.0  # s; a large model in a child process on a slow machine needs some


class _EnumNames:
    """`AiRunner.Mode` and `AiRunner.Caps`, as existing scripts spell them."""

    Caps = Caps
    Mode = Mode


class AiRunner(_EnumNames):
    """A connection to one runtime with one or several models.

    Args:
        logger: where messages go; a private child of the logger ``ai_runner`` by default. No file is written.
        debug: log at DEBUG level.
        verbosity: 1 and more: log at INFO level.
    """

    def __init__(self, logger: logging.Logger | None = None, debug: bool = False, verbosity: int = 0) -> None:
        self._logger = logger or _private_logger(debug, verbosity)
        self._driver: Driver | None = None
        self._names: tuple[str, ...] = ()
        self._sessions: dict[str, AiRunnerSession] = {}
        self._error: AiRunnerError | None = None
        self._recording: Recording | None = None

    # -- connection -------------------------------------------------------------------------------------------------

    @classmethod
    def open(cls, desc: str | None = None, *, logger: logging.Logger | None = None, **keywords: Any) -> Self:
        """Connects, or raises.

        Args:
            desc: a descriptor (docs/descriptors.md).
            logger: as for the constructor.
            keywords: what the driver takes, for instance `weights` for a C-model library; `record`: a file that
                everything which goes over the wire is written to, as the option of that name (docs/replay.md).

        Raises:
            AiRunnerError: InvalidParamError, InvalidModelError or HwIOError, by whose fault it is.
        """
        runner = cls(logger)
        runner._connect(desc, keywords)
        return runner

    def connect(self, desc: str | None = None, **kwargs: Any) -> bool:
        """Connects, releasing a previous connection first. Never raises: `get_error()` has the reason for False."""
        self._error = None
        try:
            self._connect(desc, kwargs)
        except AiRunnerError as error:
            self._fail(error)
        except Exception as error:  # the promise to existing scripts: connect() returns, whatever a driver does
            self._logger.debug("connect", exc_info=True)
            self._fail(HwIOError(f"{desc}: {type(error).__name__}: {error}"))
        return self.is_connected

    def disconnect(self, force_all: bool = True) -> bool:
        """Ends the connection; with `force_all=False` only when no session is active. True when it has ended."""
        if not force_all and any(session.is_active for session in self._sessions.values()):
            return False
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            session.release()
        driver, self._driver, self._names = self._driver, None, ()
        if driver is not None:
            driver.close()
            self._logger.info("disconnected from %s", driver.descriptor)
        recording, self._recording = self._recording, None
        if recording is not None:
            recording.finish()
        return True

    def close(self) -> None:
        """Ends the connection."""
        self.disconnect()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.disconnect()

    @property
    def is_connected(self) -> bool:
        """True while there is a connection."""
        return self._driver is not None

    @property
    def descriptor(self) -> Descriptor:
        """What is connected; raises NotConnectedError."""
        return self._connected().descriptor

    def get_error(self) -> str | None:
        """Why the last `connect` failed, as ``E801(HwIOError): message``, or None. Reading clears it."""
        error, self._error = self._error, None
        return None if error is None else f"{error}; {error.hint}" if error.hint else str(error)

    # -- description ------------------------------------------------------------------------------------------------

    @property
    def names(self) -> list[str]:
        """Names of the models."""
        return list(self._names)

    @property
    def name(self) -> str | None:
        """Name of the first model."""
        return self._names[0] if self._names else None

    def model_info(self, name: str | int | None = None) -> ModelInfo:
        """Description of a model; raises NotConnectedError or InvalidParamError (unknown name)."""
        driver = self._connected()
        found = self._find(name)
        if found is None:
            raise InvalidParamError(f"{driver.descriptor}: no model {name!r}", hint=f"models: {', '.join(self._names)}")
        return driver.info(found)

    def get_info(self, name: str | int | AiRunnerSession | None = None) -> dict[str, Any]:
        """The info dict, made afresh; ``{}`` when not connected or unknown."""
        info = self._info_or_none(name)
        return {} if info is None else info.to_dict()

    def get_input_infos(self, name: str | int | None = None) -> list[dict[str, Any]]:
        """The list ``inputs`` of the info dict."""
        inputs: list[dict[str, Any]] = self.get_info(name).get("inputs", [])
        return inputs

    def get_output_infos(self, name: str | int | None = None) -> list[dict[str, Any]]:
        """The list ``outputs`` of the info dict."""
        outputs: list[dict[str, Any]] = self.get_info(name).get("outputs", [])
        return outputs

    def get_inputs(self, name: str | int | None = None) -> list[AiTensorDesc]:
        """The inputs as `AiTensorDesc`."""
        info = self._info_or_none(name)
        return [tensor_desc(t, TensorRole.INPUT) for t in info.inputs] if info else []

    def get_outputs(self, name: str | int | None = None) -> list[AiTensorDesc]:
        """The outputs as `AiTensorDesc`."""
        info = self._info_or_none(name)
        return [tensor_desc(t, TensorRole.OUTPUT) for t in info.outputs] if info else []

    def session(self, name: str | int | None = None) -> AiRunnerSession | None:
        """The session of a model; None when not connected or unknown."""
        found = self._find(name) if self.is_connected else None
        if found is None:
            return None
        if found not in self._sessions:
            session = AiRunnerSession(found)
            session.acquire(self)
            self._sessions[found] = session
        return self._sessions[found]

    def short_desc(self) -> str:
        """One line: what is connected, or ``not connected``."""
        return "not connected" if self._driver is None else f"{self._driver.describe()} {self.names}"

    def __str__(self) -> str:
        return self.short_desc()

    @staticmethod
    def version() -> str:
        """Version of this package."""
        from ai_runner import __version__

        return __version__

    def get_logger(self) -> logging.Logger:
        """Where this runner's messages go."""
        return self._logger

    def summary(
        self,
        name: str | int | None = None,
        print_fn: Callable[[str], Any] | None = None,
        indent: int = 1,
        level: int = 0,
    ) -> None:
        """Describes a model line by line through `print_fn` (default: print); `level` 1 adds memory and I/O details."""
        from ai_runner.report.summary import summary_lines

        _print_lines(summary_lines(self._info_or_none(name), level), print_fn, indent)

    def print_profiling(
        self,
        inputs: Any,
        profiler: dict[str, Any],
        outputs: Any,
        print_fn: Callable[[str], Any] | None = None,
        *,
        indent: int = 1,
        tensor_info: bool = True,
        debug: bool = False,
        no_details: bool = False,
    ) -> None:
        """Prints a profiler dict line by line through `print_fn` (default: print).

        `tensor_info` adds statistics of inputs and outputs, `debug` the host's view; `no_details` leaves the nodes out.
        """
        from ai_runner.report.summary import profiling_lines

        lines = profiling_lines(inputs, profiler, outputs, tensor_info=tensor_info, debug=debug, no_details=no_details)
        _print_lines(lines, print_fn, indent)

    # -- inference --------------------------------------------------------------------------------------------------

    def run(
        self,
        inputs: Any,
        name: str | int | None = None,
        *,
        mode: Mode = Mode.IO_ONLY,
        callback: AiRunnerCallback | None = None,
        io_mode: str | None = None,
    ) -> RunResult:
        """Runs a batch.

        Args:
            inputs: an array or a list of arrays, batch first, in the dtypes of the model (see `inputs.check_inputs`).
            name: of the model; the first one by default.
            mode: WITH_DATA implies PER_LAYER.
            callback: called around samples and nodes, which then run one by one.
            io_mode: ``'quantize'``: inputs are real values; ``'dequantize'``: so are the outputs;
                ``'quantize+dequantize'``. None converts nothing.

        Raises:
            NotConnectedError: there is no connection.
            InvalidParamError: unknown name, wrong inputs, a mode that the runtime does not have.
            HwIOError, InvalidModelError: the runtime failed.
        """
        info = self.model_info(name)
        driver = self._connected()
        possible = self._possible_mode(driver, info, mode)
        wanted = mode | Mode.PER_LAYER if Mode.PER_LAYER_WITH_DATA in mode else mode
        if possible != wanted:
            raise InvalidParamError(
                f"{driver.descriptor}: {(wanted & ~possible)!r} is not possible for '{info.name}'",
                hint=f"it can do {', '.join(cap.name for cap in info.runtime.capabilities)}",
            )
        return self._run(driver, info, inputs, possible, callback, io_mode)

    def invoke(
        self,
        inputs: Any,
        name: str | int | AiRunnerSession | None = None,
        mode: Mode = Mode.IO_ONLY,
        callback: AiRunnerCallback | None = None,
        io_mode: str | None = None,
        disable_pb: bool = False,
        option: int = 0,
        m_outputs: Any = None,
        io_extra_bytes: bool = False,
    ) -> tuple[list[Array], dict[str, Any]]:
        """Runs a batch as `run` does, with the mode reduced to what the runtime can do.

        Returns:
            The outputs, a list of arrays ``(batch, ...)``, and the profiler dict; ``([], {})`` without a model.

        Raises:
            InvalidParamError: wrong inputs.
            HwIOError, InvalidModelError: the runtime failed.
        """
        info = self._info_or_none(name)
        if info is None or self._driver is None:
            return [], {}
        result = self._run(self._driver, info, inputs, self._possible_mode(self._driver, info, mode), callback, io_mode)
        return list(result.outputs), result.to_dict()

    def rerun(self, node: int, recorded: Mapping[TensorPlace, Array], name: str | int | None = None) -> Rerun | None:
        """Runs one node again on recorded tensors; see `Driver.rerun`. Raises as `model_info` does."""
        return self._connected().rerun(self.model_info(name).name, node, recorded)

    def least_seconds(self, samples: int, name: str | int | None = None) -> float | None:
        """How long a run takes at least; see `Driver.least_seconds`. Raises as `model_info` does."""
        return self._connected().least_seconds(self.model_info(name).name, samples)

    def generate_rnd_inputs(
        self,
        name: str | int | AiRunnerSession | None = None,
        batch_size: int = 4,
        rng: np.random.RandomState | None = None,
        val: Any = None,
    ) -> list[Array]:
        """Random inputs, one array an input (`inputs.generate_rnd`): the same without `rng`, none without a model."""
        info = self._info_or_none(name)
        if info is None:
            return []
        types, shapes = [t.dtype for t in info.inputs], [(1, *t.sample_shape) for t in info.inputs]
        return generate_rnd(types, shapes, batch_size, rng, val)

    def extension(self, name: str | int | None = None, **kwargs: Any) -> Any:
        """A command of the driver beyond inference; False when there is none."""
        return False if self._driver is None else self._driver.extension(self._find(name), **kwargs)

    # -- inside -----------------------------------------------------------------------------------------------------

    def _connect(self, desc: str | None, keywords: dict[str, Any]) -> None:
        self.disconnect()
        descriptor = parse_descriptor(desc)
        file = keywords.get("record") or descriptor.options.get("record")
        if file:
            descriptor, keywords = self._recorded(descriptor, keywords, file)
        try:
            self._driver = _opened(descriptor, keywords)
            self._names = self._driver.names()
        except BaseException:
            self.disconnect()
            raise
        self._logger.info("connected to %s", self._driver.describe())

    def _recorded(
        self, descriptor: Descriptor, keywords: dict[str, Any], file: str
    ) -> tuple[Descriptor, dict[str, Any]]:
        """Starts a recording; the descriptor without the option, and the keywords that make a driver write into it."""
        from ai_runner.transport.recorder import Recording

        descriptor = descriptor.without("record")
        self._recording = Recording(file, str(descriptor))
        kept = {key: value for key, value in keywords.items() if key != "record"}
        return descriptor, {**kept, "wrap": self._recording.wrap}

    def _fail(self, error: AiRunnerError) -> None:
        self._error = error
        self._logger.debug("%s", error)

    def _connected(self) -> Driver:
        if self._driver is None:
            raise NotConnectedError("the runner is not connected", hint="connect(desc) or AiRunner.open(desc) first")
        return self._driver

    def _find(self, name: str | int | AiRunnerSession | None) -> str | None:
        if name is None:
            return self.name
        if isinstance(name, int):
            return self._names[name] if 0 <= name < len(self._names) else None
        wanted = str(name)
        return wanted if wanted in self._names else None

    def _info_or_none(self, name: str | int | AiRunnerSession | None) -> ModelInfo | None:
        found = self._find(name)
        return self._driver.info(found) if self._driver is not None and found is not None else None

    def _possible_mode(self, driver: Driver, info: ModelInfo, mode: Mode) -> Mode:
        if mode is Mode.IO_ONLY:
            return mode
        mode = reduced_mode(mode, info.runtime.capabilities)
        return mode & ~Mode.CONST_VALUE if Mode.CONST_VALUE not in driver.MODES else mode

    def _run(
        self,
        driver: Driver,
        info: ModelInfo,
        inputs: Any,
        mode: Mode,
        callback: AiRunnerCallback | None,
        io_mode: str | None,
    ) -> RunResult:
        conversion = None if io_mode is None else IoMode(io_mode)
        if conversion:
            inputs = conversion.to_model(inputs, info.inputs)
        arrays = check_inputs(inputs, info.inputs)
        warnings = [] if driver.FINITE_ONLY else nan_warnings(arrays, info.inputs)
        quiet = mode if mode is Mode.IO_ONLY else _without_unsupported_flags(driver, mode)
        result = driver.invoke(info.name, arrays, quiet, callback)
        changes: dict[str, Any] = {}
        if mode is not Mode.IO_ONLY:
            changes = {"mode": mode, "outputs": () if Mode.PERF_ONLY in mode else result.outputs}
        if warnings:
            changes["warnings"] = (*warnings, *result.warnings)
        if conversion:
            changes["outputs"] = conversion.from_model(changes.get("outputs", result.outputs), info.outputs)
        if changes:
            result = dataclasses.replace(result, **changes)
        for warning in result.warnings:
            self._logger.warning("%s: %s", info.name, warning)
        return result


def _opened(descriptor: Descriptor, keywords: dict[str, Any]) -> Driver:
    driver = create_driver(descriptor, **keywords)
    try:
        driver.open(Deadline(OPEN_TIMEOUT))
    except BaseException:
        driver.close()
        raise
    return driver


def _private_logger(debug: bool, verbosity: int) -> logging.Logger:
    import logging

    # Not registered by name: two runners share no level, and nothing outlives its runner.
    logger = logging.Logger("ai_runner.AiRunner")
    logger.parent = logging.getLogger("ai_runner")
    logger.setLevel(logging.DEBUG if debug else logging.INFO if verbosity else logging.WARNING)
    return logger


def _without_unsupported_flags(driver: Driver, mode: Mode) -> Mode:
    if Mode.PERF_ONLY in mode and Mode.PERF_ONLY not in driver.MODES:
        mode &= ~(Mode.PERF_ONLY | Mode.PER_LAYER_WITH_DATA)
    return mode & ~Mode.DEBUG


def _print_lines(lines: Sequence[str], print_fn: Callable[[str], Any] | None, indent: int) -> None:
    print_line = print if print_fn is None else print_fn
    for line in lines:
        print_line(" " * indent + line)
