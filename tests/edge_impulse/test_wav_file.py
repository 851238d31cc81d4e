"""WAV files as 16-bit mono chunks."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner.edge_impulse.wav_file import WavFile
from ai_runner.errors import InvalidParamError

RATE = 16000


def write(path: Path, frames: bytes, width: int = 2, channels: int = 1, rate: int = RATE) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", "not compressed"))
        file.writeframes(frames)
    return path


def read(path: Path, **keywords: Any) -> np.ndarray[Any, np.dtype[np.int16]]:
    with WavFile(path, RATE, **keywords) as file:
        return np.frombuffer(b"".join(file.generator()), np.int16)


def test_sixteen_bits_come_as_they_are_in_chunks(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(-32768, 32768, 2500).astype(np.int16)
    path = write(tmp_path / "a.wav", samples.astype("<i2").tobytes())
    with WavFile(path, RATE, 1024) as file:
        assert file.samples == 2500
        chunks = list(file.generator())
    assert [len(chunk) // 2 for chunk in chunks] == [1024, 1024, 452]
    np.testing.assert_array_equal(np.frombuffer(b"".join(chunks), np.int16), samples)


@pytest.mark.parametrize(
    ("width", "data", "expected"),
    [
        (1, bytes([0, 128, 255]), [-32768, 0, 32512]),
        (3, b"\xff\x01\x00" + b"\x00\xff\xff" + b"\x00\x00\x80", [1, -1, -32768]),
        (4, np.array([1 << 16, -1 << 16, 0x7FFFFFFF], "<i4").tobytes(), [1, -1, 32767]),
    ],
)
def test_other_widths_keep_the_upper_sixteen_bits(width: int, data: bytes, expected: list[int], tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.wav", data, width=width)).tolist() == expected


def test_channels_are_averaged(tmp_path: Path) -> None:
    frames = np.array([[100, 300], [-4, -2], [32767, 32767]], "<i2").tobytes()
    assert read(write(tmp_path / "a.wav", frames, channels=2)).tolist() == [200, -3, 32767]


def test_another_rate_names_both(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", bytes(20), rate=44100)
    with pytest.raises(InvalidParamError, match=r"44100 samples a second, the model takes 16000") as caught:
        WavFile(path, 16000.0)
    assert "-ar 16000" in caught.value.hint


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidParamError, match="no such file"):
        WavFile(tmp_path / "none.wav", RATE)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"not a wav file at all", b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0"])
def test_no_wav_file(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(InvalidParamError, match="is no WAV file"):
        WavFile(path, RATE)


def test_damaged_files_end_or_raise(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.wav", bytes(range(200)) * 4, width=3).read_bytes()
    damaged = tmp_path / "damaged.wav"
    generator = np.random.default_rng(1)
    for k in range(len(whole) // 4):
        content = bytearray(whole[: len(whole) - k])
        content[int(generator.integers(0, 44))] = int(generator.integers(0, 256))
        damaged.write_bytes(content)
        try:
            assert len(read(damaged)) <= len(whole)
        except InvalidParamError:
            continue


def test_closing_ends_the_chunks(tmp_path: Path) -> None:
    file = WavFile(write(tmp_path / "a.wav", bytes(400)), RATE, 10)
    with file:
        chunks = file.generator()
        next(chunks)
    assert list(chunks) == []
