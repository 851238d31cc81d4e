"""The report of a validation, read back from a bundle or from a JSON file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ai_runner.errors import InvalidModelError, InvalidParamError
from ai_runner.result_bundle.bundle import MAX_REPORT, Bundle
from ai_runner.schemas import SchemaError, parse


def read_report(path: str | Path) -> dict[str, Any]:
    """The report of a bundle or of a JSON file, checked.

    Raises:
        InvalidParamError: it cannot be read.
        InvalidModelError: it is neither, or damaged.
    """
    if is_bundle(path):
        with Bundle(path) as bundle:
            return verified_report(bundle)
    content = _beginning(path, MAX_REPORT + 1)
    try:
        if len(content) > MAX_REPORT:
            raise SchemaError(f"has more than {MAX_REPORT >> 20} MiB")
        found: dict[str, Any] = parse(content, "validation")
    except SchemaError as error:
        raise InvalidModelError(
            f"{path}: is no report of a validation: {error}", hint="write one with ai-runner validate --json"
        ) from error
    return found


def is_bundle(path: str | Path) -> bool:
    """True for a folder and for a .zip; a pipe is none, it can be read only once."""
    place = Path(path)
    return place.is_dir() or (place.is_file() and _beginning(path, 2) == b"PK")


def _beginning(path: str | Path, most: int) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(most)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InvalidParamError(f"{path}: cannot be read: {reason}", hint="check the path") from error


def verified_report(bundle: Bundle) -> dict[str, Any]:
    """The report of a bundle of which every file is as its manifest says."""
    bundle.verify()
    return bundle.report()
