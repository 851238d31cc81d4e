"""Batches of one model over a link, sample by sample: the board keeps no batch."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter

from ai_runner.driver import AiRunnerCallback, Array
from ai_runner.drivers.stm32.link import Link
from ai_runner.drivers.stm32.nodes import NodeCollector, counter_type_name
from ai_runner.drivers.stm32.protocol import (
    GetSystemInfo,
    InputWanted,
    LogMessage,
    ModelDescription,
    NodeReport,
    Refused,
    Run,
    RunReport,
    SendTensor,
    Tensor,
)
from ai_runner.drivers.stm32.protocol.codes import ErrorCode
from ai_runner.drivers.stm32.recovery import Attempts
from ai_runner.drivers.stm32.tensors import Receiver, wire_samples
from ai_runner.errors import AiRunnerError, InvalidModelError, InvalidMsgError, LinkTimeoutError
from ai_runner.model import Mode, ModelInfo
from ai_runner.profile import RunResult, TimeSource

_log = logging.getLogger(__name__)

_MS = 1e3  # of a second
_LONG_RUN = 5.0  # s
_QUICK = 5.0  # ms for a single sample, below which one more question would take too much of its time
_WIRE_BITS = 10 * 34 / 32  # of a byte in small packets, 8N1
_OTHER_BYTES = 9 * 32  # of a run besides its tensors: request, acks, report
_IO_ONLY = Mode.IO_ONLY


@dataclass(frozen=True)
class ServedModel:
    """A model of the board.

    Attributes:
        desc: as the board describes it.
        info: as AiRunner does.
        source: whose clock its times come from.
        runtime: `codes.Runtime`.
        constant_on_board: whether the board itself can repeat one element, run without sending outputs, and log more
            (v3).
    """

    desc: ModelDescription
    info: ModelInfo
    source: TimeSource
    runtime: int
    constant_on_board: bool


@dataclass
class _Reports:
    """What the samples of a batch measured."""

    durations: list[float] = field(default_factory=list)
    exec_times: list[float] = field(default_factory=list)
    counters: list[tuple[int, ...]] = field(default_factory=list)
    counter_type: int = 0
    stack: int | None = None
    heap: int | None = None
    unmeasured: bool = False

    def add(self, report: RunReport, nodes_ms: float | None, host_ms: float) -> None:
        spent = report.duration if nodes_ms is None else nodes_ms
        self.unmeasured = self.unmeasured or spent is None
        self.durations.append(host_ms if spent is None else spent)
        if report.counters:
            self.counters.append(report.counters)
            self.counter_type = report.counter_type
        self.stack = _largest(self.stack, report.stack_used)
        self.heap = _largest(self.heap, report.heap_used)


@dataclass(frozen=True)
class _Plan:
    """How a mode is carried out.

    Attributes:
        run: without name.
        fills_inputs: repeat the first element of inputs here, because the board cannot.
        keeps_outputs: outputs are wanted.
    """

    run: Run
    fills_inputs: bool = False
    keeps_outputs: bool = True


_PLAIN = _Plan(Run(""))


def _plan(mode: Mode, constant_on_board: bool) -> _Plan:
    perf_only = Mode.PERF_ONLY in mode
    constant = Mode.CONST_VALUE in mode
    with_data = Mode.PER_LAYER_WITH_DATA in mode
    run = Run(
        name="",
        per_layer=with_data or Mode.PER_LAYER in mode,
        with_data=with_data and not perf_only,
        const_value=constant_on_board and (constant or perf_only),
        perf_only=constant_on_board and perf_only,
        debug=constant_on_board and Mode.DEBUG in mode,
    )
    return _Plan(run, constant and not constant_on_board, not perf_only)


def least_seconds(tensor_bytes: int, samples: int, baudrate: int) -> float:
    """How long `samples` runs with so many bytes of inputs and outputs each keep a line busy, s."""
    return samples * (tensor_bytes + _OTHER_BYTES) * _WIRE_BITS / baudrate


class Execution:
    """One batch.

    Args:
        link: at rest.
        model: what runs.
        inputs: as `Driver.invoke` gets them.
        mode: of PER_LAYER, PER_LAYER_WITH_DATA, CONST_VALUE, PERF_ONLY and DEBUG.
        callback: called around samples and nodes.
        attempts: says which faults are mended; the sample then runs again, without the callbacks that there have been.
        verify: run every sample twice, and take different tensors for a fault.
    """

    def __init__(
        self,
        link: Link,
        model: ServedModel,
        inputs: Sequence[Array],
        mode: Mode,
        callback: AiRunnerCallback | None,
        attempts: Attempts,
        verify: bool = False,
    ) -> None:
        self._link = link
        self._model = model
        self._mode = mode
        self._callback = callback
        self._attempts = attempts
        self._verify = verify
        self._begun = False
        self._batch = len(inputs[0]) if inputs else 1
        self._descs = model.desc.inputs
        plan = _PLAIN if mode is _IO_ONLY else _plan(mode, model.constant_on_board)
        self._keeps_outputs = plan.keeps_outputs
        if plan.fills_inputs:
            inputs = [_repeated(array) for array in inputs]
        tensors = zip(inputs, model.info.inputs, self._descs, strict=True)
        self._feed = [wire_samples(array, info, desc, plan.run.const_value) for array, info, desc in tensors]
        infos = model.info.outputs if plan.keeps_outputs else ()
        self._outputs = [Receiver(info, self._batch) for info in infos]
        self._nodes = NodeCollector(model.runtime, self._batch, callback) if plan.run.per_layer else None
        self._first = replace(plan.run, name=model.desc.name, first_sample=True)
        self._later = replace(plan.run, name=model.desc.name) if self._batch > 1 else self._first

    def run(self) -> RunResult:
        """Runs all samples; see `Driver.invoke`."""
        if self._batch > 1:
            self._foretell()
        begin = perf_counter()
        reports, callback = _Reports(), self._callback
        for sample in range(self._batch):
            start = perf_counter()
            if callback is not None:
                callback.on_sample_begin(sample)
            reports.add(*self._measured(sample))
            if self._nodes is not None and self._nodes.failure is not None:
                raise self._nodes.failure
            go_on = True
            if callback is not None:
                outputs = [receiver.array[sample : sample + 1] for receiver in self._outputs]
                go_on = callback.on_sample_end(sample, outputs, {"dur": reports.durations[-1]}) is not False
            reports.exec_times.append((perf_counter() - start) * _MS)
            if not go_on:
                break
        return self._result(reports, (perf_counter() - begin) * _MS)

    def _foretell(self) -> None:
        """Logs how long a long batch will take at least: bytes on the wire by its rate."""
        baudrate = self._link.transport.baudrate
        if baudrate:
            tensors = sum(len(samples[0]) for samples in self._feed) + sum(r.info.size_bytes for r in self._outputs)
            seconds = least_seconds(tensors, self._batch, baudrate)
            if seconds > _LONG_RUN:
                _log.info("%d samples take %.0f s or more at %d Bd", self._batch, seconds, baudrate)

    def _measured(self, sample: int) -> tuple[RunReport, float | None, float]:
        """A sample that has run without fault: its report, and ms of its nodes together and as the host saw it."""
        if self._nodes is not None:
            self._nodes.begin_sample(sample)
        while True:
            try:
                measured = self._run_twice(sample) if self._verify else self._run_once(sample)
                if sample == self._batch - 1 and (sample or measured[2] > _QUICK):
                    self._check_alignment()
                return measured
            except AiRunnerError as error:
                self._attempts.mend(sample, error, self._begun)
                if self._nodes is not None:
                    self._nodes.begin_again()

    def _run_once(self, sample: int) -> tuple[RunReport, float | None, float]:
        before = perf_counter()
        report = self._sample(sample)
        nodes_ms = None if self._nodes is None else self._nodes.end_sample()
        return report, nodes_ms, (perf_counter() - before) * _MS

    def _run_twice(self, sample: int) -> tuple[RunReport, float | None, float]:
        self._run_once(sample)
        first = self._tensors(sample)
        if self._nodes is not None:
            self._nodes.begin_again()
        measured = self._run_once(sample)
        if self._tensors(sample) != first:
            raise InvalidMsgError(
                f"{self._link.transport.describe()}: two runs of sample {sample} gave different tensors",
                hint="the line flips bits, or the model keeps a state: then verify=1 is not for it",
                retryable=True,
            )
        return measured

    def _check_alignment(self) -> None:
        """One more question: a board that has heard a byte too many took it for one of an input and cannot answer."""
        try:
            self._link.answer(GetSystemInfo())
        except (InvalidMsgError, LinkTimeoutError) as error:
            raise InvalidMsgError(
                f"{self._link.transport.describe()}: the board was out of step after the run: {error.message}",
                hint="run it again; look at the cable, and try a lower baud rate",
                evidence=error.evidence,
                retryable=True,
            ) from error

    def _tensors(self, sample: int) -> list[bytes]:
        found = [receiver.array[sample].tobytes() for receiver in self._outputs]
        return found if self._nodes is None else found + self._nodes.tensors()

    def _sample(self, sample: int) -> RunReport:
        link, nodes, feed = self._link, self._nodes, self._feed
        report: RunReport | None = None
        outputs = 0
        self._begun = False
        for event in link.ask(self._later if sample else self._first):
            if isinstance(event, InputWanted):
                self._begun = True
                self._check_wanted(event)
                link.say(SendTensor(feed[event.index][sample], self._descs[event.index]))
            elif isinstance(event, Tensor):
                if report is None and nodes is not None:
                    nodes.tensor(event)
                elif self._keeps_outputs:
                    self._output(outputs).take(sample, event.data)
                    outputs += 1
            elif isinstance(event, RunReport):
                report = event
            elif isinstance(event, NodeReport):
                if nodes is None:
                    raise InvalidMsgError("the board reports a node that was not asked for", retryable=True)
                nodes.node(event)
            elif isinstance(event, LogMessage):
                if nodes is not None:
                    nodes.log(event)
            elif isinstance(event, Refused):
                self._refused(event)
        if report is None or outputs < len(self._outputs):
            raise InvalidMsgError(
                f"the board sent {outputs} of {len(self._outputs)} outputs of '{self._model.info.name}'", retryable=True
            )
        if link.connection.held:
            raise InvalidMsgError("the board sent more than its answer: a byte may be there twice", retryable=True)
        return report

    def _check_wanted(self, event: InputWanted) -> None:
        """The number of the input, and the size that the board announces for the first one: bytes, in v2 elements."""
        if event.index >= len(self._feed):
            raise InvalidMsgError(f"the board wants input {event.index} of {len(self._feed)}", retryable=True)
        if event.announced is not None:
            info, desc = self._model.info.inputs[event.index], self._descs[event.index]
            known = (info.size_bytes, desc.size, desc.size * info.dtype.itemsize)
            if event.announced not in known:
                raise InvalidMsgError(
                    f"the board wants {event.announced} bytes of input {info.name}, which has {info.size_bytes}",
                    retryable=True,
                )

    def _output(self, index: int) -> Receiver:
        if index >= len(self._outputs):
            raise InvalidMsgError(f"the board sends more than {len(self._outputs)} outputs", retryable=True)
        return self._outputs[index]

    def _refused(self, event: Refused) -> None:
        known = event.error in tuple(ErrorCode)
        error = f"{ErrorCode(event.error).name} ({event.error})" if known else f"error {event.error}"
        raise InvalidModelError(
            f"{self._link.transport.describe()}: the board refused to run '{self._model.info.name}': {error}",
            hint="its log (level INFO) may say why",
            evidence={"error": event.error, "param": event.param},
            retryable=not self._begun,  # a name may have been garbled on its way
        )

    def _result(self, reports: _Reports, host_duration: float) -> RunResult:
        done = len(reports.durations)
        arrays = (receiver.array for receiver in self._outputs)
        source = TimeSource.HOST if reports.unmeasured else self._model.source
        warnings = ("the board measured no time: durations are the host's, transfer included",)
        return RunResult(
            info=self._model.info,
            mode=self._mode,
            outputs=tuple(array if done == self._batch else array[:done].copy() for array in arrays),
            durations=reports.durations,
            source=source,
            nodes=() if self._nodes is None else self._nodes.profiles(done, self._model.source),
            host_duration=host_duration,
            exec_times=reports.exec_times,
            counters_type=counter_type_name(reports.counter_type) if reports.counters else "",
            counters=reports.counters,
            stack_usage=reports.stack,
            heap_usage=reports.heap,
            warnings=warnings if reports.unmeasured else (),
        )


def _repeated(array: Array) -> Array:
    """Every sample filled with its own first element."""
    filled = array.copy()
    rows = filled.reshape(len(filled), -1)
    rows[:] = rows[:, :1]
    return filled


def _largest(a: int | None, b: int | None) -> int | None:
    return b if a is None else a if b is None else max(a, b)
