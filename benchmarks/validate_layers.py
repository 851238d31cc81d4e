"""What a validation of every layer costs beyond the runs that it makes, and what it keeps in memory.

python benchmarks/validate_layers.py [MODEL.tflite]

Runs kws_ref_model on LiteRT's reference kernels (the reference), as a C-model on this host and on XNNPACK, per layer
with data, judged by the noise floor. The bare time is that of all runs which the validation makes, references and
single layers run again included, on the clock around each call.
"""

from __future__ import annotations

import resource
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

from ai_runner import AiRunner
from ai_runner.c_model import generate
from ai_runner.compare.target_judge import NoiseFloor
from ai_runner.compare.validation import validate
from ai_runner.data import RandomInputs

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_KWS = REPOSITORY.parent / "shared" / "models" / "kws_ref_model.tflite"
BUNDLED = REPOSITORY / "examples" / "models" / "digits_int8.tflite"
SAMPLES = 1000
TIME_LIMIT = 1.5  # times the runs
MEMORY_LIMIT = 400  # MB in all


class Stopwatch:
    """Adds up the time of calls."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **keywords: Any) -> Any:
            start = perf_counter()
            try:
                return call(*args, **keywords)
            finally:
                self.seconds += perf_counter() - start

        return timed


class Timed:
    """A runtime whose runs are timed."""

    def __init__(self, runner: AiRunner, watch: Stopwatch) -> None:
        self.descriptor, self.names, self.model_info = runner.descriptor, runner.names, runner.model_info
        self.run = watch.around(runner.run)


def main() -> int:
    """Prints the figures; 1 when a limit is exceeded."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else SHARED_KWS if SHARED_KWS.exists() else BUNDLED
    watch = Stopwatch()
    with (
        tempfile.TemporaryDirectory() as folder,
        AiRunner.open(f"tflite:{path}?kernels=reference") as reference,
        AiRunner.open(f"file:{generate(path, Path(folder) / 'c-model').folder}") as c_model,
        AiRunner.open(f"tflite:{path}?kernels=xnnpack") as xnnpack,
    ):
        source = RandomInputs(reference.model_info().inputs, SAMPLES)
        floor = NoiseFloor(watch.around(reference.rerun))
        start = perf_counter()
        found = validate(
            Timed(reference, watch),
            [Timed(c_model, watch), Timed(xnnpack, watch)],
            source,
            per_layer=True,
            noise_floor=floor,
        )
        whole = perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    ratio = whole / watch.seconds
    print(f"{path.name}, {SAMPLES} samples, three runtimes, every layer: {found.verdict}")
    print(f"{whole:.2f} s, the runs alone {watch.seconds:.2f} s: {ratio:.2f} x (limit {TIME_LIMIT} x)")
    print(f"peak memory {memory:.0f} MB (limit {MEMORY_LIMIT} MB)")
    return int(ratio > TIME_LIMIT or memory > MEMORY_LIMIT)


if __name__ == "__main__":
    sys.exit(main())
