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
    try:
        if Path(path).is_dir():
            content = b""
        else:
            with Path(path).open("rb") as file:
                content = file.read(MAX_REPORT + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InvalidParamError(f"{path}: cannot be read: {reason}", hint="check the path") from error
    if not content or content.startswith(b"PK"):
        with Bundle(path) as bundle:
            return verified_report(bundle)
    try:
        if len(content) > MAX_REPORT:
            raise SchemaError(f"has more than {MAX_REPORT >> 20} MiB")
        found: dict[str, Any] = parse(content, "validation")
    except SchemaError as error:
        raise InvalidModelError(
            f"{path}: is no report of a validation: {error}", hint="write one with ai-runner validate --json"
        ) from error
    return found


def verified_report(bundle: Bundle) -> dict[str, Any]:
    """The report of a bundle of which every file is as its manifest says."""
    bundle.verify()
    return bundle.report()
