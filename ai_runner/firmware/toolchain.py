"""The ports of the firmware: with what each is compiled."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ai_runner.compiler import C, find_compiler, run_compiler, split_words
from ai_runner.errors import HwIOError, MissingRuntimeError

ARM_COMPILER = "arm-none-eabi-gcc"
# What the exactness of the kernels depends on, whatever else is asked for.
_EXACT = ("-std=c99", "-fno-fast-math", "-ffp-contract=off")
_WHOLE_PROGRAM = ("-ffunction-sections", "-fdata-sections")
_CORTEX_M4F = ("-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard")


@dataclass(frozen=True)
class Port:
    """Where the firmware runs.

    Attributes:
        binary: name of what is linked.
        cflags: default of the flags that a caller may choose.
        flags: flags that are always given.
    """

    name: str
    binary: str
    cflags: str
    flags: tuple[str, ...]

    def find_compiler(self, cc: str | None = None) -> list[str]:
        """The command of the compiler; `cc` overrides the port's own ($CC on the host).

        Raises:
            MissingRuntimeError: it is not installed.
            InvalidParamError: `cc` cannot be split into words.
        """
        if self.name == "host" or cc:
            return find_compiler(C, cc)
        path = shutil.which(ARM_COMPILER)
        if path is None:
            raise MissingRuntimeError(
                f"port {self.name} needs {ARM_COMPILER}, which is not installed",
                hint="sudo apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi",
                evidence={"compiler": ARM_COMPILER},
            )
        return [path]

    def link(
        self, folder: Path, sources: Sequence[str], includes: Sequence[str], compiler: Sequence[str], cflags: str | None
    ) -> None:
        """Compiles `sources` of `folder` into `binary` there.

        Raises:
            MissingRuntimeError: the compiler is gone.
            InvalidParamError: `cflags` cannot be split into words.
            HwIOError: the compiler failed, or the memory of the board is too small.
        """
        if cflags is None:
            cflags = os.environ.get("CFLAGS", self.cflags) if self.name == "host" else self.cflags
        # Not -I: a model may be called like a header of the C library.
        quoted = [word for include in includes for word in ("-iquote", include)]
        flags = [*split_words(cflags, "CFLAGS"), *_EXACT, *self.flags, *quoted]
        try:
            run_compiler(C, [*compiler, *flags, *sources, "-o", self.binary, "-lm"], self.binary, folder)
        except HwIOError as error:
            self._say_what_does_not_fit(error)
            raise

    def _say_what_does_not_fit(self, error: HwIOError) -> None:
        """Names the memory in the message where the linker says that it is too small."""
        overflows = re.findall(r"region [`'](\w+)' overflowed by (\d+) bytes", str(error.evidence.get("stderr", "")))
        if overflows:
            short = " and ".join(f"{int(count):,} bytes of {memory}" for memory, count in overflows)
            error.message = f"the models do not fit into port {self.name}: {short} are missing"
            error.hint = "leave a model out or take a smaller one; FLASH holds weights and code, RAM activations"


PORTS = {
    "host": Port("host", "firmware", "-O3", ()),
    "stm32f405": Port(
        "stm32f405",
        "firmware.elf",
        "-O2",
        (
            *_CORTEX_M4F,
            *_WHOLE_PROGRAM,
            *("-nostartfiles", "--specs=nosys.specs", "-Wl,--gc-sections"),
            *("-T", "src/ports/stm32f405/stm32f405.ld"),
        ),
    ),
}
