"""`onnx:PATH`: an .onnx model on ONNX Runtime."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from ai_runner.descriptor import Descriptor
from ai_runner.drivers.onnx.connection import Choices, Connection
from ai_runner.drivers.onnx.model import OnnxModel
from ai_runner.drivers.onnx.runtime import CPU, LEVELS, find_runtime
from ai_runner.errors import InvalidParamError
from ai_runner.in_process import InProcessDriver


class OnnxDriver(InProcessDriver[Connection]):
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

    def __init__(self, descriptor: Descriptor, **keywords: Any) -> None:
        super().__init__(descriptor, **keywords)
        self._threads = descriptor.integer("threads", 1, 1, 1024)
        self._providers = descriptor.options.get("providers", CPU)
        self._choices = Choices(
            level=descriptor.choice("optimize", tuple(LEVELS), "none"),
            native=descriptor.choice("loop", ("batch", "sample"), "batch") == "batch",
            sizes=_sizes(descriptor),
        )

    def load(self) -> Connection:
        """Reads the model and loads it."""
        model = OnnxModel.read(self.descriptor.address)
        return Connection(model, find_runtime(self._providers, self._threads), self._choices)


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
