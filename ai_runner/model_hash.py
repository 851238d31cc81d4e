"""Hashes that name a model, and `?expect=`: the model that has to be there."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from ai_runner.errors import InvalidModelError, InvalidParamError
from ai_runner.model import ModelInfo

_HASH = r"[0-9a-f]{4,64}"


def expected_hash(expected: str) -> str:
    """The hash that is meant by a hash or by the path of a model file, as hexadecimal digits.

    Raises:
        InvalidParamError: it is neither.
    """
    path = Path(expected)
    if path.is_file():
        # ST's tools sign a model with the md5 of its file; nothing here depends on md5 being hard to forge.
        return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    digits = normalised(expected)
    if not re.fullmatch(_HASH, digits):
        raise InvalidParamError(
            f"expect={expected!r} is neither a file nor a hash", hint="give the .tflite, or the hash that `info` shows"
        )
    return digits


def normalised(signature: str) -> str:
    """A signature as digits only: ST writes ``0x`` in front and may group them with ``_``."""
    return signature.strip().lower().removeprefix("0x").replace("_", "")


def check_expected(models: Sequence[ModelInfo], wanted: str, expected: str, where: str, hint: str) -> None:
    """Raises InvalidModelError, with `hint`, when none of `models` has the hash `wanted`, given as `expected`."""
    if any(normalised(model.hash) == wanted for model in models):
        return
    there = ", ".join(f"{model.name} {model.hash or 'without hash'}" for model in models)
    raise InvalidModelError(
        f"{where}: has another model than {expected}: {there}",
        hint=hint,
        evidence={"expected": wanted, "models": {model.name: model.hash for model in models}},
    )
