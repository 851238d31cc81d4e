"""What `file:` adds to a bare ctypes call of the same library: medians and ratios within one run.

python benchmarks/c_library_driver.py [FOLDER_OF_ABI_PROBE]

Builds the float32 toy libraries (4 -> dense -> relu -> 3) with both APIs into a temporary folder. On so small a model
all that is measured is overhead.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import c_bool, c_int32, c_uint32, c_void_p
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from ai_runner import AiRunner
from ai_runner.deadline import Deadline
from ai_runner.descriptor import parse_descriptor
from ai_runner.drivers.c_library import legacy_abi, stai_abi
from ai_runner.drivers.c_library.driver import CLibraryDriver
from ai_runner.model import Mode

PROBE = Path(__file__).resolve().parents[2] / "shared" / "abi_probe"
VARIANTS = {"legacy": "legacy_f32", "st-ai": "stai_f32"}
BATCH = 1000
ROUNDS = 41
LIMITS = {
    ("legacy", "IO_ONLY, batch 1000"): 1.0,
    ("st-ai", "IO_ONLY, batch 1000"): 5.0,
    ("legacy", "PER_LAYER, batch 1000"): 12.0,
    ("st-ai", "PER_LAYER, batch 1000"): 12.0,
    ("legacy", "AiRunner.invoke, batch 1"): 60.0,
    ("st-ai", "AiRunner.invoke, batch 1"): 60.0,
}

Call = Callable[[], object]


class BareLegacy:
    """The library without any driver: set up by hand, inputs and outputs in place."""

    def __init__(self, folder: Path) -> None:
        library = ctypes.CDLL(str(folder / "libai_network.so"))
        self._observer = ctypes.CDLL(str(folder / "libai_observer.so"))
        self._handle = c_void_p()
        library.ai_network_create(ctypes.byref(self._handle), None)
        params = legacy_abi.Params()
        library.ai_network_data_params_get(ctypes.byref(params))
        self._memory = np.zeros(64)
        activations = ctypes.cast(params.maps.activations.buffers, ctypes.POINTER(legacy_abi.Buffer))
        activations[0].data = self._memory.ctypes.data
        library.ai_network_init(self._handle, ctypes.byref(params))
        report = legacy_abi.Report()
        library.ai_network_get_report(self._handle, ctypes.byref(report))
        inputs, outputs = c_void_p(report.inputs), c_void_p(report.outputs)
        run = library.ai_network_run
        run.argtypes, run.restype = (c_void_p, c_void_p, c_void_p), c_int32
        handle = self._handle
        self.run: Call = partial(run, handle, inputs, outputs)

    @contextmanager
    def observed(self) -> Iterator[None]:
        """Registers an empty Python callback."""
        empty = legacy_abi.NodeCallback(lambda flags, node: 0)
        register = self._observer.ai_platform_observer_io_register
        register.argtypes, register.restype = (c_void_p, legacy_abi.NodeCallback, c_uint32), c_bool
        unregister = self._observer.ai_platform_observer_io_unregister
        unregister.argtypes, unregister.restype = (c_void_p, legacy_abi.NodeCallback), c_bool
        if not register(self._handle, empty, 6):
            raise RuntimeError("the toy observer refuses the toy network")
        yield
        unregister(self._handle, empty)


class BareStai:
    """The same for the st-ai API."""

    def __init__(self, folder: Path) -> None:
        library = ctypes.CDLL(str(folder / "libai_network.so"))
        self._memory = np.zeros(64)
        self._context = np.zeros(64)
        context = c_void_p(self._context.ctypes.data)
        library.stai_network_init(context)
        library.stai_network_set_activations(context, (c_void_p * 1)(self._memory.ctypes.data), 1)
        self._subscribe: Callable[[object], object] = lambda f: library.stai_network_set_callback(context, f, None)
        run = library.stai_network_run
        run.argtypes, run.restype = (c_void_p, c_int32), c_int32
        self.run: Call = partial(run, context, 1)

    @contextmanager
    def observed(self) -> Iterator[None]:
        """Sets an empty Python callback."""
        empty = stai_abi.NodeCallback(lambda cookie, event, payload: None)
        self._subscribe(empty)
        yield
        self._subscribe(None)


def seconds(call: Call, number: int) -> float:
    """Mean time of `number` calls."""
    begin = perf_counter()
    for _ in range(number):
        call()
    return (perf_counter() - begin) / number


def measure(folder: Path, bare: BareLegacy | BareStai) -> dict[str, float]:
    """Median microseconds of every contestant; they take turns, so that other load hits all alike."""
    driver = CLibraryDriver(parse_descriptor(f"file:{folder}"))
    driver.open(Deadline(None))
    runner = AiRunner.open(f"file:{folder}")
    name, shape = driver.names()[0], driver.info(driver.names()[0]).inputs[0].sample_shape
    one, many = (np.random.default_rng(0).random((n, *shape)).astype(np.float32) for n in (1, BATCH))
    modes = {"IO_ONLY": Mode.IO_ONLY, "PER_LAYER": Mode.PER_LAYER, "WITH_DATA": Mode.PER_LAYER_WITH_DATA}
    calls: dict[str, tuple[Call, int, int]] = {"bare call": (bare.run, 1000, 1)}
    for label, mode in modes.items():
        calls[f"{label}, batch 1000"] = (partial(driver.invoke, name, [many], mode), 1, BATCH)
        calls[f"{label}, batch 1"] = (partial(driver.invoke, name, [one], mode), 100, 1)
    calls["AiRunner.invoke, batch 1"] = (partial(runner.invoke, one), 100, 1)
    calls["AiRunner.invoke, batch 1000"] = (partial(runner.invoke, many), 1, BATCH)
    times: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for label, (call, number, samples) in calls.items():
            times.setdefault(label, []).append(seconds(call, number) / samples)
        with bare.observed():
            times.setdefault("bare call, empty Python callback", []).append(seconds(bare.run, 1000))
    driver.close()
    runner.disconnect()
    return {label: median(values) * 1e6 for label, values in times.items()}


def main() -> int:
    sources = Path(sys.argv[1]) if len(sys.argv) > 1 else PROBE
    if not sources.is_dir():
        print(f"{sources}: no such folder; give the one with the toy libraries' sources", file=sys.stderr)
        return 2
    missed = 0
    with tempfile.TemporaryDirectory() as build:
        targets = [f"{build}/{variant}/.done" for variant in VARIANTS.values()]
        subprocess.run(["make", "-s", "-C", str(sources), f"OUT={build}", *targets], check=True)
        for api, bare in (("legacy", BareLegacy), ("st-ai", BareStai)):
            folder = Path(build, VARIANTS[api])
            times = measure(folder, bare(folder))
            for label, value in times.items():
                base = "bare call, empty Python callback" if label.startswith(("PER", "WITH")) else "bare call"
                limit = LIMITS.get((api, label))
                ratio = value / times[base]
                missed += limit is not None and ratio > limit
                print(f"{api:7} {label:34} {value:8.2f} us {ratio:8.2f} x {f'(at most {limit:g})' if limit else ''}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
