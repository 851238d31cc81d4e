"""The schemas are ones, what AiRunner writes fits them, and the check agrees with the package `jsonschema`."""

from __future__ import annotations

import copy
import json
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.schemas import _KEYWORDS as KNOWN_KEYWORDS
from ai_runner.schemas import NAMES, SchemaError, check, parse, schema

jsonschema = pytest.importorskip("jsonschema", reason="the package that the check is held against")


def valid(document: Any, name: str) -> bool:
    return bool(jsonschema.Draft202012Validator(schema(name)).is_valid(document))


def complaint(document: Any, name: str) -> str:
    """What the check says; '' when it says nothing."""
    try:
        check(document, name)
    except SchemaError as error:
        return str(error)
    return ""


def keywords(rule: Any) -> set[str]:
    """Every keyword that a schema uses."""
    found = set(rule)
    for keyword in ("properties", "$defs"):
        for inner in rule.get(keyword, {}).values():
            found |= keywords(inner)
    for keyword in ("items", "additionalProperties", "propertyNames"):
        if isinstance(rule.get(keyword), dict):
            found |= keywords(rule[keyword])
    return found


@pytest.mark.parametrize("name", NAMES)
def test_it_is_a_schema_of_words_that_the_check_knows(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(name))
    assert keywords(schema(name)) <= KNOWN_KEYWORDS
    assert schema(name)["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema(name)["properties"]["schema"]["const"] == schema(name)["title"]


POLICY = tomllib.loads("""
schema = "ai-runner/policy/1"
base = "exact"
[outputs.y]
max_lsb = 1
metrics = { cos = { min = 0.5 } }
[accuracy]
min = 0.5
[health]
fail = ["all"]
""")
MANIFEST = {
    "schema": "ai-runner/bundle/1",
    "samples": 3,
    "provenance": {},
    "files": [{"path": "a/b.npy", "size": 1, "sha256": "0" * 64}],
    "worst": [{"target": 0, "sample": 1, "error": None, "path": "worst/a.npz"}],
    "runtimes": [
        {
            **{"folder": "reference", "descriptor": "d", "target": None, "samples": 3, "c_duration_source": None},
            "model": {
                **{"name": "n", "hash": ""},
                "inputs": [{"name": "x", "shape": [1, 2], "dtype": "|i1", "scale": [0.5], "zero_point": [1]}],
                "outputs": [{"name": "y", "shape": [1], "dtype": "<f4"}],
            },
            "runtime": {"protocol": "p", "name": "n", "version": [1, 2, 3]},
            "device": {"dev_type": "t", "desc": "d", "dev_id": ""},
        }
    ],
}
STRANGE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "exact", "pass", "a/../b", "<f4", 1.0, 2.5, [], {}, [1], {"min": 1}, {"x": 1}, "0" * 64]),
)


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values in a document."""
    found = [path]
    if isinstance(document, dict):
        for key, value in document.items():
            found += places(value, (*path, key))
    elif isinstance(document, list):
        for place, value in enumerate(document):
            found += places(value, (*path, place))
    return found


@pytest.mark.parametrize(("document", "name"), [(POLICY, "policy"), (MANIFEST, "bundle")])
@given(data=st.data())
def test_the_check_agrees_with_jsonschema(document: Any, name: str, data: st.DataObject) -> None:
    assert not complaint(document, name)
    assert valid(document, name)
    changed = copy.deepcopy(document)
    path = data.draw(st.sampled_from(places(document)[1:]))
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    if data.draw(st.booleans()):
        inner[path[-1]] = data.draw(STRANGE)
    elif isinstance(inner, dict):
        inner[data.draw(st.sampled_from(["x", "name", "base"]))] = inner.pop(path[-1])
    else:
        inner.append(data.draw(STRANGE))
    found = complaint(changed, name)
    assert (not found) == valid(changed, name), changed
    assert "\n" not in found
    assert len(found) < 1000


@pytest.mark.parametrize("text", ["[" * 100_000, "NaN", '{"a": Infinity}', "1e999", "", "\ud800", b"\xff", "1" * 5000])
def test_what_is_no_document(text: Any) -> None:
    with pytest.raises(SchemaError):
        parse(text, "validation")


def test_numbers_are_finite() -> None:
    text = json.dumps({"schema": "ai-runner/policy/1", "latency": {"max_ms": 1}}).replace("1}}", "1e999}}")
    with pytest.raises(SchemaError, match="max_ms: inf is not a finite number"):
        parse(text, "policy")
    with pytest.raises(SchemaError, match="max_ms: a number is not a finite number"):
        check({"schema": "ai-runner/policy/1", "latency": {"max_ms": 10**5000}}, "policy")
