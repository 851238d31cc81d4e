"""Times generated C-models against LiteRT's reference kernels on one core: medians of alternating rounds, and ratios.

    python benchmarks/c_model_speed.py [MODEL.tflite ...]

Without models: those of ../shared/models. The exit code is 1 when kws_ref_model takes more than 0.6 x the time of LiteRT.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from tabulate import tabulate

from ai_runner import AiRunner
from ai_runner.c_model import generate
from ai_runner.errors import InvalidModelError

MODELS = Path(__file__).resolve().parents[2] / "shared" / "models"
BATCH = 10
ROUNDS = 15
LIMITS = {"kws_ref_model.tflite": 0.6}


def reference(path: Path) -> Any:
    """LiteRT's interpreter with reference kernels on one thread."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(str(path), num_threads=1, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    return interpreter


def time_reference(interpreter: Any, inputs: list[np.ndarray[Any, Any]]) -> float:
    """Seconds a sample of set_tensor, invoke, get_tensor."""
    indices = [detail["index"] for detail in interpreter.get_input_details()]
    output = interpreter.get_output_details()[0]["index"]
    start = perf_counter()
    for sample in range(BATCH):
        for index, values in zip(indices, inputs, strict=True):
            interpreter.set_tensor(index, values[sample : sample + 1])
        interpreter.invoke()
        interpreter.get_tensor(output)
    return (perf_counter() - start) / BATCH


def time_c_model(runner: AiRunner, inputs: list[np.ndarray[Any, Any]]) -> float:
    """Seconds a sample of `invoke`."""
    start = perf_counter()
    runner.invoke(inputs, mode=AiRunner.Mode.IO_ONLY)
    return (perf_counter() - start) / BATCH


def measure(path: Path, folder: Path) -> tuple[float, float]:
    """Median seconds a sample: LiteRT, C-model."""
    build = generate(path, folder)
    interpreter = reference(path)
    with AiRunner.open(f"file:{build.folder}", logger=logging.getLogger("benchmark")) as runner:
        inputs = runner.generate_rnd_inputs(batch_size=BATCH)
        rounds = [(time_reference(interpreter, inputs), time_c_model(runner, inputs)) for _ in range(ROUNDS)]
    return median(r[0] for r in rounds), median(r[1] for r in rounds)


def main() -> int:
    """Prints one row a model."""
    parser = argparse.ArgumentParser(description="C-models against LiteRT's reference kernels, time")
    parser.add_argument("models", metavar="MODEL.tflite", type=Path, nargs="*", default=sorted(MODELS.glob("*.tflite")))
    args = parser.parse_args()
    rows, kept = [], True
    for path in args.models:
        with tempfile.TemporaryDirectory() as folder:
            try:
                theirs, ours = measure(path, Path(folder) / "c_model")
            except InvalidModelError as error:
                rows.append([path.name, error.message.removeprefix(f"{path}: ")])
                continue
        limit = LIMITS.get(path.name)
        kept &= limit is None or ours / theirs <= limit
        rows.append([path.name, f"{theirs * 1e3:.3f}", f"{ours * 1e3:.3f}", f"{ours / theirs:.2f}", limit])
    print(tabulate(rows, ["model", "LiteRT reference ms", "C-model ms", "ratio", "limit"], disable_numparse=True))
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
