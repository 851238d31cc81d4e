"""Checksums and Intel HEX files."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ai_runner import bsdchecksum, dump_ihex_file
from ai_runner.errors import InvalidParamError, MissingRuntimeError

# Four bytes at 0x0010, two at 0x0018; checksums by the format's rule (two's complement of the sum of the bytes).
HEX = ":0400100001020304E2\n:02001800AABB81\n:00000001FF\n"


@pytest.mark.parametrize(("data", "checksum"), [(b"", 0), (b"a", 97), (b"ab", 32914), (b"123456789", 0xD16F)])
def test_bsd_checksum(data: bytes, checksum: int) -> None:
    assert bsdchecksum(data) == checksum


def test_segments_and_gaps(tmp_path: Path) -> None:
    pytest.importorskip("intelhex", reason="the extra 'ihex' is not installed")
    path = tmp_path / "image.hex"
    path.write_text(HEX)
    segments = dump_ihex_file(path)
    assert [(s["addr"], s["data"].tolist()) for s in segments] == [(16, [1, 2, 3, 4]), (24, [0xAA, 0xBB])]
    filled = dump_ihex_file(path, fill_with_zeros=True)
    assert [(s["addr"], s["data"].tolist()) for s in filled] == [(16, [1, 2, 3, 4, 0, 0, 0, 0, 0xAA, 0xBB])]


@pytest.mark.parametrize("content", ["not hex\n", ":0400100001020304FF\n", ":zz\n"])
def test_broken_files(tmp_path: Path, content: str) -> None:
    pytest.importorskip("intelhex", reason="the extra 'ihex' is not installed")
    path = tmp_path / "image.hex"
    path.write_text(content)
    with pytest.raises(InvalidParamError, match=r"image\.hex"):
        dump_ihex_file(path)
    with pytest.raises(InvalidParamError, match="missing"):
        dump_ihex_file(tmp_path / "missing.hex")


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "intelhex", None)
    with pytest.raises(MissingRuntimeError) as caught:
        dump_ihex_file("x.hex")
    assert "ai-runner[ihex]" in caught.value.hint
