"""C-models whose sources are edited so that one build can compute with several numerics and carry any fault.

The library reads a plan: a record in this process, whose address it finds in the environment when it is loaded. What
the plan says happens inside the compiled code, between one node and the next or in a kernel's arithmetic.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner import AiRunner
from ai_runner.c_model import generate
from ai_runner.c_model.compiler import compile_library, find_compiler, library_suffix
from ai_runner.compiler import C, run_compiler
from planted.edited_sources import MAX_PATCHES, PLAN_ADDRESS, edit_sources

Array = npt.NDArray[Any]

FAST_MATH = "-O3 -ffast-math"


class Rounding(IntEnum):
    """How an accumulator becomes an int8: the first four are ways that correct kernels have."""

    REFERENCE = 0  # fixed point, rounded twice
    SINGLE = 1  # fixed point, rounded once
    FLOAT = 2  # float32 scale, to nearest even
    DOUBLE = 3  # float64 scale
    DOWN = 4
    TOWARDS_ZERO = 5
    UP = 6
    OVERFLOW = 7  # the product in 32 bits
    SHORT = 8  # the accumulator in 16 bits


_Before = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32)
_After = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32)


class _Patch(ctypes.Structure):
    _fields_ = [("offset", ctypes.c_int32), ("value", ctypes.c_int32)]


class _Field(ctypes.Structure):
    _fields_ = [("node", ctypes.c_int32), ("name", ctypes.c_char_p), ("offset", ctypes.c_int32)]


class _Plan(ctypes.Structure):
    _fields_ = [
        ("weights", ctypes.c_void_p),
        ("fields", ctypes.POINTER(_Field)),
        ("exponentials", ctypes.POINTER(ctypes.c_int32)),
        ("rounding", ctypes.c_int32),
        ("node", ctypes.c_int32),
        ("node_rounding", ctypes.c_int32),
        ("n_patches", ctypes.c_int32),
        ("patches", _Patch * MAX_PATCHES),
        ("before", _Before),
        ("after", _After),
    ]


class InstrumentedModel:
    """An open C-model, correct until told otherwise.

    Attributes:
        runner: the runtime to judge.
        parameters: of every node: int32 (and float32) parameters of its kernel, by name, as the sources have them.
        constants: by name, ``node_3_weights`` for instance: arrays on the library's own memory, to be written to.
        exponentials: the table of int8 SOFTMAX, likewise; None in a model without.
    """

    def __init__(self, model: Path, folder: Path, cflags: str = "-O2", cc: str | None = None) -> None:
        build = generate(model, folder, compile=False)
        sources = edit_sources(folder, build.name)
        _compile(folder, build.name, sources, cflags, cc)
        self._plan = _Plan(node=-1, node_rounding=-1)
        os.environ[PLAN_ADDRESS] = f"{ctypes.addressof(self._plan):x}"
        try:
            self.runner = AiRunner.open(f"file:{folder}")
        finally:
            del os.environ[PLAN_ADDRESS]
        self._offsets = self._read_offsets()
        self.parameters = _parameters(folder / f"{build.name}.c")
        self.constants = self._map_constants(folder / f"{build.name}_data.h")
        table = self._plan.exponentials
        self.exponentials = np.ctypeslib.as_array(table, (7,)) if table else None

    def close(self) -> None:
        """Closes the runtime; the arrays are gone with it."""
        self.runner.close()

    def rounds(self, how: Rounding) -> None:
        """Chooses the numerics of all nodes."""
        self._plan.rounding = how

    @contextmanager
    def planted(
        self,
        node: int,
        *,
        rounding: Rounding | None = None,
        parameters: dict[str, int | float] | None = None,
        before: Callable[[list[Array]], bool | None] | None = None,
        after: Callable[[Array], None] | None = None,
    ) -> Iterator[None]:
        """A fault in one node, as long as the context lasts.

        Args:
            rounding: of this node.
            parameters: of its kernel, by name, to the values that they get.
            before: called with the bytes of its inputs (uint8), which it may change; True: the node does not run.
            after: called with the bytes of its output, which it may change.
        """
        plan = self._plan
        for place, (name, value) in enumerate((parameters or {}).items()):
            raw = np.float32(value).view(np.int32) if isinstance(value, float) else value
            plan.patches[place] = _Patch(self._offsets[node, name], int(raw))
        plan.n_patches = len(parameters or {})
        plan.node = node
        plan.node_rounding = -1 if rounding is None else rounding
        plan.before = _Before() if before is None else _Before(_with_arrays(before))
        plan.after = _After() if after is None else _After(lambda address, size: after(_bytes(address, size)))
        try:
            yield
        finally:
            plan.node = plan.node_rounding = -1
            plan.n_patches = 0
            plan.before, plan.after = _Before(), _After()

    def _read_offsets(self) -> dict[tuple[int, str], int]:
        offsets, place = {}, 0
        while (field := self._plan.fields[place]).name:
            offsets[field.node, field.name.decode()] = field.offset
            place += 1
        return offsets

    def _map_constants(self, header: Path) -> dict[str, Array]:
        types: dict[str, Any] = {
            "int8_t": ctypes.c_int8,
            "int32_t": ctypes.c_int32,
            "float": ctypes.c_float,
            "double": ctypes.c_double,
        }
        members = re.findall(r"^    (\w+) (\w+)\[(\d+)\];", header.read_text(), flags=re.MULTILINE)
        known = {**types, "uint8_t": ctypes.c_uint8, "int16_t": ctypes.c_int16}
        layout: Any = type(
            "Constants", (ctypes.Structure,), {"_fields_": [(n, known[t] * int(s)) for t, n, s in members]}
        )
        record: Any = layout.from_address(self._plan.weights)
        return {name: np.ctypeslib.as_array(getattr(record, name)) for _, name, _ in members}


def _with_arrays(before: Callable[[list[Array]], bool | None]) -> Callable[[int, int, int, int], int]:
    def called(in0: int, bytes0: int, in1: int, bytes1: int) -> int:
        inputs = [_bytes(in0, bytes0)]
        if in1 != in0:
            inputs.append(_bytes(in1, bytes1))
        return int(bool(before(inputs)))

    return called


def _bytes(address: int, size: int) -> Array:
    return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))


def _parameters(source: Path) -> list[dict[str, int | float]]:
    """The parameters of every node, by name."""
    nodes = re.split(r"^static void node_\d+\(", source.read_text(), flags=re.MULTILINE)[1:]
    found = []
    for text in nodes:
        members = re.findall(r"^        \.([\w.]+) = (-?[\d.]+(?:e[-+]\d+)?)f?,$", text, flags=re.MULTILINE)
        found.append({name: float(value) if "." in value else int(value) for name, value in members})
    return found


def _compile(folder: Path, name: str, sources: Sequence[str], cflags: str, cc: str | None) -> None:
    library = f"libai_{name}{library_suffix()}"
    if "-ffast-math" in cflags:  # compile_library sees to it that floating-point arithmetic stays exact
        flags = [*cflags.split(), "-std=c99", "-shared", "-fPIC", "-fvisibility=hidden", "-Wl,-Bsymbolic"]
        run_compiler(C, [*find_compiler(cc), *flags, *sources, "-o", library, "-lm"], library, folder)
    else:
        compile_library(folder, sources, library, cc, cflags)
    compile_library(folder, ["runtime/observer.c"], f"libai_observer{library_suffix()}", cc, "-O1")
