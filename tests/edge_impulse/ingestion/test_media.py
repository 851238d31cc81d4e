from __future__ import annotations

import logging
import struct
import wave
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ai_runner.edge_impulse.ingestion import media
from ai_runner.edge_impulse.ingestion.media import check_content, check_size, content_type
from ai_runner.errors import InvalidParamError


def write(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_content_types() -> None:
    assert content_type("a.WAV") == "audio/wav"
    assert content_type("a.jpeg") == content_type("a.b.jpg") == "image/jpeg"
    assert content_type("a.parquet") == "application/vnd.apache.parquet"
    assert content_type("a") == content_type("a.bin") == "application/octet-stream"


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("timestamp,x,y\n0,1,2\n16,-3e5,4\n32,5,6\n", 3),
        ("\ufefftimestamp,x\r\n0,1\r\n10,2\r\n\r\n", 2),
        ("a,b,c\n1,2,3\n", 1),
        ('"timestamp","the x, say"\n0,1\n', 1),
    ],
)
def test_tables(tmp_path: Path, content: str, rows: int) -> None:
    assert check_content(write(tmp_path, "a.csv", content)) == rows


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("timestamp,x\n0,1\n10,NaN\n", "a.csv:3: column 'x' is 'NaN'"),
        ("timestamp,x\n0,1\n10,inf\n", "a.csv:3: column 'x'"),
        ("timestamp,x\n0,1\n10,\n", "a.csv:3: column 'x' is ''"),
        ("timestamp,x\n0,1_0\n", "column 'x' is '1_0'"),
        ("timestamp,x\n0,1\n10,2,3\n", "a.csv:3: 3 values, the header has 2 columns"),
        ("timestamp,x\n10,1\n10,2\n", "a.csv:3: timestamp 10 does not come after 10"),
        ("timestamp,x\n", "no rows"),
        ("timestamp\n1\n", "no column beside 'timestamp'"),
        ("", "header"),
        ("1,2\n3,4\n", "no header line"),
        ("a,a\n1,2\n", "two columns with one name"),
        ("a,\n1,2\n", "without a name"),
        ("a,b\n1,2\n3,4\n", "without a first column 'timestamp'"),
        (b"timestamp,x\n0,\xff\n", "UTF-8"),
        ('timestamp,x\n0,"1\n', "is no CSV"),
        ("timestamp,x\n0,1\0\n", "a.csv"),
        ("timestamp,x\n0," + "1" * 200_000, "is no CSV"),
    ],
)
def test_tables_that_are_none(tmp_path: Path, content: Any, says: str) -> None:
    with pytest.raises(InvalidParamError) as info:
        check_content(write(tmp_path, "a.csv", content))
    assert says in info.value.message
    assert "\n" not in info.value.message


def test_uneven_timestamps_are_warned_of(tmp_path: Path, caplog: Any) -> None:
    with caplog.at_level(logging.WARNING):
        check_content(write(tmp_path, "a.csv", "timestamp,x\n0,1\n10,1\n20,1\n31,1\n50,1\n"))
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / 'a.csv'}:5: the timestamps are not evenly spaced"
    ]


def wav(tmp_path: Path, frames: int, channels: int = 1) -> bytes:
    path = tmp_path / "made.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(bytes(2 * channels * frames))
    return path.read_bytes()


def test_wav_files(tmp_path: Path) -> None:
    assert check_content(write(tmp_path, "a.wav", wav(tmp_path, 100))) == 100
    assert check_content(write(tmp_path, "b.wav", wav(tmp_path, 50, channels=2))) == 50
    content = wav(tmp_path, 7)
    listed = content[:12] + b"LIST" + struct.pack("<I", 3) + b"abc\0" + content[12:]
    assert check_content(write(tmp_path, "c.wav", listed)) == 7


def test_wav_files_that_are_none(tmp_path: Path) -> None:
    whole = wav(tmp_path, 10)
    for length in range(len(whole)):
        with pytest.raises(InvalidParamError, match=r"a\.wav"):
            check_content(write(tmp_path, "a.wav", whole[:length]))
    for wrong, says in (
        (whole.replace(b"RIFF", b"RIFX"), "does not begin"),
        (whole[:20] + b"\x55\0" + whole[22:], "WAV format 85"),
        (whole[:12] + whole[36:], "before their format"),
        (wav(tmp_path, 0), "no samples"),
    ):
        with pytest.raises(InvalidParamError, match=says):
            check_content(write(tmp_path, "a.wav", wrong))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jpg", b"\xff\xd8\xff\xe0"),
        ("a.JPEG", b"\xff\xd8\xff\xe1"),
        ("a.png", b"\x89PNG\r\n\x1a\n...."),
        ("a.mp4", b"\0\0\0\x20ftypisom"),
        ("a.avi", b"RIFF\1\2\3\4AVI LIST"),
        ("a.parquet", b"PAR1...."),
    ],
)
def test_files_begin_as_they_are_called(tmp_path: Path, name: str, content: bytes) -> None:
    assert check_content(write(tmp_path, name, content)) is None
    for wrong in (content[:2], b"<html>" + content, b"\0" * 20):
        with pytest.raises(InvalidParamError, match="does not begin like"):
            check_content(write(tmp_path, name, wrong))


def test_other_files_are_taken_as_they_are(tmp_path: Path) -> None:
    assert check_content(write(tmp_path, "a.bin", b"\0")) is None
    assert check_content(write(tmp_path, "a.txt", b"\xff")) is None


def test_sizes() -> None:
    check_size(Path("a.csv"), media.MAX_BYTES, own_tables=False)
    check_size(Path("a.csv"), media.MAX_TABLE_BYTES, own_tables=True)
    for path, size, own in (("a.csv", 0, True), ("a.csv", media.MAX_BYTES + 1, False), ("a.jpg", 1 << 30, True)):
        with pytest.raises(InvalidParamError):
            check_size(Path(path), size, own_tables=own)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(extension=st.sampled_from([".wav", ".csv", ".json", ".cbor", ".png", ".avi"]), content=st.binary(max_size=300))
def test_random_bytes_are_fine_or_an_error(tmp_path: Path, extension: str, content: bytes) -> None:
    with suppress(InvalidParamError):
        check_content(write(tmp_path, f"a{extension}", content))
