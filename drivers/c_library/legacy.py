"""A model in the legacy C API (``ai_<name>_*``). The library loops over a batch by itself."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import c_bool, c_int32, c_uint32, c_void_p
from functools import partial
from time import perf_counter_ns

from ai_runner.canary import canary_patterns
from ai_runner.driver import AiRunnerCallback, Array
from ai_runner.drivers.c_library import legacy_abi as abi
from ai_runner.drivers.c_library.binding import Binding
from ai_runner.drivers.c_library.c_names import Api, ExportedModel, symbol
from ai_runner.drivers.c_library.legacy_generations import (
    refuse_incomplete,
    refuse_old_report,
    report_buffer,
    version,
)
from ai_runner.drivers.c_library.legacy_nodes import LegacyNodeObserver, ObserverLibrary
from ai_runner.drivers.c_library.legacy_tensors import (
    network_parameters,
    read_buffers,
    read_io_tensor,
    run_buffers,
)
from ai_runner.drivers.c_library.memory import Block
from ai_runner.drivers.c_library.node_observer import NodeObserver
from ai_runner.drivers.c_library.runtime import runtime_info
from ai_runner.drivers.c_library.tensors import read_text
from ai_runner.errors import InvalidModelError, InvalidParamError
from ai_runner.host import host_device
from ai_runner.model import Mode, ModelInfo, NodeInfo, TensorRole
from ai_runner.profile import RunResult, TimeSource
from ai_runner.shared_library.image import Image, NativeFunction

# Inputs and outputs of one native call; a larger batch takes several calls, so that memory does not grow with it.
_STAGING_BYTES = 1 << 22
_MS = 1e-6  # of a nanosecond
_SHORT = -1  # status of a run that ended early without an error word


class LegacyBinding(Binding):
    """A network of platform API 1.2, created and initialised.

    Args:
        image: the loaded library.
        model: which of its networks.
        blobs: weights of the caller, empty for those inside the library.
        observer: subscribes to node events; None where there is none, for the reason `no_observer`.
        native_batches: let the library loop; False runs samples one by one.

    Raises:
        InvalidModelError: older tools, missing symbols or weights, or an error code of the library.
        InvalidParamError: the weights do not fit.
    """

    def __init__(
        self,
        image: Image,
        model: ExportedModel,
        blobs: Sequence[bytes],
        observer: ObserverLibrary | None,
        no_observer: str,
        native_batches: bool,
    ) -> None:
        self._image, self._name, self._native_batches = image, model.name, native_batches
        if model.missing:
            refuse_incomplete(image, model)
        self._bind()
        self._handle = self._create()
        refuse_old_report(image, self._report())
        params = abi.Params()
        if not self._function("data_params_get", c_bool, c_void_p)(ctypes.byref(params)):
            raise self._failed("data_params_get")
        self._memory = network_parameters(image.path, model.name, params, blobs)
        initialised = self._init(self._handle, ctypes.byref(self._memory.params))
        error = self._get_error(self._handle)
        if error or not initialised:
            raise self._failed("init", abi.error_text(error))
        if observer is not None and not observer.fits(self._handle):
            observer, no_observer = None, "the observer library does not fit the network"
        self._observer_library = observer
        self._nodes: Sequence[NodeInfo] = ()
        report = self._report()
        self._ready(self._describe(report, no_observer))
        self._prepare_runs(report)

    def close(self) -> None:
        if self._handle:
            self._destroy(self._handle)
            self._handle = 0

    # -- setting up -------------------------------------------------------------------------------------------------

    def _function(self, name: str, result: type | None, *arguments: type) -> NativeFunction:
        return self._image.function(symbol(Api.LEGACY, self._name, name), result, arguments)

    def _bind(self) -> None:
        self._init = self._function("init", c_bool, c_void_p, c_void_p)
        self._get_error = self._function("get_error", c_uint32, c_void_p)
        self._get_report = self._function("get_report", c_bool, c_void_p, c_void_p)
        self._destroy = self._function("destroy", c_void_p, c_void_p)

    def _create(self) -> int:
        handle = c_void_p()
        error = self._function("create", c_uint32, c_void_p, c_void_p)(ctypes.byref(handle), None)
        if error or not handle.value:
            raise self._failed("create", abi.error_text(error))
        return handle.value

    def _report(self) -> abi.Report:
        buffer = report_buffer()
        if not self._get_report(self._handle, buffer):
            raise self._failed("get_report", abi.error_text(self._get_error(self._handle)))
        return abi.Report.from_buffer(buffer)

    def _failed(self, function: str, reason: str = "it returned false") -> InvalidModelError:
        return InvalidModelError(
            f"{self._image.path}: {symbol(Api.LEGACY, self._name, function)}() failed: {reason}",
            hint="the library and the files it was generated with may not belong together: generate it again",
        )

    def _describe(self, report: abi.Report, no_observer: str) -> ModelInfo:
        path = self._image.path
        inputs = read_buffers(report.inputs, report.n_inputs, f"inputs of {path}")
        outputs = read_buffers(report.outputs, report.n_outputs, f"outputs of {path}")
        if not inputs or not outputs:
            raise InvalidModelError(f"{path}: the library declares {len(inputs)} inputs and {len(outputs)} outputs")
        revision = read_text(report.runtime_revision)
        runtime = runtime_info(
            "legacy", version(report.runtime_version), version(report.tool_version), revision, no_observer
        )
        return ModelInfo(
            name=self._name,
            inputs=tuple(read_io_tensor(b, i, TensorRole.INPUT) for i, b in enumerate(inputs)),
            outputs=tuple(read_io_tensor(b, i, TensorRole.OUTPUT) for i, b in enumerate(outputs)),
            runtime=runtime,
            device=host_device(),
            n_nodes=report.n_nodes,
            macc=report.macc,
            hash=read_text(report.model_signature),
            model_datetime=read_text(report.model_datetime),
            compile_datetime=read_text(report.compile_datetime),
            params=self._memory.params_pools,
            activations=self._memory.activation_pools,
        )

    # -- running ----------------------------------------------------------------------------------------------------

    def _prepare_runs(self, report: abi.Report) -> None:
        self._inputs = run_buffers(report.inputs, report.n_inputs)
        self._outputs = run_buffers(report.outputs, report.n_outputs)
        self._io = (*self._inputs.buffers, *self._outputs.buffers)
        self._io_sizes = (*self._input_sizes, *self._output_sizes)
        self._capacity = max(1, _STAGING_BYTES // sum(self._io_sizes))
        self._canaries = [canary_patterns(tensor) for tensor in self.info.outputs]
        self._reserved = self._batch = 0
        self._reserve(1)
        run, get_error = self._function("run", c_int32), self._function("get_error", c_uint32)
        run.argtypes = get_error.argtypes = None  # prepared arguments are passed as they are, which is a third faster
        handle = c_void_p(self._handle)
        self._native_run = partial(run, handle, self._inputs.array, self._outputs.array)
        self._native_error = partial(get_error, handle)

    def _reserve(self, samples: int) -> None:
        """Makes room for `samples` samples and declares them as the batch of the next call."""
        if samples > self._reserved:
            self._staging = [Block(size * samples) for size in self._io_sizes]
            for buffer, block in zip(self._io, self._staging, strict=True):
                buffer.data = block.address
            windows = [block.view for block in self._staging]
            count = len(self._input_sizes)
            self._input_staging, self._output_staging = windows[:count], windows[count:]
            sized = [window[:size] for window, size in zip(windows, self._io_sizes, strict=True)]
            self._input_windows, self._output_windows = sized[:count], sized[count:]
            self._unwritten = [(w, c) for w, c in zip(sized[count:], self._canaries, strict=True) if c is not None]
            self._unwritten_batches = [
                (staging, tuple(memoryview(canary * samples) for canary in canaries), len(canaries[0]))
                for staging, canaries in zip(self._output_staging, self._canaries, strict=True)
                if canaries is not None
            ]
            self._reserved = samples
        if samples != self._batch:
            for dimensions in (*self._inputs.dimensions, *self._outputs.dimensions):
                dimensions[0] = samples
            self._batch = samples

    def _run(self) -> int:
        self._done = self._native_run()
        error: int = self._native_error()
        return error or (0 if self._done == self._batch else _SHORT)

    def _refuse(self, status: int) -> None:
        reason = abi.error_text(status) if status != _SHORT else f"{self._done} of {self._batch} samples were run"
        raise InvalidModelError(
            f"{self._image.path}: {symbol(Api.LEGACY, self._name, 'run')}() failed: {reason}",
            hint="the library refused what its own description allows: generate it again",
        )

    def _invoke_plain(self, inputs: Sequence[Array]) -> RunResult:
        batch = len(inputs[0])
        if batch == 1 or not self._native_batches:
            self._reserve(1)
            return super()._invoke_plain(inputs)
        begin = perf_counter_ns()
        outputs = self._new_outputs(batch)
        spent = self._run_batch(inputs, outputs, batch)
        host_duration = (perf_counter_ns() - begin) * _MS
        durations, source = [spent / batch] * batch, TimeSource.BATCH_MEAN
        return RunResult(self.info, Mode.IO_ONLY, outputs, durations, source, host_duration=host_duration)

    def _run_batch(self, inputs: Sequence[Array], outputs: Sequence[Array], batch: int) -> float:
        """Runs all samples in as few native calls as fit; returns the ms spent in them."""
        feed = [array.data.cast("B") for array in inputs]
        drain = [array.data.cast("B") for array in outputs]
        spent = 0
        for start in range(0, batch, self._capacity):
            count = min(self._capacity, batch - start)
            self._reserve(count)
            self._turn ^= 1
            for staging, canaries, size in self._unwritten_batches:
                staging[: count * size] = canaries[self._turn][: count * size]
            for staging, source, size in zip(self._input_staging, feed, self._input_sizes, strict=True):
                staging[: count * size] = source[start * size : (start + count) * size]
            begin = perf_counter_ns()
            status = self._run()
            spent += perf_counter_ns() - begin
            if status:
                self._refuse(status)
            for staging, target, size in zip(self._output_staging, drain, self._output_sizes, strict=True):
                target[start * size : (start + count) * size] = staging[: count * size]
        return spent * _MS

    def _invoke_native_observed(self, inputs: Sequence[Array], mode: Mode, observer: NodeObserver) -> RunResult:
        if not self._native_batches:
            self._reserve(1)
            return super()._invoke_native_observed(inputs, mode, observer)
        batch = len(inputs[0])
        begin = perf_counter_ns()
        outputs = self._new_outputs(batch)
        self._run_batch(inputs, outputs, batch)
        observer.check()
        return self._observed_result(mode, outputs, observer, batch, (perf_counter_ns() - begin) * _MS, ())

    def _invoke_called_back(
        self, inputs: Sequence[Array], mode: Mode, callback: AiRunnerCallback, observer: NodeObserver | None
    ) -> RunResult:
        self._reserve(1)
        return super()._invoke_called_back(inputs, mode, callback, observer)

    def _observer(self, batch: int, keep_data: bool, callback: AiRunnerCallback | None) -> NodeObserver:
        if self._observer_library is None:
            raise InvalidParamError(f"{self._image.path}: nodes cannot be observed", hint="run in mode IO_ONLY")
        return LegacyNodeObserver(self._observer_library, self._handle, self._nodes, batch, keep_data, callback)

    def _observed_result(
        self,
        mode: Mode,
        outputs: tuple[Array, ...],
        observer: NodeObserver,
        samples: int,
        host_duration: float,
        exec_times: Sequence[float],
    ) -> RunResult:
        result = super()._observed_result(mode, outputs, observer, samples, host_duration, exec_times)
        self._nodes = tuple(observer.nodes)
        return result
