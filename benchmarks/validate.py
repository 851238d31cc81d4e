"""What `validate` adds to a bare loop over the same runtimes, and what it keeps in memory.

python benchmarks/validate.py [FOLDER_OF_MODELS]

Runs kws_ref_model on LiteRT, reference kernels against XNNPACK (the defaults of `ai-runner validate -m tflite:M -d
tflite:M`), and XNNPACK against itself, where the runtimes are fast and the rest shows most.
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from ai_runner import AiRunner
from ai_runner.compare.validation import validate
from ai_runner.data import RandomInputs

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_KWS = REPOSITORY.parent / "shared" / "models" / "kws_ref_model.tflite"
BUNDLED = REPOSITORY / "examples" / "models" / "digits_int8.tflite"
SAMPLES = 1000
MANY_SAMPLES = 20_000
ROUNDS = 5
TIME_LIMIT = 1.3  # times the bare loop
MEMORY_LIMIT = 50  # MB beyond the outputs
PAIRS = {"reference against xnnpack": ("reference", "xnnpack"), "xnnpack against xnnpack": ("xnnpack", "xnnpack")}


def bare_interpreter(path: Path, kernels: str) -> Any:
    """LiteRT without ai_runner."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = {"reference": OpResolverType.BUILTIN_REF, "xnnpack": OpResolverType.AUTO}[kernels]
    interpreter = Interpreter(str(path), experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    return interpreter


def bare_loop(interpreters: list[Any], inputs: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    """Every sample through every interpreter; the outputs are kept."""
    results = []
    for interpreter in interpreters:
        source = interpreter.get_input_details()[0]["index"]
        sink = interpreter.get_output_details()[0]["index"]
        outputs = []
        for i in range(len(inputs)):
            interpreter.set_tensor(source, inputs[i : i + 1])
            interpreter.invoke()
            outputs.append(interpreter.get_tensor(sink))
        results.append(np.concatenate(outputs))
    return results


def measure_time(path: Path, kernels: tuple[str, str]) -> tuple[float, float]:
    """Seconds of the bare loop and of validate, medians of alternating rounds."""
    bare = [bare_interpreter(path, one) for one in kernels]
    bare_times, times = [], []
    with (
        AiRunner.open(f"tflite:{path}?kernels={kernels[0]}") as reference,
        AiRunner.open(f"tflite:{path}?kernels={kernels[1]}") as target,
    ):
        source = RandomInputs(reference.model_info().inputs, SAMPLES)
        (inputs,) = source.chunk(0, SAMPLES)
        for _ in range(ROUNDS):
            start = perf_counter()
            bare_loop(bare, inputs)
            bare_times.append(perf_counter() - start)
            start = perf_counter()
            validate(reference, [target], source)
            times.append(perf_counter() - start)
    return median(bare_times), median(times)


def measure_memory(path: Path) -> float:
    """MB by which the peak of the process grows from 256 samples to MANY_SAMPLES."""
    with (
        AiRunner.open(f"tflite:{path}?kernels=xnnpack") as reference,
        AiRunner.open(f"tflite:{path}?kernels=xnnpack") as target,
    ):
        inputs = reference.model_info().inputs
        validate(reference, [target], RandomInputs(inputs, 256))
        before = peak_memory()
        validate(reference, [target], RandomInputs(inputs, MANY_SAMPLES))
        return peak_memory() - before


def peak_memory() -> float:
    """MB that the process has had resident at most."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def main() -> int:
    """Prints the figures; 1 when a limit is exceeded."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else SHARED_KWS if SHARED_KWS.exists() else BUNDLED
    memory = measure_memory(path)
    print(f"{MANY_SAMPLES} samples: the peak grows by {memory:.1f} MB (limit {MEMORY_LIMIT} MB and the outputs)")
    failed = memory > MEMORY_LIMIT
    for title, kernels in PAIRS.items():
        bare, whole = measure_time(path, kernels)
        ratio = whole / bare
        failed |= ratio > TIME_LIMIT
        print(
            f"{SAMPLES} samples, {title}: {1e3 * whole / SAMPLES:.3f} ms a sample, bare loop "
            f"{1e3 * bare / SAMPLES:.3f} ms: {ratio:.3f} x (limit {TIME_LIMIT} x)"
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
