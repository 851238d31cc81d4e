"""How many inferences a second go through a board's driver, its firmware being a process behind a pseudo-terminal.

    python benchmarks/stm32_driver.py [--runs N] [--invokes N]

Measured is `Driver.invoke` with one sample of a model with one float32[4] input and output (RELU), and
`AiRunner.invoke` around it; a run is a fresh connection. The figures halve when something else keeps the machine's
cores busy: the firmware is a process of its own. Needs a C compiler and the schema of ai-edge-litert, which writes the
model.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ai_runner import AiRunner
from ai_runner.deadline import Deadline
from ai_runner.descriptor import parse_descriptor
from ai_runner.firmware import build_firmware, start_firmware
from ai_runner.registry import create_driver


def relu_of_four(path: Path) -> Path:
    """Writes a .tflite with one RELU of float32[1, 4]."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.subgraphs, model.buffers, model.operatorCodes = 3, [graph], [schema.BufferT()], []
    graph.tensors, graph.operators, graph.inputs, graph.outputs = [], [], [0], [1]
    for name in ("x", "y"):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type = name, [1, 4], schema.TensorType.FLOAT32
        graph.tensors.append(tensor)
    code, operator = schema.OperatorCodeT(), schema.OperatorT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.RELU
    code.version = 1
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0], [1]
    model.operatorCodes.append(code)
    graph.operators.append(operator)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def rate(invoke: Callable[[], Any], invokes: int) -> float:
    """Calls a second."""
    for _ in range(100):
        invoke()
    begin = time.perf_counter()
    for _ in range(invokes):
        invoke()
    return invokes / (time.perf_counter() - begin)


def measure(descriptor: str, invokes: int) -> tuple[float, float]:
    """Calls a second of the driver and of AiRunner, each on a connection of its own."""
    inputs = [np.array([[1, -2, 3, -4]], np.float32)]
    driver = create_driver(parse_descriptor(descriptor))
    driver.open(Deadline(20))
    name = driver.names()[0]
    of_driver = rate(lambda: driver.invoke(name, inputs), invokes)
    driver.close()
    with AiRunner.open(descriptor) as runner:
        return of_driver, rate(lambda: runner.invoke(inputs), invokes)


def main() -> None:
    """Prints one line for each face: median, lowest and highest of all runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--invokes", type=int, default=2000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        build = build_firmware({"tiny": relu_of_four(Path(folder) / "tiny.tflite")}, Path(folder) / "out")
        with start_firmware(build.folder) as firmware:
            rates = [measure(firmware.descriptor, arguments.invokes) for _ in range(arguments.runs)]
    for face, values in zip(("Driver.invoke", "AiRunner.invoke"), zip(*rates, strict=True), strict=True):
        print(f"{face:<16} {statistics.median(values):6.0f}/s  ({min(values):.0f} to {max(values):.0f})")


if __name__ == "__main__":
    main()
