"""An open .onnx model: the session that gives the outputs, and the look into it when layers are asked for."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np

from ai_runner.driver import AiRunnerCallback, listens_to_nodes
from ai_runner.drivers.onnx.batches import NativeBatches
from ai_runner.drivers.onnx.description import end_infos, ends, sample_shape, with_sizes
from ai_runner.drivers.onnx.execution import Execution
from ai_runner.drivers.onnx.layers import LayerRun, Layers
from ai_runner.drivers.onnx.model import Array, OnnxModel
from ai_runner.drivers.onnx.quantization import quantizations
from ai_runner.drivers.onnx.runtime import Runtime
from ai_runner.errors import InvalidModelError
from ai_runner.host import host_device
from ai_runner.model import Caps, MemoryPool, Mode, ModelInfo, RuntimeInfo, TensorRole, model_name
from ai_runner.profile import RunResult, TimeSource

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choices:
    """What the user chose.

    Attributes:
        level: how far the graph is changed before it runs, one of `runtime.LEVELS`.
        native: give the runtime whole batches where the model takes them.
        sizes: of open dimensions, by name.
    """

    level: str
    native: bool
    sizes: Mapping[str, int]


class Connection:
    """A model loaded into the runtime.

    Attributes:
        info: its description.

    Raises:
        InvalidModelError: the runtime refuses the model, or it has no input, or its inputs or outputs are no plain
            numbers.
        InvalidParamError: a dimension has no size, or one is given to a dimension that is not there.
    """

    def __init__(self, model: OnnxModel, runtime: Runtime, choices: Choices) -> None:
        self._model, self._runtime, self._choices = model, runtime, choices
        session, self._executed = self._loaded()
        inputs, outputs = (
            ends(session.get_inputs(), "input", model.path),
            ends(session.get_outputs(), "output", model.path),
        )
        if not inputs:
            raise InvalidModelError(
                f"{model.path}: has no input", hint="what computes nothing from samples cannot be run on any"
            )
        for end in inputs:
            if end.name in model.without_shape:
                raise InvalidModelError(
                    f"{model.path}: input {end.name!r} has no shape",
                    hint="export the model with the shapes of its inputs",
                )
        self._inputs, self._outputs = with_sizes(inputs, outputs, choices.sizes, model.path)
        self._plain = Execution(runtime, session, [end.name for end in outputs], model.path)
        self._batches: NativeBatches | None = None
        if choices.native:
            self._batches = NativeBatches(self._plain, self._inputs, self._outputs, model.path)
        self._layers: Layers | None = None
        self.info = self._described()

    def run(self, inputs: Sequence[Array], mode: Mode, callback: AiRunnerCallback | None) -> RunResult:
        """Runs a batch in a mode of PER_LAYER and PER_LAYER_WITH_DATA; see `Driver.invoke`."""
        start = perf_counter()
        batch = len(inputs[0])
        rows = [x.reshape((batch, *tensor.shape)) for x, tensor in zip(inputs, self.info.inputs, strict=True)]
        outputs = tuple(np.empty((batch, *tensor.sample_shape), tensor.dtype) for tensor in self.info.outputs)
        targets = [out.reshape((batch, *tensor.shape)) for out, tensor in zip(outputs, self.info.outputs, strict=True)]
        together = self._batches.run(rows, targets) if callback is None and self._batches is not None else None
        with ExitStack() as stack:
            layers = stack.enter_context(self._look(rows, batch, mode, callback)) if Mode.PER_LAYER in mode else None
            if together is None and layers is None and callback is None:
                durations, exec_times = self._plain.run_each(rows, targets)
            elif together is None:
                durations, exec_times = self._run_one_by_one(rows, targets, outputs, layers, callback)
            else:
                durations, exec_times = [together / batch] * batch, []
                if layers is not None:
                    for i in range(batch):
                        layers.look(i, [x[i, ...] for x in rows], [target[i, ...] for target in targets])
            done = len(durations)
            return RunResult(
                info=self.info,
                mode=mode,
                outputs=outputs if done == batch else tuple(out[:done].copy() for out in outputs),
                durations=durations,
                source=TimeSource.HOST if together is None else TimeSource.BATCH_MEAN,
                nodes=() if layers is None else layers.profiles(done),
                host_duration=(perf_counter() - start) * 1e3,
                exec_times=exec_times,
                warnings=() if layers is None else layers.warnings(),
            )

    def _run_one_by_one(
        self,
        rows: Sequence[Array],
        targets: Sequence[Array],
        outputs: Sequence[Array],
        layers: LayerRun | None,
        callback: AiRunnerCallback | None,
    ) -> tuple[list[float], list[float]]:
        """Times in ms of every sample: inside the runtime, and as the caller saw it."""
        durations: list[float] = []
        exec_times: list[float] = []
        for i in range(len(rows[0])):
            began = perf_counter()
            if callback is not None:
                callback.on_sample_begin(i)
            sample = [x[i, ...] for x in rows]
            values, duration = self._plain.run(sample)
            durations.append(duration)
            self._plain.put(values, [target[i, ...] for target in targets])
            if layers is not None:
                layers.look(i, sample, [target[i, ...] for target in targets])
            answer = None
            if callback is not None:
                answer = callback.on_sample_end(i, [out[i, ...] for out in outputs], {"dur": duration})
            exec_times.append((perf_counter() - began) * 1e3)
            if answer is not None and not answer:
                break
        return durations, exec_times

    def _loaded(self) -> tuple[Any, OnnxModel | None]:
        """A session, and the graph that it executes; None where the runtime cannot write that one down."""
        model, level = self._model, self._choices.level
        with TemporaryDirectory(prefix="ai-runner-onnx-", ignore_cleanup_errors=True) as folder:
            dump = Path(folder) / "executed.onnx"
            try:
                session = self._runtime.session(model.path, model.path, level, dump=dump)
                return session, OnnxModel(dump.read_bytes(), model.path)
            except (InvalidModelError, OSError) as error:
                _log.debug("%s: the executed graph is not known: %s", model.path, error)
        return self._runtime.session(model.path, model.path, level), None

    def _look(self, rows: Sequence[Array], batch: int, mode: Mode, callback: AiRunnerCallback | None) -> LayerRun:
        inputs, outputs = [end.name for end in self._inputs], [end.name for end in self._outputs]
        if self._layers is None:
            if self._executed is None:
                raise InvalidModelError(f"{self._model.path}: its nodes cannot be observed")
            sample = [x[0, ...] for x in rows]
            self._layers = Layers(self._runtime, self._model, self._executed, inputs, sample)
        hears = callback if listens_to_nodes(callback) else None
        return LayerRun(self._layers, batch, inputs, outputs, Mode.PER_LAYER_WITH_DATA in mode, hears)

    def _described(self) -> ModelInfo:
        model, runtime = self._model, self._runtime
        shapes = [sample_shape(end, model.path) for end in self._inputs]
        meanings = quantizations(model)
        observable = self._executed is not None
        return ModelInfo(
            name=model_name(model.path),
            inputs=end_infos(self._inputs, shapes, TensorRole.INPUT, meanings),
            outputs=end_infos(self._outputs, self._output_shapes(shapes), TensorRole.OUTPUT, meanings),
            runtime=RuntimeInfo(
                protocol="Python API of ONNX Runtime",
                name="ONNX Runtime",
                version=runtime.version_numbers,
                rt_lib_desc=f"ONNX Runtime {runtime.version}, {', '.join(runtime.providers)}",
                capabilities=(
                    (Caps.IO_ONLY, Caps.PER_LAYER, Caps.PER_LAYER_WITH_DATA) if observable else (Caps.IO_ONLY,)
                ),
                attributes={
                    "providers": ",".join(runtime.providers),
                    "optimize": self._choices.level,
                    "threads": str(runtime.threads),
                    "version": runtime.version,
                },
            ),
            device=host_device(),
            n_nodes=len((self._executed or model).nodes),
            hash=f"0x{model.md5}",
            params=(MemoryPool("weights", model.weight_bytes),),
        )

    def _output_shapes(self, inputs: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """Shapes of the outputs for one sample: as declared where that is enough, else as a run on zeros leaves them.

        Raises:
            InvalidModelError: zeros cannot be run, or leave nothing.
        """
        batch = {end.dims[0] for end in self._inputs if end.is_open(0)} - {None}
        declared = [
            tuple(1 if axis == 0 and d in batch else d for axis, d in enumerate(end.dims)) for end in self._outputs
        ]
        known = [tuple(d for d in dims if isinstance(d, int)) for dims in declared]
        if all(len(one) == len(other) > 0 for one, other in zip(known, declared, strict=True)):
            return known
        zeros = [np.zeros(shape, end.dtype) for shape, end in zip(inputs, self._inputs, strict=True)]
        values, _ = self._plain.run(zeros)
        for value, end in zip(values, self._outputs, strict=True):
            if value.size == 0:
                raise InvalidModelError(
                    f"{self._model.path}: output {end.name!r} has shape {list(value.shape)} for an input of zeros",
                    hint="outputs whose shape depends on the data cannot be put into one array",
                )
        return [value.shape for value in values]
