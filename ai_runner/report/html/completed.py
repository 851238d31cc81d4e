"""A report with a value for every key that its schema knows, so that the page need not ask which of them are there.

Reports of other versions may lack what is optional; a number that is missing becomes None where the schema allows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ai_runner.schemas import schema

_EMPTY: Mapping[str, Any] = {"object": {}, "array": [], "string": "", "boolean": False, "integer": 0, "number": 0.0}


def completed(report: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a report that fits the schema ``validation``, with nothing left out."""
    whole = schema("validation")
    copy: dict[str, Any] = _complete(report, whole, whole)
    return copy


def _complete(value: Any, rule: Mapping[str, Any], whole: Mapping[str, Any]) -> Any:
    rule = _meant(rule, whole)
    if isinstance(value, Mapping):
        known = rule.get("properties", {})
        others = rule.get("additionalProperties", {})
        inside = others if isinstance(others, Mapping) else {}
        copy = {key: _complete(item, known.get(key, inside), whole) for key, item in value.items()}
        return {**{key: _default(known[key], whole) for key in known if key not in value}, **copy}
    if isinstance(value, list):
        return [_complete(item, rule.get("items", {}), whole) for item in value]
    return value


def _default(rule: Mapping[str, Any], whole: Mapping[str, Any]) -> Any:
    """None where that is allowed; else what is empty, complete in itself."""
    rule = _meant(rule, whole)
    kinds = rule.get("type", "null")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    return None if "null" in kinds else _complete(_EMPTY[kinds[0]], rule, whole)


def _meant(rule: Mapping[str, Any], whole: Mapping[str, Any]) -> Mapping[str, Any]:
    """The rule that a reference stands for."""
    while "$ref" in rule:
        rule = whole["$defs"][rule["$ref"].removeprefix("#/$defs/")]
    return rule
