"""One model of a loaded library, ready to run: what both APIs have in common.

Samples pass through windows, views on memory with a fixed address, so that nothing is built per sample and the arrays
of the user are neither written to nor need any alignment. Outputs are filled with a canary now and then.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from time import perf_counter_ns

import numpy as np

from ai_runner.driver import AiRunnerCallback, Array
from ai_runner.drivers.c_library.node_observer import NodeObserver
from ai_runner.model import Mode, ModelInfo
from ai_runner.profile import RunResult, TimeSource

_MS = 1e-6  # of a nanosecond
# A canary before every sample would make the loop of a small model a sixth slower, and finds no more.
_CANARY_SAMPLES = 16
# Looked up once: an attribute of an enumeration costs as much as half a native call of a small model.
_IO_ONLY, _HOST = Mode.IO_ONLY, TimeSource.HOST


class Binding(ABC):
    """A model in one of the APIs.

    Attributes:
        info: its description; complete once `_ready` was called.
    """

    info: ModelInfo
    _turn = 0  # which canary was placed last
    _run: Callable[[], int]  # runs the sample in the input windows; 0 is success
    _input_windows: list[memoryview]
    _output_windows: list[memoryview]
    _unwritten: list[tuple[memoryview, tuple[bytes, bytes]]]  # output windows that take a canary

    def _ready(self, info: ModelInfo) -> None:
        self.info = info
        self._output_shapes = [(tensor.sample_shape, tensor.dtype) for tensor in info.outputs]
        self._input_sizes = [tensor.size_bytes for tensor in info.inputs]
        self._output_sizes = [tensor.size_bytes for tensor in info.outputs]

    @abstractmethod
    def _refuse(self, status: int) -> None:
        """Raises InvalidModelError for a status that `_run` returned, with the library usable again; or accepts it."""

    @abstractmethod
    def _observer(self, batch: int, keep_data: bool, callback: AiRunnerCallback | None) -> NodeObserver:
        """A collector of node events for one batch."""

    @abstractmethod
    def close(self) -> None:
        """Ends the use of the model, before the library is unloaded."""

    def invoke(self, inputs: Sequence[Array], mode: Mode, callback: AiRunnerCallback | None) -> RunResult:
        """Runs a batch; see Driver.invoke."""
        if mode is not _IO_ONLY:
            mode &= Mode.PER_LAYER | Mode.PER_LAYER_WITH_DATA
            if mode:
                return self._invoke_observed(inputs, mode | Mode.PER_LAYER, callback)
        if callback is not None:
            return self._invoke_called_back(inputs, mode, callback, None)
        return self._invoke_plain(inputs)

    def _invoke_observed(self, inputs: Sequence[Array], mode: Mode, callback: AiRunnerCallback | None) -> RunResult:
        observer = self._observer(len(inputs[0]), Mode.PER_LAYER_WITH_DATA in mode, callback)
        observer.attach()
        try:
            with observer.interruptible():
                if callback is not None:
                    return self._invoke_called_back(inputs, mode, callback, observer)
                return self._invoke_native_observed(inputs, mode, observer)
        finally:
            observer.detach()

    def _invoke_plain(self, inputs: Sequence[Array]) -> RunResult:
        """A batch without events, sample by sample."""
        batch = len(inputs[0])
        begin = perf_counter_ns()
        outputs = self._new_outputs(batch)
        durations = [self._run_one(inputs, outputs)] if batch == 1 else self._run_each(inputs, outputs, batch)
        spent = (perf_counter_ns() - begin) * _MS
        return RunResult(self.info, _IO_ONLY, outputs, durations, _HOST, host_duration=spent, exec_times=durations)

    def _invoke_native_observed(self, inputs: Sequence[Array], mode: Mode, observer: NodeObserver) -> RunResult:
        """A batch with node events and without a callback."""
        batch = len(inputs[0])
        begin = perf_counter_ns()
        outputs = self._new_outputs(batch)
        spent = self._run_each(inputs, outputs, batch, observer)
        duration = (perf_counter_ns() - begin) * _MS
        return self._observed_result(mode, outputs, observer, batch, duration, spent)

    def _observed_result(
        self,
        mode: Mode,
        outputs: tuple[Array, ...],
        observer: NodeObserver,
        samples: int,
        host_duration: float,
        exec_times: Sequence[float],
    ) -> RunResult:
        return RunResult(
            self.info,
            mode,
            outputs,
            observer.sample_durations(samples),
            _HOST,
            observer.profiles(samples),
            host_duration,
            exec_times,
        )

    def _run_each(
        self, inputs: Sequence[Array], outputs: Sequence[Array], batch: int, observer: NodeObserver | None = None
    ) -> list[float]:
        """Runs the samples one by one; returns the ms of each native call."""
        run, clock = self._run, perf_counter_ns
        feed = [(w, a.data.cast("B"), len(w)) for w, a in zip(self._input_windows, inputs, strict=True)]
        drain = [(w, a.data.cast("B"), len(w)) for w, a in zip(self._output_windows, outputs, strict=True)]
        durations = []
        for first in range(0, batch, _CANARY_SAMPLES):
            self._place_canaries()
            for sample in range(first, min(first + _CANARY_SAMPLES, batch)):
                for window, source, size in feed:
                    window[:] = source[sample * size : (sample + 1) * size]
                begin = clock()
                status = run()
                durations.append((clock() - begin) * _MS)
                if status:
                    self._refuse(status)
                if observer is not None and observer.failure is not None:
                    observer.check()
                for window, target, size in drain:
                    target[sample * size : (sample + 1) * size] = window
        return durations

    def _place_canaries(self) -> None:
        """Fills the output windows that may be, with the pattern whose turn it is."""
        self._turn ^= 1
        for window, canaries in self._unwritten:
            window[:] = canaries[self._turn]

    def _run_one(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> float:
        """Runs a single sample, of which a validation loop has many; returns the ms of the native call."""
        self._place_canaries()
        for index, array in enumerate(inputs):
            self._input_windows[index][:] = array.data.cast("B")
        begin = perf_counter_ns()
        status = self._run()
        spent = perf_counter_ns() - begin
        if status:
            self._refuse(status)
        for index, array in enumerate(outputs):
            array.data.cast("B")[:] = self._output_windows[index]
        return spent * _MS

    def _invoke_called_back(
        self, inputs: Sequence[Array], mode: Mode, callback: AiRunnerCallback, observer: NodeObserver | None
    ) -> RunResult:
        batch = len(inputs[0])
        begin = perf_counter_ns()
        outputs = self._new_outputs(batch)
        durations: list[float] = []
        exec_times: list[float] = []
        for sample in range(batch):
            start = perf_counter_ns()
            here = slice(sample, sample + 1)
            results = [output[here] for output in outputs]
            callback.on_sample_begin(sample)
            spent = self._run_each([array[here] for array in inputs], results, 1, observer)[0]
            durations.append(spent if observer is None else observer.sample_ms())
            proceed = callback.on_sample_end(sample, results, {"dur": durations[-1]})
            exec_times.append((perf_counter_ns() - start) * _MS)
            if proceed is False:
                break
        done = len(durations)
        if done < batch:
            outputs = tuple(output[:done].copy() for output in outputs)
        host_duration = (perf_counter_ns() - begin) * _MS
        if observer is not None:
            return self._observed_result(mode, outputs, observer, done, host_duration, exec_times)
        return RunResult(
            self.info,
            _IO_ONLY,
            outputs,
            durations,
            _HOST,
            host_duration=host_duration,
            exec_times=exec_times,
        )

    def _new_outputs(self, batch: int) -> tuple[Array, ...]:
        return tuple([np.empty((batch, *shape), dtype) for shape, dtype in self._output_shapes])
