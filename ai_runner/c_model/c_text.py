"""Values and untrusted text as C99 source."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.errors import InvalidParamError

_LINE_WIDTH = 116
_STRING_BYTES_MAX = 255
_COMMENT_CHARACTERS_MAX = 80
_C_NAME_MAX = 64

_KEYWORD_LIST = """
auto break case char const continue default do double else enum extern float for goto if inline int long register
restrict return short signed sizeof static struct switch typedef union unsigned void volatile while
"""
_KEYWORDS = frozenset(_KEYWORD_LIST.split())
# cm_network is a type, ai_platform_* and stai_runtime_* are functions of the tools, the others name libraries that lie
# beside the network's.
_TAKEN_NAMES = frozenset({"cm", "platform", "runtime", "observer", "inspector", "helper_convert"})


def check_c_name(name: str) -> str:
    """`name` when it can be a part of C names and file names.

    Raises:
        InvalidParamError: it is no C identifier, too long or taken.
    """
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or name in _KEYWORDS or len(name) > _C_NAME_MAX:
        raise InvalidParamError(
            f"name {name!r} is no C identifier of at most {_C_NAME_MAX} characters",
            hint="use letters, digits and underscores, for instance --name network",
        )
    if name in _TAKEN_NAMES:
        raise InvalidParamError(f"name {name!r} is taken by the tools", hint="choose another, for instance network")
    return name


def comment(text: str) -> str:
    """`text` for the inside of a comment: what could end it, continue a line or form a trigraph becomes ``_``."""
    text = text if len(text) <= _COMMENT_CHARACTERS_MAX else text[: _COMMENT_CHARACTERS_MAX - 3] + "..."
    return re.sub(r"[^A-Za-z0-9_ .:;,/()\[\]=+@#%-]", "_", text)


def string(text: str) -> str:
    """A string literal with the UTF-8 bytes of `text`, at most 255 of them."""
    raw = text.encode("utf-8", "replace")[:_STRING_BYTES_MAX].decode("utf-8", "ignore").encode()
    plain = set(range(0x20, 0x7F)) - set(b'"\\?')
    return '"' + "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in raw) + '"'


def number(value: float | int | bool) -> str:
    """An integer, or a float written exactly."""
    if isinstance(value, bool | np.bool_):
        return "1" if value else "0"
    if isinstance(value, int | np.integer):
        value = int(value)
        if value == -(2**31):
            return "(-2147483647 - 1)"
        return str(value) if abs(value) < 2**31 else f"{value}LL"
    value = float(value)
    if math.isnan(value):
        return "NAN"
    if math.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    if value.is_integer() and abs(value) < 2**24:
        return f"{value:.1f}"
    return re.sub(r"\.?0*p", "p", value.hex())


def numbers(values: Sequence[int]) -> str:
    """``{1, 2, 3}``"""
    return "{" + ", ".join(map(number, values)) + "}"


def float32(value: float) -> str:
    """A constant of type float, decimal."""
    return _literals(np.array([value], np.float32))[0]


def elements(values: npt.NDArray[Any]) -> str:
    """The elements of an array in C order as lines of an initialiser, without braces; exact."""
    return "\n".join(_lines(_literals(np.ascontiguousarray(values).reshape(-1))))


def _literals(values: npt.NDArray[Any]) -> list[str]:
    if values.dtype.kind != "f":
        return ["(-2147483647 - 1)" if value == -(2**31) else str(value) for value in values.tolist()]
    # The shortest decimal text that reads back as the same number, in the array's own precision.
    texts = [text.removesuffix(".0") + "." * text.endswith(".0") for text in values.astype("U32").tolist()]
    suffix = "f" if values.dtype.itemsize == 4 else ""
    words = {"nan": "NAN", "-nan": "NAN", "inf": "INFINITY", "-inf": "-INFINITY"}
    return [words.get(text) or text + suffix for text in texts]


def _lines(literals: list[str]) -> Iterator[str]:
    line = "   "
    for literal in literals:
        if len(line) + len(literal) + 2 > _LINE_WIDTH:
            yield line
            line = "   "
        line += f" {literal},"
    yield line
