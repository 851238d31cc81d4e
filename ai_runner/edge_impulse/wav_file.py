"""A WAV file where a microphone could be."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from ai_runner.errors import InvalidParamError

Samples = npt.NDArray[np.int16]


class WavFile:
    """Chunks of a WAV file as 16-bit mono samples. A context manager.

    PCM of 8, 16, 24 and 32 bits; several channels are averaged. The rate is not changed: resampling belongs to a tool
    made for it.

    Args:
        path: the file.
        rate: samples a second that are expected, Hz.
        chunk_size: samples of a chunk.

    Attributes:
        samples: of the file, a channel; known from the start.

    Raises:
        InvalidParamError: no such file, no PCM, another rate.
    """

    def __init__(self, path: str | Path, rate: float, chunk_size: int = 1024) -> None:
        self.path = Path(path)
        self.rate = rate
        self.chunk_size = chunk_size
        with self._open() as file:
            self.samples = file.getnframes()
            found = file.getframerate()
        if found != rate:
            raise InvalidParamError(
                f"{self.path}: {found} samples a second, the model takes {rate:g}",
                hint=f"for example: ffmpeg -i {self.path.name} -ar {rate:g} -ac 1 resampled.wav",
            )
        self._file: wave.Wave_read | None = None

    def __enter__(self) -> Self:
        self._file = self._open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def generator(self) -> Iterator[bytes]:
        """Chunks of native int16, the last one may be shorter; ends with the file, or when it is closed.

        Raises:
            InvalidParamError: the file is damaged.
        """
        while self._file is not None:
            try:
                data = self._file.readframes(self.chunk_size)
            except Exception as error:  # as below
                raise InvalidParamError(f"{self.path}: cannot be read: {error}") from error
            width, channels = self._file.getsampwidth(), self._file.getnchannels()
            whole = len(data) - len(data) % (width * channels)
            if not whole:
                return
            yield _mono(_samples(data[:whole], width), channels).tobytes()

    def _open(self) -> wave.Wave_read:
        if not self.path.is_file():
            raise InvalidParamError(f"{self.path}: no such file")
        try:
            file = wave.open(str(self.path), "rb")  # noqa: SIM115 - the caller closes it
        except Exception as error:  # the module wave raises half a dozen types on damaged files
            raise InvalidParamError(
                f"{self.path}: is no WAV file of PCM samples: {error or 'it ends too early'}",
                hint=f"for example: ffmpeg -i {self.path.name} -c:a pcm_s16le converted.wav",
            ) from error
        if file.getsampwidth() not in (1, 2, 3, 4):
            file.close()
            raise InvalidParamError(f"{self.path}: samples of {file.getsampwidth()} bytes")
        return file


def _samples(data: bytes, width: int) -> Samples:
    """The upper 16 bits of PCM samples; those of one byte are unsigned."""
    octets = np.frombuffer(data, np.uint8).reshape(-1, width)
    if width == 1:
        return (octets[:, 0].astype(np.int16) - np.int16(128)) * np.int16(256)
    low, high = octets[:, -2].astype(np.int16), octets[:, -1].view(np.int8).astype(np.int16)
    return high * np.int16(256) + low


def _mono(samples: Samples, channels: int) -> Samples:
    if channels == 1:
        return samples
    mono: Samples = samples.reshape(-1, channels).mean(axis=1).round().astype(np.int16)
    return mono
