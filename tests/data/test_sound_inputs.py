"""Folders of WAV files: formats, windows, every way to be broken, and memory."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_runner.data import SoundInputs, Source, open_source, parse_preprocessing
from ai_runner.errors import InvalidParamError, MissingRuntimeError

Write = Callable[..., Path]
RAMP = (np.arange(8) * 4096 - 16384).astype(np.int16)


def opened(folder: Path, tensor: Any, *steps: str) -> Source:
    return open_source(str(folder), [tensor], preprocessing=parse_preprocessing(steps))


def test_subfolders_are_labels_and_full_scale_is_one(wav: Write, tmp_path: Path, tensor: Any) -> None:
    wav("yes/a.wav", RAMP)
    wav("no/b.wav", -RAMP)
    source = opened(tmp_path, tensor("x", 8))
    assert source.labels is not None
    assert [source.labels.names[k] for k in source.labels.values] == ["no", "yes"]
    np.testing.assert_array_equal(source.chunk(0, 2)[0], np.stack([-RAMP, RAMP]) / np.float32(32768))
    assert source.description == f"2 windows of 2 WAV files of {tmp_path.name}, 16000 Hz"
    assert isinstance(source, SoundInputs)
    assert source.interval_ms == 0.0625
    scaled = opened(tmp_path, tensor("x", 1, 8, 1), "scale=-32768..32768").chunk(1, 2)[0]
    assert scaled.reshape(-1).tolist() == RAMP.tolist()


def test_every_width_of_pcm(wav: Write, tmp_path: Path, tensor: Any) -> None:
    wav("a.wav", (RAMP // 256 + 128).astype(np.uint8))
    wav("b.wav", RAMP)
    wav("d.wav", RAMP.astype(np.int32) * 65536)
    whole = opened(tmp_path, tensor("x", 8)).chunk(0, 3)[0]
    assert (whole == whole[0]).all()


def test_24_bits(tmp_path: Path, tensor: Any) -> None:
    import wave

    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(3)
        file.setframerate(8000)
        file.writeframes(b"".join((value * 256).to_bytes(3, "little", signed=True) for value in RAMP.tolist()))
    np.testing.assert_array_equal(opened(tmp_path, tensor("x", 8)).chunk(0, 1)[0][0], RAMP / 32768)


def test_windows(wav: Write, tmp_path: Path, tensor: Any) -> None:
    wav("u/a.wav", RAMP)
    wav("v/b.wav", RAMP[:3])
    with pytest.raises(InvalidParamError, match=r"a\.wav: 8 samples, input 'x' takes 4"):
        opened(tmp_path, tensor("x", 4))
    unit = ("scale=-32768..32768",)
    first = opened(tmp_path, tensor("x", 4), "window=first", *unit).chunk(0, 2)[0]
    assert first.tolist() == [RAMP[:4].tolist(), [*RAMP[:3].tolist(), 0]]
    center = opened(tmp_path, tensor("x", 4), "window=center", *unit).chunk(0, 2)[0]
    assert center[0].tolist() == RAMP[2:6].tolist()
    assert sorted(center[1].tolist()) == sorted([*RAMP[:3].tolist(), 0])
    every = opened(tmp_path, tensor("x", 4), "window=all", *unit)
    assert every.samples == 2
    assert every.chunk(0, 2)[0].tolist() == [RAMP[:4].tolist(), RAMP[4:].tolist()]
    assert every.labels is not None
    assert [every.labels.names[k] for k in every.labels.values] == ["u", "u"]
    with pytest.raises(InvalidParamError, match="no file is as long as the window of 9 samples"):
        opened(tmp_path, tensor("x", 9), "window=all")


def test_channels_and_rates(wav: Write, tmp_path: Path, tensor: Any) -> None:
    wav("a.wav", np.stack([RAMP, RAMP + 2], axis=1))
    with pytest.raises(InvalidParamError, match=r"a\.wav: 2 channels"):
        opened(tmp_path, tensor("x", 8))
    mono = opened(tmp_path, tensor("x", 8), "mono", "scale=-32768..32768").chunk(0, 1)[0]
    assert mono[0].tolist() == (RAMP + 1).tolist()
    wav("b.wav", RAMP, rate=8000)
    with pytest.raises(InvalidParamError, match=r"b\.wav: 8000 samples a second, a\.wav has 16000") as caught:
        opened(tmp_path, tensor("x", 8), "mono")
    assert "ffmpeg" in caught.value.hint


def test_models_that_take_no_sound(wav: Write, tmp_path: Path, tensor: Any) -> None:
    wav("a.wav", RAMP)
    with pytest.raises(InvalidParamError, match="takes no samples of sound"):
        opened(tmp_path, tensor("x", 4, 2))
    with pytest.raises(InvalidParamError, match="this one has 2"):
        open_source(str(tmp_path), [tensor("x", 8)] * 2)
    with pytest.raises(InvalidParamError, match="resize: is not for WAV files"):
        opened(tmp_path, tensor("x", 8), "resize=crop")


def test_floats_are_read_by_soundfile(tmp_path: Path, tensor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    soundfile = pytest.importorskip("soundfile", reason="soundfile is not installed")
    values = (RAMP / 32768).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", values, 16000, subtype="FLOAT")
    soundfile.write(tmp_path / "b.wav", values, 16000, subtype="PCM_16")
    whole = opened(tmp_path, tensor("x", 8)).chunk(0, 2)[0]
    np.testing.assert_array_equal(whole, np.stack([values, values]))
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(MissingRuntimeError, match=r"a\.wav: is no PCM") as caught:
        opened(tmp_path, tensor("x", 8))
    assert caught.value.hint == "pip install 'ai-runner[data]'"


@pytest.mark.parametrize("kept", [0, 3, 20, 43, 44, 45, 59])
def test_a_file_that_ends_too_early(wav: Write, tmp_path: Path, tensor: Any, kept: int) -> None:
    path = wav("a.wav", RAMP)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InvalidParamError, match=r"a\.wav: ") as caught:
        opened(tmp_path, tensor("x", 8))
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(("subtype", "form"), [("FLOAT", "WAV"), ("PCM_24", "WAVEX"), ("ULAW", "WAV")])
def test_what_is_no_plain_pcm_and_ends_too_early(tmp_path: Path, tensor: Any, subtype: str, form: str) -> None:
    soundfile = pytest.importorskip("soundfile", reason="soundfile is not installed")
    path = tmp_path / "a.wav"
    soundfile.write(path, np.linspace(-0.5, 0.5, 100), 16000, subtype=subtype, format=form)
    assert opened(tmp_path, tensor("x", 100)).samples == 1
    path.write_bytes(path.read_bytes()[:-20])
    for step in ("window=first", "window=center"):
        with pytest.raises(InvalidParamError, match=r"a\.wav: ends before the \d+ bytes of samples"):
            opened(tmp_path, tensor("x", 100), step)


def test_a_file_that_shrinks_while_it_is_used(wav: Write, tmp_path: Path, tensor: Any) -> None:
    path = wav("a.wav", RAMP)
    source = opened(tmp_path, tensor("x", 8))
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(InvalidParamError, match="ends before the 8 samples"):
        source.chunk(0, 1)
    path.unlink()
    with pytest.raises(InvalidParamError, match=r"a\.wav: no such file"):
        source.chunk(0, 1)


@settings(max_examples=80)
@given(data=st.data())
def test_a_damaged_file_is_sound_or_one_error(
    tmp_path_factory: pytest.TempPathFactory, tensor: Any, data: st.DataObject
) -> None:
    header = b"RIFF\x34\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x80>\x00\x00\x00}\x00\x00\x02\x00\x10\x00"
    content = bytearray(header + b"data\x10\x00\x00\x00" + RAMP.tobytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.mktemp("damaged")
    (folder / "a.wav").write_bytes(content)
    try:
        found = opened(folder, tensor("x", 8), "window=first", "mono").chunk(0, 1)[0]
        fine = found.shape == (1, 8) and bool(np.isfinite(found).all())
    except (InvalidParamError, MissingRuntimeError) as error:
        fine = "\n" not in error.message
    assert fine


def test_memory_does_not_grow_with_the_folder(wav: Write, tmp_path: Path, tensor: Any, peak_memory: Any) -> None:
    def read(samples: int) -> None:
        source = opened(tmp_path, tensor("x", 8000))
        for start in range(0, samples, 10):
            source.chunk(start, start + 10)

    peaks = []
    for samples in (20, 200):
        for k in range(samples):
            wav(f"a/{k}.wav", np.zeros(8000, np.int16))
        peaks.append(peak_memory(lambda n=samples: read(n)))
    assert peaks[1] < peaks[0] + 180 * 1000  # of 32000 bytes that a sample has; names of files are kept
