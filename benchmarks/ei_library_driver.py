"""What `ei:` adds to a bare ctypes call of the same library: medians of differences within one run.

python benchmarks/ei_library_driver.py [EXPORT_DIR ...]

Without an export the stand-ins of the tests are compiled, a classifier and a detector, which compute next to nothing:
all that is measured is overhead. The limit is 10 us a sample in a batch.
"""

from __future__ import annotations

import ctypes
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from ai_runner.deadline import Deadline
from ai_runner.descriptor import parse_descriptor
from ai_runner.drivers.ei_library.driver import EiLibraryDriver
from ai_runner.edge_impulse.export_library import compile_export
from ai_runner.model import Mode

STAND_INS = Path(__file__).resolve().parents[1] / "tests" / "drivers" / "ei_library"
KINDS = ("classifier", "fomo")
BATCH = 1000
ROUNDS = 101
LIMIT_US = 10.0

Call = Callable[[], object]


def bare_call(path: Path, features: np.ndarray) -> tuple[Call, Call]:
    """The library set up by hand: one run with everything in place, and its end."""
    library = ctypes.CDLL(str(path))
    run = library.ai_runner_ei_run
    run.argtypes = (ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_void_p)
    library.ai_runner_ei_init()
    values, summary = np.zeros(4096, np.float32), np.zeros(7, np.int64)
    call = partial(run, features.ctypes.data, features.size, 0, values.ctypes.data, summary.ctypes.data)
    if call() != 0:
        raise RuntimeError(f"{path}: does not classify zeros")
    kept = (features, values, summary)
    return lambda: call(), lambda: (library.ai_runner_ei_deinit(), kept)


def seconds(call: Call, number: int) -> float:
    """Mean time of `number` calls."""
    begin = perf_counter()
    for _ in range(number):
        call()
    return (perf_counter() - begin) / number


def measure(path: Path) -> dict[str, tuple[float, float]]:
    """Contestant -> (median us, median of us over the bare call of the same round); they take turns."""
    driver = EiLibraryDriver(parse_descriptor(f"ei:{path}"))
    driver.open(Deadline(None))
    (name,) = driver.names()
    count = driver.info(name).inputs[0].sample_shape[0]
    many, one = np.zeros((BATCH, count), np.float32), np.zeros((1, count), np.float32)
    bare, end = bare_call(path, np.zeros(count, np.float32))
    calls: dict[str, tuple[Call, int, int]] = {
        "bare ctypes call": (bare, BATCH, 1),
        f"IO_ONLY, batch {BATCH}": (partial(driver.invoke, name, [many]), 1, BATCH),
        f"PER_LAYER, batch {BATCH}": (partial(driver.invoke, name, [many], Mode.PER_LAYER), 1, BATCH),
        "IO_ONLY, batch 1": (partial(driver.invoke, name, [one]), 50, 1),
        "extension classify": (partial(driver.extension, None, cmd="classify", features=one[0]), 50, 1),
    }
    times: dict[str, list[float]] = {label: [] for label in calls}
    for _ in range(ROUNDS):
        for label, (call, number, samples) in calls.items():
            times[label].append(seconds(call, number) / samples * 1e6)
    end()
    driver.close()
    base = times["bare ctypes call"]
    return {
        label: (median(found), median(a - b for a, b in zip(found, base, strict=True)))
        for label, found in times.items()
    }


def main() -> int:
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        exports = [Path(argument) for argument in sys.argv[1:]]
        for kind in () if exports else KINDS:
            export = Path(folder, kind)
            shutil.copytree(STAND_INS / "stub_sdk", export)
            shutil.copy(STAND_INS / "kinds" / f"{kind}.h", export / "model-parameters" / "model_kind.h")
            exports.append(export)
        for export in exports:
            library = compile_export(export, Path(folder, f"{export.name}.so")).library
            for label, (us, over) in measure(library).items():
                limited = label.endswith(f"batch {BATCH}")
                missed += limited and over > LIMIT_US
                print(f"{export.name:12} {label:24} {us:8.2f} us {over:+8.2f} us {'(at most 10)' if limited else ''}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
