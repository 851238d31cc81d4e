"""`tflite:PATH`: a .tflite model on LiteRT, tflite-runtime or TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ai_runner.descriptor import Descriptor
from ai_runner.drivers.tflite.connection import Connection
from ai_runner.drivers.tflite.execution import Array
from ai_runner.drivers.tflite.runtime import KERNELS, find_runtime
from ai_runner.errors import InvalidParamError
from ai_runner.in_process import InProcessDriver
from ai_runner.model import Mode
from ai_runner.rerun import Rerun, TensorPlace
from ai_runner.tflite_model import TfliteModel, named_labels, output_labels


class TfliteDriver(InProcessDriver[Connection]):
    """A .tflite model in this process.

    Inputs and outputs come in the order of the file's graph, outputs always from an interpreter that keeps no
    intermediate tensor. Times of samples are those of invoke() on the host's clock, also under PER_LAYER: times of
    nodes are estimates from operators run alone, whose sum is not the time of the model. `runtime.attributes` of the
    description has kernels, threads and version.
    """

    OPTIONS: ClassVar[Mapping[str, str]] = {
        "threads": "threads that kernels may use, 1 or more (default: the runtime's choice)",
        "kernels": "xnnpack, builtin or reference (default: what a bare Interpreter takes)",
        "labels": "names of the classes, FILE (one a line) or A,B,... (default: those that the file carries)",
        "state": "reset or keep what variables hold between samples (default: reset)",
        "isolate": "process or none: run in a child process, which may crash (default: none)",
    }
    RUN_MODES: ClassVar[Mode] = Mode.PER_LAYER | Mode.PER_LAYER_WITH_DATA | Mode.PERF_ONLY

    def __init__(self, descriptor: Descriptor, **keywords: Any) -> None:
        super().__init__(descriptor, **keywords)
        self._kernels = descriptor.choice("kernels", KERNELS, "default")
        self._threads = descriptor.integer("threads", 1, 1, 1024) if "threads" in descriptor.options else None
        self._keep_state = descriptor.choice("state", ("reset", "keep"), "reset") == "keep"

    def load(self) -> Connection:
        """Reads the model and allocates it."""
        model = TfliteModel.read(self.descriptor.address)
        labels = self._labels(model)
        return Connection(model, find_runtime(), self._kernels, self._threads, self._keep_state, labels)

    def rerun(self, name: str, node: int, recorded: Mapping[TensorPlace, Array]) -> Rerun | None:
        """Runs one operator again by the reference, builtin and XNNPACK kernels, whatever `kernels=` says."""
        self.info(name)
        return self.loaded.rerun(node, recorded)

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
