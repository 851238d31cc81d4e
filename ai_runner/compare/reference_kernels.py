"""Which kernels a reference runs on where nobody chose any."""

from __future__ import annotations

from ai_runner.descriptor import parse_descriptor


def with_reference_kernels(text: str) -> tuple[str, list[str]]:
    """The descriptor of a reference, and what was chosen for it, one line each.

    A .tflite runs on LiteRT's reference kernels unless its descriptor names others: they are what its integers are
    specified by. Raises InvalidParamError for what is no descriptor.
    """
    descriptor = parse_descriptor(text)
    if descriptor.scheme != "tflite" or "kernels" in descriptor.options:
        return text, []
    chosen = f"{text.strip()}{'&' if descriptor.options else '?'}kernels=reference"
    return chosen, ["the reference runs on LiteRT's reference kernels; kernels=... in -m chooses others"]
