"""What a caller tells of a library that cannot tell it: a JSON file with the fields of a hello reply and a layout.

``{"model_parameters": {...}, "project": {...}, "result_layout": {"has_visual_anomaly": false,
"has_postprocessing_time": true}}``; the first two as an .eim of the same model prints them under ``--print-info``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ai_runner.drivers.ei_library.result_layout import ResultLayout
from ai_runner.errors import InvalidMsgError, InvalidParamError
from ai_runner.impulse.hello import Hello, parse_hello

_MAX_BYTES = 16 << 20
_FLAGS = ("has_visual_anomaly", "has_postprocessing_time")


@dataclass(frozen=True)
class Metadata:
    """The content of a metadata file.

    Attributes:
        reply: the hello reply in it.
        hello: the same, parsed.
        layout: of the library's results.
    """

    reply: dict[str, Any]
    hello: Hello
    layout: ResultLayout


def read_metadata(file: str) -> Metadata:
    """Reads a metadata file.

    Raises:
        InvalidParamError: it cannot be read, is no such JSON, or tells too little to know the layout.
    """
    path = Path(file).expanduser()
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InvalidParamError(f"{file}: is too large for the description of a model")
        fields = json.loads(path.read_bytes())
    except (OSError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else "nested too deeply"
        raise InvalidParamError(f"metadata {file}: cannot be read: {reason}", hint="metadata=FILE.json") from error
    except ValueError as error:
        raise InvalidParamError(f"metadata {file}: is no JSON: {error}", hint="docs/ei-library.md shows one") from error
    if not isinstance(fields, dict):
        raise InvalidParamError(f"metadata {file}: is no JSON object", hint="docs/ei-library.md shows one")
    layout = fields.pop("result_layout", None)
    flags = [layout.get(flag) for flag in _FLAGS] if isinstance(layout, dict) else [None]
    if not all(isinstance(flag, bool) for flag in flags):
        raise InvalidParamError(
            f"metadata {file}: tells no layout: no result_layout with {' and '.join(_FLAGS)}, each true or false",
            hint="they follow from the library's build, and nothing in it tells them (docs/ei-library.md)",
        )
    for key in ("id", "success"):
        fields.pop(key, None)
    try:
        hello = parse_hello(fields)
    except InvalidMsgError as error:
        raise InvalidParamError(f"metadata {file}: {error.message}", hint="docs/ei-library.md shows one") from error
    layout_found = ResultLayout(len(hello.labels), *flags)
    if hello.is_visual_anomaly and not layout_found.has_visual_anomaly:
        raise InvalidParamError(
            f"metadata {file}: a visual anomaly model, whose library lacks the fields for it by result_layout",
            hint="one of has_anomaly and has_visual_anomaly is wrong",
        )
    return Metadata(fields, hello, layout_found)
