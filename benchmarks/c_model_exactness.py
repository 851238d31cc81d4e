"""Compares every layer output of generated C-models with LiteRT's reference kernels, bit for bit.

    python benchmarks/c_model_exactness.py [--inputs 150] [--api st-ai|legacy] [MODEL.tflite ...]

Without models: those of ../shared/models, else the bundled ones. The exit code is 1 when anything differs.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from ai_runner import AiRunner
from ai_runner.c_model import CModelBuild, generate
from ai_runner.errors import InvalidModelError
from ai_runner.tflite_model import TfliteModel

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = sorted((REPOSITORY.parent / "shared" / "models").glob("*.tflite"))
BUNDLED = sorted((REPOSITORY / "examples" / "models").glob("*.tflite"))


@dataclass
class Score:
    """What comparing one model gave."""

    tensors: int = 0
    different: int = 0
    max_difference: float = 0.0

    def add(self, actual: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> None:
        """Counts one tensor of one inference."""
        self.tensors += 1
        if actual.tobytes() != expected.tobytes():
            self.different += 1
            difference = np.abs(actual.astype(np.float64).ravel() - expected.astype(np.float64).ravel())
            self.max_difference = max(self.max_difference, float(np.max(difference)))


def reference(path: Path) -> Any:
    """LiteRT's interpreter with reference kernels, keeping all tensors."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        str(path),
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    return interpreter


def random_inputs(model: TfliteModel, n: int, rng: np.random.Generator) -> list[np.ndarray[Any, Any]]:
    """`n` samples of every input: integers over their whole range, floats around zero."""
    samples = []
    for i in model.inputs:
        tensor = model.tensors[i]
        dtype = np.dtype(tensor.dtype)
        shape = (n, *tensor.shape[1:])
        if dtype.kind == "f":
            samples.append(rng.standard_normal(shape).astype(dtype))
        else:
            limits = np.iinfo(dtype)
            samples.append(rng.integers(limits.min, limits.max, shape, dtype, endpoint=True))
    return samples


def score(path: Path, build: CModelBuild, n: int) -> Score:
    """Runs `n` random inputs through both."""
    model, result = TfliteModel.read(path), Score()
    inputs = random_inputs(model, n, np.random.default_rng(1))
    with AiRunner.open(f"file:{build.folder}", logger=logging.getLogger("benchmark")) as runner:
        _, profile = runner.invoke(inputs, mode=AiRunner.Mode.PER_LAYER_WITH_DATA)
    interpreter = reference(path)
    for sample in range(n):
        for i, values in zip(model.inputs, inputs, strict=True):
            interpreter.set_tensor(i, values[sample : sample + 1])
        interpreter.invoke()
        for operator, node in zip(model.operators, profile["c_nodes"], strict=True):
            for i, data in zip(operator.outputs, node["data"], strict=True):
                result.add(data[sample], interpreter.get_tensor(i))
    return result


def main() -> int:
    """Prints one row a model."""
    parser = argparse.ArgumentParser(description="C-models against LiteRT's reference kernels, all layers")
    parser.add_argument("models", metavar="MODEL.tflite", type=Path, nargs="*", default=SHARED or BUNDLED)
    parser.add_argument("--inputs", type=int, default=150)
    parser.add_argument("--api", choices=("st-ai", "legacy"), default="st-ai")
    args = parser.parse_args()
    rows, exact = [], True
    for path in args.models:
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            try:
                build = generate(path, Path(folder) / "c_model", api=args.api)
            except InvalidModelError as error:
                rows.append([path.name, error.message.removeprefix(f"{path}: ")])
                continue
            seconds = time.perf_counter() - start
            result = score(path, build, args.inputs)
        exact &= result.different == 0
        verdict = "bit-exact" if result.different == 0 else f"{result.different} differ by {result.max_difference:g}"
        rows.append(
            [
                path.name,
                verdict,
                result.tensors,
                build.n_nodes,
                build.weights_bytes,
                build.arena_bytes,
                f"{seconds:.1f}",
            ]
        )
    headers = ["model", "result", "tensors compared", "nodes", "weights B", "arena B", "build s"]
    print(f"{args.inputs} random inputs, {args.api} interface, every layer output")
    print(tabulate(rows, headers))
    return 0 if exact else 1


if __name__ == "__main__":
    sys.exit(main())
