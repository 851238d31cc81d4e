"""The grammar, held to the table that users read in docs/descriptors.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.descriptor import Descriptor, parse_descriptor
from ai_runner.errors import InvalidParamError
from ai_runner.registry import driver_class

DOCS = Path(__file__).parents[1] / "docs" / "descriptors.md"


def documented() -> list[tuple[str, str, str, dict[str, str]]]:
    rows = []
    table = DOCS.read_text(encoding="utf-8").split("\n|---|---|---|---|\n")[1].split("\n\n")[0]
    for line in table.splitlines():
        text, scheme, address, options = line.split("|")[1:5]
        pairs = dict(pair.split("=") for pair in re.findall(r"`([^`]+)`", options))
        rows.append((text.strip().removeprefix("`").removesuffix("`"), scheme.strip(), address.strip(" `"), pairs))
    return rows


@pytest.mark.parametrize(("text", "scheme", "address", "options"), documented(), ids=lambda v: repr(v))
def test_documented_descriptor(text: str, scheme: str, address: str, options: dict[str, str]) -> None:
    found = parse_descriptor(text)
    assert (found.scheme, found.address, dict(found.options)) == (scheme, address, options)
    assert found.text == text


def test_the_table_is_read() -> None:
    assert len(documented()) > 30


def test_none_is_serial_auto_detection() -> None:
    assert parse_descriptor(None) == Descriptor("serial", text="")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("serial:tty:fast", "fast"),
        ("serial:COM3:921600?baudrate=9600", "twice"),
        ("serial:!!", "!!"),
        ("x.so?loop=sample&loop=native", "twice"),
        ("x.so?isolate", "name=value"),
        ("x.so?loop=", "loop="),
    ],
)
def test_malformed_descriptor_says_what_is_wrong(text: str, named: str) -> None:
    with pytest.raises(InvalidParamError, match=re.escape(named)):
        parse_descriptor(text)


def test_values_are_percent_decoded() -> None:
    assert parse_descriptor("file:x?a=b%26c%3Dd").options == {"a": "b&c=d"}


@pytest.mark.parametrize("value", ["1e3", "0x10", "", "-1", "11", "9" * 30])
def test_integer_option_out_of_range(value: str) -> None:
    with pytest.raises(InvalidParamError, match="threads"):
        Descriptor("tflite", "m", {"threads": value}).integer("threads", 1, minimum=0, maximum=10)


def test_choice_lists_what_is_allowed() -> None:
    with pytest.raises(InvalidParamError, match="keep, reset"):
        Descriptor("tflite", "m", {"state": "forget"}).choice("state", ("keep", "reset"), "reset")


@given(st.text(max_size=80))
def test_any_text_is_a_descriptor_or_an_error(text: str) -> None:
    try:
        found = parse_descriptor(text)
    except InvalidParamError:
        return
    assert found.scheme
    assert found.text == text


_word = st.text("abcdefghijklmnopqrstuvwxyz0123456789_-./", min_size=1, max_size=20)


@given(
    st.sampled_from(["file", "lib", "tflite", "eim", "mine"]),
    _word,
    st.dictionaries(st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True), _word, max_size=3),
)
def test_what_is_put_together_comes_apart(scheme: str, address: str, options: dict[str, str]) -> None:
    tail = "?" + "&".join(f"{key}={value}" for key, value in options.items()) if options else ""
    found = parse_descriptor(f"{scheme}:{address}{tail}")
    assert (found.scheme, found.address, dict(found.options)) == (scheme, address, options)


@pytest.mark.parametrize("scheme", ["file", "tflite", "serial", "eim"])
def test_every_option_is_documented(scheme: str) -> None:
    section = DOCS.read_text(encoding="utf-8").split(f"\n## `{scheme}:`")[1].split("\n## ")[0]
    assert set(driver_class(scheme).OPTIONS) == set(re.findall(r"`(\w+)=", section))
