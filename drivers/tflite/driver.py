"""`tflite:PATH`: a .tflite model on LiteRT, tflite-runtime or TensorFlow."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ai_runner.deadline import Deadline
from ai_runner.descriptor import Descriptor
from ai_runner.driver import AiRunnerCallback, Driver, reduced_mode
from ai_runner.drivers.tflite.connection import Connection
from ai_runner.drivers.tflite.execution import Array
from ai_runner.drivers.tflite.runtime import KERNELS, find_runtime
from ai_runner.errors import InvalidParamError, NotConnectedError
from ai_runner.model import Mode, ModelInfo
from ai_runner.profile import RunResult
from ai_runner.rerun import Rerun, TensorPlace
from ai_runner.tflite_model import TfliteModel, named_labels, output_labels

_log = logging.getLogger(__name__)

_MODES = Mode.PER_LAYER | Mode.PER_LAYER_WITH_DATA | Mode.PERF_ONLY


class TfliteDriver(Driver):
    """A .tflite model in this process.

    Inputs and outputs come in the order of the file's graph, outputs always from an interpreter that keeps no
    intermediate tensor. Times of samples are those of invoke() on the host's clock, also under PER_LAYER: times of
    nodes are estimates from operators run alone, whose sum is not the time of the model.
    """

    OPTIONS: ClassVar[Mapping[str, str]] = {
        "threads": "threads that kernels may use, 1 or more (default: the runtime's choice)",
        "kernels": "xnnpack, builtin or reference (default: what a bare Interpreter takes)",
        "labels": "names of the classes, FILE (one a line) or A,B,... (default: those that the file carries)",
        "state": "reset or keep what variables hold between samples (default: reset)",
        "isolate": "process or none: run in a child process, which may crash (default: none)",
    }
    ISOLATABLE: ClassVar[bool] = True

    def __init__(self, descriptor: Descriptor, **keywords: Any) -> None:
        super().__init__(descriptor, **keywords)
        self._kernels = descriptor.choice("kernels", KERNELS, "default")
        self._threads = descriptor.integer("threads", 1, 1, 1024) if "threads" in descriptor.options else None
        self._keep_state = descriptor.choice("state", ("reset", "keep"), "reset") == "keep"
        descriptor.choice("isolate", ("none", "process"), "none")
        self._connection: Connection | None = None
        self._running = threading.Lock()

    def open(self, deadline: Deadline) -> None:
        """Reads the model and allocates it, which cannot be interrupted; see `Driver.open`."""
        self.close()
        model = TfliteModel.read(self.descriptor.address)
        labels = self._labels(model)
        self._connection = Connection(model, find_runtime(), self._kernels, self._threads, self._keep_state, labels)

    def names(self) -> tuple[str, ...]:
        """The one name: the file's stem as an identifier."""
        return (self._connected().info.name,)

    def info(self, name: str) -> ModelInfo:
        """Description of the model; `runtime.attributes` has kernels, threads and version."""
        info = self._connected().info
        if name != info.name:
            raise InvalidParamError(f"{self.descriptor}: no model {name!r}", hint=f"it has {info.name!r}")
        return info

    def invoke(
        self, name: str, inputs: Sequence[Array], mode: Mode = Mode.IO_ONLY, callback: AiRunnerCallback | None = None
    ) -> RunResult:
        """Runs a batch; see `Driver.invoke`.

        Raises:
            InvalidModelError: the runtime refused to run.
            InvalidParamError: a run of this connection is going on, in a callback or another thread.
        """
        info, connection = self.info(name), self._connected()
        if not self._running.acquire(blocking=False):
            raise InvalidParamError(
                f"{self.descriptor}: invoked while a run is going on",
                hint="use a connection of its own for each thread",
            )
        try:
            result = connection.run(inputs, reduced_mode(mode, info.runtime.capabilities) & _MODES, callback)
        finally:
            self._running.release()
        for warning in result.warnings:
            _log.warning("%s: %s", self.descriptor, warning)
        return result

    def rerun(self, name: str, node: int, recorded: Mapping[TensorPlace, Array]) -> Rerun | None:
        """Runs one operator again by the reference, builtin and XNNPACK kernels, whatever `kernels=` says."""
        self.info(name)
        return self._connected().rerun(node, recorded)

    def close(self) -> None:
        """Drops the interpreters; during a run, when that ends."""
        self._connection = None

    def describe(self) -> str:
        """One line for a person."""
        if self._connection is None:
            return str(self.descriptor)
        return f"{self.descriptor}: {self._connection.info.runtime.rt_lib_desc}"

    def _labels(self, model: TfliteModel) -> tuple[tuple[str, ...], ...]:
        text = self.descriptor.options.get("labels")
        if text is None:
            return output_labels(model)
        labels = named_labels(text)
        classes = model.tensors[model.outputs[0]].shape[-1:] if model.outputs else ()
        if classes != (len(labels),):
            raise InvalidParamError(
                f"{self.descriptor}: {len(labels)} labels for an output of shape "
                f"{list(model.tensors[model.outputs[0]].shape) if model.outputs else []}",
                hint="they name the entries of its last dimension",
            )
        return (labels,)

    def _connected(self) -> Connection:
        if self._connection is None:
            raise NotConnectedError(f"{self.descriptor}: is not connected", hint="open it first")
        return self._connection
