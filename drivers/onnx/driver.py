"""`onnx:PATH`: an .onnx model on ONNX Runtime."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ai_runner.deadline import Deadline
from ai_runner.descriptor import Descriptor
from ai_runner.driver import AiRunnerCallback, Driver, reduced_mode
from ai_runner.drivers.onnx.connection import Choices, Connection
from ai_runner.drivers.onnx.model import Array, OnnxModel
from ai_runner.drivers.onnx.runtime import CPU, LEVELS, find_runtime
from ai_runner.errors import InvalidParamError, NotConnectedError
from ai_runner.model import Mode, ModelInfo
from ai_runner.profile import RunResult

_MODES = Mode.PER_LAYER | Mode.PER_LAYER_WITH_DATA


class OnnxDriver(Driver):
    """An .onnx model in this process.

    By default every operator runs as the file has it (`optimize=none`): nodes are those of the file, what they write is
    what the outputs were computed from, and a model with QuantizeLinear and DequantizeLinear computes what ONNX says.
    Optimization fuses nodes and changes the last bits of real numbers; of integers, up to a step for each fused node.

    Times of samples are those of run() on the host's clock; where the runtime takes a batch at once, each is the mean.
    Times of nodes come from ONNX Runtime's profiler, in whole microseconds of the host's clock around each kernel; the
    profiler itself adds some, which shows in kernels of a few microseconds.
    """

    OPTIONS: ClassVar[Mapping[str, str]] = {
        "optimize": "none, basic or all: how far ONNX Runtime may change the graph (default: none)",
        "threads": "threads of one operator, 1 or more (default: 1)",
        "providers": "execution providers, the preferred one first, joined by commas (default: CPU)",
        "loop": "batch or sample: give batches at once where the model takes them (default: batch)",
        "dims": "sizes of open dimensions, name:size or input[axis]:size, joined by commas",
        "isolate": "process or none: run in a child process, which may crash (default: none)",
    }
    ISOLATABLE: ClassVar[bool] = True

    def __init__(self, descriptor: Descriptor, **keywords: Any) -> None:
        super().__init__(descriptor, **keywords)
        self._threads = descriptor.integer("threads", 1, 1, 1024)
        self._providers = descriptor.options.get("providers", CPU)
        self._choices = Choices(
            level=descriptor.choice("optimize", tuple(LEVELS), "none"),
            native=descriptor.choice("loop", ("batch", "sample"), "batch") == "batch",
            sizes=_sizes(descriptor),
        )
        descriptor.choice("isolate", ("none", "process"), "none")
        self._connection: Connection | None = None
        self._running = threading.Lock()

    def open(self, deadline: Deadline) -> None:
        """Reads the model and loads it, which cannot be interrupted; see `Driver.open`."""
        self.close()
        model = OnnxModel.read(self.descriptor.address)
        runtime = find_runtime(self._providers, self._threads)
        self._connection = Connection(model, runtime, self._choices)

    def names(self) -> tuple[str, ...]:
        """The one name: the file's stem as an identifier."""
        return (self._connected().info.name,)

    def info(self, name: str) -> ModelInfo:
        """Description of the model; `runtime.attributes` has providers, optimize, threads and version."""
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
            return connection.run(inputs, reduced_mode(mode, info.runtime.capabilities) & _MODES, callback)
        finally:
            self._running.release()

    def close(self) -> None:
        """Drops the session; during a run, when that ends."""
        self._connection = None

    def describe(self) -> str:
        """One line for a person."""
        if self._connection is None:
            return str(self.descriptor)
        return f"{self.descriptor}: {self._connection.info.runtime.rt_lib_desc}"

    def _connected(self) -> Connection:
        if self._connection is None:
            raise NotConnectedError(f"{self.descriptor}: is not connected", hint="open it first")
        return self._connection


def _sizes(descriptor: Descriptor) -> dict[str, int]:
    """The option ``dims=name:3,input[2]:5``."""
    text = descriptor.options.get("dims", "")
    sizes: dict[str, int] = {}
    for pair in text.split(",") if text else ():
        name, _, size = pair.strip().rpartition(":")
        if not name or not re.fullmatch(r"[1-9]\d{0,8}", size):
            raise InvalidParamError(
                f"{descriptor}: option dims={text!r}: {pair.strip()!r} is not name:size",
                hint="for example ?dims=width:96,height:96",
            )
        sizes[name] = int(size)
    return sizes
