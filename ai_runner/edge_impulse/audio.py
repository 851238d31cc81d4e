"""AudioImpulseRunner: an impulse that hears, with the names of Edge Impulse's Linux SDK."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ai_runner.edge_impulse.microphone import Microphone
from ai_runner.edge_impulse.runner import ImpulseRunner, Reply
from ai_runner.edge_impulse.wav_file import WavFile
from ai_runner.errors import InvalidModelError, InvalidParamError, NotInitializedMsgError
from ai_runner.impulse.hello import Hello

__all__ = ["CHUNK_SIZE", "OVERLAP", "AudioImpulseRunner", "Microphone", "WavFile"]

CHUNK_SIZE = 1024  # samples that are read at a time
OVERLAP = 0.25  # of a window: how far the next one begins after it


class AudioImpulseRunner(ImpulseRunner):
    """An impulse that hears; arguments as for `ImpulseRunner`.

    Attributes, which `init` fills in:
        window_size: samples of one classification.
        sampling_rate: Hz.
        labels: in the model's order.
        closed: False from the start to the stop; set it to True to end `classifier`.
    """

    def __init__(self, model_path: str | Path, *arguments: Any, **keywords: Any) -> None:
        super().__init__(model_path, *arguments, **keywords)
        self.closed = True
        self.sampling_rate: float = 0
        self.window_size = 0
        self.labels: list[str] = []
        self._slice_size = 0

    def _describe(self, parameters: Hello) -> None:
        if parameters.frequency <= 0:
            raise self._unsuitable("audio recognition")
        self.window_size = parameters.features
        self.sampling_rate = self.get_model_parameters()["frequency"]
        self.labels = list(parameters.labels)
        self._slice_size = parameters.slice_size
        self.closed = False

    def stop(self) -> None:
        """As for `ImpulseRunner`; also ends what listens."""
        self.closed = True
        super().stop()

    def classifier(
        self, device_id: int | str | Path | None = None, *, continuous: bool = False, step: float = OVERLAP
    ) -> Iterator[tuple[Reply, bytes]]:
        """``(reply, the last chunk of int16 samples)`` for each window.

        Args:
            device_id: number or name of a microphone, None to choose one as `Microphone` does, or a ``.wav`` file.
            continuous: sends slices of a quarter window with `classify_continuous`; the first three replies are zeros.
            step: share of a window by which the next one begins later.

        Raises:
            NotInitializedMsgError: before init.
            InvalidParamError: no such device or file, another rate, shorter than a window; a step outside of 0..1.
            HwIOError, MissingRuntimeError: as `Microphone`.
            and as `classify`.
        """
        if not 0 < step <= 1:
            raise InvalidParamError(f"step={step}: expected a share of the window, above 0 and up to 1")
        if self.window_size == 0:
            raise NotInitializedMsgError(f"{self._model_path}: the runner is not initialized", hint="call init() first")
        if continuous and self._slice_size < 1:
            raise InvalidModelError(f"{self._model_path}: has no continuous mode", hint="classify whole windows")
        length = self._slice_size if continuous else self.window_size
        advance = length if continuous else max(int(self.window_size * step), 1)
        classify = self.classify_continuous if continuous else self.classify
        for window, chunk in self._windows(device_id, length, advance):
            yield classify(window), chunk

    def _windows(
        self, device_id: int | str | Path | None, length: int, advance: int
    ) -> Iterator[tuple[np.ndarray[Any, np.dtype[np.int16]], bytes]]:
        """Windows of `length` samples, `advance` apart, each with the chunk that completed it."""
        waiting = np.empty(0, np.int16)
        with self._source(device_id, length) as source:
            for chunk in source.generator():
                waiting = np.concatenate([waiting, np.frombuffer(chunk, np.int16)])
                while len(waiting) >= length and not self.closed:
                    yield waiting[:length], chunk
                    waiting = waiting[advance:]
                if self.closed:
                    return

    def _source(self, device_id: int | str | Path | None, length: int) -> Microphone | WavFile:
        if not isinstance(device_id, Path) and not str(device_id).lower().endswith((".wav", ".wave")):
            return Microphone(self.sampling_rate, CHUNK_SIZE, device_id=device_id)
        file = WavFile(str(device_id), self.sampling_rate, CHUNK_SIZE)
        if file.samples < length:
            raise InvalidParamError(
                f"{device_id}: {file.samples} samples are less than one window of {length}",
                hint=f"the model hears {self.get_sample_length_ms():g} ms at a time",
            )
        return file
