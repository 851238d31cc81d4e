"""Which kernels a reference runs on where nobody chose any."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ai_runner.descriptor import parse_descriptor
from ai_runner.errors import InvalidModelError

Runtime = TypeVar("Runtime")


def open_reference(text: str, open_runtime: Callable[[str], Runtime]) -> tuple[Runtime, list[str]]:
    """The reference, open, and what was chosen for it, one line each.

    A .tflite runs on LiteRT's reference kernels unless its descriptor names others: they are what its integers are
    specified by. They lack some operators (ELU; TILE of int8): a model that has one runs on the builtin kernels.

    Args:
        text: its descriptor, as the user gave it.
        open_runtime: opens a descriptor.

    Raises:
        InvalidParamError: what is no descriptor.
        AiRunnerError: what `open_runtime` raises.
    """
    descriptor = parse_descriptor(text)
    if descriptor.scheme != "tflite" or "kernels" in descriptor.options:
        return open_runtime(text), []
    chosen = f"{text.strip()}{'&' if descriptor.options else '?'}kernels="
    try:
        runtime, kernels = open_runtime(f"{chosen}reference"), "reference kernels"
    except InvalidModelError as refusal:
        try:
            runtime, kernels = open_runtime(f"{chosen}builtin"), "builtin kernels (its reference kernels refuse it)"
        except InvalidModelError:
            raise refusal from None
    return runtime, [f"the reference runs on LiteRT's {kernels}; kernels=... in -m chooses others"]
