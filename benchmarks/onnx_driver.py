"""Cost of the onnx driver over a bare session loop, as a ratio within one run.

python benchmarks/onnx_driver.py [MODEL.onnx]

Without a model, a small network of two matrix products is written (onnx has to be installed), once with an open first
dimension and once with a fixed one. Both contestants run one by one, with the same options; what whole batches gain is
printed besides.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

from ai_runner.deadline import Deadline
from ai_runner.descriptor import Descriptor
from ai_runner.driver import Array
from ai_runner.drivers.onnx.driver import OnnxDriver

BATCH = 100
ROUNDS = 200
LIMIT = 1.1


def small_network(path: Path, batch: int | str) -> Path:
    """512 -> 256 -> 10, some 20 us a sample."""
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    weights = {"w1": (512, 256), "w2": (256, 10)}
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w1"], ["h"]),
            helper.make_node("Relu", ["h"], ["r"]),
            helper.make_node("MatMul", ["r", "w2"], ["scores"]),
            helper.make_node("Softmax", ["scores"], ["y"]),
        ],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 512])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 10])],
        [numpy_helper.from_array(random.standard_normal(s, np.float32), name) for name, s in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def bare_loop(path: Path, name: str, samples: Array) -> Callable[[], object]:
    """The loop that every script for a session has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run() -> object:
        outputs = []
        for i in range(len(samples)):
            outputs.append(session.run(None, {name: samples[i : i + 1]})[0])
        return outputs

    return run


def measure(path: Path) -> float:
    """Prints the times of a model; returns the ratio."""
    drivers = {option: OnnxDriver(Descriptor("onnx", str(path), {"loop": option})) for option in ("sample", "batch")}
    for driver in drivers.values():
        driver.open(Deadline(None))
    model = drivers["sample"].names()[0]
    tensor = drivers["sample"].info(model).inputs[0]
    samples = np.random.default_rng(0).standard_normal((BATCH, *tensor.sample_shape)).astype(tensor.dtype)
    contestants: dict[str, Callable[[], object]] = {"bare loop": bare_loop(path, tensor.name, samples)}
    for option, driver in drivers.items():
        contestants[option] = lambda driver=driver: driver.invoke(model, [samples])  # type: ignore[misc]
    times: dict[str, list[float]] = {who: [] for who in contestants}
    for round_ in range(ROUNDS):
        for who in list(contestants)[:: -1 if round_ % 2 else 1]:
            start = perf_counter()
            contestants[who]()
            times[who].append((perf_counter() - start) / BATCH * 1e6)
    for driver in drivers.values():
        driver.close()
    ratio = median(ours / bare for ours, bare in zip(times["sample"], times["bare loop"], strict=True))
    us = {who: f"{median(found):.1f}" for who, found in times.items()}
    print(f"{path.name}, batch {BATCH}: bare loop {us['bare loop']} us, driver {us['sample']} us a sample")
    print(f"ratio {ratio:.3f} (at most {LIMIT}); whole batches {us['batch']} us a sample")
    return ratio


def main() -> int:
    with TemporaryDirectory() as folder:
        paths = [Path(argument) for argument in sys.argv[1:2]]
        if not paths:
            paths = [small_network(Path(folder) / f"{name}.onnx", batch) for name, batch in (("open", "N"), ("one", 1))]
        ratios = [measure(path) for path in paths]
    return 0 if max(ratios) <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
