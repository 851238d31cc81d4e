from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.c_model import c_text
from ai_runner.errors import InvalidParamError


@given(st.text())
def test_a_comment_stays_one_comment(text: str) -> None:
    safe = c_text.comment(text)
    assert not re.search(r"\*|\\|\?|[^ -~]", safe)


@given(st.text(max_size=400))
def test_a_string_is_one_literal_with_the_same_bytes(text: str) -> None:
    literal = c_text.string(text)
    assert re.fullmatch(r'"(?:[ !#->@-\[\]-~]|\\[0-3][0-7]{2})*"', literal)
    raw = bytes(
        int(octal, 8) if octal else ord(plain) for octal, plain in re.findall(r"\\([0-7]{3})|(.)", literal[1:-1])
    )
    expected = text.encode("utf-8", "replace")
    assert expected.startswith(raw)
    assert len(raw) == len(expected) or len(raw) > 255 - 4


@given(st.floats(width=32))
def test_a_float_reads_back_exactly(value: float) -> None:
    words = {"NAN": float("nan"), "INFINITY": float("inf"), "-INFINITY": float("-inf")}
    text = c_text.number(value)
    read = words[text] if text in words else float.fromhex(text) if "x" in text else float(text)
    np.testing.assert_array_equal(read, value)
    assert np.signbit(read) == np.signbit(value) or np.isnan(value)
    text = c_text.float32(value)
    single = words[text] if text in words else np.float32(text.removesuffix("f"))
    np.testing.assert_array_equal(np.float32(single), np.float32(value))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int32, np.float32, np.float64])
def test_arrays_compile_to_their_bytes(dtype: type[np.generic], compiler: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    kind = np.dtype(dtype)
    values = np.frombuffer(rng.bytes(500 * kind.itemsize), kind).copy()
    if kind.kind == "f":
        values[np.isnan(values)] = 0  # the sign and payload of a NaN are not kept
        values[:4] = [np.inf, -np.inf, -0.0, np.finfo(kind).smallest_subnormal]
    else:
        values[:2] = [np.iinfo(kind).min, np.iinfo(kind).max]
    ctype = {"float32": "float", "float64": "double"}.get(kind.name, f"{kind.name}_t")
    source = tmp_path / "a.c"
    source.write_text(
        "#include <math.h>\n#include <stdint.h>\n#include <stdio.h>\n"
        f"static const {ctype} a[] = {{\n{c_text.elements(values)}\n}};\n"
        "int main(void) { return fwrite(a, sizeof a, 1, stdout) != 1; }\n"
    )
    program = tmp_path / "a"
    warnings = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    subprocess.run([*compiler.split(), *warnings, str(source), "-o", str(program)], check=True)
    assert subprocess.run([str(program)], check=True, capture_output=True).stdout == values.tobytes()
    assert max(map(len, source.read_text().splitlines())) <= 120


@pytest.mark.parametrize("name", ["network", "_n", "Net_2", "a" * 64])
def test_c_names(name: str) -> None:
    assert c_text.check_c_name(name) == name


@pytest.mark.parametrize("name", ["", "2net", "a-b", "a b", "für", "int", "a\n", "a" * 65, "a/../b", "a;b"])
def test_what_is_no_c_name(name: str) -> None:
    with pytest.raises(InvalidParamError, match="is no C identifier"):
        c_text.check_c_name(name)


@pytest.mark.parametrize("name", ["cm", "platform", "runtime", "observer"])
def test_taken_names(name: str) -> None:
    with pytest.raises(InvalidParamError, match="is taken"):
        c_text.check_c_name(name)
