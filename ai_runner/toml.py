"""TOML from files that anybody may have written."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from ai_runner.errors import InvalidParamError

MAX_BYTES = 1 << 18
MAX_DOTS = 200  # in a line: tomllib needs memory for the square of a dotted key's parts


def read_toml(path: str | Path, hint: str = "") -> dict[str, Any]:
    """The tables of the file at `path`; raises InvalidParamError, with `hint` where it is no such TOML."""
    try:
        with Path(path).open("rb") as file:
            return parse_toml(file.read(MAX_BYTES + 1))
    except OSError as error:
        raise InvalidParamError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise InvalidParamError(f"{path}: {error}", hint=hint) from error


def parse_toml(content: bytes) -> dict[str, Any]:
    """The tables of a file, UTF-8 with or without a byte-order mark.

    Raises:
        ValueError: it is no TOML, or more of it than anybody writes; one line.
    """
    if len(content) > MAX_BYTES:
        raise ValueError(f"has more than {MAX_BYTES >> 10} KiB")
    for number, line in enumerate(content.split(b"\n"), 1):
        if line.count(b".") > MAX_DOTS and not line.lstrip().startswith(b"#"):
            raise ValueError(f"line {number} has more than {MAX_DOTS} dots")
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error
    except ValueError as error:  # TOMLDecodeError, UnicodeDecodeError, a number of thousands of digits
        raise ValueError(f"is no TOML: {' '.join(str(error).split())}") from error
