"""Correct targets of many kinds, each judged by the band of all kernel sets and by bands that lack one."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ai_runner import AiRunner
from ai_runner.errors import MissingRuntimeError
from ai_runner.firmware import build_firmware, start_firmware
from planted.instrumented import FAST_MATH, InstrumentedModel, Rounding
from planted.judging import LAYERS, Court, Recorded
from planted.models import BenchModel
from planted.outcome import Comparison

_FOREIGN = {
    "single rounding": Rounding.SINGLE,
    "float requantisation": Rounding.FLOAT,
    "double requantisation": Rounding.DOUBLE,
}
_PORTS = {"host": "host firmware", "stm32f405": "STM32F405 firmware"}
_EMULATED_BYTES = 400_000  # of tensors that a board on the emulator is asked for


class CleanRuns:
    """The correct targets of one model.

    Args:
        compilers: further C compilers than $CC, by the name that the table has.
        builds: whether C-models and firmware are built and run as well; the kernel sets of LiteRT are there anyway.
    """

    def __init__(
        self,
        model: BenchModel,
        folder: Path,
        samples: int,
        seed: int,
        compilers: Sequence[str] = (),
        builds: bool = True,
    ) -> None:
        self._model = model
        self._folder = folder / f"{model.name}-clean-{seed}"
        self._compilers = compilers
        self._wanted = builds
        with AiRunner.open(f"tflite:{model.path}") as runner:
            self._inputs = model.inputs(runner.model_info().inputs, samples, seed)
        self._court = Court(model.path, self._inputs)

    def run(self) -> Iterator[Comparison]:
        """Judges everything, one target after the other."""
        try:
            yield from self._kernel_sets()
            if self._wanted:
                yield from self._numerics()
                yield from self._builds()
            if self._wanted and not self._model.is_float:
                for port, kind in _PORTS.items():
                    try:
                        yield from self._boards(port, kind)
                    except MissingRuntimeError as error:
                        print(f"left out: {error}", file=sys.stderr)
        finally:
            self._court.close()

    def _kernel_sets(self) -> Iterator[Comparison]:
        for kernels in self._court.kernels:
            target = Recorded(self._court.result(kernels), f"tflite:?kernels={kernels}")
            with self._court.remembering():
                yield self._judged(target, f"{kernels} kernels", trusted=True)
                yield self._without(target, f"{kernels} kernels", kernels)
            self._court.forget()

    def _numerics(self) -> Iterator[Comparison]:
        flags = FAST_MATH if self._model.is_float else "-O1"
        chosen = {"-ffast-math": Rounding.REFERENCE} if self._model.is_float else _FOREIGN
        c_model = InstrumentedModel(self._model.path, self._folder / "numerics", flags)
        try:
            for name, rounding in chosen.items():
                c_model.rounds(rounding)
                target = Recorded(c_model.runner.run(self._inputs, mode=LAYERS), f"file:{name}")
                with self._court.remembering():
                    yield self._judged(target, name, trusted=False)
                    for kernels in self._court.kernels:
                        yield self._without(target, name, kernels)
                self._court.forget()
        finally:
            c_model.close()

    def _builds(self) -> Iterator[Comparison]:
        builds: list[tuple[str, str | None, str]] = [("cc -O0", None, "-O0"), ("cc -O3", None, "-O3")]
        builds += [(f"{Path(compiler.split()[0]).name} -O2", compiler, "-O2") for compiler in self._compilers]
        for name, compiler, flags in builds:
            c_model = InstrumentedModel(self._model.path, self._folder / flags, flags, compiler)
            try:
                target = Recorded(c_model.runner.run(self._inputs, mode=LAYERS), f"file:{name}")
                yield self._judged(target, name, trusted=True)
                yield self._without(target, name, "reference")
            finally:
                c_model.close()
            shutil.rmtree(self._folder / flags)

    def _boards(self, port: str, kind: str) -> Iterator[Comparison]:
        build_firmware({"network": self._model.path}, self._folder / port, port=port)
        size = sum(x[:1].nbytes for node in self._court.result(self._court.kernels[0]).nodes for x in node.data)
        samples = max(1, min(len(self._inputs[0]), _EMULATED_BYTES // size))
        court = Court(self._model.path, [array[:samples] for array in self._inputs])
        cassette = self._folder / f"{port}.cassette"
        try:
            with (
                start_firmware(self._folder / port) as board,
                AiRunner.open(board.descriptor, record=str(cassette)) as target,
            ):
                found = court.judge(target)
            yield Comparison.of(found[0], kind, self._model.name, trusted=True)
            with AiRunner.open(f"replay:{cassette}") as target:
                found = court.judge(target)
            yield Comparison.of(found[0], f"{kind}, replayed", self._model.name, trusted=True)
            with AiRunner.open(f"replay:{cassette}") as target:
                found = court.judge(target, without="reference")
            yield Comparison.of(found[0], f"{kind}, replayed, without reference", self._model.name, trusted=False)
        finally:
            court.close()

    def _judged(self, target: Recorded, kind: str, trusted: bool) -> Comparison:
        (found,) = self._court.judge(target)
        return Comparison.of(found, kind, self._model.name, trusted)

    def _without(self, target: Recorded, kind: str, left_out: str) -> Comparison:
        (found,) = self._court.judge(target, without=left_out)
        return Comparison.of(found, f"{kind}, without {left_out}", self._model.name, trusted=False)
