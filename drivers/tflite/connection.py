"""An open .tflite model: the interpreter that gives the outputs, and the look into it when layers are asked for."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from time import perf_counter

import numpy as np

from ai_runner.driver import AiRunnerCallback
from ai_runner.drivers.tflite.description import model_info
from ai_runner.drivers.tflite.execution import Array, Execution, has_resources, may_compute_shapes
from ai_runner.drivers.tflite.layers import LayerRun, Layers
from ai_runner.drivers.tflite.rerun import Rerunner
from ai_runner.drivers.tflite.runtime import Runtime
from ai_runner.errors import InvalidModelError
from ai_runner.model import Caps, Mode, ModelInfo
from ai_runner.profile import RunResult, TimeSource
from ai_runner.rerun import Rerun, TensorPlace
from ai_runner.tflite_model import TfliteModel

_log = logging.getLogger(__name__)


class Connection:
    """A model allocated on a runtime.

    Args:
        model: the model.
        runtime: what runs it.
        kernels, threads, keep_state: as `Execution` takes them.
        labels: as `model_info` takes them.

    Attributes:
        info: its description.

    Raises:
        InvalidModelError: the runtime refuses the model, or its inputs or outputs are no plain numbers.
    """

    def __init__(
        self,
        model: TfliteModel,
        runtime: Runtime,
        kernels: str,
        threads: int | None,
        keep_state: bool,
        labels: Sequence[tuple[str, ...]] = (),
    ) -> None:
        self._model = model
        self._runtime = runtime
        self._kernels = kernels
        self._threads = threads
        self._keep_state = keep_state
        self._labels = labels
        self._plain = self._execution()
        self._layers: Layers | None = None
        self._rerunner: Rerunner | None = None
        self.info = self._described(self._plain)
        if kernels == "xnnpack" and self.info.runtime.attributes["kernels"] != kernels:
            _log.warning("%s: XNNPACK of %s takes none of its operators", model.path, self.info.runtime.rt_lib_desc)
        if may_compute_shapes(model):
            self.info = self._described_after_a_run()

    def run(self, inputs: Sequence[Array], mode: Mode, callback: AiRunnerCallback | None) -> RunResult:
        """Runs a batch in a mode of PER_LAYER, PER_LAYER_WITH_DATA and PERF_ONLY; see `Driver.invoke`."""
        start = perf_counter()
        batch = len(inputs[0]) if inputs else 1
        rows = [x.reshape((batch, *tensor.shape)) for x, tensor in zip(inputs, self.info.inputs, strict=True)]
        tensors = () if Mode.PERF_ONLY in mode else self.info.outputs
        outputs = tuple(np.empty((batch, *tensor.sample_shape), tensor.dtype) for tensor in tensors)
        targets = [
            (out.reshape((batch, *tensor.shape)), tensor.shape, index)
            for out, tensor, index in zip(outputs, tensors, self._model.outputs, strict=bool(tensors))
        ]
        layers = self._layer_run(rows, batch, mode, callback) if Mode.PER_LAYER in mode else None
        durations: list[float] = []
        exec_times: list[float] = []
        for i in range(batch):
            began = perf_counter()
            sample = [x[i, ...] for x in rows]
            if callback is not None:
                callback.on_sample_begin(i)
            if layers is not None:
                layers.prepare(self._plain)
            durations.append(self._plain.run(sample))
            for target, shape, index in targets:
                target[i] = self._plain.output(index, shape)
            if layers is not None:
                layers.look(i, sample, [target[i, ...] for target, _, _ in targets])
            go_on = True
            if callback is not None:
                answer = callback.on_sample_end(i, [out[i, ...] for out in outputs], {"dur": durations[-1]})
                go_on = answer is None or bool(answer)
            exec_times.append((perf_counter() - began) * 1e3)
            if not go_on:
                break
        done = len(durations)
        return RunResult(
            info=self.info,
            mode=mode,
            outputs=outputs if done == batch else tuple(out[:done].copy() for out in outputs),
            durations=durations,
            source=TimeSource.HOST,
            nodes=() if layers is None else layers.profiles(done),
            host_duration=(perf_counter() - start) * 1e3,
            exec_times=exec_times,
            warnings=() if layers is None else layers.warnings(),
        )

    def rerun(self, node: int, recorded: Mapping[TensorPlace, Array]) -> Rerun | None:
        """Runs one operator again by every kernel set; see `Driver.rerun`."""
        if self._rerunner is None:
            self._rerunner = Rerunner(self._model, self._runtime, self._threads)
        return self._rerunner.run(node, recorded)

    def _execution(self, preserve: bool = False) -> Execution:
        return Execution(self._runtime, self._model, self._kernels, self._threads, preserve, self._keep_state)

    def _layer_run(self, rows: Sequence[Array], batch: int, mode: Mode, callback: AiRunnerCallback | None) -> LayerRun:
        if self._layers is None:
            kept = self._execution(preserve=True)
            kept.run([x[0, ...] if batch else np.zeros(x.shape[1:], x.dtype) for x in rows])
            self._layers = Layers(self._model, kept, self._kernels, self._threads)
        names = [tensor.name for tensor in self.info.outputs]
        return LayerRun(self._layers, batch, Mode.PER_LAYER_WITH_DATA in mode, callback, self._keep_state, names)

    def _described(self, execution: Execution) -> ModelInfo:
        kernels = self._kernels
        if kernels in ("default", "xnnpack"):
            kernels = "xnnpack" if self._plain.delegated() else "builtin"
        attributes = {"kernels": kernels, "threads": str(self._threads or 1), "version": self._runtime.version}
        capabilities: tuple[Caps, ...] = (Caps.IO_ONLY, Caps.PER_LAYER, Caps.PER_LAYER_WITH_DATA)
        resources = has_resources(self._model)
        if resources or any(tensor.is_variable for tensor in self._model.tensors):
            attributes["state"] = "keep" if self._keep_state else "reset"
        if resources and self._keep_state:
            capabilities = (Caps.IO_ONLY,)  # what is kept outside of tensors cannot be copied to a second interpreter
        return model_info(self._model, execution, capabilities, attributes, self._labels)

    def _described_after_a_run(self) -> ModelInfo:
        """A description with the shapes that a run on zeros leaves, where zeros can be run."""
        trial = self._execution()
        try:
            trial.run([np.zeros(tensor.shape, tensor.dtype) for tensor in self.info.inputs])
        except InvalidModelError as error:
            _log.debug("shapes are taken from the file: %s", error)
            return self.info
        return self._described(trial)
