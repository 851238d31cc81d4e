"""Inputs from a folder of WAV files."""

from __future__ import annotations

import os
import struct
import wave
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.data.array_inputs import stored
from ai_runner.data.labelled_files import LabelledFiles
from ai_runner.data.labels import Labels
from ai_runner.data.preprocessing import Preprocessing
from ai_runner.errors import InvalidParamError, MissingRuntimeError
from ai_runner.model import TensorInfo

Array = npt.NDArray[Any]
Sound = npt.NDArray[np.float32]

STEPS = ("mono", "window", "scale", "mean", "std")
FULL_SCALE = (-1.0, 1.0)
MAX_FRAMES = 1 << 28  # of one file


class SoundInputs:
    """Inputs from WAV files, read when they are needed: windows of samples, full scale -1..1 unless scaled.

    The rate is not changed: all files have to have the same.
    """

    seed: int | None = None

    def __init__(self, files: LabelledFiles, inputs: Sequence[TensorInfo], preprocessing: Preprocessing) -> None:
        """Looks at the header and the length of every file.

        Args:
            files: the sounds.
            inputs: of the reference: one, whose values are the samples of a window.
            preprocessing: ``window`` for files of other lengths, ``mono`` for several channels, scale, mean, std.

        Raises:
            InvalidParamError: a file that is no WAV, damaged, of another rate, or does not fit the window.
            MissingRuntimeError: a file is no PCM and soundfile, which reads others, is not installed.
        """
        preprocessing.check_used(STEPS, "WAV files")
        if len(inputs) != 1:
            raise InvalidParamError(f"WAV files feed a model with one input, this one has {len(inputs)}")
        (self._tensor,) = inputs
        if len([size for size in self._tensor.sample_shape if size != 1]) != 1:
            raise InvalidParamError(
                f"input '{self._tensor.name}' {list(self._tensor.shape)} takes no samples of sound",
                hint="a spectrogram can be computed in a loader (py:MODULE:FUNCTION)",
            )
        self._window = prod(self._tensor.sample_shape)
        self._preprocessing = preprocessing
        self._files = files
        self.rate = 0
        starts = [np.array(self._starts(files.folder / name), np.int64) for name in files.names]
        file_numbers = np.repeat(np.arange(len(starts)), [len(each) for each in starts])
        self._places = np.stack([file_numbers, np.concatenate(starts)], axis=1)
        if not len(self._places):
            raise InvalidParamError(f"{files.folder}: no file is as long as the window of {self._window} samples")
        self.samples = len(self._places)
        self.labels = self._labels(files.labels)
        steps = str(preprocessing)
        self.description = (
            f"{self.samples} windows of {len(files.names)} WAV files of {files.folder.name or files.folder}, "
            f"{self.rate} Hz" + (f", {steps}" if steps else "")
        )
        self.chunk(0, 1)

    @property
    def interval_ms(self) -> float:
        """Time from one sample of the sound to the next, ms."""
        return 1000.0 / self.rate

    def chunk(self, start: int, stop: int) -> list[Array]:
        """Windows start..stop-1: one array in the type that the model stores."""
        sounds = np.stack([self._sound(*place) for place in self._places[start:stop].tolist()])
        values = self._preprocessing.normalized(sounds, FULL_SCALE, -1)
        return [stored(values.reshape(stop - start, *self._tensor.sample_shape), self._tensor)]

    def _labels(self, labels: Labels | None) -> Labels | None:
        return None if labels is None else Labels(labels.values[self._places[:, 0]], labels.where, labels.names)

    def _starts(self, path: Path) -> Sequence[int]:
        """First samples of the windows of a file; negative ones begin with zeros."""
        frames, rate, channels = _header(path)
        if self.rate not in (0, rate):
            raise InvalidParamError(
                f"{path}: {rate} samples a second, {self._files.names[0]} has {self.rate}",
                hint=f"sound is not resampled here; for example: ffmpeg -i {path.name} -ar {self.rate} resampled.wav",
            )
        self.rate = rate
        if channels > 1 and not self._preprocessing.mono:
            raise InvalidParamError(f"{path}: {channels} channels", hint="--preprocess mono averages them")
        if frames == 0:
            raise InvalidParamError(f"{path}: holds no samples")
        match self._preprocessing.window:
            case "all":
                return range(0, frames - self._window + 1, self._window)
            case "first":
                return [0]
            case "center":
                return [(frames - self._window) // 2]
        if frames != self._window:
            raise InvalidParamError(
                f"{path}: {frames} samples, input '{self._tensor.name}' takes {self._window}",
                hint="--preprocess window=first, window=center or window=all",
            )
        return [0]

    def _sound(self, file: int, start: int) -> Sound:
        path = self._files.folder / self._files.names[file]
        begin, end = max(start, 0), start + self._window
        found = _samples(path, begin, end - begin)
        window = np.zeros(self._window, np.float32)
        window[begin - start : begin - start + len(found)] = found
        return window


def _header(path: Path) -> tuple[int, int, int]:
    """(samples a channel, samples a second, channels); the file is as long as its header says."""
    try:
        with _opened(path) as file:
            frames, width, channels = file.getnframes(), file.getsampwidth(), file.getnchannels()
            rate = file.getframerate()
            if frames:
                file.setpos(frames - 1)
                if len(file.readframes(1)) != width * channels:
                    raise InvalidParamError(f"{path}: ends before the {frames} samples that its header announces")
    except _OtherFormat:
        _check_length(path)
        with _soundfile(path) as other:
            frames, rate, channels = other.frames, other.samplerate, other.channels
    if not 0 <= frames <= MAX_FRAMES or rate <= 0:
        raise InvalidParamError(f"{path}: {frames} samples, {rate} a second")
    return frames, rate, channels


def _check_length(path: Path) -> None:
    """That all samples are there that the header announces: soundfile takes what there is."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        place = 12  # RIFF, its size, WAVE; then chunks: name, size, content, to an even length
        while place + 8 <= end:
            file.seek(place)
            name, size = struct.unpack("<4sI", file.read(8))
            if name == b"data":
                if size > end - place - 8:
                    raise InvalidParamError(
                        f"{path}: ends before the {size} bytes of samples that its header announces"
                    )
                return
            place += 8 + size + size % 2


def _samples(path: Path, start: int, count: int) -> Sound:
    """At most `count` samples from `start`, channels averaged, full scale -1..1."""
    try:
        with _opened(path) as file:
            width, channels, frames = file.getsampwidth(), file.getnchannels(), file.getnframes()
            file.setpos(min(start, frames))
            raw = file.readframes(count)
            if len(raw) != width * channels * min(count, max(frames - start, 0)):
                raise InvalidParamError(f"{path}: ends before the {frames} samples that its header announces")
            values = _full_scale(raw, width).reshape(-1, channels)
    except _OtherFormat:
        with _soundfile(path) as other:
            other.seek(min(start, other.frames))
            values = other.read(count, dtype="float32", always_2d=True)
            if not np.isfinite(values).all():
                raise InvalidParamError(f"{path}: holds NaN or an infinity") from None
    mono: Sound = values[:, 0] if values.shape[1] == 1 else values.mean(axis=1, dtype=np.float32)
    return mono


class _OtherFormat(Exception):
    """A WAV file of something else than PCM."""


class _opened:  # noqa: N801 - a context manager
    """A WAV file of PCM samples; whatever goes wrong is an InvalidParamError, or _OtherFormat."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> wave.Wave_read:
        try:
            self._file = wave.open(str(self._path), "rb")
        except FileNotFoundError as error:
            raise InvalidParamError(f"{self._path}: no such file") from error
        except Exception as error:  # the module wave raises half a dozen types on damaged files
            if "unknown format" in str(error):
                raise _OtherFormat from error
            raise _damaged(self._path, error) from error
        if self._file.getsampwidth() not in _WIDTHS or self._file.getnchannels() < 1:
            self._file.close()
            raise InvalidParamError(f"{self._path}: samples of {self._file.getsampwidth()} bytes")
        return self._file

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self._file.close()
        if error is not None and not isinstance(error, InvalidParamError) and isinstance(error, Exception):
            raise _damaged(self._path, error) from error


def _damaged(path: Path, error: Exception) -> InvalidParamError:
    return InvalidParamError(
        f"{path}: is no WAV file: {str(error) or 'it ends too early'}",
        hint=f"for example: ffmpeg -i {path.name} -c:a pcm_s16le converted.wav",
    )


def _soundfile(path: Path) -> Any:
    """A WAV file of floats or another encoding."""
    try:
        import soundfile
    except (ImportError, OSError) as error:
        raise MissingRuntimeError(
            f"{path}: is no PCM, and soundfile, which reads other encodings, is not installed",
            hint="pip install 'ai-runner[data]'",
        ) from error
    try:
        return soundfile.SoundFile(path)
    except Exception as error:
        raise _damaged(path, error) from error


def _full_scale(raw: bytes, width: int) -> Sound:
    """PCM samples divided by 2**(bits - 1); those of one byte are unsigned."""
    if width == 1:
        return (np.frombuffer(raw, np.uint8).astype(np.float32) - 128.0) / 128.0
    if width == 3:
        octets = np.frombuffer(raw, np.uint8).reshape(-1, 3)
        padded = np.zeros((len(octets), 4), np.uint8)
        padded[:, 1:] = octets
        return padded.reshape(-1).view("<i4").astype(np.float32) / np.float32(2.0**31)
    return np.frombuffer(raw, f"<i{width}").astype(np.float32) / np.float32(2.0 ** (8 * width - 1))


_WIDTHS = (1, 2, 3, 4)
