"""Cost of the tflite driver over a bare set_tensor/invoke/get_tensor loop, as a ratio within one run.

python benchmarks/tflite_driver.py [MODEL.tflite]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from ai_runner.deadline import Deadline
from ai_runner.descriptor import Descriptor
from ai_runner.driver import Array
from ai_runner.drivers.tflite.driver import TfliteDriver

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_KWS = REPOSITORY.parent / "shared" / "models" / "kws_ref_model.tflite"
BUNDLED = REPOSITORY / "examples" / "models" / "digits_int8.tflite"
BATCH = 100
ROUNDS = 60
LIMIT = 1.1


def bare_loop(path: Path, samples: Array) -> Callable[[], object]:
    """The loop that every script for an Interpreter has."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    input_index = interpreter.get_input_details()[0]["index"]
    output_index = interpreter.get_output_details()[0]["index"]

    def run() -> object:
        outputs = []
        for i in range(len(samples)):
            interpreter.set_tensor(input_index, samples[i : i + 1])
            interpreter.invoke()
            outputs.append(interpreter.get_tensor(output_index))
        return outputs

    return run


def main() -> int:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else SHARED_KWS if SHARED_KWS.exists() else BUNDLED
    driver = TfliteDriver(Descriptor("tflite", str(path)))
    driver.open(Deadline(None))
    name = driver.names()[0]
    tensor = driver.info(name).inputs[0]
    random = np.random.default_rng(0)
    samples = random.integers(-128, 128, (BATCH, *tensor.sample_shape)).astype(tensor.dtype)
    contestants = {"bare loop": bare_loop(path, samples), "driver": lambda: driver.invoke(name, [samples])}
    times: dict[str, list[float]] = {who: [] for who in contestants}
    for _ in range(ROUNDS):
        for who, run in contestants.items():
            start = perf_counter()
            run()
            times[who].append((perf_counter() - start) / BATCH * 1e6)
    driver.close()
    bare, ours = median(times["bare loop"]), median(times["driver"])
    print(f"{path.name}, batch {BATCH}: bare loop {bare:.1f} us, driver {ours:.1f} us a sample")
    print(f"ratio {ours / bare:.3f} (at most {LIMIT})")
    return 0 if ours <= LIMIT * bare else 1


if __name__ == "__main__":
    sys.exit(main())
