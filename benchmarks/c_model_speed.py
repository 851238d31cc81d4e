"""Generated C-models (-O3) against LiteRT's reference kernels: time a sample on one core, in turn within one run.

    python benchmarks/c_model_speed.py [MODEL.tflite ...]

Without models: kws_ref_model, or the bundled digits where it is absent. Every sample of a batch is another one, since a
processor learns the branches of repeated data. Exits with 1 when a median ratio is above its limit.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from ai_runner import AiRunner
from ai_runner.c_model import generate

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_KWS = REPOSITORY.parent / "shared" / "models" / "kws_ref_model.tflite"
BUNDLED = REPOSITORY / "examples" / "models" / "digits_int8.tflite"
SAMPLES, ROUNDS, LIMIT = 50, 15, 0.6


def milliseconds(runner: AiRunner, inputs: object) -> float:
    begin = time.perf_counter()
    runner.run(inputs)
    return (time.perf_counter() - begin) * 1000 / SAMPLES


def ratio(model: Path, folder: Path) -> float:
    generate(model, folder, cflags="-O3")
    with (
        AiRunner.open(f"tflite:{model}?kernels=reference&threads=1") as reference,
        AiRunner.open(f"file:{folder}") as target,
    ):
        inputs = reference.generate_rnd_inputs(batch_size=SAMPLES)
        times = [(milliseconds(target, inputs), milliseconds(reference, inputs)) for _ in range(ROUNDS)]
    c_model, litert = (statistics.median(column) for column in zip(*times, strict=True))
    found = statistics.median(a / b for a, b in times)
    print(f"{model.stem:24s} C-model {c_model:7.3f} ms, LiteRT {litert:7.3f} ms: {found:.2f} x (limit {LIMIT} x)")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path)
    models = parser.parse_args().models or [SHARED_KWS if SHARED_KWS.exists() else BUNDLED]
    with tempfile.TemporaryDirectory() as scratch:
        ratios = [ratio(model, Path(scratch) / str(index)) for index, model in enumerate(models)]
    return int(max(ratios) > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
