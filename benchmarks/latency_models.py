"""Models whose layers can be made slower: C-models of a .tflite, and libraries that only take time."""

from __future__ import annotations

import re
import shlex
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from ai_runner import AiRunner
from ai_runner.bench.measurement import Connect, Run, measure
from ai_runner.c_model import generator
from ai_runner.c_model.compiler import compile_library, library_suffix
from ai_runner.inputs import generate_rnd

REPOSITORY = Path(__file__).resolve().parents[1]
RUNTIME = Path(generator.__file__).parent / "runtime"
LIBRARY = f"libai_network{library_suffix()}"
TFLITE = {
    "digits": REPOSITORY / "examples" / "models" / "digits_int8.tflite",
    "kws": REPOSITORY.parent / "shared" / "models" / "kws_ref_model.tflite",
}
BUSY_US = {"decades": (1.0, 10.0, 100.0, 1000.0), "single": (50.0,), "sixty": (2.0,) * 60}
CALIBRATION = 20_000  # rounds of a busy loop


class Builds(ABC):
    """Builds of one model, each in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._count = folder, 0

    def build(self, layer: int = 0, rounds: int = 0) -> str:
        """The descriptor of a new build, in which `layer` has so many rounds of a busy loop more."""
        self._count += 1
        folder = self._folder / f"build_{self._count}"
        folder.mkdir(parents=True)
        self._write(folder, layer, rounds)
        return f"file:{folder}"

    @abstractmethod
    def _write(self, folder: Path, layer: int, rounds: int) -> None:
        """Puts the library there."""


class CModelBuilds(Builds):
    """C-models of a .tflite."""

    def __init__(self, model: Path, folder: Path) -> None:
        super().__init__(folder)
        self._model = model

    def _write(self, folder: Path, layer: int, rounds: int) -> None:
        generator.generate(self._model, folder)
        if not rounds:
            return
        network = folder / "network.c"
        head = rf"(static void node_{layer}\(const cm_memory \*memory\)\n\{{\n)"
        loop = f"    for (volatile unsigned spin = 0; spin < {rounds}; spin++) {{\n    }}\n"
        text, found = re.subn(head, lambda match: match.group(1) + loop, network.read_text())
        assert found == 1, "the generated code looks different"
        network.write_text(text)
        sources = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.c") if path.name != "observer.c")
        compile_library(folder, sources, LIBRARY)


class BusyBuilds(Builds):
    """Libraries of busy_layers.c, whose layers take `microseconds`."""

    def __init__(self, microseconds: Sequence[float], folder: Path) -> None:
        super().__init__(folder)
        self._rounds = [CALIBRATION]
        ms = layer_times(self.build())[0] / CALIBRATION
        self._rounds = [round(us / 1e3 / ms) for us in microseconds]

    def _write(self, folder: Path, layer: int, rounds: int) -> None:
        steps = [count + rounds * (i == layer) for i, count in enumerate(self._rounds)]
        macros = [f"-DLAYERS={len(steps)}", f"-DROUNDS={_braced(steps)}", f"-DNODES={_braced(['NODE'] * len(steps))}"]
        flags = shlex.join(["-O2", f"-I{RUNTIME}", *macros])
        compile_library(folder, [str(REPOSITORY / "benchmarks" / "busy_layers.c")], LIBRARY, cflags=flags)


def _braced(items: Sequence[object]) -> str:
    return "{" + ",".join(map(str, items)) + "}"


def builds_of(name: str, folder: Path) -> Builds:
    """Of a name in TFLITE or BUSY_US, or of the path of a .tflite."""
    if name in BUSY_US:
        return BusyBuilds(BUSY_US[name], folder)
    return CModelBuilds(TFLITE.get(name) or Path(name), folder)


def connect(desc: str) -> Connect:
    """What connects `desc` and then runs one random sample."""

    @contextmanager
    def connected() -> Iterator[Run]:
        with AiRunner.open(desc) as runner:
            infos = runner.model_info().inputs
            inputs = generate_rnd([t.dtype for t in infos], [t.shape for t in infos], 1)
            yield lambda mode: runner.run(inputs, mode=mode)

    return connected


def layer_times(desc: str) -> list[float]:
    """ms of every layer, medians."""
    return [median(layer.series.times) for layer in measure(connect(desc), 500).layers]
