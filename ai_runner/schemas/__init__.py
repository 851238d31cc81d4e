"""What AiRunner writes and reads, as JSON Schemas (draft 2020-12), and the check of a document against one of them.

The schemas are files beside this module: an editor or another program can use them as they are. They keep to the
keywords that `check` knows, so that files of others are held against them without a package besides the standard
library.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any

NAMES = ("validation", "policy", "bundle", "bench", "latency-baseline")
MAX_DEPTH = 64

_ANNOTATIONS = {"$schema", "$id", "$defs", "title", "description", "default", "examples"}
_KEYWORDS = _ANNOTATIONS | {
    *("$ref", "type", "enum", "const", "required", "properties", "additionalProperties", "propertyNames"),
    *("items", "minItems", "maxItems", "minimum", "maximum", "exclusiveMinimum", "pattern", "maxLength"),
}
_WORDS = {
    "object": "a table of keys and values",
    "array": "a list",
    "string": "a text",
    "number": "a finite number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
}


class SchemaError(ValueError):
    """A document is not what its schema says; the message is one line: where, what, what is allowed."""


@cache
def schema(name: str) -> Mapping[str, Any]:
    """One of the schemas, by its name (NAMES)."""
    text = (files(__name__) / f"{name}.schema.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def check(document: Any, name: str) -> None:
    """Holds a document, as json or tomllib read it, against a schema.

    Raises:
        SchemaError: it is something else; the first place in which it is.
    """
    whole = schema(name)
    _check(document, whole, whole, "", MAX_DEPTH)


def parse(text: str | bytes, name: str) -> Any:
    """Reads strict JSON (no NaN, no Infinity) and checks it.

    Raises:
        SchemaError: it is no JSON, or something else than the schema says.
    """
    try:
        document = json.loads(text, parse_constant=_no_constant)
    except RecursionError as error:
        raise SchemaError("is nested too deeply") from error
    except ValueError as error:  # also of UTF-8, and of a number with thousands of digits
        raise SchemaError(f"is no JSON: {error}") from error
    check(document, name)
    return document


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def _check(value: Any, rule: Mapping[str, Any], whole: Mapping[str, Any], where: str, depth: int) -> None:
    if depth == 0:
        raise SchemaError(f"{_at(where)}is nested too deeply")
    if "$ref" in rule:
        _check(value, whole["$defs"][rule["$ref"].removeprefix("#/$defs/")], whole, where, depth - 1)
    _check_type(value, rule, where)
    if "const" in rule and not _same(value, rule["const"]):
        raise SchemaError(f"{_at(where)}{_short(value)} where {rule['const']!r} is expected")
    if "enum" in rule and not any(_same(value, one) for one in rule["enum"]):
        raise SchemaError(f"{_at(where)}{_short(value)} is not one of {', '.join(map(str, rule['enum']))}")
    if isinstance(value, dict):
        _check_object(value, rule, whole, where, depth)
    elif isinstance(value, list):
        _check_array(value, rule, whole, where, depth)
    elif isinstance(value, str):
        _check_text(value, rule, where)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        _check_number(value, rule, where)


def _check_type(value: Any, rule: Mapping[str, Any], where: str) -> None:
    if "type" not in rule:
        return
    allowed = [rule["type"]] if isinstance(rule["type"], str) else rule["type"]
    if not any(_is(value, kind) for kind in allowed):
        raise SchemaError(f"{_at(where)}{_short(value)} is not {' or '.join(_WORDS[kind] for kind in allowed)}")


def _is(value: Any, kind: str) -> bool:
    match kind:
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "null":
            return value is None
    if isinstance(value, bool) or not isinstance(value, int | float) or not _finite(value):
        return False
    return kind == "number" or isinstance(value, int) or value.is_integer()


def _finite(value: float) -> bool:
    """False also for an int that is larger than any float: nobody could calculate with it."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _same(value: Any, other: Any) -> bool:
    return bool(value == other) and isinstance(value, bool) == isinstance(other, bool)


def _check_object(
    value: Mapping[str, Any], rule: Mapping[str, Any], whole: Mapping[str, Any], where: str, depth: int
) -> None:
    known, others = rule.get("properties", {}), rule.get("additionalProperties", True)
    for key in rule.get("required", ()):
        if key not in value:
            raise SchemaError(f"{_at(where)}the key {key!r} is missing")
    for key, item in value.items():
        inside = f"{where}.{key}" if where else str(key)
        if "propertyNames" in rule:
            _check(key, rule["propertyNames"], whole, inside, depth - 1)
        if key in known:
            _check(item, known[key], whole, inside, depth - 1)
        elif others is False:
            allowed = ", ".join(sorted(known)) or "none"
            raise SchemaError(f"{_at(where)}unknown key {_short(key)}; allowed: {allowed}{_nearest(str(key), known)}")
        elif others is not True:
            _check(item, others, whole, inside, depth - 1)


def _check_array(value: list[Any], rule: Mapping[str, Any], whole: Mapping[str, Any], where: str, depth: int) -> None:
    if len(value) < rule.get("minItems", 0):
        raise SchemaError(f"{_at(where)}{len(value)} entries, at least {rule['minItems']} are needed")
    if len(value) > rule.get("maxItems", len(value)):
        raise SchemaError(f"{_at(where)}{len(value)} entries, at most {rule['maxItems']} are allowed")
    if "items" in rule:
        for place, item in enumerate(value):
            _check(item, rule["items"], whole, f"{where}[{place}]", depth - 1)


def _check_text(value: str, rule: Mapping[str, Any], where: str) -> None:
    if len(value) > rule.get("maxLength", len(value)):
        raise SchemaError(f"{_at(where)}{len(value)} characters, at most {rule['maxLength']} are allowed")
    if "pattern" in rule and not re.search(rule["pattern"], value):
        raise SchemaError(f"{_at(where)}{_short(value)} is not of the form {rule['pattern']}")


def _check_number(value: float, rule: Mapping[str, Any], where: str) -> None:
    for keyword, wrong, words in (
        ("minimum", value < rule.get("minimum", value), "at least"),
        ("maximum", value > rule.get("maximum", value), "at most"),
        ("exclusiveMinimum", "exclusiveMinimum" in rule and value <= rule["exclusiveMinimum"], "more than"),
    ):
        if wrong:
            raise SchemaError(f"{_at(where)}{_short(value)} is not {words} {rule[keyword]}")


def _at(where: str) -> str:
    return f"{where[:200]}: " if where else ""


def _nearest(key: str, known: Collection[str]) -> str:
    found = get_close_matches(key[:60], known, 1)
    return f"; did you mean {found[0]!r}?" if found else ""


def _short(value: Any) -> str:
    """A value for a message: one line, and not the whole of a long one."""
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    try:
        text = repr(value)
    except ValueError:  # an int of thousands of digits
        text = "a number"
    return text if len(text) <= 60 else f"{text[:57]}..."
