"""A microphone as a source of 16-bit samples; sounddevice (PortAudio) reads it."""

from __future__ import annotations

import logging
import queue
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

from ai_runner.errors import AiRunnerError, HwIOError, InvalidParamError, LinkTimeoutError, MissingRuntimeError

_SAMPLE_TYPE = "int16"
_SAMPLE_BYTES = 2
_KEPT_SECONDS = 60  # of audio that nobody has taken yet
_PATIENCE = 5.0  # s without a chunk
_logger = logging.getLogger("ai_runner.edge_impulse")


class Microphone:
    """Chunks of 16-bit samples from an input device. A context manager that opens and closes it.

    Without a device that can do it, a person at a terminal is asked for one; a program takes the system's default.

    Args:
        rate: samples a second, Hz.
        chunk_size: samples of a chunk.
        device_id: number or name of a device, as sounddevice has them; None to choose.
        channels: samples of different channels alternate.

    Attributes:
        device_id: of the device that was chosen.
        closed: False while it is open; set it to True to end `generator`.

    Raises:
        InvalidParamError: the device cannot do it.
        HwIOError: there is no input device that can.
        MissingRuntimeError: sounddevice or PortAudio is not installed.
    """

    def __init__(self, rate: float, chunk_size: int, device_id: int | str | None = None, channels: int = 1) -> None:
        self.rate = rate
        self.chunk_size = chunk_size
        self.channels = channels
        self.closed = True
        self.zero_counter = 0
        kept = max(int(_KEPT_SECONDS * rate / chunk_size), 2)
        self.buff: queue.Queue[bytes | AiRunnerError | None] = queue.Queue(kept)
        self.interface = _sounddevice()
        self.device_id = self._choose(device_id)
        self._stream: Any = None
        self._lost = 0
        _logger.info("microphone: %s", self.device_id)

    def checkDeviceModelCompatibility(self, device_id: int | str) -> bool:  # noqa: N802
        """Whether the device records at this rate with these channels."""
        try:
            self.interface.check_input_settings(
                device=device_id, channels=self.channels, dtype=_SAMPLE_TYPE, samplerate=self.rate
            )
        except (ValueError, self.interface.PortAudioError):
            return False
        return True

    def listAvailableDevices(self) -> list[tuple[int, str]]:  # noqa: N802
        """Number and name of each input device.

        Raises:
            HwIOError: there is none.
        """
        found = [
            (number, str(device["name"]))
            for number, device in enumerate(self.interface.query_devices())
            if device["max_input_channels"] > 0
        ]
        if not found:
            raise HwIOError("there is no audio input device", hint="a WAV file can be given instead of a device")
        return found

    def __enter__(self) -> Self:
        try:
            self._stream = self.interface.RawInputStream(
                samplerate=self.rate,
                blocksize=self.chunk_size,
                device=self.device_id,
                channels=self.channels,
                dtype=_SAMPLE_TYPE,
                callback=self._received,
            )
            self._stream.start()
        except (ValueError, self.interface.PortAudioError) as error:
            self._close()
            raise HwIOError(f"microphone {self.device_id}: cannot be opened: {error}", retryable=True) from error
        self.closed = False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closed = True
        self._close()
        self._put(None)

    def generator(self) -> Iterator[bytes]:
        """What was recorded since the last time, native int16, in order, until the microphone is closed.

        Raises:
            HwIOError: nothing but zeros for a second.
            LinkTimeoutError: nothing at all for some seconds.
        """
        while not self.closed:
            try:
                chunks = [self.buff.get(timeout=_PATIENCE)]
            except queue.Empty:
                raise LinkTimeoutError(f"microphone {self.device_id}: no audio for {_PATIENCE:g} s") from None
            while not self.buff.empty():
                chunks.append(self.buff.get_nowait())
            recorded = []
            for chunk in chunks:
                if isinstance(chunk, AiRunnerError):
                    raise chunk
                if chunk is None:
                    return
                recorded.append(chunk)
            yield b"".join(recorded)

    def _received(self, data: Any, frames: int, time: Any, status: Any) -> None:
        """Called by PortAudio's thread with each chunk."""
        chunk = bytes(data)
        self.zero_counter = 0 if any(chunk) else self.zero_counter + 1
        if self.zero_counter > self.rate / self.chunk_size:
            self._put(HwIOError(f"microphone {self.device_id}: nothing but zeros for a second", hint="is it muted?"))
        self._put(chunk)

    def _put(self, item: bytes | AiRunnerError | None) -> None:
        """Puts into the queue, in place of the oldest where it is full."""
        while True:
            try:
                self.buff.put_nowait(item)
                return
            except queue.Full:
                self._lost += 1
                if self._lost == 1:
                    _logger.warning("microphone: %d s of audio wait; the oldest are dropped", _KEPT_SECONDS)
                try:
                    self.buff.get_nowait()
                except queue.Empty:
                    continue

    def _close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _choose(self, device_id: int | str | None) -> int | str:
        if device_id is not None and self.checkDeviceModelCompatibility(device_id):
            return device_id
        devices = self.listAvailableDevices()
        if _interactive():
            return self._ask(devices)
        names = ", ".join(f"{number} {name}" for number, name in devices)
        if device_id is not None:
            raise InvalidParamError(
                f"microphone {device_id}: does not record {self._wanted()}", hint=f"there are {names}"
            )
        for number in [self.interface.default.device[0], *(number for number, _ in devices)]:
            if number >= 0 and self.checkDeviceModelCompatibility(number):
                return int(number)
        raise HwIOError(f"no microphone records {self._wanted()}", hint=f"there are {names}")

    def _ask(self, devices: list[tuple[int, str]]) -> int:
        question = "\n".join([*(f"{number} --> {name}" for number, name in devices), "Number of the audio device: "])
        while True:
            try:
                answer = input(question)
            except EOFError:
                raise InvalidParamError("no audio device was chosen", hint="give its number") from None
            number = int(answer) if answer.strip().isdecimal() else -1
            if number in dict(devices) and self.checkDeviceModelCompatibility(number):
                return number
            question = f"{answer.strip()!r} does not record {self._wanted()}. Another device: "

    def _wanted(self) -> str:
        channels = "mono" if self.channels == 1 else f"{self.channels} channels"
        return f"{_SAMPLE_TYPE} {channels} at {self.rate:g} Hz"


def _interactive() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise MissingRuntimeError(
            "recording audio needs the package sounddevice",
            hint="pip install 'ai-runner[audio]'; a WAV file needs none",
        ) from error
    except OSError as error:
        raise MissingRuntimeError(
            f"sounddevice finds no PortAudio: {error}",
            hint="on Debian: apt install libportaudio2; a WAV file needs none",
        ) from error
    return sounddevice
