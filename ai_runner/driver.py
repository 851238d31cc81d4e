"""The contract of a runtime.

Life cycle::

    driver = SomeDriver(descriptor)      parses nothing, touches nothing; checks its options
    driver.open(deadline)                afterwards names(), info() and invoke() work
    driver.names()  driver.info(name)  driver.invoke(name, inputs, ...)  driver.extension(...)
    driver.close()                       idempotent, never raises for a dead peer

`invoke` gets a whole batch (first axis), already checked: right number of inputs, dtypes, shapes
``(batch,) + TensorInfo.sample_shape``, C-contiguous, native byte order, and a mode that
`info(name).runtime.capabilities` allows. It allocates its outputs once for the batch, fresh for every call, and never
writes into them later.

A driver reports what it measured and marks where a time comes from (`TimeSource`); a time that was not measured is
absent. What a reader of its numbers must know goes into `RunResult.warnings`; the runner logs it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy.typing as npt

from ai_runner.deadline import Deadline
from ai_runner.descriptor import Descriptor
from ai_runner.errors import InvalidParamError
from ai_runner.model import Caps, Mode, ModelInfo
from ai_runner.profile import RunResult
from ai_runner.rerun import Rerun, TensorPlace

Array = npt.NDArray[Any]

# What ST's connect() takes for its own drivers: scripts pass them to any runtime, which ignores what is not its own.
COMMON_KEYWORDS = frozenset({"weights", "reload", "dll_name", "context", "baudrate", "timeout", "io_hw_log"})


CALLBACK_EVENTS = ("on_sample_begin", "on_sample_end", "on_node_begin", "on_node_end")


class AiRunnerCallback:
    """Called around samples and nodes while a batch runs; override what you need.

    `data` are the tensors, a list of arrays that are valid during the call only. `logs` holds ``dur`` (ms, absent when
    not measured) and for nodes ``shape`` (list), ``m_id`` and ``layer_type``.
    """

    def on_sample_begin(self, idx: int) -> None:
        """Before sample `idx` runs."""

    def on_sample_end(self, idx: int, data: list[Array], logs: Mapping[str, Any] | None = None) -> bool | None:
        """After sample `idx`, with its outputs. False stops: the samples done so far are returned."""
        return True

    def on_node_begin(self, idx: int, data: list[Array], logs: Mapping[str, Any] | None = None) -> None:
        """Before node `idx`, with its inputs where the runtime shows them."""

    def on_node_end(self, idx: int, data: list[Array], logs: Mapping[str, Any] | None = None) -> None:
        """After node `idx`, with its outputs where the runtime shows them."""


class Driver(ABC):
    """Base of every runtime; see the module for the life cycle.

    Attributes:
        OPTIONS: descriptor options it knows, name to one line of help.
        KEYWORDS: keyword arguments of connect() it makes use of.
        MODES: modes beyond the capabilities that the target carries out by itself (CONST_VALUE, PERF_ONLY).
        FINITE_ONLY: True when `invoke` refuses inputs that are not finite, so that nobody needs to look for NaN before.
        ISOLATABLE: True when `isolate=process` may run it in a child process.
    """

    OPTIONS: ClassVar[Mapping[str, str]] = {}
    KEYWORDS: ClassVar[frozenset[str]] = frozenset()
    MODES: ClassVar[Mode] = Mode.IO_ONLY
    FINITE_ONLY: ClassVar[bool] = False
    ISOLATABLE: ClassVar[bool] = False

    def __init__(self, descriptor: Descriptor, **keywords: Any) -> None:
        unknown = [option for option in descriptor.options if option not in self.OPTIONS]
        if unknown:
            known = ", ".join(sorted(self.OPTIONS)) or "none"
            raise InvalidParamError(
                f"{descriptor}: unknown option {unknown[0]!r}", hint=f"options of {descriptor.scheme}: {known}"
            )
        strangers = sorted(set(keywords) - self.KEYWORDS - COMMON_KEYWORDS)
        if strangers:
            known = ", ".join(sorted(self.KEYWORDS)) or "none"
            raise InvalidParamError(
                f"{descriptor}: unknown argument {strangers[0]!r}", hint=f"arguments of {descriptor.scheme}: {known}"
            )
        self.descriptor = descriptor
        self.keywords = {key: value for key, value in keywords.items() if key in self.KEYWORDS and value is not None}

    @abstractmethod
    def open(self, deadline: Deadline) -> None:
        """Makes the runtime ready.

        Raises:
            InvalidParamError: what the descriptor names does not exist.
            InvalidModelError: it exists and is no model that this runtime can run.
            HwIOError: the bench failed: port, process, missing package.
        """

    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of the models, at least one once open."""

    @abstractmethod
    def info(self, name: str) -> ModelInfo:
        """Description of a model; the same object for every call of one connection."""

    @abstractmethod
    def invoke(
        self, name: str, inputs: Sequence[Array], mode: Mode = Mode.IO_ONLY, callback: AiRunnerCallback | None = None
    ) -> RunResult:
        """Runs a batch.

        Args:
            name: one of `names()`.
            inputs: one array per input, ``(batch,) + sample_shape``, as the module's description promises.
            mode: within the capabilities.
            callback: makes samples run one by one.

        Raises:
            HwIOError: the runtime died or did not answer; nothing is returned.
            InvalidModelError: the runtime refused the model or the run with an error code of its own.
        """

    def rerun(self, name: str, node: int, recorded: Mapping[TensorPlace, Array]) -> Rerun | None:
        """Runs one node again on recorded tensors, by every set of kernels this runtime has.

        Args:
            name: one of `names()`.
            node: its position in the profile of a run; `rerun.MODEL_OUTPUTS` for the outputs of the model.
            recorded: tensors as the nodes of that profile declare them, ``(batch,) + sample_shape``. Where an input of
                the node is not among them, the operators that compute it from those that are run as well.

        Returns:
            What came out; None where this runtime cannot do it for this node.
        """
        return None

    def least_seconds(self, name: str, samples: int) -> float | None:
        """How long the tensors of so many samples are under way at least, s; None where no line has a rate."""
        return None

    def extension(self, name: str | None, **command: Any) -> Any:
        """A command beyond inference; False when there is none."""
        return False

    @abstractmethod
    def close(self) -> None:
        """Releases everything."""

    def describe(self) -> str:
        """One line for a person: what is connected."""
        return str(self.descriptor)


def reduced_mode(mode: Mode, capabilities: Sequence[Caps]) -> Mode:
    """`mode` without what the runtime cannot do; WITH_DATA implies PER_LAYER."""
    if Mode.PER_LAYER_WITH_DATA in mode:
        mode |= Mode.PER_LAYER
    if Caps.PER_LAYER_WITH_DATA not in capabilities:
        mode &= ~Mode.PER_LAYER_WITH_DATA
        if Caps.PER_LAYER not in capabilities:
            mode &= ~Mode.PER_LAYER
    return mode


def heard_events(callback: AiRunnerCallback | None) -> tuple[str, ...]:
    """The events that `callback` does something at."""
    if callback is None:
        return ()
    functions = {event: getattr(getattr(callback, event), "__func__", None) for event in CALLBACK_EVENTS}
    return tuple(event for event, own in functions.items() if own is not getattr(AiRunnerCallback, event))


def listens_to_nodes(callback: AiRunnerCallback | None) -> bool:
    """True when `callback` does something before or after a node."""
    return not {"on_node_begin", "on_node_end"}.isdisjoint(heard_events(callback))
